"""The stated technical error holds the truth as often as it says: the seeded small version of the benchmark.

A right interval holds the truth in 92–98 % (wanted; nominal 95 %). Of n draws the count is binomial: a figure from the
wanted range lies within 2.6 standard deviations, √(p (1 − p) / n), of its edges in 99.5 % on either side.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from imaging.synthetic.solid import ellipsoid
from imaging.synthetic.trial import Draw, Held, diameters_held, is_called_changed, sectioned, volume_held

LOWEST, HIGHEST, TAIL = 0.92, 0.98, 2.6
SEED = 20030117


def is_within_wanted(rows: list[Held]) -> bool:
    share = float(np.mean([row.is_held for row in rows]))
    low, high = (
        edge + sign * TAIL * math.sqrt(edge * (1 - edge) / len(rows)) for edge, sign in ((LOWEST, -1), (HIGHEST, 1))
    )
    return low <= share <= high


def draws(shape: str, count: int, sizes: tuple[float, float], slices: tuple[float, float]) -> list[Draw]:
    random = np.random.default_rng([SEED, len(shape)])
    return [Draw.of(shape, random.uniform(*sizes), random.uniform(*slices), random) for _ in range(count)]


@pytest.mark.parametrize("shape", ["ellipsoid", "plate", "dumbbell", "hollow"])
def test_volumes_are_held_in_92_to_98_percent(shape: str) -> None:
    held = [list(volume_held(draw)) for draw in draws(shape, 50, (10.0, 20.0), (1.0, 5.0))]
    for rows in zip(*held, strict=True):
        assert is_within_wanted(list(rows)), (rows[0].name, np.mean([row.is_held for row in rows]))


def test_the_hardest_stratum_is_held_too() -> None:
    # Bodies of two to three slices: the blur of 5 mm slices takes 8 % off a ball of 10 mm, inside what is stated.
    held = [list(volume_held(draw)) for draw in draws("ball", 50, (10.0, 12.0), (4.0, 5.0))]
    for rows in zip(*held, strict=True):
        assert np.mean([row.is_held for row in rows]) >= LOWEST - TAIL * math.sqrt(LOWEST * (1 - LOWEST) / len(rows))


def test_a_solid_that_is_off_by_more_than_it_says_is_told() -> None:
    assert not is_within_wanted([Held("volume", number % 5 > 0, 0.0) for number in range(100)])
    assert not is_within_wanted([Held("volume", True, 0.0)] * 2000)


def test_diameters_of_ellipsoids_are_held() -> None:
    held = [list(diameters_held(draw)) for draw in draws("ellipsoid", 50, (12.0, 20.0), (1.0, 4.0))]
    for rows in zip(*held, strict=True):
        assert is_within_wanted(list(rows)), (rows[0].name, np.mean([row.is_held for row in rows]))


def test_the_longest_section_of_an_upright_ellipsoid_is_its_own() -> None:
    draw = Draw(ellipsoid(np.array([5.0, 7.0, 3.0])), np.eye(3), 1.0, 1.0, np.random.default_rng(0))
    assert sectioned(draw) == pytest.approx((14.0, 6.0), rel=1e-12)


def test_an_unchanged_lesion_scanned_again_is_not_called_changed() -> None:
    random = np.random.default_rng(11)
    alarms = sum(is_called_changed(random.uniform(10.0, 30.0), 1.0, (1.0, 5.0), random) for _ in range(40))
    assert alarms <= 0.05 * 40


@pytest.mark.parametrize("growth", [0.7, 1.3])
def test_a_true_change_of_30_percent_is_found_in_20_mm_and_more_at_3_mm_slices(growth: float) -> None:
    random = np.random.default_rng(12)
    found = sum(is_called_changed(random.uniform(20.0, 32.0), growth, (1.0, 3.0), random) for _ in range(40))
    assert found >= 0.9 * 40
