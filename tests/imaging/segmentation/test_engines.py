"""Graph cut, random walk, star surface and fast marching against answers that are known."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.fast_march import fast_march
from imaging.segmentation.graph_cut import boundary_weights, graph_cut
from imaging.segmentation.random_walk import random_walk
from imaging.segmentation.star_surface import star_surface

SHAPE = (2, 2, 3)


def energy(labels: np.ndarray, odds: np.ndarray, weights: tuple[np.ndarray, ...], smoothness: float) -> float:
    cost = -float(odds[labels].sum())
    for axis, weight in enumerate(weights):
        cost += smoothness * float(weight[np.diff(labels.astype(int), axis=axis) != 0].sum())
    return cost


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0, 3))
def test_no_labelling_has_less_energy_than_the_cut(seed: int, smoothness: float) -> None:
    random = np.random.default_rng(seed)
    odds = random.normal(0, 2, SHAPE).astype(np.float32)
    weights = boundary_weights(random.normal(0, 1, SHAPE).astype(np.float32))
    found = energy(graph_cut(odds, weights, smoothness=smoothness), odds, weights, smoothness)
    best = min(
        energy(np.array(labels).reshape(SHAPE), odds, weights, smoothness)
        for labels in product((False, True), repeat=int(np.prod(SHAPE)))
    )
    # Capacities are rounded to 1/256 log-odds: 12 voxels and 20 faces can each be off by half of that, twice.
    assert found <= best + 32 / 256


def test_without_smoothness_the_cut_is_the_sign_of_the_evidence() -> None:
    odds = np.random.default_rng(0).normal(0, 2, (6, 7, 8)).astype(np.float32)
    cut = graph_cut(odds, boundary_weights(np.zeros_like(odds)), smoothness=0.0)
    assert (cut == (odds > 0))[np.abs(odds) > 1 / 256].all()


def test_a_walk_between_two_seeds_crosses_linearly() -> None:
    odds = np.zeros((1, 1, 11), np.float32)
    odds[..., 0], odds[..., -1] = 30, -30
    weights = boundary_weights(np.zeros_like(odds))
    walked = random_walk(odds, weights, evidence=1.0).ravel()
    # Laplace's equation on a line of twelve equal steps: ten between neighbours, one at each end to its seed.
    np.testing.assert_allclose(walked, np.arange(11, 0, -1) / 12, atol=0.01)


def test_a_walk_that_nothing_draws_inside_stays_outside() -> None:
    odds = np.full((3, 4, 5), -2.0, np.float32)
    assert random_walk(odds, boundary_weights(np.zeros_like(odds)), evidence=0.5).max() == 0


WALK = """
import numpy as np
from imaging.provenance import array_sha256
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.graph_cut import boundary_weights
from imaging.segmentation.random_walk import random_walk
random = np.random.default_rng(0)
odds, feature = random.normal(0, 2, (2, 45, 45, 45)).astype(np.float32)
print(array_sha256(random_walk(odds, boundary_weights(feature), evidence=0.5)))
points, weights = random.normal(0, 9, (90_000, 3)), random.random(90_000)
print(array_sha256(Ellipsoid.of_moments(points, weights, volume_mm3=1.0).axes))
"""


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    def told(threads: int) -> str:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run([sys.executable, "-c", WALK], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert told(1) == told(2) != ""


@pytest.mark.parametrize("radius", [6.0, 9.0, 12.0])
def test_the_star_surface_finds_a_ball_from_a_prior_of_another_size(radius: float) -> None:
    grid = Grid.from_spacing((33, 33, 33), (1.0, 1.0, 1.0), origin_mm=(-16.0, -16.0, -16.0))
    distance = np.linalg.norm(grid.points(np.indices(grid.shape).reshape(3, -1).T), axis=1).reshape(grid.shape)
    odds = np.where(distance < radius, 1.5, -1.5).astype(np.float32)
    body = star_surface(odds, grid, Ellipsoid.ball((1.0, -1.0, 0.5), radius_mm=8.0), stiffness=1.0)
    # Levels are 0.05 prior radii apart: 0.4 mm, and half of that is off by chance.
    tolerance = 3 * 0.4 / radius
    assert float(body.sum()) == pytest.approx(4 / 3 * np.pi * radius**3, rel=tolerance)


def test_a_stiff_surface_does_not_follow_a_leak() -> None:
    grid = Grid.from_spacing((33, 33, 33), (1.0, 1.0, 1.0), origin_mm=(-16.0, -16.0, -16.0))
    points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    leak = (np.hypot(points[:, 0], points[:, 1]) < 1.5) & (points[:, 2] > 0)
    inside = (np.linalg.norm(points, axis=1) < 8) | leak
    odds = np.where(inside, 1.5, -1.5).astype(np.float32).reshape(grid.shape)
    expected = Ellipsoid.ball((0.0, 0.0, 0.0), radius_mm=8.0)
    soft, stiff = (star_surface(odds, grid, expected, stiffness=stiffness) for stiffness in (0.0, 30.0))
    tip = np.rint(grid.indices([[0.0, 0.0, 12.0]])[0]).astype(int)
    assert soft[tuple(tip)] > 0.5 > stiff[tuple(tip)]


def test_fronts_through_undecided_flat_ground_meet_halfway() -> None:
    odds = np.zeros((1, 1, 22), np.float32)
    column = np.broadcast_to(np.arange(22), odds.shape)
    body = fast_march(odds, boundary_weights(odds), inside=column == 0, outside=column == 21)
    assert (body.ravel() > 0.5).sum() == 11


@pytest.mark.parametrize("radius", [6.0, 9.0, 12.0])
def test_fronts_meet_where_the_evidence_turns(radius: float) -> None:
    distance = np.linalg.norm(np.indices((33, 33, 33)) - 16.0, axis=0)
    odds = np.where(distance < radius, 2.0, -2.0).astype(np.float32)
    body = fast_march(odds, boundary_weights(odds), inside=distance < 2, outside=distance > 15)
    # An edge is one voxel wide: the fronts meet somewhere on it, at most half a voxel from where the evidence turns.
    grown, shrunk = (4 / 3 * np.pi * (radius + off) ** 3 for off in (1.0, -1.0))
    assert shrunk < (body > 0.5).sum() < grown


def test_separate_starts_of_a_front_all_march() -> None:
    odds = np.zeros((1, 1, 21), np.float32)
    column = np.broadcast_to(np.arange(21), odds.shape)
    body = fast_march(odds, boundary_weights(odds), inside=(column == 2) | (column == 18), outside=column == 10)
    assert (body.ravel() > 0.5).tolist() == [abs(k - 10) > 4 for k in range(21)]


def test_where_a_front_has_no_start_the_evidence_alone_decides() -> None:
    odds = np.array([[[3.0, -3.0]]], np.float32)
    nowhere = np.zeros(odds.shape, dtype=bool)
    body = fast_march(odds, boundary_weights(odds), inside=nowhere, outside=~nowhere)
    np.testing.assert_allclose(body, 1 / (1 + np.exp(-odds)), rtol=1e-6)
