"""Truths, laws and refusals of whole registrations: synthetic patients here, real ones in test_rigid_real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid
from imaging.registration.rigid import Registration, register
from imaging.volume import Modality, Volume

PatientOf = Callable[[int], Any]
TARGETS = np.stack(np.meshgrid([-60, 0, 60], [-40, 0, 40], [-50, 0, 50]), -1).reshape(-1, 3).astype(float)


def target_error_mm(found: Registration, fixed_from_moving: Rigid, moving_from_patient: Rigid) -> float:
    points = moving_from_patient.apply(TARGETS)
    return float(np.linalg.norm(found.fixed_from_moving.apply(points) - fixed_from_moving.apply(points), axis=1).max())


@pytest.fixture(scope="module")
def mr(patient: PatientOf, mr_grid: Grid) -> Volume:
    return patient(1).image(mr_grid, Modality.MR)


@pytest.fixture(scope="module")
def turned_ct(patient: PatientOf, ct_grid: Grid, another_pose: Rigid) -> Volume:
    return patient(1).image(ct_grid, Modality.CT, exam_from_patient=another_pose, noise=1)


@pytest.fixture(scope="module")
def mr_to_ct(mr: Volume, turned_ct: Volume) -> Registration:
    return register(turned_ct, mr)


def test_mr_is_found_in_a_ct_of_another_pose(mr_to_ct: Registration, another_pose: Rigid) -> None:
    assert mr_to_ct.accepted, mr_to_ct.findings
    assert mr_to_ct.findings == ()
    # half a pixel in-plane and a quarter of a slice, at targets up to 88 mm from the middle
    assert target_error_mm(mr_to_ct, another_pose, Rigid.identity()) < 2.0


def test_the_evidence_tells_from_how_far_the_answer_was_found(mr_to_ct: Registration, another_pose: Rigid) -> None:
    capture_mm = mr_to_ct.evidence["capture_mm"]
    assert isinstance(capture_mm, float)
    lattice_step_mm = 20.0  # some start lies within a step of the answer, and more than one must lead there
    assert lattice_step_mm < capture_mm < np.linalg.norm(another_pose.apply(TARGETS), axis=1).max()


def test_a_second_run_with_fixed_and_moving_exchanged_gives_the_inverse_and_the_same_evidence_to_the_bit(
    mr: Volume, turned_ct: Volume, mr_to_ct: Registration
) -> None:
    back = register(mr, turned_ct)
    assert back.evidence == mr_to_ct.evidence
    assert (
        back.fixed_from_moving.inverse().matrix[:3, :3].tobytes() == mr_to_ct.fixed_from_moving.matrix[:3, :3].tobytes()
    )
    np.testing.assert_allclose((back.fixed_from_moving @ mr_to_ct.fixed_from_moving).matrix, np.eye(4), atol=1e-9)


def test_three_exams_registered_in_a_circle_lead_back_to_where_they_began(
    patient: PatientOf, mr: Volume, mr_grid: Grid, turned_ct: Volume, mr_to_ct: Registration
) -> None:
    # by whole slices: these have no thickness, and what lies between two of them is in neither
    third = patient(1).image(mr_grid, Modality.MR, exam_from_patient=Rigid.from_shift((-8, 6, 12)), noise=4)
    circle = register(mr, third).fixed_from_moving @ register(third, turned_ct).fixed_from_moving
    points = (circle @ mr_to_ct.fixed_from_moving).apply(TARGETS)
    assert np.linalg.norm(points - TARGETS, axis=1).max() < 2.0  # as much as one of the three may be off


def test_a_frame_moved_as_a_whole_moves_the_answer_with_it(
    mr: Volume, turned_ct: Volume, mr_to_ct: Registration, another_pose: Rigid
) -> None:
    elsewhere = Rigid.from_shift((400.0, -250.0, 1200.0)) @ another_pose  # another scanner's origin, and a turn by 12°
    carried = replace(mr, grid=Grid(mr.grid.shape, elsewhere.matrix @ mr.grid.affine))
    found = register(turned_ct, carried)
    assert found.accepted, found.findings
    apart = found.fixed_from_moving.apply(elsewhere.apply(TARGETS)) - mr_to_ct.fixed_from_moving.apply(TARGETS)
    assert np.linalg.norm(apart, axis=1).max() < 2.1  # two errors of a quarter of a slice: √2 · 1.5


def test_a_coil_that_fades_across_the_pelvis_does_not_lead_astray(
    mr: Volume, turned_ct: Volume, another_pose: Rigid
) -> None:
    points = mr.grid.points(np.indices(mr.grid.shape).reshape(3, -1).T)
    coil = np.exp(points[:, 1] / 60.0 - (points[:, 0] / 150.0) ** 2).reshape(mr.grid.shape)  # to a tenth from the back
    found = register(turned_ct, replace(mr, samples=(mr.samples * coil).astype(np.float32)))
    assert found.accepted, found.findings
    assert target_error_mm(found, another_pose, Rigid.identity()) < 2.0


def test_a_lesion_that_appeared_does_not_steer_when_it_is_excluded(
    patient: PatientOf, mr: Volume, mr_grid: Grid, another_pose: Rigid
) -> None:
    later = patient(1).image(mr_grid, Modality.MR, exam_from_patient=another_pose, noise=2)
    points = mr_grid.points(np.indices(mr_grid.shape).reshape(3, -1).T).reshape(*mr_grid.shape, 3)
    grown = np.linalg.norm(points - another_pose.apply([[40, 10, 0]])[0], axis=-1) < 32
    samples = later.samples.copy()
    samples[grown] = 5000.0
    found = register(replace(later, samples=samples), mr, fixed_exclude=grown)
    assert found.accepted, found.findings
    assert target_error_mm(found, another_pose, Rigid.identity()) < 1.4  # half an in-plane pixel


def test_slices_that_lean_need_no_resampling(
    patient: PatientOf, ct_grid: Grid, turned_ct: Volume, another_pose: Rigid
) -> None:
    affine = ct_grid.affine.copy()
    affine[1, 0] = np.tan(np.radians(15.0)) * affine[2, 0]  # a gantry tilted by 15°
    tilted = patient(1).image(Grid(ct_grid.shape, affine), Modality.CT)
    found = register(turned_ct, tilted)
    assert found.accepted, found.findings
    assert target_error_mm(found, another_pose, Rigid.identity()) < 1.3  # half an in-plane pixel


@pytest.mark.parametrize("modality", list(Modality))
def test_another_patient_is_rejected(patient: PatientOf, mr_grid: Grid, turned_ct: Volume, modality: Modality) -> None:
    stranger = patient(2).image(mr_grid, modality)
    found = register(turned_ct, stranger)
    assert not found.accepted
    assert [finding.code for finding in found.findings] == ["REGISTRATION_REJECTED"]


def test_the_same_patient_upside_down_is_rejected(mr: Volume, turned_ct: Volume) -> None:
    assert not register(turned_ct, replace(mr, samples=np.ascontiguousarray(mr.samples[::-1]))).accepted


def test_noise_is_rejected(mr: Volume, mr_grid: Grid) -> None:
    samples = np.random.default_rng(0).normal(500, 100, mr_grid.shape).astype(np.float32)
    assert not register(mr, Volume(samples=samples, grid=mr_grid, modality=Modality.MR)).accepted


def test_fields_of_view_that_share_a_sliver_are_rejected(patient: PatientOf, mr_grid: Grid, ct_grid: Grid) -> None:
    low = patient(1).image(mr_grid.crop((0, 0, 0), (10, 66, 80)), Modality.MR)  # z −69 … −15
    high = patient(1).image(ct_grid.crop((16, 0, 0), (36, 80, 80)), Modality.CT)  # z −6 … 70
    assert not register(high, low).accepted


def test_a_shared_frame_of_reference_is_checked_and_not_trusted(patient: PatientOf, mr: Volume, mr_grid: Grid) -> None:
    pose = Rigid.from_shift((0, 20, 0))
    other = patient(1).image(mr_grid, Modality.MR, exam_from_patient=pose, noise=3)
    found = register(replace(other, frame_of_reference_uid="1.2.3"), replace(mr, frame_of_reference_uid="1.2.3"))
    assert found.accepted, found.findings
    assert target_error_mm(found, pose, Rigid.identity()) < 1.4
    assert [finding.code for finding in found.findings] == ["FRAME_OF_REFERENCE_DISAGREES"]
    assert found.evidence["distance_from_shared_frame_mm"] == pytest.approx(20.0, abs=1.0)


def test_a_single_slice_is_rejected_and_returns_the_start(mr: Volume, mr_grid: Grid) -> None:
    slice_grid = mr_grid.crop((10, 0, 0), (11, 66, 80))
    start = Rigid.from_shift((1, 2, 3))
    found = register(mr, replace(mr, samples=mr.samples[10:11].copy(), grid=slice_grid), start=start)
    assert not found.accepted
    assert found.fixed_from_moving is start


def test_an_exclusion_on_another_grid_is_an_error(mr: Volume) -> None:
    with pytest.raises(GeometryError, match="fixed_exclude"):
        register(mr, mr, fixed_exclude=np.zeros((2, 2, 2), bool))


@pytest.mark.parametrize("other", ["a ball", "both sides"])
def test_an_image_without_anything_to_see_is_refused_and_never_an_error(other: str) -> None:
    grid = Grid.from_spacing((30, 40, 40), (4.0, 4.0, 4.0))
    z, y, x = np.indices(grid.shape)
    shown = {"a ball": (z - 15) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 12**2, "both sides": abs(x - 20) > 15}[other]
    seen = Volume(samples=np.where(shown, 40.0, -1000.0).astype(np.float32), grid=grid, modality=Modality.CT)
    beside = Grid.from_spacing(grid.shape, grid.spacing_mm, origin_mm=(300.0, 0.0, 0.0))
    even = Volume(samples=np.full(grid.shape, 40.0, np.float32), grid=beside, modality=Modality.CT)
    for fixed, moving in ((seen, even), (even, seen)):
        found = register(fixed, moving)
        assert not found.accepted
        assert [finding.code for finding in found.findings] == ["REGISTRATION_REJECTED"]
