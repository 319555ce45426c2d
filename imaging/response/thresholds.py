"""Criteria that are a table row: a size, a share of its baseline that is a response, a share of its nadir that is not.

The published ones and those that a site writes for itself (:mod:`imaging.response.own`) are the same value, judged by
the same few lines. All comparisons are inclusive and exact; progression goes before response.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from imaging.response.exact import Size, exact
from imaging.response.response import Category, Response

__all__ = ["Metric", "Thresholds", "against", "ball_diameter_mm", "threshold_response"]

SAME_MM = 1e-9  # diameters of balls are irrational, so no volume is exactly 5 mm off another; closer is equal
UNITS = {"ml": "mL", "mm": "mm", "mm2": "mm²"}


class Metric(StrEnum):
    """What is summed over the targets; the name ends in its unit."""

    VOLUME = "volume_ml"
    NET_VOLUME = "net_volume_ml"
    LONG_AXIS = "long_axis_mm"
    PRODUCT = "who_product_mm2"
    VIABLE = "viable_mm"

    @property
    def suffix(self) -> str:
        """ml, mm or mm2."""
        return self.rpartition("_")[2]

    @property
    def unit(self) -> str:
        """As it is printed."""
        return UNITS[self.suffix]

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume: then it is no RECIST."""
        return self.suffix == "ml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """One row of a table of criteria.

    Parameters
    ----------
    criterion
        Its name.
    metric
        What is judged.
    partial
        A partial response is at most this share of the baseline, between 0 and 1.
    progression
        Progression is at least this share of the nadir, above 1,
    least_growth
        and at least so much more, in the metric's unit,
    least_ball_growth_mm
        and, for volumes, at least so much more of the diameter of a ball of that volume.
    source
        Where it is published.
    """

    criterion: str
    metric: Metric
    partial: Fraction
    progression: Fraction
    least_growth: Fraction = Fraction(0)
    least_ball_growth_mm: Fraction = Fraction(0)
    source: str


def threshold_response(
    thresholds: Thresholds,
    *,
    baseline: Size | None,
    current: Size | None,
    earlier: Sequence[Size | None] = (),
    scope: str,
) -> Response:
    """The category of a size, or of a sum of sizes, against its baseline and its nadir.

    Parameters
    ----------
    baseline, current
        0 where nothing is left, None where it was not measured or not accepted.
    earlier
        The timepoints between; unknown ones give no nadir. The nadir is the smallest of these and the baseline.
    scope
        What the sizes are of.

    Raises
    ------
    UsageError
        If a size is negative.

    Examples
    --------
    >>> lung = Thresholds(criterion="lung volume", metric=Metric.VOLUME, partial=Fraction(65, 100),
    ...                   progression=Fraction(155, 100), source="Cancer Imaging 2015, s40644-015-0052-2")
    >>> response = threshold_response(lung, baseline=10.0, current=6.5, scope="one lesion")
    >>> str(response.category), response.reasons
    ('PR', ('−35.00 % against the baseline of 10.00 mL',))
    """
    start, now, *between = (None if size is None else exact(size) for size in (baseline, current, *earlier))
    nadir = None if start is None else min([start, *(size for size in between if size is not None)])
    category, reason = _judge(thresholds, start, nadir, now)
    suffix = thresholds.metric.suffix
    return Response(
        criterion=thresholds.criterion,
        category=category,
        scope=scope,
        reasons=(reason,),
        inputs={
            str(thresholds.metric): _plain(now),
            f"baseline_{suffix}": _plain(start),
            f"nadir_{suffix}": _plain(nadir),
        },
        source=thresholds.source,
    )


def ball_diameter_mm(volume_ml: Size) -> float:
    """Diameter of the ball of that volume.

    Examples
    --------
    >>> round(ball_diameter_mm(4.18879), 3)
    20.0
    """
    return math.cbrt(6000.0 * float(volume_ml) / math.pi)


def against(now: Fraction, then: Fraction, name: str, unit: str) -> str:
    """How one size compares with an earlier one, for a reader.

    Examples
    --------
    >>> against(Fraction(9), Fraction(10), "baseline", "mL"), against(Fraction(9), Fraction(0), "nadir", "mm")
    ('−10.00 % against the baseline of 10.00 mL', '9.00 mm against a nadir of 0 mm')
    """
    if then == 0:
        return f"{float(now):.2f} {unit} against a {name} of 0 {unit}"
    percent = f"{float(100 * (now / then - 1)):+.2f}".replace("-", "−")
    return f"{percent} % against the {name} of {float(then):.2f} {unit}"


def _judge(
    thresholds: Thresholds, start: Fraction | None, nadir: Fraction | None, now: Fraction | None
) -> tuple[Category, str]:
    unit = thresholds.metric.unit
    if start is None or nadir is None or now is None:
        missing = "the baseline" if start is None else "the current"
        return Category.NE, f"{missing} {_noun(thresholds.metric)} is not known or not accepted"
    if start == 0:
        return Category.NE, f"there was no {_noun(thresholds.metric)} at baseline"
    if now == 0:
        return Category.CR, f"there is no {_noun(thresholds.metric)} left"
    if now >= nadir * thresholds.progression and _grown_enough(thresholds, nadir, now):
        return Category.PD, f"{against(now, nadir, 'nadir', unit)}{_growth(thresholds, nadir, now)}"
    if now <= start * thresholds.partial:
        return Category.PR, against(now, start, "baseline", unit)
    return Category.SD, f"{against(now, start, 'baseline', unit)}; {against(now, nadir, 'nadir', unit)}"


def _grown_enough(thresholds: Thresholds, nadir: Fraction, now: Fraction) -> bool:
    if now - nadir < thresholds.least_growth:
        return False
    if not thresholds.metric.is_volume:
        return True
    return ball_diameter_mm(now) - ball_diameter_mm(nadir) >= float(thresholds.least_ball_growth_mm) - SAME_MM


def _growth(thresholds: Thresholds, nadir: Fraction, now: Fraction) -> str:
    if not thresholds.metric.is_volume:
        return ""
    return f", {ball_diameter_mm(now) - ball_diameter_mm(nadir):.1f} mm more of a ball's diameter"


def _noun(metric: Metric) -> str:
    return metric.removesuffix(f"_{metric.suffix}").replace("_", " ").replace("who", "WHO")


def _plain(size: Fraction | None) -> float | None:
    return None if size is None else float(size)
