from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.segmentation.beam_hardening import streaked_ml
from imaging.segmentation.cement import find_material
from imaging.synthetic.bone_block import SOFT_TISSUE_HU, BoneBlock, ball_of
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


def test_fat_beside_muscle_is_dark_but_no_streak():
    block = BoneBlock.with_lesion()
    fat = (block.hu == SOFT_TISSUE_HU) & (np.arange(block.hu.shape[1])[:, None] > 75)
    ct, _ = block.painted(fat, -100).painted(ball_of(2.0, (0, 3, 2)), 5500).scanned(clip_hu=3071)
    assert "BEAM_HARDENING" not in codes(ct)


def test_without_material_there_is_no_streak(clean):
    assert streaked_ml(clean.samples, np.zeros(clean.grid.shape, bool), clean.grid.spacing_mm) == 0
