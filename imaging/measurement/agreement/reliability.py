"""How much of the spread of measurements is of the subjects, and how much of those who measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtri

from imaging.measurement.agreement.repeats import TAIL, as_table

__all__ = ["IntraclassCorrelation", "icc_2_1", "icc_3_1"]


@dataclass(frozen=True, slots=True)
class IntraclassCorrelation:
    """The share of the variance that lies between subjects, of one measurement by one rater.

    Parameters
    ----------
    value
        At most 1; below 0 where raters differ more than subjects do.
    interval95
        Where the truth is expected, 95 %.
    """

    value: float
    interval95: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeanSquares:
    """Two-way analysis of variance: between n subjects, between k raters, and the rest."""

    subjects: int
    raters: int
    between: float
    judges: float
    error: float


def icc_2_1(ratings: ArrayLike) -> IntraclassCorrelation | None:
    """Absolute agreement of raters who stand for others: ICC(2,1), two-way random; None where nothing differs.

    Parameters
    ----------
    ratings
        (subjects, raters), at least 2 of each, complete.

    Raises
    ------
    UsageError
        If there are fewer, or a value is not finite.

    Source: P. E. Shrout & J. L. Fleiss, Psychol. Bull. 86 (1979) 420; interval of K. O. McGraw & S. P. Wong, Psychol.
    Methods 1 (1996) 30.

    Examples
    --------
    >>> ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> found = icc_2_1(ratings)
    >>> round(found.value, 2), [round(bound, 2) for bound in found.interval95]
    (0.29, [0.02, 0.76])
    """
    m = _mean_squares(ratings)
    n, k = m.subjects, m.raters
    spread = m.between + (k - 1) * m.error + k * (m.judges - m.error) / n
    if spread <= 0.0:
        return None
    value = (m.between - m.error) / spread
    if value == 1.0:
        return IntraclassCorrelation(1.0, (1.0, 1.0))
    # Satterthwaite's degrees of freedom of a·MSJ + b·MSE.
    a = k * value / (n * (1.0 - value))
    b = 1.0 + k * value * (n - 1) / (n * (1.0 - value))
    freedom = (a * m.judges + b * m.error) ** 2 / (
        (a * m.judges) ** 2 / (k - 1) + (b * m.error) ** 2 / ((n - 1) * (k - 1))
    )
    rest = k * m.judges + (k * n - k - n) * m.error
    below, above = fdtri(n - 1, freedom, 1.0 - TAIL), fdtri(freedom, n - 1, 1.0 - TAIL)
    low = n * (m.between - below * m.error) / (below * rest + n * m.between)
    high = n * (above * m.between - m.error) / (rest + n * above * m.between)
    return IntraclassCorrelation(float(value), (float(low), float(high)))


def icc_3_1(ratings: ArrayLike) -> IntraclassCorrelation | None:
    """Consistency of these very raters, whose biases do not count: ICC(3,1), two-way mixed; None where nothing differs.

    Parameters and errors as :func:`icc_2_1`.

    Source: Shrout & Fleiss (1979).

    Examples
    --------
    >>> ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> found = icc_3_1(ratings)
    >>> round(found.value, 2), [round(bound, 2) for bound in found.interval95]
    (0.71, [0.34, 0.95])
    """
    m = _mean_squares(ratings)
    n, k = m.subjects, m.raters
    spread = m.between + (k - 1) * m.error
    if spread <= 0.0:
        return None
    if m.error == 0.0:
        return IntraclassCorrelation(1.0, (1.0, 1.0))
    ratio, rest = m.between / m.error, (n - 1) * (k - 1)
    low = ratio / float(fdtri(n - 1, rest, 1.0 - TAIL))
    high = ratio * float(fdtri(rest, n - 1, 1.0 - TAIL))
    return IntraclassCorrelation(
        float((m.between - m.error) / spread), ((low - 1.0) / (low + k - 1.0), (high - 1.0) / (high + k - 1.0))
    )


def _mean_squares(ratings: ArrayLike) -> _MeanSquares:
    table = as_table(ratings)
    n, k = table.shape
    table = table - table.mean()
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = table - rows - columns
    return _MeanSquares(
        subjects=n,
        raters=k,
        between=k * float(np.sum(rows**2)) / (n - 1),
        judges=n * float(np.sum(columns**2)) / (k - 1),
        error=float(np.sum(rest**2)) / ((n - 1) * (k - 1)),
    )
