"""What is told of many cases: which exams count, and in what order the bars stand."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batch.batch_document import Row
from pipelines.batch.cohort import write_cohort
from pipelines.batch.course import course_of, courses_of
from pipelines.batch.outcome import End, Outcome, failed
from pipelines.batch.waterfall import waterfall_svg

EXAMS = ("T0", "T1", "T2")
HOSTILE = "</td><script>alert(1)</script>"


def quantity(value: float, spread: float = 1.0, unit: str = "mL") -> dict[str, Any]:
    return {"value": value, "unit": unit, "method": "sum", "interval95": [value - spread, value + spread]}


def lesion(*volumes: float | None, statuses: str = "aaa", name: str = "left") -> dict[str, Any]:
    """A lesion with one volume an exam, the changes against the first, and a status an exam by its first letter."""
    words = {"a": "accepted", "p": "proposed", "r": "rejected"}
    observations = [
        {
            "timepoint": exam, "series_uid": "1.2", "primary": True, "status": words[status], "method": "segmented",
            "findings": [], "volume_ml": None if volume is None else quantity(volume),
            **dict.fromkeys(("material_ml", "net_volume_ml", "long_axis_mm", "short_axis_mm")),
        }
        for exam, volume, status in zip(EXAMS, volumes, statuses, strict=False)
    ]  # fmt: skip
    changes = [
        {
            "timepoint": exam, "reference": "baseline", "reference_timepoint": "T0", "exceeds_error": None,
            "volume_percent": quantity(100 * (volume / volumes[0] - 1), 10.0, "%"),
            "net_volume_percent": None, "long_axis_percent": None,
        }
        for exam, volume in list(zip(EXAMS, volumes, strict=False))[1:]
        if volume is not None and volumes[0]
    ]  # fmt: skip
    return {"id": "L1", "name": name, "observations": observations, "changes": changes}


def document(*lesions: dict[str, Any], case: str = "C1") -> dict[str, Any]:
    exams = [{"id": exam, "date": "2003-01-10", "days": n, "series": []} for n, exam in enumerate(EXAMS)]
    return {
        "schema": "osteotrace.case/1", "case_id": case, "timepoints": exams, "lesions": list(lesions), "materials": [],
    }  # fmt: skip


def test_baseline_nadir_last_and_best_are_those_of_the_exams_that_compare() -> None:
    course = course_of(document(), lesion(50.0, 20.0, 30.0))
    assert [o and o["timepoint"] for o in (course.baseline, course.nadir, course.last)] == ["T0", "T1", "T2"]
    assert (course.best and course.best["value"], course.latest and course.latest["value"]) == (-60.0, -40.0)
    assert not course.provisional


def test_growth_alone_has_its_nadir_at_baseline_and_its_least_growth_as_best() -> None:
    course = course_of(document(), lesion(10.0, 12.0, 20.0))
    assert course.nadir is course.baseline
    assert course.best and course.best["value"] == pytest.approx(20.0)


@pytest.mark.parametrize(("statuses", "provisional"), [("aaa", False), ("pap", True), ("apa", True), ("aap", False)])
def test_a_best_change_is_provisional_where_one_of_its_two_contours_is(statuses: str, provisional: bool) -> None:
    assert course_of(document(), lesion(50.0, 20.0, 30.0, statuses=statuses)).provisional == provisional


def test_what_a_reader_rejected_counts_for_nothing() -> None:
    course = course_of(document(), lesion(50.0, 20.0, 30.0, statuses="ara"))
    assert course.best and course.best["value"] == pytest.approx(-40.0)
    assert course_of(document(), lesion(50.0, 20.0, 30.0, statuses="raa")).best is None


def test_a_lesion_without_a_figure_has_no_bar_and_no_zero() -> None:
    course = course_of(document(), lesion(None, None))
    assert (course.baseline, course.nadir, course.last, course.best) == (None, None, None, None)
    assert "<rect" not in waterfall_svg([course])


@given(st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=50))
def test_bars_stand_from_growth_to_shrinkage_and_none_is_lost(volumes: list[float]) -> None:
    courses = [c for n, v in enumerate(volumes) for c in courses_of(document(lesion(100.0, v), case=f"C{n}"))]
    svg = waterfall_svg(courses)
    assert svg.count("<rect") == len(volumes)
    assert waterfall_svg(list(reversed(courses))) == svg
    if len(volumes) <= 40:
        named = [int(number) for number in re.findall(r">L1 C(\d+)<", svg)]
        assert [volumes[number] for number in named] == sorted(volumes, reverse=True)


def rows(*cases: str) -> list[Row]:
    return [Row(case=case, folders=(case,), outcome=Outcome(end=End.DONE, findings=0)) for case in cases]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for case in ("C1", "C2", "C3"):
        (tmp_path / case).mkdir()
        content = document(lesion(50.0, 20.0, name=HOSTILE), case=case)
        (tmp_path / case / "case.json").write_text(json.dumps(content))
    return tmp_path


def contents(workspace: Path) -> list[bytes]:
    return [(workspace / f"cohort.{kind}").read_bytes() for kind in ("csv", "parquet", "html")]


def test_parquet_holds_the_rows_of_the_csv_with_types(workspace: Path) -> None:
    write_cohort(workspace, rows("C1", "C2"))
    lines = list(csv.DictReader(io.StringIO((workspace / "cohort.csv").read_text())))
    table = pq.read_table(workspace / "cohort.parquet").to_pylist()
    assert len(lines) == len(table) == 2 * (2 * 5 + 3)
    for line, row in zip(lines, table, strict=True):
        assert {key: "" if value is None else value for key, value in row.items()} == {
            key: "" if text == "" else float(text) if key in ("days", "value", "low95", "high95") else
            text == "yes" if key == "primary" else text
            for key, text in line.items()
        }  # fmt: skip


def test_the_order_in_which_cases_were_done_changes_no_byte(workspace: Path) -> None:
    write_cohort(workspace, rows("C1", "C2", "C3"))
    forward = contents(workspace)
    write_cohort(workspace, rows("C3", "C1", "C2"))
    assert contents(workspace) == forward


def test_an_old_result_of_a_case_that_failed_today_is_no_result(workspace: Path) -> None:
    lost = Row(case="C2", folders=("C2",), outcome=failed("TIMEOUT", "5 s were not enough"))
    write_cohort(workspace, [*rows("C1"), lost])
    table = pq.read_table(workspace / "cohort.parquet")
    assert set(table.column("case").to_pylist()) == {"C1"}
    page = (workspace / "cohort.html").read_text()
    assert "TIMEOUT" in page and "C2" in page


def test_what_people_wrote_is_text_on_the_page(workspace: Path) -> None:
    write_cohort(workspace, rows("C1"))
    page = (workspace / "cohort.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_batch_without_a_done_case_has_an_empty_table(tmp_path: Path) -> None:
    write_cohort(tmp_path, [])
    assert pq.read_table(tmp_path / "cohort.parquet").num_rows == 0
    assert (tmp_path / "cohort.csv").read_text().count("\n") == 1
