"""RECIST 1.1 of target lesions beyond its vectors: pieces, merging, choice, reasons, thresholds of any decimals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.errors import UsageError
from imaging.response.recist import TOO_SMALL_MM, Target, target_response
from imaging.response.response import Category

EXAMPLES = settings(max_examples=500)
CR, PR, SD, PD, NE, NON = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE, Category.NON_CR_NON_PD
sizes = st.decimals(min_value=1, max_value=300, places=2).map(float)


def targets(*values: float | None, nodes: tuple[int, ...] = ()) -> list[Target]:
    return [Target(lesion=f"L{i}", size_mm=value, node=i in nodes) for i, value in enumerate(values)]


def one(baseline: float, *later: float) -> Category:
    *earlier, current = (targets(value) for value in later)
    return target_response(baseline=targets(baseline), earlier=earlier, current=current).category


def test_a_target_that_is_left_out_was_not_measured() -> None:
    assert target_response(baseline=targets(30, 20), current=targets(10)).category is NE


def test_an_incomplete_visit_makes_no_nadir() -> None:
    response = target_response(baseline=targets(50, 50), earlier=[targets(20, None)], current=targets(35, None))
    assert (response.inputs["nadir_mm"], response.inputs["sum_mm"]) == (100.0, None)
    assert response.reasons == (
        "not every target lesion was measured, and the sum of what was measured 35.0 mm is no progression",
    )


def split(*pieces: float) -> Target:
    return Target(lesion="L0", pieces_mm=pieces)


@pytest.mark.parametrize(
    ("current", "sum_mm", "category"),
    [
        ([split(12.1, 8.9), targets(0, 0)[1]], 21.0, PR),
        ([split(30.1, 20.9), targets(0, 9.0)[1]], 60.0, PD),  # the pieces together outgrow the whole
        ([targets(36.0)[0], Target(lesion="L1", merged_into="L0")], 36.0, SD),
        ([targets(60.0)[0], Target(lesion="L1", merged_into="L0")], 60.0, PD),
        ([targets(0.0)[0], Target(lesion="L1", merged_into="L0")], 0.0, CR),  # the whole is gone, and so is its part
        ([targets(None)[0], Target(lesion="L1", merged_into="L0")], None, NE),
    ],
)
def test_pieces_are_added_and_a_whole_counts_once(
    current: list[Target], sum_mm: float | None, category: Category
) -> None:
    response = target_response(baseline=targets(30, 20), current=current)
    assert (response.inputs["sum_mm"], response.category) == (sum_mm, category)


@pytest.mark.parametrize(
    "impossible",
    [
        {"size_mm": 3.0, "pieces_mm": (1.0,)},
        {"size_mm": 3.0, "merged_into": "L1"},
        {"pieces_mm": (1.0,), "merged_into": "L1"},
    ],
)
def test_a_lesion_is_whole_in_pieces_or_part_of_another(impossible: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="one of the three"):
        Target(lesion="L0", **impossible)


def test_a_lesion_merges_into_a_target_of_the_same_exam_and_never_at_baseline() -> None:
    part = Target(lesion="L1", merged_into="L0")
    with pytest.raises(UsageError, match="another target of the same exam"):
        target_response(baseline=targets(30, 20), current=[part])
    with pytest.raises(UsageError, match="another target of the same exam"):
        target_response(baseline=targets(30, 20), current=[Target(lesion="L0", merged_into="L1"), part])
    with pytest.raises(UsageError, match="at baseline"):
        target_response(baseline=[targets(30)[0], part], current=targets(30, 20))


@pytest.mark.parametrize(
    ("visits", "reason"),
    [
        (((30, 20), (0, 0)), "every target lesion is gone and every target node is below 10 mm"),
        (((30, 20), (40, 20)), "sum 60.0 mm is +20.00 % (+10.0 mm) against the nadir of 50.0 mm"),
        (((30, 20), (20, 15)), "sum 35.0 mm is −30.00 % (−15.0 mm) against the baseline of 50.0 mm"),
        (
            ((30, 20), (25, 20), (26, 20)),
            "sum 46.0 mm is −8.00 % (−4.0 mm) against the baseline of 50.0 mm "
            "and +2.22 % (+1.0 mm) against the nadir of 45.0 mm",
        ),
        (((30, 20), (0, 0), (5, 0)), "sum 5.0 mm is +5.0 mm against the nadir of 0.0 mm"),
        (
            ((30, 20), (None, 60)),
            "sum of what was measured 60.0 mm is +20.00 % (+10.0 mm) against the nadir of 50.0 mm",
        ),
        (((None,), (20,)), "there is no target lesion with a known size at baseline"),
    ],
)
def test_the_reason_is_the_rule_that_held(visits: tuple[tuple[float | None, ...], ...], reason: str) -> None:
    baseline, *earlier, current = (targets(*visit) for visit in visits)
    assert target_response(baseline=baseline, earlier=earlier, current=current).reasons == (reason,)


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


def test_what_is_too_small_to_measure_counts_five_millimetres() -> None:
    assert TOO_SMALL_MM == 5


def test_more_targets_than_the_criterion_takes_are_no_recist() -> None:
    many = targets(*[10.0] * 6)
    bone = [Target(lesion=f"B{i}", size_mm=20.0, organ="bone") for i in range(3)]
    nodes = [Target(lesion=f"N{i}", size_mm=20.0, node=True, organ=place) for i, place in enumerate("abc")]
    for chosen, words in ((many, "6 target lesions"), (bone, "3 target lesions in bone"), (nodes, "3 target lesions")):
        response = target_response(baseline=chosen, current=chosen)
        assert response.category is NE
        assert words in response.reasons[0]
        assert response.reasons[0].endswith(" at most; a reader chooses")
    for chosen in (many[:5], bone[:2], nodes[:2]):
        response = target_response(baseline=chosen, current=chosen)
        assert (response.category, len(response.reasons)) == (SD, 1)


@pytest.mark.parametrize(
    "current", [targets(-1.0), targets(float("nan")), targets(1.0, 2.0), targets(1.0) * 2, targets(1.0, nodes=(0,))]
)
def test_impossible_targets_are_refused(current: list[Target]) -> None:
    with pytest.raises(UsageError, match=r"^target lesions are chosen once, at baseline|finite and not negative"):
        target_response(baseline=targets(30), current=current)


@EXAMPLES
@given(sizes)
def test_thresholds_are_met_exactly_by_decimals(baseline: float) -> None:
    exact = Fraction(repr(baseline))
    at, above = float(exact * Fraction(7, 10)), float(exact * Fraction(7, 10) + Fraction(1, 10**6))
    assert (one(baseline, at), one(baseline, above)) == (PR, SD)
    if baseline >= 25:
        at, below = float(exact * Fraction(6, 5)), float(exact * Fraction(6, 5) - Fraction(1, 10**6))
        assert (one(baseline, at), one(baseline, below)) == (PD, SD)
