"""Real images: sarcoma patients with expert contours, and the phantoms with published values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.shared]

# IBSI 1 reference values and tolerances: digital phantom; CT phantom, configuration A. In mm, mm², mm³.
IBSI = {
    "ibsi1-digital-phantom": {
        "volume_mesh_ml": (0.556, 0.004),
        "volume_voxels_ml": (0.592, 0.004),
        "surface_mm2": (388, 3),
        "sphericity": (0.843, 0.005),
        "diameter_3d_mm": (13.1, 0.1),
        "axis_major_mm": (11.4, 0.1),
        "axis_minor_mm": (9.31, 0.06),
        "axis_least_mm": (8.54, 0.05),
        "elongation": (0.816, 0.005),
        "flatness": (0.749, 0.005),
    },
    "ibsi1-ct-phantom": {
        "volume_mesh_ml": (358, 5),
        "volume_voxels_ml": (359, 5),
        "surface_mm2": (35700, 300),
        "sphericity": (0.683, 0.001),
        "diameter_3d_mm": (125, 1),
        "axis_major_mm": (92.7, 0.4),
        "axis_minor_mm": (81.5, 0.4),
        "axis_least_mm": (70.1, 0.3),
        "elongation": (0.879, 0.001),
        "flatness": (0.756, 0.001),
    },
}


@pytest.mark.parametrize("phantom", IBSI)
def test_measure_reproduces_the_published_values(
    phantom: str, shared: Path, osteotrace: Osteotrace, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("measure", shared / "data" / phantom / "nifti" / "mask" / "mask.nii.gz", "--json")
    assert done.code == 0, done.err
    assert keeps_contract(done.out) == ""
    (segment,) = done.document["segments"]
    for name, (value, tolerance) in IBSI[phantom].items():
        rounded = float(f"{segment[name]['value']:.3g}")  # published with three digits
        assert rounded == pytest.approx(value, abs=tolerance * 1.0001), name


def test_measure_of_the_phantoms_contours_is_that_of_its_mask(shared: Path, osteotrace: Osteotrace) -> None:
    done = osteotrace("measure", shared / "data" / "ibsi1-ct-phantom" / "dicom" / "mask", "--json")
    (segment,) = done.document["segments"]
    assert segment["volume_voxels_ml"]["value"] == pytest.approx(358.681, rel=1e-5)


@pytest.fixture(scope="module", params=["STS_002", "STS_012", "STS_019", "STS_024", "STS_035"])
def patient(
    request: pytest.FixtureRequest, shared: Path, osteotrace: Osteotrace, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, int, dict[str, Any]]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    case = folder / "case"
    for series in ("CT", "MR_T1"):
        shutil.copytree(shared / "data" / "sts-sarcoma" / name / series, case / series)
    done = osteotrace("run", case, "--out", folder / "out", "--json")
    return name, done.code, done.document


def test_expert_contours_give_the_published_volumes(
    patient: tuple[str, int, dict[str, Any]], shared: Path, keeps_contract: Callable[[str], str]
) -> None:
    name, code, document = patient
    truth = json.loads((shared / "data" / "sts-sarcoma" / "truth.json").read_text())
    assert code == 0
    assert keeps_contract(json.dumps(document)) == ""
    modalities = {s["volume_id"]: s["modality"] for t in document["timepoints"] for s in t["series"]}
    measured = {
        modalities[o["series_uid"]]: o["volume_ml"]["value"]
        for lesion in document["lesions"]
        for o in lesion["observations"]
        if o["volume_ml"] is not None
    }
    assert measured["CT"] == pytest.approx(truth[f"{name}/CT_mask.nii.gz"]["mask_mL"], rel=0.01)
    assert measured["MR"] == pytest.approx(truth[f"{name}/MR_T1_mask.nii.gz"]["mask_mL"], rel=0.01)


def test_one_contour_on_two_exams_is_one_lesion(patient: tuple[str, int, dict[str, Any]]) -> None:
    _, _, document = patient
    (lesion,) = document["lesions"]
    assert [(o["method"], o["status"]) for o in lesion["observations"]] == [("imported", "accepted")] * 2
    assert [
        t["date"] < u["date"] for t, u in zip(document["timepoints"], document["timepoints"][1:], strict=False)
    ] == [True]
    assert lesion["changes"] == [], "MR and CT are never compared"


def test_scan_gives_every_series_of_a_messy_disk_a_verdict(
    shared: Path, osteotrace: Osteotrace, keeps_contract: Callable[[str], str]
) -> None:
    done = osteotrace("scan", shared / "data", "--json")
    assert done.code == 4
    assert "Traceback" not in done.err
    assert keeps_contract(done.out) == ""
    assert len(done.document["volumes"]) > 60
    assert {row["verdict"] for row in done.document["volumes"]} == {"exact", "corrected", "refused"}


def test_the_leaning_head_scan_is_refused_for_its_uneven_slices(shared: Path, osteotrace: Osteotrace) -> None:
    done = osteotrace("scan", shared / "data" / "ct-tilt-variable-ge", "--json")
    assert done.code == 3
    assert [row["code"] for row in done.document["volumes"]] == ["NON_UNIFORM_SPACING"]


def test_a_folder_of_two_patients_is_refused(shared: Path, osteotrace: Osteotrace, tmp_path: Path) -> None:
    for name in ("STS_002", "STS_012"):
        shutil.copytree(shared / "data" / "sts-sarcoma" / name / "CT", tmp_path / "case" / name)
    done = osteotrace("run", tmp_path / "case", "--out", tmp_path / "out", "--json")
    assert done.code == 3
    assert done.document["findings"][0]["code"] == "SEVERAL_PATIENTS"
    assert not (tmp_path / "out").exists()


def test_contours_of_a_series_that_is_not_here_are_told(shared: Path, osteotrace: Osteotrace, tmp_path: Path) -> None:
    source = shared / "data" / "sts-sarcoma" / "STS_019"
    shutil.copytree(source / "CT" / "image", tmp_path / "case" / "CT")
    shutil.copy(source / "MR_T1" / "RS.dcm", tmp_path / "case" / "RS.dcm")
    done = osteotrace("run", tmp_path / "case", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert {"ANNOTATION_UNMATCHED", "NO_LESION_GIVEN"} <= {finding["code"] for finding in done.document["findings"]}
