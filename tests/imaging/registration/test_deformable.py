"""A body that has bent by a known amount, one that has not, and strangers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from imaging.arrays import FloatArray
from imaging.geometry import Grid, Rigid
from imaging.registration.deformable import deform
from imaging.registration.rigid import Registration
from imaging.volume import Modality, Volume

PatientOf = Callable[[int], Any]
TARGETS = np.stack(np.meshgrid([-60, 0, 60], [-40, 0, 40], [-30, 0, 30]), -1).reshape(-1, 3).astype(float)
AMPLITUDE_MM, WAVE_MM = 6.0, 160.0


def bent(points: FloatArray) -> FloatArray:
    """Where points of the straight body lie in the bent one: moved sideways as a wave along the body's height."""
    shift = np.zeros_like(points)
    shift[:, 1] = AMPLITUDE_MM * np.sin(2 * np.pi * points[:, 0] / WAVE_MM)
    return points + shift


def straightened(points: FloatArray) -> FloatArray:
    return 2 * points - bent(points)  # the wave runs along x and moves along y: exact


class Bent:
    """A patient seen through the wave."""

    def __init__(self, patient: Any) -> None:
        self.patient = patient

    def image(self, grid: Grid, exam_from_patient: Rigid) -> Volume:
        class Through(type(self.patient)):  # type: ignore[misc]
            def tissue(self, points: FloatArray) -> np.ndarray:
                return np.asarray(super().tissue(straightened(points)))

        return Through(self.patient.seed).image(grid, Modality.CT, exam_from_patient=exam_from_patient, noise=1)


@pytest.fixture(scope="module")
def straight(patient: PatientOf, mr_grid: Grid) -> Volume:
    return patient(1).image(mr_grid, Modality.MR)


def test_what_has_bent_is_followed(straight: Volume, patient: PatientOf, ct_grid: Grid, another_pose: Rigid) -> None:
    moving = Bent(patient(1)).image(ct_grid, another_pose)
    whole = Registration(fixed_from_moving=another_pose.inverse(), accepted=True)
    found = deform(straight, moving, whole)
    truth = another_pose.apply(bent(TARGETS))
    rigid_mm, bent_mm = (
        float(np.linalg.norm(there - truth, axis=1).mean())
        for there in (another_pose.apply(TARGETS), found.moving_from_fixed(TARGETS))
    )
    assert found.accepted, found.findings
    assert found.evidence["correlation_after"] > found.evidence["correlation_before"]
    assert bent_mm < 2.0 < rigid_mm, (bent_mm, rigid_mm)


def test_what_has_not_bent_stays(straight: Volume, patient: PatientOf, ct_grid: Grid, another_pose: Rigid) -> None:
    moving = patient(1).image(ct_grid, Modality.CT, exam_from_patient=another_pose, noise=1)
    found = deform(straight, moving, Registration(fixed_from_moving=another_pose.inverse(), accepted=True))
    off = np.linalg.norm(found.moving_from_fixed(TARGETS) - another_pose.apply(TARGETS), axis=1)
    assert off.mean() < 2.0


def test_without_a_rigid_transform_nothing_is_bent(straight: Volume, another_pose: Rigid) -> None:
    found = deform(straight, straight, Registration(fixed_from_moving=another_pose, accepted=False))
    assert not found.accepted
    np.testing.assert_allclose(found.moving_from_fixed(TARGETS), another_pose.inverse().apply(TARGETS), atol=1e-6)


def test_a_stranger_is_refused_and_the_answer_is_always_the_same(
    straight: Volume, patient: PatientOf, ct_grid: Grid
) -> None:
    stranger = patient(2).image(ct_grid, Modality.CT, noise=1)
    same = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    one, two = (deform(straight, stranger, same) for _ in range(2))
    assert not one.accepted
    assert one.evidence == two.evidence
    np.testing.assert_array_equal(one.displacement_mm, two.displacement_mm)


def test_a_way_that_cannot_be_gone_back_is_refused_in_words() -> None:
    grid = Grid.from_spacing((12, 20, 20), (5.0, 5.0, 5.0))
    z, y, x = np.indices(grid.shape)
    wavy = (600.0 + 50.0 * (np.sin(z) + np.cos(y) + np.sin(x))).astype(np.float32)
    few = grid.crop((0, 0, 0), (3, 4, 4))  # too few voxels to start from
    whole = Volume(samples=wavy, grid=grid, modality=Modality.MR)
    part = Volume(samples=wavy[:3, :4, :4], grid=few, modality=Modality.MR)
    found = deform(whole, part, Registration(fixed_from_moving=Rigid.identity(), accepted=True))
    assert not found.accepted
    assert "the way back cannot be found" in found.findings[0].message
    assert "inf" not in found.findings[0].message
