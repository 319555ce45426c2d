"""Thresholds are met exactly: 10.1 mm less 30 % is 7.07 mm, which binary fractions miss by a rounding.

A float is judged as the shortest decimal that denotes it, with all its digits: what a document prints is what is
compared, and nothing is rounded before. So 0.1 + 0.2, which is printed 0.30000000000000004, is more than 0.3; sums are
therefore taken here, over the decimals, and not over floats before they come here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from imaging.errors import UsageError

__all__ = ["Size", "exact", "exact_sum"]

Size = float | Fraction


def exact(size: Size) -> Fraction:
    """The size as the decimal number that it is written as; what is exact already stays.

    Raises
    ------
    UsageError
        If it is not a size: negative, infinite or not a number.

    Examples
    --------
    >>> exact(7.07) <= exact(10.1) * Fraction(7, 10), 7.07 / 10.1 - 1 <= -0.3
    (True, False)
    >>> exact(0.1 + 0.2) > exact(0.3), exact(0.1) + exact(0.2) == exact(0.3)
    (True, True)
    """
    if not math.isfinite(size) or size < 0:
        raise UsageError(f"a size is finite and not negative; got {size}")
    return size if isinstance(size, Fraction) else Fraction(repr(float(size)))


def exact_sum(sizes: Iterable[Size | None]) -> Fraction | None:
    """The sum; None where one of them is not known.

    Examples
    --------
    >>> exact_sum([0.1, 0.2]) == exact(0.3), exact_sum([0.1, None]), exact_sum([])
    (True, None, Fraction(0, 1))
    """
    known = [None if size is None else exact(size) for size in sizes]
    return None if None in known else sum((size for size in known if size is not None), Fraction(0))
