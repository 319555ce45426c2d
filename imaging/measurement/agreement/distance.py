"""How far the surfaces of two masks are apart.

The surface is that of the volume figures: the marching-cubes mesh at 0.5, midway between voxels inside and outside, in
LPS millimetres on any grid. Triangles that reach from slice to slice are halved until no side is longer than the
diagonal of an in-plane pixel. The corners stand for the surface, each for a third of the triangles that meet there, and
the distance from a corner to the other surface is that to the nearest of its corners. So two equal masks are 0 apart;
where surfaces cross, a distance may be up to a pixel too long, and less the farther apart they are.

Every figure treats both masks alike: swapping them changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from skimage.measure import marching_cubes

from imaging.arrays import FloatArray, IntArray, frozen
from imaging.geometry import Grid
from imaging.measurement.extent import Extent
from imaging.segmentation.segment import Segment

__all__ = ["SurfaceDistances", "surface_distances"]

LEVEL = 0.5
PERCENT_95 = 0.95


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SurfaceDistances:
    """The distances of either surface from the other, each with the area that it stands for.

    Parameters
    ----------
    first_mm, second_mm
        (n,) from places on the first surface to the second, and (m,) the other way; ascending.
    first_mm2, second_mm2
        The areas of these places.
    """

    first_mm: FloatArray
    first_mm2: FloatArray
    second_mm: FloatArray
    second_mm2: FloatArray

    @property
    def hausdorff_mm(self) -> float:
        """The farthest that a place on one surface is from the other."""
        return float(max(self.first_mm[-1], self.second_mm[-1]))

    @property
    def hausdorff95_mm(self) -> float:
        """Within what distance 95 % of a surface's area lies from the other; the larger of the two."""
        return max(_within(self.first_mm, self.first_mm2), _within(self.second_mm, self.second_mm2))

    @property
    def mean_mm(self) -> float:
        """The mean over the area of both surfaces (average symmetric surface distance)."""
        moment = self.first_mm @ self.first_mm2 + self.second_mm @ self.second_mm2
        return float(moment / (self.first_mm2.sum() + self.second_mm2.sum()))

    def surface_dice(self, tolerance_mm: float) -> float:
        """The share of both surfaces' area that lies within the tolerance of the other surface.

        Source: S. Nikolov et al., J. Med. Internet Res. 23 (2021) e26151.
        """
        near = self.first_mm2[self.first_mm <= tolerance_mm].sum()
        near += self.second_mm2[self.second_mm <= tolerance_mm].sum()
        return float(near / (self.first_mm2.sum() + self.second_mm2.sum()))


def surface_distances(first: Segment, second: Segment) -> SurfaceDistances | None:
    """The distances between the surfaces of two masks on one grid; None if one of them is empty.

    Raises
    ------
    GeometryError
        If the masks lie on different grids.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid.from_spacing((3, 8, 8), (5.0, 1.0, 1.0))
    >>> mask = np.zeros(grid.shape, dtype=bool)
    >>> mask[1, 2:5, 2:5] = True
    >>> found = surface_distances(*[Segment(mask=np.roll(mask, k, axis=2), grid=grid) for k in (0, 2)])
    >>> found.hausdorff_mm, round(found.mean_mm, 2), round(found.surface_dice(1.0), 2)
    (2.0, 1.03, 0.6)
    """
    first.grid.require_match(second.grid, what="two masks of one lesion")
    if not (first.mask.any() and second.mask.any()):
        return None
    (here, here_mm2), (there, there_mm2) = (_places(Extent.of(segment)) for segment in (first, second))
    forth, back = _nearest(here, there), _nearest(there, here)
    up, down = np.argsort(forth, kind="stable"), np.argsort(back, kind="stable")
    return SurfaceDistances(
        first_mm=frozen(forth[up]),
        first_mm2=frozen(here_mm2[up]),
        second_mm=frozen(back[down]),
        second_mm2=frozen(there_mm2[down]),
    )


def _places(extent: Extent) -> tuple[FloatArray, FloatArray]:
    """Corners of the halved mesh in LPS millimetres (n, 3), and the area (n,) that each stands for."""
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        np.pad(extent.mask, 1).astype(np.float32), LEVEL
    )
    points = extent.grid.points(vertices.astype(np.float64) - 1.0)
    points, faces = _halved(points, faces.astype(np.int64), _longest_side_mm(extent.grid))
    a, b, c = (points[faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
    share = np.bincount(faces.ravel(), np.repeat(area / 3.0, 3), minlength=len(points))
    return points, np.asarray(share, dtype=np.float64)


def _longest_side_mm(grid: Grid) -> float:
    """The diagonal of an in-plane pixel: what the sides of a triangle within one slice reach anyway."""
    return math.sqrt(2.0 * grid.pixel_area_mm2)


def _halved(points: FloatArray, faces: IntArray, longest_mm: float) -> tuple[FloatArray, IntArray]:
    """The same surface in triangles none of whose sides is longer; the longest side is halved first."""
    done = []
    while len(faces):
        sides = np.stack([np.linalg.norm(points[faces[:, i]] - points[faces[:, i - 2]], axis=1) for i in range(3)])
        long = sides.max(axis=0) > longest_mm
        done.append(faces[~long])
        turn = (sides.argmax(axis=0)[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(faces[long], turn, axis=1).T
        pairs, which = np.unique(np.sort(np.stack([a, b], axis=1), axis=1), axis=0, return_inverse=True)
        middle = len(points) + which.reshape(-1)
        points = np.concatenate([points, (points[pairs[:, 0]] + points[pairs[:, 1]]) / 2.0])
        faces = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return points, np.concatenate(done)


def _nearest(here: FloatArray, there: FloatArray) -> FloatArray:
    distance, _ = KDTree(there).query(here)
    return np.asarray(distance, dtype=np.float64)


def _within(ascending_mm: FloatArray, area_mm2: FloatArray) -> float:
    """The distance below which 95 % of the area lies."""
    share = np.cumsum(area_mm2)
    return float(ascending_mm[np.searchsorted(share, PERCENT_95 * share[-1])])
