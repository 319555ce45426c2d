from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.registration.blocks import block_grid, block_means
from imaging.registration.level import coarser, evened, level_of
from imaging.volume import Modality, Volume

SHEARED = np.array([[0.0, 0.0, 1.0, -8.0], [1.2, 1.0, 0.0, 5.0], [4.0, 0.0, 0.0, -3.0], [0.0, 0.0, 0.0, 1.0]])


@settings(max_examples=25)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_a_linear_image_keeps_its_value_at_every_point_when_averaged(
    shape: tuple[int, int, int], factors: tuple[int, int, int]
) -> None:
    grid = Grid(shape, SHEARED)
    slope = np.array([0.3, -0.2, 0.5])
    samples = (grid.points(np.indices(shape).reshape(3, -1).T) @ slope).reshape(shape).astype(np.float32)
    coarse = block_grid(grid, list(factors))
    expected = (coarse.points(np.indices(coarse.shape).reshape(3, -1).T) @ slope).reshape(coarse.shape)
    np.testing.assert_allclose(block_means(samples, list(factors)), expected, atol=1e-4)


def test_what_is_denser_than_bone_is_never_compared() -> None:
    samples = np.full((4, 4, 4), 300, np.int16)
    samples[0, 0, 0] = 3000
    level = level_of(
        Volume(samples=samples, grid=Grid.from_spacing((4, 4, 4), (3, 3, 3)), modality=Modality.CT), spacing_mm=3.0
    )
    assert np.isnan(level.samples[0, 0, 0])
    np.testing.assert_allclose(level.samples[1:], 0.5)


def test_evening_ct_keeps_the_order_of_tissues_and_parts_those_that_are_many() -> None:
    values = np.concatenate([np.linspace(0.1, 0.3, 900), np.linspace(0.3, 1.0, 100)]).astype(np.float32)
    even = evened(values, np.ones(values.shape, bool))
    assert (np.diff(even) >= 0).all()
    assert even[899] - even[0] > 2.5 * (values[899] - values[0])  # nine tenths of the voxels get half of that more


def test_what_is_excluded_or_never_measured_is_unknown_and_does_not_bleed_into_its_neighbours() -> None:
    samples = np.full((4, 8, 8), 100, np.int16)
    valid, exclude = np.ones(samples.shape, bool), np.zeros(samples.shape, bool)
    samples[:, :2], valid[:, :2] = -3024, False
    samples[:, 6:], exclude[:, 6:] = 3000, True
    grid = Grid.from_spacing(samples.shape, (2, 1, 1))
    volume = Volume(samples=samples, grid=grid, modality=Modality.CT, valid=valid)
    level = level_of(volume, spacing_mm=2.0, exclude=exclude)
    assert np.isnan(level.samples[:, 0]).all() and np.isnan(level.samples[:, 3]).all()
    np.testing.assert_allclose(level.samples[:, 1:3], 0.4, atol=1e-6)  # halfway between 100 HU and the only value
    assert np.isnan(coarser(level, 4.0).samples).sum() == 0  # half of each block is known, and enough


def test_only_the_largest_piece_is_the_body_so_that_the_table_stays_behind() -> None:
    samples = np.full((6, 40, 40), -1000, np.int16)
    samples[:, 5:20, 5:35] = 50
    samples[:, 38:, :] = 0  # the table
    grid = Grid.from_spacing(samples.shape, (3, 3, 3))
    level = level_of(Volume(samples=samples, grid=grid, modality=Modality.CT), spacing_mm=3.0)
    assert level.body[:, 5:20, 5:35].all()
    assert not level.body[:, 30:, :].any()


@pytest.mark.parametrize("modality", list(Modality))
def test_bone_is_known_on_ct_only(modality: Modality) -> None:
    samples = np.zeros((6, 20, 20), np.float32)
    samples[:, 8:12, 8:12] = 700
    grid = Grid.from_spacing(samples.shape, (3, 3, 3))
    level = level_of(Volume(samples=samples, grid=grid, modality=modality), spacing_mm=3.0)
    assert level.bone.any() == (modality is Modality.CT)
