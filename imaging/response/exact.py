"""Thresholds are met exactly: 10.1 mm less 30 % is 7.07 mm, which binary fractions miss by a rounding."""

from __future__ import annotations

import math
from fractions import Fraction

from imaging.errors import UsageError

__all__ = ["exact"]


def exact(size: float) -> Fraction:
    """The size as the decimal number that it is written as.

    Raises
    ------
    UsageError
        If it is not a size: negative, infinite or not a number.

    Examples
    --------
    >>> exact(7.07) <= exact(10.1) * Fraction(7, 10), 7.07 / 10.1 - 1 <= -0.3
    (True, False)
    """
    if not math.isfinite(size) or size < 0:
        raise UsageError(f"a size is finite and not negative; got {size}")
    return Fraction(repr(float(size)))
