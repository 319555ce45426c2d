"""Which series of an exam there are to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imaging.segmentation import Segment, SegmentKind
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import series_for
from pipelines.review.views import outlined, read_views, shown_first
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder

pytestmark = pytest.mark.xdist_group("review")


@pytest.fixture
def views(case_folder: Path):
    target = CaseFolder(case_folder)
    return read_views(target, last_run(target))


def test_each_exam_is_seen_on_the_series_with_its_outlines(views):
    assert [(view.timepoint, view.record.role) for view in views] == [("T0", "t1"), ("T1", "ct"), ("T2", "t1")]


def test_an_exam_whose_ct_shows_material_can_still_be_outlined_on_its_mr(views):
    mr, ct = views[0].record, views[1].record
    exam = Timepoint(id="T0", date=None, days=None, series=(mr, ct))
    assert series_for(exam) is mr
    cement = Segment(
        mask=next(iter(views[1].materials.values())), grid=ct.grid, kind=SegmentKind.CEMENT, series_uid=ct.volume_id
    )
    assert [record.role for record, _ in outlined(exam, [cement])] == ["t1", "ct"]


def test_at_most_four_views_are_shown_first_measured_ones_foremost(views):
    many = [replace(view, timepoint=f"T{3 * n + k}") for n in range(2) for k, view in enumerate(views)]
    measured = [view.key for view in many if view.record.role == "t1"]
    assert [view.timepoint for view in shown_first(many, measured)] == ["T0", "T2", "T3", "T5"]
    assert [view.timepoint for view in shown_first(many, measured[:3])] == ["T0", "T2", "T3", "T5"]
    assert [view.timepoint for view in shown_first(many, [])] == ["T2", "T3", "T4", "T5"]
