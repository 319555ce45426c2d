from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.bone import BoneFind, bone_mask, find_bone, with_explained_holes
from imaging.segmentation.cement import find_material
from imaging.segmentation.segment import LesionId
from imaging.synthetic.bone_block import BoneBlock, tube
from imaging.volume import Modality, Volume

SHAPE = (50, 60, 60)
Z, Y, X = np.ogrid[:50, :60, :60]


def ct(samples: np.ndarray) -> Volume:
    return Volume(
        samples=samples.astype(np.int16), grid=Grid.from_spacing(samples.shape, (1, 1, 1)), modality=Modality.CT
    )


@pytest.fixture
def vertebra() -> tuple[np.ndarray, np.ndarray]:
    """A block of marrow in cortex with a tunnel of 12 mm through it from head to foot."""
    samples = np.full(SHAPE, 50)
    solid = np.zeros(SHAPE, bool)
    solid[5:45, 8:52, 8:52] = True
    tunnel = ((Y - 20) ** 2 + (X - 30) ** 2 <= 36) & np.ones_like(Z, bool)
    wall = solid & ((Y - 20) ** 2 + (X - 30) ** 2 <= 64)
    samples[solid] = 900
    samples[7:43, 10:50, 10:50] = 90
    samples[wall] = 900
    samples[tunnel] = -80
    return samples, solid & ~tunnel


def test_marrow_is_bone_and_an_open_tunnel_is_none(vertebra):
    samples, truth = vertebra
    bone = bone_mask(ct(samples))
    assert not (truth & ~bone).any()
    assert (bone & ~truth).sum() < 0.05 * 113 * 40  # the closing rounds the tunnel's corners, and no more


def test_a_breach_of_the_cortex_is_bone_only_where_a_lesion_says_so(vertebra):
    samples, _ = vertebra
    lesion = ((Z - 25) ** 2 + (Y - 50) ** 2 + (X - 30) ** 2 <= 81) & np.ones(SHAPE, bool)
    samples[lesion] = 45
    assert not bone_mask(ct(samples))[25, 46, 30]
    bone = bone_mask(ct(samples), lesion=lesion)
    assert bone[25, 46, 30]
    assert not bone[25, 57, 30]  # what bulges into soft tissue is no bone


def test_material_is_no_evidence_of_bone(vertebra):
    samples, truth = vertebra
    inside = ((Z - 25) ** 2 + (Y - 40) ** 2 + (X - 30) ** 2 <= 36) & np.ones(SHAPE, bool)
    outside = ((Z - 25) ** 2 + (Y - 55) ** 2 + (X - 12) ** 2 <= 9) & np.ones(SHAPE, bool)
    samples[inside | outside] = 3000
    bone = bone_mask(ct(samples), material=inside | outside)
    assert bone[inside].all()
    assert not bone[outside & ~truth].any()


def test_limits_are_stated(vertebra):
    samples, _ = vertebra
    assert {f.code for f in find_bone(ct(samples)).findings} == {"BONE_MASK_APPROXIMATE"}
    assert "BONE_CUT_BY_IMAGE" in {f.code for f in find_bone(ct(samples[20:])).findings}


def test_small_dense_islands_are_no_bone():
    samples = np.full(SHAPE, 50)
    samples[10:14, 10:14, 10:14] = 1000  # 0.06 mL
    assert not bone_mask(ct(samples)).any()


def test_a_mask_of_another_grid_is_refused(vertebra):
    with pytest.raises(GeometryError, match="lesion"):
        bone_mask(ct(vertebra[0]), lesion=np.zeros((2, 2, 2), bool))


def test_in_a_bone_cut_by_the_end_slices_marrow_is_filled_and_the_canal_is_not(vertebra):
    samples, truth = vertebra
    bone = bone_mask(ct(samples[10:40]))
    assert not (truth[10:40] & ~bone).any()
    assert not bone[15, 18:23, 28:33].any()


def test_bone_by_density_is_for_ct(vertebra):
    with pytest.raises(UsageError, match="MR"):
        find_bone(replace(ct(vertebra[0]), modality=Modality.MR))


def test_holes_that_a_lesion_explains_are_kept_in_bone_that_a_model_found_and_leaks_are_not(vertebra):
    samples, truth = vertebra
    lesion = ((Z - 25) ** 2 + (Y - 40) ** 2 + (X - 30) ** 2 <= 64) & np.ones(SHAPE, bool)
    leak = ((Z - 25) ** 2 + (Y - 56) ** 2 + (X - 30) ** 2 <= 9) & np.ones(SHAPE, bool)
    found = BoneFind((truth & ~lesion) | leak)
    kept = with_explained_holes(found, ct(samples), lesion=lesion, material=leak)
    assert kept.mask[lesion & truth].all()
    assert kept.mask[leak & ~truth].mean() < 0.2


@pytest.mark.parametrize("away_mm", [1.0, 2.5])
def test_the_blur_of_clipped_material_beside_bone_makes_no_bone_of_it(away_mm):
    leak = tube((0, -25 - away_mm, 0), (1, 0, 0), 1.7, 8)  # the bone's surface is 25 mm from the middle
    volume, lesion = BoneBlock.with_lesion().painted(leak, 5500).scanned(clip_hu=3071, blur_mm=1.6, slice_mm=1.0)
    material = find_material(volume, lesion_masks={LesionId("L1"): lesion}).mask()
    assert material.any()
    assert np.mean(bone_mask(volume, lesion=lesion, material=material)[material]) < 0.2
