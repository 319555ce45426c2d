"""Real CT without any material, and the sample case: what no simulation of ours has made up."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.formats.nifti import read_nifti
from imaging.segmentation.bone import bone_mask
from imaging.segmentation.cement import find_material
from imaging.volume import Modality, Volume

REAL_CT = (
    "ct-liver-mets-ge/CRLM-CT-1004",  # contrast medium, vertebrae
    "ct-j2k-siemens-body/dicom",
    "sts-sarcoma/STS_012/CT/image",  # thick femoral cortex up to 1550 HU
    "sts-sarcoma/STS_019/CT/image",
    "sts-sarcoma/STS_024/CT/image",
    "sts-sarcoma/STS_035/CT/image",
    "spine-crops/sample_ct/sub-ct_label-22_ct.nii.gz",  # sharp kernel: vertebral cortex up to 1961 HU
)


def read(path: Path) -> Volume:
    return read_nifti(path, Modality.CT) if path.is_file() else load_volume(scan([path]).choose())


@pytest.mark.shared
@pytest.mark.parametrize("path", REAL_CT)
def test_real_ct_without_material_has_no_piece(shared, path):
    assert find_material(read(shared / "data" / path)).pieces == ()


@pytest.mark.shared
@pytest.mark.parametrize(("plateau_hu", "clip"), [(2500, None), (5500, 3071)])
@pytest.mark.parametrize("path", ["ct-liver-mets-ge/CRLM-CT-1004", "ct-j2k-siemens-body/dicom"])
def test_cement_put_into_a_real_vertebra_is_found_with_its_volume(shared, path, plateau_hu, clip):
    host = read(shared / "data" / path)
    volume, truth_ml = with_ball(host, plateau_hu=plateau_hu, clip=clip)
    assert sum(piece.volume_ml for piece in find_material(volume).pieces) == pytest.approx(truth_ml, rel=0.15)


def with_ball(host: Volume, *, plateau_hu: float, clip: float | None) -> tuple[Volume, float]:
    """The host with a blurred ball of 10 mm radius in the middle of its largest stretch of bone."""
    bone = bone_mask(host)
    middle = host.grid.shape[0] // 2
    index = np.array([middle, *np.argwhere(bone[middle]).mean(axis=0)])
    reach = np.ceil(20 / np.array(host.grid.spacing_mm)) + 1
    box = [slice(int(max(i - r, 0)), int(i + r)) for i, r in zip(index, reach, strict=True)]
    indices = np.argwhere(np.ones_like(bone[tuple(box)])) + [side.start for side in box]
    radius, blur, centre = 10.0, 0.45, host.grid.points([index])[0]
    sub = (np.arange(4) - 1.5) / 4  # four sub-voxels along each axis
    total = np.zeros(len(indices))
    for offset in np.array(np.meshgrid(sub, sub, sub)).reshape(3, -1).T:
        distance = np.linalg.norm(host.grid.points(indices + offset) - centre, axis=1)
        total += np.clip((radius - distance) / (2.5 * blur) + 0.5, 0, 1)  # a ramp as steep as the blur's error function
    share = np.zeros(host.grid.shape)
    share[tuple(indices.T)] = total / 64
    samples = host.samples * (1 - share) + plateau_hu * share
    samples = np.minimum(samples, clip) if clip else samples
    volume = Volume(samples=np.round(samples).astype(np.int16), grid=host.grid, modality=Modality.CT, valid=host.valid)
    return volume, 4 / 3 * np.pi * radius**3 / 1000


@pytest.mark.journey
@pytest.mark.parametrize("timepoint", ["T1", "T3"])
def test_total_material_of_the_sample_case_is_within_15_percent(sample_case, timepoint):
    folder = sample_case / {"T1": "2003-01-17_CT", "T3": "2003-04-20_CT"}[timepoint]
    truth = json.loads((sample_case.parent / "sacroplasty.truth.json").read_text())
    true_ml = sum(row["volume_ml"] for row in truth["materials"] if row["timepoint"] == timepoint)
    find = find_material(read(folder))
    assert sum(piece.volume_ml for piece in find.pieces) == pytest.approx(true_ml, rel=0.15)


def test_a_pelvis_takes_seconds(sample_case):
    volume = read(sample_case / "2003-01-17_CT")
    started = time.process_time()
    find_material(volume)
    assert time.process_time() - started < 5  # about 1 s on one free core; room for a loaded machine
