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
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.geometry import Grid, Rigid
from imaging.registration.level import Level

__all__ = ["Comparison", "Motion", "indices_of", "moved_by", "points_of", "times"]

BINS = 32  # per image; Source: Mattes 2003 reports no gain from more than 32
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
        arms = times(rotation_of(numbers[:3] / self.lever_mm), based - self.centre)
        return np.asarray(arms + (self.centre + numbers[3:]), dtype=np.float64)

    def pull_back(self, numbers: FloatArray, points: FloatArray, forces: FloatArray) -> FloatArray:
        """The derivative by the six numbers, from the derivative (n, 3) by the moved points (n, 3)."""
        arms = points - (self.centre + numbers[3:])
        torque = np.cross(arms, forces).sum(axis=0)
        turn = left_jacobian(numbers[:3] / self.lever_mm)
        return np.concatenate([turn.T @ torque / self.lever_mm, forces.sum(axis=0)])


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
    """

    points: FloatArray
    bins: IntArray
    other: Level

    @classmethod
    def of(cls, level: Level, points: FloatArray, other: Level) -> Comparison:
        """The comparison at those of the given points where the first image is known."""
        values, _, inside = interpolate(level, points)
        bins = np.minimum((values * BINS).astype(np.int64), BINS - 1) + PAD
        return cls(points[inside], bins, other)

    @cached_property
    def _size(self) -> int:
        return BINS + 2 * PAD

    def correlation(self, other_from_first: Rigid, *, least_overlap: float = 0.0) -> float:
        """The entropy correlation at a transform; 0 where fewer than ``least_overlap`` of the points are seen."""
        values, _, inside = interpolate(self.other, moved_by(other_from_first, self.points))
        if values.size < max(least_overlap * len(self.points), BINS):
            return 0.0
        return self._table(values, self.bins[inside])[0]

    def overlap(self, other_from_first: Rigid) -> float:
        """The fraction of the points that the other image sees."""
        return (
            float(interpolate(self.other, moved_by(other_from_first, self.points))[2].mean())
            if len(self.points)
            else 0.0
        )

    def correlation_and_slope(self, motion: Motion, numbers: FloatArray, based: FloatArray) -> tuple[float, FloatArray]:
        """The entropy correlation at a motion's six numbers, and its derivative (6,) by them.

        ``based`` are the points where the motion's base puts them: the caller keeps them from step to step.
        """
        moved = motion.move(numbers, based)
        values, gradient, inside = interpolate(self.other, moved)
        if values.size < BINS:
            return 0.0, np.zeros(6)
        bins = self.bins[inside]
        correlation, table = self._table(values, bins)
        scaled = values * (BINS - 1) + PAD
        first = np.floor(scaled).astype(np.int64) - 1
        slopes = spline_slopes(scaled - np.floor(scaled))
        flat, start = table.ravel(), bins * self._size + first
        pull = sum(slopes[tap] * flat[start + tap] for tap in range(4))
        forces = np.asarray(pull, dtype=np.float64)[:, None] * gradient * ((BINS - 1) / values.size)
        return correlation, motion.pull_back(numbers, moved[inside], forces)

    def _table(self, values: FloatArray, bins: IntArray) -> tuple[float, FloatArray]:
        """The correlation, and what moving one unit of mass into each cell would add to it."""
        size = self._size
        scaled = values * (BINS - 1) + PAD
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


def interpolate(level: Level, points: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Trilinear samples (m,), their exact gradient by the point (m, 3) per mm, and which points (n,) are known."""
    grid = level.grid
    index = indices_of(grid, points)
    last = np.array(grid.shape) - 1
    inside = np.asarray(((index >= 0) & (index <= last)).all(axis=1))
    index = index[inside]
    corner = np.minimum(index.astype(np.int64), np.maximum(last - 1, 0))
    part = index - corner
    steps = np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1]) * (last > 0)
    base = (corner[:, 0] * grid.shape[1] + corner[:, 1]) * grid.shape[2] + corner[:, 2]
    flat = level.samples.ravel()
    k, j, i = part.T
    v = [[[flat[base + a * steps[0] + b * steps[1] + c * steps[2]] for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
    along_i = [[v[a][b][1] - v[a][b][0] for b in (0, 1)] for a in (0, 1)]
    row = [[v[a][b][0] + along_i[a][b] * i for b in (0, 1)] for a in (0, 1)]
    along_j = [row[a][1] - row[a][0] for a in (0, 1)]
    face = [row[a][0] + along_j[a] * j for a in (0, 1)]
    slope_k = face[1] - face[0]
    values = face[0] + slope_k * k
    slope_j = along_j[0] + (along_j[1] - along_j[0]) * k
    edge = [along_i[a][0] + (along_i[a][1] - along_i[a][0]) * j for a in (0, 1)]
    slope_i = edge[0] + (edge[1] - edge[0]) * k
    known = np.isfinite(values)
    inside[inside] = known
    by_index = np.stack([slope_k[known], slope_j[known], slope_i[known]], axis=1)
    gradient = times(grid.index_from_point[:3, :3].T, by_index)
    return np.asarray(values[known], dtype=np.float64), np.asarray(gradient, dtype=np.float64), inside


def times(matrix: FloatArray, rows: FloatArray) -> FloatArray:
    """The matrix (3, 3) applied to each row (n, 3).

    Not ``@``: a BLAS library answers that with as many threads as it likes, which on matrices as thin as these doubles
    the work and, on a busy machine, the time again.
    """
    x, y, z = rows.T
    return np.stack([x * row[0] + y * row[1] + z * row[2] for row in matrix], axis=1)


def points_of(grid: Grid, indices: IntArray | FloatArray) -> FloatArray:
    return times(grid.affine[:3, :3], np.asarray(indices, dtype=np.float64)) + grid.affine[:3, 3]


def indices_of(grid: Grid, points: FloatArray) -> FloatArray:
    return times(grid.index_from_point[:3, :3], points) + grid.index_from_point[:3, 3]


def moved_by(transform: Rigid, points: FloatArray) -> FloatArray:
    return times(transform.matrix[:3, :3], points) + transform.matrix[:3, 3]


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
