"""The voxels that a mask holds: how many, where, in how many pieces, and whether the image cuts them off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.errors import EmptyMask
from imaging.geometry import Grid
from imaging.measurement.runs import Runs
from imaging.segmentation.segment import Segment

__all__ = ["MM3_PER_ML", "Extent", "PrincipalAxes", "component_count", "principal_axes"]

MM3_PER_ML = 1000.0
AXIS_FACTOR = 4.0  # axis = 4√λ; Source: IBSI reference manual, features TDIC, P9VJ, 7J51
ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)  # voxels that touch by a corner are one piece


@dataclass(frozen=True, eq=False, kw_only=True)
class Extent:
    """A mask without the empty space around it: every other measure works on this crop.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool; every face of the box holds a voxel.
    grid
        Where the crop lies.
    start
        Index of its first voxel in the whole grid.
    touches_edge
        Whether a voxel lies in the first or last slice, row or column of the whole grid.
    voxel_count
        Number of voxels, at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((4, 8, 8), dtype=bool)
    >>> mask[1:3, 2:5, 2:6] = True
    >>> extent = Extent.of(Segment(mask=mask, grid=Grid.from_spacing((4, 8, 8), (2.0, 1.0, 1.0))))
    >>> extent.voxel_count, extent.volume_mm3, extent.start, extent.touches_edge
    (24, 48.0, (1, 2, 2), False)
    >>> extent.centroid_lps_mm
    (3.5, 3.0, 3.0)
    """

    mask: BoolArray
    grid: Grid
    start: tuple[int, int, int]
    touches_edge: bool
    voxel_count: int

    @classmethod
    def of(cls, segment: Segment) -> Extent:
        """The extent of a segment.

        Raises
        ------
        EmptyMask
            If the mask has no voxel.
        """
        if segment.bounds is None:
            raise EmptyMask(
                f"segment {segment.label} has no voxel; there is nothing to measure", where=f"#{segment.label}"
            )
        crop = np.array(segment.mask[segment.bounds])
        start, stop = [side.start for side in segment.bounds], [side.stop for side in segment.bounds]
        return cls(
            mask=frozen(crop),
            grid=segment.grid.crop(start, stop),
            start=(start[0], start[1], start[2]),
            touches_edge=min(start) == 0 or any(b == n for b, n in zip(stop, segment.grid.shape, strict=True)),
            voxel_count=int(np.count_nonzero(crop)),
        )

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the crop lies in an array of the whole grid."""
        s, r, c = (slice(a, a + n) for a, n in zip(self.start, self.mask.shape, strict=True))
        return (s, r, c)

    @property
    def volume_mm3(self) -> float:
        """Voxel count × |det| of the grid: exact on any grid, sheared ones too (IBSI YEKZ)."""
        return self.voxel_count * self.grid.voxel_volume_mm3

    @property
    def slice_count(self) -> int:
        """Number of acquired slices from the first to the last that holds a voxel."""
        return int(self.mask.shape[0])

    @property
    def centroid_lps_mm(self) -> tuple[float, float, float]:
        """Mean of the voxel centres."""
        sums = [int(_profile(self.mask, axis) @ np.arange(n)) for axis, n in enumerate(self.mask.shape)]
        x, y, z = self.grid.points([[s / self.voxel_count for s in sums]])[0]
        return (float(x), float(y), float(z))

    @cached_property
    def scatter(self) -> list[list[int]]:
        """n·Σij − Σi·Σj of the voxel indices, in whole numbers; the mask is counted once for all that rests on it."""
        return _scatter(self.mask, self.voxel_count)

    @cached_property
    def covariance_mm2(self) -> FloatArray:
        """The covariance (3, 3) of the voxel centres, LPS, n − 1 in its denominator; zeros for one voxel.

        Examples
        --------
        >>> row = np.ones((1, 1, 3), dtype=bool)
        >>> Extent.of(Segment(mask=row, grid=Grid.from_spacing((1, 1, 3), (1.0, 1.0, 2.0)))).covariance_mm2[0].tolist()
        [4.0, 0.0, 0.0]
        """
        steps, n = self.grid.affine[:3, :3], self.voxel_count
        scatter = np.array(self.scatter, dtype=np.float64)
        return np.asarray(steps @ (scatter / (n * max(n - 1.0, 1.0))) @ steps.T)


@dataclass(frozen=True, slots=True)
class PrincipalAxes:
    """Axes of the ellipsoid that spreads as the voxel centres do; None along which they do not spread."""

    major_mm: float | None
    minor_mm: float | None
    least_mm: float | None

    @property
    def elongation(self) -> float | None:
        """Minor ÷ major (IBSI Q3CK): 1 is round, small is long."""
        return self.minor_mm / self.major_mm if self.major_mm and self.minor_mm else None

    @property
    def flatness(self) -> float | None:
        """Least ÷ major (IBSI N17B): 1 is round, small is flat."""
        return self.least_mm / self.major_mm if self.major_mm and self.least_mm else None


def principal_axes(extent: Extent) -> PrincipalAxes:
    """The principal axes of the voxel centres, 4√λ of their covariance with n − 1 in the denominator.

    Centres on one line have no minor and no least axis, centres in one plane no least axis, one voxel none at all:
    what the mask does not show is None, not 0. Whether that is so is decided in whole numbers.

    Source: IBSI reference manual, TDIC, P9VJ, 7J51. Its reference values hold for n − 1; dividing by n, as
    pyradiomics does, misses them on the digital phantom.

    Examples
    --------
    >>> import numpy as np
    >>> row = np.ones((1, 1, 3), dtype=bool)
    >>> principal_axes(Extent.of(Segment(mask=row, grid=Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0)))))
    PrincipalAxes(major_mm=4.0, minor_mm=None, least_mm=None)
    """
    rank = _rank(extent.scatter)
    variances = np.linalg.eigvalsh(extent.covariance_mm2)[::-1].clip(min=0.0).tolist()
    lengths = [AXIS_FACTOR * math.sqrt(variance) if i < rank else None for i, variance in enumerate(variances)]
    return PrincipalAxes(lengths[0], lengths[1], lengths[2])


def component_count(extent: Extent) -> int:
    """In how many pieces the mask lies; voxels that touch by a face, an edge or a corner are one piece.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([[[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]]], dtype=bool)
    >>> component_count(Extent.of(Segment(mask=mask, grid=Grid.from_spacing((1, 4, 3), (1.0, 1.0, 1.0)))))
    2
    """
    return int(Runs.of(extent.mask).pieces_in_space().max()) + 1


def _profile(mask: BoolArray, axis: int) -> FloatArray:
    """Voxels in each plane across the axis; whole numbers, exact in float64 below 2⁵³."""
    others = tuple(i for i in range(3) if i != axis)
    return np.asarray(np.count_nonzero(mask, axis=others), dtype=np.float64)


def _scatter(mask: BoolArray, count: int) -> list[list[int]]:
    """n·Σij − Σi·Σj of the voxel indices, in whole numbers: the same wherever the mask lies."""
    shadows = {(a, b): np.count_nonzero(mask, axis=3 - a - b) for a, b in ((0, 1), (0, 2), (1, 2))}
    index = [np.arange(n, dtype=np.int64) for n in mask.shape]
    profile = [shadows[0, 1].sum(axis=1), shadows[0, 1].sum(axis=0), shadows[0, 2].sum(axis=0)]
    first = [int(profile[a] @ index[a]) for a in range(3)]
    second = [[0] * 3 for _ in range(3)]
    for a in range(3):
        second[a][a] = int(profile[a] @ index[a] ** 2)
    for (a, b), shadow in shadows.items():
        second[a][b] = second[b][a] = int(index[a] @ shadow @ index[b])
    return [[count * second[a][b] - first[a] * first[b] for b in range(3)] for a in range(3)]


def _rank(scatter: Sequence[Sequence[int]]) -> int:
    """Rank of a positive semidefinite matrix of whole numbers: 0 point, 1 line, 2 plane, 3 body."""
    (a, d, e), (_, b, f), (_, _, c) = scatter
    if a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e) != 0:
        return 3
    if any((a * b - d * d, a * c - e * e, b * c - f * f)):
        return 2
    return 1 if any((a, b, c)) else 0
