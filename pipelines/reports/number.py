"""Numbers as a reader sees them: as many digits as the measurement carries, a true minus sign, and units that stay put.

A figure keeps three significant digits and never more decimals than its unit deserves; its 95 % interval is rounded
outwards, so that the printed interval always holds the true one. Unknown is a dash, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

__all__ = [
    "MINUS",
    "NBSP",
    "UNKNOWN",
    "about_text",
    "change_interval_text",
    "change_text",
    "days_text",
    "interval_text",
    "quantity_text",
    "rounded",
]

NBSP = "\u00a0"
MINUS = "\u2212"
UNKNOWN = "—"

SIGNIFICANT = 3  # volumes of bone lesions repeat to some per cent at best; a fourth digit is noise
INTERVAL_SIGNIFICANT = 2  # of its width, as the GUM (JCGM 100:2008, 7.2.6) advises for uncertainties
MOST_DECIMALS = {"mL": 2, "mm": 1, "%": 1}  # 0.01 mL is a few voxels, 0.1 mm a fraction of a pixel
OTHER_DECIMALS = 3
FRACTION_UNITS = ("1", "")  # UCUM writes a pure ratio as 1; people read it as per cent

Quantity = Mapping[str, Any]


def rounded(value: float, decimals: int, *, rounding: str = ROUND_HALF_EVEN) -> str:
    """The value with that many decimals and a true minus; what rounds to nothing has no sign.

    Examples
    --------
    >>> rounded(-12.34, 1), rounded(-0.04, 1)
    ('−12.3', '0.0')
    """
    exact = Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-decimals), rounding=rounding)
    return f"{exact if exact else abs(exact):f}".replace("-", MINUS)


def quantity_text(quantity: Quantity | None) -> str:
    """Value and unit, or a dash where it is unknown; a pure ratio reads as per cent.

    Examples
    --------
    >>> quantity_text({"value": 48.2031, "unit": "mL", "method": "voxel sum", "interval95": None}).replace(NBSP, " ")
    '48.2 mL'
    >>> quantity_text(None)
    '—'
    """
    if quantity is None:
        return UNKNOWN
    value, unit = _shown(float(quantity["value"]), quantity["unit"])
    return rounded(value, _decimals(value, unit)) + NBSP + unit


def change_interval_text(quantity: Quantity | None) -> str:
    """The 95 % interval of a change, both bounds with their signs.

    Examples
    --------
    >>> change_interval_text({"value": 30.0, "unit": "%", "method": "ratio", "interval95": [10.2, 49.8]})
    '+10 to +50'
    """
    bounds = _bounds(quantity)
    return " to ".join(_signed(bound) for bound in bounds)


def interval_text(quantity: Quantity | None) -> str:
    """The 95 % interval without its unit, rounded outwards; empty where there is none.

    Examples
    --------
    >>> interval_text({"value": 48.2, "unit": "mL", "method": "voxel sum", "interval95": [42.1, 54.6]})
    '42–55'
    >>> interval_text({"value": -12.2, "unit": "%", "method": "ratio", "interval95": [-27.4, 3.2]})
    '−28 to +4'
    """
    bounds = _bounds(quantity)
    if any(bound.startswith(MINUS) for bound in bounds):
        return " to ".join(_signed(bound) for bound in bounds)
    return "–".join(bounds)


def change_text(quantity: Quantity | None, *, decimals: int = 1) -> str:
    """A change with its sign.

    Examples
    --------
    >>> change_text({"value": 4.26, "unit": "%", "method": "ratio", "interval95": None}).replace(NBSP, " ")
    '+4.3 %'
    """
    if quantity is None:
        return UNKNOWN
    return _signed(rounded(float(quantity["value"]), decimals)) + NBSP + str(quantity["unit"])


def about_text(quantity: Quantity) -> str:
    """The quantity as one says it: one significant digit below ten, whole numbers above.

    Examples
    --------
    >>> about_text({"value": 7.64, "unit": "mL", "method": "", "interval95": None}).replace(NBSP, " ")
    '8 mL'
    """
    value = float(quantity["value"])
    decimals = 0 if abs(value) >= 1 else max(0, _decimals_for(value, 1, MOST_DECIMALS["mL"]))
    return rounded(value, decimals) + NBSP + str(quantity["unit"])


def days_text(days: float | None) -> str:
    """A position on the time axis, in days after the first exam.

    Examples
    --------
    >>> days_text(-3), days_text(97.0), days_text(None)
    ('−3', '97', '—')
    """
    return UNKNOWN if days is None else rounded(float(days), 0)


def _bounds(quantity: Quantity | None) -> tuple[str, ...]:
    """Both bounds rounded outwards, or nothing."""
    if quantity is None or quantity["interval95"] is None:
        return ()
    unit = quantity["unit"]
    value, _ = _shown(float(quantity["value"]), unit)
    (low, _), (high, shown_unit) = (_shown(float(bound), unit) for bound in quantity["interval95"])
    decimals = min(
        _decimals(value, shown_unit), max(0, _decimals_for(high - low, INTERVAL_SIGNIFICANT, OTHER_DECIMALS))
    )
    below, above = rounded(low, decimals, rounding=ROUND_FLOOR), rounded(high, decimals, rounding=ROUND_CEILING)
    return below, above


def _shown(value: float, unit: str) -> tuple[float, str]:
    return (value * 100, "%") if unit in FRACTION_UNITS else (value, unit)


def _decimals(value: float, unit: str) -> int:
    return max(0, _decimals_for(value, SIGNIFICANT, MOST_DECIMALS.get(unit, OTHER_DECIMALS)))


def _decimals_for(value: float, significant: int, most: int) -> int:
    """Decimals that show so many significant digits; below the unit's last decimal the first digit that is not 0."""
    if value == 0:
        return min(most, 1)
    magnitude = math.floor(math.log10(float(f"{abs(value):.{significant - 1}e}")))
    return (
        min(max(most, -magnitude), significant - 1 - magnitude)
        if abs(value) < 10.0**-most
        else min(most, significant - 1 - magnitude)
    )


def _signed(text: str) -> str:
    return text if text.startswith(MINUS) or not any(digit in text for digit in "123456789") else f"+{text}"
