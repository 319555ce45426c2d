"""A site's own thresholds, written as data.

::

    [[criterion]]
    name = "lung volume (Geary-Hinkley)"
    metric = "volume_ml"            # volume_ml | net_volume_ml | long_axis_mm | who_product_mm2
    pr = "-0.35"                    # change against the baseline: −35 % or less is a partial response
    pd = "0.55"                     # change against the nadir: +55 % or more is progression
    least_growth_mm = "5"           # optional; least_growth_ml for volumes
    source = "Cancer Imaging 2015, s40644-015-0052-2"

Numbers are decimals as text, or TOML numbers read as decimals: a binary fraction has lost the threshold already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from imaging.errors import UsageError
from imaging.response.thresholds import Metric, Thresholds

__all__ = ["own_criteria", "own_criterion", "own_record"]

REQUIRED = ("name", "metric", "pr", "pd", "source")
GROWTHS = ("least_growth_mm", "least_growth_ml")
METRICS = (Metric.VOLUME, Metric.NET_VOLUME, Metric.LONG_AXIS, Metric.PRODUCT)
LARGEST = 10**6  # no change, millimetre or millilitre of a lesion is beyond it
FINEST = -12  # power of ten: digits below it belong to no threshold
TAKEN = ("who", "mda bone", "sphere volume", "volumetric_sphere")


def own_criteria(records: Sequence[Mapping[str, Any]]) -> tuple[Thresholds, ...]:
    """The criteria in the order in which they are written.

    Raises
    ------
    UsageError
        BAD_SETTING: as :func:`own_criterion`, or two have one name.
    """
    criteria = tuple(own_criterion(record) for record in records)
    if len({criterion.criterion.casefold() for criterion in criteria}) != len(criteria):
        raise _bad("two criteria have one name; rows of the report are told apart by it")
    return criteria


def own_criterion(record: Mapping[str, Any]) -> Thresholds:
    """The criterion that one table describes.

    Raises
    ------
    UsageError
        BAD_SETTING: a key is missing, unknown or impossible, a number is a float, or the name is another criterion's.

    Examples
    --------
    >>> own = own_criterion({"name": "lung", "metric": "volume_ml", "pr": "-0.35", "pd": "0.55", "source": "a paper"})
    >>> own.partial, own.progression
    (Fraction(13, 20), Fraction(31, 20))
    """
    unknown = [key for key in record if key not in (*REQUIRED, *GROWTHS)]
    missing = [key for key in REQUIRED if key not in record]
    if unknown or missing:
        raise _bad(f"has no key {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}")
    name, source = (_text(record, key) for key in ("name", "source"))
    if record["metric"] not in METRICS:
        raise _bad(f"metric is one of {', '.join(METRICS)}")
    metric = Metric(record["metric"])
    if name.casefold() in TAKEN or "recist" in name.casefold():
        raise _bad(f"the name {name!r} belongs to a published criterion; own thresholds need their own")
    partial, progression = _number(record, "pr"), _number(record, "pd")
    if not -1 < partial < 0 < progression:
        raise _bad("pr lies between -1 and 0 and pd above 0: they are changes, so that -0.3 is −30 %")
    growth = {key: _number(record, key) for key in GROWTHS if key in record}
    if min(growth.values(), default=Fraction(0)) < 0:
        raise _bad("a least growth is not negative")
    if growth.keys() - _growths_of(metric):
        raise _bad("least_growth_mm is for diameters and, as a ball's, for volumes; least_growth_ml for volumes")
    in_mm = growth.get("least_growth_mm", Fraction(0))
    return Thresholds(
        criterion=name,
        metric=metric,
        partial=1 + partial,
        progression=1 + progression,
        least_growth=growth.get("least_growth_ml", Fraction(0)) if metric.is_volume else in_mm,
        least_ball_growth_mm=in_mm if metric.is_volume else Fraction(0),
        source=source,
    )


def own_record(criterion: Thresholds) -> dict[str, str]:
    """The table that describes the criterion, every number as text; read back it is the same criterion.

    Examples
    --------
    >>> table = {"name": "lung", "metric": "volume_ml", "pr": "-0.35", "pd": "0.55", "source": "a paper"}
    >>> own_record(own_criterion(table)) == table
    True
    """
    growth = {
        "least_growth_ml" if criterion.metric.is_volume else "least_growth_mm": criterion.least_growth,
        "least_growth_mm" if criterion.metric.is_volume else "": criterion.least_ball_growth_mm,
    }
    return {
        "name": criterion.criterion,
        "metric": str(criterion.metric),
        "pr": _decimal(criterion.partial - 1),
        "pd": _decimal(criterion.progression - 1),
        **{key: _decimal(value) for key, value in growth.items() if value},
        "source": criterion.source,
    }


def _growths_of(metric: Metric) -> set[str]:
    return {Metric.LONG_AXIS: {"least_growth_mm"}, Metric.PRODUCT: set()}.get(metric, set(GROWTHS))


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record[key]
    if not isinstance(value, str) or not value.strip():
        raise _bad(f"{key} is text")
    return value


def _number(record: Mapping[str, Any], key: str) -> Fraction:
    value = record[key]
    if isinstance(value, (str, Decimal, int)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except (InvalidOperation, ValueError):
            number = Decimal("nan")
        if number.is_finite() and -LARGEST < number < LARGEST and int(number.as_tuple().exponent) >= FINEST:
            return Fraction(number)
    raise _bad(f'{key} is a decimal number, as text or as TOML: "-0.35"')


def _decimal(number: Fraction) -> str:
    """All digits: a criterion is read from decimals, so it can be written as one."""
    return format((Decimal(number.numerator) / Decimal(number.denominator)), "f")


def _bad(message: str) -> UsageError:
    return UsageError(f"criterion: {message}", code="BAD_SETTING")
