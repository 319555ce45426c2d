"""Whose a mask is, said in a sitting: shown, saved as the command saves it, taken back, and followed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imaging.errors import ConflictError, InputError
from imaging.segmentation import LesionId, Status
from pipelines.follow_up import accept_masks, link_mask
from pipelines.review.behind import Place
from pipelines.review.recompute import recompute
from pipelines.review.session import Row, Session
from pipelines.review.whose import Link, link_text
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder
from tests.journeys.test_link import CENTRES, DAYS, lesion_table, write_exam
from tests.pipelines.review.conftest import Screen, copied, run_case, until
from tests.pipelines.review.test_window import Reading

pytestmark = pytest.mark.xdist_group("review")

L1, L2, L3 = (LesionId(name) for name in ("L1", "L2", "L3"))
PICTURES = (slice(100, 850), slice(0, 850))  # the three panes on the screen
L1_T1, L2_T1, L3_T1 = (Place(lesion, "T1") for lesion in (L1, L2, L3))


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study of three exams, two lesions from boxes and one from contours; and its case folder."""
    study = tmp_path_factory.mktemp("study") / "balls"
    for number, day in enumerate(DAYS):
        write_exam(study, number, day)
    (study / "case.toml").write_text("\n".join(['[case]\nid = "balls"', *map(lesion_table, CENTRES)]))
    return study, run_case(study, tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def folder(balls: tuple[Path, Path], tmp_path: Path) -> Path:
    study, result = balls
    return copied(result, study, tmp_path)


def sitting(folder: Path, reader: str = "reader-1") -> Session:
    target = CaseFolder(folder)
    return Session(target, last_run(target), reader=reader)


def row(session: Session, place: Place) -> Row:
    return next(row for row in session.rows() if row.place == place)


def shown(session: Session, place: Place) -> str:
    told = row(session, place)
    return link_text(told.identity, place.lesion, told.link)


def words(folder: Path) -> list[tuple[str, str, str]]:
    found = (json.loads(path.read_text()) for path in sorted((folder / "review").glob("link-*.json")))
    return [(word["taken_for"], word["timepoint"], word["lesion"]) for word in found]


def stroke(session: Session, place: Place) -> None:
    view = session.view_of(place)
    assert view is not None
    sheet = session.sheet(view)
    sheet.labels[1, 2:6, 2:6] = sheet.numbers[place.lesion]
    sheet.touched = True


def test_every_mask_says_how_far_it_is_settled_whose_it_is(folder: Path) -> None:
    session = sitting(folder)
    assert {shown(session, told.place) for told in session.rows()} == {"○ proposed"}
    assert session.whose(L1_T1) == L1


def test_a_confirmation_is_saved_as_the_command_saves_it(
    folder: Path, balls: tuple[Path, Path], tmp_path: Path
) -> None:
    session = sitting(folder)
    session.say_whose(L1_T1, L1)
    assert (shown(session, L1_T1), session.unsaved) == ("● confirmed *", [L1_T1])
    assert session.save() == 1
    assert (shown(session, L1_T1), session.unsaved, session.behind) == ("● confirmed", [], False)
    (tmp_path / "other").mkdir()
    other = copied(balls[1], balls[0], tmp_path / "other")
    link_mask(other, lesion="L1", timepoint="T1", is_lesion="L1", reader="reader-1")
    for name in ("case.json", "review/link-1.json", "measurements.csv"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()
    assert sorted(path.name for path in (folder / "review").iterdir()) == ["link-1.json"]


def test_what_was_said_twice_or_taken_back_is_not_saved(folder: Path) -> None:
    session = sitting(folder)
    session.say_whose(L1_T1, L2)
    session.withdraw(L1_T1)
    assert session.save() == 0
    session.say_whose(L1_T1, L1)
    session.save()
    session.say_whose(L1_T1, L2)
    session.say_whose(L1_T1, L1)
    assert session.unsaved == []
    assert words(folder) == [("L1", "T1", "L1")]


def test_a_stroke_after_the_word_makes_it_void(folder: Path) -> None:
    session = sitting(folder)
    session.say_whose(L1_T1, L2)
    stroke(session, L1_T1)
    assert row(session, L1_T1).link is None
    session.save()
    assert words(folder) == []


def test_a_place_without_an_outline_cannot_be_given_to_a_lesion(folder: Path) -> None:
    session = sitting(folder)
    session.say_whose(L1_T1, L2)
    session.save()
    recompute(session.target, session.run)
    session.reload()
    with pytest.raises(InputError) as caught:
        session.say_whose(L1_T1, L1)
    assert caught.value.code == "NOTHING_TO_LINK"


def test_what_was_said_and_not_saved_comes_back(folder: Path) -> None:
    session = sitting(folder)
    session.say_whose(L1_T1, L2)
    session.say_whose(L3_T1, None)
    session.keep_drafts()
    again = sitting(folder)
    assert again.restored == [L1_T1, L3_T1]
    assert (row(again, L1_T1).link, row(again, L3_T1).link) == (Link(L2), Link(None))
    assert not row(again, L1_T1).judged
    again.withdraw(L1_T1)
    again.withdraw(L3_T1)
    again.keep_drafts()
    assert list((folder / "drafts").iterdir()) == []


def test_masks_given_to_another_and_to_a_new_lesion_are_there_when_the_figures_have_followed(folder: Path) -> None:
    session = sitting(folder)
    view = session.view_of(L1_T1)
    assert view is not None
    mask, numbers = session.sheet(view).mask(L1), dict(session.numbers)
    session.accept(L1_T1)
    session.say_whose(L1_T1, L2)
    session.say_whose(L3_T1, None)
    assert (shown(session, L1_T1), shown(session, L3_T1)) == ("→ L2 *", "→ a new lesion *")
    assert session.save() == 2
    assert words(folder) == [("L1", "T1", "L2"), ("L3", "T1", "L4")]
    assert (session.behind, session.unsaved) == (True, [])

    again = sitting(folder)  # as after a kill before the figures followed
    assert again.behind
    assert (shown(again, L1_T1), shown(again, L3_T1)) == ("→ L2", "→ L4")

    recompute(session.target, session.run)
    session.reload()
    assert not session.behind
    assert session.numbers == {**numbers, LesionId("L4"): 4}
    assert row(session, L1_T1).volume_ml is None
    assert (row(session, L2_T1).status, shown(session, L2_T1)) == (Status.ACCEPTED, "● corrected")
    assert shown(session, Place(LesionId("L4"), "T1")) == "● corrected"
    np.testing.assert_array_equal(session.sheet(view).mask(L2), mask)
    assert not sitting(folder).behind


def test_an_outline_that_was_mended_and_named_in_one_sitting_is_kept_under_its_lesion(folder: Path) -> None:
    session = sitting(folder)
    stroke(session, L1_T1)
    session.accept(L1_T1)
    session.say_whose(L1_T1, L2)
    view = session.view_of(L1_T1)
    assert view is not None
    mask = session.sheet(view).mask(L1)
    session.save()
    recompute(session.target, session.run)
    session.reload()
    assert not session.behind
    np.testing.assert_array_equal(session.sheet(view).mask(L2), mask)
    assert (row(session, L2_T1).status, row(session, L1_T1).volume_ml) == (Status.ACCEPTED, None)


def test_two_readers_at_once_are_told_of_each_other_and_both_words_are_kept(folder: Path) -> None:
    first, second = sitting(folder, "reader-1"), sitting(folder, "reader-2")
    first.say_whose(L1_T1, L1)
    first.save()
    second.say_whose(L1_T1, L2)
    with pytest.raises(ConflictError) as caught:
        second.save()
    assert caught.value.code == "REVIEWED_MEANWHILE"
    assert second.save() == 1
    assert words(folder) == [("L1", "T1", "L1"), ("L1", "T1", "L2")]


def test_a_mask_from_before_an_edit_cannot_be_named_over_it(folder: Path) -> None:
    session = sitting(folder)
    stroke(session, L1_T1)
    session.save()
    with pytest.raises(ConflictError) as caught:
        link_mask(folder, lesion="L1", timepoint="T1", is_lesion="L2", reader="reader-2")
    assert caught.value.code == "REVIEW_PENDING"
    assert words(folder) == []


def test_accepting_says_whose_it_is_too(folder: Path) -> None:
    accept_masks(folder, lesion="L1", timepoint="T1", reader="reader-1")
    assert shown(sitting(folder), L1_T1) == "● confirmed"


CHOOSE = """
import sys
from pathlib import Path
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from pipelines.review.panel import COLUMNS, Panel
from pipelines.review.session import Session
from pipelines.review.stage import Stage
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder

application = QApplication([])
target = CaseFolder(Path(sys.argv[1]))
panel = Panel(Stage(ViewerModel(), Session(target, last_run(target), reader="reader-1")))
chooser = panel.chooser
told = [[chooser.list.itemText(n) for n in range(chooser.list.count())]]
told += [chooser.label.text(), chooser.list.currentText()]
chooser.list.activated.emit(1)
chooser.list.setCurrentIndex(1)
told += [panel.table.item(0, COLUMNS.index("Link")).text(), panel.message.text(), panel.remarks.text().split("\\n")[0]]
panel.next_exam()
told += [chooser.label.text(), chooser.list.currentText()]
panel.confirm_link()
told += [panel.table.item(1, COLUMNS.index("Link")).text()]
panel.withdraw()
told += [panel.table.item(1, COLUMNS.index("Link")).text(), panel.unsaved]
sys.stdout.write(repr(told))
"""


def test_the_list_of_lesions_says_and_changes_whose_the_current_mask_is(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHOOSE, folder],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == repr([
        ["L1", "L2", "L3", "a new lesion"], "The mask of L1 at T0 is", "L1",
        "→ L2 *", "L1 at T0: shows L2; S saves it",
        "link proposed: the lesion was first outlined by it; said: osteotrace L1",
        "The mask of L1 at T1 is", "L1", "● confirmed *", "○ proposed", 1,
    ]), done.stderr  # fmt: skip


def test_keys_and_the_list_in_the_window_say_whose_masks_are_and_the_figures_follow(
    screen: Screen, folder: Path
) -> None:
    before = json.loads((folder / "case.json").read_text())
    reading = Reading(screen, folder, PICTURES)
    try:
        reading.press("i", "L1 T0 · 1 unsaved")
        reading.press("u", "· saved")
        reading.press("i", "L1 T0 · 1 unsaved")
        reading.press("t", "L1 T1 · 1 unsaved")
        screen.keys("shift+i")
        time.sleep(1.0)  # the list unfolds
        screen.keys("Down", "Return")
        until(lambda: "L1 T1 · 2 unsaved" in reading.title, "the choice of the second lesion")
        reading.press("s", "· saved")
        until(lambda: reading.title.endswith("· saved"), "the figures that follow", 240)
        code, out = reading.close()
    finally:
        reading.process.kill()
    assert code == 0
    assert words(folder) == [("L1", "T0", "L1"), ("L1", "T1", "L2")]
    document = json.loads((folder / "case.json").read_text())
    assert json.loads(out) == document
    rows = {
        (lesion["id"], row["timepoint"]): row
        for lesion in document["lesions"]
        for row in lesion["observations"]
        if row["primary"]
    }
    assert rows["L1", "T0"]["identity"]["status"] == "confirmed"
    assert rows["L2", "T1"]["identity"]["status"] == "corrected"
    assert rows["L1", "T1"]["volume_ml"] is None
    assert [lesion["tracking_uid"] for lesion in document["lesions"]] == [
        lesion["tracking_uid"] for lesion in before["lesions"]
    ]
