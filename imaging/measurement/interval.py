"""Intervals of quantities that are multiplied and divided: symmetric on the logarithm, never below zero."""

from __future__ import annotations

import math

from imaging.measurement.quantity import Quantity

__all__ = ["Z95", "log_interval95", "log_sd_of"]

Z95 = 1.96  # standard deviations that hold 95 % of a normal distribution, rounded as QIBA's claims have it


def log_interval95(value: float, log_sd: float) -> tuple[float, float]:
    """Value · exp(±1.96 s).

    Examples
    --------
    >>> [round(bound, 2) for bound in log_interval95(10.0, 0.1)]
    [8.22, 12.17]
    """
    spread = math.exp(Z95 * log_sd)
    return (value / spread, value * spread)


def log_sd_of(quantity: Quantity) -> float | None:
    """The standard deviation of the logarithm that the quantity's interval stands for; None if it tells none.

    Examples
    --------
    >>> round(log_sd_of(Quantity(10.0, "mL", "voxel sum", log_interval95(10.0, 0.1))), 6)
    0.1
    >>> log_sd_of(Quantity(10.0, "mL", "voxel sum"))
    """
    if quantity.interval95 is None or quantity.interval95[0] <= 0.0:
        return None
    low, high = quantity.interval95
    return math.log(high / low) / (2.0 * Z95)
