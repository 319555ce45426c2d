from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imaging.errors import UsageError
from imaging.segmentation.reach import box_around, closed, distance_mm, reached

masks = arrays(bool, (4, 6, 6), elements=st.booleans())
spacings = st.tuples(*[st.sampled_from([0.5, 0.8, 1.0, 3.0])] * 3)


@settings(max_examples=40)
@given(masks, spacings, st.sampled_from([0.6, 1.0, 2.5]))
def test_reach_grows_and_closing_never_takes_away(mask, spacing, reach_mm):
    assert not (mask & ~reached(mask, spacing, reach_mm)).any()
    shut = closed(mask, spacing, reach_mm)
    assert not (mask & ~shut).any()
    assert np.array_equal(closed(shut, spacing, reach_mm), shut)  # closing twice is closing once


@settings(max_examples=40)
@given(masks, spacings, st.sampled_from([0.0, 1.0, 4.0]))
def test_a_box_holds_the_whole_mask(mask, spacing, margin):
    assert mask[box_around(mask, spacing, margin)].sum() == mask.sum()


def test_nothing_is_infinitely_far_away():
    assert np.isinf(distance_mm(np.zeros((2, 2, 2), bool), (1, 1, 1))).all()
    assert not reached(np.zeros((2, 2, 2), bool), (1, 1, 1), 5.0).any()


def test_reach_is_in_millimetres_and_takes_at_least_the_next_slice():
    mask = np.zeros((5, 11, 11), bool)
    mask[2, 5, 5] = True
    assert reached(mask, (5.0, 1.0, 1.0), 2.0).sum() == 13 + 2  # a disc of radius 2, and one voxel above and below


@pytest.mark.parametrize("reach_mm", [0.0, -1.0, np.nan])
def test_a_reach_of_nothing_is_refused_and_does_not_fill_the_image(reach_mm):
    with pytest.raises(UsageError, match="above zero"):
        reached(np.ones((2, 2, 2), bool), (1, 1, 1), reach_mm)
