"""The best closed surface that every ray from the centre meets once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, cKDTree

from imaging.arrays import FloatArray, IntArray, frozen
from imaging.geometry import Grid
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.graph_cut import UNITS_PER_LOG_ODDS, source_side

__all__ = ["star_surface"]

DIRECTIONS = 500  # a ray for every 9° or so: 2 mm apart on a lesion of 12 mm radius
LEAST_LEVEL, MOST_LEVEL = 0.3, 1.9  # the radii tried, as multiples of the prior's own radius along that ray
LEVELS = 33
BLEND_RAYS = 3  # radii between rays are the inverse-distance mean of the three nearest


@lru_cache(maxsize=2)
def sphere_directions(count: int) -> tuple[FloatArray, IntArray]:
    """Nearly even directions (n, 3) on the unit sphere and the pairs (m, 2) of neighbours among them.

    Source: the Fibonacci lattice (González, Math. Geosci. 42:49, 2010), joined by the edges of its convex hull.

    Examples
    --------
    >>> directions, neighbours = sphere_directions(100)
    >>> directions.shape, len(neighbours)  # Euler: a triangulated sphere has 3n − 6 edges
    ((100, 3), 294)
    """
    order = np.arange(count) + 0.5
    height = 1 - 2 * order / count
    turn = np.pi * (1 + np.sqrt(5)) * order
    flat = np.sqrt(1 - height**2)
    directions = np.column_stack([flat * np.cos(turn), flat * np.sin(turn), height])
    triangles = ConvexHull(directions).simplices
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return frozen(directions), frozen(np.unique(edges, axis=0).astype(np.int64))


def star_surface(
    log_odds: NDArray[np.float32], grid: Grid, shape: Ellipsoid, *, stiffness: float
) -> NDArray[np.float32]:
    """1 inside the closed surface of least energy, 0 outside, and in between within half a voxel of it.

    Energy = −∫ log_odds over the inside + stiffness·Σ|differences of the level between neighbouring rays|, the level
    being the radius over the ellipsoid's own radius along the same ray: exact by one minimum cut.

    Parameters
    ----------
    log_odds
        (slices, rows, columns) on ``grid``, above zero where inside is likelier.
    shape
        Its centre is where the rays start; its radii are the units.
    stiffness
        Cost of a step of one whole radius between two neighbouring rays, in the mean |log_odds| that a ray collects
        over one whole radius.

    Source: Li, Wu, Chen and Sonka, IEEE PAMI 28:119, 2006 (optimal surfaces by graph search), with the linear
    penalty of Ishikawa, IEEE PAMI 25:1333, 2003.

    Examples
    --------
    >>> grid = Grid.from_spacing((31, 31, 31), (1.0, 1.0, 1.0), origin_mm=(-15.0, -15.0, -15.0))
    >>> radius = np.linalg.norm(grid.points(np.indices(grid.shape).reshape(3, -1).T), axis=1).reshape(grid.shape)
    >>> evidence = np.where(radius < 9.0, 2.0, -2.0).astype(np.float32)
    >>> body = star_surface(evidence, grid, Ellipsoid.ball((0.0, 0.0, 0.0), radius_mm=7.0), stiffness=1.0)
    >>> abs(float(body.sum()) / (4 / 3 * np.pi * 9.0**3) - 1) < 0.1
    True
    """
    directions, neighbours = sphere_directions(DIRECTIONS)
    level = np.linspace(LEAST_LEVEL, MOST_LEVEL, LEVELS)
    rays = (directions * shape.half_lengths_mm) @ shape.axes.T
    points = shape.centre + level[:, None, None] * rays
    index = grid.indices(points.reshape(-1, 3)).T
    evidence = ndimage.map_coordinates(log_odds, index, order=1, mode="nearest").reshape(LEVELS, DIRECTIONS)
    chosen = _levels(evidence * level[:, None] ** 2, neighbours, level, stiffness)
    return _fill(chosen, grid, shape, directions)


def _levels(evidence: FloatArray, neighbours: IntArray, level: FloatArray, stiffness: float) -> FloatArray:
    """The level at which every ray leaves the body.

    Node (k, ray) is inside exactly when the ray's surface lies beyond level k; chains of infinite capacity keep the
    inside of a ray in one piece.
    """
    count, rays = evidence.shape
    node = np.arange(count * rays, dtype=np.int32).reshape(count, rays)
    source, sink = count * rays, count * rays + 1
    step = float(level[1] - level[0])
    gain = np.rint(evidence * step * count * UNITS_PER_LOG_ODDS / 10).astype(np.int32).ravel()
    penalty = np.rint(stiffness * step * step * count * float(np.abs(evidence).mean()) * UNITS_PER_LOG_ODDS / 10)
    never = np.int32(np.iinfo(np.int32).max // 4)
    good = gain > 0
    nodes = node.ravel()
    one, two = node[:, neighbours[:, 0]].ravel(), node[:, neighbours[:, 1]].ravel()
    start = np.concatenate(
        [np.full(int(good.sum()), source, np.int32), nodes[~good], node[1:].ravel(), one, two, np.full(rays, source)]
    )
    end = np.concatenate(
        [nodes[good], np.full(int((~good).sum()), sink, np.int32), node[:-1].ravel(), two, one, node[0]]
    )
    capacity = np.concatenate(
        [
            gain[good],
            -gain[~good],
            np.full((count - 1) * rays, never),
            np.full(2 * len(one), penalty),
            np.full(rays, never // 4),
        ]
    )
    inside = source_side(
        start.astype(np.int32), end.astype(np.int32), capacity.astype(np.int32), nodes=count * rays
    ).reshape(count, rays)
    return np.asarray(level[0] + step * (inside.sum(axis=0) - 0.5), dtype=np.float64)


def _fill(chosen: FloatArray, grid: Grid, shape: Ellipsoid, directions: FloatArray) -> NDArray[np.float32]:
    """The body as a share of each voxel, from its level along each ray."""
    offset = (grid.points(np.indices(grid.shape).reshape(3, -1).T) - shape.centre) @ shape.axes / shape.half_lengths_mm
    level = np.linalg.norm(offset, axis=1)
    near = level < MOST_LEVEL + 0.3
    toward = offset[near] / np.maximum(level[near], 1e-9)[:, None]
    distance, ray = cKDTree(directions).query(toward, k=BLEND_RAYS)
    weight = 1 / (np.asarray(distance) ** 2 + 1e-4)
    surface = np.average(chosen[ray], axis=1, weights=weight)
    # The slope of the level across a voxel is its side over the radius along this ray.
    radius_mm = np.linalg.norm(toward * shape.half_lengths_mm, axis=1)
    body = np.zeros(level.shape, dtype=np.float32)
    body[near] = np.clip(0.5 + (surface - level[near]) * radius_mm / grid.spacing_mm[0], 0, 1)
    return body.reshape(grid.shape)
