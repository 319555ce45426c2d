"""Bones that have moved against each other: each is found, and what cannot be told is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid
from imaging.registration.parts import register_parts
from imaging.registration.rigid import Registration, register
from imaging.volume import Modality, Volume

PatientOf = Callable[[int], Any]
WITHIN_MM = 2.0  # what is asked of a whole's registration
EDGE_MM = 15.0  # patient's left of this is the part that moves by itself


@dataclass(frozen=True, eq=False)
class Jointed:
    """A patient whose left side lies by itself; it tells tissue at a place of the exam."""

    patient: Any
    part_from_whole: Rigid

    def image(self, grid: Grid, modality: Modality, exam_from_patient: Rigid, noise: int) -> Volume:
        inside, outside = (
            self.patient.image(grid, modality, exam_from_patient=pose, noise=noise)
            for pose in (exam_from_patient @ self.part_from_whole, exam_from_patient)
        )
        left = exam_from_patient.inverse().apply(centres(grid))[:, 0].reshape(grid.shape) > EDGE_MM
        return Volume(samples=np.where(left, inside.samples, outside.samples), grid=grid, modality=modality)


def centres(grid: Grid) -> FloatArray:
    return grid.points(np.indices(grid.shape).reshape(3, -1).T)


def left_of(grid: Grid) -> BoolArray:
    """The part in an exam that lies as the patient does, without what the joint may sweep over."""
    return (centres(grid)[:, 0] > EDGE_MM + 10.0).reshape(grid.shape)


TARGETS = np.stack(np.meshgrid([35, 60, 85], [-30, 0, 30], [-40, 0, 40]), -1).reshape(-1, 3).astype(float)


@pytest.fixture(scope="module")
def joint() -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians((2.0, 3.0, -2.0))).as_matrix()
    matrix[:3, 3] = (2.0, -3.0, 2.5)
    return Rigid(matrix)


@pytest.fixture(scope="module")
def exams(
    patient: PatientOf, ct_grid: Grid, mr_grid: Grid, another_pose: Rigid, joint: Rigid
) -> tuple[Volume, Volume, Registration]:
    fixed = patient(1).image(mr_grid, Modality.MR)
    moving = Jointed(patient(1), joint).image(ct_grid, Modality.CT, another_pose, noise=1)
    return fixed, moving, register(fixed, moving)


def error_mm(found: Registration, moving_from_fixed: Rigid) -> float:
    there = moving_from_fixed.apply(TARGETS)
    return float(np.linalg.norm(found.fixed_from_moving.apply(there) - TARGETS, axis=1).max())


def test_a_bone_that_moved_by_itself_is_found_where_the_whole_has_it_wrong(
    exams: tuple[Volume, Volume, Registration], another_pose: Rigid, joint: Rigid
) -> None:
    fixed, moving, whole = exams
    found = register_parts(fixed, moving, whole, {"left": left_of(fixed.grid)})["left"]
    truth = another_pose @ joint
    assert whole.accepted and found.accepted, found.findings
    assert error_mm(found, truth) < WITHIN_MM < error_mm(whole, truth)
    assert 1.0 < float(found.evidence["moved_mm"]) < 12.0


def test_a_part_that_did_not_move_stays_with_the_whole(
    patient: PatientOf, ct_grid: Grid, mr_grid: Grid, another_pose: Rigid
) -> None:
    fixed = patient(1).image(mr_grid, Modality.MR)
    moving = patient(1).image(ct_grid, Modality.CT, exam_from_patient=another_pose, noise=1)
    whole = Registration(fixed_from_moving=another_pose.inverse(), accepted=True)
    found = register_parts(fixed, moving, whole, {"left": left_of(fixed.grid)})["left"]
    assert found.accepted and error_mm(found, another_pose) < WITHIN_MM


def test_what_cannot_be_told_is_refused_with_a_reason(exams: tuple[Volume, Volume, Registration]) -> None:
    fixed, moving, whole = exams
    empty, tiny = np.zeros(fixed.grid.shape, bool), np.zeros(fixed.grid.shape, bool)
    tiny[5, 40:42, 40:42] = True
    stranger = Volume(
        samples=np.random.default_rng(0).normal(0, 30, moving.grid.shape).astype(np.float32),
        grid=moving.grid,
        modality=Modality.CT,
    )
    refused = [
        *register_parts(fixed, moving, whole, {"empty": empty, "tiny": tiny}).values(),
        *register_parts(fixed, stranger, whole, {"left": left_of(fixed.grid)}).values(),
        *register_parts(
            fixed, moving, Registration(fixed_from_moving=Rigid.identity(), accepted=False), {"left": empty}
        ).values(),
    ]
    assert [found.accepted for found in refused] == [False] * 4
    assert {finding.code for found in refused for finding in found.findings} == {"REGISTRATION_REJECTED"}


def test_a_bone_beyond_the_other_field_of_view_costs_no_other_bone(
    exams: tuple[Volume, Volume, Registration], another_pose: Rigid
) -> None:
    fixed, moving, whole = exams
    feet = moving.grid.shape[0] // 3
    cut = replace(
        moving, samples=moving.samples[:feet], grid=moving.grid.crop((0, 0, 0), (feet, *moving.grid.shape[1:]))
    )
    heads = np.zeros(fixed.grid.shape, bool)
    heads[-3:] = left_of(fixed.grid)[-3:]
    found = register_parts(fixed, cut, whole, {"beyond": heads, "left": left_of(fixed.grid)})
    assert not found["beyond"].accepted
    assert "show too little" in found["beyond"].findings[0].message
    assert found["left"].evidence


def test_starts_that_stay_where_they_began_do_not_agree() -> None:
    grid = Grid.from_spacing((24, 40, 40), (2.0, 2.0, 2.0), origin_mm=(-40.0, -40.0, -24.0))
    flat = np.random.default_rng(3).normal(0.0, 1.0, (40, 40))
    flat = np.kron(flat.reshape(10, 4, 10, 4).sum(axis=(1, 3)), np.ones((4, 4)))
    shaft = Volume(  # as a bone's shaft, each slice like the next: nothing tells a place along it
        samples=np.broadcast_to(1000.0 + 100.0 * flat, grid.shape).astype(np.float32), grid=grid, modality=Modality.MR
    )
    part = np.zeros(grid.shape, bool)
    part[6:18, 8:32, 8:32] = True
    whole = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    found = register_parts(shaft, shaft, whole, {"shaft": part})["shaft"]
    assert not found.accepted
    assert found.evidence["starts"] == 13
    assert found.evidence["starts_agreeing"] <= 11  # all but those that began 4 mm up and down the shaft
    assert found.evidence["capture_mm"] is not None


def test_a_part_on_another_grid_is_an_error(exams: tuple[Volume, Volume, Registration]) -> None:
    fixed, moving, whole = exams
    with pytest.raises(GeometryError, match="left"):
        register_parts(fixed, moving, whole, {"left": np.ones((2, 2, 2), bool)})
