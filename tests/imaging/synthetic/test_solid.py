"""Solids have the volumes that their formulas say, and a scan of one is neither shifted nor scaled."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.synthetic.solid import Scan, Solid, acquired, dumbbell, ellipsoid, hollow_ball, pose, rasterised

SOLIDS = {
    "ellipsoid": ellipsoid(np.array([6.0, 9.0, 12.0])),
    "dumbbell": dumbbell(24.0),
    "hollow ball": hollow_ball(20.0),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_the_voxels_inside_fill_the_volume(name: str) -> None:
    solid, random = SOLIDS[name], np.random.default_rng(1)
    filled = [rasterised(solid, (1.0, 0.7, 0.7), pose(random), random).mask.sum() * 0.49 for _ in range(12)]
    assert np.mean(filled) == pytest.approx(solid.volume_mm3, rel=0.005)


@pytest.mark.parametrize("name", SOLIDS)
def test_the_distance_is_that_to_the_surface_near_it(name: str) -> None:
    solid = SOLIDS[name]
    points = np.random.default_rng(2).normal(0.0, 1.0, (4000, 3)) * solid.reach_mm / 2
    away = solid.distance_mm(points)
    near = np.abs(away) < 0.2
    slope = [(solid.distance_mm(points[near] + step) - away[near]) / 1e-6 for step in np.eye(3) * 1e-6]
    assert near.sum() > 20
    assert np.linalg.norm(slope, axis=0) == pytest.approx(1.0, abs=0.1)


def test_a_scan_without_noise_is_cut_at_the_surface_of_a_large_body() -> None:
    ball, random = ellipsoid(np.full(3, 16.0)), np.random.default_rng(3)
    masks = [acquired(ball, (1.0, 0.8, 0.8), pose(random), Scan(noise=0.0), random) for _ in range(4)]
    # Blur of σ moves the half level of a sphere inwards by up to σ²/R: −3σ²/R² of the volume, 0.3 % here, and slices
    # cut a flat top as a whole or not: half a slice at both poles, ± 0.1 % on average of four.
    assert np.mean([m.mask.sum() * 0.64 for m in masks]) == pytest.approx(ball.volume_mm3, rel=0.01)


def test_a_rule_of_the_outline_moves_the_whole_surface() -> None:
    ball = ellipsoid(np.full(3, 10.0))

    def filled(outline_mm: float) -> float:
        scan = Scan(noise=0.0, outline_mm=outline_mm)
        return float(acquired(ball, (1.0, 0.8, 0.8), np.eye(3), scan, np.random.default_rng(4)).mask.sum() * 0.64)

    grown = (filled(0.5) - filled(-0.5)) / (4 * np.pi * 10.0**2)
    assert grown == pytest.approx(1.0, rel=0.05)


def test_a_speck_of_noise_is_no_part_of_a_lesion() -> None:
    ball: Solid = ellipsoid(np.full(3, 8.0))
    mask = acquired(ball, (2.0, 1.0, 1.0), np.eye(3), Scan(noise=0.19), np.random.default_rng(5)).mask
    points = np.argwhere(mask) - (np.array(mask.shape) - 1) / 2
    # Noise of 0.19 passes one half in 0.4 % of the empty voxels; a speck may hang on to the ball by a corner or two.
    assert np.linalg.norm(points * (2.0, 1.0, 1.0), axis=1).max() < 8.0 + 2 * np.sqrt(4 + 1 + 1) + 1.0
