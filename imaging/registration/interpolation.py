"""Values and slopes of an image between its voxels, at points that come in thousands, thousands of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray, IntArray
from imaging.geometry import Grid, Rigid
from imaging.registration.level import Level

__all__ = ["Cells", "cells_of", "indices_of", "interpolate", "moved_by", "points_of", "times"]


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

    flat: FloatArray
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
            first = self.flat.take(self.base + (offset + b))
            rows.append(first + (self.flat.take(self.base + (offset + b + self.steps[2])) - first) * i)
        return np.asarray(rows[0] + (rows[1] - rows[0]) * j, dtype=np.float64)


def cells_of(level: Level, points: FloatArray, level_from_points: FloatArray | None = None) -> Cells:
    """Where the points (n, 3) lie in an image, moved by a (4, 4) matrix before."""
    to_index = level.grid.index_from_point
    if level_from_points is not None:
        to_index = to_index @ level_from_points
    index = list(added(to_index[:3, :3], points, to_index[:3, 3]).T)
    last = [count - 1 for count in level.grid.shape]
    inside = np.ones(len(points), dtype=bool)
    for column, end in zip(index, last, strict=True):  # reducing rows of three is ten times slower
        inside &= (column >= 0) & (column <= end)
    if not inside.all():
        index = [column[inside] for column in index]
    corners = [np.minimum(column.astype(np.intp), max(end - 1, 0)) for column, end in zip(index, last, strict=True)]
    k, j, i = (column - corner for column, corner in zip(index, corners, strict=True))
    _, rows, columns = level.grid.shape
    steps = [step if end else 0 for step, end in zip((rows * columns, columns, 1), last, strict=True)]
    base = (corners[0] * rows + corners[1]) * columns + corners[2]
    return Cells(level.flat, base, (steps[0], steps[1], steps[2]), (k, j, i), inside)


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
