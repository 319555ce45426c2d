"""The brush: a ball in millimetres drawn along a line, on any grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.volume import Volume

__all__ = ["Stroke", "erased", "painted", "painted_in_range", "swept"]

Window = tuple[slice, slice, slice]
MOST_CENTRES = 2**20  # at a time: a brush as wide as the image would fill gigabytes with its voxels' places


@dataclass(frozen=True, slots=True)
class Stroke:
    """Where a ball of ``radius_mm`` was drawn: through these LPS points, from one to the next in straight lines."""

    points_lps_mm: tuple[tuple[float, float, float], ...]
    radius_mm: float

    def __post_init__(self) -> None:
        points = self.points_lps_mm
        if not points or any(len(point) != 3 or not np.isfinite(point).all() for point in points):
            raise UsageError("a stroke passes at least one point, in finite millimetres", code="BAD_STROKE")
        if not 0 < self.radius_mm < np.inf:
            raise UsageError("a brush has a radius above zero", code="BAD_STROKE")


def painted(mask: BoolArray, stroke: Stroke, grid: Grid) -> BoolArray:
    """The mask with the stroke added.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 7), (1.0, 1.0, 1.0))
    >>> stroke = Stroke(((2.0, 0.0, 0.0), (4.0, 0.0, 0.0)), radius_mm=1.0)
    >>> painted(np.zeros(grid.shape, bool), stroke, grid).astype(int).tolist()
    [[[0, 1, 1, 1, 1, 1, 0]]]
    """
    window, inside = swept(stroke, grid)
    result = _copy(mask, grid)
    result[window] |= inside
    return result


def erased(mask: BoolArray, stroke: Stroke, grid: Grid) -> BoolArray:
    """The mask without what the stroke passes.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> erased(np.ones(grid.shape, bool), Stroke(((0.0, 0.0, 0.0),), radius_mm=1.0), grid).astype(int).tolist()
    [[[0, 0, 1, 1]]]
    """
    window, inside = swept(stroke, grid)
    result = _copy(mask, grid)
    result[window] &= ~inside
    return result


def painted_in_range(mask: BoolArray, stroke: Stroke, volume: Volume, *, low: float, high: float) -> BoolArray:
    """The mask with those voxels of the stroke added whose samples lie from ``low`` to ``high``, both included.

    Raises
    ------
    UsageError
        BAD_RANGE: ``low`` is not below or at ``high``.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0))
    >>> ct = Volume(samples=np.array([[[40, 900, 60]]], np.int16), grid=grid, modality=Modality.CT)
    >>> stroke = Stroke(((1.0, 0.0, 0.0),), radius_mm=1.0)
    >>> painted_in_range(np.zeros(grid.shape, bool), stroke, ct, low=0, high=100).astype(int).tolist()
    [[[1, 0, 1]]]
    """
    if not low <= high:
        raise UsageError("a range of samples begins at or below its end", code="BAD_RANGE")
    window, inside = swept(stroke, volume.grid)
    samples = volume.samples[window]
    inside = inside & (samples >= low) & (samples <= high)
    if volume.valid is not None:
        inside &= volume.valid[window]
    result = _copy(mask, volume.grid)
    result[window] |= inside
    return result


def swept(stroke: Stroke, grid: Grid) -> tuple[Window, BoolArray]:
    """The voxels whose centres the ball passes, in the window of the grid that holds them; perhaps none.

    A voxel that the stroke's line passes counts even if its centre lies farther off than the radius: a fine brush on
    thick slices still paints.

    Examples
    --------
    >>> window, inside = swept(Stroke(((0.0, 0.0, 2.0),), radius_mm=0.5), Grid.from_spacing((2, 1, 1), (5.0, 1.0, 1.0)))
    >>> window[0], inside.ravel().tolist()
    (slice(0, 2, None), [True, False])
    """
    points = np.asarray(stroke.points_lps_mm, dtype=np.float64)
    line = _dense(points, min(grid.spacing_mm) / 2)
    nearest = np.rint(grid.indices(line)).astype(np.int64)
    # Distance between neighbouring planes of indices along each axis: right for sheared grids too.
    plane_mm = 1 / np.linalg.norm(grid.index_from_point[:3, :3], axis=1)
    reach = np.ceil(stroke.radius_mm / plane_mm).astype(np.int64)
    low = np.clip(nearest.min(axis=0) - reach, 0, grid.shape)
    high = np.clip(nearest.max(axis=0) + reach + 1, low, grid.shape)
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
    shape = tuple(int(n) for n in high - low)
    if 0 in shape:
        return window, np.zeros(shape, dtype=bool)
    inside = np.zeros(shape, dtype=bool)
    ends = grid.indices(points)
    for number in range(max(len(points) - 1, 1)):
        piece = slice(number, number + 2)
        first = np.clip(np.floor(ends[piece].min(axis=0)).astype(np.int64) - reach, low, high) - low
        last = np.clip(np.ceil(ends[piece].max(axis=0)).astype(np.int64) + reach + 1, low, high) - low
        _sweep(inside, grid, points[piece], (first, last), low=low, radius_mm=stroke.radius_mm * (1 + 1e-9))
    passed = nearest[((nearest >= low) & (nearest < high)).all(axis=1)] - low
    inside[tuple(passed.T)] = True
    return window, np.asarray(inside)


def _copy(mask: BoolArray, grid: Grid) -> BoolArray:
    if mask.shape != grid.shape:
        raise GeometryError(f"the mask {mask.shape} does not fill the grid {grid.shape}")
    return np.array(mask, dtype=bool)


def _dense(points: FloatArray, step_mm: float) -> FloatArray:
    """Points along the line, no farther apart than the step."""
    pieces = [points[:1]]
    for start, end in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_mm)))
        pieces.append(start + (end - start) * np.linspace(1 / count, 1, count)[:, None])
    return np.concatenate(pieces)


def _sweep(
    inside: BoolArray, grid: Grid, ends: FloatArray, part: tuple[IntArray, IntArray], *, low: IntArray, radius_mm: float
) -> None:
    """Set, in the caller's own fresh array, what the ball passes on one straight piece, a block of planes at a time.

    Parameters
    ----------
    inside, low
        The window and the grid's index where it begins.
    ends
        (1 or 2, 3) the piece's ends.
    part
        First and last-plus-one index of the window that the piece can reach.
    """
    first, last = part
    rows, columns = (slice(int(first[axis]), int(last[axis])) for axis in (1, 2))
    pixels = (last[1] - first[1]) * (last[2] - first[2])
    planes = max(1, MOST_CENTRES // max(int(pixels), 1))
    for start in range(int(first[0]), int(last[0]), planes):
        block = inside[start : min(start + planes, int(last[0])), rows, columns]
        corner = low + np.array([start, first[1], first[2]])
        centres = grid.points(np.indices(block.shape).reshape(3, -1).T + corner)
        block |= (_distance_mm(centres, ends) <= radius_mm).reshape(block.shape)


def _distance_mm(centres: FloatArray, points: FloatArray) -> FloatArray:
    """From each of (n, 3) centres to the nearest place on the line."""
    nearest = np.linalg.norm(centres - points[0], axis=1)
    for start, end in pairwise(points):
        along = end - start
        share = np.clip((centres - start) @ along / max(float(along @ along), 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(centres - start - share[:, None] * along, axis=1))
    return np.asarray(nearest, dtype=np.float64)
