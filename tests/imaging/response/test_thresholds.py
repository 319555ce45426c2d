"""Criteria that are a row of numbers: what they say of volumes, diameters and products."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from imaging.errors import UsageError
from imaging.response.response import Category
from imaging.response.thresholds import Metric, Thresholds, against, threshold_response

HALF = Thresholds(
    criterion="half and double",
    metric=Metric.VOLUME,
    partial=Fraction(1, 2),
    progression=Fraction(2),
    source="nowhere",
)


@pytest.mark.parametrize(
    ("metric", "sizes", "reason"),
    [
        (Metric.VOLUME, (None, 5.0), "the baseline volume is not known or not accepted"),
        (Metric.VOLUME, (10.0, None), "the current volume is not known or not accepted"),
        (Metric.NET_VOLUME, (10.0, None), "the current net volume is not known or not accepted"),
        (Metric.LONG_AXIS, (0.0, 5.0), "there was no long axis at baseline"),
        (Metric.PRODUCT, (10.0, 0.0), "there is no WHO product left"),
        (Metric.VIABLE, (10.0, 5.0), "−50.00 % against the baseline of 10.00 mm"),
        (Metric.PRODUCT, (10.0, 20.0), "+100.00 % against the nadir of 10.00 mm²"),
        (Metric.VOLUME, (10.0, 20.0), "+100.00 % against the nadir of 10.00 mL, 6.9 mm more of a ball's diameter"),
        (
            Metric.LONG_AXIS,
            (10.0, 8.0, 9.0),
            "−10.00 % against the baseline of 10.00 mm; +12.50 % against the nadir of 8.00 mm",
        ),
        (Metric.LONG_AXIS, (10.0, 0.0, 4.0), "4.00 mm against a nadir of 0 mm"),
    ],
)
def test_the_reason_says_what_was_compared(metric: Metric, sizes: tuple[float | None, ...], reason: str) -> None:
    baseline, *earlier, current = sizes
    criterion = replace(HALF, metric=metric)
    response = threshold_response(criterion, baseline=baseline, current=current, earlier=earlier, scope="one lesion")
    assert response.reasons == (reason,)


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (Metric.VOLUME, ("volume_ml", "baseline_ml", "nadir_ml")),
        (Metric.NET_VOLUME, ("net_volume_ml", "baseline_ml", "nadir_ml")),
        (Metric.LONG_AXIS, ("long_axis_mm", "baseline_mm", "nadir_mm")),
        (Metric.PRODUCT, ("who_product_mm2", "baseline_mm2", "nadir_mm2")),
        (Metric.VIABLE, ("viable_mm", "baseline_mm", "nadir_mm")),
    ],
)
def test_the_inputs_are_named_by_the_metric(metric: Metric, names: tuple[str, str, str]) -> None:
    criterion = replace(HALF, metric=metric)
    response = threshold_response(criterion, baseline=10.0, earlier=[None, 8.0], current=9.0, scope="one lesion")
    assert response.inputs == dict(zip(names, (9.0, 10.0, 8.0), strict=True))
    assert (response.criterion, response.scope, response.source) == ("half and double", "one lesion", "nowhere")
    unknown = threshold_response(criterion, baseline=None, current=None, earlier=[3.0], scope="one lesion")
    assert unknown.inputs == dict.fromkeys(names)


def test_a_least_growth_in_the_balls_diameter_is_for_volumes_alone() -> None:
    tall = replace(HALF, least_ball_growth_mm=Fraction(1000))
    for metric, category in ((Metric.VOLUME, Category.SD), (Metric.LONG_AXIS, Category.PD)):
        found = threshold_response(replace(tall, metric=metric), baseline=10.0, current=20.0, scope="")
        assert found.category is category


def test_no_growth_is_asked_for_where_none_is_given() -> None:
    found = threshold_response(replace(HALF, progression=Fraction(101, 100)), baseline=10.0, current=10.1, scope="")
    assert found.category is Category.PD


def test_the_shares_of_a_difference_are_shown_with_two_digits_and_a_true_minus() -> None:
    assert against(Fraction(2), Fraction(3), "nadir", "mm") == "−33.33 % against the nadir of 3.00 mm"


@pytest.mark.parametrize("wrong", [(-1.0, 1.0), (1.0, -1.0), (1.0, float("nan"))])
def test_what_is_no_size_is_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(UsageError):
        threshold_response(HALF, baseline=wrong[0], current=wrong[1], scope="")
