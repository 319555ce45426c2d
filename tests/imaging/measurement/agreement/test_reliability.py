"""Intraclass correlation: the published table, its laws, and what simulation finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f

from imaging.errors import UsageError
from imaging.measurement.agreement import icc_2_1, icc_3_1

# Six targets, four judges. Source: Shrout & Fleiss, Psychol. Bull. 86 (1979) 420, table 2: ICC(2,1) = 0.29,
# ICC(3,1) = 0.71; intervals as the R package psych 2.x prints them for that table.
TABLE = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def test_the_published_table_has_the_published_coefficients() -> None:
    agreement, consistency = icc_2_1(TABLE), icc_3_1(TABLE)
    assert agreement is not None and consistency is not None
    assert (round(agreement.value, 2), round(consistency.value, 2)) == (0.29, 0.71)
    assert [round(bound, 3) for bound in agreement.interval95] == [0.019, 0.761]
    assert [round(bound, 2) for bound in consistency.interval95] == [0.34, 0.95]


def test_the_intervals_are_those_of_the_papers_formulas() -> None:
    # Mean squares of the table as Shrout & Fleiss print them: 11.24, 32.49, 1.02; here with all their digits.
    n, k = TABLE.shape
    rows, columns = TABLE.mean(axis=1), TABLE.mean(axis=0)
    msb, msj = k * rows.var(ddof=1), n * columns.var(ddof=1)
    mse = (((TABLE - TABLE.mean()) ** 2).sum() - (n - 1) * msb - (k - 1) * msj) / ((n - 1) * (k - 1))
    assert (round(msb, 2), round(msj, 2), round(mse, 2)) == (11.24, 32.49, 1.02)
    rho, fj = icc_2_1(TABLE).value, msj / mse
    ratio = n * (1 + (k - 1) * rho) - k * rho
    freedom = (k - 1) * (n - 1) * (k * rho * fj + ratio) ** 2 / ((n - 1) * k**2 * rho**2 * fj**2 + ratio**2)
    low_f, high_f = f.ppf(0.975, n - 1, freedom), f.ppf(0.975, freedom, n - 1)
    rest = k * msj + (k * n - k - n) * mse
    low = n * (msb - low_f * mse) / (low_f * rest + n * msb)
    high = n * (high_f * msb - mse) / (rest + n * high_f * msb)
    assert icc_2_1(TABLE).interval95 == pytest.approx((low, high), rel=1e-9)
    low = msb / mse / f.ppf(0.975, n - 1, (n - 1) * (k - 1))
    high = msb / mse * f.ppf(0.975, (n - 1) * (k - 1), n - 1)
    expected = ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1))
    assert icc_3_1(TABLE).interval95 == pytest.approx(expected, rel=1e-9)


def test_a_rater_s_bias_counts_for_agreement_and_not_for_consistency() -> None:
    shifted = TABLE + np.array([0.0, 5.0, 0.0, -3.0])
    assert icc_3_1(shifted).value == pytest.approx(icc_3_1(TABLE).value, rel=1e-12)
    assert icc_3_1(shifted).interval95 == pytest.approx(icc_3_1(TABLE).interval95, rel=1e-12)
    assert icc_2_1(TABLE - TABLE.mean(axis=0)).value > icc_2_1(TABLE).value


@pytest.mark.parametrize("icc", [icc_2_1, icc_3_1])
def test_unit_and_origin_change_nothing(icc) -> None:
    found, other = icc(TABLE), icc(0.001 * TABLE + 7.0)
    assert other.value == pytest.approx(found.value, rel=1e-9)
    assert other.interval95 == pytest.approx(found.interval95, rel=1e-9)


@pytest.mark.parametrize("icc", [icc_2_1, icc_3_1])
def test_raters_who_say_the_same_agree_wholly_and_where_nothing_differs_there_is_nothing_to_tell(icc) -> None:
    alike = icc([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]])
    assert (alike.value, alike.interval95) == (1.0, (1.0, 1.0))
    assert icc(np.ones((3, 2))) is None


def test_raters_who_differ_more_than_subjects_have_a_negative_coefficient() -> None:
    assert icc_3_1([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]).value < 0.0


@pytest.mark.parametrize("icc", [icc_2_1, icc_3_1])
def test_the_interval_holds_the_truth_as_often_as_it_says(icc) -> None:
    random, held = np.random.default_rng(3), 0
    bias = 1.0 if icc is icc_2_1 else 0.0
    truth = 4.0 / (4.0 + bias + 1.0)
    for _ in range(1000):
        scores = random.normal(0, 2, (20, 1)) + random.normal(0, 1, (1, 5)) * bias + random.normal(0, 1, (20, 5))
        low, high = icc(scores).interval95
        assert low <= icc(scores).value <= high
        held += low <= truth <= high
    assert 0.92 <= held / 1000 <= 0.98  # the interval of ICC(2,1) is an approximation


@pytest.mark.parametrize("ratings", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, np.inf], [1.0, 2.0]]])
def test_too_few_or_missing_ratings_are_refused(ratings: list) -> None:
    for icc in (icc_2_1, icc_3_1):
        with pytest.raises(UsageError):
            icc(ratings)
