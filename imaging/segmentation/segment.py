"""One mask with an identity: what it shows, on which grid, who made it, and whether a reader confirmed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NewType

import numpy as np

from imaging.arrays import BoolArray, frozen
from imaging.errors import GeometryError
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.provenance import Provenance, array_sha256, sha256_hex

__all__ = ["Box", "LesionId", "Segment", "SegmentKind", "Status"]

LesionId = NewType("LesionId", str)
Box = tuple[slice, slice, slice]


class SegmentKind(StrEnum):
    """What a mask shows."""

    LESION = "lesion"
    CEMENT = "cement"
    EMBOLIC = "embolic"
    METAL = "metal"
    UNCLASSIFIED = "unclassified"
    BONE = "bone"
    UNKNOWN = "unknown"  # an imported mask of which nothing but its name is known


class Status(StrEnum):
    """Made by the machine, confirmed or refused by a reader, gone, or not to be told."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ABSENT = "absent"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Segment:
    """A binary mask on a grid.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool.
    grid
        The native grid of the series on which the mask was made.
    label, name
        As stored in a file: the label number and the text of it.
    kind, lesion
        What it shows, and for a lesion (or material in one) whose it is.
    tracking_uid
        DICOM Tracking UID, the same through all exams; empty where unknown.
    status, provenance
        Proposed by an algorithm or accepted, and by whom.
    series_uid
        The series on which it was made; empty for research formats.

    Raises
    ------
    GeometryError
        If the mask does not fill the grid.
    """

    mask: BoolArray
    grid: Grid
    label: int = 1
    name: str = ""
    kind: SegmentKind = SegmentKind.UNKNOWN
    lesion: LesionId | None = None
    tracking_uid: str = ""
    status: Status = Status.PROPOSED
    provenance: Provenance | None = None
    series_uid: str = ""
    findings: tuple[Finding, ...] = ()
    _bounds: Box | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.mask.shape != self.grid.shape:
            raise GeometryError(f"mask {self.mask.shape} does not fill the grid {self.grid.shape}")
        object.__setattr__(self, "mask", frozen(self.mask.astype(bool, copy=False)))

    @property
    def sha256(self) -> str:
        """Digest of the mask and of the series it lies on: what a reader's acceptance is valid for."""
        return sha256_hex(f"{self.series_uid} {array_sha256(self.mask)}".encode())

    @property
    def bounds(self) -> Box | None:
        """The smallest box that holds its voxels; None if it has none. Searched at the first call alone.

        Examples
        --------
        >>> mask = np.zeros((4, 8, 8), dtype=bool)
        >>> mask[1:3, 2:5, 6] = True
        >>> Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))).bounds
        (slice(1, 3, None), slice(2, 5, None), slice(6, 7, None))
        """
        if self._bounds is None:
            self._remember((slice(0, None),) * 3)
        return self._bounds

    def found_within(self, box: Sequence[slice]) -> Segment:
        """The same segment, spared the search for its bounds outside a box that is known to hold all its voxels."""
        found = replace(self)
        found._remember(box)
        return found

    def with_status(self, status: Status, *findings: Finding) -> Segment:
        """The same mask with another standing."""
        other = replace(self, status=status, findings=(*self.findings, *findings))
        object.__setattr__(other, "_bounds", self._bounds)
        return other

    def with_tracking_uid(self, uid: str) -> Segment:
        """The same mask under another Tracking UID; none where it is empty."""
        other = replace(self, tracking_uid=uid)
        object.__setattr__(other, "_bounds", self._bounds)
        return other

    def _remember(self, box: Sequence[slice]) -> None:
        part = self.mask[tuple(box)]
        slices = np.flatnonzero(part.any(axis=(1, 2)))
        if slices.size == 0:
            return
        plane: BoolArray = np.any(part[slices[0] : slices[-1] + 1], axis=0)
        found = (slices, np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0)))
        starts = [int(at[0]) + (side.start or 0) for at, side in zip(found, box, strict=True)]
        stops = [int(at[-1]) + (side.start or 0) + 1 for at, side in zip(found, box, strict=True)]
        s, r, c = (slice(a, b) for a, b in zip(starts, stops, strict=True))
        object.__setattr__(self, "_bounds", (s, r, c))
