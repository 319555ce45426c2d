"""A site's own thresholds: read as decimals or refused with what is wrong."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from imaging.errors import UsageError
from imaging.response.own import own_criteria, own_criterion, own_record
from imaging.response.thresholds import Metric

LUNG: dict[str, Any] = {"name": "lung", "metric": "volume_ml", "pr": "-0.35", "pd": "0.55", "source": "a paper"}


@pytest.mark.parametrize("pr", ["-0.35", Decimal("-0.35"), "-0.350", " -0.35 "])
def test_text_and_decimals_say_the_same(pr: object) -> None:
    assert own_criterion(LUNG | {"pr": pr}).partial == Fraction(65, 100)


def test_a_whole_number_is_a_decimal_too() -> None:
    assert own_criterion(LUNG | {"pd": "999999"}).progression == 10**6
    assert own_criterion(LUNG | {"pd": 1}).progression == 2


@pytest.mark.parametrize("metric", ["volume_ml", "long_axis_mm"])
def test_no_growth_is_asked_for_where_none_is_written(metric: str) -> None:
    found = own_criterion(LUNG | {"metric": metric})
    assert (found.least_growth, found.least_ball_growth_mm) == (0, 0)


def test_growth_goes_with_the_metric() -> None:
    assert own_criterion(LUNG | {"least_growth_mm": "0.5"}).least_ball_growth_mm == Fraction(1, 2)
    volume = own_criterion(LUNG | {"least_growth_mm": "5", "least_growth_ml": "2.5"})
    assert (volume.least_growth, volume.least_ball_growth_mm) == (Fraction(5, 2), 5)
    axis = own_criterion(LUNG | {"metric": "long_axis_mm", "least_growth_mm": "5"})
    assert (axis.least_growth, axis.least_ball_growth_mm) == (5, 0)
    assert own_record(volume) == LUNG | {"least_growth_mm": "5", "least_growth_ml": "2.5"}
    assert own_record(axis) == LUNG | {"metric": "long_axis_mm", "least_growth_mm": "5"}


@pytest.mark.parametrize("metric", ["volume_ml", "net_volume_ml", "long_axis_mm", "who_product_mm2"])
def test_what_may_be_judged(metric: str) -> None:
    assert own_criterion(LUNG | {"metric": metric}).metric is Metric(metric)


@pytest.mark.parametrize("edge", ["-0.999999999999", "-0.000000000001"])
def test_the_finest_and_the_widest_threshold(edge: str) -> None:
    assert own_record(own_criterion(LUNG | {"pr": edge}))["pr"] == edge
    assert own_record(own_criterion(LUNG | {"pd": edge[1:]}))["pd"] == edge[1:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pr": -0.35}, "pr is a decimal number"),
        ({"pd": 0.55}, "pd is a decimal number"),
        ({"pr": True}, "pr is a decimal number"),
        ({"pr": None}, "pr is a decimal number"),
        ({"pr": "a third"}, "pr is a decimal number"),
        ({"pr": "nan"}, "pr is a decimal number"),
        ({"pr": "-Infinity"}, "pr is a decimal number"),
        ({"pd": "1000000"}, "pd is a decimal number"),
        ({"pd": "1e999999999"}, "pd is a decimal number"),
        ({"pd": "0.0000000000001"}, "pd is a decimal number"),
        ({"pr": "0.35"}, "pr lies between"),
        ({"pr": "0"}, "pr lies between"),
        ({"pr": "-1"}, "pr lies between"),
        ({"pr": "-30"}, "pr lies between"),
        ({"pd": "0"}, "pr lies between"),
        ({"pd": "-0.1"}, "pr lies between"),
        ({"metric": "viable_mm"}, "metric is one of"),
        ({"metric": "hue"}, "metric is one of"),
        ({"metric": 3}, "metric is one of"),
        ({"name": ""}, "name is text"),
        ({"name": 7}, "name is text"),
        ({"source": " "}, "source is text"),
        ({"name": "WHO"}, "belongs to a published criterion; own thresholds need their own$"),
        ({"name": "MDA bone"}, "belongs to a published"),
        ({"name": "sphere volume"}, "belongs to a published"),
        ({"name": "RECIST by volume"}, "belongs to a published"),
        ({"name": "mRECIST-like"}, "belongs to a published"),
        ({"name": "volumetric_sphere"}, "belongs to a published"),
        ({"note": "x"}, "has no key note"),
        ({"least_growth_mm": "-1"}, "a least growth is not negative$"),
        ({"least_growth_mm": "-1", "least_growth_ml": "2"}, "not negative"),
        ({"pd": "-1000000"}, "pd is a decimal number"),
        ({"note": "x", "mm": 3}, "has no key note, mm$"),
        ({"metric": "long_axis_mm", "least_growth_ml": "1"}, "least_growth_ml for volumes"),
        ({"metric": "who_product_mm2", "least_growth_mm": "1"}, "least_growth_ml for volumes"),
        ({"metric": "who_product_mm2", "least_growth_ml": "1"}, "least_growth_ml for volumes"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        own_criterion(LUNG | change)
    assert raised.value.code == "BAD_SETTING"


@pytest.mark.parametrize("key", LUNG)
def test_every_key_but_growth_is_needed(key: str) -> None:
    with pytest.raises(UsageError, match=f"needs {key}"):
        own_criterion({name: value for name, value in LUNG.items() if name != key})


def test_two_criteria_have_two_names() -> None:
    assert [c.criterion for c in own_criteria([LUNG, LUNG | {"name": "bone"}])] == ["lung", "bone"]
    with pytest.raises(UsageError, match="one name"):
        own_criteria([LUNG, LUNG | {"name": "Lung"}])
