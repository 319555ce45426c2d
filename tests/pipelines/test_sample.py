from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from imaging.synthetic.chord import surface_points
from imaging.synthetic.sacroplasty.course import lesion_at
from imaging.synthetic.sacroplasty.exam import EXAMS
from pipelines.sample import CASE_ID, case_file_text, exam_files

LARGEST_BYTES = 15_000_000  # what git must hold


@pytest.fixture(scope="module")
def images(sample_case: Path) -> list[Path]:
    found = sorted(sample_case.glob("*/*/*.dcm"))
    assert len(found) == sum(e.grid.shape[0] * (2 if e.modality == "MR" else 1) for e in EXAMS)
    return found


def test_the_sample_data_stays_small(sample_case: Path) -> None:
    total = sum(path.stat().st_size for path in sample_case.parent.rglob("*") if path.is_file())
    assert total <= LARGEST_BYTES


def test_every_file_is_valid_dicom(images: list[Path]) -> None:
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    for path in images:
        done = subprocess.run([validator, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Error" not in done.stdout + done.stderr, f"{path.name}: {done.stderr}"


def test_the_patient_is_plainly_synthetic_and_every_instance_unique(images: list[Path]) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in images]
    assert {str(header.PatientName) for header in headers} == {"Synthetic^Sacroplasty"}
    assert {header.PatientID for header in headers} == {"SYNTHETIC-001"}
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)
    assert len({header.StudyInstanceUID for header in headers}) == len(EXAMS)
    assert len({header.FrameOfReferenceUID for header in headers}) == len(EXAMS)
    assert all(header.file_meta.TransferSyntaxUID.is_compressed for header in headers)
    assert {header.LossyImageCompression for header in headers} == {"00"}


def test_the_first_exam_is_made_again_byte_for_byte(sample_case: Path) -> None:
    for path, content in exam_files(EXAMS[0]):
        assert (sample_case / path).read_bytes() == content, path


def test_the_case_file_is_the_one_that_is_stored(sample_case: Path) -> None:
    assert (sample_case / "case.toml").read_text(encoding="utf-8") == case_file_text()


def test_a_readers_box_is_near_but_not_exact() -> None:
    document = tomllib.loads(case_file_text())
    assert document["case"]["id"] == CASE_ID
    for row in document["lesion"]:
        (prompt,) = row["prompt"]
        assert (prompt["timepoint"], prompt["kind"]) == ("T0", "box")
        points = surface_points(lesion_at(row["id"], EXAMS[0].day).solid, EXAMS[0].patient_from_body)
        off = np.abs(np.array(prompt["points_lps_mm"]) - [points.min(axis=0), points.max(axis=0)])
        # 1 to 2 mm, and the rounding to 0.1 mm
        assert off.min() >= 0.95 and off.max() <= 2.05
        middle = np.mean(prompt["points_lps_mm"], axis=0)[0]
        assert (middle > 0) == (row["side"] == "left")


def test_procedures_lie_between_the_exams_that_show_them() -> None:
    document = tomllib.loads(case_file_text())
    moments = sorted(
        [(exam.start, exam.id) for exam in EXAMS]
        + [(procedure["when"].isoformat(), procedure["id"]) for procedure in document["procedure"]]
    )
    assert [name for _, name in moments] == ["T0", "P1", "P2", "T1", "T2", "P3", "T3", "T4"]
    injected = {p["id"]: {m["agent"]: m["injected_ml"] for m in p["materials"]} for p in document["procedure"]}
    assert injected == {
        "P1": {"nbca-lipiodol": 2.0},
        "P2": {"pmma-barium": 7.0, "nbca-lipiodol": 2.0},
        "P3": {"pmma-barium": 3.0},
    }
