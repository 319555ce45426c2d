"""Where voxels are.

A grid is a shape and one affine that takes an index (slice, row, column) to a point in LPS millimetres. Index 0 is the
*centre* of the first voxel. The affine's columns follow the array's axes, and may be sheared: a CT taken with a tilted
gantry has slices that lean, and straightening them would mean to resample (Source: DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from imaging.arrays import FloatArray, frozen
from imaging.errors import GeometryError

__all__ = ["FARTHEST_MM", "Grid"]

# Two grids are one when corresponding corners lie closer than this; ten times below the tightest
# spacing tolerance that readers use (0.01 mm), far above float32 rounding of header positions.
SAME_CORNER_MM = 1e-3
# A kilometre: far beyond any table, also where metres or microns were taken for millimetres. Larger numbers are damage,
# and their products leave the range of floating point.
FARTHEST_MM = 1e6
ORTHOGONAL_COSINE = 1e-3  # 0.06°: below it no voxel of a 512-slice stack moves by half its size


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular, possibly sheared lattice of voxels in patient space.

    Parameters
    ----------
    shape
        Number of slices, rows, columns; each at least 1.
    affine
        (4, 4) float64, point_from_index in LPS mm; columns 0, 1, 2 are the steps along slice, row, column.

    Raises
    ------
    GeometryError
        If the shape is not positive, or the affine is not finite, not affine, without volume, or beyond a kilometre.

    Examples
    --------
    >>> grid = Grid.from_spacing((10, 20, 30), (5.0, 0.8, 0.8), origin_mm=(-12.0, -8.0, 100.0))
    >>> grid.spacing_mm
    (5.0, 0.8, 0.8)
    >>> grid.points([[1, 0, 2]]).tolist()
    [[-10.4, -8.0, 105.0]]
    >>> round(grid.voxel_volume_mm3, 6)
    3.2
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"a grid has three positive extents (slice, row, column); got {self.shape}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise GeometryError("a grid's affine is a finite 4×4 matrix with last row 0 0 0 1")
        if np.abs(affine[:3]).max() > FARTHEST_MM:
            raise GeometryError("a grid's affine is in millimetres; a step or a place beyond a kilometre is none")
        if abs(_spanned(affine)) < 1e-9:
            raise GeometryError("a grid's affine spans no volume: two axes are parallel or a spacing is zero")
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1]), int(self.shape[2])))
        object.__setattr__(self, "affine", frozen(affine))

    @classmethod
    def from_spacing(
        cls,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        *,
        origin_mm: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """An axial grid: slices go to the head (+z), rows to the back (+y), columns to the left (+x).

        ``spacing_mm`` is (slice, row, column); ``origin_mm`` the LPS centre of voxel (0, 0, 0).
        """
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
        affine[:3, 3] = origin_mm
        affine[3, 3] = 1.0
        return cls((shape[0], shape[1], shape[2]), affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Length of one step along slice, row and column; along the slice axis the slant distance if sheared."""
        steps = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(steps[0]), float(steps[1]), float(steps[2]))

    @cached_property
    def voxel_volume_mm3(self) -> float:
        """|det| of the affine's linear part: right for sheared grids too.

        As a triple product: ``numpy.linalg.det`` goes through logarithms and makes 3 mm³ 3.0000000000000004 mm³.
        """
        slices, rows, columns = self.affine[:3, :3].T
        return float(abs(slices @ np.cross(rows, columns)))

    @cached_property
    def pixel_area_mm2(self) -> float:
        """Of one pixel on its slice."""
        return float(np.linalg.norm(np.cross(self.affine[:3, 1], self.affine[:3, 2])))

    @cached_property
    def half_diagonal_mm(self) -> float:
        """Half of the longest of a voxel's four diagonals, however the grid is turned or leans."""
        signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
        return float(np.linalg.norm(signs @ self.affine[:3, :3].T, axis=1).max() / 2)

    @cached_property
    def slice_normal(self) -> FloatArray:
        """Unit normal of the acquired slices, on the side to which the slice index grows; shape (3,), LPS."""
        normal = np.cross(self.affine[:3, 1], self.affine[:3, 2])
        normal /= np.linalg.norm(normal)
        return frozen(np.asarray(normal if normal @ self.affine[:3, 0] > 0 else -normal, dtype=np.float64))

    @cached_property
    def slice_distance_mm(self) -> float:
        """Distance of neighbouring slices along their normal."""
        return float(self.slice_normal @ self.affine[:3, 0])

    @cached_property
    def is_orthogonal(self) -> bool:
        """Whether the three axes stand at right angles (no shear)."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return bool(np.abs(unit.T @ unit - np.eye(3)).max() < ORTHOGONAL_COSINE)

    @cached_property
    def index_from_point(self) -> FloatArray:
        """(4, 4) inverse of the affine."""
        return frozen(np.asarray(np.linalg.inv(self.affine), dtype=np.float64))

    def points(self, indices: ArrayLike) -> FloatArray:
        """LPS points (n, 3) of voxel indices (n, 3), which may be fractional."""
        return np.asarray(np.atleast_2d(indices) @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def indices(self, points: ArrayLike) -> FloatArray:
        """Fractional voxel indices (n, 3) of LPS points (n, 3)."""
        inverse = self.index_from_point
        return np.asarray(np.atleast_2d(points) @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def corners(self) -> FloatArray:
        """LPS centres of the eight corner voxels, shape (8, 3)."""
        ends = [(0, n - 1) for n in self.shape]
        return self.points(np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, 8).T)

    def matches(self, other: Grid) -> bool:
        """Whether both put the same voxels at the same places."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners() - other.corners()).max() < SAME_CORNER_MM)

    def require_match(self, other: Grid, *, what: str) -> None:
        """Raise GeometryError unless both grids are one; ``what`` names the two for the reader."""
        if not self.matches(other):
            raise GeometryError(
                f"{what} lie on different grids: {self.shape} at {np.round(self.affine[:3, 3], 3).tolist()} and "
                f"{other.shape} at {np.round(other.affine[:3, 3], 3).tolist()}; resample one of them by name"
            )

    def crop(self, start: Sequence[int], stop: Sequence[int]) -> Grid:
        """The grid of the sub-array ``[start:stop]``, every voxel staying where it is.

        Examples
        --------
        >>> grid = Grid.from_spacing((4, 4, 4), (2.0, 1.0, 1.0))
        >>> grid.crop((1, 0, 0), (3, 4, 4)).affine[:3, 3].tolist()
        [0.0, 0.0, 2.0]
        """
        affine = self.affine.copy()
        affine[:3, 3] = self.points([start])[0]
        return Grid((stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]), affine)


def _spanned(affine: FloatArray) -> float:
    """The signed volume of a voxel; unlike an elimination, it never divides, so that no axis is too short for it."""
    first, second, third = affine[:3, :3].T
    return float(np.cross(first, second) @ third)
