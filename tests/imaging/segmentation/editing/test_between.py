"""Slices between drawn ones: what was drawn stays, and what lies between goes evenly from one to the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.segmentation.editing.between import filled_between_slices

SIDE = 64


def disc(radius: float, centre: tuple[float, float] = (32.0, 32.0)) -> np.ndarray:
    row, column = np.indices((SIDE, SIDE))
    return (row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2


def stack(count: int, **drawn: np.ndarray) -> tuple[np.ndarray, Grid]:
    mask = np.zeros((count, SIDE, SIDE), bool)
    for name, plane in drawn.items():
        mask[int(name[1:])] = plane
    return mask, Grid.from_spacing(mask.shape, (3.0, 0.8, 0.8))


@given(one=st.floats(3.0, 25.0), two=st.floats(3.0, 25.0), gap=st.integers(1, 6))
def test_between_two_discs_on_one_axis_the_radius_grows_evenly(one: float, two: float, gap: int) -> None:
    mask, grid = stack(gap + 2, s0=disc(one), **{f"s{gap + 1}": disc(two)})
    filled = filled_between_slices(mask, grid)
    for place in range(1, gap + 1):
        share = place / (gap + 1)
        radius = np.sqrt(filled[place].sum() / np.pi)
        # The outermost centre of the smaller disc lies up to half a pixel's diagonal inside its radius, and counting
        # pixels leaves half of one (4 and 9.75, five slices between: 1.009).
        assert abs(radius - (one + share * (two - one))) <= np.sqrt(0.5) + 0.5


@given(seed=st.integers(0, 2**32 - 1))
def test_what_was_drawn_stays_and_nothing_grows_beyond_its_ends(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((7, 12, 12), bool)
    for drawn in (1, 3, 5):
        mask[drawn] = random.random((12, 12)) < 0.3
    filled = filled_between_slices(mask, Grid.from_spacing(mask.shape, (1.0, 1.0, 1.0)))
    for drawn in (1, 3, 5):
        assert np.array_equal(filled[drawn], mask[drawn])
    assert not filled[[0, 6]].any()


@given(one=st.floats(3.0, 20.0), two=st.floats(3.0, 20.0))
def test_it_is_the_same_from_above_as_from_below(one: float, two: float) -> None:
    mask, grid = stack(4, s0=disc(one), s3=disc(two, (30.0, 35.0)))
    upside = filled_between_slices(mask[::-1].copy(), grid)[::-1]
    assert np.array_equal(filled_between_slices(mask, grid), upside)


def test_discs_apart_are_joined_by_a_slanted_cylinder() -> None:
    mask, grid = stack(3, s0=disc(5.0, (16.0, 32.0)), s2=disc(5.0, (48.0, 32.0)))
    middle = filled_between_slices(mask, grid)[1]
    assert np.array_equal(middle, disc(5.0, (32.0, 32.0)))


def test_an_outline_that_divides_is_followed_into_both_branches_and_a_stranger_ends() -> None:
    trunk = disc(14.0)
    branches = disc(4.0, (32.0, 24.0)) | disc(4.0, (32.0, 40.0))
    stranger = disc(3.0, (8.0, 8.0))
    mask, grid = stack(3, s0=trunk | stranger, s2=branches)
    middle = filled_between_slices(mask, grid)[1]
    assert middle[32, 24] and middle[32, 40]
    assert branches.sum() < middle.sum() < trunk.sum()
    assert not middle[stranger].any()


@pytest.mark.parametrize("drawn", [(), (2,), (2, 3)])
def test_without_empty_slices_between_nothing_changes(drawn: tuple[int, ...]) -> None:
    mask, grid = stack(5, **{f"s{number}": disc(9.0) for number in drawn})
    assert np.array_equal(filled_between_slices(mask, grid), mask)
