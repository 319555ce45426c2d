from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from imaging.geometry import Grid, Rigid
from imaging.registration.information import Comparison, Motion, spline_slopes, spline_weights
from imaging.registration.interpolation import interpolate
from imaging.registration.level import Level
from imaging.registration.points import spread_points

GRID = Grid.from_spacing((16, 24, 24), (4.0, 3.0, 3.0))
EVERYWHERE = np.ones(GRID.shape, bool)


def texture(seed: int) -> Level:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), 2.0)
    low, high = np.percentile(smooth, (1, 99))
    return Level(np.clip((smooth - low) / (high - low), 0, 1).astype(np.float32), EVERYWHERE, ~EVERYWHERE, GRID)


def compare(first: Level, other: Level, count: int = 6000) -> Comparison:
    return Comparison.of(first, spread_points(first, first.body, count), other)


def test_an_image_tells_most_about_itself_and_nothing_about_a_stranger() -> None:
    one = texture(1)
    assert compare(one, one).correlation(Rigid.identity()) > 0.6
    assert compare(one, texture(2)).correlation(Rigid.identity()) < 0.1


def test_inverting_the_grey_values_loses_no_information() -> None:
    one = texture(1)
    inverted = Level(1 - one.samples, one.body, one.bone, GRID)
    here = compare(one, inverted).correlation(Rigid.identity())
    assert here == pytest.approx(compare(one, one).correlation(Rigid.identity()), abs=0.02)


def test_the_information_is_the_same_either_way_round() -> None:
    # up to the Parzen window, which lies on the second image only
    one, other = texture(1), replace(texture(1), samples=texture(1).samples ** 2)
    forth, back = (compare(a, b).correlation(Rigid.identity()) for a, b in ((one, other), (other, one)))
    assert forth == pytest.approx(back, abs=0.05)


@settings(max_examples=15)
@given(st.lists(st.floats(-4, 4), min_size=6, max_size=6))
def test_the_slope_is_that_of_the_correlation(numbers: list[float]) -> None:
    # central differences over 0.02 mm; points that leave the field or cross a voxel's face in between leave 5 %
    one = texture(3)
    inner = np.zeros(GRID.shape, bool)
    inner[4:-4, 5:-5, 5:-5] = True
    comparison = Comparison.of(one, spread_points(one, inner, 3000), one)
    motion = Motion(Rigid.from_shift((1, 0, 2)), comparison.points.mean(axis=0), 40.0)
    at = np.array(numbers)
    slope = comparison.correlation_and_slope(motion, at)[1]
    steps = 0.01 * np.eye(6)
    values = [[comparison.correlation_and_slope(motion, at + s * e)[0] for e in steps] for s in (1, -1)]
    differences = (np.array(values[0]) - values[1]) / 0.02
    np.testing.assert_allclose(slope, differences, atol=0.05 * np.abs(differences).max() + 2e-4)


def test_a_motion_turns_about_its_centre_and_shifts() -> None:
    centre, shift = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, -3.0])
    motion = Motion(Rigid.from_shift((5, 6, 7)), centre, 30.0)
    moved = motion.at(np.concatenate([[4.0, -9.0, 2.0], shift]))
    np.testing.assert_allclose(moved.apply([centre - (5, 6, 7)]), [centre + shift], atol=1e-12)
    assert moved.angle_deg() == pytest.approx(np.degrees(np.linalg.norm([4, -9, 2]) / 30))


def test_interpolation_reproduces_a_linear_image_and_its_gradient_on_a_sheared_grid() -> None:
    affine = np.array([[0.0, 0.0, 2.0, 9.0], [1.5, 2.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    grid = Grid((6, 8, 10), affine)
    slope = np.array([0.01, -0.02, 0.03])
    samples = (grid.points(np.indices(grid.shape).reshape(3, -1).T) @ slope).reshape(grid.shape).astype(np.float32)
    full = np.ones(grid.shape, bool)
    points = grid.points(np.random.default_rng(0).uniform(0, 5, (50, 3)))
    values, gradient, inside = interpolate(Level(samples, full, ~full, grid), points)
    assert inside.all()
    np.testing.assert_allclose(values, points @ slope, atol=1e-5)
    np.testing.assert_allclose(gradient, np.broadcast_to(slope, (50, 3)), atol=1e-5)


def test_points_outside_the_field_or_beside_an_unknown_voxel_do_not_count() -> None:
    samples = texture(1).samples.copy()
    samples[0] = np.nan
    level = Level(samples, EVERYWHERE, ~EVERYWHERE, GRID)
    inside = interpolate(level, GRID.points([[0.5, 3, 3], [1, 3, 3], [2.5, 3, 3], [15.5, 3, 3]]))[2]
    assert inside.tolist() == [False, True, True, False]
    comparison = compare(texture(1), level)
    assert comparison.overlap(Rigid.from_shift((500, 0, 0))) == 0.0
    assert comparison.correlation(Rigid.from_shift((500, 0, 0))) == 0.0


@given(st.floats(0, 1))
def test_the_window_weighs_one_in_all_and_its_slopes_cancel(part: float) -> None:
    weights, slopes = spline_weights(np.array([part])), spline_slopes(np.array([part]))
    assert sum(w[0] for w in weights) == pytest.approx(1.0)
    assert sum(s[0] for s in slopes) == pytest.approx(0.0, abs=1e-12)
    assert min(w[0] for w in weights) >= 0.0
