"""Exams in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.study import Index, SeriesRecord, SeriesUid, Verdict
from imaging.study.series import PatientId
from imaging.study.timepoint import ids_by_series, require_one_patient, timepoints_from

GRID = Grid.from_spacing((2, 2, 2), (1.0, 1.0, 1.0))


def exam(uid, acquired, *, study_date=None, patient="P", study="S", refused=False):
    finding = (Finding("NOT_A_VOLUME", Severity.ERROR, "one slice"),) if refused else ()
    return SeriesRecord(
        patient=PatientId(patient),
        study_uid=study,
        series_uid=SeriesUid(uid),
        volume_id=uid,
        modality="CT",
        verdict=Verdict.REFUSED if refused else Verdict.EXACT,
        code="NOT_A_VOLUME" if refused else None,
        acquired=acquired,
        study_date=study_date,
        grid=None if refused else GRID,
        findings=finding,
    )


def shape(points):
    return [(p.id, p.date, p.days, [r.volume_id for r in p.series]) for p in points]


def test_exams_of_one_date_are_one_timepoint_and_days_count_from_the_first():
    points, findings = timepoints_from(
        [exam("c", "2003-03-01"), exam("a", "2003-01-17T10:00:00"), exam("b", "2003-01-17T08:00:00")]
    )
    assert shape(points) == [("T0", "2003-01-17", 0, ["b", "a"]), ("T1", "2003-03-01", 43, ["c"])]
    assert findings == ()


def test_a_procedure_divides_a_day():
    records = [exam("before", "2003-01-17T09:00:00"), exam("after", "2003-01-17T11:00:00.5")]
    points, findings = timepoints_from(records, ["2003-01-17T10:30:00"])
    assert shape(points) == [("T0", "2003-01-17", 0, ["before"]), ("T1", "2003-01-17", 0, ["after"])]
    assert findings == ()


def test_two_procedures_divide_a_day_into_three():
    records = [exam(str(hour), f"2003-01-17T{hour:02d}:00:00") for hour in (8, 10, 12, 14)]
    points, _ = timepoints_from(records, ["2003-01-17T13:00:00", "2003-01-17T09:00:00"])
    assert [[r.volume_id for r in p.series] for p in points] == [["8"], ["10", "12"], ["14"]]


@pytest.mark.parametrize(
    ("acquired", "procedure"),
    [("2003-01-17", "2003-01-17T10:30:00"), ("2003-01-17T09:00:00", "2003-01-17"), ("2003-01-17", "2003-01-17")],
)
def test_without_times_the_order_is_unknown_and_said_so_once(acquired, procedure):
    points, findings = timepoints_from([exam("a", acquired), exam("b", acquired)], [procedure])
    assert [[r.volume_id for r in p.series] for p in points] == [["a", "b"]]
    assert [(f.code, f.severity, f.where) for f in findings] == [
        ("PROCEDURE_ORDER_UNKNOWN", Severity.WARNING, "2003-01-17")
    ]


def test_procedures_on_other_days_divide_nothing():
    points, findings = timepoints_from([exam("a", "2003-01-17"), exam("b", "2003-01-17")], ["2003-01-16", "2003-02-01"])
    assert len(points) == 1
    assert findings == ()


def test_a_moment_that_is_none_raises():
    with pytest.raises(ValueError, match="isoformat"):
        timepoints_from([exam("a", "2003-01-17")], ["tomorrow"])


def test_an_exam_of_which_nothing_can_be_read_has_taken_place():
    lost = [exam("b", "2003-02-01", refused=True), exam("c", "2003-01-17", refused=True), exam("d", None, refused=True)]
    points, findings = timepoints_from([exam("a", "2003-01-17"), exam("z", "2003-03-01")], lost=lost)
    assert shape(points) == [
        ("T0", "2003-01-17", 0, ["a"]),
        ("T1", "2003-02-01", 15, []),
        ("T2", "2003-03-01", 43, ["z"]),
    ]
    assert [[record.volume_id for record in point.lost] for point in points] == [[], ["b"], []]
    assert findings == ()
    again, _ = timepoints_from(
        [exam("a", "2003-01-17"), exam("b", "2003-02-01"), exam("z", "2003-03-01")], known_ids=ids_by_series(points)
    )
    assert [(point.id, point.date) for point in again] == [(point.id, point.date) for point in points]


def test_refused_series_make_no_timepoint():
    points, _ = timepoints_from([exam("a", "2003-01-17"), exam("b", "2001-01-01", refused=True)])
    assert shape(points) == [("T0", "2003-01-17", 0, ["a"])]


def test_the_study_date_stands_in_for_a_missing_acquisition():
    points, findings = timepoints_from([exam("a", None, study_date="2003-01-17")])
    assert shape(points) == [("T0", "2003-01-17", 0, ["a"])]
    assert findings == ()


def test_exams_without_a_date_come_last_study_by_study():
    records = [exam("x", None, study="S2"), exam("y", None, study="S1"), exam("a", "2003-01-17")]
    points, findings = timepoints_from(records)
    assert shape(points) == [("T0", "2003-01-17", 0, ["a"]), ("T1", None, None, ["y"]), ("T2", None, None, ["x"])]
    assert [f.code for f in findings] == ["UNKNOWN_DATE", "UNKNOWN_DATE"]


def test_an_earlier_exam_that_arrives_later_renames_nothing():
    known = ids_by_series(timepoints_from([exam("b", "2003-02-01"), exam("c", "2003-03-01")])[0])
    points, _ = timepoints_from(
        [exam("b", "2003-02-01"), exam("c", "2003-03-01"), exam("a", "2003-01-01")], known_ids=known
    )
    assert shape(points) == [
        ("T2", "2003-01-01", 0, ["a"]),
        ("T0", "2003-02-01", 31, ["b"]),
        ("T1", "2003-03-01", 59, ["c"]),
    ]


def test_a_procedure_entered_later_leaves_the_name_with_the_earlier_exams():
    records = [exam("before", "2003-01-17T09:00:00"), exam("after", "2003-01-17T11:00:00")]
    known = ids_by_series(timepoints_from(records)[0])
    points, _ = timepoints_from(records, ["2003-01-17T10:00:00"], known_ids=known)
    assert [(p.id, p.series[0].volume_id) for p in points] == [("T0", "before"), ("T1", "after")]


def test_merged_timepoints_keep_the_lower_name_and_say_so():
    points, findings = timepoints_from(
        [exam("a", "2003-01-17"), exam("b", "2003-01-17")], known_ids={"a": "T2", "b": "T10"}
    )
    assert [p.id for p in points] == ["T2"]
    assert [f.code for f in findings] == ["TIMEPOINT_MERGED"]


def test_names_once_used_are_not_given_again():
    points, _ = timepoints_from([exam("new", "2003-01-17")], known_ids={"gone": "T0"})
    assert [p.id for p in points] == ["T1"]


dates = st.dates().map(lambda d: d.isoformat())


@given(st.lists(dates, min_size=1, max_size=12), st.randoms())
def test_order_of_records_changes_nothing_and_names_are_stable(days, random):
    records = [exam(f"{number:02d}", day) for number, day in enumerate(days)]
    points, _ = timepoints_from(records)
    random.shuffle(records)
    shuffled, _ = timepoints_from(records)
    again, _ = timepoints_from(records, known_ids=ids_by_series(points))
    assert shape(points) == shape(shuffled) == shape(again)
    assert [p.date for p in points] == sorted(set(days))
    assert len({p.id for p in points}) == len(points)


def test_several_patients_are_refused_without_being_named():
    one = Index(volumes=(exam("a", None), exam("b", None)))
    require_one_patient(one)
    require_one_patient(Index())
    with pytest.raises(SeriesRefused, match="2 patients") as caught:
        require_one_patient(Index(volumes=(exam("a", None), exam("b", None, patient="ZZPHI"))))
    assert caught.value.code == "SEVERAL_PATIENTS"
    assert "ZZPHI" not in str(caught.value)


MOMENTS = st.tuples(st.integers(1, 3), st.integers(0, 23)).map(lambda at: f"2003-01-{at[0]:02d}T{at[1]:02d}:30:00")


@given(st.lists(MOMENTS, min_size=2, max_size=8, unique=True), st.lists(MOMENTS, max_size=4, unique=True))
def test_two_exams_share_a_timepoint_exactly_if_no_midnight_and_no_procedure_lies_between(acquired, procedures):
    points, findings = timepoints_from([exam(moment, moment) for moment in acquired], procedures)
    home = {record.volume_id: point.id for point in points for record in point.series}
    for one in acquired:
        for other in acquired:
            low, high = sorted((one, other))
            between = any(low < procedure <= high for procedure in procedures)
            assert (home[one] == home[other]) == (one[:10] == other[:10] and not between)
    in_order = [point.series[0].acquired for point in points]
    assert in_order == sorted(in_order)
    assert findings == ()
