"""Every lesion has a row on every exam, with a mask or with the reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imaging.finding import Finding, Severity
from imaging.segmentation import LesionId, Status
from imaging.segmentation.prompt import PointPrompt
from imaging.study import Verdict
from imaging.study.timepoint import Timepoint
from pipelines.case.masks import Traced, trace_lesions
from pipelines.case_file import LesionEntry, PlacedPrompt
from tests.imaging.dicom.test_rtstruct import record
from tests.pipelines.case.test_identity import HEAD, exam, ground_of

LOST = record(
    None,
    verdict=Verdict.REFUSED,
    code="MISSING_SLICES",
    findings=(Finding("MISSING_SLICES", Severity.ERROR, "two are missing"),),
)


def reasons(row: Traced) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in row.findings]


def without_images(timepoint: Timepoint) -> Timepoint:
    return replace(timepoint, series=(), lost=(LOST,))


def test_an_exam_that_was_refused_is_a_row_with_the_reason(tmp_path: Path) -> None:
    (first, drawn), (second, nothing) = exam(tmp_path, 1, {"a": HEAD}), exam(tmp_path, 2, {})
    rows = trace_lesions((), ground_of(tmp_path, [(first, drawn), (without_images(second), nothing)])).rows
    assert [(row.timepoint, row.status) for row in rows] == [("T1", Status.ACCEPTED), ("T2", Status.NOT_ASSESSABLE)]
    assert reasons(rows[1]) == [("EXAM_REFUSED", "no series of this exam could be used (MISSING_SLICES)")]


@pytest.mark.parametrize("series", [None, "1.2.3.4"])
def test_a_prompt_on_an_exam_that_was_refused_costs_that_row_alone(series: str | None, tmp_path: Path) -> None:
    (first, none), (second, drawn) = exam(tmp_path, 1, {}), exam(tmp_path, 2, {"a": HEAD})
    prompt = PlacedPrompt("T1", PointPrompt(point=(0.0, 0.0, 0.0)), series)
    entry = LesionEntry(id=LesionId("L1"), name="L1", side=None, kind="target", prompts=(prompt,))
    ground = ground_of(tmp_path, [(without_images(first), none), (second, drawn)])
    rows = trace_lesions((entry,), ground).rows
    assert [(row.lesion, row.timepoint, [code for code, _ in reasons(row)]) for row in rows] == [
        ("L1", "T1", ["EXAM_REFUSED"]),
        ("L1", "T2", ["NOT_OUTLINED_YET"]),
        ("L2", "T1", ["NOT_OUTLINED_YET"]),
        ("L2", "T2", []),
    ]
