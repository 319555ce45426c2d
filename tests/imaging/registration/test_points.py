from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.registration.level import Level
from imaging.registration.points import spread_points, thinned


def test_points_are_spread_over_the_mask_alone_and_the_same_every_time() -> None:
    grid = Grid.from_spacing((20, 20, 20), (3, 1, 1))
    mask = np.zeros(grid.shape, bool)
    mask[5:10, 8:12, 2:18] = True
    level = Level(np.ones(grid.shape, np.float32), mask, ~mask, grid)
    points = spread_points(level, mask, 500)
    nodes = np.rint(grid.indices(points)).astype(int)
    assert len(points) == 500
    assert mask[tuple(nodes.T)].all()
    middle = grid.indices(points).mean(axis=0) - np.argwhere(mask).mean(axis=0)
    assert np.abs(middle).max() < 0.5  # of a voxel: 500 points on 320 voxels serve some twice
    np.testing.assert_array_equal(points, spread_points(level, mask, 500))


@given(st.integers(1, 400), st.integers(0, 500))
def test_thinning_keeps_the_order_takes_none_twice_and_is_the_same_every_time(have: int, wanted: int) -> None:
    kept = thinned(np.arange(float(have)), wanted)
    assert len(kept) == min(have, wanted)
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(kept, thinned(np.arange(float(have)), wanted))


def test_thinning_by_half_keeps_points_of_both_halves_of_a_voxel() -> None:
    grid = Grid.from_spacing((20, 20, 20), (1, 1, 1))
    full = np.ones(grid.shape, bool)
    points = thinned(spread_points(Level(full.astype(np.float32), full, ~full, grid), full, 4000), 2000)
    beside = points - np.rint(points)
    np.testing.assert_allclose((beside > 0).mean(axis=0), 0.5, atol=0.05)
