from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imaging.synthetic.shape import Ellipsoid, Tube, in_plane_turn, lobes

axis = st.floats(8.0, 60.0)


def counted_ml(solid: Ellipsoid, step_mm: float) -> tuple[float, float]:
    """Volume by counting lattice cells, and six standard deviations of that count.

    Only cells that the surface cuts can be wrong, each by at most half a cell and with variance 1/12. The surface
    cuts about twice its shadow along each axis.
    """
    low, high = solid.bounds()
    x, y, z = (np.arange(a + 0.3 * step_mm, b, step_mm, dtype=np.float32) for a, b in zip(low, high, strict=True))
    inside = solid.signed_mm(x[:, None, None], y[None, :, None], z[None, None, :]) < 0
    a, b, c = solid.axes_mm
    cut = 2 * np.pi / 4 * (a * b + b * c + a * c) / step_mm**2
    return float(inside.sum() * step_mm**3 / 1000), float(6 * np.sqrt(cut / 12) * step_mm**3 / 1000)


@settings(max_examples=15)
@given(a=axis, b=axis, c=axis, turn=st.floats(0, 180), lobulation=st.sampled_from([0.0, 0.08, 0.15]))
def test_the_volume_of_a_lobulated_ellipsoid_is_that_of_its_formula(
    a: float, b: float, c: float, turn: float, lobulation: float
) -> None:
    solid = Ellipsoid(center_mm=(3.0, -2.0, 7.0), axes_mm=(a, b, c), turn=in_plane_turn(turn), lobulation=lobulation)
    volume_ml, tolerance_ml = counted_ml(solid, min(a, b, c) / 20)
    assert volume_ml == pytest.approx(solid.volume_ml, abs=tolerance_ml)


def directions(count: int) -> NDArray[np.float32]:
    rays = np.random.default_rng(5).standard_normal((3, count))
    return (rays / np.sqrt((rays**2).sum(axis=0))).astype(np.float32)


def test_lobes_are_odd_and_never_beyond_one() -> None:
    a, b, c = directions(20_000)
    assert np.array_equal(lobes(a, b, c), -lobes(-a, -b, -c))
    assert np.abs(lobes(a, b, c)).max() <= 1
    assert np.abs(lobes(a, b, c)).max() > 0.5


def test_a_diameter_through_the_centre_keeps_its_length_however_lobulated() -> None:
    solid = Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(50.0, 40.0, 30.0), lobulation=0.1)
    scale = solid.semi_axes_mm[0] / 25
    for ray in directions(50).T:
        ends = []
        for sign in (1, -1):
            reach = np.arange(10.0, 35.0, 0.01, dtype=np.float32) * sign
            away = solid.signed_mm(*(reach * np.float32(value) for value in ray))
            ends.append(float(np.abs(reach[np.argmax(away > 0)])))
        plain = 2 * scale / np.sqrt(((ray / (25.0, 20.0, 15.0)) ** 2).sum())
        assert sum(ends) == pytest.approx(plain, abs=0.03)


def test_the_distance_from_a_ball_is_exact() -> None:
    ball = Ellipsoid(center_mm=(1.0, 2.0, 3.0), axes_mm=(20.0, 20.0, 20.0))
    rays = directions(100)
    for reach in (0.0, 4.0, 10.0, 25.0):
        x, y, z = (np.float32(middle) + np.float32(reach) * ray for middle, ray in zip((1, 2, 3), rays, strict=True))
        assert ball.signed_mm(x, y, z) == pytest.approx(np.full(100, reach - 10.0), abs=1e-4)


@given(turn=st.floats(-180, 180), lobulation=st.floats(0, 0.2))
@settings(max_examples=20)
def test_nothing_of_a_solid_lies_outside_its_bounds(turn: float, lobulation: float) -> None:
    solid = Ellipsoid(
        center_mm=(5.0, 0.0, 0.0), axes_mm=(40.0, 20.0, 30.0), turn=in_plane_turn(turn), lobulation=lobulation
    )
    x, y, z = np.random.default_rng(1).uniform(-35, 35, (3, 20_000)).astype(np.float32)
    inside = solid.signed_mm(x, y, z) < 0
    low, high = solid.bounds()
    points = np.column_stack([x, y, z])[inside]
    assert inside.any()
    assert (points >= low - 1e-4).all() and (points <= high + 1e-4).all()


def test_a_tube_is_a_pipe_with_round_ends() -> None:
    tube = Tube(points_mm=((0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (10.0, 10.0, 0.0)), radius_mm=2.0)
    points = np.array([[5, 2.5, 0], [12.5, 5, 0], [-3, 0, 0], [10, 10, 1], [5, 1, 1]], dtype=np.float32)
    assert tube.signed_mm(*points.T) == pytest.approx([0.5, 0.5, 1.0, -1.0, np.sqrt(2) - 2], abs=1e-5)
