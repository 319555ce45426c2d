from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.number import MINUS, about_text, change_text, interval_text, quantity_text, rounded

finite = st.floats(-1e5, 1e5, allow_nan=False, allow_infinity=False)
positive = st.floats(1e-3, 1e5, allow_nan=False, allow_infinity=False)


def quantity(value: float, unit: str = "mL", low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "unit": unit, "method": "m", "interval95": None if low is None else [low, high]}


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text.replace(MINUS, "-"))]


@given(finite, st.integers(0, 4))
def test_a_rounded_number_is_within_half_of_its_last_digit(value: float, decimals: int) -> None:
    (shown,) = numbers(rounded(value, decimals))
    assert abs(shown - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9) + 1e-6


@given(finite)
def test_no_number_is_a_negative_zero_or_written_with_a_hyphen(value: float) -> None:
    text = rounded(value, 1)
    assert "-" not in text
    assert text != f"{MINUS}0.0"


@given(positive)
def test_a_volume_shows_at_most_three_digits_too_few_and_never_zero(value: float) -> None:
    text = quantity_text(quantity(value))
    (shown,) = numbers(text)
    assert shown > 0
    assert abs(shown - value) <= max(0.005 * value, 0.0005 if value < 0.01 else 0.005) * (1 + 1e-9)


@given(positive, st.floats(0, 1e3), st.floats(0, 1e3))
def test_the_printed_interval_holds_the_true_one(value: float, below: float, above: float) -> None:
    low, high = value - below, value + above
    shown = numbers(interval_text(quantity(value, "mL", low, high)).replace("–", " ").replace("to", " "))
    assert shown[0] <= low + 1e-6 * max(1.0, abs(low))
    assert shown[1] >= high - 1e-6 * max(1.0, abs(high))


def test_units_never_part_from_their_numbers() -> None:
    assert quantity_text(quantity(48.2031)) == "48.2\u00a0mL"
    assert quantity_text(quantity(8.04, "mm")) == "8.0\u00a0mm"
    assert quantity_text(quantity(0.1286, "1")) == "12.9\u00a0%"
    assert change_text(quantity(-12.86, "%")) == f"{MINUS}12.9\u00a0%"


def test_a_true_zero_is_a_zero_and_an_unknown_figure_is_not() -> None:
    assert quantity_text(quantity(0.0)) == "0.0\u00a0mL"
    assert change_text(quantity(0.0, "%")) == "0.0\u00a0%"
    assert quantity_text(None) == change_text(None) == "—"


def test_about_keeps_one_digit_below_ten() -> None:
    assert [about_text(quantity(v)) for v in (8.44, 12.3, 0.37, 0.004)] == [
        "8\u00a0mL",
        "12\u00a0mL",
        "0.4\u00a0mL",
        "0.004\u00a0mL",
    ]
