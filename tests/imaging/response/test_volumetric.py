"""Volume categories: the cubes of RECIST's thresholds, never called RECIST."""

from __future__ import annotations

import math

import pytest

from imaging.errors import UsageError
from imaging.response.response import Category
from imaging.response.thresholds import ball_diameter_mm
from imaging.response.volumetric import volumetric_response

SD, PD = Category.SD, Category.PD


def category(baseline: float | None, *later: float | None, progression_mm: float = 5.0) -> Category:
    *earlier, current = later
    return volumetric_response(
        baseline_ml=baseline, earlier_ml=earlier, current_ml=current, progression_mm=progression_mm
    ).category


def test_the_five_millimetres_can_be_waived() -> None:
    assert category(1.0, 1.728, progression_mm=0.0) is PD
    assert category(1.0, 1.7279, progression_mm=0.0) is SD


def test_a_ball_that_grew_by_exactly_five_millimetres_has_grown_enough() -> None:
    small, large = (math.pi * d**3 / 6000 for d in (10.0, 15.0))
    assert category(small, large) is PD


def test_the_ball_of_a_volume_has_its_diameter() -> None:
    assert ball_diameter_mm(math.pi * 20**3 / 6000) == pytest.approx(20.0, rel=1e-12)


def test_the_response_says_what_it_is_and_is_not() -> None:
    response = volumetric_response(baseline_ml=10.0, earlier_ml=[8.0], current_ml=9.0)
    assert "RECIST" not in response.criterion
    assert response.inputs == {"volume_ml": 9.0, "baseline_ml": 10.0, "nadir_ml": 8.0}
    assert "+12.50 %" in response.reasons[0] and "−10.00 %" in response.reasons[0]


def test_a_negative_volume_is_refused() -> None:
    with pytest.raises(UsageError):
        volumetric_response(baseline_ml=1.0, current_ml=-1.0)
