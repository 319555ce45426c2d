from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.geometry.orientation import axis_order_of

SHAPE = (3, 4, 5)
TURNS = [
    (axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1.0, -1.0), repeat=3)
]


def grid_of(axes: tuple[int, ...], signs: tuple[float, ...], tilt_deg: float = 0.0) -> Grid:
    """A grid whose native axes run along the given LPS axes, leaning about x."""
    linear = np.zeros((3, 3))
    for native, (patient, sign) in enumerate(zip(axes, signs, strict=True)):
        linear[patient, native] = sign * (native + 1.0)
    angle = np.radians(tilt_deg)
    lean = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = lean @ linear
    affine[:3, 3] = (-7.0, 11.0, 13.0)
    return Grid(SHAPE, affine)


@pytest.mark.parametrize(("axes", "signs"), TURNS)
def test_every_acquisition_is_shown_head_first_back_second_left_third(axes, signs):
    grid = grid_of(axes, signs)
    order = axis_order_of(grid)
    points = grid.points(np.argwhere(np.ones(SHAPE))).reshape(*SHAPE, 3)
    head, back, left = (order.turned(points[..., axis]) for axis in (2, 1, 0))
    assert (np.diff(head, axis=0) > 0).all()
    assert (np.diff(back, axis=1) > 0).all()
    assert (np.diff(left, axis=2) > 0).all()
    assert order.spacing_mm(grid) == (
        pytest.approx(np.diff(head, axis=0).mean()),
        pytest.approx(np.diff(back, axis=1).mean()),
        pytest.approx(np.diff(left, axis=2).mean()),
    )


@given(st.sampled_from(TURNS), st.floats(-40, 40))
def test_turning_there_and_back_is_the_same_voxels(turn, tilt_deg):
    grid = grid_of(*turn, tilt_deg)
    order = axis_order_of(grid)
    native = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    turned = order.turned(native)
    assert np.shares_memory(turned, native)
    np.testing.assert_array_equal(order.native(turned), native)


@given(st.sampled_from(TURNS), st.tuples(*(st.integers(0, n - 1) for n in SHAPE)))
def test_an_index_names_the_same_voxel_on_both_sides(turn, index):
    order = axis_order_of(grid_of(*turn))
    native = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    turned = tuple(int(n) for n in order.index(np.array(index), SHAPE))
    assert order.turned(native)[turned] == native[index]
    np.testing.assert_array_equal(order.native_index(np.array(turned), SHAPE), index)


def test_a_grid_that_leans_less_than_halfway_keeps_its_order():
    assert axis_order_of(grid_of((2, 1, 0), (1, 1, 1), 44.0)) == axis_order_of(grid_of((2, 1, 0), (1, 1, 1)))
