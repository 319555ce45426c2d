"""From nowhere to the best few transforms: a lattice of shifts, turns around the best of them, and ascents.

Every step is deterministic: points are spread by a fixed low-discrepancy sequence, never by a clock or a thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from imaging.arrays import FloatArray
from imaging.geometry import Rigid
from imaging.registration.information import Comparison, Motion
from imaging.registration.interpolation import moved_by, times

__all__ = [
    "Found",
    "ascend",
    "discounted",
    "displacement_mm",
    "distinct",
    "lattice_of_shifts",
    "turned",
]

SHIFT_BEYOND_MM = 30.0  # patients lie down anew within this, once the fields of view are laid over each other
STEPS_AT_MOST = 5  # each way along an axis: wider differences of the fields of view are stepped more coarsely
TURN_DEG = 12.0  # the pelvis's tilt between prone and supine; supports under supine knees tilt it by less
ENOUGH_OVERLAP = 0.8  # a summit that needs less of the smaller body inside the other field of view is discounted
FIRST_STEP_MM = 1.0
LONGEST_STEP_MM = 15.0  # half of what an ascent may be off at its start
HALVINGS = 8
SUFFICIENT_RISE = 1e-4  # of what the slope promises; Source: Nocedal & Wright (2006), §3.1
TOLERANCE = 1e-5  # relative gain of one step below which an ascent ends: a hundredth of what 0.1 mm changes


@dataclass(frozen=True, eq=False)
class Found:
    """A transform and the entropy correlation that it reached."""

    other_from_first: Rigid
    correlation: float


def lattice_of_shifts(first: FloatArray, other: FloatArray, *, step_mm: float) -> list[Rigid]:
    """Shifts that lay one body's points (n, 3) over the other's: boxes centred, and as far around as they differ.

    A step is two of the coarsest blocks: an ascent on them recovers from one.
    """
    (first_low, first_high), (other_low, other_high) = ((p.min(axis=0), p.max(axis=0)) for p in (first, other))
    centre = (other_low + other_high - first_low - first_high) / 2
    reach = np.abs((other_high - other_low) - (first_high - first_low)) / 2 + SHIFT_BEYOND_MM
    axes = []
    for middle, far in zip(centre, reach, strict=True):
        steps = min(int(np.ceil(far / step_mm)), STEPS_AT_MOST)
        axes.append(middle + far * np.arange(-steps, steps + 1) / steps)
    return [Rigid.from_shift(shift) for shift in itertools.product(*axes)]


def turned(start: Rigid, centre: FloatArray) -> list[Rigid]:
    """The transform with a turn either way about each patient axis, around a point (3,) of the space it starts from."""
    pivot = start.apply(centre)[0]
    turns = []
    for axis, sign in itertools.product(np.eye(3), (-1.0, 1.0)):
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(np.radians(sign * TURN_DEG) * axis).as_matrix()
        matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot
        turns.append(Rigid(matrix) @ start)
    return turns


def discounted(comparison: Comparison, transform: Rigid) -> Found:
    """The transform with its correlation, cut in proportion where much of the body has left the other's field of view.

    Two images that overlap in a sliver of air and skin correlate well, and say nothing.
    """
    seen = comparison.overlap(transform)
    return Found(transform, comparison.correlation(transform) * min(1.0, seen / ENOUGH_OVERLAP))


def ascend(comparison: Comparison, start: Rigid, *, steps: int) -> Found:
    """The nearest summit of the entropy correlation.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.registration.level import Level
    >>> from imaging.registration.points import spread_points
    >>> z, y, x = np.mgrid[:20, :20, :20]
    >>> grid = Grid.from_spacing((20, 20, 20), (2, 2, 2))
    >>> ball = Level(np.exp(-((z - 9) ** 2 + (y - 9) ** 2 + (x - 9) ** 2) / 50).astype(np.float32),
    ...              np.ones(grid.shape, bool), np.zeros(grid.shape, bool), grid)
    >>> comparison = Comparison.of(ball, spread_points(ball, ball.body, 2000), ball)
    >>> found = ascend(comparison, Rigid.from_shift((4, 0, 0)), steps=30)
    >>> bool(np.linalg.norm(found.other_from_first.apply([[18, 18, 18]]) - 18) < 0.5)
    True
    """
    moved = moved_by(start, comparison.points)
    centre = moved.mean(axis=0)
    lever_mm = max(float(np.sqrt(((moved - centre) ** 2).sum(axis=1).mean())), 1.0)
    motion = Motion(start, centre, lever_mm)
    numbers, height, slope = np.zeros(6), *comparison.correlation_and_slope(motion, np.zeros(6))
    curved = FIRST_STEP_MM / max(float(np.linalg.norm(slope)), 1e-12) * np.eye(6)
    for _ in range(steps):
        step = curved @ slope
        if step @ slope <= 0.0:  # rounding has spoiled the curvature
            break
        step *= min(1.0, LONGEST_STEP_MM / max(float(np.linalg.norm(step)), 1e-12))
        for _ in range(HALVINGS):
            higher, new_slope = comparison.correlation_and_slope(motion, numbers + step)
            if higher >= height + SUFFICIENT_RISE * float(step @ slope):
                break
            step = step / 2.0
        else:
            break
        curved = bfgs(curved, step, slope - new_slope)
        gained, numbers, height, slope = higher - height, numbers + step, higher, new_slope
        if gained < TOLERANCE * height:
            break
    return Found(motion.at(numbers), height)


def bfgs(curved: FloatArray, step: FloatArray, fall: FloatArray) -> FloatArray:
    """The inverse curvature (6, 6) that also explains how the slope fell over the last step.

    Where the slope did not fall there is no summit yet: longer steps are allowed instead.

    Source: Nocedal & Wright, Numerical Optimization (2006), eq. 6.17. Six numbers need no library, and SciPy's L-BFGS
    wakes BLAS threads at every step.
    """
    product = float(step @ fall)
    if product <= 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(fall)):
        return 2.0 * curved
    left = np.eye(6) - np.outer(step, fall) / product
    return np.asarray(left @ curved @ left.T + np.outer(step, step) / product, dtype=np.float64)


def displacement_mm(one: Rigid, two: Rigid, points: FloatArray) -> float:
    """How far apart two transforms put the points (n, 3), on average.

    Examples
    --------
    >>> displacement_mm(Rigid.identity(), Rigid.from_shift((3, 4, 0)), np.zeros((2, 3)))
    5.0
    """
    apart = one.matrix - two.matrix
    x, y, z = (times(apart[:3, :3], points) + apart[:3, 3]).T
    return float(np.sqrt(x * x + y * y + z * z).mean())


def distinct(found: Iterable[Found], points: FloatArray, *, apart_mm: float, count: int) -> list[Found]:
    """The best few, none within ``apart_mm`` (mean over the points) of a better one."""
    kept: list[Found] = []
    for candidate in sorted(found, key=lambda f: -f.correlation):
        if len(kept) == count:
            break
        if all(displacement_mm(candidate.other_from_first, k.other_from_first, points) > apart_mm for k in kept):
            kept.append(candidate)
    return kept
