"""Volume categories: the cubes of RECIST's thresholds, exact, and never called RECIST."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.errors import UsageError
from imaging.response.response import Category
from imaging.response.thresholds import ball_diameter_mm
from imaging.response.volumetric import volumetric_response

CR, PR, SD, PD, NE = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE


def category(baseline: float | None, *later: float | None, progression_mm: float = 5.0) -> Category:
    *earlier, current = later
    return volumetric_response(
        baseline_ml=baseline, earlier_ml=earlier, current_ml=current, progression_mm=progression_mm
    ).category


@pytest.mark.parametrize(
    "baseline, later, expected",
    [
        (100, [34.3], PR),
        (100, [34.31], SD),
        (100, [34.2999], PR),
        (10.1, [3.4643], PR),  # exactly 0.343
        (100, [172.8], PD),
        (100, [172.79], SD),
        (100, [50, 86.4], PD),
        (100, [50, 86.39], SD),
        (100, [30, 51.84], PD),  # −48 % against the baseline, but 1.728 of the nadir
        (100, [20, 34.3], PR),  # 1.715 of the nadir
        (100, [20, 34.56], PD),
        (100, [100], SD),
        (100, [0], CR),
        (100, [0, 0.05], PR),  # back, but as a ball of 4.6 mm
        (100, [0, 0.07], PD),  # a ball of 5.1 mm
        (1, [1.728], SD),  # a ball that grew from 12.4 to 14.9 mm: less than 5 mm
        (1, [5.0], PD),
        (100, [None, 34.3], PR),
        (100, [None], NE),
        (None, [34.3], NE),
        (0, [34.3], NE),
    ],
)
def test_vectors(baseline: float | None, later: list[float | None], expected: Category) -> None:
    assert category(baseline, *later) is expected


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


@settings(max_examples=100, deadline=None)
@given(*[st.floats(0.01, 500)] * 4)
def test_a_larger_volume_is_never_a_better_category(baseline: float, nadir: float, a: float, b: float) -> None:
    order = [CR, PR, SD, PD]
    small, large = sorted((a, b))
    assert order.index(category(baseline, nadir, small)) <= order.index(category(baseline, nadir, large))
