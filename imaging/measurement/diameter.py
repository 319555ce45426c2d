"""How long a lesion is: the two ends that lie farthest apart, in space and on the slices as they were acquired.

Both are taken between points of the outline at one half, midway between a voxel inside and its neighbour outside, as
the mesh has them (IBSI). Distances between voxel centres would be short by up to a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import find_contours

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.measurement.chord import longest_chord
from imaging.measurement.extent import Extent

__all__ = ["Diameter", "InPlaneAxes", "Point", "in_plane_axes", "max_diameter_3d"]

Point = tuple[float, float, float]
PieceNumbers = NDArray[np.integer[Any]]  # (slices, rows, columns), 0 outside

LEVEL = 0.5
TIE = 1e-9  # relative: lengths that differ by less are equal but for rounding
FEW = 400  # points whose distances are all computed sooner than their hull
CALIPERS = 16  # directions over a half circle: the longest diameter exceeds the widest caliper by at most 0.5 %
IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
IN_PLANE[1] = True  # pixels of one slice that touch by a side or a corner are one piece


@dataclass(frozen=True, slots=True)
class Diameter:
    """A length and its two ends in LPS millimetres."""

    length_mm: float
    ends_lps_mm: tuple[Point, Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaneAxes:
    """The longest diameter on any acquired slice and the longest extent at right angles to it.

    Parameters
    ----------
    slice_index
        The slice in the whole grid.
    long, short
        Both on that slice and in one piece of the mask.
    """

    slice_index: int
    long: Diameter
    short: Diameter

    @property
    def product_mm2(self) -> float:
        """Long × short: the WHO measure of one lesion."""
        return self.long.length_mm * self.short.length_mm


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """One piece of the mask on one slice: its place in the crop and the corners of its outlines, (n, 2) row, column."""

    number: int
    slice_index: int
    corners: FloatArray


def max_diameter_3d(extent: Extent) -> Diameter:
    """The largest distance of two vertices of the surface mesh (IBSI L0JK), right on sheared grids too.

    Among equal ones the first in the order of slice, row and column is told.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> row = Segment(mask=np.ones((1, 1, 5), dtype=bool), grid=Grid.from_spacing((1, 1, 5), (2.0, 1.0, 1.0)))
    >>> max_diameter_3d(Extent.of(row)).length_mm
    5.0
    """
    vertices = _outermost_vertices(extent.mask)
    length, pairs = _farthest(vertices, vertices @ extent.grid.affine[:3, :3].T)
    return Diameter(length, _points(extent.grid.points(pairs[0])))


def in_plane_axes(extent: Extent) -> InPlaneAxes:
    """The longest diameter on an acquired slice, and the longest extent at right angles to it.

    Every piece of the mask on every slice is taken by itself. Among equally long diameters the one with the longest
    perpendicular is told, then the first. The perpendicular runs from outline to outline of the same piece, across
    holes and bays that lie between.

    Source: RECIST 1.1 (Eisenhauer 2009): longest diameter in the plane of measurement; WHO: greatest perpendicular.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> mask = np.zeros((2, 6, 9), dtype=bool)
    >>> mask[1, 3, 1:8] = mask[1, 2:5, 3] = True
    >>> axes = in_plane_axes(Extent.of(Segment(mask=mask, grid=Grid.from_spacing((2, 6, 9), (5.0, 1.0, 1.0)))))
    >>> axes.slice_index, axes.long.length_mm, axes.short.length_mm, axes.long.ends_lps_mm
    (1, 7.0, 3.0, ((0.5, 3.0, 5.0), (7.5, 3.0, 5.0)))
    """
    pieces, _ = ndimage.label(extent.mask, structure=IN_PLANE)
    plane, flat = np.linalg.qr(extent.grid.affine[:3, 1:3])  # LPS from plane (3, 2), plane from (row, column) (2, 2)
    measured = [(piece, *_farthest(piece.corners, piece.corners @ flat.T)) for piece in _widest(pieces, flat)]
    longest = max(length for _, length, _ in measured)
    best: InPlaneAxes | None = None
    for piece, length, pairs in measured:
        for ends in pairs if length >= longest * (1.0 - TIE) else ():
            short = _perpendicular(pieces[piece.slice_index] == piece.number, ends @ flat.T, flat)
            if best is None or short[0] > best.short.length_mm * (1.0 + TIE):
                on_slice = extent.grid.points([[piece.slice_index, 0, 0]])[0]
                best = InPlaneAxes(
                    slice_index=extent.start[0] + piece.slice_index,
                    long=Diameter(length, _points(on_slice + ends @ flat.T @ plane.T)),
                    short=Diameter(short[0], _points(on_slice + short[1] @ plane.T)),
                )
    assert best is not None, "an extent holds a voxel, so some slice holds a piece"
    return best


def _farthest(index: FloatArray, points: FloatArray) -> tuple[float, FloatArray]:
    """The largest distance of two points, and the index pairs (k, 2, d) that have it, in the order of their indices."""
    kept = _far_out(points)
    if len(kept) > FEW:
        # The hull is taken in index space, where outlines are whole and half numbers; it holds both ends.
        kept = np.intersect1d(kept, ConvexHull(index).vertices)
    kept = kept[np.lexsort(index[kept].T[::-1])]
    distances = pdist(points[kept])
    longest = float(distances.max())
    ties = np.flatnonzero(distances >= longest * (1.0 - TIE))
    row_starts = np.cumsum(np.arange(len(kept) - 1, 0, -1)) - np.arange(len(kept) - 1, 0, -1)
    first = np.searchsorted(row_starts, ties, side="right") - 1
    second = ties - row_starts[first] + first + 1
    return longest, np.stack([index[kept[first]], index[kept[second]]], axis=1)


def _far_out(points: FloatArray) -> IntArray:
    """Which points can be an end of a diameter.

    If some two are d apart and all lie within r of a centre, then an end of the longest is at least d − r from it.
    """
    radius = np.linalg.norm(points - (points.min(axis=0) + points.max(axis=0)) / 2.0, axis=1)
    apart = np.linalg.norm(points - points[radius.argmax()], axis=1).max()
    return np.flatnonzero(radius >= (apart - radius.max()) * (1.0 - TIE))


def _outermost_vertices(mask: BoolArray) -> FloatArray:
    """Of the mesh's vertices those that can be ends of a diameter: the first and last on every line of voxels."""
    found = []
    for axis in range(3):
        hit = mask.any(axis=axis)
        lines = np.argwhere(hit).astype(np.float64)
        first = mask.argmax(axis=axis)[hit]
        last = mask.shape[axis] - 1 - np.flip(mask, axis).argmax(axis=axis)[hit]
        found += [np.insert(lines, axis, first - 0.5, axis=1), np.insert(lines, axis, last + 0.5, axis=1)]
    return np.concatenate(found)


def _widest(pieces: PieceNumbers, flat: FloatArray) -> Iterator[_Piece]:
    """The pieces among which the longest diameter is, in slice order.

    A diameter is at most the widest caliper ÷ cos(half the angle between calipers) and at least the widest caliper,
    so a piece that is narrower than that everywhere cannot hold it. Of equal outlines on several slices, as in a
    prism, the first is kept.
    """
    number, slices, corners = _corners(pieces)
    starts = np.flatnonzero(np.diff(number, prepend=0))
    angles = np.arange(CALIPERS) * np.pi / CALIPERS
    across = corners @ flat.T @ np.stack([np.cos(angles), np.sin(angles)])
    width = (np.maximum.reduceat(across, starts) - np.minimum.reduceat(across, starts)).max(axis=1)
    seen: set[bytes] = set()
    stops = np.append(starts[1:], len(number))
    for i in np.flatnonzero(width >= width.max() * np.cos(np.pi / (2 * CALIPERS)) * (1.0 - TIE)):
        piece = corners[starts[i] : stops[i]]
        if (outline := piece.tobytes()) not in seen:
            seen.add(outline)
            yield _Piece(int(number[starts[i]]), int(slices[starts[i]]), piece)


def _corners(pieces: PieceNumbers) -> tuple[IntArray, IntArray, FloatArray]:
    """The points midway between a pixel of a piece and its neighbour outside: whose, on which slice, (row, column)."""
    padded = np.pad(pieces, ((0, 0), (1, 1), (1, 1)))
    number, place = [], []
    for axis in (1, 2):
        before, after = (padded[:, :-1], padded[:, 1:]) if axis == 1 else (padded[:, :, :-1], padded[:, :, 1:])
        edge = np.nonzero(before != after)
        number.append(np.maximum(before[edge], after[edge]))
        at = np.stack(edge, axis=1).astype(np.float64) - (0.0, 1.0, 1.0)
        at[:, axis] += 0.5
        place.append(at)
    whose, where = np.concatenate(number).astype(np.int64), np.concatenate(place)
    order = np.argsort(whose, kind="stable")
    return whose[order], where[order, 0].astype(np.int64), where[order, 1:]


def _perpendicular(piece: BoolArray, ends: FloatArray, flat: FloatArray) -> tuple[float, FloatArray]:
    """Length and ends (2, 2), in the plane's millimetres, of the longest extent at right angles to the line of ends."""
    unit = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    turn = np.array([unit, [-unit[1], unit[0]]])  # (along, across) from the plane
    outlines = find_contours(  # type: ignore[no-untyped-call]
        np.pad(piece, 1).astype(np.float64), LEVEL, fully_connected="high"
    )
    segments = np.concatenate([np.stack([line[:-1], line[1:]], axis=1) for line in outlines]) - 1.0
    chord = longest_chord(segments @ flat.T @ turn.T)
    return chord.length, np.array([[chord.along, chord.low], [chord.along, chord.high]]) @ turn


def _points(ends: FloatArray) -> tuple[Point, Point]:
    (ax, ay, az), (bx, by, bz) = ends.tolist()
    return (ax, ay, az), (bx, by, bz)
