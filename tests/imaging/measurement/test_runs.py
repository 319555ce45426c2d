"""Runs are the mask, and their pieces are those that a flood would find."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from imaging.measurement.runs import Runs

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(np.any)
ON_SLICE = np.zeros((3, 3, 3), bool)
ON_SLICE[1] = True


@settings(max_examples=150)
@given(masks)
def test_runs_are_the_mask_in_its_order(mask: np.ndarray) -> None:
    runs = Runs.of(mask)
    found = [
        (s, r, c)
        for s, r, first, last in zip(runs.slices, runs.rows, runs.first, runs.last, strict=True)
        for c in range(first, last + 1)
    ]
    assert found == [tuple(at) for at in np.argwhere(mask)]
    assert runs.shape == mask.shape


@settings(max_examples=150)
@given(masks)
def test_pieces_are_those_of_a_flood_in_the_order_of_their_first_voxels(mask: np.ndarray) -> None:
    runs = Runs.of(mask)
    for found, structure in ((runs.pieces_in_space(), np.ones((3, 3, 3))), (runs.pieces_on_slices(), ON_SLICE)):
        flooded, _ = ndimage.label(mask, structure=structure)
        assert np.array_equal(found, flooded[runs.slices, runs.rows, runs.first] - 1)


def test_neighbours_across_the_end_of_a_row_or_slice_do_not_touch() -> None:
    mask = np.zeros((2, 3, 4), bool)
    mask[0, 0, 3] = mask[0, 1, 0] = mask[0, 2, 3] = mask[1, 0, 0] = True
    assert Runs.of(mask).pieces_in_space().tolist() == [0, 1, 2, 1]
    mask[0, 1, 0] = False
    assert Runs.of(mask).pieces_in_space().tolist() == [0, 1, 2]
