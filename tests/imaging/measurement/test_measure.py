"""Every measure of one segment: what a reader relies on, and what the edge cases say."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.errors import EmptyMask, GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.change import measure_change
from imaging.measurement.interval import Z95
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.measurement.quantity import Quantity
from imaging.measurement.uncertainty import ReaderVariability
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(np.any)


def segment_of(mask: np.ndarray, spacing: tuple[float, float, float] = (2.0, 1.0, 1.0), **more: object) -> Segment:
    return Segment(mask=mask, grid=Grid.from_spacing(mask.shape, spacing), **more)  # type: ignore[arg-type]


def block(shape: tuple[int, int, int] = (4, 6, 10), margin: int = 1) -> np.ndarray:
    return np.pad(np.ones(shape, bool), margin)


def codes(measurement: SegmentMeasurement) -> list[str]:
    return [finding.code for finding in measurement.findings]


@settings(max_examples=60)
@given(masks, st.sampled_from([None, Modality.CT, Modality.MR]))
def test_every_number_of_any_mask_is_finite_and_in_its_interval(mask: np.ndarray, modality: Modality | None) -> None:
    measured = measure_segment(segment_of(mask), modality=modality)
    quantities = [v for f in fields(measured) if isinstance(v := getattr(measured, f.name), Quantity)]
    assert len(quantities) >= 9
    assert all(math.isfinite(q.value) and q.value > 0 for q in quantities)
    for quantity in quantities:
        assert quantity.interval95 is None or quantity.interval95[0] < quantity.value < quantity.interval95[1]
        assert quantity.method
    assert measured.short_axis_mm.value <= measured.long_axis_mm.value * (1 + 1e-9)
    assert measured.long_axis_mm.value <= measured.diameter_3d_mm.value * (1 + 1e-9)
    assert measured.volume_ml.value == measured.volume_voxels_ml.value


def test_one_voxel_is_measured_as_far_as_it_shows_anything() -> None:
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    measured = measure_segment(segment_of(mask))
    assert measured.volume_ml.value == 0.002
    assert measured.volume_mesh_ml.value == pytest.approx(0.002 / 6)
    assert (measured.long_axis_mm.value, measured.short_axis_mm.value) == (1.0, 1.0)
    assert measured.diameter_3d_mm.value == 2.0
    assert measured.axis_major_mm is measured.elongation is measured.flatness is None
    assert codes(measured) == ["SINGLE_SLICE"]


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(EmptyMask):
        measure_segment(segment_of(np.zeros((2, 2, 2), bool)))


def test_a_mask_inside_the_image_has_nothing_to_remark() -> None:
    assert codes(measure_segment(segment_of(block()))) == []


def test_a_mask_at_the_border_is_cut_off() -> None:
    measured = measure_segment(segment_of(block(margin=0)))
    assert codes(measured) == ["LESION_TRUNCATED"]
    assert measured.findings[0].severity is Severity.WARNING


def test_pieces_are_counted() -> None:
    mask = np.pad(np.concatenate([block(margin=1), block(margin=1)]), 1)
    measured = measure_segment(segment_of(mask))
    assert codes(measured) == ["SEVERAL_COMPONENTS"]
    assert "2 separate pieces" in measured.findings[0].message
    assert measured.volume_ml.value == pytest.approx(2 * 4 * 6 * 10 * 2 / 1000)


@pytest.mark.parametrize("tilt, axial", [(0, True), (44, True), (46, False), (90, False), (136, True)])
def test_slices_that_lie_nearer_to_another_plane_are_named(tilt: float, axial: bool) -> None:
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [-2 * s, c, 0], [2 * c, s, 0]])
    measured = measure_segment(Segment(mask=block(), grid=Grid(block().shape, affine)))
    assert ("IN_PLANE_NOT_AXIAL" not in codes(measured)) is axial


def test_remarks_of_segment_and_image_come_first() -> None:
    drawn = Finding("SELF_CROSSING", Severity.WARNING, "contour")
    tilted = Finding("GANTRY_TILT", Severity.WARNING, "tilt")
    segment = segment_of(block(margin=0), findings=(drawn,))
    image = Volume(
        samples=np.zeros(segment.mask.shape, np.int16), grid=segment.grid, modality=Modality.CT, findings=(tilted,)
    )
    assert codes(measure_segment(segment, volume=image)) == ["SELF_CROSSING", "GANTRY_TILT", "LESION_TRUNCATED"]


def test_a_mask_on_padding_is_remarked() -> None:
    segment = segment_of(block())
    valid = np.ones(segment.mask.shape, bool)
    valid[2, 3, 4] = False
    image = Volume(samples=np.zeros(valid.shape, np.int16), grid=segment.grid, modality=Modality.CT, valid=valid)
    assert codes(measure_segment(segment, volume=image)) == ["MASK_ON_PADDING"]


def test_an_image_on_another_grid_is_refused() -> None:
    segment = segment_of(block())
    other = Grid.from_spacing(segment.mask.shape, (2.0, 1.0, 1.1))
    image = Volume(samples=np.zeros(segment.mask.shape, np.int16), grid=other, modality=Modality.CT)
    with pytest.raises(GeometryError):
        measure_segment(segment, volume=image)


def test_a_modality_against_the_image_is_refused() -> None:
    segment = segment_of(block())
    image = Volume(samples=np.zeros(segment.mask.shape, np.int16), grid=segment.grid, modality=Modality.CT)
    with pytest.raises(UsageError):
        measure_segment(segment, volume=image, modality=Modality.MR)


@pytest.mark.parametrize(
    "modality, cemented, reader_wcv, expected",
    [
        (None, False, None, None),
        (None, True, 0.05, 0.05),
        (Modality.CT, False, None, 0.10),
        (Modality.CT, True, None, 0.10),
        (Modality.MR, False, None, 0.15),
        (Modality.MR, True, None, 0.20),
        (Modality.MR, True, 0.12, 0.20),
        (Modality.CT, False, 0.12, 0.12),
    ],
)
def test_the_reader_s_part_is_never_below_its_floor_and_left_out_where_nothing_is_known(
    modality: Modality | None, cemented: bool, reader_wcv: float | None, expected: float | None
) -> None:
    measured = measure_segment(segment_of(block()), modality=modality, cemented=cemented, reader_wcv=reader_wcv)
    assert (measured.volume_error.reader and measured.volume_error.reader.cv) == expected
    assert ("reader not included" in measured.volume_ml.method) is (expected is None)
    parts = (measured.volume_error.grid, measured.volume_error.outline, expected or 0.0)
    log_sd = math.sqrt(sum(math.log(1 + part**2) for part in parts))
    assert measured.volume_ml.interval95 == pytest.approx(
        (0.48 * math.exp(-Z95 * log_sd), 0.48 * math.exp(Z95 * log_sd)), rel=1e-12
    )


def test_the_floors_can_be_set() -> None:
    measured = measure_segment(segment_of(block()), modality=Modality.CT, variability=ReaderVariability(ct=0.3))
    assert measured.volume_error.reader is not None and measured.volume_error.reader.cv == 0.3


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
def test_a_coefficient_of_variation_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError):
        measure_segment(segment_of(block()), reader_wcv=wrong)


def test_two_measurements_make_a_change() -> None:
    before, after = (
        measure_segment(segment_of(block(shape)), modality=Modality.CT) for shape in ((10, 20, 20), (10, 20, 10))
    )
    change = measure_change(before, after)
    assert change.volume_change_percent is not None and change.volume_change_percent.value == pytest.approx(-50.0)
    assert change.exceeds_error is True
    assert change.qiba is not None


def test_measures_keep_their_units_and_codes() -> None:
    measured = measure_segment(segment_of(block()))
    expected = {
        "volume_ml": ("mL", "YEKZ"),
        "volume_mesh_ml": ("mL", "RNU0"),
        "surface_mm2": ("mm2", "C0JK"),
        "sphericity": ("1", "QCFX"),
        "diameter_3d_mm": ("mm", "L0JK"),
        "long_axis_mm": ("mm", "103339001"),
        "short_axis_mm": ("mm", "103340004"),
        "axis_major_mm": ("mm", "TDIC"),
        "axis_minor_mm": ("mm", "P9VJ"),
        "axis_least_mm": ("mm", "7J51"),
        "elongation": ("1", "Q3CK"),
        "flatness": ("1", "N17B"),
    }
    found = {name: (getattr(measured, name).unit, getattr(measured, name).code.value) for name in expected}
    assert found == expected
    assert measured.who_product_mm2.value == measured.long_axis_mm.value * measured.short_axis_mm.value


def test_a_mask_beside_the_edge_of_a_round_field_is_cut_off_and_one_beside_a_void_is_not() -> None:
    grid = Grid.from_spacing((5, 40, 40), (3.0, 1.0, 1.0))
    _, row, column = np.indices(grid.shape)
    valid = (row - 19.5) ** 2 + (column - 19.5) ** 2 < 18**2
    valid[:, 18:20, 10:12] = False  # a void inside the body that happens to have the padding's value
    volume = Volume(samples=np.zeros(grid.shape, np.int16), grid=grid, modality=Modality.CT, valid=valid)
    beside_void, at_edge = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    beside_void[1:4, 16:22, 12:18] = True
    at_edge[1:4, 16:22, 30:] = valid[1:4, 16:22, 30:]
    for mask, cut in ((beside_void, False), (at_edge, True)):
        codes = [f.code for f in measure_segment(Segment(mask=mask, grid=grid), volume=volume).findings]
        assert codes == (["LESION_TRUNCATED"] if cut else [])


def test_segments_that_overlap_are_measured_each_by_itself() -> None:
    labels = np.zeros((6, 20, 20), bool)
    first, second = labels.copy(), labels.copy()
    first[1:5, 2:12, 2:12] = second[2:4, 8:18, 8:18] = True
    alone = [measure_segment(segment_of(mask)).volume_ml.value for mask in (first, second)]
    assert alone == pytest.approx([4 * 100 * 2 / 1000, 2 * 100 * 2 / 1000])
    both, shared = (measure_segment(segment_of(mask)).volume_ml.value for mask in (first | second, first & second))
    assert sum(alone) == pytest.approx(both + shared)


def test_a_hole_counts_for_the_volume_and_not_for_the_long_axis() -> None:
    solid = np.pad(np.ones((5, 11, 11), bool), 1)
    hollow = solid.copy()
    hollow[3, 5:8, 5:8] = False
    whole, holed = (measure_segment(segment_of(mask)) for mask in (solid, hollow))
    assert whole.volume_ml.value - holed.volume_ml.value == pytest.approx(9 * 2 / 1000)
    assert holed.long_axis_mm.value == whole.long_axis_mm.value
    assert holed.surface_mm2.value > whole.surface_mm2.value
    assert codes(holed) == []


def test_every_measure_is_there_on_a_sheared_oblique_grid_and_none_needs_straight_axes() -> None:
    affine = np.array([[0.3, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [2.0, 0.0, 0.1, -700.0], [0, 0, 0, 1]])
    mask = np.pad(np.ones((8, 12, 12), bool), 8)
    grid = Grid(mask.shape, affine)
    samples = np.where(mask, 200, 40).astype(np.int16)
    measured = measure_segment(
        Segment(mask=mask, grid=grid), volume=Volume(samples=samples, grid=grid, modality=Modality.CT)
    )
    assert measured.volume_ml.value == pytest.approx(8 * 144 * abs(np.linalg.det(affine)) / 1000)
    assert measured.volume_partial_ml is not None and measured.partial_finding is None
    assert measured.volume_partial_ml.value == pytest.approx(measured.volume_ml.value)
    assert measured.volume_partial_ml.code is not None and measured.volume_partial_ml.code.value == "118565006"
    missing = [f.name for f in fields(measured) if getattr(measured, f.name) is None]
    assert missing == ["partial_finding"]


def test_a_volume_by_shares_that_cannot_be_told_is_none_with_a_finding_of_its_own() -> None:
    segment = segment_of(block())
    image = Volume(samples=np.zeros(segment.mask.shape, np.int16), grid=segment.grid, modality=Modality.CT)
    measured = measure_segment(segment, volume=image)
    assert measured.volume_partial_ml is None and measured.partial_finding is not None
    assert measured.partial_finding.code == "PARTIAL_VOLUME_NOT_ASSESSABLE"
    assert codes(measured) == []
