"""Measurements of the same subjects, made more than once: by two readers, by two methods, on two days."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, stdtrit

from imaging.arrays import FloatArray
from imaging.errors import UsageError
from imaging.measurement.interval import Z95

__all__ = ["BlandAltman", "Repeatability", "as_table", "bland_altman", "repeatability"]

TAIL = 0.025  # on either side of a 95 % interval

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlandAltman:
    """The differences of paired measurements.

    Parameters
    ----------
    pairs
        How many, at least 2.
    bias
        Mean of first − second.
    sd
        Standard deviation of the differences, with n − 1.

    Examples
    --------
    >>> found = BlandAltman(pairs=17, bias=-2.12, sd=38.77)
    >>> [round(bound, 1) for bound in (*found.limits, *found.bias95)]
    [-78.1, 73.9, -22.1, 17.8]
    """

    pairs: int
    bias: float
    sd: float

    @property
    def limits(self) -> Interval:
        """Between which 95 % of differences are expected: bias ± 1.96 sd."""
        return (self.bias - Z95 * self.sd, self.bias + Z95 * self.sd)

    @property
    def bias95(self) -> Interval:
        """The 95 % interval of the bias, t · sd ÷ √n."""
        reach = self._t * self.sd / math.sqrt(self.pairs)
        return (self.bias - reach, self.bias + reach)

    @property
    def limits95(self) -> tuple[Interval, Interval]:
        """The 95 % intervals of the lower and of the upper limit, t · sd · √(1/n + 1.96² / 2(n − 1))."""
        reach = self._t * self.sd * math.sqrt(1.0 / self.pairs + Z95**2 / (2.0 * (self.pairs - 1)))
        low, high = self.limits
        return (low - reach, low + reach), (high - reach, high + reach)

    @property
    def _t(self) -> float:
        return float(stdtrit(self.pairs - 1, 1.0 - TAIL))


def bland_altman(first: ArrayLike, second: ArrayLike) -> BlandAltman:
    """Bias and limits of agreement of paired measurements.

    Parameters
    ----------
    first, second
        (n,) each, of the same subjects in the same order, n at least 2.

    Raises
    ------
    UsageError
        If the lengths differ, there are fewer than two pairs, or a value is not finite.

    Source: J. M. Bland & D. G. Altman, Lancet 327 (1986) 307; Stat. Methods Med. Res. 8 (1999) 135.

    Examples
    --------
    >>> found = bland_altman([10.0, 12.0, 15.0], [11.0, 12.0, 13.0])
    >>> round(found.bias, 3), round(found.sd, 3)
    (0.333, 1.528)
    """
    if np.shape(first) != np.shape(second):
        raise UsageError(f"pairs need as many first as second values; got {np.shape(first)} and {np.shape(second)}")
    table = as_table(np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)], axis=-1))
    difference = table[:, 0] - table[:, 1]
    return BlandAltman(pairs=len(difference), bias=float(difference.mean()), sd=float(difference.std(ddof=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """How much repeated measurements of one subject differ.

    Parameters
    ----------
    wsd
        Within-subject standard deviation, in the unit of the values.
    wcv, wcv_log
        Within-subject coefficient of variation: root mean square of sd ÷ mean; and from logarithms, √(exp(s²) − 1).
        None where a value is not above 0.
    freedom
        Degrees of freedom, subjects × (repeats − 1).
    """

    wsd: float
    wcv: float | None
    wcv_log: float | None
    freedom: int

    @property
    def coefficient(self) -> float:
        """Below what 95 % of differences of two measurements of one subject lie: 1.96 · √2 · wsd."""
        return Z95 * math.sqrt(2.0) * self.wsd

    @property
    def coefficient95(self) -> Interval:
        """The 95 % interval of the coefficient, from the χ² distribution of the variance."""
        low, high = (math.sqrt(self.freedom / float(chdtri(self.freedom, tail))) for tail in (TAIL, 1.0 - TAIL))
        return (self.coefficient * low, self.coefficient * high)

    @property
    def percent(self) -> float | None:
        """The same as a percentage of the value, 1.96 · √2 · wCV."""
        return None if self.wcv is None else 100.0 * Z95 * math.sqrt(2.0) * self.wcv

    @property
    def log_percent(self) -> Interval | None:
        """From what fall to what rise a change in per cent is within 95 % of repeats; never below −100 %."""
        if self.wcv_log is None:
            return None
        spread = Z95 * math.sqrt(2.0 * math.log1p(self.wcv_log**2))
        return (100.0 * math.expm1(-spread), 100.0 * math.expm1(spread))


def repeatability(values: ArrayLike) -> Repeatability:
    """The within-subject spread of repeated measurements; QIBA recommends 35 subjects or more.

    Parameters
    ----------
    values
        (subjects, repeats), at least 2 of each.

    Raises
    ------
    UsageError
        If there are fewer, or a value is not finite.

    Source: D. L. Raunig et al., Stat. Methods Med. Res. 24 (2015) 27 (QIBA metrology).

    Examples
    --------
    >>> found = repeatability([[10.0, 12.0], [20.0, 19.0], [30.0, 30.0]])
    >>> [round(value, 3) for value in (found.wsd, found.wcv, found.wcv_log, found.coefficient)]
    [0.913, 0.077, 0.077, 2.53]
    """
    table = as_table(values)
    wcv = wcv_log = None
    if (table > 0.0).all():
        wcv = math.sqrt(float(np.mean(table.var(axis=1, ddof=1) / table.mean(axis=1) ** 2)))
        wcv_log = math.sqrt(math.expm1(float(np.log(table).var(axis=1, ddof=1).mean())))
    return Repeatability(
        wsd=math.sqrt(float(table.var(axis=1, ddof=1).mean())),
        wcv=wcv,
        wcv_log=wcv_log,
        freedom=table.shape[0] * (table.shape[1] - 1),
    )


def as_table(values: ArrayLike) -> FloatArray:
    """The values as (subjects, repeats), at least 2 of each, all finite."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise UsageError(f"agreement needs at least 2 subjects measured at least twice; got {table.shape}")
    if not np.isfinite(table).all():
        raise UsageError("agreement needs a value of every subject each time; one is missing or not finite")
    return table
