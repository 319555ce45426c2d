from __future__ import annotations

import numpy as np

from imaging.geometry import Grid
from imaging.segmentation.plateau import plateau_hu, saturation_level
from imaging.volume import Modality, Volume


def ct(samples: np.ndarray, **more) -> Volume:
    return Volume(samples=samples, grid=Grid.from_spacing(samples.shape, (1, 1, 1)), modality=Modality.CT, **more)


def test_a_stated_clip_level_goes_before_the_image():
    assert saturation_level(ct(np.zeros((4, 4, 4), np.int16), saturation_hu=2976.0)) == 2976.0


def test_samples_piled_up_at_the_top_are_a_clip():
    samples = np.random.default_rng(1).normal(3000, 400, (20, 20, 20)).astype(np.float32)
    assert saturation_level(ct(np.minimum(samples, 3071).astype(np.float32))) == 3071


def test_an_open_scale_and_ordinary_bone_are_no_clip():
    rng = np.random.default_rng(1)
    assert saturation_level(ct(rng.normal(3000, 400, (20, 20, 20)).astype(np.float32))) is None
    assert saturation_level(ct(np.full((20, 20, 20), 1200, np.int16))) is None


def test_padding_does_not_count_as_a_pile():
    samples = np.random.default_rng(1).normal(60, 20, (20, 20, 20)).astype(np.float32)
    samples[:3] = 4000
    valid = np.ones(samples.shape, bool)
    valid[:3] = False
    assert saturation_level(ct(samples, valid=valid)) is None


def test_a_thin_sheet_never_shows_its_plateau():
    samples = np.full((9, 9, 9), 45, np.float32)
    samples[4] = 900
    assert plateau_hu(samples, samples > 500, (1.0, 1.0, 1.0)) == (900, 900, False)
