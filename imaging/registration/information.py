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
from imaging.geometry import Rigid
from imaging.registration.interpolation import Cells, cells_of, times
from imaging.registration.level import Level

__all__ = ["Comparison", "Motion", "bins_for"]

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
        return Rigid(self.matrix(numbers))

    def matrix(self, numbers: FloatArray) -> FloatArray:
        """The same as a plain (4, 4) matrix, unchecked: steps are many."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_of(numbers[:3] / self.lever_mm)
        matrix[:3, 3] = self.centre + numbers[3:] - matrix[:3, :3] @ self.centre
        return np.asarray(matrix @ self.base.matrix, dtype=np.float64)

    def pull_back(self, numbers: FloatArray, moments: FloatArray, push: FloatArray) -> FloatArray:
        """The derivative by the six numbers.

        From the sum (3,) of the derivatives by the moved points, and from the sum (3, 3) of their products with those.
        """
        about = moments - np.outer(self.centre + numbers[3:], push)  # the centre, not the origin
        torque = np.array([about[b, c] - about[c, b] for b, c in ((1, 2), (2, 0), (0, 1))])
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
        values, inside = cells_of(self.other, self.points, other_from_first.matrix).values()
        if values.size < max(least_overlap * len(self.points), self.count):
            return 0.0
        return self._table(values, self.bins[inside])[0]

    def overlap(self, other_from_first: Rigid) -> float:
        """The fraction of the points that the other image sees."""
        if not len(self.points):
            return 0.0
        return float(cells_of(self.other, self.points, other_from_first.matrix).values()[1].mean())

    def correlation_and_slope(self, motion: Motion, numbers: FloatArray) -> tuple[float, FloatArray]:
        """The entropy correlation at a motion's six numbers, and its derivative (6,) by them."""
        matrix = motion.matrix(numbers)
        cells = cells_of(self.other, self.points, matrix)
        correlation, by_index, inside = self._correlation_and_pulls(cells)
        if not by_index.size:
            return 0.0, np.zeros(6)
        everywhere = by_index.shape[1] == len(self.points)
        points = self.points.T if everywhere else np.stack([column[inside] for column in self.points.T])
        # the sums are taken before anything is turned: three by three instead of points
        to_point = self.other.grid.index_from_point[:3, :3]
        push = by_index.sum(axis=1) @ to_point
        moments = matrix[:3, :3] @ np.einsum("an,bn->ab", points, by_index) @ to_point + np.outer(matrix[:3, 3], push)
        return correlation, motion.pull_back(numbers, moments, push)

    def correlation_and_pulls(self, moved: FloatArray) -> tuple[float, FloatArray]:
        """The entropy correlation where each point was moved by itself to (n, 3), and its derivative (n, 3) by that."""
        correlation, by_index, inside = self._correlation_and_pulls(cells_of(self.other, moved))
        pulls = np.zeros(moved.shape)
        pulls[inside] = times(self.other.grid.index_from_point[:3, :3].T, by_index.T)
        return correlation, pulls

    def _correlation_and_pulls(self, cells: Cells) -> tuple[float, FloatArray, BoolArray]:
        """The correlation, its derivative (3, k) by the index of each point that is seen, and which are."""
        values, slopes_by_index, inside = cells.values_and_slopes()
        if values.size < self.count:
            return 0.0, np.zeros((3, 0)), np.zeros(len(self.points), dtype=bool)
        bins = self.bins if values.size == len(self.points) else self.bins[inside]
        correlation, table = self._table(values, bins)
        scaled = values * (self.count - 1) + PAD
        whole = np.floor(scaled)
        slopes = spline_slopes(scaled - whole)
        flat, start = table.ravel(), bins * self._size + (whole.astype(np.intp) - 1)
        pull = slopes[0] * flat.take(start)
        for tap in (1, 2, 3):
            pull += slopes[tap] * flat.take(start + tap)
        pull *= (self.count - 1) / values.size
        return correlation, np.stack([pull * slope for slope in slopes_by_index]), inside

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
