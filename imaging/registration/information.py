"""How much one image tells about the other, and in which direction that grows.

The measure is the entropy correlation coefficient ``2 I(F, M) / (H(F) + H(M))``: mutual information, which needs no
relation between the grey values of CT and MR but that there is one, made independent of how much of them overlaps. It
is 0 for strangers and 1 for images that determine each other.

Source: Maes et al., IEEE TMI 16 (1997) 187; cubic B-spline Parzen windows and their derivative: Mattes et al., IEEE
TMI 22 (2003) 120.

Decision (first version): SimpleITK's registration framework was the first candidate. The measure is differentiated in
NumPy here instead, because results must not depend on a process-wide thread count, points outside one field of view
must count neither for nor against, sheared grids must need no resampling, and hundreds of starts must cost a
millisecond each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.geometry import Grid, Rigid
from imaging.registration.level import Level

__all__ = ["Comparison", "Motion", "indices_of", "moved_by", "points_of", "times"]

MOST_BINS = 32  # per image; Source: Mattes 2003 reports no gain from more
# Chance alone raises an estimate by about bins² / 2 points. With 32 bins and 1500 points that is 0.3, more than what
# two images share on coarse blocks, and a wrong place then beats the right one.
MOST_BY_CHANCE = 0.1
PAD = 2  # bins beyond each end, which the cubic spline's support reaches


@dataclass(frozen=True, eq=False)
class Motion:
    """Six numbers in millimetres around a rigid transform: three turns, as travel at the lever's end, and three shifts.

    Parameters
    ----------
    base
        The transform at zero.
    centre
        LPS point (3,), in the space that ``base`` leads to, which the turns leave in place.
    lever_mm
        Distance at which one unit of turn moves a point by one millimetre.

    Examples
    --------
    >>> import numpy as np
    >>> motion = Motion(Rigid.identity(), np.zeros(3), 50.0)
    >>> motion.at(np.array([0, 0, 0, 1.0, 2.0, 3.0])).apply([[0, 0, 0]]).tolist()
    [[1.0, 2.0, 3.0]]
    """

    base: Rigid
    centre: FloatArray
    lever_mm: float

    def at(self, numbers: FloatArray) -> Rigid:
        """The transform at six numbers."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_of(numbers[:3] / self.lever_mm)
        matrix[:3, 3] = self.centre + numbers[3:] - matrix[:3, :3] @ self.centre
        return Rigid(matrix) @ self.base

    def move(self, numbers: FloatArray, based: FloatArray) -> FloatArray:
        """The points (n, 3) at six numbers, from where ``base`` puts them; :meth:`at` without its checks."""
        turn = rotation_of(numbers[:3] / self.lever_mm)
        return added(turn, based, self.centre + numbers[3:] - turn @ self.centre)

    def pull_back(self, numbers: FloatArray, points: FloatArray, forces: FloatArray) -> FloatArray:
        """The derivative by the six numbers, from the derivative (n, 3) by the moved points (n, 3)."""
        moments = np.array([[(a * f).sum() for f in forces.T] for a in points.T])
        push = np.array([f.sum() for f in forces.T])
        moments -= np.outer(self.centre + numbers[3:], push)  # about the centre, not the origin
        torque = np.array([moments[b, c] - moments[c, b] for b, c in ((1, 2), (2, 0), (0, 1))])
        turn = left_jacobian(numbers[:3] / self.lever_mm)
        return np.concatenate([turn.T @ torque / self.lever_mm, push])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Points of one image with their grey values, to be found again in another image.

    Parameters
    ----------
    points
        LPS points (n, 3) in the first image's space.
    bins
        The first image's grey bin (n,) at each point.
    other
        The image that is looked into.
    count
        How many bins each image's grey values have.
    """

    points: FloatArray
    bins: IntArray
    other: Level
    count: int

    @classmethod
    def of(cls, level: Level, points: FloatArray, other: Level) -> Comparison:
        """The comparison at those of the given points where the first image is known."""
        values, inside = cells_of(level, points).values()
        count = bins_for(len(values))
        bins = np.minimum((values * count).astype(np.intp), count - 1) + PAD
        return cls(np.stack([column[inside] for column in points.T]).T, bins, other, count)

    def part(self, chosen: BoolArray) -> Comparison:
        """The comparison at some of its points."""
        return Comparison(self.points[chosen], self.bins[chosen], self.other, self.count)

    @cached_property
    def _size(self) -> int:
        return self.count + 2 * PAD

    def correlation(self, other_from_first: Rigid, *, least_overlap: float = 0.0) -> float:
        """The entropy correlation at a transform; 0 where fewer than ``least_overlap`` of the points are seen."""
        values, inside = cells_of(self.other, moved_by(other_from_first, self.points)).values()
        if values.size < max(least_overlap * len(self.points), self.count):
            return 0.0
        return self._table(values, self.bins[inside])[0]

    def overlap(self, other_from_first: Rigid) -> float:
        """The fraction of the points that the other image sees."""
        if not len(self.points):
            return 0.0
        return float(cells_of(self.other, moved_by(other_from_first, self.points)).values()[1].mean())

    def correlation_and_slope(self, motion: Motion, numbers: FloatArray, based: FloatArray) -> tuple[float, FloatArray]:
        """The entropy correlation at a motion's six numbers, and its derivative (6,) by them.

        ``based`` are the points where the motion's base puts them: the caller keeps them from step to step.
        """
        moved = motion.move(numbers, based)
        values, slopes_by_index, inside = cells_of(self.other, moved).values_and_slopes()
        if values.size < self.count:
            return 0.0, np.zeros(6)
        everywhere = values.size == len(moved)
        bins = self.bins if everywhere else self.bins[inside]
        correlation, table = self._table(values, bins)
        scaled = values * (self.count - 1) + PAD
        whole = np.floor(scaled)
        first = whole.astype(np.intp) - 1
        slopes = spline_slopes(scaled - whole)
        flat, start = table.ravel(), bins * self._size + first
        pull = slopes[0] * flat.take(start)
        for tap in (1, 2, 3):
            pull += slopes[tap] * flat.take(start + tap)
        pull *= (self.count - 1) / values.size
        by_index = np.stack([pull * slope for slope in slopes_by_index]).T
        forces = times(self.other.grid.index_from_point[:3, :3].T, by_index)
        kept = moved if everywhere else np.stack([column[inside] for column in moved.T]).T
        return correlation, motion.pull_back(numbers, kept, forces)

    def _table(self, values: FloatArray, bins: IntArray) -> tuple[float, FloatArray]:
        """The correlation, and what moving one unit of mass into each cell would add to it."""
        size = self._size
        scaled = values * (self.count - 1) + PAD
        whole = np.floor(scaled)
        weights = spline_weights(scaled - whole)
        start = bins * size + whole.astype(np.int64) - 1
        joint = np.zeros(size * size)
        for tap in range(4):
            joint += np.bincount(start + tap, weights[tap], minlength=size * size)
        joint = joint.reshape(size, size) / joint.sum()
        tiny = 1e-12
        rows, columns = joint.sum(axis=1), joint.sum(axis=0)
        log_joint, log_rows, log_columns = (np.log(np.maximum(p, tiny)) for p in (joint, rows, columns))
        total = -float(rows @ log_rows) - float(columns @ log_columns)
        information = float((joint * (log_joint - log_rows[:, None] - log_columns)).sum())
        if total <= tiny:
            return 0.0, np.zeros_like(joint)
        slope = 2.0 * (total * (log_joint - log_columns) + information * log_columns) / total**2
        return 2.0 * information / total, slope


def bins_for(points: int) -> int:
    """As many bins as leave an estimate from so many points free of chance.

    Examples
    --------
    >>> bins_for(1500), bins_for(12000)
    (17, 32)
    """
    return min(MOST_BINS, max(8, int(np.sqrt(2 * MOST_BY_CHANCE * points))))


def interpolate(level: Level, points: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Trilinear samples (m,), their exact gradient by the point (m, 3) per mm, and which points (n,) are known."""
    values, by_index, inside = cells_of(level, points).values_and_slopes()
    return values, times(level.grid.index_from_point[:3, :3].T, np.stack(by_index).T), inside


@dataclass(frozen=True, eq=False)
class Cells:
    """Where points lie between an image's voxels: those in its field, a flat index and three parts of a step each.

    Parameters
    ----------
    flat
        The image's samples, flattened.
    base
        (m,) first of the eight voxels around each point.
    steps
        How far the next voxel lies in ``flat``, along each axis.
    parts
        Three (m,) from 0 to 1: how far a point lies towards the next voxel.
    inside
        (n,) which of the points that is about.
    """

    flat: NDArray[np.float32]
    base: NDArray[np.intp]
    steps: tuple[int, int, int]
    parts: tuple[FloatArray, FloatArray, FloatArray]
    inside: BoolArray

    def values(self) -> tuple[FloatArray, BoolArray]:
        """The samples of known points, and which points (n,) these are."""
        k, j, i = self.parts
        near, far = (self._along_row(j, i, k_step) for k_step in (0, self.steps[0]))
        values = near + (far - near) * k
        known = np.isfinite(values)
        return (values, self.inside) if known.all() else (values[known], self._inside(known))

    def values_and_slopes(self) -> tuple[FloatArray, list[FloatArray], BoolArray]:
        """The samples of known points, their slopes by (slice, row, column) index, and which points (n,) these are."""
        k, j, i = self.parts
        corners = [[[self._corner(a, b, c) for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
        along_i = [[corners[a][b][1] - corners[a][b][0] for b in (0, 1)] for a in (0, 1)]
        row = [[corners[a][b][0] + along_i[a][b] * i for b in (0, 1)] for a in (0, 1)]
        along_j = [row[a][1] - row[a][0] for a in (0, 1)]
        face = [row[a][0] + along_j[a] * j for a in (0, 1)]
        slope_k = face[1] - face[0]
        values = face[0] + slope_k * k
        slope_j = along_j[0] + (along_j[1] - along_j[0]) * k
        edge = [along_i[a][0] + (along_i[a][1] - along_i[a][0]) * j for a in (0, 1)]
        slopes = [slope_k, slope_j, edge[0] + (edge[1] - edge[0]) * k]
        known = np.isfinite(values)
        if known.all():
            return values, slopes, self.inside
        return values[known], [slope[known] for slope in slopes], self._inside(known)

    def _inside(self, known: BoolArray) -> BoolArray:
        inside = self.inside.copy()
        inside[inside] = known
        return inside

    def _corner(self, a: int, b: int, c: int) -> FloatArray:
        offset = a * self.steps[0] + b * self.steps[1] + c * self.steps[2]
        return np.asarray(self.flat.take(self.base + offset), dtype=np.float64)

    def _along_row(self, j: FloatArray, i: FloatArray, offset: int) -> FloatArray:
        rows = []
        for b in (0, self.steps[1]):
            first = self.flat.take(self.base + (offset + b)).astype(np.float64)
            rows.append(first + (self.flat.take(self.base + (offset + b + self.steps[2])) - first) * i)
        return np.asarray(rows[0] + (rows[1] - rows[0]) * j, dtype=np.float64)


def cells_of(level: Level, points: FloatArray) -> Cells:
    """Where the points (n, 3) lie in an image."""
    index = indices_of(level.grid, points)
    last = [count - 1 for count in level.grid.shape]
    inside = np.ones(len(points), dtype=bool)
    for axis, end in enumerate(last):  # column by column: reducing rows of three is ten times slower
        inside &= (index[:, axis] >= 0) & (index[:, axis] <= end)
    whole = [index[:, axis] if inside.all() else index[inside, axis] for axis in range(3)]
    corners = [np.minimum(w.astype(np.intp), max(end - 1, 0)) for w, end in zip(whole, last, strict=True)]
    k, j, i = (w - c for w, c in zip(whole, corners, strict=True))
    _, rows, columns = level.grid.shape
    steps = [step if end else 0 for step, end in zip((rows * columns, columns, 1), last, strict=True)]
    base = (corners[0] * rows + corners[1]) * columns + corners[2]
    return Cells(level.samples.ravel(), base, (steps[0], steps[1], steps[2]), (k, j, i), inside)


def times(matrix: FloatArray, rows: FloatArray) -> FloatArray:
    """The matrix (3, 3) applied to each row (n, 3); the answer's columns are contiguous.

    Not ``@``: a BLAS library answers that with as many threads as it likes, which on matrices as thin as these doubles
    the work and, on a busy machine, the time again.
    """
    return added(matrix, rows, np.zeros(3))


def added(matrix: FloatArray, rows: FloatArray, shift: FloatArray) -> FloatArray:
    """As :func:`times`, and shifted."""
    x, y, z = rows.T
    columns = np.empty((3, len(rows)))
    for axis, ((a, b, c), s) in enumerate(zip(matrix.tolist(), shift.tolist(), strict=True)):
        column = np.multiply(x, a, out=columns[axis])
        np.add(column, b * y, out=column)
        np.add(column, c * z, out=column)
        np.add(column, s, out=column)
    return columns.T


def points_of(grid: Grid, indices: IntArray | FloatArray) -> FloatArray:
    return added(grid.affine[:3, :3], np.asarray(indices, dtype=np.float64), grid.affine[:3, 3])


def indices_of(grid: Grid, points: FloatArray) -> FloatArray:
    return added(grid.index_from_point[:3, :3], points, grid.index_from_point[:3, 3])


def moved_by(transform: Rigid, points: FloatArray) -> FloatArray:
    return added(transform.matrix[:3, :3], points, transform.matrix[:3, 3])


def spline_weights(part: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The cubic B-spline at the four bins around a value that lies ``part`` (0…1) after the second of them."""
    rest = 1.0 - part
    near, far = part * part, rest * rest
    return far * rest / 6, 2 / 3 - near * (1 - part / 2), 2 / 3 - far * (1 - rest / 2), near * part / 6


def spline_slopes(part: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The derivative of :func:`spline_weights` by the value."""
    rest = 1.0 - part
    return -rest * rest / 2, part * (1.5 * part - 2), rest * (2 - 1.5 * rest), part * part / 2


def rotation_of(turn: FloatArray) -> FloatArray:
    """The rotation matrix (3, 3) of a rotation vector in radians."""
    return np.asarray(Rotation.from_rotvec(turn).as_matrix(), dtype=np.float64)


def left_jacobian(turn: FloatArray) -> FloatArray:
    """How a small change of a rotation vector turns the rotated frame, shape (3, 3).

    Source: Barfoot, State Estimation for Robotics (2017), eq. 7.77b.
    """
    angle = float(np.linalg.norm(turn))
    cross = np.array([[0, -turn[2], turn[1]], [turn[2], 0, -turn[0]], [-turn[1], turn[0], 0]])
    if angle < 1e-8:
        return np.asarray(np.eye(3) + cross / 2, dtype=np.float64)
    a, b = (1 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + a * cross + b * cross @ cross, dtype=np.float64)
