"""The sample case with slices taken out: refused by name, or taken with a word where it matters and nowhere else.

Two slices through the left lesion are taken from the first T1, and one through the left cement from the last CT. The
right lesion and its cement lie elsewhere.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from imaging.formats.nifti import read_nifti
from imaging.volume import Modality

if TYPE_CHECKING:
    from tests.journeys.conftest import Done, Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("gaps")]

T1, CT = "2003-01-06_MR/T1", "2003-04-20_CT/SOFT"
TAKEN = {T1: (-98.0, -90.0), CT: (-366.0, -364.5)}  # mm along z
NAME = "SACROPLASTY-001"


@dataclass(frozen=True)
class Case:
    """The study with gaps, and what running it with them accepted gave."""

    study: Path
    done: Done
    folder: Path
    document: dict[str, Any]


@pytest.fixture(scope="module")
def study(sample_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "case"
    shutil.copytree(sample_case, folder)
    for series, (low, high) in TAKEN.items():
        for file in sorted((folder / series).iterdir()):
            if low <= float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]) <= high:
                file.unlink()
    return folder


@pytest.fixture(scope="module")
def case(study: Path, osteotrace: Osteotrace, tmp_path_factory: pytest.TempPathFactory) -> Case:
    workspace = tmp_path_factory.mktemp("accepted")
    done = osteotrace("run", study, "--out", workspace, "--accept-gaps", "--json")
    return Case(study, done, workspace / NAME, json.loads((workspace / NAME / "case.json").read_text()))


def codes(row: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in row["findings"]]


def test_without_the_option_the_series_are_refused_and_the_run_is_partial(
    study: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    scan = osteotrace("scan", study, "--json")
    refused = [row for row in scan.document["volumes"] if row["verdict"] == "refused"]
    assert scan.code == 4
    assert [row["code"] for row in refused] == ["MISSING_SLICES"] * 2
    assert all(row["shape"] is None and row["path"] is None for row in refused)
    first = tmp_path / "first exam alone"
    shutil.copytree(study / "2003-01-06_MR", first / "2003-01-06_MR")
    shutil.copy(study / "case.toml", first)
    done = osteotrace("run", first, "--out", tmp_path / "out", "--json")
    assert done.code == 4
    assert [f["code"] for f in done.document["findings"] if f["severity"] == "error"] == ["MISSING_SLICES"]


def test_scan_knows_nothing_of_the_option(study: Path, osteotrace: Osteotrace) -> None:
    assert osteotrace("scan", study, "--accept-gaps").code == 2


def test_with_the_option_the_run_is_whole_and_its_series_are_corrected(case: Case) -> None:
    assert case.done.code == 0, case.done.err
    entries = {s["volume_id"]: s for t in case.document["timepoints"] for s in t["series"]}
    corrected = [entry for entry in entries.values() if entry["verdict"] == "corrected"]
    assert [entry["code"] for entry in corrected] == ["MISSING_SLICES"] * 2
    assert all("MISSING_SLICES" in codes(entry) for entry in corrected)


def test_the_warning_stands_with_the_lesion_that_crosses_the_gap_and_with_no_other(case: Case) -> None:
    told = {
        (lesion["id"], o["timepoint"]): codes(o).count("MISSING_SLICES")
        for lesion in case.document["lesions"]
        for o in lesion["observations"]
        if "MISSING_SLICES" in codes(o)
    }
    # The left lesion on the first T1; at T4 its net volume rests on the cement that the last CT shows.
    assert told == {("L1", "T0"): 1, ("L1", "T4"): 1}


def test_the_warning_stands_with_the_material_that_crosses_the_gap_and_with_no_other(case: Case) -> None:
    told = {(m["timepoint"], m["lesion"]): codes(m).count("MISSING_SLICES") for m in case.document["materials"]}
    assert {key for key, count in told.items() if count} == {("T3", "L1")}
    assert max(told.values()) == 1
    assert ("T3", "L2") in told


def test_every_report_tells_it_in_the_same_rows(case: Case) -> None:
    with (case.folder / "measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "MISSING_SLICES" in row["findings"]]
    assert {row["lesion"] for row in rows} == {"L1"}
    observed = {row["timepoint"] for row in rows if not row["reference"] and not row["material"]}
    assert observed == {"T0", "T4"}
    changed = {(row["timepoint"], row["reference"]) for row in rows if row["reference"]}
    assert ("T2", "baseline") in changed
    assert "MISSING_SLICES" in (case.folder / "report.html").read_text(encoding="utf-8")


def test_volumes_stay_within_their_tolerance_and_their_intervals_hold_the_truth(case: Case, sample_case: Path) -> None:
    truth = json.loads(sample_case.with_name("sacroplasty.truth.json").read_text())
    expected = {(e["id"], o["timepoint"]): o["gross_ml"] for e in truth["lesions"] for o in e["observations"]}
    for lesion in case.document["lesions"]:
        for o in lesion["observations"]:
            if o["volume_ml"] is not None:
                true = expected[lesion["id"], o["timepoint"]]
                assert o["volume_ml"]["value"] == pytest.approx(true, abs=max(0.2 * true, 0.5))
                low, high = o["volume_ml"]["interval95"]
                assert low <= true <= high
    materials = sum(row["volume_ml"] for row in truth["materials"] if row["timepoint"] == "T3")
    found = sum(row["volume_ml"]["value"] for row in case.document["materials"] if row["timepoint"] == "T3")
    assert found == pytest.approx(materials, rel=0.15)


def test_the_document_keeps_the_contract_and_says_how_it_was_made(
    case: Case, keeps_contract: Callable[[Path], str]
) -> None:
    assert keeps_contract(case.folder / "case.json") == ""
    assert case.document["provenance"]["parameters"]["accept_gaps"] is True
    (line,) = (case.folder / "run.log").read_text().splitlines()
    assert json.loads(line)["accept_gaps"] is True


def test_a_recomputation_by_the_review_takes_the_gaps_too(case: Case, tmp_path: Path) -> None:
    from pipelines.review.recompute import recompute
    from pipelines.run_log import last_run
    from pipelines.workspace import CaseFolder

    folder = tmp_path / NAME
    shutil.copytree(case.folder, folder)
    target = CaseFolder(folder)
    recompute(target, last_run(target, studies=(case.study,)))
    assert (folder / "case.json").read_bytes() == (case.folder / "case.json").read_bytes()


def test_convert_writes_every_slice_in_its_place_and_nothing_between(
    study: Path, osteotrace: Osteotrace, tmp_path: Path, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("convert", study / T1, "--out", tmp_path, "--accept-gaps", "--json")
    assert done.code == 0
    assert keeps_contract(done.out) == ""
    (row,) = done.document["volumes"]
    assert (row["verdict"], row["code"], codes(row)) == ("corrected", "MISSING_SLICES", ["MISSING_SLICES"])
    volume = read_nifti(tmp_path / row["path"], Modality.MR)
    assert volume.grid.shape[0] == row["frames"] + 2
    imaged = np.zeros(volume.grid.shape[0], dtype=bool)
    for file in (study / T1).iterdir():
        dataset = pydicom.dcmread(file)
        plane, row_index, column = np.rint(volume.grid.indices([dataset.ImagePositionPatient])[0]).astype(int)
        assert np.linalg.norm(volume.grid.points([[plane, row_index, column]]) - dataset.ImagePositionPatient) < 0.01
        imaged[plane] = True
    assert (~imaged).sum() == 2
    assert np.unique(volume.samples[~imaged]).tolist() == [volume.samples[imaged].min()]


def test_single_commands_refuse_the_series_or_take_it_with_one_word(
    study: Path, case: Case, osteotrace: Osteotrace
) -> None:
    mask = f"{case.folder / 'segmentations' / 'T0.nii.gz'}"
    assert osteotrace("measure", mask, "--image", study / T1, "--json").code == 3
    done = osteotrace("measure", mask, "--image", study / T1, "--accept-gaps", "--json")
    assert done.code == 0, done.err
    told = [codes(row).count("MISSING_SLICES") for row in done.document["segments"]]
    assert sorted(told) == [0, 1]
    assert osteotrace("cement", study / CT, "--json").code == 3
    done = osteotrace("cement", study / CT, "--accept-gaps", "--json")
    assert done.code == 0, done.err
    assert "MISSING_SLICES" in {code for row in done.document["materials"] for code in codes(row)}
    assert max(codes(row).count("MISSING_SLICES") for row in done.document["materials"]) == 1


def test_a_batch_does_a_case_again_when_the_choice_changes(
    sample_case: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    folder = root / "one" / "T1"
    shutil.copytree(sample_case / T1, folder)
    places = {f: float(pydicom.dcmread(f, stop_before_pixels=True).ImagePositionPatient[2]) for f in folder.iterdir()}
    next(file for file, z in places.items() if -98.0 <= z <= -96.0).unlink()
    outcomes = []
    for option in ([], ["--accept-gaps"], ["--accept-gaps"], []):
        done = osteotrace("batch", root, "--out", tmp_path / "out", "--workers", 1, *option, "--json")
        (row,) = done.document["cases"]
        outcomes.append((row["status"], row["code"], done.document["counts"]["resumed"]))
    assert outcomes == [
        ("refused", "MISSING_SLICES", 0),
        ("done", None, 0),
        ("done", None, 1),
        ("refused", "MISSING_SLICES", 0),
    ]


# --- cut at an end ---------------------------------------------------------------------------------------------------

CUT_MM = -95.0  # the first exam's images below it are taken: the left lesion reaches to -107 mm, the right one to -79


@pytest.fixture(scope="module")
def cut(sample_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first exam alone, its series without their first images."""
    folder = tmp_path_factory.mktemp("cut") / "case"
    shutil.copytree(sample_case / "2003-01-06_MR", folder / "2003-01-06_MR")
    shutil.copy(sample_case / "case.toml", folder)
    for file in sorted(folder.glob("*/*/*")):
        if float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]) < CUT_MM:
            file.unlink()
    return folder


def test_a_series_cut_at_its_end_is_told_on_every_row_and_a_cut_lesion_on_its_own(
    cut: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    done = osteotrace("run", cut, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    rows = {lesion["id"]: lesion["observations"][0] for lesion in done.document["lesions"]}
    assert {name: codes(row).count("INCOMPLETE_SERIES") for name, row in rows.items()} == {"L1": 1, "L2": 1}
    assert {name: codes(row).count("LESION_TRUNCATED") for name, row in rows.items()} == {"L1": 1, "L2": 0}
    with (tmp_path / NAME / "measurements.csv").open(newline="", encoding="utf-8") as file:
        told = {(row["lesion"], code) for row in csv.DictReader(file) for code in row["findings"].split(";")}
    assert told >= {("L1", "INCOMPLETE_SERIES"), ("L2", "INCOMPLETE_SERIES"), ("L1", "LESION_TRUNCATED")}
    assert ("L2", "LESION_TRUNCATED") not in told
    mask = tmp_path / NAME / "segmentations" / "T0.nii.gz"
    measured = osteotrace("measure", mask, "--image", cut / T1, "--json").document["segments"]
    counts = sorted((codes(row).count("INCOMPLETE_SERIES"), codes(row).count("LESION_TRUNCATED")) for row in measured)
    assert counts == [(1, 0), (1, 1)]


def test_segment_tells_once_that_the_series_and_the_lesion_are_cut(
    cut: Path, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    box = ("--box", 4.2, -4.4, -105.3, 54.7, 40.4, -60.1)
    done = osteotrace("segment", cut / T1, "--out", tmp_path / "l1.nii.gz", *box, "--json")
    assert done.code == 0, done.err
    told = [finding["code"] for finding in done.document["quality"]["findings"]]
    assert (told.count("INCOMPLETE_SERIES"), told.count("LESION_TRUNCATED")) == (1, 1)
