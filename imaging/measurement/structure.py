"""What somebody outlined on one image, a lesion or a place round it, as it lies in the space of any exam.

It keeps the voxels on which it was drawn: carrying it to another exam moves its grid, so a thin foramen is not lost
between thick slices, and the edge of the other exam cuts nothing off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import EmptyMask, GeometryError
from imaging.geometry import Grid
from imaging.segmentation.reach import box_around
from imaging.volume.resample import resample_mask

__all__ = ["Structure"]

HALF = 0.5  # of a voxel: its border lies so far from its centre


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Structure:
    """A named outline where it lies in the space of an exam.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool on the grid of the image on which it was drawn.
    grid
        That grid, moved to the exam: ``exam_from_image`` before its affine.
    error_mm
        How far it may lie elsewhere, in any direction; 0 where it was drawn in the exam's own space.

    Raises
    ------
    GeometryError
        If the mask does not fill the grid.
    EmptyMask
        If it holds no voxel.
    """

    name: str
    mask: BoolArray
    grid: Grid
    error_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.mask.shape != self.grid.shape:
            raise GeometryError(f"the mask of {self.name} {self.mask.shape} does not fill its grid {self.grid.shape}")
        if not self.mask.any():
            raise EmptyMask(f"the mask of {self.name} is empty: nothing can be measured from it")

    def on(self, grid: Grid) -> BoolArray:
        """The voxels of another grid in the same space that it fills by one half or more.

        Examples
        --------
        >>> mask = np.zeros((2, 4, 4), bool)
        >>> mask[0, 1:3, 1:3] = True
        >>> canal = Structure(name="canal", mask=mask, grid=Grid.from_spacing(mask.shape, (5.0, 1.0, 1.0)))
        >>> int(canal.on(Grid.from_spacing((400, 400, 400), (1.0, 1.0, 1.0))).sum())
        12
        """
        filled = np.zeros(grid.shape, dtype=bool)
        tight = box_around(self.mask, self.grid.spacing_mm, 0.0)
        ends = np.array(np.meshgrid(*[(side.start - 1, side.stop) for side in tight], indexing="ij")).reshape(3, 8).T
        reached = grid.indices(self.grid.points(ends))
        start = np.maximum(np.floor(reached.min(axis=0)).astype(int), 0)
        stop = np.minimum(np.ceil(reached.max(axis=0)).astype(int) + 1, grid.shape)
        if (start < stop).all():  # a few voxels of a whole body: all others are left alone
            part = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
            filled[part] = resample_mask(self.mask, self.grid, grid.crop(start.tolist(), stop.tolist()))
        return filled

    def holds(self, points: FloatArray) -> BoolArray:
        """Which of the points (n, 3) lie in one of its voxels."""
        indices = np.rint(self.grid.indices(points)).astype(int)
        within = ((indices >= 0) & (indices < self.grid.shape)).all(axis=1)
        held = np.zeros(len(points), dtype=bool)
        held[within] = self.mask[tuple(indices[within].T)]
        return held

    def to_open_edge_mm(self, points: FloatArray) -> FloatArray:
        """How far each of the points (n, 3) is from where the structure may go on unseen, negative beyond.

        That is each side of its image that it touches; infinite where it ends within the image.

        Examples
        --------
        >>> canal = np.zeros((3, 4, 4), bool)
        >>> canal[1:, 1:3, 1:3] = True
        >>> drawn = Structure(name="canal", mask=canal, grid=Grid.from_spacing(canal.shape, (5.0, 1.0, 1.0)))
        >>> drawn.to_open_edge_mm(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 20.0]])).tolist()
        [12.5, -7.5]
        """
        indices = self.grid.indices(points)
        heights_mm = 1.0 / np.linalg.norm(self.grid.index_from_point[:3, :3], axis=1)  # of a voxel between its faces
        nearest = np.full(len(indices), np.inf)
        for axis, count in enumerate(self.mask.shape):
            for end, inward in ((0, indices[:, axis] + HALF), (-1, count - HALF - indices[:, axis])):
                if self.mask.take(end, axis=axis).any():
                    nearest = np.minimum(nearest, inward * heights_mm[axis])
        return nearest
