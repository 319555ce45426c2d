"""Change: the same whichever way it is told, an interval that holds it, and no zero that is divided by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.change import (
    PLANE_TOLERANCE_DEG,
    SAME_DEG,
    LesionSize,
    claims_of,
    exceeds_error,
    is_plane_changed,
    measure_change,
    plane_angle_deg,
    relative_change,
)
from imaging.measurement.interval import Z95, log_interval95
from imaging.measurement.measure import measure_segment
from imaging.measurement.quantity import Quantity
from imaging.segmentation import Segment
from imaging.volume import Modality

EXAMPLES = settings(max_examples=60)
volumes = st.floats(0.05, 500.0)
spreads = st.floats(0.0, 0.5)


def millilitres(value: float, log_sd: float | None = 0.1) -> Quantity:
    return Quantity(value, "mL", "voxel sum", None if log_sd is None else log_interval95(value, log_sd))


def size(
    volume: float, diameter: float | None = None, *, log_sd: float | None = 0.1, modality: Modality | None = None
) -> LesionSize:
    return LesionSize(
        volume_ml=millilitres(volume, log_sd),
        long_axis_mm=None if diameter is None else Quantity(diameter, "mm", "contour", log_interval95(diameter, 0.03)),
        modality=modality,
    )


@EXAMPLES
@given(volumes, volumes, spreads, spreads)
def test_change_there_and_back(first: float, second: float, s1: float, s2: float) -> None:
    there = relative_change(millilitres(first, s1), millilitres(second, s2))
    back = relative_change(millilitres(second, s2), millilitres(first, s1))
    assert there is not None and back is not None
    forward, backward = there.value / 100, back.value / 100
    assert 1 + forward == pytest.approx(1 / (1 + backward), rel=1e-9)
    assert there.interval95 is not None and back.interval95 is not None
    assert 1 + there.interval95[0] / 100 == pytest.approx(1 / (1 + back.interval95[1] / 100), rel=1e-9)


@EXAMPLES
@given(volumes, volumes, spreads, spreads)
def test_the_verdict_the_percent_and_the_millilitres_tell_the_same(
    first: float, second: float, s1: float, s2: float
) -> None:
    change = measure_change(LesionSize(volume_ml=millilitres(first, s1)), LesionSize(volume_ml=millilitres(second, s2)))
    percent, absolute = change.volume_change_percent, change.volume_change_ml
    assert percent is not None and percent.interval95 is not None
    assert absolute is not None and absolute.interval95 is not None
    assert absolute.value == second - first
    low, high = percent.interval95
    assert low >= -100.0
    if abs(low) > 1e-6 and abs(high) > 1e-6:  # away from the edge, where rounding decides
        assert change.exceeds_error is (low > 0 or high < 0)
        assert change.exceeds_error is (absolute.interval95[0] > 0 or absolute.interval95[1] < 0)


@EXAMPLES
@given(volumes, st.floats(0.01, 0.5))
def test_the_interval_of_the_ratio_adds_the_variances_of_both(volume: float, log_sd: float) -> None:
    edge = math.exp(Z95 * log_sd * math.sqrt(2))
    assert exceeds_error(millilitres(volume, log_sd), millilitres(volume * edge * 1.001, log_sd)) is True
    assert exceeds_error(millilitres(volume, log_sd), millilitres(volume * edge * 0.999, log_sd)) is False
    assert exceeds_error(millilitres(volume, log_sd), millilitres(volume / edge * 0.999, log_sd)) is True


def test_no_change_exceeds_no_error() -> None:
    change = measure_change(size(12.0, 30.0), size(12.0, 30.0))
    assert change.exceeds_error is False
    assert change.volume_change_ml is not None and change.volume_change_ml.value == 0.0
    assert change.long_axis_change_percent is not None and change.long_axis_change_percent.value == 0.0


def test_a_proposed_mask_gives_figures_but_no_verdict() -> None:
    change = measure_change(size(10.0), size(100.0), provisional=True)
    assert change.exceeds_error is None
    assert change.volume_change_percent is not None and change.volume_change_percent.value == pytest.approx(900.0)


def test_what_is_not_known_stays_unknown() -> None:
    change = measure_change(LesionSize(volume_ml=None), size(10.0, 20.0, modality=Modality.CT))
    assert change.volume_change_ml is change.volume_change_percent is change.long_axis_change_percent is None
    assert change.exceeds_error is None
    assert change.qiba is None


def test_without_an_interval_the_change_has_a_value_and_no_verdict() -> None:
    change = measure_change(size(10.0, log_sd=None), size(30.0))
    assert change.exceeds_error is None
    assert change.volume_change_percent is not None
    assert (change.volume_change_percent.value, change.volume_change_percent.interval95) == (200.0, None)


def test_a_lesion_that_is_gone_has_lost_all_of_itself() -> None:
    change = measure_change(size(10.0, 30.0), LesionSize.absent())
    assert change.volume_change_percent is not None and change.volume_change_percent.value == -100.0
    assert change.long_axis_change_percent is not None and change.long_axis_change_percent.value == -100.0
    assert change.volume_change_ml is not None
    low, high = log_interval95(10.0, 0.1)
    assert change.volume_change_ml.interval95 == (-high, -low)
    assert change.exceeds_error is True


def test_a_lesion_that_has_come_has_no_change_in_per_cent_and_says_so() -> None:
    change = measure_change(LesionSize.absent(), size(10.0, 30.0))
    assert change.volume_change_percent is None and change.long_axis_change_percent is None
    assert change.volume_change_ml is not None
    assert change.volume_change_ml.interval95 == log_interval95(10.0, 0.1)
    assert change.exceeds_error is True
    assert [finding.code for finding in change.findings] == ["NO_REFERENCE_VOLUME"]


def test_absent_twice_is_no_change() -> None:
    change = measure_change(LesionSize.absent(), LesionSize.absent())
    assert change.exceeds_error is False
    assert change.volume_change_percent is None
    assert change.volume_change_ml is not None and change.volume_change_ml.value == 0.0


@pytest.mark.parametrize(
    "first, second, claimed",
    [
        (Modality.CT, Modality.CT, True),
        (Modality.CT, Modality.MR, False),
        (Modality.MR, Modality.MR, False),
        (None, None, False),
    ],
)
def test_qiba_speaks_of_ct_alone(first: Modality | None, second: Modality | None, claimed: bool) -> None:
    change = measure_change(size(40.0, 55.0, modality=first), size(30.0, 50.0, modality=second))
    assert (change.qiba is not None) is claimed
    assert (change.exceeds_error is None) is (None not in (first, second) and first is not second)
    assert ("MODALITY_CHANGED" in {finding.code for finding in change.findings}) is (
        None not in (first, second) and first is not second
    )


def test_qiba_claims_nothing_across_slice_distances() -> None:
    def claimed(*slices: float | None) -> bool:
        exams = [replace(size(40.0, 55.0, modality=Modality.CT), slice_distance_mm=slice_mm) for slice_mm in slices]
        return measure_change(*exams).qiba is not None

    assert claimed(2.0, 2.0) and claimed(2.0, 2.01) and claimed(None, 2.0) and claimed(2.0, None)
    assert claimed(2.0, 2.02) and not claimed(2.0, 2.0205) and not claimed(2.5, 2.0)  # one in a hundred of the larger


@pytest.mark.parametrize("code", ["LESION_TRUNCATED", "MISSING_SLICES", "NON_UNIFORM_SPACING"])
@pytest.mark.parametrize("which", [0, 1])
def test_qiba_claims_nothing_of_a_lesion_that_was_not_imaged_whole(code: str, which: int) -> None:
    exams = [size(40.0, 55.0, modality=Modality.CT), size(30.0, 50.0, modality=Modality.CT)]
    assert measure_change(*exams).qiba is not None
    exams[which] = replace(exams[which], findings=(Finding(code, Severity.WARNING, "told"),))
    assert measure_change(*exams).qiba is None


@pytest.mark.parametrize(("said", "codes"), [("ct", []), ("", ["READER_NOT_INCLUDED"])])
def test_intervals_that_leave_the_reader_out_say_so(said: str, codes: list[str]) -> None:
    mask = np.zeros((5, 12, 12), dtype=bool)
    mask[1:4, 1:11, 1:11] = True
    segment = Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (3.0, 1.0, 1.0)))
    known, other = (measure_segment(segment, modality=kind) for kind in (Modality.CT, Modality.CT if said else None))
    for exams in ((known, other), (other, known)):
        assert [finding.code for finding in measure_change(*exams).findings] == codes


def test_a_change_of_exactly_its_error_is_within_it() -> None:
    exact = millilitres(10.0, log_sd=0.0)
    assert exceeds_error(exact, exact) is False


def test_slices_exactly_at_the_tolerance_are_the_same_plane() -> None:
    limit = PLANE_TOLERANCE_DEG + SAME_DEG
    angles = [math.radians(limit) * (1.0 + step * 1e-16) for step in range(-40, 41)]
    normals = [(0.0, math.sin(angle), math.cos(angle)) for angle in angles]
    at_the_limit = [normal for normal in normals if plane_angle_deg((0.0, 0.0, 1.0), normal) == limit]
    assert at_the_limit and not any(is_plane_changed((0.0, 0.0, 1.0), normal) for normal in at_the_limit)


def test_changes_are_in_millilitres_and_per_cent() -> None:
    cases = [(size(10.0), size(12.0)), (size(10.0), LesionSize.absent()), (size(10.0, log_sd=None), size(12.0))]
    changes = [measure_change(*exams).volume_change_ml for exams in cases]
    assert [change and change.unit for change in changes] == ["mL"] * 3
    shares = [measure_change(*exams).volume_change_percent for exams in cases]
    assert [share and share.unit for share in shares] == ["%"] * 3


def test_an_absent_lesion_measures_nothing_any_way() -> None:
    absent = LesionSize.absent()
    sizes = (absent.volume_ml, absent.long_axis_mm, absent.short_axis_mm)
    assert [(q and q.value, q and q.unit) for q in sizes] == [(0.0, "mL"), (0.0, "mm"), (0.0, "mm")]


def test_qiba_needs_a_volume_and_a_diameter_of_both() -> None:
    whole, no_diameter = size(40.0, 55.0, modality=Modality.CT), size(40.0, modality=Modality.CT)
    no_volume = replace(whole, volume_ml=None)
    assert claims_of(whole, whole) is not None
    for lacking in (no_diameter, no_volume):
        assert claims_of(whole, lacking) is claims_of(lacking, whole) is None


def test_qiba_s_own_claim_goes_by_the_order_of_the_exams() -> None:
    claims = measure_change(size(40.0, 55.0, modality=Modality.CT), size(30.0, 40.0, modality=Modality.CT)).qiba
    assert claims is not None
    assert claims["wcv"] == [0.085, 0.103]
    assert claims["claim_2_interval95_ml"] == pytest.approx([-19.005, -0.995], abs=0.001)


@pytest.mark.parametrize("angle, changed", [(0.0, False), (9.9, False), (10.1, True), (170.1, False), (169.9, True)])
def test_slices_more_than_ten_degrees_apart_are_another_plane(angle: float, changed: bool) -> None:
    normals = [(0.0, 0.0, 1.0), (0.0, math.sin(math.radians(angle)), math.cos(math.radians(angle)))]
    exams = [LesionSize(volume_ml=millilitres(10.0), slice_normal=normal) for normal in normals]
    assert ("PLANE_CHANGED" in {finding.code for finding in measure_change(*exams).findings}) is changed


def test_warnings_of_both_exams_travel_along_once_and_notes_stay() -> None:
    warning = Finding("LESION_TRUNCATED", Severity.WARNING, "cut off", "#1")
    note = Finding("SEVERAL_COMPONENTS", Severity.INFO, "two pieces", "#1")
    exams = [LesionSize(volume_ml=millilitres(10.0), findings=findings) for findings in ((warning, note), (warning,))]
    assert measure_change(*exams).findings == (warning,)
