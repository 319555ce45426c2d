"""At which points two images are compared: spread evenly, off the lattice's nodes, and the same every time."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.registration.interpolation import points_of
from imaging.registration.level import Level

__all__ = ["spread_points", "thinned"]

Number = TypeVar("Number", np.float64, np.int64)
THINNING_SEED = 20030117  # any number would do; fixed, so that the answer is a function of the images


def spread_points(level: Level, where: BoolArray, count: int) -> FloatArray:
    """About ``count`` points (n, 3), spread evenly over the voxels of a mask and off the lattice's nodes.

    Points on the nodes would favour transforms that put nodes on nodes (Source: Pluim et al., CVIU 77 (2000) 211).

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> full = np.ones((4, 4, 4), bool)
    >>> level = Level(np.ones((4, 4, 4), np.float32), full, ~full, Grid.from_spacing((4, 4, 4), (2, 2, 2)))
    >>> spread_points(level, full, 10).shape
    (10, 3)
    """
    chosen = np.argwhere(where & np.isfinite(level.samples))
    count = min(count, 4 * len(chosen))
    if count == 0:
        return np.empty((0, 3))
    voxels = chosen[(np.arange(count) * len(chosen)) // count]
    return points_of(level.grid, voxels + even_points(count) - 0.5)


def thinned(points: NDArray[Number], count: int) -> NDArray[Number]:
    """So many of the points in their order, drawn at random with a fixed seed; all of them, if there are fewer.

    Not every so-manieth: every second point of a Halton sequence lies in one half of the cube, and any other period
    beats with the rows of the image. On real limbs such patterns moved answers by millimetres.

    Examples
    --------
    >>> kept = thinned(np.arange(12.0), 4)
    >>> len(kept), bool((np.diff(kept) > 0).all())
    (4, True)
    """
    if count >= len(points):
        return points
    drawn = np.random.Generator(np.random.PCG64(THINNING_SEED)).permutation(len(points))[:count]
    return points[np.sort(drawn)]


def even_points(count: int) -> FloatArray:
    """Points (count, 3) that fill the unit cube evenly."""
    return halton(1 << max(count - 1, 1).bit_length())[:count]


@cache
def halton(count: int) -> FloatArray:
    """Points (count, 3) that fill the unit cube evenly, the origin left out.

    Source: Halton, Numerische Mathematik 2 (1960) 84. SciPy's takes half a second to import.

    Examples
    --------
    >>> halton(4)[:, 0].tolist()
    [0.5, 0.25, 0.75, 0.125]
    """
    columns = []
    for base in (2, 3, 5):
        left, share, value = np.arange(1, count + 1), 1.0 / base, np.zeros(count)
        while left.any():
            value += share * (left % base)
            left, share = left // base, share / base
        columns.append(value)
    return frozen(np.stack(columns, axis=1))
