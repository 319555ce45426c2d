"""The grid of a stack of slices, from their positions alone.

Source: DICOM PS3.3 C.7.6.2.1.1 (image plane). Image Position is the centre of the first voxel of a slice; along a row
the *column* index grows in the direction of the first three cosines by the second pixel spacing, along a column the
*row* index grows in the direction of the last three by the first. Slice Thickness, Spacing Between Slices, Slice
Location, table positions and the order of files or instance numbers take no part.

The tolerances follow what readers can and cannot stand: 0.01 mm of jitter in positions is written by common
scanners and harmless (a reader that warns of it is switched off), a missing slice shifts everything above it. Both a
gap's deviation and every slice's distance from where the affine puts it are bounded, because small deviations of one
sign add up over hundreds of slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imaging.arrays import FloatArray
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.geometry.acquired import AcquiredSlices
from imaging.geometry.grid import FARTHEST_MM, Grid

__all__ = [
    "Stack",
    "angle_deg",
    "in_plane_steps",
    "is_jitter",
    "plane_directions",
    "spacing_tolerance_mm",
    "stack_slices",
    "tilt_finding",
]

SPACING_TOLERANCE_MM, SPACING_TOLERANCE = 0.02, 0.01  # the larger: rounding of positions, or 1 % of the spacing
DRIFT_TOLERANCE = 2.0  # × the spacing tolerance: how far a slice may lie from where the affine puts it
IN_PLANE_TOLERANCE = 0.1  # pixels: below it no contour changes
TILT_FROM_DEG = 0.05
TILT_LIMIT_DEG = 45.0  # gantries lean by up to 30°; beyond, position and orientation contradict one another
COSINE_TOLERANCE = 1e-3  # of length and of orthogonality; headers with four decimals are within 2e-4
SAME_POSITION = 0.05  # × the typical gap: closer slices are two images of one place
SAME_POSITION_MM = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices that form a volume.

    ``order`` lists the input slices in the grid's slice order; ``tilt_deg`` is the angle of the stack to its normal;
    ``acquired`` tells which planes were imaged where the stack has gaps (:mod:`imaging.dicom.gaps`).
    """

    grid: Grid
    order: tuple[int, ...]
    tilt_deg: float
    findings: tuple[Finding, ...]
    acquired: AcquiredSlices | None = None

    @property
    def is_tilted(self) -> bool:
        """Whether the slices lean, so that the grid is sheared."""
        return any(finding.code == "GANTRY_TILT" for finding in self.findings)


def stack_slices(
    positions: ArrayLike, orientations: ArrayLike, pixel_spacing: tuple[float, float], plane: tuple[int, int]
) -> Stack:
    """The volume that the slices form.

    Parameters
    ----------
    positions
        (n, 3) Image Position (Patient), LPS mm, in any order.
    orientations
        (n, 6) Image Orientation (Patient); equal within 0.1°, their mean is taken.
    pixel_spacing
        Pixel Spacing: between rows, between columns, mm.
    plane
        Rows, columns.

    Returns
    -------
    Stack
        Slice axis along row direction × column direction, whatever the order of the input. A stack that leans keeps its
        shear (finding GANTRY_TILT).

    Raises
    ------
    SeriesRefused
        NOT_A_VOLUME (one slice, or all at one position), DUPLICATE_POSITION, MISSING_SLICES, NON_UNIFORM_SPACING,
        MIXED_GEOMETRY (slices shifted within their plane), BAD_ORIENTATION.

    Examples
    --------
    >>> axial = [1, 0, 0, 0, 1, 0]
    >>> stack = stack_slices([[0, 0, 5], [0, 0, 0], [0, 0, 10]], [axial] * 3, (0.8, 0.7), (4, 6))
    >>> stack.order, stack.grid.shape, stack.grid.spacing_mm
    ((1, 0, 2), (3, 4, 6), (5.0, 0.8, 0.7))
    """
    points = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    if max(float(np.abs(points).max(initial=0.0)), *pixel_spacing) > FARTHEST_MM:
        raise SeriesRefused("a position or spacing is beyond a kilometre; millimetres are expected", code="BAD_NUMBER")
    row_step, column_step = in_plane_steps(np.asarray(orientations, dtype=np.float64), pixel_spacing)
    normal = np.cross(column_step, row_step)
    normal /= np.linalg.norm(normal)
    heights = points @ normal
    # Ties (slices at one height) are ordered by position so that the outcome never depends on the input's order.
    order = np.lexsort((points[:, 0], points[:, 1], points[:, 2], heights))
    points, heights = points[order], heights[order]
    spacing = _require_even(heights)
    origin, step = _line(points)
    tilt = _angle(step, normal)
    _require_straight(points - (origin + np.arange(len(points))[:, None] * step), normal, spacing, pixel_spacing)
    if tilt > TILT_LIMIT_DEG:
        raise SeriesRefused(f"the slices lean by {tilt:.1f}°, more than any gantry", code="MIXED_GEOMETRY")
    leaning = step - (step @ normal) * normal
    findings: tuple[Finding, ...] = ()
    if is_jitter(float(np.linalg.norm(leaning)) * (len(points) - 1), tilt, min(pixel_spacing)):
        step, origin = (step @ normal) * normal, points.mean(axis=0) - (len(points) - 1) / 2 * (step @ normal) * normal
        tilt = 0.0
    elif tilt > TILT_FROM_DEG:
        findings = (tilt_finding(tilt),)
    affine = np.eye(4)
    affine[:3] = np.stack([step, row_step, column_step, origin], axis=1)
    shape = (len(points), int(plane[0]), int(plane[1]))
    return Stack(Grid(shape, affine), tuple(int(i) for i in order), tilt, findings)


def is_jitter(lean_mm: float, tilt_deg: float, pixel_mm: float) -> bool:
    """Whether a stack leans no more than rounding lets an upright one lean, or too little to matter.

    Parameters
    ----------
    lean_mm
        How far the last slice lies beside the first.
    tilt_deg
        The same as an angle: a few thin slices lean by much when one is a hundredth of a millimetre off.
    pixel_mm
        The shorter side of a pixel.

    Examples
    --------
    >>> is_jitter(0.03, 0.8, 0.7), is_jitter(0.06, 0.03, 0.7), is_jitter(0.06, 0.06, 0.7)
    (True, True, False)
    """
    is_rounding = lean_mm <= DRIFT_TOLERANCE * SPACING_TOLERANCE_MM
    return is_rounding or (tilt_deg <= TILT_FROM_DEG and lean_mm <= IN_PLANE_TOLERANCE * pixel_mm)


def plane_directions(orientations: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit directions in which the column index and the row index grow; the mean of (n, 6) orientations.

    Raises
    ------
    SeriesRefused
        BAD_ORIENTATION: the cosines are not two unit vectors at a right angle.
    """
    mean = orientations.reshape(-1, 6).mean(axis=0)
    along_row, along_column = mean[:3], mean[3:]
    lengths = np.array([np.linalg.norm(along_row), np.linalg.norm(along_column)])
    if np.abs(lengths - 1).max() > COSINE_TOLERANCE or abs(along_row @ along_column) > COSINE_TOLERANCE:
        raise SeriesRefused("the image orientation is not two unit vectors at a right angle", code="BAD_ORIENTATION")
    return along_row / lengths[0], along_column / lengths[1]


def angle_deg(first: ArrayLike, second: ArrayLike) -> float:
    """The larger of the angles between two orientations' row directions and column directions.

    Examples
    --------
    >>> round(angle_deg([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]), 6)
    90.0
    """
    one, two = np.asarray(first, dtype=np.float64).reshape(2, 3), np.asarray(second, dtype=np.float64).reshape(2, 3)
    return max(_angle(a, b) for a, b in zip(one, two, strict=True))


def spacing_tolerance_mm(spacing_mm: float) -> float:
    """How far a gap between slices may be from the spacing."""
    return max(SPACING_TOLERANCE_MM, SPACING_TOLERANCE * spacing_mm)


def in_plane_steps(orientations: FloatArray, pixel_spacing: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """The steps from row to row and from column to column, LPS mm."""
    along_row, along_column = plane_directions(orientations)
    return along_column * pixel_spacing[0], along_row * pixel_spacing[1]


def _require_even(heights: FloatArray) -> float:
    """The spacing of slices along their normal, sorted; refused unless every gap is the same."""
    gaps = np.diff(heights)
    if len(gaps) == 0 or heights[-1] - heights[0] <= SAME_POSITION_MM:
        raise SeriesRefused(
            "a single slice is no volume" if len(gaps) == 0 else f"all {len(heights)} slices are at one position",
            code="NOT_A_VOLUME",
        )
    typical = float(np.median(gaps[gaps > SAME_POSITION_MM]))
    repeated = int((gaps <= max(SAME_POSITION_MM, SAME_POSITION * typical)).sum())
    if repeated:
        raise SeriesRefused(f"{repeated} of {len(heights)} slices repeat a position", code="DUPLICATE_POSITION")
    tolerance = spacing_tolerance_mm(typical)
    if np.abs(gaps - typical).max() <= tolerance:
        return typical
    shortest = float(gaps.min())
    steps = np.round(gaps / shortest)
    single = gaps / steps
    if np.abs(single - np.median(single)).max() <= spacing_tolerance_mm(shortest):
        first = int(np.argmax(steps > 1))
        raise SeriesRefused(
            f"{int((steps - 1).sum())} slices are missing, the first after slice {first + 1} of {len(heights)} along "
            f"the normal (spacing {shortest:.3f} mm)",
            code="MISSING_SLICES",
        )
    raise SeriesRefused(
        f"gaps between slices range from {gaps.min():.3f} to {gaps.max():.3f} mm", code="NON_UNIFORM_SPACING"
    )


def _line(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Start and step of the line nearest to evenly spaced points (least squares): jitter of one end moves nothing."""
    steps = np.arange(len(points)) - (len(points) - 1) / 2
    step = steps @ points / (steps @ steps)
    return points.mean(axis=0) + steps[0] * step, step


def _require_straight(
    drift: FloatArray, normal: FloatArray, spacing: float, pixel_spacing: tuple[float, float]
) -> None:
    along_normal = drift @ normal
    along = float(np.abs(along_normal).max())
    if along > DRIFT_TOLERANCE * spacing_tolerance_mm(spacing):
        raise SeriesRefused(f"slices lie up to {along:.3f} mm off an even spacing", code="NON_UNIFORM_SPACING")
    across = float(np.linalg.norm(drift - along_normal[:, None] * normal, axis=1).max())
    limit = max(IN_PLANE_TOLERANCE * min(pixel_spacing), DRIFT_TOLERANCE * spacing_tolerance_mm(spacing))
    if across > limit:
        raise SeriesRefused(f"slices are shifted within their plane by up to {across:.2f} mm", code="MIXED_GEOMETRY")


def tilt_finding(tilt: float) -> Finding:
    """GANTRY_TILT of so many degrees."""
    message = f"the slices lean by {tilt:.2f}° to the direction in which they are stacked; the sheared geometry is kept"
    return Finding("GANTRY_TILT", Severity.WARNING, message)


def _angle(one: FloatArray, two: FloatArray) -> float:
    """Degrees between two vectors, exact for small angles too."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two)), one @ two)))
