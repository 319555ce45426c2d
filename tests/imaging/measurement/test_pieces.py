"""The pieces of a lesion that has split: each has the long axis that it has alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from imaging.errors import EmptyMask
from imaging.geometry import Grid
from imaging.measurement.diameter import in_plane_axes
from imaging.measurement.extent import Extent
from imaging.measurement.pieces import piece_long_axes_mm
from imaging.segmentation import Segment

OBLIQUE = np.array([[0.3, -0.6, 0.1, -40.0], [-0.2, 0.2, 0.7, 12.0], [4.0, 0.3, 0.2, -300.0], [0.0, 0.0, 0.0, 1.0]])


def segment(mask: np.ndarray) -> Segment:
    return Segment(mask=mask, grid=Grid(mask.shape, OBLIQUE))


@settings(max_examples=80, deadline=None)
@given(arrays(bool, st.tuples(*[st.integers(1, 6)] * 3), elements=st.booleans()).filter(np.any))
def test_each_piece_has_the_long_axis_that_it_has_alone_longest_first(mask: np.ndarray) -> None:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    alone = [in_plane_axes(Extent.of(segment(labels == n))).long.length_mm for n in range(1, count + 1)]
    found = piece_long_axes_mm(segment(mask))
    assert found == pytest.approx(sorted(alone, reverse=True), rel=1e-12)
    assert found[0] == pytest.approx(in_plane_axes(Extent.of(segment(mask))).long.length_mm, rel=1e-12)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(EmptyMask):
        piece_long_axes_mm(segment(np.zeros((2, 2, 2), dtype=bool)))
