"""Every lesion has a row on every exam, with a mask or with the reason why there is none, and no reader is unheard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Method
from imaging.segmentation import LesionId, Segment, Status
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import PointPrompt
from imaging.study import Verdict
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from pipelines.case.exams import Images, series_for
from pipelines.case.followed import as_unsure_as
from pipelines.case.masks import trace_lesions
from pipelines.case.prompted import choice_doubt, studies_meant
from pipelines.case.reviews import StoredReview, timepoints_of
from pipelines.case.traced import Traced
from pipelines.case_file import LesionEntry, LinkWord, PlacedPrompt
from tests.imaging.dicom.test_rtstruct import record
from tests.pipelines.case.test_identity import BOTH, GRID, HEAD, exam, ground_of, outlined, traced

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


@pytest.mark.parametrize(
    ("side", "status"), [("left", Status.PROPOSED), ("right", Status.ACCEPTED), (None, Status.ACCEPTED)]
)
def test_a_drawn_mask_on_the_other_side_than_written_is_not_accepted(
    side: str | None, status: Status, tmp_path: Path
) -> None:
    body = np.full(GRID.shape, -1000, np.int16)
    body[:, 5:35, 3:38] = 40  # its middle is the patient's; HEAD lies on the right
    images = Images(loaded={"1.2.3.1": Volume(samples=body, grid=GRID, modality=Modality.CT)})
    (row,) = outlined(traced(tmp_path / "a", {1: {"a": HEAD}}))
    assert row.segment is not None
    entry = LesionEntry(id=LesionId("L1"), name="L1", side=side, kind="target", prompts=())
    word = LinkWord(lesion=LesionId("L1"), timepoint="T1", reader="reader-1", mask_sha256=row.segment.sha256)
    (told,) = outlined(traced(tmp_path / "b", {1: {"a": HEAD}}, (entry,), words=[word], images=images))
    assert told.status is status
    assert told.segment is not None
    assert told.segment.status is status
    assert [code for code, _ in reasons(told)] == ["LATERALITY_CONFLICT"] * (status is Status.PROPOSED)


def review(lesion: str, timepoint: str, series: str = "1.2.3.1") -> StoredReview:
    return StoredReview(
        lesion=LesionId(lesion),
        timepoint=timepoint,
        series_uid=series,
        status=Status.ACCEPTED,
        reader="reader-1",
        mask_sha256="0" * 64,
    )


@pytest.mark.parametrize("lost", [review("left", "T1"), review("L1", "T7")])
def test_a_readers_word_on_what_is_not_here_is_told(lost: StoredReview, tmp_path: Path) -> None:
    told = traced(tmp_path, BOTH, reviews=[lost]).findings
    assert [(finding.code, finding.where) for finding in told] == [("REVIEW_UNUSED", f"{lost.lesion} {lost.timepoint}")]


def test_an_exam_that_a_reader_judged_keeps_its_name_wherever_it_was() -> None:
    judged = [review("L1", "T1", "1.2#2"), review("L2", "T1", "1.2"), review("L1", "T3", "1.4"), review("L1", "T5", "")]
    assert timepoints_of(judged) == {"1.2": "T1", "1.4": "T3"}


def two_studies_of_one_day() -> Timepoint:
    series = tuple(
        record(
            GRID,
            series_uid=f"1.{study}",
            volume_id=f"1.{study}",
            study_uid=f"2.{study}",
            frame_of_reference_uid=f"3.{study}",
            role="t1",
        )
        for study in (1, 2)
    )
    return Timepoint("T0", "2003-01-06", 0, series)


def placed(timepoint: str) -> list[PlacedPrompt]:
    return [PlacedPrompt(timepoint, PointPrompt(point=(0.0, 0.0, 0.0)))]


@pytest.mark.parametrize("study", ["2.1", "2.2"])
def test_a_prompt_that_names_a_study_is_put_on_a_series_of_it(study: str) -> None:
    meant = studies_meant(placed(study), two_studies_of_one_day())
    chosen = series_for(meant)
    assert chosen is not None
    assert chosen.study_uid == study
    assert choice_doubt(chosen, meant) == ()


@pytest.mark.parametrize("name", ["T0", "2003-01-06"])
def test_where_two_studies_of_a_day_could_be_meant_the_choice_is_told(name: str) -> None:
    meant = studies_meant(placed(name), two_studies_of_one_day())
    chosen = series_for(meant)
    assert chosen is not None
    assert [finding.code for finding in choice_doubt(chosen, meant)] == ["SERIES_NOT_NAMED"]


@pytest.mark.parametrize("known", [True, False])
def test_a_review_of_another_lesion_that_had_the_id_once_is_not_used(known: bool, tmp_path: Path) -> None:
    before = traced(tmp_path / "a", {1: {"a": HEAD}})
    (lesion,), (row,) = before.lesions, outlined(before)
    assert row.segment is not None
    edited = np.zeros(GRID.shape, dtype=bool)
    edited[4:6, 20:24, 20:24] = True
    mine = Segment(mask=edited, grid=GRID, lesion=lesion.id, status=Status.ACCEPTED, series_uid="1.2.3.1")
    said = replace(review("L1", "T1"), segment=mine, mask_sha256=mine.sha256)
    said = replace(said, tracking_uid=lesion.tracking_uid if known else "2.25.7")
    (primary,) = [r for r in traced(tmp_path / "b", {1: {"a": HEAD}}, reviews=[said]).rows if r.primary]
    assert primary.segment is not None
    assert primary.segment.sha256 == (mine.sha256 if known else row.segment.sha256)
    assert [code for code, _ in reasons(primary)] == ["RECOMPUTATION_DIFFERS" if known else "REVIEW_UNUSED"]


def test_what_follows_an_outline_is_as_unsure_as_that_one_until_somebody_accepts_it(tmp_path: Path) -> None:
    timepoint, _ = exam(tmp_path, 1, {"a": HEAD})
    mask = np.ones(GRID.shape, bool)
    proposal = LesionProposal(
        mask=mask,
        grid=GRID,
        probability=mask.astype(np.float32),
        probability_grid=GRID,
        backend="any",
        volume_ml=1.0,
        confidence=None,
        volume_low_ml=1.0,
        volume_high_ml=1.0,
        volume_wcv=0.3,
    )
    before = Traced(
        lesion=LesionId("L1"),
        timepoint="T0",
        record=timepoint.series[0],
        segment=None,
        status=Status.PROPOSED,
        method=Method.SEGMENTED,
        engine_wcv=0.4,
    )
    assert as_unsure_as(before, proposal).volume_wcv == pytest.approx(0.5)
    assert as_unsure_as(replace(before, status=Status.ACCEPTED), proposal).volume_wcv == 0.3
    assert as_unsure_as(replace(before, engine_wcv=None), proposal).volume_wcv == 0.3
