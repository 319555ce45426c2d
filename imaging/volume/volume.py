"""Samples, where they are, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from imaging.arrays import BoolArray, SampleArray, frozen
from imaging.errors import GeometryError
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices

__all__ = ["Modality", "Volume"]


class Modality(StrEnum):
    """What made the image; CT samples are Hounsfield units, MR samples are arbitrary."""

    CT = "CT"
    MR = "MR"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Volume:
    """One image.

    Parameters
    ----------
    samples
        (slices, rows, columns), float32 or int16, after the modality transform (HU for CT).
    grid
        Where the samples are.
    modality
        CT or MR.
    role
        ct, t1, stir, …; empty where unknown. Only equal roles are compared.
    series_uid, frame_of_reference_uid
        DICOM identity; empty for research formats.
    valid
        True where the scanner measured something (False = padding); None = everywhere.
    saturation_hu
        The largest value that this CT can store, if its top is known to be clipped there.
    findings
        Remarks that touch every figure made from this image. That of gaps is not among them: it touches only what
        reaches one.
    acquired_slices
        Which of the grid's planes were imaged, where the stack has gaps; None for an even stack. It goes before
        ``valid``: a plane that repeats its neighbour is valid to look at, and counts for no volume.

    Raises
    ------
    GeometryError
        If samples, ``valid`` or the slices do not fit the grid's shape.
    """

    samples: SampleArray
    grid: Grid
    modality: Modality
    role: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    valid: BoolArray | None = None
    saturation_hu: float | None = None
    findings: tuple[Finding, ...] = field(default=())
    acquired_slices: AcquiredSlices | None = None

    def __post_init__(self) -> None:
        if self.samples.shape != self.grid.shape:
            raise GeometryError(f"samples {self.samples.shape} do not fill the grid {self.grid.shape}")
        if self.samples.dtype not in (np.float32, np.int16):
            raise GeometryError(f"samples are float32 or int16; got {self.samples.dtype}")
        if self.acquired_slices is not None and len(self.acquired_slices.shown) != self.grid.shape[0]:
            raise GeometryError(f"{len(self.acquired_slices.shown)} planes of slices are not {self.grid.shape[0]}")
        object.__setattr__(self, "samples", frozen(self.samples))
        if self.valid is not None:
            if self.valid.shape != self.grid.shape:
                raise GeometryError(f"valid {self.valid.shape} does not fill the grid {self.grid.shape}")
            object.__setattr__(self, "valid", frozen(self.valid))

    def with_findings(self, *findings: Finding) -> Volume:
        """The same image with further remarks."""
        return replace(self, findings=(*self.findings, *findings))
