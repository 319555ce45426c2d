"""Means over whole blocks of voxels, and where these lie."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imaging.geometry import Grid

__all__ = ["Float32Array", "block_grid", "block_means"]

Float32Array: TypeAlias = NDArray[np.float32]


def block_means(array: Float32Array, factors: list[int]) -> Float32Array:
    """Means over whole blocks; a last incomplete block is dropped, an axis shorter than its block becomes one."""
    factors = [min(f, n) for f, n in zip(factors, array.shape, strict=True)]
    counts = [n // f for n, f in zip(array.shape, factors, strict=True)]
    means = array[tuple(slice(c * f) for c, f in zip(counts, factors, strict=True))]
    for axis in (2, 1, 0):
        if factors[axis] > 1:
            shape = (*means.shape[:axis], counts[axis], factors[axis], *means.shape[axis + 1 :])
            means = means.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return means


def block_grid(grid: Grid, factors: list[int]) -> Grid:
    """The grid of the block centres."""
    factors = [min(f, n) for f, n in zip(factors, grid.shape, strict=True)]
    affine = grid.affine.copy()
    affine[:3, :3] *= np.array(factors)
    affine[:3, 3] = grid.points([[(f - 1) / 2 for f in factors]])[0]
    first, second, third = (n // f for n, f in zip(grid.shape, factors, strict=True))
    return Grid((first, second, third), affine)
