"""The seed case keeps to the numbers that it was made for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.synthetic.pelvis import FORAMINA, Sacrum
from imaging.synthetic.sacroplasty.course import lesion_at
from imaging.synthetic.sacroplasty.deposit import deposits
from imaging.synthetic.sacroplasty.exam import EXAMS
from imaging.synthetic.sacroplasty.truth import truth


@pytest.fixture(scope="module")
def case_truth() -> dict[str, Any]:
    return truth()


def rows(case_truth: dict[str, Any], lesion: str) -> dict[str, dict[str, Any]]:
    (found,) = (row for row in case_truth["lesions"] if row["id"] == lesion)
    return {observation["timepoint"]: observation for observation in found["observations"]}


@pytest.mark.parametrize(
    ("lesion", "timepoint", "gross_ml", "long_mm"),
    [
        ("L1", "T0", 54.9, 52), ("L1", "T2", 48.2, 50), ("L1", "T4", 45.0, 49),
        ("L2", "T0", 2.3, 18), ("L2", "T2", 15.3, 36), ("L2", "T4", 14.3, 35),
    ],
)  # fmt: skip
def test_lesions_have_their_stated_size(
    case_truth: dict[str, Any], lesion: str, timepoint: str, gross_ml: float, long_mm: float
) -> None:
    row = rows(case_truth, lesion)[timepoint]
    assert round(row["gross_ml"], 1) == gross_ml
    # a few degrees of tilt and the lobes shorten or lengthen the longest axial chord a little
    assert row["long_axis_mm"] == pytest.approx(long_mm, abs=0.1)
    assert row["short_axis_mm"] < row["long_axis_mm"]


def test_net_is_gross_less_the_material_inside(case_truth: dict[str, Any]) -> None:
    left, right = rows(case_truth, "L1"), rows(case_truth, "L2")
    assert left["T0"]["net_ml"] == left["T0"]["gross_ml"]
    assert left["T1"]["gross_ml"] - left["T1"]["net_ml"] == pytest.approx(6.20 + 3.90, abs=0.001)
    assert right["T2"]["net_ml"] == right["T2"]["gross_ml"]
    assert right["T3"]["gross_ml"] - right["T3"]["net_ml"] == pytest.approx(2.85, abs=0.001)
    # the lesions shrink, so that a little of the material comes to lie outside, never more inside
    for lesion, most in (("L1", 10.10), ("L2", 2.85)):
        row = rows(case_truth, lesion)["T4"]
        assert most - 0.15 < row["gross_ml"] - row["net_ml"] <= most + 1e-3


def test_compartments_add_up_to_what_was_injected() -> None:
    volumes: dict[tuple[str, str], float] = {}
    for deposit in deposits():
        key = (deposit.lesion, deposit.kind)
        volumes[key] = volumes.get(key, 0.0) + deposit.volume_ml
    assert volumes == pytest.approx({("L1", "cement"): 7.0, ("L1", "embolic"): 4.0, ("L2", "cement"): 3.0}, abs=5e-4)
    named = {(d.lesion, d.kind, d.compartment): d.volume_ml for d in deposits() if d.compartment not in ("lesion",)}
    assert named == pytest.approx(
        {
            ("L1", "embolic", "venous"): 0.10,
            ("L1", "cement", "bone"): 0.40,
            ("L1", "cement", "sacral_foramen_ant_S1_L"): 0.15,
            ("L1", "cement", "presacral"): 0.25,
            ("L2", "cement", "sacroiliac_joint"): 0.10,
            ("L2", "cement", "sacral_foramen_ant_S2_R"): 0.05,
        },
        abs=1e-4,
    )


def test_left_lies_at_positive_x_and_right_at_negative() -> None:
    for deposit in deposits():
        cells = np.argwhere(deposit.mask)
        x = (deposit.lattice.origin_mm + cells * deposit.lattice.step_mm)[:, 0]
        assert (x > 0).all() if deposit.lesion == "L1" else (x < 0).all()


def test_transforms_take_a_lesions_centre_from_exam_to_exam(case_truth: dict[str, Any]) -> None:
    assert len(case_truth["transforms"]) == len(EXAMS) * (len(EXAMS) - 1)
    for row in case_truth["transforms"]:
        matrix = np.array(row["matrix_lps_fixed_from_moving"])
        for lesion in ("L1", "L2"):
            centers = {name: found["center_lps_mm"] for name, found in rows(case_truth, lesion).items()}
            moved = matrix @ [*centers[row["moving"]], 1.0]
            assert moved[:3] == pytest.approx(centers[row["fixed"]], abs=2e-3)


def test_every_lesion_lies_within_every_exam() -> None:
    for exam in EXAMS:
        for lesion in ("L1", "L2"):
            low, high = lesion_at(lesion, exam.day).solid.bounds()
            corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, 8).T
            indices = exam.grid.indices(exam.patient_from_body.apply(corners))
            assert (indices[:, 1:] > 0).all() and (indices[:, 1:] < np.array(exam.grid.shape[1:]) - 1).all()
        solid = lesion_at("L1", exam.day).solid
        middle = exam.grid.indices(exam.patient_from_body.apply([solid.center_mm]))[0, 0]
        reach = solid.axes_mm[2] / 2 * 1.1 / exam.grid.slice_distance_mm
        assert reach < middle < exam.grid.shape[0] - 1 - reach + 2


def test_the_left_lesion_leaves_a_millimetre_to_the_first_foramen_and_grows_six_in_front() -> None:
    x, y, z = np.ogrid[0:60:0.5, -10:70:0.5, -55:20:0.5]
    x, y, z = x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)
    away = lesion_at("L1", -4).solid.signed_mm(x, y, z)
    sacrum = Sacrum(x, y, z)
    gap = away[sacrum.anterior_foramen_mm(FORAMINA[0]) < 0].min()
    assert gap == pytest.approx(1.0, abs=0.5)  # the lattice's step
    ahead = np.broadcast_to(sacrum.front - y, away.shape)[away < 0].max()
    assert ahead == pytest.approx(6.0, abs=0.5)


def test_blood_fills_fifteen_percent_of_the_left_lesion_and_touches_its_margin() -> None:
    lesion = lesion_at("L1", 97)
    low, high = lesion.solid.bounds()
    x, y, z = (np.arange(a, b, 0.5, dtype=np.float32) for a, b in zip(low, high, strict=True))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    inside = lesion.solid.signed_mm(x, y, z) < 0
    assert lesion.blood is not None
    blood = inside & (lesion.blood.signed_mm(x, y, z) < 0)
    assert blood.sum() / inside.sum() == pytest.approx(0.15, abs=0.02)
    assert lesion.solid.signed_mm(x, y, z)[blood].max() > -0.5


def test_the_stored_truth_is_the_computed_one(case_truth: dict[str, Any], sample_case: Path) -> None:
    stored = json.loads((sample_case.parent / "sacroplasty.truth.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(case_truth))


def test_the_truth_keeps_the_contract(shared: Path, sample_case: Path) -> None:
    tool = shared / "tools" / "check_contract.py"
    stored = sample_case.parent / "sacroplasty.truth.json"
    done = subprocess.run([sys.executable, str(tool), str(stored)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
