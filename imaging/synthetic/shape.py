"""Solids with closed formulas, evaluated on any grid of points.

A shape answers one question: how far is a point from my surface (negative inside)? It knows a box that holds it, so
that painting touches no more points than needed. All arithmetic is float32 made of + − × ÷ and √, which IEEE 754
rounds the same way on every machine; sines and exponentials are avoided on purpose, because their last bit is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray

__all__ = ["Bounded", "Box", "Ellipsoid", "Plane", "Shape", "Tube", "in_plane_turn"]

Plane = NDArray[np.float32]  # one coordinate, or a distance, of each point of a two-dimensional set

# Shares of the lobulation: degree 3 (four bumps) and degree 5. Both polynomials are odd, so a diameter through the
# centre keeps its length, and the volume has a closed formula.
DEGREE_3_SHARE, DEGREE_5_SHARE = 0.65, 0.35
DEGREE_3_MEAN_SQUARE = 27 / 105  # mean over the sphere of (3√3·abc)²
DEGREE_5_MEAN_SQUARE = 1 / 11  # mean over the sphere of the Legendre polynomial P5 squared
TINY_MM = np.float32(1e-6)


class Bounded(Protocol):
    """Something that lies within a box of the body frame."""

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest corner of a box that holds it, mm."""
        ...


class Shape(Bounded, Protocol):
    """A solid in the body frame."""

    def signed_mm(self, x: Plane, y: Plane, z: Plane) -> Plane:
        """Distance to the surface, negative inside: exact in sign, to first order in size."""
        ...


def in_plane_turn(angle_deg: float) -> FloatArray:
    """The (3, 3) rotation about the head axis that turns +x (left) towards +y (back).

    Examples
    --------
    >>> (in_plane_turn(90.0) @ [1.0, 0.0, 0.0]).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    angle = np.radians(angle_deg)
    return np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ellipsoid:
    """An ellipsoid whose surface may be lobulated, with a volume that stays that of the plain ellipsoid.

    In direction u (unit vector of the ellipsoid's own, scaled frame) the radius is ``1 + lobulation · P(u)`` times the
    plain one, where P is an odd polynomial with |P| ≤ 1. As P is odd, only its square changes the volume, by
    ``1 + 3 lobulation² ⟨P²⟩``, which is divided out.

    Parameters
    ----------
    center_mm, axes_mm
        Centre and full axes (diameters).
    turn
        (3, 3) rotation, body_from_own.
    lobulation
        0 to 0.2.

    Examples
    --------
    >>> ball = Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(10.0, 10.0, 10.0))
    >>> round(ball.volume_ml, 4)
    0.5236
    >>> ball.signed_mm(*(np.array([v], np.float32) for v in (6.0, 0.0, 0.0))).round(3).tolist()
    [1.0]
    """

    center_mm: tuple[float, float, float]
    axes_mm: tuple[float, float, float]
    turn: FloatArray | None = None
    lobulation: float = 0.0

    @property
    def volume_ml(self) -> float:
        """π/6 · a · b · c, lobulated or not."""
        return float(np.pi / 6 * np.prod(self.axes_mm) / 1000)

    @property
    def semi_axes_mm(self) -> FloatArray:
        """Half axes, shrunk by the little that the lobulation adds in volume."""
        mean_square = DEGREE_3_SHARE**2 * DEGREE_3_MEAN_SQUARE + DEGREE_5_SHARE**2 * DEGREE_5_MEAN_SQUARE
        growth = 1 + 3 * self.lobulation**2 * mean_square
        return np.asarray(np.array(self.axes_mm) / 2 / np.cbrt(growth), dtype=np.float64)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        turn = np.eye(3) if self.turn is None else self.turn
        reach = np.sqrt((turn**2) @ (self.semi_axes_mm**2)) * (1 + self.lobulation)
        center = np.array(self.center_mm)
        return center - reach, center + reach

    def signed_mm(self, x: Plane, y: Plane, z: Plane) -> Plane:
        to_own = np.eye(3) if self.turn is None else self.turn.T
        to_unit = (to_own / self.semi_axes_mm[:, None]).astype(np.float32)
        dx, dy, dz = (axis - np.float32(middle) for axis, middle in zip((x, y, z), self.center_mm, strict=True))
        a, b, c = (row[0] * dx + row[1] * dy + row[2] * dz for row in to_unit)
        reach = np.sqrt(a * a + b * b + c * c)
        length_mm = np.sqrt(dx * dx + dy * dy + dz * dz)
        surface: Plane | np.float32 = np.float32(1.0)
        if self.lobulation:
            away = np.maximum(reach, TINY_MM)
            surface = 1 + np.float32(self.lobulation) * lobes(a / away, b / away, c / away)
        # along its own ray the surface is at length · surface / reach
        smallest = np.float32(self.semi_axes_mm.min())
        return np.where(reach > TINY_MM, length_mm * (1 - surface / np.maximum(reach, TINY_MM)), -smallest)

    def grown(self, margin_mm: float) -> Ellipsoid:
        """The same solid with every axis longer by twice the margin (shorter, where negative)."""
        longer = tuple(float(axis + 2 * margin_mm) for axis in self.axes_mm)
        return Ellipsoid(
            center_mm=self.center_mm,
            axes_mm=(longer[0], longer[1], longer[2]),
            turn=self.turn,
            lobulation=self.lobulation,
        )


def lobes(a: Plane, b: Plane, c: Plane) -> Plane:
    """The odd polynomial P of unit directions (a, b, c): −1 to 1, mean 0 over the sphere."""
    four_bumps = np.float32(3 * np.sqrt(3)) * a * b * c
    square = c * c
    legendre_5 = c * (15 + square * (63 * square - 70)) / 8
    return np.asarray(np.float32(DEGREE_3_SHARE) * four_bumps + np.float32(DEGREE_5_SHARE) * legendre_5, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box along the axes."""

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.array(self.low_mm), np.array(self.high_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """A chain of straight pipes with round ends.

    Examples
    --------
    >>> pipe = Tube(points_mm=((0.0, 0.0, 0.0), (0.0, 0.0, 10.0)), radius_mm=2.0)
    >>> pipe.signed_mm(*(np.array([v], np.float32) for v in (0.0, 3.0, 5.0))).tolist()
    [1.0]
    """

    points_mm: tuple[tuple[float, float, float], ...]
    radius_mm: float

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        points = np.array(self.points_mm)
        return points.min(axis=0) - self.radius_mm, points.max(axis=0) + self.radius_mm

    def signed_mm(self, x: Plane, y: Plane, z: Plane) -> Plane:
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf, dtype=np.float32)
        for start, stop in zip(self.points_mm, self.points_mm[1:], strict=False):
            step = np.array(stop) - np.array(start)
            ax, ay, az = (np.float32(value) for value in step / max(float((step**2).sum()), 1e-12))
            dx, dy, dz = (axis - np.float32(first) for axis, first in zip((x, y, z), start, strict=True))
            along = np.clip(ax * dx + ay * dy + az * dz, np.float32(0), np.float32(1))
            sx, sy, sz = (np.float32(value) for value in step)
            off = (dx - along * sx) ** 2 + (dy - along * sy) ** 2 + (dz - along * sz) ** 2
            np.minimum(nearest, off, out=nearest)
        return np.asarray(np.sqrt(nearest) - np.float32(self.radius_mm), dtype=np.float32)
