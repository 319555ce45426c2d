"""Smoothing keeps volumes, growing keeps distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.editing.outline import grown, smoothed

SPACING = (2.0, 0.8, 0.8)
GRID = Grid.from_spacing((24, 48, 48), SPACING)


def ball(radius: float, grid: Grid = GRID) -> np.ndarray:
    middle = grid.points([[(n - 1) / 2 for n in grid.shape]])[0]
    distance = np.linalg.norm(grid.points(np.indices(grid.shape).reshape(3, -1).T) - middle, axis=1)
    return (distance <= radius).reshape(grid.shape)


@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(0.3, 3.0))
def test_smoothing_keeps_the_number_of_voxels(seed: int, sigma: float) -> None:
    grid = Grid.from_spacing((8, 12, 12), SPACING)
    mask = np.random.default_rng(seed).random(grid.shape) < 0.2
    before = mask.copy()
    # Blurred noise has no two equal values but by symmetry; each tie may add its partner.
    assert abs(int(smoothed(mask, grid, sigma_mm=sigma).sum()) - int(mask.sum())) <= 2
    assert np.array_equal(mask, before)


def test_neighbours_are_smoothed_with_one_border_and_keep_their_volumes() -> None:
    random = np.random.default_rng(3)
    body = ball(15.0)
    ragged = np.arange(GRID.shape[2]) < 24 + random.integers(-3, 4, GRID.shape[:2])[:, :, None]
    labels = np.where(body, np.where(ragged, 1, 2), 0).astype(np.uint16)
    smooth = smoothed(labels, GRID, sigma_mm=2.0)
    assert smooth.dtype == labels.dtype
    for number in (1, 2):
        assert (smooth == number).sum() == pytest.approx((labels == number).sum(), rel=0.005)

    def steps(marked: np.ndarray) -> int:
        return int((np.diff(marked == 1, axis=1) & (marked[:, 1:] > 0) & (marked[:, :-1] > 0)).sum())

    assert steps(smooth) < 0.5 * steps(labels)
    inner = ball(11.0)
    assert (smooth[inner] > 0).all()  # no gap opens between the two


def test_smoothing_takes_away_a_spur_and_leaves_a_ball_a_ball() -> None:
    body = ball(12.0)
    spur = body.copy()
    spur[12, 24, :] = True
    smooth = smoothed(spur, GRID, sigma_mm=1.5)
    assert not smooth[12, 24, 0] and not smooth[12, 24, -1]
    assert (smooth ^ body).sum() < 0.05 * body.sum()


@pytest.mark.parametrize("by", [-4.0, -1.5, 1.5, 4.0])
def test_a_ball_grows_to_a_ball_of_the_larger_radius(by: float) -> None:
    found = grown(ball(12.0), GRID, by_mm=by)
    radius = np.cbrt(found.sum() * GRID.voxel_volume_mm3 * 3 / (4 * np.pi))
    assert radius == pytest.approx(12.0 + by, abs=0.42)  # half a pixel


def test_growing_reaches_the_true_distance_on_a_leaning_grid() -> None:
    affine = np.eye(4)
    affine[:3, :3] = [[0.0, 0.0, 0.8], [0.5, 0.8, 0.0], [2.0, 0.0, 0.0]]
    leaning = Grid((24, 48, 48), affine)
    found = grown(ball(10.0, leaning), leaning, by_mm=3.0)
    radius = np.cbrt(found.sum() * leaning.voxel_volume_mm3 * 3 / (4 * np.pi))
    assert radius == pytest.approx(13.0, abs=0.4)


@given(seed=st.integers(0, 2**32 - 1), by=st.floats(0.1, 4.0))
def test_growing_only_adds_and_shrinking_only_takes_away_more_by_more(seed: int, by: float) -> None:
    grid = Grid.from_spacing((7, 10, 10), SPACING)
    mask = np.random.default_rng(seed).random(grid.shape) < 0.3
    more, less = grown(mask, grid, by_mm=by), grown(mask, grid, by_mm=-by)
    assert not (mask & ~more).any() and not (less & ~mask).any()
    assert not (more & ~grown(mask, grid, by_mm=by + 0.5)).any()
    assert np.array_equal(grown(mask, grid, by_mm=0.0), mask)


def test_a_lesion_that_the_image_cuts_is_not_eaten_from_there() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[:12, 10:38, 10:38] = True
    assert grown(mask, GRID, by_mm=-2.0)[0, 24, 24]
    assert smoothed(mask, GRID, sigma_mm=1.5)[0, 24, 24]


@pytest.mark.parametrize("empty", [True, False])
def test_nothing_and_everything_stay_what_they_are(empty: bool) -> None:
    mask = np.full(GRID.shape, not empty)
    assert np.array_equal(grown(mask, GRID, by_mm=2.0), mask)
    assert np.array_equal(grown(mask, GRID, by_mm=-2.0), mask)
    assert np.array_equal(smoothed(mask, GRID, sigma_mm=2.0), mask)


def test_a_mask_of_another_grid_and_an_endless_length_are_refused() -> None:
    with pytest.raises(GeometryError, match="does not fill"):
        grown(np.ones((2, 2, 2), bool), GRID, by_mm=1.0)
    with pytest.raises(UsageError, match="length"):
        smoothed(np.ones(GRID.shape, bool), GRID, sigma_mm=np.inf)
