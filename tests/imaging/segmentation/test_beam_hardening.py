from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.segmentation.beam_hardening import noise_between, streaked_ml
from imaging.segmentation.cement import find_material
from imaging.synthetic.bone_block import SOFT_TISSUE_HU, BoneBlock, ball_of, ellipsoid, tube
from imaging.synthetic.streak import Streak
from imaging.volume import Volume

ENDS_MM = (0.0, 0.0, -19.0), (0.0, 0.0, 21.0)


@pytest.fixture(scope="module")
def clean() -> Volume:
    """Two deposits of 1 mL with 28 mm of marrow and lesion between them."""
    block = BoneBlock.with_lesion()
    for end in ENDS_MM:
        block = block.painted(ball_of(1.0, end), 5500)
    return block.scanned(clip_hu=3071)[0]


def banded(ct: Volume) -> Volume:
    z, y, x = ((np.arange(n) + 0.5) * s - n * s / 2 for n, s in zip(ct.grid.shape, ct.grid.spacing_mm, strict=True))
    away = Streak(start_mm=ENDS_MM[0], stop_mm=ENDS_MM[1]).away_mm(z[:, None, None], y[None, :, None], x[None, None, :])
    streak = Streak(start_mm=ENDS_MM[0], stop_mm=ENDS_MM[1])
    noise = np.random.default_rng(1).normal(0, 12, away.shape) * np.sqrt(streak.noise_at(away) ** 2.0 - 1)
    samples = np.where(ct.samples > 1000, ct.samples, ct.samples + streak.offset_hu(away) + noise)
    return replace(ct, samples=np.rint(samples).astype(np.int16))


def codes(ct: Volume) -> set[str]:
    return {finding.code for finding in find_material(ct).findings}


def test_a_streak_between_two_deposits_is_said_and_a_clean_ct_is_not_accused(clean):
    assert "BEAM_HARDENING" in codes(banded(clean))
    assert "BEAM_HARDENING" not in codes(clean)


def test_a_streak_along_a_canal_of_10_mm_in_bone_is_said():
    block = BoneBlock.with_lesion()
    block = block.painted(ellipsoid((0, 0, 0), (28, 23, 26)), 400).painted(tube((0, 0, 1), (0, 0, 1), 5, 20), 30)
    for end in ENDS_MM:
        block = block.painted(ball_of(1.0, end), 5500)
    ct, _ = block.scanned(clip_hu=3071)
    assert "BEAM_HARDENING" in codes(banded(ct))
    assert "BEAM_HARDENING" not in codes(ct)


@pytest.mark.parametrize("hu", [-100.0, 10.0, 60.0])
def test_noise_between_two_bodies_is_told_whatever_the_tissue_there(hu):
    random = np.random.default_rng(3)
    tissue = 50 + random.normal(0, 12, (10, 70, 70))
    tissue[:, :, 15:55] += hu - 50
    bodies = np.zeros(tissue.shape, bool)
    bodies[:, 30:40, 5:15] = bodies[:, 30:40, 55:65] = True
    spacing = (1.0, 1.0, 1.0)
    assert noise_between(np.where(bodies, 3071, tissue), bodies, spacing) == pytest.approx(1, abs=0.1)
    tissue[:, 28:42, 15:55] += random.normal(0, 12 * np.sqrt(3), (10, 14, 40))  # twice the noise
    assert noise_between(np.where(bodies, 3071, tissue), bodies, spacing) == pytest.approx(2, abs=0.2)


def test_one_body_has_nothing_between():
    tissue = np.random.default_rng(3).normal(50, 12, (4, 60, 60))
    body = np.zeros(tissue.shape, bool)
    body[:, 20:40, 20:40] = True
    assert noise_between(tissue, body, (1.0, 1.0, 1.0)) is None


def test_a_dark_and_noisy_place_that_no_two_bodies_enclose_is_no_streak():
    block = BoneBlock.with_lesion()
    block = replace(block, hu=np.full_like(block.hu, SOFT_TISSUE_HU))
    lone = block.painted(ball_of(1.0, ENDS_MM[0]), 5500)
    both = lone.painted(ball_of(1.0, ENDS_MM[1]), 5500)
    random = np.random.default_rng(5)

    def codes_with_patch(painted: BoneBlock) -> set[str]:
        ct, _ = painted.scanned(clip_hu=3071)
        z, y, x = ct.samples.shape
        samples = ct.samples.astype(np.float64)
        place = np.s_[z // 2 - 6 : z // 2 + 6, y // 2 + 12 : y // 2 + 32, x // 2 - 30 : x // 2]
        samples[place] += random.normal(-120, 30, samples[place].shape)
        return codes(replace(ct, samples=np.rint(samples).astype(np.int16)))

    assert "BEAM_HARDENING" in codes_with_patch(lone)  # nothing else tells what it is
    assert "BEAM_HARDENING" not in codes_with_patch(both)


def test_fat_beside_muscle_is_dark_but_no_streak():
    block = BoneBlock.with_lesion()
    fat = (block.hu == SOFT_TISSUE_HU) & (np.arange(block.hu.shape[1])[:, None] > 75)
    ct, _ = block.painted(fat, -100).painted(ball_of(2.0, (0, 3, 2)), 5500).scanned(clip_hu=3071)
    assert "BEAM_HARDENING" not in codes(ct)


def test_without_material_there_is_no_streak(clean):
    assert streaked_ml(clean.samples, np.zeros(clean.grid.shape, bool), clean.grid.spacing_mm) == 0
