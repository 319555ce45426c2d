"""The voxels that two masks share, counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.errors import GeometryError
from imaging.geometry import Grid
from imaging.measurement.agreement import overlap_of
from imaging.segmentation.segment import Segment

pairs = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def segments(*masks: np.ndarray) -> list[Segment]:
    return [Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))) for mask in masks]


@settings(max_examples=100)
@given(pairs)
def test_dice_and_jaccard_tell_the_same_and_do_not_depend_on_who_is_first(masks: tuple) -> None:
    found, turned = overlap_of(*segments(*masks)), overlap_of(*segments(*masks[::-1]))
    if not (masks[0].any() or masks[1].any()):
        assert found is turned is None
        return
    assert found is not None and turned is not None
    assert 0.0 <= found.jaccard <= found.dice <= found.volume_similarity <= 1.0
    assert found.dice == pytest.approx(2 * found.jaccard / (1 + found.jaccard), rel=1e-12)
    assert (found.dice, found.jaccard) == (turned.dice, turned.jaccard)
    assert found.volume_similarity == turned.volume_similarity
    assert (found.dice == 1.0) is bool(np.array_equal(*masks))


def test_a_mask_shares_nothing_with_an_empty_one() -> None:
    full, empty = np.ones((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    found = overlap_of(*segments(full, empty))
    assert found is not None
    assert (found.dice, found.jaccard, found.volume_similarity) == (0.0, 0.0, 0.0)


def test_half_a_mask_has_its_closed_form() -> None:
    full, half = np.ones((2, 2, 2), bool), np.ones((2, 2, 2), bool)
    half[0] = False
    found = overlap_of(*segments(full, half))
    assert found is not None
    assert found.dice == pytest.approx(2 / 3)
    assert (found.jaccard, found.volume_similarity) == (0.5, pytest.approx(2 / 3))


def test_masks_on_different_grids_are_not_compared() -> None:
    mask = np.ones((2, 2, 2), bool)
    other = Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, 1.1)))
    with pytest.raises(GeometryError):
        overlap_of(segments(mask)[0], other)
