"""How long a lesion is: the two ends that lie farthest apart, in space and on the slices as they were acquired.

Both are taken between points of the outline at one half, midway between a voxel inside and its neighbour outside, as
the mesh has them (IBSI). Distances between voxel centres would be short by up to a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.measurement.chord import longest_chord
from imaging.measurement.extent import Extent
from imaging.measurement.farthest import TIE, farthest_ends, hull_candidates
from imaging.measurement.runs import Runs

__all__ = ["Diameter", "InPlaneAxes", "Point", "in_plane_axes", "max_diameter_3d"]

Point = tuple[float, float, float]

LEVEL = 0.5
CALIPERS = 16  # directions over a half circle: the longest diameter exceeds the widest caliper by at most 0.5 %


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
    """One piece of the mask on one slice of the crop, as its runs."""

    slice_index: int
    rows: IntArray
    first: IntArray
    last: IntArray

    @property
    def ends(self) -> IntArray:
        """(n, 2) row, column of the pixels at either end of its runs: its hull has no other corners."""
        return np.concatenate([np.column_stack([self.rows, self.first]), np.column_stack([self.rows, self.last])])

    @property
    def shape(self) -> bytes:
        """The same for pieces that differ by their place alone."""
        left, top = self.first.min(), self.rows[0]
        return np.stack([self.rows - top, self.first - left, self.last - left]).tobytes()

    def mask(self, shape: tuple[int, int]) -> BoolArray:
        """Its pixels on the slice."""
        columns = np.arange(shape[1])
        pixels = np.zeros(shape, dtype=bool)
        for row, first, last in zip(self.rows, self.first, self.last, strict=True):
            pixels[row] |= (columns >= first) & (columns <= last)
        return pixels


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
    length, ends = farthest_ends(hull_candidates(extent.mask), extent.grid.affine[:3, :3])
    return Diameter(length, _points(extent.grid.points(ends[0])))


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
    plane, flat = np.linalg.qr(extent.grid.affine[:3, 1:3])  # LPS from plane (3, 2), plane from (row, column) (2, 2)
    measured = [(piece, *farthest_ends(piece.ends, flat)) for piece in _widest(Runs.of(extent.mask), flat)]
    longest = max(length for _, length, _ in measured)
    best: InPlaneAxes | None = None
    for piece, length, pairs in measured:
        for ends in pairs if length >= longest * (1.0 - TIE) else ():
            short = _perpendicular(piece.mask(extent.mask.shape[1:]), ends @ flat.T, flat)
            if best is None or short[0] > best.short.length_mm * (1.0 + TIE):
                on_slice = extent.grid.points([[piece.slice_index, 0, 0]])[0]
                best = InPlaneAxes(
                    slice_index=extent.start[0] + piece.slice_index,
                    long=Diameter(length, _points(on_slice + ends @ flat.T @ plane.T)),
                    short=Diameter(short[0], _points(on_slice + short[1] @ plane.T)),
                )
    assert best is not None, "an extent holds a voxel, so some slice holds a piece"
    return best


def _widest(runs: Runs, flat: FloatArray) -> Iterator[_Piece]:
    """The pieces among which the longest diameter is, in slice order.

    A diameter is at most the widest caliper ÷ cos(half the angle between calipers) and at least the widest caliper,
    so a piece that is narrower than that everywhere cannot hold it. Of pieces of one shape the first is kept.
    """
    number = runs.pieces_on_slices()
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    angles = np.arange(CALIPERS) * np.pi / CALIPERS
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ flat  # (calipers, 2), of row and column
    from_row = np.outer(along[:, 0], runs.rows[order])
    left, right = (from_row + np.outer(along[:, 1], column[order]) for column in (runs.first, runs.last))
    highest = np.maximum.reduceat(np.maximum(left, right), starts, axis=1)
    lowest = np.minimum.reduceat(np.minimum(left, right), starts, axis=1)
    pixel = np.abs(along).max(axis=1)  # from the centres at either end to the outline
    width = (highest - lowest + pixel[:, None]).max(axis=0)
    seen: set[bytes] = set()
    stops = np.append(starts[1:], len(order))
    for i in np.flatnonzero(width >= width.max() * np.cos(np.pi / (2 * CALIPERS)) * (1.0 - TIE)):
        of = order[starts[i] : stops[i]]
        piece = _Piece(int(runs.slices[of[0]]), runs.rows[of], runs.first[of], runs.last[of])
        if (shape := piece.shape) not in seen:
            seen.add(shape)
            yield piece


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
