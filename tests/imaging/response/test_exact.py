"""Sizes are judged as they are printed."""

from __future__ import annotations

from fractions import Fraction

import pytest

from imaging.errors import UsageError
from imaging.response.exact import exact, exact_sum


def test_a_float_is_the_decimal_that_it_prints_as() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(7) == 7
    assert exact(1e-7) == Fraction(1, 10**7)


def test_a_float_that_was_summed_keeps_all_its_digits() -> None:
    assert exact(0.1 + 0.2) == Fraction("0.30000000000000004")
    assert exact_sum([0.1, 0.2]) == Fraction(3, 10)


def test_what_is_exact_stays() -> None:
    assert exact(Fraction(1, 3)) == Fraction(1, 3)


@pytest.mark.parametrize("wrong", [-1.0, -1e-9, float("nan"), float("inf"), Fraction(-1, 3)])
def test_what_is_no_size_is_refused(wrong: float | Fraction) -> None:
    with pytest.raises(UsageError, match="finite and not negative"):
        exact(wrong)


def test_one_unknown_size_makes_the_sum_unknown() -> None:
    assert exact_sum([1.0, None, 2.0]) is None
    assert exact_sum([]) == 0
