"""One mask counted in another order of axes is the same mask."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from imaging.geometry import Grid
from imaging.segmentation.placement import crop_segment, mask_on_lattice, segment_on
from imaging.segmentation.segment import Segment

SHAPE = (4, 5, 6)


def stack() -> Grid:
    affine = np.diag([3.0, 0.8, 1.1, 1.0])
    affine[1, 0] = 0.6
    affine[:3, 3] = (4.0, -7.0, 200.0)
    return Grid(SHAPE, affine)


def noise() -> np.ndarray:
    return np.random.default_rng(8).random(SHAPE) < 0.4


def recounted(array, grid, order, flips):
    """The same voxels with axes in another order and direction, as other programs store them."""
    for axis in flips:
        array = np.flip(array, axis)
    affine = grid.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (grid.shape[axis] - 1)
        affine[:3, axis] *= -1
    affine[:3, :3] = affine[:3, list(order)]
    turned = array.transpose(order)
    return turned, Grid(turned.shape, affine)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_any_order_and_direction_of_axes_comes_back(order, flips):
    mask, grid = recounted(noise(), stack(), order, flips)
    assert np.array_equal(mask_on_lattice(mask, grid, stack()), noise())


def test_a_part_of_the_stack_lands_in_its_slices():
    part = Segment(mask=noise()[1:3], grid=stack().crop((1, 0, 0), (3, 5, 6)), name="x")
    whole = segment_on(part, stack())
    assert np.array_equal(whole.mask[1:3], noise()[1:3])
    assert not whole.mask[[0, 3]].any()
    assert (whole.grid.matches(stack()), whole.name) == (True, "x")


@pytest.mark.parametrize("shift", [(0.3, 0.0, 0.0), (0.0, 0.0, 1.5)])
def test_voxels_between_those_of_the_grid_stay_where_they_are(shift):
    affine = stack().affine.copy()
    affine[:3, 3] += shift
    part = Segment(mask=noise(), grid=Grid(SHAPE, affine))
    assert segment_on(part, stack()) is part


def test_a_mask_that_reaches_beyond_the_grid_is_not_cut():
    smaller = stack().crop((0, 0, 0), (2, 5, 6))
    assert mask_on_lattice(noise(), stack(), smaller) is None


def test_a_finer_grid_is_another_lattice():
    affine = stack().affine.copy()
    affine[:3, 2] /= 2
    assert mask_on_lattice(noise(), Grid(SHAPE, affine), stack()) is None


def test_the_same_grid_keeps_the_mask():
    part = Segment(mask=noise(), grid=stack())
    assert segment_on(part, Grid(SHAPE, stack().affine.copy())).mask is part.mask


def test_a_cropped_segment_keeps_its_places():
    part = crop_segment(Segment(mask=noise(), grid=stack(), label=4), ((1, 0, 2), (3, 5, 4)))
    assert np.array_equal(part.mask, noise()[1:3, :, 2:4])
    assert np.allclose(part.grid.points([[0, 0, 0]]), stack().points([[1, 0, 2]]))
    assert part.label == 4
