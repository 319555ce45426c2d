"""Intervals of quantities that are multiplied and divided: symmetric on the logarithm, never below zero."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imaging.measurement.quantity import Quantity

__all__ = ["Z95", "Interval", "holding", "log_interval95", "log_sd_of", "widened"]

Interval = tuple[float, float]

Z95 = 1.96  # standard deviations that hold 95 % of a normal distribution, rounded as QIBA's claims have it


def log_interval95(value: float, log_sd: float) -> Interval:
    """Value · exp(±1.96 s).

    Examples
    --------
    >>> [round(bound, 2) for bound in log_interval95(10.0, 0.1)]
    [8.22, 12.17]
    """
    spread = math.exp(Z95 * log_sd)
    return (value / spread, value * spread)


def holding(interval: Interval, value: float) -> Interval:
    """The interval, wide enough to hold the value.

    Examples
    --------
    >>> holding((1.0, 2.0), 3.0), holding((1.0, 2.0), 1.5)
    ((1.0, 3.0), (1.0, 2.0))
    """
    return (min(interval[0], value), max(interval[1], value))


def widened(interval: Interval, cv: float) -> Interval:
    """An interval with one more independent error, a coefficient of variation, added to what it stands for.

    An interval that begins at zero has no logarithm: it keeps its beginning, and its end grows in quadrature.

    Examples
    --------
    >>> [round(bound, 2) for bound in widened(log_interval95(10.0, 0.06), 0.08)]
    [8.22, 12.16]
    >>> [round(bound, 2) for bound in widened((0.0, 2.0), 0.1)]
    [0.0, 2.02]
    """
    low, high = interval
    if low <= 0.0:
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        return (low, middle + math.hypot(half, Z95 * cv * middle))
    log_sd = math.hypot(math.log(high / low) / (2.0 * Z95), math.sqrt(math.log1p(cv * cv)))
    return log_interval95(math.sqrt(low * high), log_sd)


def log_sd_of(quantity: Quantity) -> float | None:
    """The standard deviation of the logarithm that the quantity's interval stands for; None if it tells none.

    Examples
    --------
    >>> from imaging.measurement.quantity import Quantity
    >>> round(log_sd_of(Quantity(10.0, "mL", "voxel sum", log_interval95(10.0, 0.1))), 6)
    0.1
    >>> log_sd_of(Quantity(10.0, "mL", "voxel sum"))
    """
    if quantity.interval95 is None or quantity.interval95[0] <= 0.0:
        return None
    low, high = quantity.interval95
    return math.log(high / low) / (2.0 * Z95)
