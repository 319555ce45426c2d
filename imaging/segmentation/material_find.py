"""What a CT shows of radiodense material: the pieces, and how much of them lies where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray, FloatArray, LabelArray
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices, volume_over
from imaging.segmentation.segment import LesionId, SegmentKind

__all__ = ["MaterialFind", "MaterialPiece"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaterialPiece:
    """One connected piece of one density.

    Parameters
    ----------
    label
        Its number in the find's label image.
    kind, confidence, reason
        What it is, how sure the rule is, and the rule in words.
    lesion
        The lesion that it overlaps most, else the nearest within 20 mm, else None.
    plateau_hu, background_hu
        Undiluted density of its core, and of what surrounds it.
    saturated
        The plateau is the clip of the CT, so only a lower bound.
    is_new
        Not there on the earlier CT; None without one.
    volume_ml, interval95_ml, method
        Amount of material from the CT's native voxels, the range in which the truth is expected, and how both were
        found.
    sweep
        (threshold HU, mL) within 3 mm of the piece.
    centroid_lps_mm
        Centre of its voxels.
    """

    label: int
    kind: SegmentKind
    confidence: float
    reason: str
    lesion: LesionId | None
    plateau_hu: float
    background_hu: float
    saturated: bool
    is_new: bool | None
    volume_ml: float
    interval95_ml: tuple[float, float]
    method: str
    sweep: tuple[tuple[float, float], ...]
    centroid_lps_mm: tuple[float, float, float]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaterialFind:
    """All radiodense material of one CT.

    Parameters
    ----------
    grid, labels
        The CT's native grid, and on it 0 or the label of a piece (uint16).
    pieces
        Largest first; empty if there is no evidence of material.
    cortex_hu
        What the patient's own cortical bone reaches here; None if too little bone is in view.
    saturation_hu
        Clip level of this CT, or None.
    findings
        Remarks on the whole CT, those of the volume included.
    slices
        Which planes of the grid were imaged, where the CT has gaps; None for an even stack.
    """

    grid: Grid
    labels: LabelArray
    pieces: tuple[MaterialPiece, ...] = ()
    cortex_hu: float | None = None
    saturation_hu: float | None = None
    findings: tuple[Finding, ...] = ()
    slices: AcquiredSlices | None = None

    def volume_ml(self, mask: BoolArray) -> float:
        """Voxel sum of a mask on the CT's grid, over slices of their own extents where the CT has gaps."""
        return volume_over(self.slices, mask, self.grid)

    def part_ml(self, mask: BoolArray) -> float:
        """How much of the material lies in a mask: of each piece's volume the share of its voxels there.

        A piece on planes that were not imaged has no volume, and no share of it.
        """
        inside, whole = self._counts(mask), self._counts(self.labels)
        imaged = [piece for piece in self.pieces if whole[piece.label] > 0]
        parts = [piece.volume_ml * inside[piece.label] / whole[piece.label] for piece in imaged]
        return float(sum(parts))

    def _counts(self, where: BoolArray | LabelArray) -> FloatArray:
        """Voxels of every label there, each plane weighted by its extent where the CT has gaps."""
        voxels = np.flatnonzero(where)
        size, count = int(self.labels.max()) + 1, self.grid.shape[0]
        planes = voxels // (self.labels.size // count)
        counted = np.bincount(planes * size + self.labels.ravel()[voxels], minlength=count * size).reshape(count, size)
        if self.slices is None:
            return np.asarray(counted.sum(axis=0), dtype=np.float64)
        return np.asarray(self.slices.extents_mm @ counted[list(self.slices.planes)], dtype=np.float64)

    def gap_remarks(self, mask: BoolArray, *, where: str) -> tuple[Finding, ...]:
        """What stands beside figures of the material in a mask, if it reaches a gap of the CT."""
        reached = () if self.slices is None else self.slices.reached(mask)
        if self.slices is None or not reached:
            return ()
        bridged_ml = self.slices.bridged_mm3(mask, pixel_mm2=self.grid.pixel_area_mm2) / 1000
        return (
            self.slices.remark(
                reached, volume_ml=self.volume_ml(mask), bridged_ml=bridged_ml, of="the material", where=where
            ),
        )

    def mask(self, *kinds: SegmentKind) -> BoolArray:
        """Where material of these kinds is; of every kind if none is named."""
        return self.piece_mask(*(piece for piece in self.pieces if not kinds or piece.kind in kinds))

    def piece_mask(self, *pieces: MaterialPiece) -> BoolArray:
        """Where these pieces are."""
        wanted = np.zeros(int(self.labels.max()) + 1, dtype=bool)
        wanted[[piece.label for piece in pieces]] = True
        return wanted[self.labels]
