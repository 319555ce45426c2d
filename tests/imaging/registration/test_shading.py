from __future__ import annotations

import numpy as np
import pytest

from imaging.geometry import Grid
from imaging.registration.shading import without_shading

GRID = Grid.from_spacing((20, 40, 40), (6.0, 5.0, 5.0))
EVERYWHERE = np.ones(GRID.shape, bool)


def patchwork(seed: int) -> np.ndarray:
    """Three tissues in lumps of 3 cm, everywhere about as much of each."""
    lumps = np.random.default_rng(seed).integers(0, 3, (4, 7, 7))
    whole = lumps.repeat(5, axis=0).repeat(6, axis=1).repeat(6, axis=2)[:20, :40, :40]
    noise = np.random.default_rng(seed + 1).normal(1.0, 0.03, GRID.shape)
    return (np.array([0.15, 0.4, 0.9])[whole] * noise).astype(np.float32)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_coil_that_falls_to_a_third_across_the_body_is_taken_out_to_a_few_per_cent(seed: int) -> None:
    tissue = patchwork(seed)
    _, j, i = np.indices(GRID.shape)
    shading = np.exp(-1.1 * j / 39 - 0.3 * ((i - 20) / 20) ** 2)
    even = without_shading((tissue * shading).astype(np.float32), EVERYWHERE, GRID)
    left = np.log(even / tissue)
    assert np.log(shading).std() > 0.3
    assert left.std() < 0.07  # twice the tissue's own spread


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_even_image_stays_to_the_bit(seed: int) -> None:
    tissue = patchwork(seed)
    assert without_shading(tissue, EVERYWHERE, GRID) is tissue


def test_too_small_a_body_or_none_is_left_as_it_is() -> None:
    tissue = patchwork(1)
    small = np.zeros(GRID.shape, bool)
    small[:4, :6, :6] = True
    for body in (small, ~EVERYWHERE):
        assert without_shading(tissue, body, GRID) is tissue


def test_flat_and_random_images_do_no_harm() -> None:
    for samples in (np.full(GRID.shape, 0.5, np.float32), np.random.default_rng(0).random(GRID.shape, np.float32)):
        assert np.isfinite(without_shading(samples, EVERYWHERE, GRID)).all()
