from __future__ import annotations

import numpy as np
import pytest

from imaging.geometry import Rigid
from imaging.registration.search import (
    SHIFT_BEYOND_MM,
    TURN_DEG,
    Found,
    displacement_mm,
    distinct,
    lattice_of_shifts,
    turned,
)


def test_the_lattice_reaches_as_far_as_the_bodies_differ_and_patients_move() -> None:
    small = np.array([[0.0, 0, 0], [100, 100, 60]])
    large = np.array([[500.0, 0, 0], [600, 100, 200]])
    shifts = np.array([shift.matrix[:3, 3] for shift in lattice_of_shifts(small, large, step_mm=20.0)])
    np.testing.assert_allclose(shifts.mean(axis=0), [500, 0, 70], atol=1e-9)
    np.testing.assert_allclose(np.ptp(shifts, axis=0) / 2, [SHIFT_BEYOND_MM, SHIFT_BEYOND_MM, 70 + SHIFT_BEYOND_MM])


def test_turns_leave_the_centre_where_it_was() -> None:
    start, centre = Rigid.from_shift((5, 6, 7)), np.array([10.0, 20.0, 30.0])
    for transform in turned(start, centre):
        np.testing.assert_allclose(transform.apply(centre), start.apply(centre), atol=1e-9)
        assert transform.angle_deg() == pytest.approx(TURN_DEG)


def test_of_neighbouring_summits_only_the_best_is_kept() -> None:
    found = [Found(Rigid.from_shift((x, 0, 0)), c) for x, c in ((0, 0.5), (3, 0.6), (40, 0.2), (41, 0.1))]
    kept = distinct(found, np.zeros((1, 3)), apart_mm=10.0, count=5)
    assert [f.correlation for f in kept] == [0.6, 0.2]


def test_displacement_of_a_turn_grows_with_the_distance_from_its_centre() -> None:
    turn = turned(Rigid.identity(), np.zeros(3))[0]
    near, far = (displacement_mm(turn, Rigid.identity(), np.array([[0.0, r, 0.0]])) for r in (10.0, 100.0))
    assert near == pytest.approx(2 * 10 * np.sin(np.radians(TURN_DEG / 2)))
    assert far == pytest.approx(10 * near)
