from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from imaging.geometry import Grid
from imaging.segmentation.plateau import hidden_plateau_hu, plateau_hu, saturation_level
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


@pytest.mark.parametrize("true_hu", [3300.0, 4000.0, 5500.0])
@pytest.mark.parametrize("width", [0.4, 1.0])
def test_the_climb_of_an_edge_tells_a_clipped_plateau_whatever_its_width(true_hu, width):
    depth = np.random.default_rng(3).uniform(-3, 3, 8000)
    edge = (45 + (true_hu - 45) * special.ndtr(depth / width)).astype(np.float32)
    low, middle, high = hidden_plateau_hu(np.minimum(edge, 3071), 45.0, 3071.0)
    assert low <= true_hu <= high
    assert middle == pytest.approx(true_hu, rel=0.25)


def test_without_readable_edge_the_estimate_is_the_middle_of_what_is_possible():
    low, middle, high = hidden_plateau_hu(np.zeros(3, np.float32), 45.0, 3071.0)
    assert middle == pytest.approx(np.sqrt(3071 * 8600), rel=0.02)
    assert (low, high) == (pytest.approx(3071, rel=0.05), pytest.approx(8600, rel=0.05))
