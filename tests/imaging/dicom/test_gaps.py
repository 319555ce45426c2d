"""Stacks with gaps: refused, and where somebody accepts them, every slice in its place and nothing in between."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.dicom.assemble import load_volume
from imaging.dicom.gaps import stack_with_gaps
from imaging.dicom.geometry import stack_slices
from imaging.dicom.scan import scan
from imaging.errors import SeriesRefused
from imaging.study import Verdict

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
PIXEL = (0.8, 0.7)

rotations = st.tuples(*[st.floats(-180, 180)] * 3).map(
    lambda angles: Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
)


def leaning(rotation, heights, tilt=0.0):
    """Positions of slices at heights along the normal, each sliding down its columns by the tilt; orientations."""
    along_row, along_column, normal = rotation.T
    positions = np.asarray(heights)[:, None] * (normal + np.tan(np.radians(tilt)) * along_column)
    return positions, np.tile(np.concatenate([along_row, along_column]), (len(heights), 1))


def misplaced(stack, positions, rotation):
    """How far the grid puts each slice from its position: along the normal, and within its plane (mm)."""
    starts = stack.grid.points([[plane, 0, 0] for plane in stack.acquired.planes])
    off = starts - positions[list(stack.order)]
    normal = rotation.T[2]
    along = off @ normal
    return np.abs(along).max(), np.linalg.norm(off - along[:, None] * normal, axis=1).max()


@given(rotations, st.integers(4, 20), st.floats(0.5, 6.0), st.sampled_from([0.0, -12.0, 25.0]), st.data())
@settings(max_examples=60)
def test_every_slice_of_a_stack_that_lacks_some_lies_in_its_place(rotation, count, distance, tilt, data):
    inner = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=count - 3))
    kept = [n for n in range(count) if n not in inner]
    if np.diff(kept).min() > 1:
        return  # nothing shows what the spacing was
    positions, orientations = leaning(rotation, np.array(kept) * distance, tilt)
    if len(set(np.diff(kept))) == 1:
        return
    with pytest.raises(SeriesRefused, match="missing"):
        stack_slices(positions, orientations, PIXEL, (5, 6))
    stack = stack_with_gaps(positions, orientations, PIXEL, (5, 6))
    assert stack.acquired.code == "MISSING_SLICES"
    assert stack.acquired.planes == tuple(kept)
    assert stack.grid.shape[0] == count
    assert max(misplaced(stack, positions, rotation)) < 1e-6
    assert [number is not None for number in stack.acquired.shown] == [n in kept for n in range(count)]


@given(rotations, st.lists(st.floats(2.0, 5.0), min_size=4, max_size=14), st.sampled_from([0.0, 15.0]))
@settings(max_examples=60)
def test_every_slice_of_an_uneven_stack_lies_within_an_eighth_of_the_shortest_gap(rotation, gaps, tilt):
    heights = np.concatenate([[0.0], np.cumsum(gaps)])
    positions, orientations = leaning(rotation, heights, tilt)
    try:
        stack_slices(positions, orientations, PIXEL, (5, 6))
    except SeriesRefused:
        pass
    else:
        return
    try:
        stack = stack_with_gaps(positions, orientations, PIXEL, (5, 6))
    except SeriesRefused as refusal:
        assert tilt, refusal  # a leaning stack would have to move its slices within their planes
        return
    along, within = misplaced(stack, positions, rotation)
    assert along <= min(gaps) / 8 * (1 + 1e-9)
    assert within <= (0.1 * min(PIXEL) if tilt else 1e-6)
    ends = 0.0 if stack.acquired.code == "MISSING_SLICES" else (gaps[0] + gaps[-1]) / 2
    ends = ends or stack.acquired.ordinary_mm
    assert stack.acquired.extents_mm.sum() == pytest.approx(heights[-1] + ends)


@pytest.mark.parametrize("tilt", [0.0, 18.0])
def test_uneven_distances_with_a_common_measure_are_met_exactly(tilt):
    rotation = Rotation.from_euler("xyz", [20, -10, 5], degrees=True).as_matrix()
    heights = np.concatenate([np.arange(6) * 3.0, 15.0 + np.arange(1, 6) * 7.0])
    positions, orientations = leaning(rotation, heights, tilt)
    stack = stack_with_gaps(positions, orientations, PIXEL, (5, 6))
    assert stack.acquired.code == "NON_UNIFORM_SPACING"
    assert stack.grid.slice_distance_mm == pytest.approx(1.0)
    assert max(misplaced(stack, positions, rotation)) < 0.01
    assert stack.is_tilted == bool(tilt)


def test_a_plane_shows_the_nearest_slice_and_in_a_hole_nothing():
    heights = np.array([0.0, 3.0, 7.5, 11.0, 31.0, 34.0])  # 20 mm is more than three times the usual 3.5
    stack = stack_with_gaps([[0, 0, z] for z in heights], [AXIAL] * 6, PIXEL, (4, 4))
    step = stack.grid.slice_distance_mm
    for plane, number in enumerate(stack.acquired.shown):
        z = stack.grid.points([[plane, 0, 0]])[0, 2]
        apart = np.abs(heights - z)
        if number is None:
            assert 11.0 + (3.5 + step) / 2 < z < 31.0 - (3.5 + step) / 2
        elif plane not in stack.acquired.planes:
            assert apart[number] == pytest.approx(apart.min())
            assert not 12.0 + 3.5 / 2 + step < z < 30.0 - 3.5 / 2 - step
    assert None in stack.acquired.shown


def test_the_voxels_of_uneven_slices_add_up_to_areas_times_slabs():
    heights = np.array([0.0, 3.0, 6.0, 9.0, 16.0, 23.0, 30.0])
    stack = stack_with_gaps([[0, 0, z] for z in heights], [AXIAL] * 7, PIXEL, (4, 4))
    counted = np.bincount(stack.acquired.shown) * stack.grid.slice_distance_mm
    slabs = stack.acquired.extents_mm
    np.testing.assert_allclose(counted[1:-1], slabs[1:-1], atol=stack.grid.slice_distance_mm)
    assert slabs.tolist() == [3.0, 3.0, 3.0, 5.0, 7.0, 7.0, 7.0]


def test_what_else_is_wrong_stays_refused():
    shifted = [[0, 0, 0], [0, 0, 2], [9, 0, 6], [0, 0, 8], [0, 0, 10]]
    for positions, code in (
        (shifted, "MIXED_GEOMETRY"),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 2], [0, 0, 6]], "DUPLICATE_POSITION"),
        ([[0, 0, 0], [0, 0, 0]], "NOT_A_VOLUME"),
    ):
        with pytest.raises(SeriesRefused) as caught:
            stack_with_gaps(positions, [AXIAL] * len(positions), PIXEL, (4, 4))
        assert caught.value.code == code


def test_a_series_with_missing_slices_is_refused_and_carries_what_it_is_with_its_gaps(slices):
    datasets = slices.clean(12)
    record = slices.record([*datasets[:4], *datasets[5:8], *datasets[10:]])
    assert (record.verdict, record.code) == (Verdict.REFUSED, "MISSING_SLICES")
    taken = record.with_gaps
    assert (taken.verdict, taken.code) == (Verdict.CORRECTED, "MISSING_SLICES")
    assert [finding.code for finding in taken.findings] == ["MISSING_SLICES"]
    assert taken.volume_id == record.volume_id
    assert taken.grid.shape[0] == 12
    assert [n for n, shown in enumerate(taken.acquired_slices.shown) if shown is None] == [4, 8, 9]


def test_nothing_is_put_into_the_planes_that_were_not_imaged(slices, assert_true_to_place):
    datasets = slices.clean(10)
    volume = load_volume(slices.record([*datasets[:3], *datasets[5:]]).with_gaps)
    assert_true_to_place(volume)
    assert volume.valid.all(axis=(1, 2)).tolist() == [n not in (3, 4) for n in range(10)]
    assert (volume.samples[3:5] == volume.samples[volume.valid].min()).all()
    assert "MISSING_SLICES" not in [finding.code for finding in volume.findings]


@pytest.mark.parametrize(("lean", "spacing"), [(0.0, 2.5), (0.25, 2.5), (-0.3, 4.0)])
def test_missing_slices_of_a_leaning_stack_are_true_to_place(slices, assert_true_to_place, lean, spacing):
    datasets = slices.clean(9, distance=spacing, stack_direction=(0.0, lean, 1.0))
    record = slices.record([*datasets[:2], *datasets[3:]]).with_gaps
    assert record.code == "MISSING_SLICES"
    assert ("GANTRY_TILT" in {f.code for f in record.findings}) == bool(lean)
    assert_true_to_place(load_volume(record), places_mm=0.01)


@pytest.mark.parametrize("heights", [(0, 3, 6, 9, 16, 23, 30), (0, 2.5, 5.2, 7.7, 10.9, 13.4)])
def test_slices_of_an_uneven_stack_are_shown_unchanged_where_they_lie(slices, heights):
    datasets = [slices.slice(np.array([-20.0, 5.0, -30.0 + z]), n + 1) for n, z in enumerate(heights)]
    record = slices.record(datasets)
    assert record.code == "NON_UNIFORM_SPACING"
    volume = load_volume(record.with_gaps)
    acquired = volume.acquired_slices
    shortest = np.diff(heights).min()
    for number, plane in enumerate(acquired.planes):
        np.testing.assert_array_equal(volume.samples[plane], datasets[number].pixel_array - 1024)
        place = volume.grid.points([[plane, 0, 0]])[0]
        assert abs(place[2] - (-30.0 + heights[number])) <= shortest / 8
        np.testing.assert_allclose(place[:2], [-20.0, 5.0], atol=1e-6)
    for plane, number in enumerate(acquired.shown):
        if number is not None:
            np.testing.assert_array_equal(volume.samples[plane], volume.samples[acquired.planes[number]])
        assert volume.valid[plane].all() == (number is not None)


def test_padding_stays_padding_beside_a_gap(slices):
    datasets = slices.clean(8)
    for dataset in datasets:
        dataset.PixelPaddingValue = -2000
        stored = dataset.pixel_array.copy()
        stored[0, :3] = -2000
        slices.store(dataset, stored)
    volume = load_volume(slices.record([*datasets[:5], *datasets[6:]]).with_gaps)
    assert not volume.valid[:, 0, :3].any()
    assert volume.valid[:, 1:].all(axis=(1, 2)).tolist() == [n != 5 for n in range(8)]


def test_counts_and_numbers_say_nothing_that_the_gap_has_not_said(slices):
    datasets = slices.clean(10)
    for dataset in datasets:
        dataset.ImagesInAcquisition = 10
    one_short = slices.record([*datasets[:4], *datasets[5:]]).with_gaps
    assert [finding.code for finding in one_short.findings] == ["MISSING_SLICES"]


def test_a_series_that_also_ends_early_says_both(slices):
    datasets = slices.clean(10)
    for dataset in datasets:
        dataset.ImagesInAcquisition = 10
    record = slices.record([*datasets[:4], *datasets[5:8]]).with_gaps
    assert [finding.code for finding in record.findings] == ["MISSING_SLICES", "INCOMPLETE_SERIES"]
    assert [finding.code for finding in load_volume(record).findings] == ["INCOMPLETE_SERIES"]


@pytest.mark.parametrize(("count", "code"), [(6, None), (1, "NOT_A_VOLUME")])
def test_an_even_series_and_one_refused_for_another_reason_have_nothing_to_accept(slices, count, code):
    record = slices.record(slices.clean(count))
    assert (record.code, record.with_gaps) == (code, None)


def test_an_index_that_accepts_gaps_keeps_everything_else(slices):
    datasets = slices.clean(9)
    index = slices.scan([*datasets[:4], *datasets[5:]])
    assert index.loadable == ()
    (taken,) = index.accepting_gaps().loadable
    assert taken.code == "MISSING_SLICES"
    assert index.accepting_gaps().skipped == index.skipped


@pytest.mark.shared
def test_a_leaning_head_ct_of_three_distances_has_the_volumes_of_its_slabs(shared):
    home = shared / "data" / "ct-tilt-variable-ge"
    truth = json.loads((home / "truth.json").read_text())
    (record,) = scan([home / "GE"]).accepting_gaps().loadable
    assert record.code == "NON_UNIFORM_SPACING"
    assert "GANTRY_TILT" in {finding.code for finding in record.findings}
    volume = load_volume(record)
    slices = volume.acquired_slices
    true = np.array(truth["pos_along_normal"])
    np.testing.assert_allclose(np.diff(slices.heights_mm), np.diff(true), atol=2e-3)
    planes = np.array(slices.planes) * volume.grid.slice_distance_mm
    off = planes - np.array(slices.heights_mm)
    assert np.abs(off).max() <= min(np.diff(true)) / 8 * (1 + 1e-6)
    assert np.abs(off).max() * np.tan(np.radians(truth["tilt"])) <= 0.1 * min(truth["pixel_spacing"])
    for above in (-200, 100, 300):
        counted = slices.volume_mm3(volume.samples > above, pixel_mm2=volume.grid.pixel_area_mm2) / 1000
        assert counted == pytest.approx(truth[f"volume_mL_HU>{above}"], rel=1e-4)
