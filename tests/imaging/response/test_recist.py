"""RECIST 1.1: every rule on vectors, thresholds met exactly, the overall table in full."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.errors import UsageError
from imaging.response.recist import TOO_SMALL_MM, Target, target_response
from imaging.response.response import Category

EXAMPLES = settings(max_examples=100, deadline=None)
CR, PR, SD, PD, NE, NON = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE, Category.NON_CR_NON_PD
sizes = st.decimals(min_value=1, max_value=300, places=2).map(float)


def targets(*values: float | None, nodes: tuple[int, ...] = ()) -> list[Target]:
    return [Target(lesion=f"L{i}", size_mm=value, node=i in nodes) for i, value in enumerate(values)]


def one(baseline: float, *later: float) -> Category:
    *earlier, current = (targets(value) for value in later)
    return target_response(baseline=targets(baseline), earlier=earlier, current=current).category


@pytest.mark.parametrize(
    "baseline, later, category",
    [
        (100, [70], PR),
        (100, [70.01], SD),
        (100, [69.99], PR),
        (20, [24.9], SD),  # +24.5 % but +4.9 mm
        (100, [20, 24.9], PR),  # no progression, and still 75 % below the baseline
        (20, [25], PD),
        (100, [20, 25], PD),
        (100, [50, 61], PD),  # −39 % against the baseline, but +22 % and +11 mm against the nadir
        (100, [50, 59.99], PR),  # +19.98 % against the nadir: the baseline decides
        (100, [50, 60], PD),  # exactly +20 %, inclusive
        (100, [100], SD),
        (100, [119.99], SD),
        (100, [120], PD),
        (24.9, [29.9], PD),  # +20.08 % and exactly +5 mm
        (25, [29.99], SD),
        (25, [30], PD),  # exactly both
        (26, [31], SD),  # +5 mm but +19.2 %
        (10.1, [7.07], PR),  # exactly −30 %, which binary fractions miss
        (10.7, [7.49], PR),
        (10.7, [7.4901], SD),
        (33.3, [39.96], PD),  # exactly +20 %
        (33.3, [39.9599], SD),
        (100, [0], CR),
        (100, [0, 0], CR),
        (100, [0, 4.99], PR),  # back, but less than 5 mm
        (100, [0, 5], PD),
        (100, [TOO_SMALL_MM], PR),
        (10, [TOO_SMALL_MM], PR),
        (100, [130, 105], SD),  # the nadir stays the baseline
        (100, [130, 120], PD),
        (100, [40, 90, 48], PD),  # the nadir is the smallest of all, not the last
        (100, [40, 90, 47.99], PR),
    ],
)
def test_one_target(baseline: float, later: list[float], category: Category) -> None:
    assert one(baseline, *later) is category


@pytest.mark.parametrize(
    "baseline, current, nodes, category",
    [
        ((30, 20), (0, 9.9), (1,), CR),  # a node below 10 mm is normal, the sum need not be zero
        ((30, 20), (0, 10), (1,), PR),
        ((30, 20), (0.1, 9.9), (1,), PR),
        ((20, 20), (9.99, 9.99), (0, 1), CR),
        ((20, 20), (10, 9), (0, 1), PR),
        ((30, 20), (0, 9.9), (), PR),  # the same sizes, but no node: not gone
        ((40, 30, 30), (28, 21, 21), (), PR),
        ((40, 30, 30), (28, 21, 21.01), (), SD),
        ((0.1, 0.2, 9.7), (0.12, 0.24, 14.64), (), PD),  # sums as decimals
    ],
)
def test_several_targets(
    baseline: tuple[float, ...], current: tuple[float, ...], nodes: tuple[int, ...], category: Category
) -> None:
    response = target_response(baseline=targets(*baseline, nodes=nodes), current=targets(*current, nodes=nodes))
    assert response.category is category


def test_normal_nodes_that_grow_below_10_mm_stay_a_complete_response() -> None:
    node = {"nodes": (0,)}
    response = target_response(baseline=targets(20, **node), earlier=[targets(3, **node)], current=targets(9.5, **node))
    assert response.category is CR


@pytest.mark.parametrize(
    "current, category",
    [
        ((None, 20), NE),
        ((None, 59.99), NE),
        ((None, 60), PD),  # the measured part alone is 20 % and more above the whole nadir
        ((None, None), NE),
        ((None, 0), NE),  # gone as far as seen is not gone
    ],
)
def test_a_target_that_was_not_measured(current: tuple[float | None, ...], category: Category) -> None:
    response = target_response(baseline=targets(30, 20), current=targets(*current))
    assert response.category is category
    assert response.inputs["sum_mm"] is None


def test_a_target_that_is_left_out_was_not_measured() -> None:
    assert target_response(baseline=targets(30, 20), current=targets(10)).category is NE


def test_an_incomplete_visit_makes_no_nadir() -> None:
    response = target_response(baseline=targets(50, 50), earlier=[targets(20, None)], current=targets(35, 40))
    assert response.category is SD
    assert response.inputs["nadir_mm"] == 100.0


@pytest.mark.parametrize("baseline", [[], targets(None), targets(30, None), targets(0)])
def test_without_a_known_baseline_nothing_can_be_said(baseline: list[Target]) -> None:
    response = target_response(baseline=baseline, current=baseline)
    assert response.category is NE
    assert response.reasons


def test_the_response_carries_its_sums_and_reason() -> None:
    response = target_response(baseline=targets(60, 40), earlier=[targets(30, 20)], current=targets(41, 20))
    assert response.inputs == {
        "sum_mm": 61.0,
        "baseline_mm": 100.0,
        "nadir_mm": 50.0,
        "sizes_mm": {"L0": 41, "L1": 20},
    }
    assert response.scope == "target lesions"
    assert response.criterion == "RECIST 1.1"
    assert "Eisenhauer" in response.source


def test_more_targets_than_the_criterion_takes_are_no_recist() -> None:
    many = targets(*[10.0] * 6)
    bone = [Target(lesion=f"B{i}", size_mm=20.0, organ="bone") for i in range(3)]
    nodes = [Target(lesion=f"N{i}", size_mm=20.0, node=True, organ=place) for i, place in enumerate("abc")]
    for chosen, words in ((many, "6 target lesions"), (bone, "3 target lesions in bone"), (nodes, "3 target lesions")):
        response = target_response(baseline=chosen, current=chosen)
        assert response.category is NE
        assert words in response.reasons[0]
    for chosen in (many[:5], bone[:2], nodes[:2]):
        response = target_response(baseline=chosen, current=chosen)
        assert (response.category, len(response.reasons)) == (SD, 1)


@pytest.mark.parametrize(
    "current", [targets(-1.0), targets(float("nan")), targets(1.0, 2.0), targets(1.0) * 2, targets(1.0, nodes=(0,))]
)
def test_impossible_targets_are_refused(current: list[Target]) -> None:
    with pytest.raises(UsageError):
        target_response(baseline=targets(30), current=current)


@EXAMPLES
@given(sizes, sizes, sizes, sizes)
def test_a_larger_sum_is_never_a_better_category(baseline: float, nadir: float, a: float, b: float) -> None:
    order = [CR, PR, SD, PD]
    small, large = sorted((a, b))
    assert order.index(one(baseline, nadir, small)) <= order.index(one(baseline, nadir, large))


@EXAMPLES
@given(sizes)
def test_thresholds_are_met_exactly_by_decimals(baseline: float) -> None:
    exact = Fraction(repr(baseline))
    at, above = float(exact * Fraction(7, 10)), float(exact * Fraction(7, 10) + Fraction(1, 10**6))
    assert (one(baseline, at), one(baseline, above)) == (PR, SD)
    if baseline >= 25:
        at, below = float(exact * Fraction(6, 5)), float(exact * Fraction(6, 5) - Fraction(1, 10**6))
        assert (one(baseline, at), one(baseline, below)) == (PD, SD)
