"""The ellipsoid that a prompt stands for: the simplest honest guess of a lesion's place, size and shape.

It is the control against which every engine is measured: an engine that does worse than this shape, drawn without
looking at the image, adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.errors import GeometryError
from imaging.geometry import Grid

__all__ = ["Ellipsoid", "voxels_in"]


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """A solid ellipsoid in patient space.

    Parameters
    ----------
    centre
        (3,) LPS mm.
    axes
        (3, 3), columns are orthonormal directions in LPS.
    half_lengths_mm
        (3,) along those columns, each above zero.

    Raises
    ------
    GeometryError
        If the axes are not orthonormal or a half-length is not above zero.

    Examples
    --------
    >>> ball = Ellipsoid.ball((0.0, 0.0, 0.0), radius_mm=10.0)
    >>> round(ball.volume_ml, 3)
    4.189
    >>> round(float(ball.distance_mm([[0.0, 0.0, 12.0]])[0]), 6)
    2.0
    """

    centre: FloatArray
    axes: FloatArray
    half_lengths_mm: FloatArray

    def __post_init__(self) -> None:
        axes = np.array(self.axes, dtype=np.float64)
        halves = np.array(self.half_lengths_mm, dtype=np.float64)
        if axes.shape != (3, 3) or not np.allclose(axes.T @ axes, np.eye(3), atol=1e-6):
            raise GeometryError("an ellipsoid's axes are three orthonormal columns")
        if halves.shape != (3,) or not np.isfinite(halves).all() or halves.min() <= 0:
            raise GeometryError(f"an ellipsoid's half-lengths are three lengths above zero; got {halves.tolist()}")
        object.__setattr__(self, "centre", frozen(np.array(self.centre, dtype=np.float64).reshape(3)))
        object.__setattr__(self, "axes", frozen(axes))
        object.__setattr__(self, "half_lengths_mm", frozen(halves))

    @classmethod
    def ball(cls, centre: ArrayLike, *, radius_mm: float) -> Ellipsoid:
        """The ball round a point."""
        return cls(np.asarray(centre, dtype=np.float64), np.eye(3), np.full(3, radius_mm))

    @classmethod
    def of_moments(cls, points: FloatArray, weights: FloatArray, *, volume_mm3: float) -> Ellipsoid:
        """The ellipsoid with the points' centre and main directions and with the given volume.

        Parameters
        ----------
        points, weights
            (n, 3) LPS mm and (n,) not negative: voxel centres and how much of each belongs to the body.
        volume_mm3
            What the ellipsoid shall hold; the moments give only its proportions.

        Examples
        --------
        >>> xyz = np.array([[x, 0.0, 0.0] for x in range(-9, 10)] + [[0.0, y, 0.0] for y in range(-3, 4)])
        >>> shape = Ellipsoid.of_moments(xyz, np.ones(len(xyz)), volume_mm3=1000.0)
        >>> round(shape.volume_ml, 6), int(np.abs(shape.axes[:, np.argmax(shape.half_lengths_mm)]).argmax())
        (1.0, 0)
        """
        share = weights / weights.sum()
        centre = (share[:, None] * points).sum(axis=0)
        offset = points - centre
        # A body of one slice has no extent across it: a least variance, the square of a tenth of its length, keeps
        # the shape an ellipsoid.
        # (Sums of its own, because the last bits of a matrix product depend on the number of threads.)
        variances, axes = np.linalg.eigh(np.einsum("ni,n,nj->ij", offset, share, offset))
        halves = np.sqrt(np.maximum(variances, 0.01 * max(float(variances.max()), 1e-6)))
        halves *= (volume_mm3 / (4 / 3 * np.pi * halves.prod())) ** (1 / 3)
        return cls(centre, axes, halves)

    @property
    def volume_ml(self) -> float:
        """4/3·π·a·b·c."""
        return float(4 / 3 * np.pi * self.half_lengths_mm.prod() / 1000)

    @property
    def mean_radius_mm(self) -> float:
        """Radius of the ball of the same volume."""
        return float(self.half_lengths_mm.prod() ** (1 / 3))

    def scaled(self, factor: float) -> Ellipsoid:
        """The same shape about the same centre, every length times the factor."""
        return replace(self, half_lengths_mm=self.half_lengths_mm * factor)

    def bounds_mm(self, directions: FloatArray) -> FloatArray:
        """Half-widths (3,) of the box that encloses it, its sides along the orthonormal columns of ``directions``."""
        return np.asarray(np.linalg.norm((directions.T @ self.axes) * self.half_lengths_mm, axis=1), dtype=np.float64)

    def level(self, points: ArrayLike) -> FloatArray:
        """0 at the centre, 1 on the surface, growing in proportion along every ray; (n,) for points (n, 3)."""
        offset = (np.atleast_2d(np.asarray(points, dtype=np.float64)) - self.centre) @ self.axes
        return np.asarray(np.linalg.norm(offset / self.half_lengths_mm, axis=1), dtype=np.float64)

    def distance_mm(self, points: ArrayLike) -> FloatArray:
        """Distance to the surface, negative inside; first-order, exact for balls and near the surface.

        Source: level·(level − 1)/|∇level-like term|, the usual first-order distance of an implicit ellipsoid
        (Taubin, IEEE PAMI 13:1115, 1991).
        """
        offset = (np.atleast_2d(np.asarray(points, dtype=np.float64)) - self.centre) @ self.axes
        level = np.linalg.norm(offset / self.half_lengths_mm, axis=1)
        slope = np.linalg.norm(offset / self.half_lengths_mm**2, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            distance = level * (level - 1) / slope
        return np.asarray(np.where(slope > 0, distance, -self.half_lengths_mm.min()), dtype=np.float64)

    def extremes(self) -> FloatArray:
        """The six ends of its axes, LPS mm, shape (6, 3)."""
        steps = self.axes * self.half_lengths_mm
        return np.asarray(np.concatenate([self.centre + steps.T, self.centre - steps.T]), dtype=np.float64)


def voxels_in(solid: Ellipsoid, grid: Grid) -> BoolArray:
    """The voxels of a grid whose centres lie in an ellipsoid; only those about it are looked at.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> ball = Ellipsoid.ball((2.0, 0.0, 0.0), radius_mm=1.0)
    >>> voxels_in(ball, Grid.from_spacing((1, 1, 5), (1.0, 1.0, 1.0))).tolist()
    [[[False, True, True, True, False]]]
    """
    reach = solid.bounds_mm(np.eye(3))
    ends = np.array(np.meshgrid(*np.stack([solid.centre - reach, solid.centre + reach]).T, indexing="ij"))
    indices = grid.indices(ends.reshape(3, 8).T)
    last = np.array(grid.shape) - 1
    low = np.clip(np.floor(indices.min(axis=0)).astype(int), 0, last)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int), 0, last) + 1
    window = tuple(map(slice, low, high))
    inside = np.zeros(grid.shape, dtype=bool)
    part = np.indices(inside[window].shape).reshape(3, -1).T + low
    inside[window] = (solid.level(grid.points(part)) <= 1).reshape(inside[window].shape)
    return inside


def _orthonormal(first: FloatArray, second: FloatArray) -> FloatArray:
    """A right-handed frame (columns) whose first column is ``first`` and whose second lies towards ``second``."""
    one = first / np.linalg.norm(first)
    two = second - (second @ one) * one
    if np.linalg.norm(two) < 1e-6 * max(float(np.linalg.norm(second)), 1e-12):
        two = np.eye(3)[np.argmin(np.abs(one))]
        two = two - (two @ one) * one
    two = two / np.linalg.norm(two)
    return np.column_stack([one, two, np.cross(one, two)])


def from_diameters(diameters: Sequence[tuple[FloatArray, FloatArray]], *, other_share: float) -> Ellipsoid:
    """The ellipsoid that one, two or three measured diameters span.

    Parameters
    ----------
    diameters
        Two end points each, LPS mm, the longest first; the second and third count as far as they are at right angles
        to those before: a short one whose ends are a little off leans, and is not longer for it.
    other_share
        Length of an axis that was not measured, as a share of the mean measured one.

    Examples
    --------
    >>> line = (np.array([-20.0, 0.0, 0.0]), np.array([20.0, 0.0, 0.0]))
    >>> from_diameters([line], other_share=0.75).half_lengths_mm.tolist()
    [20.0, 15.0, 15.0]
    """
    spans = [end - start for start, end in diameters]
    centre = np.mean([(start + end) / 2 for start, end in diameters], axis=0)
    axes = _orthonormal(spans[0], spans[1] if len(spans) > 1 else np.zeros(3))
    halves = [abs(float(span @ axis)) / 2 for span, axis in zip(spans, axes.T, strict=False)]
    halves += [other_share * float(np.mean(halves))] * (3 - len(halves))
    return Ellipsoid(centre, axes, np.array(halves))
