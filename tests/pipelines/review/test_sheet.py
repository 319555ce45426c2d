from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from imaging.geometry import Grid
from imaging.segmentation import LesionId
from pipelines.review.sheet import Sheet

SHAPE = (2, 3, 4)
GRID = Grid(SHAPE, np.array([[0, 0, 2.0, 0], [0, -1.5, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]]))
L1, L2 = LesionId("L1"), LesionId("L2")
NUMBERS = {L1: 1, L2: 2}
MASKS = arrays(bool, SHAPE)


def paint(sheet: Sheet, brush: np.ndarray) -> None:
    sheet.labels[brush] = 1
    sheet.touched = True


@given(MASKS, MASKS)
def test_what_was_not_painted_on_is_as_it_was_even_where_lesions_overlap(one, two):
    sheet = Sheet.of(GRID, NUMBERS, {L1: one, L2: two})
    np.testing.assert_array_equal(sheet.mask(L1), one)
    np.testing.assert_array_equal(sheet.mask(L2), two)
    assert not sheet.edited(L1)
    assert not sheet.edited(L2)


@given(MASKS, MASKS, MASKS)
def test_a_brush_changes_the_voxels_under_it_and_no_others(one, two, brush):
    sheet = Sheet.of(GRID, NUMBERS, {L1: one, L2: two})
    paint(sheet, brush)
    changed = sheet.labels != sheet.shown
    np.testing.assert_array_equal(sheet.mask(L1), np.where(changed, True, one))
    np.testing.assert_array_equal(sheet.mask(L2), np.where(changed, False, two))


@given(MASKS, MASKS, MASKS)
def test_erasing_a_lesion_takes_nothing_from_one_that_lies_under_it(one, two, brush):
    sheet = Sheet.of(GRID, NUMBERS, {L1: one, L2: two})
    sheet.labels[brush & (sheet.labels == 2)] = 0
    sheet.touched = True
    assert not sheet.edited(L1)
    np.testing.assert_array_equal(sheet.mask(L2), two & ~brush)


@given(MASKS, MASKS)
def test_painting_what_the_viewer_sees_paints_the_native_voxels(mask, brush):
    sheet = Sheet.of(GRID, NUMBERS, {L1: mask})
    sheet.turned()[sheet.order.turned(brush)] = 1
    np.testing.assert_array_equal(sheet.mask(L1), mask | brush)


@given(MASKS, MASKS)
def test_undoing_a_stroke_leaves_nothing_to_save(mask, brush):
    sheet = Sheet.of(GRID, NUMBERS, {L1: mask})
    before = sheet.labels.copy()
    paint(sheet, brush)
    sheet.labels[...] = before  # as an undo does it
    assert not sheet.edited(L1)


@given(MASKS, MASKS)
def test_a_mask_that_is_put_is_the_mask(before, after):
    sheet = Sheet.of(GRID, NUMBERS, {L1: before})
    sheet.put(L1, after)
    np.testing.assert_array_equal(sheet.mask(L1), after)
    assert sheet.edited(L1) == (not np.array_equal(before, after))


@given(MASKS, MASKS, MASKS)
def test_new_masks_from_disk_do_not_touch_what_was_painted_and_not_saved(old, painted, new):
    sheet = Sheet.of(GRID, NUMBERS, {L1: old})
    sheet.put(L1, painted)
    view = sheet.turned()
    sheet.replaced({L1: new})
    kept = new if np.array_equal(old, painted) else painted
    np.testing.assert_array_equal(sheet.mask(L1), kept)
    assert np.shares_memory(view, sheet.labels)


def test_a_lesion_may_be_outlined_where_it_had_no_mask():
    sheet = Sheet.of(GRID, NUMBERS, {})
    assert not sheet.edited(L2)
    sheet.labels[0, 0, :2], sheet.touched = 2, True
    assert sheet.edited(L2)
    assert sheet.volume_ml(L2) == pytest.approx(2 * 9.0 / 1000)


@given(MASKS, MASKS, MASKS)
def test_saving_changes_no_mask(one, two, brush):
    sheet = Sheet.of(GRID, NUMBERS, {L1: one, L2: two})
    paint(sheet, brush)
    before = sheet.mask(L1), sheet.mask(L2)
    sheet.settle()
    np.testing.assert_array_equal(sheet.mask(L1), before[0])
    np.testing.assert_array_equal(sheet.mask(L2), before[1])
    assert not sheet.edited(L1)
    assert not sheet.edited(L2)
