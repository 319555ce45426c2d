"""Roles and timepoints of real studies: dates of acquisition count, and nothing derived is picked."""

from __future__ import annotations

import pytest

from imaging.dicom.scan import scan
from imaging.study import Verdict
from imaging.study.timepoint import timepoints_from

pytestmark = pytest.mark.shared


def of_each_patient(index):
    for patient in sorted({volume.patient for volume in index.volumes}):
        yield [volume for volume in index.volumes if volume.patient == patient]


def test_study_dates_of_a_later_import_do_not_move_an_exam(shared):
    index = scan([shared / "data" / "sts-sarcoma"])
    patients = list(of_each_patient(index))
    assert len(patients) == 5
    for records in patients:
        # Every MR was filed under the study of a CT that was acquired weeks later.
        assert len({record.study_date for record in records}) == 1
        points, findings = timepoints_from(records)
        assert [[record.role for record in point.series] for point in points] == [["t1"], ["ct"]]
        assert points[1].days >= 8
        assert points[1].date == records[0].study_date
        assert findings == ()


def test_the_folder_called_first_may_be_the_later_exam(shared):
    index = scan([shared / "data" / "longitudinal-mr-toshiba"])
    points, findings = timepoints_from(index.volumes)
    assert [(point.date, point.days) for point in points] == [("1959-12-09", 0), ("1960-04-13", 126)]
    assert all(record.role is None and "ADC" in record.role_reason for record in index.volumes)
    assert findings == ()


def test_single_slices_are_dated_and_refused(shared):
    index = scan([shared / "data" / "longitudinal-ct-slices"])
    assert [(v.verdict, v.code) for v in index.volumes] == [(Verdict.REFUSED, "NOT_A_VOLUME")] * 6
    assert [v.acquired[:10] for v in index.volumes] == ["1900-12-31"] * 3 + ["1901-01-08"] * 3


def test_of_a_study_with_scout_and_captures_one_series_has_a_role(shared):
    index = scan([shared / "data" / "ct-philips-study-with-scout"])
    assert [v.image_type[2] for v in index.volumes if v.role is not None] == ["AXIAL"]
