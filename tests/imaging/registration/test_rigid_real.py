"""Registrations of real patients: CT with MR of sarcomas, MR with MR of brain tumours.

The sarcoma images claim one frame of reference, to which the contours were carried by their authors; thighs bend, so
identity is the truth to a few millimetres only, and for one patient (STS_019, a hand) plainly not at all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.formats.nifti import read_nifti, read_nifti_masks
from imaging.geometry import Grid, Rigid
from imaging.registration.rigid import register
from imaging.volume import Modality, Volume

pytestmark = pytest.mark.shared


def sarcoma(shared: Path, patient: str, kind: str) -> Volume:
    return load_volume(scan([shared / "data" / "sts-sarcoma" / patient / kind / "image"]).choose())


def moved(volume: Volume, transform: Rigid) -> Volume:
    """The same patient lying elsewhere, in a frame of reference of its own."""
    grid = Grid(volume.grid.shape, transform.matrix @ volume.grid.affine)
    return replace(volume, grid=grid, frame_of_reference_uid="")


def offset(volume: Volume, seed: int) -> Rigid:
    """15 mm and 8° in a random direction, around the middle of the image."""
    random = np.random.default_rng(seed)
    axis, direction = (v / np.linalg.norm(v) for v in random.normal(size=(2, 3)))
    centre = volume.grid.corners().mean(axis=0)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(8.0) * axis).as_matrix()
    matrix[:3, 3] = centre + 15.0 * direction - matrix[:3, :3] @ centre
    return Rigid(matrix)


@pytest.mark.parametrize("patient", ["STS_024", "STS_035"])
def test_mr_is_found_in_ct_from_15_mm_and_8_degrees_away(shared: Path, patient: str) -> None:
    ct, mr = sarcoma(shared, patient, "CT"), sarcoma(shared, patient, "MR_T1")
    (tumour,) = read_nifti_masks(shared / "data" / "sts-sarcoma" / patient / "MR_T1_mask.nii.gz")
    points = tumour.grid.points(np.argwhere(tumour.mask))
    away = offset(mr, seed=1)
    found = register(ct, moved(mr, away))
    assert found.accepted, found.findings
    error_mm = np.linalg.norm(found.fixed_from_moving.apply(away.apply(points)) - points, axis=1).mean()
    assert error_mm < 4.0  # an accepted registration may be off by what its own doubts allow


def test_a_thigh_that_bent_is_not_passed_on(shared: Path) -> None:
    found = register(sarcoma(shared, "STS_012", "CT"), sarcoma(shared, "STS_012", "MR_T1"))
    assert not found.accepted


@pytest.mark.parametrize(("ct", "mr"), [("STS_024", "STS_002"), ("STS_035", "STS_012")])
def test_two_patients_are_never_joined(shared: Path, ct: str, mr: str) -> None:
    assert not register(sarcoma(shared, ct, "CT"), sarcoma(shared, mr, "MR_T1")).accepted


def brain(shared: Path, patient: str, when: str) -> Volume:
    return read_nifti(shared / "data" / "longitudinal-brain-tumour" / patient / f"{when}_Scan_T1.nii.gz", Modality.MR)


def test_two_exams_of_one_brain_are_joined_and_those_of_two_patients_are_not(shared: Path) -> None:
    before = brain(shared, "05", "Pre")
    assert register(before, brain(shared, "05", "Post")).accepted
    for when in ("Pre", "Post"):
        assert not register(before, brain(shared, "06", when)).accepted


@pytest.mark.parametrize("patient", ["05", "06"])
def test_a_head_stored_with_left_and_right_exchanged_is_rejected(shared: Path, patient: str) -> None:
    before, after = brain(shared, patient, "Pre"), brain(shared, patient, "Post")
    across = int(np.abs(after.grid.affine[0, :3]).argmax())
    mirrored = replace(after, samples=np.ascontiguousarray(np.flip(after.samples, across)))
    found = register(before, mirrored)
    assert not found.accepted
    assert "left and right exchanged" in found.findings[0].message
