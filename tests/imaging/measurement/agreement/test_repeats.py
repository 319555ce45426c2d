"""Repeated measurements: the worked example of Bland and Altman, closed forms, and what simulation finds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imaging.errors import UsageError
from imaging.measurement.agreement import BlandAltman, bland_altman, repeatability

# Peak expiratory flow, l/min, of 17 subjects by a large and by a mini Wright meter, twice each.
# Source: Bland & Altman, Lancet 327 (1986) 307, table 1.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
LARGE_AGAIN = [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
MINI_AGAIN = [525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443]


def test_peak_flow_meters_agree_as_published() -> None:
    found = bland_altman(LARGE, MINI)
    assert (round(found.bias, 1), round(found.sd, 1), found.pairs) == (-2.1, 38.8, 17)
    # The paper takes 2 standard deviations, -79.7 to 75.5, and 3 s²/n for the variance of a limit; we 1.96 of both.
    assert found.limits == pytest.approx((-79.7 + 0.04 * 38.8, 75.5 - 0.04 * 38.8), abs=0.1)
    assert found.bias95 == pytest.approx((-22.0, 17.8), abs=0.1)
    low, high = found.limits95
    assert low == pytest.approx((-114.3, -45.1), abs=2.5)
    assert high == pytest.approx((40.9, 110.1), abs=2.5)
    reach = 2.1199 * found.sd * math.sqrt(1 / 17 + 1.96**2 / 32)  # t of 16 degrees of freedom
    assert low == pytest.approx((found.limits[0] - reach, found.limits[0] + reach), abs=1e-2)
    assert high == pytest.approx((found.limits[1] - reach, found.limits[1] + reach), abs=1e-2)


@pytest.mark.parametrize("first, second, published", [(LARGE, LARGE_AGAIN, 21.6), (MINI, MINI_AGAIN, 28.2)])
def test_each_meter_repeats_as_published(first: list, second: list, published: float) -> None:
    # The paper's s is the root mean square of the differences of two measurements: √2 times ours.
    found = repeatability(np.transpose([first, second]))
    assert round(math.sqrt(2) * found.wsd, 1) == published
    assert found.coefficient == pytest.approx(1.96 * published, abs=0.1)
    assert found.freedom == 17


def test_swapping_the_methods_turns_bias_and_limits_round() -> None:
    forth, back = bland_altman(LARGE, MINI), bland_altman(MINI, LARGE)
    assert back.bias == -forth.bias and back.sd == pytest.approx(forth.sd)
    assert back.limits == pytest.approx((-forth.limits[1], -forth.limits[0]))


def test_pairs_have_the_formulas_of_test_and_retest() -> None:
    pairs = np.array([[10.0, 12.0], [20.0, 19.0], [30.0, 33.0], [5.0, 5.5]])
    found = repeatability(pairs)
    d, mean = pairs[:, 0] - pairs[:, 1], pairs.mean(axis=1)
    assert found.wsd == pytest.approx(math.sqrt(np.mean(d**2 / 2)))
    assert found.wcv == pytest.approx(math.sqrt(np.mean((d / mean) ** 2 / 2)))
    logs = np.log(pairs[:, 1] / pairs[:, 0])
    assert found.wcv_log == pytest.approx(math.sqrt(math.exp(np.mean(logs**2 / 2)) - 1))
    assert found.coefficient == pytest.approx(1.96 * math.sqrt(2) * found.wsd)
    assert found.percent == pytest.approx(196 * math.sqrt(2) * found.wcv)


def test_the_log_limits_are_those_of_the_profile_s_table() -> None:
    # QIBA: wCV 0.085, 0.103, 0.141 → −21.0/+26.5, −24.8/+32.9, −32.2/+47.5 %
    for wcv, limits in ((0.085, (-21.0, 26.5)), (0.103, (-24.8, 32.9)), (0.141, (-32.2, 47.5))):
        spread = math.sqrt(2 * math.log(1 + wcv**2))
        found = repeatability([[1.0, math.exp(spread)]] * 5)
        assert found.wcv_log == pytest.approx(wcv, rel=1e-9)
        assert found.log_percent == pytest.approx(limits, abs=0.05)


def test_three_repeats_pool_their_variance() -> None:
    found = repeatability([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    assert (found.wsd, found.freedom) == (pytest.approx(math.sqrt(0.5)), 4)


def test_the_coefficient_s_interval_holds_the_truth_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(1), 0
    for _ in range(1000):
        low, high = repeatability(random.normal(0.0, 2.0, (12, 2))).coefficient95
        held += low <= 1.96 * math.sqrt(2) * 2.0 <= high
    assert 0.935 <= held / 1000 <= 0.965  # three standard errors are 0.02


def test_limits_of_agreement_hold_the_truth_as_often_as_their_interval_says() -> None:
    random, held = np.random.default_rng(2), 0
    for _ in range(1000):
        d = random.normal(1.0, 2.0, 40)
        (low, high), _ = bland_altman(d, np.zeros(40)).limits95
        held += low <= 1.0 - 1.96 * 2.0 <= high
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_values_that_are_not_positive_have_no_coefficient_of_variation(value: float) -> None:
    found = repeatability([[value, 1.0], [2.0, 2.0]])
    assert found.wsd > 0.0
    assert found.wcv is found.wcv_log is found.percent is found.log_percent is None


@pytest.mark.parametrize("values", [[[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0], [[1.0, math.nan], [1.0, 2.0]]])
def test_too_few_or_missing_values_are_refused(values: list) -> None:
    with pytest.raises(UsageError):
        repeatability(values)


@pytest.mark.parametrize("first, second", [([1.0, 2.0], [1.0]), ([1.0], [1.0]), ([1.0, math.inf], [1.0, 2.0])])
def test_pairs_that_are_none_are_refused(first: list, second: list) -> None:
    with pytest.raises(UsageError):
        bland_altman(first, second)


def test_two_pairs_are_enough_for_bias_and_limits() -> None:
    found = bland_altman([3.0, 5.0], [1.0, 1.0])
    assert found == BlandAltman(pairs=2, bias=3.0, sd=pytest.approx(math.sqrt(2)))
