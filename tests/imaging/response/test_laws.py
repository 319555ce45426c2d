"""What holds of every criterion whatever the sizes: larger is never better, units do not matter, changes turn round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.measurement.change import relative_change
from imaging.measurement.quantity import Quantity
from imaging.response.exact import exact, exact_sum
from imaging.response.mda import BoneLesion, mda_response
from imaging.response.mrecist import mrecist_response
from imaging.response.own import own_criterion, own_record
from imaging.response.recist import Target, target_response
from imaging.response.response import Category
from imaging.response.thresholds import Metric, Thresholds, threshold_response
from imaging.response.volumetric import volumetric_response
from imaging.response.who import who_response

EXAMPLES = settings(max_examples=500)
ORDER = (Category.CR, Category.PR, Category.SD, Category.PD)
Exam = Sequence[Fraction]  # two lesions
Rule = Callable[[Exam, Exam, Exam], Category]  # baseline, the exam between, now


def recist(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = (
        [Target(lesion=f"L{n}", size_mm=size) for n, size in enumerate(visit)] for visit in visits
    )
    return target_response(baseline=baseline, earlier=[earlier], current=current).category


def who(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = ({f"L{n}": size for n, size in enumerate(visit)} for visit in visits)
    return who_response(baseline=baseline, earlier=[earlier], current=current).category


def mrecist(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = ({f"L{n}": size for n, size in enumerate(visit)} for visit in visits)
    return mrecist_response(baseline=baseline, earlier=[earlier], current=current).category


def mda(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = (
        {f"L{n}": BoneLesion(product_mm2=size, material=False) for n, size in enumerate(visit)} for visit in visits
    )
    return mda_response(baseline=baseline, earlier=[earlier], current=current, days=90).category


def sphere(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = (exact_sum(visit) for visit in visits)
    return volumetric_response(baseline_ml=baseline, earlier_ml=[earlier], current_ml=current).category


OWN = Thresholds(
    criterion="own", metric=Metric.VOLUME, partial=Fraction(65, 100), progression=Fraction(155, 100), source="a paper"
)


def own(*visits: Sequence[Fraction]) -> Category:
    baseline, earlier, current = (exact_sum(visit) for visit in visits)
    return threshold_response(OWN, baseline=baseline, earlier=[earlier], current=current, scope="").category


RULES: list[Rule] = [recist, who, mrecist, mda, sphere, own]
WITHOUT_MILLIMETRES: list[Rule] = [who, mrecist, mda, own]
hundredths = st.integers(0, 30_000)
exams = st.tuples(hundredths, hundredths).map(lambda exam: tuple(Fraction(size, 100) for size in exam))
present = exams.filter(any)


@EXAMPLES
@given(present, exams, exams, exams)
def test_a_larger_size_is_never_a_better_category(baseline: Exam, nadir: Exam, now: Exam, more: Exam) -> None:
    larger = tuple(size + extra for size, extra in zip(now, more, strict=True))
    for rule in RULES:
        assert ORDER.index(rule(baseline, nadir, now)) <= ORDER.index(rule(baseline, nadir, larger)), rule


@EXAMPLES
@given(present, exams, exams, st.integers(1, 100_000))
def test_without_a_rule_in_millimetres_the_unit_does_not_matter(
    baseline: Exam, nadir: Exam, now: Exam, unit: int
) -> None:
    scaled = [tuple(size * Fraction(unit, 1000) for size in visit) for visit in (baseline, nadir, now)]
    for rule in WITHOUT_MILLIMETRES:
        assert rule(baseline, nadir, now) is rule(*scaled), rule


@EXAMPLES
@given(present, exams, exams)
def test_the_order_of_lesions_does_not_matter(baseline: Exam, nadir: Exam, now: Exam) -> None:
    for rule in RULES:
        assert rule(baseline, nadir, now) is rule(baseline[::-1], nadir[::-1], now[::-1]), rule


@EXAMPLES
@given(st.floats(0.01, 1000), st.floats(0.01, 1000))
def test_a_change_turned_round_is_minus_itself_over_one_plus_itself(first: float, second: float) -> None:
    one, other = (Quantity(value, "mL", "") for value in (first, second))
    there, back = relative_change(one, other), relative_change(other, one)
    assert there is not None and back is not None
    forth, return_ = there.value / 100, back.value / 100
    # Rounding: a change of −100 % + x is known to 1e-16 and divided by x.
    assert forth == pytest.approx(-return_ / (1 + return_), rel=1e-9, abs=1e-9 * (1 + forth))


@EXAMPLES
@given(st.lists(st.decimals(0, 300, places=2).map(float), max_size=6))
def test_sums_are_those_of_the_decimals_and_not_of_the_floats(values: list[float]) -> None:
    assert exact_sum(values) == Fraction(sum(round(100 * value) for value in values), 100)
    assert all(float(exact(value)) == value for value in values)


percent = st.decimals(min_value="-0.99", max_value="-0.01", places=2)


@EXAMPLES
@given(
    percent,
    st.decimals("0.01", "5", places=2),
    st.none() | st.decimals("0", "9", places=1),
    st.sampled_from(["volume_ml", "long_axis_mm"]),
)
def test_an_own_criterion_is_kept_with_every_digit(
    partial: object, progression: object, growth: object, metric: str
) -> None:
    table = {"name": "own", "metric": metric, "pr": str(partial), "pd": str(progression), "source": "a paper"}
    if growth is not None:
        table["least_growth_mm"] = str(growth)
    criterion = own_criterion(table)
    assert own_criterion(own_record(criterion)) == criterion
