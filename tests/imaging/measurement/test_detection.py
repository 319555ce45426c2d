"""What the technical error alone lets a reader see: no change where there is none, and 30 % where voxels allow it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.geometry import Grid
from imaging.measurement.change import measure_change
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.segmentation.segment import Segment

TRIALS = 40


def scanned(semi: np.ndarray, slices: float, pixel: float, random: np.random.Generator) -> SegmentMeasurement:
    """An ellipsoid as an exam shows it: any pose, anywhere between the voxels, voxel centres inside belong."""
    spacing = np.array([slices, pixel, pixel])
    turn = Rotation.random(rng=random).as_matrix()
    reach = np.ceil(semi.max() / spacing).astype(int) + 2
    shape = tuple(2 * reach + 1)
    points = (np.indices(shape).reshape(3, -1).T - reach - random.uniform(-0.5, 0.5, 3)) * spacing
    inside = (((points @ turn) / semi) ** 2).sum(axis=1) <= 1.0
    return measure_segment(Segment(mask=inside.reshape(shape), grid=Grid.from_spacing(shape, spacing)))


def semi_axes(diameter: float, random: np.random.Generator) -> np.ndarray:
    ratio = np.exp(random.uniform(-0.25, 0.25, 3))
    return diameter / 2 * ratio / np.prod(ratio) ** (1 / 3)


def test_an_unchanged_lesion_scanned_again_is_not_called_changed() -> None:
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(TRIALS):
        semi = semi_axes(random.uniform(10.0, 32.0), random)
        first, second = (scanned(semi, random.uniform(1.0, 5.0), 0.8, random) for _ in range(2))
        alarms += measure_change(first, second).exceeds_error is not False
    assert alarms <= 0.05 * TRIALS


@pytest.mark.parametrize("growth", [0.7, 1.3])
def test_a_true_change_of_30_percent_is_found_in_20_mm_and_more_at_3_mm_slices(growth: float) -> None:
    random = np.random.default_rng(12)
    found = 0
    for _ in range(TRIALS):
        semi = semi_axes(random.uniform(20.0, 32.0), random)
        slices, pixel = random.uniform(1.0, 3.0), random.uniform(0.6, 1.0)
        first = scanned(semi, slices, pixel, random)
        second = scanned(semi * growth ** (1 / 3), slices, pixel, random)
        found += measure_change(first, second).exceeds_error is True
    assert found >= 0.9 * TRIALS
