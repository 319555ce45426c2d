"""What goes on beyond the field that was imaged, and what only lies beside a hole in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement.extent import Extent
from imaging.measurement.truncation import is_cut_off, told_once
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

SHAPE = (3, 7, 8)


def cut_off(mask: np.ndarray, valid: np.ndarray | None) -> bool:
    grid = Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))
    image = Volume(samples=np.zeros(mask.shape, np.int16), grid=grid, modality=Modality.CT, valid=valid)
    return is_cut_off(Extent.of(Segment(mask=mask, grid=grid)), image)


@settings(max_examples=200)
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


@pytest.mark.parametrize("border", [(1, 0), (1, -1), (2, 0), (2, -1)])
def test_a_mask_at_the_border_beside_padding_along_it_is_cut_off(border: tuple[int, int]) -> None:
    axis, end = border
    mask, valid = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    np.moveaxis(mask, axis, 0)[end, 1, 3] = True
    np.moveaxis(valid, axis, 0)[end, 1, 4] = False
    assert cut_off(mask, valid)
    assert not cut_off(np.roll(mask, -2, axis=3 - axis), valid)


def test_only_slices_that_were_imaged_tell_of_padding_beside_the_mask() -> None:
    mask, valid = np.zeros((4, 7, 8), bool), np.ones((4, 7, 8), bool)
    mask[:, 3, 3] = True
    valid[2] = False  # a plane that was not imaged
    stack = AcquiredSlices(
        code="MISSING_SLICES",
        planes=(0, 1, 3),
        heights_mm=(0.0, 2.0, 6.0),
        ordinary_mm=2.0,
        shown=(0, 1, None, 2),
        gaps=(1,),
    )
    grid = Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))
    image = Volume(
        samples=np.zeros(mask.shape, np.int16),
        grid=grid,
        modality=Modality.CT,
        valid=valid,
        acquired_slices=stack,
    )
    extent = Extent.of(Segment(mask=mask, grid=grid))
    assert not is_cut_off(extent, image)
    at_edge = valid.copy()
    at_edge[1, :, 4:] = False
    assert is_cut_off(extent, replace(image, valid=at_edge))


def test_a_remark_is_told_once_and_that_of_the_cut_by_whom_it_came_first() -> None:
    first, second = (Finding("LESION_TRUNCATED", Severity.WARNING, text) for text in ("prior", "mask"))
    other = Finding("GANTRY_TILT", Severity.WARNING, "tilt")
    assert told_once((other, first, second, other)) == (other, first)


@pytest.mark.parametrize(
    "row, column, cut", [(2, 2, 0), (2, 4, 0), (4, 2, 0), (4, 4, 0), (2, 3, 1), (4, 3, 1), (3, 2, 1)]
)
def test_padding_that_touches_by_a_corner_alone_cuts_nothing(row: int, column: int, cut: int) -> None:
    mask, valid = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    mask[1, 3, 3] = True
    valid[1, row, column] = False
    outwards = np.s_[1, : row + 1, column] if row < 3 else np.s_[1, row:, column]
    valid[np.s_[1, row, : column + 1] if row == 3 else outwards] = False  # on to the border
    assert cut_off(mask, valid) is bool(cut)
