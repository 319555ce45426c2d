"""Whose a mask is, said by a reader on the command line and obeyed by the next run, from a small folder of DICOM.

Three balls in a block of marrow on three exams: two are outlined by the software from a box, one was drawn by people.
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imaging.dicom.write import MrHeader, Patient, SeriesHeader, series_files
from imaging.errors import ConflictError, InputError
from imaging.geometry import Grid
from imaging.volume import Modality, Volume
from pipelines.follow_up import accept_masks, follow_up, link_mask
from tests.imaging.dicom.test_rtstruct import contour, rtstruct

if TYPE_CHECKING:
    from tests.journeys.conftest import Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("link")]

Document = dict[str, Any]
Place = tuple[str, str]

GRID = Grid.from_spacing((12, 40, 40), (4.0, 2.0, 2.0))
FRAME = "2.25.2"
RADIUS_MM = 10.0
CENTRES = {"L1": (24.0, 40.0, 24.0), "L2": (56.0, 40.0, 24.0)}  # LPS mm
DAYS = ("2003-01-06", "2003-03-10", "2003-06-09")
DRAWN = [[26.5, 10.5], [26.5, 18.5], [34.5, 18.5], [34.5, 10.5]]  # row, column: on the slices 4 to 7


def ball(centre: tuple[float, float, float]) -> np.ndarray:
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
    return (np.linalg.norm(points - np.array(centre), axis=1) <= RADIUS_MM).reshape(GRID.shape)


def write_exam(case: Path, number: int, day: str) -> None:
    marrow = 400 + np.random.default_rng(0).normal(0, 40, GRID.shape)  # the same texture: it registers
    lesions = np.any([ball(centre) for centre in CENTRES.values()], axis=0)
    series, start = f"2.25.1{number}", datetime.fromisoformat(f"{day}T09:00:00")
    volume = Volume(
        samples=np.where(lesions, 150, marrow).astype(np.int16),
        grid=GRID,
        modality=Modality.MR,
        series_uid=series,
        frame_of_reference_uid=FRAME,
    )
    header = SeriesHeader(
        patient=Patient(name="A^B", id="1"),
        study_uid=f"2.25.3{number}",
        study_start=start,
        acquired=start,
        technique=MrHeader(),
        series_description="t1",
    )
    folder = case / f"exam {number}"
    folder.mkdir(parents=True)
    for name, content in series_files(volume, header=header):
        (folder / name).write_bytes(content)
    contours = [contour(GRID, k, DRAWN) for k in range(4, 8)]
    known = {"SeriesInstanceUID": f"2.25.4{number}", "StudyInstanceUID": f"2.25.3{number}", "PatientID": "1"}
    rtstruct(folder, {"GTV": contours}, series=series, frame=FRAME, **known)


def lesion_table(name: str) -> str:
    low, high = (np.array(CENTRES[name]) + step for step in (-RADIUS_MM, RADIUS_MM))
    corners = f"[{low.tolist()}, {high.tolist()}]"
    return f'[[lesion]]\nid = "{name}"\n[[lesion.prompt]]\ntimepoint = "T0"\nkind = "box"\npoints_lps_mm = {corners}\n'


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("link")
    for number, day in enumerate(DAYS):
        write_exam(root / "case", number, day)
    (root / "case" / "case.toml").write_text("\n".join(['[case]\nid = "balls"', *map(lesion_table, CENTRES)]))
    follow_up([root / "case"], root / "out")
    return root


@pytest.fixture
def root(followed: Path, tmp_path: Path) -> Path:
    """The case and its workspace, to be changed at will."""
    return shutil.copytree(followed, tmp_path / "copy")


def result(root: Path) -> Path:
    return root / "out" / "balls"


def stored(root: Path) -> Document:
    return dict(json.loads((result(root) / "case.json").read_text()))


def run(root: Path) -> Document:
    return follow_up([root / "case"], root / "out")[0]


def link(root: Path, place: Place, lesion: str | None, reader: str = "reader-1") -> Document:
    document, _, behind = link_mask(result(root), lesion=place[0], timepoint=place[1], is_lesion=lesion, reader=reader)
    assert behind == (lesion != place[0])
    return document


def primaries(document: Document) -> dict[Place, Document]:
    return {
        (lesion["id"], row["timepoint"]): row
        for lesion in document["lesions"]
        for row in lesion["observations"]
        if row["primary"]
    }


def masks(document: Document) -> dict[Place, str]:
    return {place: row["mask_sha256"] for place, row in primaries(document).items() if row["mask_sha256"]}


def uids(document: Document) -> dict[str, str]:
    return {lesion["id"]: lesion["tracking_uid"] for lesion in document["lesions"]}


def codes(row: Document) -> set[str]:
    return {finding["code"] for finding in row["findings"]}


def history(row: Document) -> list[tuple[str, str, str]]:
    return [(word["status"], word["lesion"], word["by"]) for word in row["identity"]["history"]]


def test_a_confirmation_stands_in_the_case_at_once_and_the_next_run_says_the_same(root: Path) -> None:
    before = stored(root)
    assert set(masks(before)) == {(lesion, f"T{n}") for lesion in ("L1", "L2", "L3") for n in range(3)}
    link(root, ("L1", "T1"), "L1")
    now = link(root, ("L3", "T2"), "L3")
    for place in (("L1", "T1"), ("L3", "T2")):
        row = primaries(now)[place]
        assert history(row) == [("proposed", place[0], "osteotrace"), ("confirmed", place[0], "reader-1")]
        assert row["identity"]["basis"] == "reader"
    content = (result(root) / "case.json").read_bytes()
    again = run(root)
    assert (result(root) / "case.json").read_bytes() == content
    assert uids(again) == uids(before)


def test_an_outline_of_the_software_given_to_another_lesion_is_followed_and_comes_back(root: Path) -> None:
    before = stored(root)
    pending = link(root, ("L1", "T1"), "L2")
    assert history(primaries(pending)["L1", "T1"])[-1] == ("corrected", "L2", "reader-1")
    behind = {place for place, row in primaries(pending).items() if "REVIEW_PENDING" in codes(row)}
    assert behind == {("L1", "T1"), ("L1", "T2"), ("L2", "T1"), ("L2", "T2")}

    after = run(root)
    assert masks(after)["L2", "T1"] == masks(before)["L1", "T1"]
    moved, left = primaries(after)["L2", "T1"], primaries(after)["L1", "T1"]
    assert (moved["status"], moved["method"], moved["identity"]["basis"]) == ("proposed", "propagated", "reader")
    assert history(moved) == [("proposed", "L1", "osteotrace"), ("corrected", "L2", "reader-1")]
    assert (left["status"], left["volume_ml"], codes(left)) == ("not_assessable", None, {"LINKED_ELSEWHERE"})
    beside = [row for lesion in after["lesions"] for row in lesion["observations"] if not row["primary"]]
    assert [row["mask_sha256"] for row in beside] == [masks(before)["L2", "T1"]], "no outline is lost"
    assert uids(after) == uids(before)
    assert [finding["code"] for finding in after["findings"] if finding["code"].startswith("LINK")] == []

    with pytest.raises(InputError) as caught:
        link(root, ("L1", "T1"), "L1")
    assert caught.value.code == "NOTHING_TO_LINK"
    link(root, ("L2", "T1"), "L1")
    back = run(root)
    assert masks(back) == masks(before)
    assert uids(back) == uids(before)
    assert [word[1] for word in history(primaries(back)["L1", "T1"])] == ["L1", "L2", "L1"]
    names = sorted(path.name for path in (result(root) / "review").iterdir())
    assert names == ["link-1.json", "link-1.nii.gz", "link-2.json", "link-2.nii.gz"]


def test_a_mask_is_a_lesion_of_its_own_whoever_made_it(root: Path) -> None:
    before = stored(root)
    accept_masks(result(root), lesion="L2", timepoint="T2", reader="reader-2")
    link(root, ("L2", "T2"), None)
    link(root, ("L3", "T1"), None)
    after = run(root)
    assert uids(before).items() <= uids(after).items()
    assert len(set(uids(after).values())) == len(after["lesions"]) == 5
    assert masks(after)["L4", "T2"] == masks(before)["L2", "T2"]
    assert masks(after)["L5", "T1"] == masks(before)["L3", "T1"]
    assert (primaries(after)["L4", "T2"]["status"], primaries(after)["L4", "T2"]["reader"]) == ("accepted", "reader-2")
    assert history(primaries(after)["L5", "T1"])[0] == ("proposed", "L3", "osteotrace")
    assert primaries(after)["L4", "T1"]["status"] == "not_assessable"
    content = (result(root) / "case.json").read_bytes()
    run(root)
    assert (result(root) / "case.json").read_bytes() == content

    link(root, ("L4", "T2"), "L2")
    link(root, ("L5", "T1"), "L3")
    back = run(root)
    assert (uids(back), masks(back)) == (uids(before), masks(before))
    link(root, ("L1", "T2"), "L4")
    assert uids(run(root))["L4"] == uids(after)["L4"], "named again, by another mask"


def test_the_case_files_word_and_the_workspaces_are_obeyed_alike(root: Path) -> None:
    before = stored(root)
    digest = masks(before)["L3", "T1"]
    link(root, ("L3", "T1"), "L2")
    by_workspace = run(root)
    shutil.rmtree(result(root) / "review")
    story = root / "case" / "case.toml"
    word = f'[[lesion.link]]\ntimepoint = "T1"\nmask_sha256 = "{digest}"\nreader = "reader-1"\n'
    story.write_text(story.read_text() + word)  # the last table is that of L2
    by_case_file = run(root)
    for document in (by_workspace, by_case_file):
        del document["outputs"]
    assert by_case_file == by_workspace

    link(root, ("L2", "T1"), "L3", reader="reader-2")
    both = run(root)
    assert masks(both) == masks(before)
    (told,) = [finding for finding in both["findings"] if finding["code"] == "LINK_CONTRADICTED"]
    assert "reader-2 says L3 in the workspace, which counts" in told["message"]


def test_a_run_does_not_write_over_a_word_that_came_while_it_ran(root: Path) -> None:
    def say(step: str) -> None:
        if step == "reporting":
            link(root, ("L1", "T1"), "L1")

    with pytest.raises(ConflictError) as caught:
        follow_up([root / "case"], root / "out", say=say)
    assert caught.value.code == "REVIEWED_MEANWHILE"
    assert primaries(stored(root))["L1", "T1"]["identity"]["status"] == "confirmed"


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--lesion", "L9", "--timepoint", "T1", "--is", "L1"), "UNKNOWN_LESION"),
        (("--lesion", "L1", "--timepoint", "T1", "--is", "L9"), "UNKNOWN_LESION"),
        (("--lesion", "L1", "--timepoint", "T9", "--is", "L1"), "UNKNOWN_TIMEPOINT"),
        (("--lesion", "L1", "--timepoint", "T1", "--is", "L2", "--mask-sha256", "00"), "MASK_CHANGED"),
        (("--all-proposed", "--timepoint", "T9"), "UNKNOWN_TIMEPOINT"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused_and_nothing_is_said(
    options: tuple[str, ...], code: str, root: Path, osteotrace: Osteotrace
) -> None:
    done = osteotrace("link", result(root), *options, "--reader", "me", "--json")
    assert (done.code, [finding["code"] for finding in done.document["findings"]]) == (3, [code])
    assert not (result(root) / "review").exists()


def test_a_word_that_says_nothing_or_two_things_is_a_usage_error(root: Path, osteotrace: Osteotrace) -> None:
    one = ("--lesion", "L1", "--timepoint", "T1")
    for options in (
        one,
        ("--is", "L1", *one[:2]),
        (*one, "--is", "L2", "--new"),
        ("--all-proposed", "--mask-sha256", "0"),
        (*one, "--is", "L2", "--mask-sha256", ""),
    ):
        assert osteotrace("link", result(root), *options, "--reader", "me").code == 2
    assert not (result(root) / "review").exists()


def test_the_command_confirms_all_and_corrects_one(root: Path, osteotrace: Osteotrace) -> None:
    folder = result(root)
    done = osteotrace("link", folder, "--all-proposed", "--lesion", "L1", "--reader", "me", "--json")
    assert done.code == 0, done.err
    states = {place: row["identity"]["status"] for place, row in primaries(done.document).items()}
    assert {place for place, state in states.items() if state == "confirmed"} == {("L1", f"T{n}") for n in range(3)}
    assert done.document == stored(root)

    digest = masks(done.document)["L3", "T2"]
    options = ("--lesion", "L3", "--timepoint", "T2", "--mask-sha256", digest[:8])
    done = osteotrace("link", folder, *options, "--new", "--reader", "me", "--json")
    assert done.code == 0
    assert "osteotrace run" in done.err
    word = json.loads((folder / "review" / "link-4.json").read_text())
    assert (word["lesion"], word["taken_for"], word["mask_sha256"], word["mask_kept"]) == ("L4", "L3", digest, False)
