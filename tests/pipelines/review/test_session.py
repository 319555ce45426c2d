"""A sitting without a window: what is painted, said and saved, on the sample case."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from imaging.dicom.scan import scan
from imaging.errors import ConflictError, EmptyMask, InputError
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.segmentation import LesionId, Status
from pipelines.case.document import read_document
from pipelines.follow_up import accept_masks
from pipelines.review.behind import Place
from pipelines.review.recompute import recompute
from pipelines.review.session import Session
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder

pytestmark = pytest.mark.xdist_group("review")

L1_T0, L1_T2, L2_T2 = (Place(LesionId(lesion), exam) for lesion, exam in (("L1", "T0"), ("L1", "T2"), ("L2", "T2")))
L1_T1 = Place(LesionId("L1"), "T1")


def sitting(folder: Path, reader: str = "reader-1") -> Session:
    target = CaseFolder(folder)
    return Session(target, last_run(target), reader=reader)


def stroke(session: Session, place: Place, *, value: int | None = None) -> np.ndarray:
    """Paint a small block into a corner of the place's sheet, as the brush does; where it was painted."""
    view = session.view_of(place)
    assert view is not None
    sheet = session.sheet(view)
    where = np.zeros(sheet.labels.shape, bool)
    where[3:5, 4:8, 4:8] = True
    sheet.labels[where] = sheet.numbers[place.lesion] if value is None else value
    sheet.touched = True
    return where


def erase(session: Session, place: Place) -> None:
    view = session.view_of(place)
    assert view is not None
    sheet = session.sheet(view)
    sheet.labels[sheet.labels == sheet.numbers[place.lesion]] = 0
    sheet.touched = True


def row(session: Session, place: Place):
    return next(row for row in session.rows() if row.place == place)


def stored(folder: Path, place: Place) -> dict:
    document = read_document(CaseFolder(folder))
    (lesion,) = [lesion for lesion in document["lesions"] if lesion["id"] == place.lesion]
    (observation,) = [o for o in lesion["observations"] if o["primary"] and o["timepoint"] == place.timepoint]
    return observation


def reviews(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "review").glob("*.json"))


def test_every_lesion_has_a_row_on_every_exam(case_folder):
    rows = list(sitting(case_folder).rows())
    assert [(r.place.lesion, r.place.timepoint) for r in rows] == [
        (lesion, f"T{n}") for lesion in ("L1", "L2") for n in range(3)
    ]
    assert [r.status for r in rows[:2]] == [Status.PROPOSED, Status.NOT_ASSESSABLE]
    assert rows[0].volume_ml == stored(case_folder, L1_T0)["volume_ml"]["value"]
    assert rows[1].volume_ml is None


def test_an_accepted_outline_is_accepted_in_the_report_at_once(case_folder):
    session = sitting(case_folder)
    session.accept(L1_T0)
    assert row(session, L1_T0).unsaved
    assert session.save() == 1
    assert not session.behind
    assert session.unsaved == []
    assert stored(case_folder, L1_T0)["status"] == "accepted"
    assert stored(case_folder, L1_T0)["reader"] == "reader-1"
    assert reviews(case_folder) == ["L1-T0.r1.json"]
    assert "accepted" in (case_folder / "measurements.csv").read_text()


def test_painting_changes_the_volume_by_its_voxels_and_makes_a_verdict_void(case_folder):
    session = sitting(case_folder)
    before = row(session, L1_T0).volume_ml
    session.accept(L1_T0)
    where = stroke(session, L1_T0)
    after = row(session, L1_T0)
    voxel = session.sheet(session.view_of(L1_T0)).grid.voxel_volume_mm3
    assert after.volume_ml == pytest.approx(before + where.sum() * voxel / 1000)
    assert (after.status, after.edited, after.interval95_ml) == (Status.PROPOSED, True, None)


def test_an_edit_is_a_revision_and_the_figures_follow_it(case_folder):
    session = sitting(case_folder)
    where = stroke(session, L1_T0)
    session.accept(L1_T0)
    painted = row(session, L1_T0).volume_ml
    assert session.save() == 1
    assert session.behind
    assert [f["code"] for f in stored(case_folder, L1_T0)["findings"]] == ["REVIEW_PENDING"]
    assert stored(case_folder, L1_T0)["status"] == "proposed"  # of the figures from before
    assert row(session, L1_T0).status is Status.ACCEPTED
    recompute(session.target, session.run)
    now = stored(case_folder, L1_T0)
    assert (now["status"], now["reader"]) == ("accepted", "reader-1")
    assert now["volume_ml"]["value"] == pytest.approx(painted, rel=1e-9)
    assert "REVIEW_PENDING" not in [f["code"] for f in now["findings"]]
    (lesion,) = [lesion for lesion in session.document["lesions"] if lesion["id"] == "L1"]
    label = json.loads((case_folder / "segmentations" / "T0.json").read_text())["labels"][0]
    assert (label["name"], label["tracking_uid"]) == (lesion["name"], lesion["tracking_uid"])
    stroke(session, L2_T2)
    session.reload()
    assert row(session, L2_T2).edited, "what was painted while the figures were computed"
    mask = session.sheet(session.view_of(L1_T0)).mask(LesionId("L1"))
    assert mask[where].all()
    # and no later run replaces it
    recompute(session.target, session.run)
    assert stored(case_folder, L1_T0)["mask_sha256"] == now["mask_sha256"]
    assert reviews(case_folder) == ["L1-T0.r1.json"]


def test_a_sitting_after_a_killed_computation_begins_with_what_was_saved(case_folder):
    session = sitting(case_folder)
    where = stroke(session, L1_T0)
    session.accept(L1_T0)
    painted = row(session, L1_T0).volume_ml
    session.save()
    again = sitting(case_folder)
    assert again.behind
    assert again.unsaved == []
    assert (row(again, L1_T0).status, row(again, L1_T0).volume_ml) == (Status.ACCEPTED, painted)
    assert again.sheet(again.view_of(L1_T0)).mask(LesionId("L1"))[where].all()
    recompute(again.target, again.run)
    again.reload()
    assert not again.behind
    assert row(again, L1_T0).interval95_ml is not None


def test_a_figure_is_not_shown_beside_a_mask_that_it_was_not_measured_on(case_folder):
    path = case_folder / "segmentations" / "T0.nii.gz"  # as a run leaves it that is killed before it writes case.json
    (view,) = [view for view in sitting(case_folder).views if view.timepoint == "T0"]
    labels = sum(segment.mask * np.uint8(segment.label) for segment in read_nifti_masks(path))
    labels[3:5, 4:8, 4:8] = view.lesions[LesionId("L1")].label
    path.write_bytes(nifti_bytes(labels, view.record.grid))
    session = sitting(case_folder)
    seen = session.sheet(session.view_of(L1_T0)).volume_ml(LesionId("L1"))
    assert seen > stored(case_folder, L1_T0)["volume_ml"]["value"]
    assert (row(session, L1_T0).volume_ml, row(session, L1_T0).interval95_ml) == (seen, None)
    assert session.behind


def test_a_mask_from_before_an_edit_cannot_be_accepted_over_it(case_folder):
    session = sitting(case_folder)
    stroke(session, L1_T0)
    session.save()
    with pytest.raises(InputError) as caught:
        accept_masks(case_folder, lesion="L1", timepoint="T0", reader="reader-2")
    assert caught.value.code == "REVIEW_PENDING"
    accept_masks(case_folder, lesion=None, timepoint=None, reader="reader-2")
    assert "L1-T0.r2.json" not in reviews(case_folder)


def test_figures_followed_from_a_rejected_mask_say_that_they_are_behind(case_folder):
    session = sitting(case_folder)
    session.reject(L1_T0)
    session.save()
    for place, pending in ((L1_T0, False), (L1_T1, True), (L1_T2, True), (L2_T2, False)):
        assert ("REVIEW_PENDING" in [f["code"] for f in stored(case_folder, place)["findings"]]) == pending
    assert sitting(case_folder).behind
    session.accept(L1_T0)
    session.save()
    assert session.behind, "later exams are to be followed from it again"


def test_an_edit_without_a_verdict_is_kept_as_proposed(case_folder):
    session = sitting(case_folder)
    stroke(session, L1_T2)
    session.save()
    record = json.loads((case_folder / "review" / "L1-T2.r1.json").read_text())
    assert (record["status"], record["reader"]) == ("proposed", "reader-1")


def test_a_rejected_outline_stays_and_gives_no_figure_that_counts(case_folder):
    session = sitting(case_folder)
    session.reject(L1_T0)
    session.save()
    assert stored(case_folder, L1_T0)["status"] == "rejected"
    assert session.behind, "later exams were followed from it"
    assert (case_folder / "review" / "L1-T0.r1.nii.gz").is_file()


def test_a_word_said_twice_is_said(case_folder):
    session = sitting(case_folder)
    session.accept(L1_T0)
    session.accept(L1_T0)
    assert row(session, L1_T0).status is Status.ACCEPTED
    assert session.unsaved == [L1_T0]


def test_a_verdict_can_be_taken_back(case_folder):
    session = sitting(case_folder)
    session.reject(L1_T0)
    session.withdraw(L1_T0)
    assert session.unsaved == []
    assert session.save() == 0
    assert reviews(case_folder) == []


def test_a_place_without_an_outline_of_its_own_cannot_be_judged(case_folder):
    session = sitting(case_folder)
    for judge in (session.accept, session.reject):
        with pytest.raises(InputError, match="no outline"):
            judge(L1_T1)


def test_a_lesion_can_be_outlined_where_only_its_place_was_carried(case_folder):
    session = sitting(case_folder)
    stroke(session, L1_T1)
    session.accept(L1_T1)
    session.save()
    recompute(session.target, session.run)
    assert stored(case_folder, L1_T1)["status"] == "accepted"
    assert stored(case_folder, L1_T1)["volume_ml"]["value"] > 0


def test_an_outline_that_was_erased_is_not_saved_until_the_reader_says_what_it_means(case_folder):
    session = sitting(case_folder)
    erase(session, L1_T0)
    with pytest.raises(EmptyMask):
        session.save()
    assert reviews(case_folder) == []
    session.reject(L1_T0)
    assert session.save() == 1
    assert stored(case_folder, L1_T0)["status"] == "rejected"


def test_two_readers_at_once_are_told_of_each_other_and_nothing_is_lost(case_folder):
    first, second = sitting(case_folder, "reader-1"), sitting(case_folder, "reader-2")
    stroke(first, L1_T0)
    first.save()
    second.accept(L1_T0)
    with pytest.raises(ConflictError) as caught:
        second.save()
    assert caught.value.code == "REVIEWED_MEANWHILE"
    assert second.unsaved == [L1_T0]
    second.save()
    assert reviews(case_folder) == ["L1-T0.r1.json", "L1-T0.r2.json"]


def test_a_reader_is_told_of_a_word_that_came_before_a_save_elsewhere(case_folder):
    first, second = sitting(case_folder, "reader-1"), sitting(case_folder, "reader-2")
    stroke(second, L1_T2)
    second.save()
    first.accept(L1_T0)
    first.save()
    first.accept(L1_T2)
    with pytest.raises(ConflictError):
        first.save()
    assert reviews(case_folder) == ["L1-T0.r1.json", "L1-T2.r1.json"]


def test_a_run_does_not_write_over_a_word_that_came_while_it_ran(case_folder):
    session = sitting(case_folder)
    heard: list[str] = []

    def accept_now(step: str) -> None:
        if step == "reporting":
            accept_masks(case_folder, lesion="L1", timepoint="T0", reader="reader-2")
            heard.append(step)

    from pipelines.follow_up import follow_up

    with pytest.raises(ConflictError):
        follow_up(session.run.studies, case_folder.parent, say=accept_now)
    assert heard == ["reporting"]
    assert stored(case_folder, L1_T0)["status"] == "accepted"


def test_what_was_painted_and_not_saved_comes_back(case_folder):
    session = sitting(case_folder)
    where = stroke(session, L1_T0)
    session.keep_drafts()
    again = sitting(case_folder, "reader-2")
    assert again.restored == [L1_T0]
    assert again.sheet(again.view_of(L1_T0)).mask(LesionId("L1"))[where].all()
    again.save()
    assert list((case_folder / "drafts").iterdir()) == []
    assert sitting(case_folder).restored == []


def test_a_verdict_that_was_not_saved_comes_back(case_folder):
    session = sitting(case_folder)
    session.reject(L1_T0)
    session.keep_drafts()
    again = sitting(case_folder)
    assert again.restored == [L1_T0]
    assert row(again, L1_T0).status is Status.REJECTED
    assert not row(again, L1_T0).edited
    again.withdraw(L1_T0)
    again.keep_drafts()
    assert list((case_folder / "drafts").iterdir()) == []


def test_a_draft_of_an_erased_outline_is_a_draft(case_folder):
    session = sitting(case_folder)
    erase(session, L1_T0)
    session.keep_drafts()
    again = sitting(case_folder)
    assert not again.sheet(again.view_of(L1_T0)).mask(LesionId("L1")).any()


def outline_on_another_series(folder: Path) -> tuple[str, str]:
    """Give L2 a stored outline on a series of T0 on which nothing was outlined; the key of that view."""
    target = CaseFolder(folder)
    measured = stored(folder, L1_T0)["series_uid"]
    exam = next(row for row in read_document(target)["timepoints"] if row["id"] == "T0")
    uid = next(row["volume_id"] for row in exam["series"] if row["volume_id"] != measured)
    (record,) = [r for r in scan(last_run(target).studies).loadable if r.volume_id == uid]
    labels = np.zeros(record.grid.shape, np.uint8)
    labels[2, 2, 2] = 1
    sidecar = {"schema": "osteotrace.labels/1", "timepoint": "T0", "series_uid": uid}
    sidecar["labels"] = [{"label": 1, "kind": "lesion", "lesion": "L2", "name": ""}]
    target.write("segmentations/T0-2.nii.gz", nifti_bytes(labels, record.grid))
    target.write("segmentations/T0-2.json", json.dumps(sidecar).encode())
    return ("T0", uid)


def test_a_draft_on_another_series_than_the_measured_one_comes_back(case_folder):
    key = outline_on_another_series(case_folder)
    session = sitting(case_folder)
    (view,) = [view for view in session.views if view.key == key]
    sheet = session.sheet(view)
    sheet.labels[4, 4:8, 4:8], sheet.touched = sheet.numbers[L1_T0.lesion], True
    session.keep_drafts()
    again = sitting(case_folder)
    assert again.restored == [L1_T0]
    np.testing.assert_array_equal(again.sheet(again.view_of(L1_T0)).mask(L1_T0.lesion), sheet.mask(L1_T0.lesion))
    again.save()
    assert row(again, L1_T0).volume_ml == pytest.approx(sheet.volume_ml(L1_T0.lesion))


def test_a_sitting_leaves_the_draft_of_another_alone(case_folder):
    other = sitting(case_folder, "reader-2")
    assert other.digest(L1_T0), "it has looked at the mask"
    session = sitting(case_folder)
    stroke(session, L1_T0)
    session.keep_drafts()
    other.keep_drafts()
    assert sitting(case_folder).restored == [L1_T0]


def test_a_draft_of_a_lesion_that_the_case_has_no_more_stays_where_it_is(case_folder):
    session = sitting(case_folder)
    stroke(session, L1_T0)
    session.keep_drafts()
    record = case_folder / "drafts" / "L1-T0.json"
    record.write_text(record.read_text().replace('"L1"', '"L9"'))
    again = sitting(case_folder)
    assert again.restored == []
    again.keep_drafts()
    assert record.is_file()


def test_a_draft_goes_over_a_newer_word_only_after_its_reader_was_told(case_folder):
    session = sitting(case_folder)
    where = stroke(session, L1_T0)
    session.keep_drafts()
    accept_masks(case_folder, lesion="L1", timepoint="T0", reader="reader-2")
    again = sitting(case_folder)
    with pytest.raises(ConflictError):
        again.save()
    assert again.sheet(again.view_of(L1_T0)).mask(LesionId("L1"))[where].all()
    assert again.save() == 1


def test_undoing_everything_takes_the_draft_away(case_folder):
    session = sitting(case_folder)
    sheet = session.sheet(session.view_of(L1_T0))
    before = sheet.labels.copy()
    stroke(session, L1_T0)
    session.keep_drafts()
    sheet.labels[...] = before
    session.keep_drafts()
    assert list((case_folder / "drafts").iterdir()) == []


def test_a_study_that_holds_other_images_now_is_refused(case_folder, tmp_path, short_study):
    study = tmp_path / "study"
    shutil.copytree(short_study, study)
    file = next(path for path in sorted((study / "2003-01-06_MR" / "T1").rglob("*")) if path.is_file())
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    target = CaseFolder(case_folder)
    with pytest.raises(InputError) as caught:
        Session(target, last_run(target, studies=(study,)), reader="x")
    assert caught.value.code == "STUDY_CHANGED"


def test_a_study_that_lacks_an_exam_is_refused(case_folder, tmp_path, short_study):
    study = tmp_path / "study"
    shutil.copytree(short_study, study)
    shutil.rmtree(study / "2003-01-17_CT")
    target = CaseFolder(case_folder)
    with pytest.raises(InputError) as caught:
        Session(target, last_run(target, studies=(study,)), reader="x")
    assert caught.value.code == "STUDY_CHANGED"
