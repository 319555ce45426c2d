from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Method, Observation
from imaging.lesions.procedure import Procedure
from imaging.lesions.timeline import Comparing, LesionChange, changes_of, happened_before
from imaging.measurement.interval import log_interval95
from imaging.measurement.quantity import Quantity
from imaging.segmentation.segment import LesionId, Status

L1, L2 = LesionId("L1"), LesionId("L2")
MOMENTS = {"T0": "2003-01-06", "T1": "2003-01-17T14:00", "T2": "2003-04-17", "T3": "2003-04-20", "T4": "2003-05-25"}
CEMENT = Procedure(
    id="P2", when="2003-01-17T10:30:00", kind="sacroplasty", lesion=L1, materials=(("pmma-barium", 7.0),)
)
OTHER_SIDE = Procedure(
    id="P3", when="2003-04-20T09:00:00", kind="sacroplasty", lesion=L2, materials=(("pmma-barium", 3.0),)
)


def ml(value: float, log_sd: float = 0.05) -> Quantity:
    return Quantity(value, "mL", "voxel sum", log_interval95(value, log_sd))


def seen(timepoint: str, gross: float, *, material: float | None = None, role: str | None = "t1") -> Observation:
    return Observation(
        lesion=L1,
        timepoint=timepoint,
        series_uid="1.2." + timepoint[1:],
        role=role,
        primary=True,
        status=Status.ACCEPTED,
        method=Method.SEGMENTED,
        volume=ml(gross),
        material=None if material is None else ml(material) if material else Quantity(0.0, "mL", "history"),
        net_volume=None if material is None else ml(gross - material),
        long_axis=Quantity(gross ** (1 / 3) * 12.4, "mm", "long axis"),
    )


def row(changes: tuple[LesionChange, ...], timepoint: str, reference: str) -> LesionChange | None:
    rows = [c for c in changes if (c.timepoint, c.reference) == (timepoint, reference)]
    assert len(rows) <= 1
    return rows[0] if rows else None


HISTORY = [seen("T0", 50, material=0), seen("T2", 40, material=8), seen("T4", 44, material=8)]


def test_each_exam_is_compared_with_baseline_previous_nadir_and_its_own_pre_procedure_exam() -> None:
    changes = changes_of(HISTORY, MOMENTS, [CEMENT, OTHER_SIDE])
    references = {(c.timepoint, c.reference): c.reference_timepoint for c in changes}
    assert references == {
        ("T2", "baseline"): "T0",
        ("T2", "previous"): "T0",
        ("T2", "nadir"): "T0",
        ("T2", "pre-procedure:P2"): "T0",
        ("T4", "baseline"): "T0",
        ("T4", "previous"): "T2",
        ("T4", "nadir"): "T2",
        ("T4", "pre-procedure:P2"): "T0",
    }


def test_the_pre_procedure_exam_of_the_other_lesion_is_the_last_one_before_its_own_procedure() -> None:
    mine = [replace(observation, lesion=L2) for observation in HISTORY]
    change = row(changes_of(mine, MOMENTS, [CEMENT, OTHER_SIDE]), "T4", "pre-procedure:P3")
    assert change is not None
    assert change.reference_timepoint == "T2"


def test_the_change_is_the_ratio_with_the_interval_of_both() -> None:
    change = row(changes_of(HISTORY, MOMENTS, []), "T2", "baseline")
    assert change is not None and change.volume_percent is not None and change.volume_percent.interval95 is not None
    assert change.volume_percent.value == pytest.approx(-20.0)
    low, high = log_interval95(0.8, 0.05 * 2**0.5)
    assert change.volume_percent.interval95 == pytest.approx((100 * (low - 1), 100 * (high - 1)))
    assert change.exceeds_error is True


def test_a_net_volume_is_never_compared_with_an_exam_before_the_first_material() -> None:
    changes = changes_of(HISTORY, MOMENTS, [CEMENT])
    after_cement = row(changes, "T4", "previous")
    assert after_cement is not None and after_cement.net_volume_percent is not None
    assert after_cement.net_volume_percent.value == pytest.approx(12.5)
    for reference in ("baseline", "pre-procedure:P2"):
        change = row(changes, "T4", reference)
        assert change is not None and change.net_volume_percent is None and change.volume_percent is not None


def test_material_that_is_seen_makes_net_volumes_comparable_without_any_history() -> None:
    change = row(changes_of(HISTORY, MOMENTS, []), "T4", "previous")
    assert change is not None and change.net_volume_percent is not None


def test_cement_in_an_unchanged_lesion_is_no_response() -> None:
    changes = changes_of([seen("T0", 15, material=0), seen("T2", 15, material=3)], MOMENTS, [CEMENT])
    assert {c.net_volume_percent for c in changes} == {None}
    assert {c.volume_percent.value for c in changes if c.volume_percent} == {0.0}


@pytest.mark.parametrize("role", ["ct", "stir", None])
def test_another_or_an_unknown_role_does_not_compare(role: str | None) -> None:
    changes = changes_of([seen("T0", 50, role=role), seen("T2", 40)], MOMENTS, [])
    assert changes == ()


def test_unknown_roles_do_not_compare_with_each_other() -> None:
    assert changes_of([seen("T0", 50, role=None), seen("T2", 40, role=None)], MOMENTS, []) == ()


def test_another_role_compares_where_that_is_asked_for_and_says_so() -> None:
    rows = [seen("T0", 50), seen("T2", 40, role="ct"), seen("T4", 44, role="ct")]
    changes = changes_of(rows, MOMENTS, [], comparing=Comparing.ANY_ROLE)
    across = row(changes, "T2", "baseline")
    assert across is not None and across.volume_percent is not None
    assert across.volume_percent.value == pytest.approx(-20.0)
    assert across.exceeds_error is None  # whatever the readers accepted
    assert [finding.code for finding in across.findings] == ["ACROSS_ROLES"]
    alike = row(changes, "T4", "baseline")
    assert alike is not None and alike.reference_timepoint == "T2"  # where like images are there, only they compare
    assert alike.findings == ()


def test_qiba_speaks_of_lesions_that_ct_shows_whole() -> None:
    course = [seen("T0", 50, role="ct"), seen("T2", 40, role="ct")]
    cut = Finding("LESION_TRUNCATED", Severity.WARNING, "the image cuts it off")
    assert all(change.qiba is not None for change in changes_of(course, MOMENTS, []))
    for which in (0, 1):
        exams = [replace(exam, findings=(cut,)) if n == which else exam for n, exam in enumerate(course)]
        assert all(change.qiba is None for change in changes_of(exams, MOMENTS, []))
    assert all(change.qiba is None for change in changes_of(HISTORY, MOMENTS, []))


@pytest.mark.parametrize(("normal", "codes"), [((0.0, 0.5, 0.75**0.5), ["PLANE_CHANGED"]), ((0.0, 0.0, -1.0), [])])
def test_a_change_says_where_slices_cut_the_lesion_differently(
    normal: tuple[float, float, float], codes: list[str]
) -> None:
    course = [replace(seen("T0", 50), slice_normal=(0.0, 0.0, 1.0)), replace(seen("T2", 40), slice_normal=normal)]
    changes = changes_of(course, MOMENTS, [])
    assert [[finding.code for finding in change.findings] for change in changes] == [codes] * 3
    assert {finding.where for change in changes for finding in change.findings} <= {"T2"}


@pytest.mark.parametrize("lost", ["T0", "T2"])
def test_which_way_a_lesion_changed_is_open_where_an_exam_has_no_date(lost: str) -> None:
    found = row(changes_of(HISTORY[:2], {**MOMENTS, lost: ""}, []), "T2", "baseline")
    assert found is not None
    assert (found.exceeds_error, [finding.code for finding in found.findings]) == (None, ["UNKNOWN_DATE"])


def test_an_observation_on_a_further_series_may_be_the_reference_but_only_primaries_are_compared() -> None:
    further = replace(seen("T0", 55, role="stir"), primary=False)
    changes = changes_of([seen("T0", 50), further, seen("T2", 40, role="stir")], MOMENTS, [])
    assert {c.reference_timepoint for c in changes} == {"T0"}
    assert {round(c.volume_percent.value, 1) for c in changes if c.volume_percent} == {-27.3}
    assert changes_of([seen("T0", 50), replace(seen("T2", 40), primary=False)], MOMENTS, []) == ()


@pytest.mark.parametrize("status", [Status.REJECTED, Status.NOT_ASSESSABLE])
def test_rejected_and_unassessable_exams_are_passed_over(status: Status) -> None:
    rows = [HISTORY[0], replace(HISTORY[1], status=status), HISTORY[2]]
    assert {c.reference_timepoint for c in changes_of(rows, MOMENTS, [CEMENT])} == {"T0"}


def test_a_carried_mask_shows_no_change() -> None:
    assert changes_of([HISTORY[0], replace(HISTORY[1], method=Method.CARRIED)], MOMENTS, []) == ()


@pytest.mark.parametrize("which", [0, 1])
def test_whether_a_change_exceeds_the_error_is_open_until_both_masks_are_accepted(which: int) -> None:
    rows = list(HISTORY[:2])
    rows[which] = replace(rows[which], status=Status.PROPOSED)
    changes = changes_of(rows, MOMENTS, [])
    assert changes
    assert {c.exceeds_error for c in changes} == {None}
    assert all(c.volume_percent is not None for c in changes)


def test_a_lesion_that_a_reader_calls_absent_shrank_by_all_of_it() -> None:
    gone = replace(HISTORY[1], status=Status.ABSENT, volume=None, long_axis=None, reader="reader-1")
    change = row(changes_of([HISTORY[0], gone], MOMENTS, []), "T2", "baseline")
    assert change is not None and change.volume_percent is not None and change.long_axis_percent is not None
    assert (change.volume_percent.value, change.long_axis_percent.value) == (-100.0, -100.0)
    assert change.exceeds_error is True


def test_observations_of_two_lesions_are_refused() -> None:
    with pytest.raises(ValueError, match="one lesion"):
        changes_of([HISTORY[0], replace(HISTORY[1], lesion=L2)], MOMENTS, [])


@given(st.lists(st.floats(1, 100), min_size=2, max_size=5))
def test_no_exam_is_below_its_nadir_by_less_than_below_any_other_reference(volumes: list[float]) -> None:
    changes = changes_of([seen(t, v) for t, v in zip(MOMENTS, volumes, strict=False)], MOMENTS, [])
    for timepoint in list(MOMENTS)[1 : len(volumes)]:
        percents = {
            c.reference: c.volume_percent.value for c in changes if c.timepoint == timepoint if c.volume_percent
        }
        assert percents["nadir"] == max(percents.values())


@given(st.lists(st.floats(1, 100), min_size=2, max_size=5))
def test_changes_chain(volumes: list[float]) -> None:
    changes = changes_of([seen(t, v) for t, v in zip(MOMENTS, volumes, strict=False)], MOMENTS, [])
    product = 1.0
    for change in changes:
        if change.reference == "previous" and change.volume_percent is not None:
            product *= 1 + change.volume_percent.value / 100
    last = [c for c in changes if c.reference == "baseline"][-1].volume_percent
    assert last is not None
    assert 1 + last.value / 100 == pytest.approx(product)


@pytest.mark.parametrize(
    ("one", "other", "surely"),
    [
        ("2003-01-06", "2003-01-17", True),
        ("2003-01-17", "2003-01-06", False),
        ("2003-01-17T09:00", "2003-01-17T10:30:00", True),
        ("2003-01-17", "2003-01-17T10:30:00", False),  # the day alone does not say
        ("", "2003-01-17", False),
    ],
)
def test_one_day_without_a_time_is_not_before_itself(one: str, other: str, surely: bool) -> None:
    assert happened_before(one, other) is surely
