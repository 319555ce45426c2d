"""A stack of slices with gaps, put on a regular grid because somebody asked for it (``--accept-gaps``).

The rules stand in :mod:`imaging.geometry.acquired`. How fine the grid is:

1. Missing slices: as fine as the shortest distance of neighbours, of which all others are multiples.
2. Else the shortest distance divided by the smallest whole number up to 8 that puts every slice on a plane within the
   tolerance of an even stack.
3. Else a quarter of the shortest distance: no slice is then farther from its place than an eighth of the shortest
   distance, and none leaves its place within its own plane unless the gantry leaned. If it did, the quarter becomes an
   eighth, or the series stays refused, before a slice would move by a tenth of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from imaging.arrays import FloatArray, IntArray
from imaging.dicom.geometry import (
    DRIFT_TOLERANCE,
    IN_PLANE_TOLERANCE,
    SAME_POSITION,
    SAME_POSITION_MM,
    TILT_FROM_DEG,
    TILT_LIMIT_DEG,
    Stack,
    in_plane_steps,
    is_jitter,
    spacing_tolerance_mm,
    tilt_finding,
)
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices

__all__ = ["GAP_CODES", "stack_with_gaps"]

GAP_CODES = ("MISSING_SLICES", "NON_UNIFORM_SPACING")
FINEST = 8  # planes for the shortest distance of neighbours: an even finer grid is memory for nothing
FINE = 4  # the same where no grid fits: an eighth of the shortest distance is the farthest a slice may lie off
HOLE = 3.0  # × the usual distance: slices so far apart are no protocol's change of spacing, something is missing
MOST_PLANES = 4096  # 512 × 512 × 4096 int16 are 2 GiB
LEANING = float(np.tan(np.radians(TILT_FROM_DEG)))


def stack_with_gaps(
    positions: ArrayLike, orientations: ArrayLike, pixel_spacing: tuple[float, float], plane: tuple[int, int]
) -> Stack:
    """The volume that slices form which :func:`imaging.dicom.geometry.stack_slices` refuses for their distances.

    Parameters
    ----------
    positions, orientations, pixel_spacing, plane
        As there.

    Returns
    -------
    Stack
        ``acquired`` tells which planes were imaged; the finding MISSING_SLICES or NON_UNIFORM_SPACING tells where the
        gaps are.

    Raises
    ------
    SeriesRefused
        Whatever else is wrong with the stack, and NON_UNIFORM_SPACING where no grid of a sensible size keeps every
        slice in its place.

    Examples
    --------
    >>> axial = [1, 0, 0, 0, 1, 0]
    >>> stack = stack_with_gaps([[0, 0, z] for z in (0, 2, 6, 8)], [axial] * 4, (0.8, 0.7), (4, 6))
    >>> stack.grid.shape, stack.acquired.planes, [finding.code for finding in stack.findings]
    ((5, 4, 6), (0, 1, 3, 4), ['MISSING_SLICES'])
    """
    points = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    row_step, column_step = in_plane_steps(np.asarray(orientations, dtype=np.float64), pixel_spacing)
    normal = np.cross(column_step, row_step)
    normal /= np.linalg.norm(normal)
    order = np.lexsort((points[:, 0], points[:, 1], points[:, 2], points @ normal))
    points = points[order]
    heights = points @ normal
    gaps = np.diff(heights)
    _require_apart(gaps)
    direction = _direction(points, heights, normal, pixel_spacing)
    leaning = float(np.linalg.norm(direction - normal))
    lattice = _lattice(heights, leaning, min(pixel_spacing))
    if is_jitter(leaning * (heights[-1] - heights[0]), float(np.degrees(np.arctan(leaning))), min(pixel_spacing)):
        direction = normal
    step, planes = lattice.step_mm * direction, lattice.planes
    origin = points.mean(axis=0) + (lattice.first_mm - heights.mean()) * direction
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(np.cross(step, normal)), step @ normal)))
    if tilt > TILT_LIMIT_DEG:
        raise SeriesRefused(f"the slices lean by {tilt:.1f}°, more than any gantry", code="MIXED_GEOMETRY")
    affine = np.eye(4)
    affine[:3] = np.stack([step, row_step, column_step, origin], axis=1)
    grid = Grid((int(planes[-1]) + 1, int(plane[0]), int(plane[1])), affine)
    acquired = _acquired(lattice, heights - lattice.first_mm)
    findings = (_gap_finding(acquired, heights), *((tilt_finding(tilt),) if tilt > TILT_FROM_DEG else ()))
    return Stack(grid, tuple(int(i) for i in order), tilt, findings, acquired)


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """Even planes that the slices are put on: the first one's height, their distance, and each slice's plane."""

    code: str
    first_mm: float
    step_mm: float
    planes: IntArray
    ordinary_mm: float

    def farthest(self, heights: FloatArray) -> float:
        """How far any slice lies from its plane, mm along the normal."""
        return float(np.abs(heights - self.first_mm - self.step_mm * self.planes).max())


def _require_apart(gaps: FloatArray) -> None:
    if len(gaps) == 0 or gaps.max() <= SAME_POSITION_MM:
        raise SeriesRefused("the slices are at one position", code="NOT_A_VOLUME")
    if gaps.min() <= max(SAME_POSITION_MM, SAME_POSITION * float(np.median(gaps))):
        raise SeriesRefused("slices repeat a position", code="DUPLICATE_POSITION")


def _direction(
    points: FloatArray, heights: FloatArray, normal: FloatArray, pixel_spacing: tuple[float, float]
) -> FloatArray:
    """How the stack goes on for each millimetre along the normal; refused where it does not go straight."""
    centred = heights - heights.mean()
    direction = centred @ (points - points.mean(axis=0)) / (centred @ centred)
    drift = points - points.mean(axis=0) - centred[:, None] * direction
    limit = max(
        IN_PLANE_TOLERANCE * min(pixel_spacing),
        DRIFT_TOLERANCE * spacing_tolerance_mm(float(np.median(np.diff(heights)))),
    )
    across = float(np.linalg.norm(drift, axis=1).max())
    if across > limit:
        raise SeriesRefused(f"slices are shifted within their plane by up to {across:.2f} mm", code="MIXED_GEOMETRY")
    return np.asarray(direction + (1 - direction @ normal) * normal, dtype=np.float64)


def _lattice(heights: FloatArray, leaning: float, pixel_mm: float) -> _Lattice:
    """The coarsest grid that keeps every slice in its place; see the module's rules."""
    shortest = float(np.diff(heights).min())
    usual = float(np.median(np.diff(heights)))
    whole = _fitted(heights, shortest)
    if whole is not None and whole.farthest(heights) <= DRIFT_TOLERANCE * spacing_tolerance_mm(shortest):
        is_lacking = bool((np.diff(whole.planes) > 1).any())
        return replace(whole, code="MISSING_SLICES" if is_lacking else whole.code, ordinary_mm=whole.step_mm)
    for parts in range(2, FINEST + 1):
        fine = _fitted(heights, shortest / parts)
        if fine is not None and fine.farthest(heights) <= spacing_tolerance_mm(shortest / parts):
            return replace(fine, ordinary_mm=usual)
    aside = leaning if leaning > LEANING else 0.0
    for parts in (FINE, FINEST):
        near = _nearest(heights, shortest / parts)
        if near is not None and near.farthest(heights) * aside <= IN_PLANE_TOLERANCE * pixel_mm:
            return replace(near, ordinary_mm=usual)
    raise SeriesRefused(
        f"gaps between slices of {shortest:.3f} mm and more fit no even grid, gaps accepted or not",
        code="NON_UNIFORM_SPACING",
    )


def _fitted(heights: FloatArray, step_mm: float) -> _Lattice | None:
    """The planes that fit best near the distance that is tried (least squares, as of an even stack)."""
    planes = _planes(heights, step_mm)
    again = None if planes is None else _planes(heights, _slope(planes, heights))  # rounding of positions adds up
    if again is None:
        return None
    step = _slope(again, heights)
    return _Lattice("NON_UNIFORM_SPACING", float(heights.mean() - again.mean() * step), step, again, step)


def _slope(planes: IntArray, heights: FloatArray) -> float:
    """The distance of planes that is nearest to the heights, least squares."""
    centred = planes - planes.mean()
    return float(centred @ heights / (centred @ centred))


def _nearest(heights: FloatArray, step_mm: float) -> _Lattice | None:
    """Planes at just that distance, shifted so that the slice farthest from its plane is as near as can be."""
    planes = _planes(heights, step_mm)
    if planes is None:
        return None
    off = heights - step_mm * planes
    return _Lattice("NON_UNIFORM_SPACING", float((off.max() + off.min()) / 2), step_mm, planes, step_mm)


def _planes(heights: FloatArray, step_mm: float) -> IntArray | None:
    """Each slice's plane; None if two share one, or the grid would be beyond any image."""
    planes = np.rint((heights - heights[0]) / step_mm).astype(np.int64)
    return None if (np.diff(planes) < 1).any() or planes[-1] >= MOST_PLANES else planes


def _acquired(lattice: _Lattice, heights: FloatArray) -> AcquiredSlices:
    planes = lattice.planes
    gaps = np.diff(heights)
    odd = np.abs(gaps - lattice.ordinary_mm) > spacing_tolerance_mm(lattice.ordinary_mm)
    return AcquiredSlices(
        code=lattice.code,
        planes=tuple(planes.tolist()),
        heights_mm=tuple(heights.tolist()),
        ordinary_mm=lattice.ordinary_mm,
        shown=_shown(lattice, heights),
        gaps=tuple(np.flatnonzero(odd).tolist()),
    )


def _shown(lattice: _Lattice, heights: FloatArray) -> tuple[int | None, ...]:
    """For each plane: the slice that lies on it; of uneven slices the nearest, but nothing well within a hole."""
    count = int(lattice.planes[-1]) + 1
    own: dict[int, int] = {plane: number for number, plane in enumerate(lattice.planes.tolist())}
    if lattice.ordinary_mm == lattice.step_mm:
        return tuple(own.get(plane) for plane in range(count))
    places = np.asarray(np.arange(count) * lattice.step_mm, dtype=np.float64)
    apart = np.abs(places[:, None] - heights)
    nearest = apart.argmin(axis=1)
    below = np.clip(np.searchsorted(heights, places, side="right") - 1, 0, len(heights) - 2)
    is_hole = np.diff(heights)[below] > HOLE * lattice.ordinary_mm
    empty = is_hole & (apart.min(axis=1) > (lattice.ordinary_mm + lattice.step_mm) / 2)
    return tuple(own.get(plane, None if empty[plane] else int(nearest[plane])) for plane in range(count))


def _gap_finding(acquired: AcquiredSlices, heights: FloatArray) -> Finding:
    gaps = np.diff(heights)
    if acquired.code == "MISSING_SLICES":
        missing = sum(acquired.missing_within(gap) for gap in acquired.gaps)
        lacking = "1 slice is" if missing == 1 else f"{missing} slices are"
        message = (
            f"{lacking} missing, the first after slice {acquired.gaps[0] + 1} of {len(heights)} along the normal; "
            "where they lie there is no image, and figures of what reaches a gap say so"
        )
    else:
        message = (
            f"gaps between slices range from {gaps.min():.3f} to {gaps.max():.3f} mm; every slice is put in its place "
            "on an even grid, unchanged, and counts with its own extent"
        )
    return Finding(acquired.code, Severity.WARNING, message)
