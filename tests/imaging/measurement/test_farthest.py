"""The longest line of a body of voxels: every pair of its octahedra's corners was tried."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from imaging.measurement.farthest import farthest_ends, hull_candidates

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(np.any)
entries = st.floats(-3.0, 3.0, allow_subnormal=False).map(lambda x: round(x, 2))
steps = hnp.arrays(np.float64, (3, 3), elements=entries).filter(lambda a: abs(np.linalg.det(a)) > 0.05)


def every_pair(mask: np.ndarray, affine: np.ndarray) -> tuple[float, set]:
    """The greatest distance of two octahedron corners, and who is that far apart."""
    corners = np.concatenate([np.argwhere(mask) + shift for shift in (*np.eye(3) / 2, *-np.eye(3) / 2)])
    corners = np.unique(corners, axis=0)
    apart = cdist(corners @ affine.T, corners @ affine.T)
    first, last = np.nonzero(apart >= apart.max() * (1 - 1e-9))
    return apart.max(), {(tuple(corners[i]), tuple(corners[j])) for i, j in zip(first, last, strict=True) if i < j}


@settings(max_examples=150)
@given(masks, steps)
def test_no_pair_is_farther_apart_and_all_that_are_as_far_are_told_in_order(mask: np.ndarray, affine: np.ndarray):
    length, ends = farthest_ends(hull_candidates(mask), affine)
    brute, pairs = every_pair(mask, affine)
    assert length == pytest.approx(brute, rel=1e-12)
    found = [(tuple(first), tuple(last)) for first, last in ends]
    assert set(found) == pairs
    assert found == sorted(found)


@settings(max_examples=150)
@given(masks, steps)
def test_what_sticks_out_nowhere_is_left_out_without_loss(mask: np.ndarray, affine: np.ndarray) -> None:
    kept = {tuple(at) for at in hull_candidates(mask)}
    assert kept <= {tuple(at) for at in np.argwhere(mask)}
    length, ends = farthest_ends(np.argwhere(mask), affine)
    fewer, same = farthest_ends(hull_candidates(mask), affine)
    assert fewer == pytest.approx(length, rel=1e-12)
    assert np.array_equal(same, ends)


def test_a_block_keeps_its_corners_alone() -> None:
    assert len(hull_candidates(np.ones((9, 9, 9), bool))) == 8


@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (4.0, 0.8, 0.8)])
def test_more_corners_than_fit_in_a_block_are_all_tried(scale: tuple[float, float, float]) -> None:
    index = np.indices((75, 75, 75)) - 37
    ball = (index**2).sum(axis=0) <= 36.4**2
    candidates, affine = hull_candidates(ball), np.diag(scale)
    assert len(candidates) > 1000
    length, _ = farthest_ends(candidates, affine)
    surface = candidates[np.linalg.norm(candidates - 37, axis=1) > 35.0]
    best = 0.0
    for axis in range(3):
        shifted = (surface + np.eye(3)[axis]) @ affine.T  # a whole step at one end: half at either
        best = max(best, *(cdist(part, surface @ affine.T).max() for part in np.array_split(shifted, 8)))
    assert length == pytest.approx(best, rel=1e-12)


def test_many_centres_in_one_plane_have_no_hull_and_are_measured_all_the_same() -> None:
    index = np.indices((1, 301, 301))[1:] - 150
    disc = ((index**2).sum(axis=0) <= 150.2**2).reshape(1, 301, 301)
    everywhere = np.argwhere(disc)[::7]  # more than have a hull taken, all in one plane
    rim = np.argwhere(disc)[np.linalg.norm(np.argwhere(disc) - (0, 150, 150), axis=1) > 149.0]
    best = max(cdist(rim, rim + np.eye(3)[axis]).max() for axis in range(3))  # a whole step at one end
    assert farthest_ends(rim, np.eye(3))[0] == pytest.approx(best, rel=1e-12)
    assert farthest_ends(hull_candidates(disc), np.eye(3))[0] == pytest.approx(best, rel=1e-12)
    assert farthest_ends(everywhere, np.eye(3))[0] <= best


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_length_changes_nothing_but_the_length(scale: float) -> None:
    mask = np.random.default_rng(13).random((5, 6, 7)) < 0.4
    affine = np.array([[0.1, 0.2, 0.8], [0.3, 0.7, -0.1], [2.0, 0.0, 0.1]])
    length, ends = farthest_ends(hull_candidates(mask), affine)
    scaled, same = farthest_ends(hull_candidates(mask), scale * affine)
    assert scaled == pytest.approx(scale * length, rel=1e-12)
    assert np.array_equal(same, ends)


def test_every_tie_in_every_block_is_told() -> None:
    cube = np.argwhere(np.ones((2, 2, 2), bool)) * 9
    length, ends = farthest_ends(cube, np.eye(3))
    assert length == pytest.approx(np.sqrt(9**2 + 9**2 + 10**2))
    assert len(ends) == 4 * 3  # each diagonal, a whole step longer along either axis
    assert len(np.unique(ends.reshape(12, -1), axis=0)) == 12
