"""The sample case from DICOM folders to the report, held against the truth that its generator knows."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial import KDTree

from imaging.synthetic.pelvis import FORAMINA, MOUTH_MM, Sacrum
from imaging.synthetic.sacroplasty.course import lesion_at
from imaging.synthetic.sacroplasty.exam import EXAMS

if TYPE_CHECKING:
    from tests.journeys.conftest import Done, Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("sample")]

MR_TIMEPOINTS = ("T0", "T2", "T4")


@dataclass(frozen=True)
class Run:
    """One finished run of the sample case."""

    done: Done
    folder: Path
    document: dict[str, Any]


@pytest.fixture(scope="module")
def truth(sample_case: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(sample_case.with_name("sacroplasty.truth.json").read_text())
    return parsed


@pytest.fixture(scope="module")
def run(osteotrace: Osteotrace, sample_case: Path, tmp_path_factory: pytest.TempPathFactory, tree: Any) -> Run:
    workspace = tmp_path_factory.mktemp("workspace")
    before = tree(sample_case)
    done = osteotrace("run", sample_case, "--out", workspace, "--json")
    assert tree(sample_case) == before, "the input tree was touched"
    folder = workspace / "SACROPLASTY-001"
    return Run(done, folder, json.loads((folder / "case.json").read_text()))


@pytest.fixture(scope="module")
def accepted(run: Run, osteotrace: Osteotrace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    workspace = tmp_path_factory.mktemp("accepted")
    folder = workspace / run.folder.name
    shutil.copytree(run.folder, folder)
    done = osteotrace("accept", folder, "--all-proposed", "--reader", "demo", "--json")
    return Run(done, folder, json.loads((folder / "case.json").read_text()))


def observations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for lesion in document["lesions"]:
        for observation in lesion["observations"]:
            yield lesion["id"], observation


def gross(document: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {
        (lesion, o["timepoint"]): o["volume_ml"]["value"]
        for lesion, o in observations(document)
        if o["volume_ml"] is not None and o["primary"]
    }


def test_it_exits_with_0_and_prints_the_document_that_it_wrote(run: Run) -> None:
    assert run.done.code == 0, run.done.err
    assert run.done.document == run.document


def test_the_documents_keep_the_contract(
    run: Run, accepted: Run, sample_case: Path, keeps_contract: Callable[[Path], str]
) -> None:
    assert keeps_contract(run.folder / "case.json") == ""
    assert keeps_contract(accepted.folder / "case.json") == ""
    assert keeps_contract(sample_case.with_name("sacroplasty.truth.json")) == ""


def test_gross_volumes_are_within_20_percent_or_half_a_millilitre(run: Run, truth: dict[str, Any]) -> None:
    found = gross(run.document)
    for lesion in truth["lesions"]:
        for expected in lesion["observations"]:
            if expected["timepoint"] in MR_TIMEPOINTS:
                tolerance = max(0.2 * expected["gross_ml"], 0.5)
                measured = found[lesion["id"], expected["timepoint"]]
                assert measured == pytest.approx(expected["gross_ml"], abs=tolerance), (lesion["id"], expected)


def test_the_left_lesion_shrinks_and_the_right_one_grows_then_shrinks(run: Run) -> None:
    found = gross(run.document)
    assert found["L1", "T0"] > found["L1", "T2"] > found["L1", "T4"]
    assert found["L2", "T0"] < found["L2", "T2"] > found["L2", "T4"]


def test_radiodense_material_is_within_15_percent_on_each_ct(run: Run, truth: dict[str, Any]) -> None:
    expected, found = defaultdict(float), defaultdict(float)
    for row in truth["materials"]:
        expected[row["timepoint"]] += row["volume_ml"]
    for row in run.document["materials"]:
        found[row["timepoint"]] += row["volume_ml"]["value"]
    assert set(expected) == set(found) == {"T1", "T3"}
    for timepoint, volume in expected.items():
        assert found[timepoint] == pytest.approx(volume, rel=0.15)


def test_registrations_are_accepted_and_within_3_mm_at_the_lesions(run: Run, truth: dict[str, Any]) -> None:
    true = {(row["fixed"], row["moving"]): np.array(row["matrix_lps_fixed_from_moving"]) for row in truth["transforms"]}
    centres = {
        (lesion["id"], o["timepoint"]): o["center_lps_mm"]
        for lesion in truth["lesions"]
        for o in lesion["observations"]
    }
    box = np.array(np.meshgrid([-20, 20], [-20, 20], [-20, 20])).reshape(3, 8).T  # mm, round a lesion
    assert len(run.document["registrations"]) == 4
    for row in run.document["registrations"]:
        assert row["verdict"] == "accepted", row
        ours, theirs = np.array(row["matrix_lps_fixed_from_moving"]), true[row["fixed"], row["moving"]]
        for lesion in ("L1", "L2"):
            points = np.array(centres[lesion, row["moving"]]) + box
            homogeneous = np.column_stack([points, np.ones(8)])
            error = np.linalg.norm(((ours - theirs) @ homogeneous.T)[:3], axis=0)
            assert error.max() <= 3.0


def test_machine_made_masks_are_proposed_and_yield_no_category(run: Run) -> None:
    made = {o["status"] for _, o in observations(run.document)}
    assert made == {"proposed", "not_assessable"}
    assert run.document["responses"] == []
    assert all(change["exceeds_error"] is None for lesion in run.document["lesions"] for change in lesion["changes"])


def test_a_ct_without_an_outline_is_a_row_with_a_reason_and_no_figure(run: Run) -> None:
    rows = [o for _, o in observations(run.document) if o["timepoint"] in ("T1", "T3")]
    assert len(rows) == 4
    for row in rows:
        assert (row["status"], row["method"], row["volume_ml"]) == ("not_assessable", "carried", None)
        assert row["findings"]


def test_cement_of_the_right_side_is_reconciled_with_what_was_injected(run: Run) -> None:
    (row,) = [m for m in run.document["materials"] if m["lesion"] == "L2"]
    assert row["injected"] == [{"procedure": "P3", "agent": "pmma-barium", "ml": 3.0}]
    low, high = row["recovered_fraction"]["interval95"]
    assert low <= 1.0 <= high


def true_distance_mm(lesion: str, timepoint: str, structure: str) -> float:
    """From the phantom's formulas, on a lattice of 0.5 mm through its right half: no voxel of an image is used."""
    exam = next(exam for exam in EXAMS if exam.id == timepoint)
    axes = [np.arange(low, high, 0.5, dtype=np.float32) for low, high in ((-62, 16), (-10, 62), (-70, 30))]
    x, y, z = (axis.reshape(len(axes[0]), -1) for axis in np.meshgrid(*axes, indexing="ij"))
    sacrum = Sacrum(x, y, z)
    held = sacrum.bone_mm < MOUTH_MM
    if structure == "sacral_canal":
        held &= sacrum.canal_mm() < 0
    else:
        level = int(structure[-3])
        held &= (sacrum.anterior_foramen_mm(FORAMINA[level - 1]) < 0) & (x < 0)
    tumour = lesion_at(lesion, exam.day).solid.signed_mm(x, y, z) < 0
    there, here = (np.column_stack([axis[mask] for axis in (x, y, z)]) for mask in (held, tumour))
    return float(KDTree(there).query(here)[0].min())


def test_distances_to_canal_and_foramina_hold_the_true_ones(run: Run) -> None:
    checked = 0
    for lesion, row in observations(run.document):
        around = row["surroundings"]
        if lesion != "L2" or row["volume_ml"] is None:
            continue
        told = {"sacral_canal": around["canal_mm"]} | {f["name"]: f["distance_mm"] for f in around["foramina_mm"]}
        for name in ("sacral_canal", "sacral_foramen_ant_S1_R", "sacral_foramen_ant_S2_R"):
            low, high = told[name]["interval95"]
            assert low <= true_distance_mm(lesion, row["timepoint"], name) <= high, (row["timepoint"], name)
            checked += 1
    assert checked == 3 * len(MR_TIMEPOINTS)


def test_acceptance_keeps_what_lies_round_the_lesions(run: Run, accepted: Run) -> None:
    before, after = (
        [o["surroundings"] for _, o in observations(document)] for document in (run.document, accepted.document)
    )
    assert after == before


def test_the_left_lesion_breaches_the_sacrum_and_the_small_right_one_does_not(run: Run) -> None:
    breaches = {(lesion, o["timepoint"]): o["surroundings"]["breach"] for lesion, o in observations(run.document)}
    assert [breaches["L1", timepoint] for timepoint in MR_TIMEPOINTS] == [True] * 3
    assert breaches["L2", "T0"] is False
    assert breaches["L1", "T1"] is None  # not outlined on CT


def test_material_in_the_foramen_and_before_the_sacrum_is_found_by_name(run: Run, truth: dict[str, Any]) -> None:
    planted = {(row["timepoint"], row["compartment"]) for row in truth["leaks"]}
    found = {(row["timepoint"], leak["compartment"]) for row in run.document["materials"] for leak in row["leaks"]}
    for timepoint in ("T1", "T3"):
        assert {(timepoint, "sacral_foramen_ant_S1_L"), (timepoint, "presacral")} <= planted & found
    assert all(row["neural_ml"] is not None for row in run.document["materials"])


def test_acceptance_by_a_reader_gives_categories(accepted: Run) -> None:
    assert accepted.done.code == 0, accepted.done.err
    assert {o["status"] for _, o in observations(accepted.document)} == {"accepted", "not_assessable"}
    assert {o["reader"] for _, o in observations(accepted.document) if o["status"] == "accepted"} == {"demo"}
    criteria = {(row["timepoint"], row["criterion"]) for row in accepted.document["responses"]}
    names = ("RECIST 1.1", "WHO", "mRECIST-like", "MDA bone", "sphere volume")
    assert criteria == {(t, c) for t in ("T2", "T4") for c in names}
    assert all(
        isinstance(c["exceeds_error"], bool) for lesion in accepted.document["lesions"] for c in lesion["changes"]
    )


def test_the_right_lesion_is_seen_to_grow_beyond_its_error(accepted: Run) -> None:
    right = accepted.document["lesions"][1]
    (change,) = [c for c in right["changes"] if (c["timepoint"], c["reference"]) == ("T2", "baseline")]
    assert change["exceeds_error"] is True


def test_each_lesion_has_its_own_pre_procedure_reference(run: Run) -> None:
    references = {
        lesion["id"]: {(c["timepoint"], c["reference"]) for c in lesion["changes"] if "procedure" in c["reference"]}
        for lesion in run.document["lesions"]
    }
    assert ("T2", "pre-procedure:P2") in references["L1"]
    assert references["L2"] == {("T4", "pre-procedure:P3")}


def test_net_volume_is_never_compared_with_an_exam_before_material(run: Run) -> None:
    for lesion in run.document["lesions"]:
        for change in lesion["changes"]:
            if change["reference_timepoint"] == "T0":
                assert change["net_volume_percent"] is None


def test_a_second_run_gives_the_same_bytes(
    run: Run, osteotrace: Osteotrace, sample_case: Path, tmp_path: Path, tree: Any
) -> None:
    copy = tmp_path / "elsewhere" / "other name"
    shutil.copytree(sample_case, copy)
    done = osteotrace("run", copy, "--out", tmp_path / "out", PYTHONHASHSEED="7", LC_ALL="C", TZ="Asia/Tokyo")
    assert done.code == 0, done.err
    again = {name: digest for name, (digest, _) in tree(tmp_path / "out" / "SACROPLASTY-001").items()}
    first = {name: digest for name, (digest, _) in tree(run.folder).items()}
    assert again.pop("run.log") != first.pop("run.log")  # the clock and the place stand there, and nowhere else
    assert again == first


def test_a_later_run_keeps_what_a_reader_accepted(
    accepted: Run, osteotrace: Osteotrace, sample_case: Path, tmp_path: Path
) -> None:
    folder = tmp_path / accepted.folder.name
    shutil.copytree(accepted.folder, folder)
    reviews = sorted(p.name for p in (folder / "review").iterdir())
    assert len(reviews) == 12
    done = osteotrace("run", sample_case, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    assert [o["status"] for _, o in observations(done.document)] == [
        o["status"] for _, o in observations(accepted.document)
    ]
    assert done.document["responses"] == accepted.document["responses"]
    assert sorted(p.name for p in (folder / "review").iterdir()) == reviews


def test_the_listed_outputs_are_there_with_their_digests(accepted: Run, tree: Any) -> None:
    listed = {row["path"]: row["sha256"] for row in accepted.document["outputs"]}
    there = {name: digest for name, (digest, _) in tree(accepted.folder).items() if not name.startswith("review/")}
    del there["case.json"], there["run.log"]
    assert listed == there


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attrs if k in ("href", "src") and not (v or "").startswith(("data:", "#"))]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_leads_with_a_sentence_for_each_lesion_and_links_to_nothing(accepted: Run) -> None:
    page = Page()
    page.feed((accepted.folder / "report.html").read_text(encoding="utf-8"))
    text = " ".join(" ".join(page.text).split())
    assert "Left sacrum" in text
    assert "Right sacrum" in text
    assert "pre-procedure" in text
    assert "To the nearest foramen" in text
    assert page.links == []


def test_no_name_or_id_of_the_patient_stands_in_any_output(accepted: Run, run: Run) -> None:
    marks = (b"SYNTHETIC-", b"Synthetic^")
    for path in [*accepted.folder.rglob("*"), *run.folder.rglob("*")]:
        if path.is_file():
            assert not any(mark in path.read_bytes() for mark in marks), path
    assert not any(mark.decode() in run.done.err + run.done.out for mark in marks)


def test_the_report_can_be_written_again(accepted: Run, osteotrace: Osteotrace, tmp_path: Path) -> None:
    for kind, name in (("html", "report.html"), ("csv", "measurements.csv")):
        done = osteotrace("report", accepted.folder, "--format", kind, "--out", tmp_path / name)
        assert done.code == 0, done.err
        assert (tmp_path / name).read_bytes() == (accepted.folder / name).read_bytes()


def test_what_was_accepted_cannot_be_accepted_twice(accepted: Run, osteotrace: Osteotrace) -> None:
    done = osteotrace("accept", accepted.folder, "--lesion", "L1", "--timepoint", "T0", "--reader", "x", "--json")
    assert done.code == 3
    assert done.document["findings"][0]["code"] == "NOTHING_TO_ACCEPT"
