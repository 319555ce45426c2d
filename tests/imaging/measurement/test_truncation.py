"""What goes on beyond the field that was imaged, and what only lies beside a hole in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from imaging.geometry import Grid
from imaging.measurement.extent import Extent
from imaging.measurement.truncation import is_cut_off
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

SHAPE = (3, 7, 8)


def cut_off(mask: np.ndarray, valid: np.ndarray | None) -> bool:
    grid = Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))
    image = Volume(samples=np.zeros(mask.shape, np.int16), grid=grid, modality=Modality.CT, valid=valid)
    return is_cut_off(Extent.of(Segment(mask=mask, grid=grid)), image)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, SHAPE).filter(np.any), hnp.arrays(bool, SHAPE), hnp.arrays(bool, SHAPE))
def test_slice_by_slice_a_neighbour_in_padding_that_reaches_the_border_cuts_off(mask, valid, more) -> None:
    valid = valid | more  # three quarters imaged
    beside = (ndimage.binary_dilation(m) & ~v & ~ndimage.binary_fill_holes(v) for m, v in zip(mask, valid, strict=True))
    assert cut_off(mask, valid) is any(bool(slice_.any()) for slice_ in beside)


@pytest.mark.parametrize("axis, end", [(1, 0), (1, -1), (2, 0), (2, -1)])
def test_at_the_border_of_the_slice_there_is_no_padding_beyond(axis: int, end: int) -> None:
    mask = np.zeros(SHAPE, bool)
    np.moveaxis(mask, axis, 0)[end, 1, 3] = True
    assert not cut_off(mask, np.ones(SHAPE, bool))
    assert not cut_off(mask, None)
