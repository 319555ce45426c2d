"""A segment knows where its voxels are, and never by what another mask had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.formats.label_map import LabelText, segments_from
from imaging.geometry import Grid
from imaging.segmentation.segment import LesionId, Segment, SegmentKind, Status

shapes = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)


def segment_of(mask: np.ndarray) -> Segment:
    return Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0)))


@settings(max_examples=150)
@given(hnp.arrays(bool, shapes))
def test_bounds_are_the_smallest_box_that_holds_the_mask(mask: np.ndarray) -> None:
    bounds = segment_of(mask).bounds
    if not mask.any():
        assert bounds is None
        return
    assert bounds is not None
    at = np.argwhere(mask)
    assert [(side.start, side.stop) for side in bounds] == list(zip(at.min(axis=0), at.max(axis=0) + 1, strict=True))


def test_another_mask_has_other_bounds_and_another_standing_the_same() -> None:
    mask, other = np.zeros((3, 4, 5), bool), np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = other[0, 0, 0] = True
    segment = segment_of(mask)
    assert segment.bounds == (slice(1, 2), slice(2, 3), slice(3, 4))
    assert segment.with_status(Status.ACCEPTED).bounds == segment.bounds
    assert replace(segment, mask=other).bounds == (slice(0, 1), slice(0, 1), slice(0, 1))


@settings(max_examples=150)
@given(
    shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 4))),
    st.sampled_from([np.uint8, np.int16, np.int64, np.float32]),
    st.sampled_from([1, 60, 100_000]),
)
def test_each_label_s_segment_is_its_voxels_and_knows_their_box(labels: np.ndarray, kind: type, factor: int) -> None:
    numbers = labels.astype(np.int64) * factor
    if numbers.max() > (np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 2**24):
        return
    grid = Grid.from_spacing(labels.shape, (2.0, 1.0, 1.0))
    found = segments_from(numbers.astype(kind), grid, {})
    assert [segment.label for segment in found] == sorted(set(numbers.ravel().tolist()) - {0})
    for segment in found:
        assert np.array_equal(segment.mask, numbers == segment.label)
        assert segment.bounds == segment_of(segment.mask).bounds


def test_a_lesion_s_bounds_hold_the_numbers_inside_it() -> None:
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[1, 1:3, 1] = 1
    labels[3, 5, 4] = 2
    texts = {
        1: LabelText(name="lesion", kind=SegmentKind.LESION, lesion=LesionId("L1")),
        2: LabelText(name="cement", kind=SegmentKind.CEMENT, inside=LesionId("L1")),
    }
    whole, inner = segments_from(labels, Grid.from_spacing(labels.shape, (2.0, 1.0, 1.0)), texts)
    assert whole.bounds == (slice(1, 4), slice(1, 6), slice(1, 5))
    assert np.array_equal(whole.mask, labels > 0)
    assert inner.bounds == (slice(3, 4), slice(5, 6), slice(4, 5))
