"""Lesions in imported contours keep their names through re-runs, other labels, added exams and readers' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.dicom.rtstruct import read_rtstruct
from imaging.geometry import Grid
from imaging.lesions.lesion import IdentityStatus
from imaging.lesions.match import Basis, EventKind
from imaging.segmentation import LesionId, Segment
from imaging.segmentation.backend import Agreement
from imaging.study import SeriesRecord
from imaging.study.series import Annotation, PatientId, SeriesUid
from imaging.study.timepoint import Timepoint
from pipelines.case.anatomy import Anatomy, Drawn, Outlines
from pipelines.case.document import identity_from_record, identity_record
from pipelines.case.exams import Exams, Images
from pipelines.case.identity import Remembered, shared_outlines
from pipelines.case.links import Links
from pipelines.case.masks import trace_lesions
from pipelines.case.traced import Ground, Traced, Tracing
from pipelines.case_file import LesionEntry, LinkWord
from pipelines.structures import StructureEntry, StructureKind
from tests.imaging.dicom.test_rtstruct import FRAME, contour, record, rtstruct

GRID = Grid.from_spacing((12, 40, 40), (5.0, 2.0, 2.0), origin_mm=(-40.0, -40.0, 0.0))
# first slice, row and column of a square of 8 pixels through four slices
HEAD, FOOT, THIRD = (7, 4, 4), (1, 26, 26), (2, 4, 28)
Rois = Mapping[str, tuple[int, int, int]]


def exam(folder: Path, number: int, rois: Rois) -> tuple[Timepoint, Annotation]:
    """An exam in the frame of reference of all, with the contours that somebody drew on it."""
    home = folder / f"exam {number}"
    home.mkdir(parents=True)
    series = f"1.2.3.{number}"
    drawn = {
        name: [contour(GRID, first + k, square(row, column)) for k in range(4)]
        for name, (first, row, column) in rois.items()
    }
    path = rtstruct(home, drawn, series=series)
    here = record(
        GRID,
        series_uid=SeriesUid(series),
        volume_id=series,
        study_uid=f"1.2.{number}",
        role="ct",
        acquired=f"2003-0{number}-01T10:00",
    )
    annotation = Annotation(
        path=path,
        modality="RTSTRUCT",
        patient=PatientId("P"),
        study_uid=f"1.2.{number}",
        series_uid=SeriesUid(f"{series}.9"),
        referenced_series_uid=SeriesUid(series),
        frame_of_reference_uid=FRAME,
    )
    return Timepoint(f"T{number}", f"2003-0{number}-01", 31 * number, (here,)), annotation


def square(row: int, column: int) -> list[list[float]]:
    low, left, high, right = row - 0.5, column - 0.5, row + 7.5, column + 7.5
    return [[low, left], [low, right], [high, right], [high, left]]


def traced(
    folder: Path,
    exams: Mapping[int, Rois],
    known: tuple[LesionEntry, ...] = (),
    *,
    frames: Callable[[int], str] = lambda _: FRAME,
    **changes: Any,
) -> Tracing:
    made = [
        (replace(point, series=tuple(replace(r, frame_of_reference_uid=frames(number)) for r in point.series)), drawn)
        for number, rois in sorted(exams.items())
        for point, drawn in [exam(folder, number, rois)]
    ]
    return trace_lesions(known, ground_of(folder, made, **changes))


def ground_of(folder: Path, made: Sequence[tuple[Timepoint, Annotation]], **changes: Any) -> Ground:
    return Ground(
        case_id="case",
        case_folder=folder,
        exams=Exams(timepoints=tuple(t for t, _ in made), annotations=tuple(a for _, a in made), findings=()),
        **{
            "images": Images(),
            "links": Links(()),
            "material": (),
            "procedures": (),
            "reviews": (),
            "segmenter": Agreement(),
            "identified": False,
            **changes,
        },
    )


def test_a_contour_that_the_case_file_calls_a_structure_is_no_lesion(tmp_path: Path) -> None:
    exams = {1: {"GTV 1": HEAD, "canal": FOOT}}
    both = outlined(traced(tmp_path / "first", exams))
    assert len(both) == 2
    canal = next(row for row in both if row.segment and row.segment.name == "canal")
    assert canal.segment is not None and canal.record is not None
    entry = StructureEntry(kind=StructureKind.CANAL, name="canal", timepoint="T1", mask="rt.dcm#canal", reader="reader")
    drawn = Drawn(entry=entry, timepoint="T1", record=canal.record, segment=canal.segment)
    (left,) = outlined(traced(tmp_path / "again", exams, anatomy=Anatomy(Outlines((drawn,)))))
    assert left.segment is not None and left.segment.name == "GTV 1"


def outlined(tracing: Tracing) -> list[Traced]:
    return [row for row in tracing.rows if row.segment is not None]


def uids(tracing: Tracing) -> dict[str, str]:
    """Tracking UID by the mask that was drawn."""
    own = {lesion.id: lesion.tracking_uid for lesion in tracing.lesions}
    return {row.segment.sha256: own[row.lesion] for row in outlined(tracing) if row.segment}


def memory(tracing: Tracing) -> dict[str, Remembered]:
    own = {lesion.id: lesion.tracking_uid for lesion in tracing.lesions}
    return {
        row.segment.sha256: Remembered(row.lesion, own[row.lesion], row.identity.basis)
        for row in outlined(tracing)
        if row.segment and row.identity
    }


BOTH = {1: {"GTV 1": HEAD, "GTV 2": FOOT}, 2: {"GTV 1": HEAD, "GTV 2": FOOT}}
RELABELLED = {1: {"GTV a": FOOT, "GTV b": HEAD}, 2: {"GTV 1": FOOT, "GTV 0": HEAD}}


def test_labels_and_their_order_change_no_lesion(tmp_path: Path) -> None:
    first, other = traced(tmp_path / "a", BOTH), traced(tmp_path / "b", RELABELLED)
    assert uids(first) == uids(other)
    assert len(set(uids(first).values())) == 2
    assert [lesion.id for lesion in first.lesions] == [lesion.id for lesion in other.lesions] == ["L1", "L2"]
    assert {row.segment.tracking_uid for row in outlined(first) if row.segment} == set(uids(first).values())


def test_an_exam_added_later_changes_no_lesion(tmp_path: Path) -> None:
    first = uids(traced(tmp_path / "a", {1: BOTH[1]}))
    assert first.items() <= uids(traced(tmp_path / "b", BOTH)).items()


def test_an_exam_added_before_the_others_takes_the_names_that_they_had(tmp_path: Path) -> None:
    first = traced(tmp_path / "a", {2: {"x": FOOT, "y": HEAD}, 3: {"x": FOOT}})
    again = traced(
        tmp_path / "b",
        {1: {"z": THIRD, "x": FOOT, "y": HEAD}, 2: {"x": FOOT, "y": HEAD}, 3: {"x": FOOT}},
        remembered=memory(first),
    )
    assert uids(first).items() <= uids(again).items()
    assert {lesion.id for lesion in again.lesions} == {"L1", "L2", "L3"}
    ids = {row.segment.sha256: row.lesion for row in outlined(again) if row.segment}
    assert all(ids[digest] == known.lesion for digest, known in memory(first).items())


@pytest.mark.parametrize("exams", [BOTH, {1: {}, 2: {"a": HEAD}, 3: {"b": FOOT, "a": HEAD}}])
def test_a_second_run_in_the_same_workspace_says_the_same(exams: Mapping[int, Rois], tmp_path: Path) -> None:
    first = traced(tmp_path / "a", exams)
    again = traced(tmp_path / "b", exams, remembered=memory(first))
    assert again.lesions == first.lesions
    assert (again.events, again.findings) == (first.events, first.findings)
    for one, two in zip(first.rows, again.rows, strict=True):
        assert (one.lesion, one.timepoint, one.status, one.identity) == (
            two.lesion,
            two.timepoint,
            two.status,
            two.identity,
        )
        assert [finding.code for finding in one.findings] == [finding.code for finding in two.findings]


def test_what_came_and_went_is_told_as_proposed(tmp_path: Path) -> None:
    tracing = traced(tmp_path, {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD, "c": THIRD}})
    told = {(event.kind, event.timepoint, event.before, event.now) for event in tracing.events}
    assert told == {(EventKind.GONE, "T2", ("L2",), ()), (EventKind.NEW, "T2", (), ("L3",))}
    assert {lesion.kind for lesion in tracing.lesions if lesion.id == "L3"} == {"new"}
    assert {f.code for f in tracing.findings} == {"LESION_GONE", "LESION_NEW"}
    assert all("a reader's to confirm" in finding.message for finding in tracing.findings)


def test_every_mask_says_why_it_is_its_lesions_and_a_reader_may_confirm_or_correct(tmp_path: Path) -> None:
    entries = tuple(
        LesionEntry(id=LesionId(name), name=name, side=None, kind="target", prompts=()) for name in ("L1", "L2")
    )
    proposed = traced(tmp_path / "a", BOTH)
    (digest,) = [
        row.segment.sha256 for row in outlined(proposed) if row.segment and (row.lesion, row.timepoint) == ("L1", "T2")
    ]
    assert {row.identity.status for row in outlined(proposed) if row.identity} == {IdentityStatus.PROPOSED}
    second = next(row.identity for row in outlined(proposed) if (row.lesion, row.timepoint) == ("L1", "T2"))
    assert second is not None
    assert (second.basis, second.since, second.cost, second.dice) == (Basis.OVERLAP, "T1", 0.0, 1.0)

    def word(lesion: str) -> LinkWord:
        return LinkWord(lesion=LesionId(lesion), timepoint="T2", reader="reader-1", mask_sha256=digest)

    for lesion, status in (("L1", IdentityStatus.CONFIRMED), ("L2", IdentityStatus.CORRECTED)):
        tracing = traced(
            tmp_path / lesion,
            {1: BOTH[1], 2: {"x": HEAD}},
            entries,
            words=[word(lesion)],
            remembered=memory(proposed),
        )
        (row,) = [row for row in outlined(tracing) if row.timepoint == "T2"]
        assert row.identity is not None
        assert (row.lesion, row.identity.basis, row.identity.status) == (lesion, Basis.READER, status)
        assert [(w.lesion, w.by) for w in row.identity.history] == [("L1", "osteotrace"), (lesion, "reader-1")]


def test_a_word_on_a_mask_that_is_not_here_is_told(tmp_path: Path) -> None:
    word = LinkWord(lesion=LesionId("L1"), timepoint="T2", reader="reader-1", mask_sha256="0" * 64)
    assert {finding.code for finding in traced(tmp_path, BOTH, words=[word]).findings} == {"LINK_OUTDATED"}


def test_an_identity_comes_back_from_its_record(tmp_path: Path) -> None:
    for row in outlined(traced(tmp_path, BOTH)):
        assert row.identity is not None
        assert identity_from_record(identity_record(row.identity)) == row.identity
    assert identity_from_record(None) is None


@pytest.mark.parametrize(("shift", "met"), [(0, True), (3, True), (6, False)])
def test_outlines_that_share_half_of_the_smaller_have_met(shift: int, met: bool) -> None:
    masks: dict[LesionId, tuple[SeriesRecord, Segment]] = {}
    for name, column in (("L1", 4), ("L2", 4 + shift)):
        mask = np.zeros(GRID.shape, dtype=bool)
        mask[2:6, 4:12, column : column + 8] = True
        masks[LesionId(name)] = record(GRID), Segment(mask=mask, grid=GRID)
    assert shared_outlines(masks) == ((("L1", "L2"),) if met else ())


def test_the_contours_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    timepoint, annotation = exam(tmp_path, 1, {"GTV": HEAD})
    (segment,) = read_rtstruct(annotation.path, timepoint.series[0])
    assert int(segment.mask.sum()) == 4 * 8 * 8
