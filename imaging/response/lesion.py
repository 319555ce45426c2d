"""What the criteria would say if one lesion were all there is: a help for readers of two exams, no response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imaging.measurement.change import Change, Sized
from imaging.measurement.quantity import Quantity
from imaging.response.exact import Size
from imaging.response.measurable import least_diameter_mm
from imaging.response.recist import Target, target_response
from imaging.response.response import Category, Response
from imaging.response.thresholds import Metric, Thresholds, threshold_response
from imaging.response.volumetric import SPHERE
from imaging.response.who import product_mm2, who_response

__all__ = ["lesion_responses", "with_categories"]

SCOPE = "one lesion"
PLANE_CHANGED = "PLANE_CHANGED"
CUT_ELSEWHERE = "PLANE_CHANGED: the slices of the two exams lean more than 10° against each other and cut it elsewhere"


def lesion_responses(
    reference: Sized, follow_up: Sized, change: Change, own: Sequence[Thresholds] = ()
) -> dict[str, Response]:
    """The category of one lesion by each criterion, with the reference as baseline and as nadir.

    By diameter it is not evaluable where the slices of the two exams cut it differently, and by RECIST where it was too
    small to be a target at the reference exam.

    Parameters
    ----------
    reference, follow_up
        Accepted measurements of the lesion.
    change
        What :func:`imaging.measurement.change.measure_change` made of the two.
    own
        A site's criteria; those of a metric that a lesion alone does not have are left out.

    Returns
    -------
    By ``recist_1_1``, ``who``, ``volumetric_sphere``, and the own criteria's names.

    Examples
    --------
    >>> from imaging.measurement import Quantity
    >>> from imaging.measurement.change import LesionSize, measure_change
    >>> def size(ml, long, short):
    ...     return LesionSize(volume_ml=Quantity(ml, "mL", ""), long_axis_mm=Quantity(long, "mm", ""),
    ...                       short_axis_mm=Quantity(short, "mm", ""))
    >>> before, after = size(30.0, 40.0, 30.0), size(12.0, 28.0, 25.0)
    >>> responses = lesion_responses(before, after, measure_change(before, after))
    >>> {name: str(response.category) for name, response in responses.items()}
    {'recist_1_1': 'PR', 'who': 'SD', 'volumetric_sphere': 'SD'}
    """
    sizes = {metric: [_size(metric, exam) for exam in (reference, follow_up)] for metric in Metric}
    (long, long_now), (product, product_now) = sizes[Metric.LONG_AXIS], sizes[Metric.PRODUCT]
    found = {
        "recist_1_1": _recist(long, long_now, least_diameter_mm(reference.slice_distance_mm)),
        "who": who_response(baseline={SCOPE: product}, current={SCOPE: product_now}, scope=SCOPE),
    }
    own = [criterion for criterion in own if criterion.metric in (Metric.VOLUME, Metric.LONG_AXIS, Metric.PRODUCT)]
    for name, criterion in {
        "volumetric_sphere": SPHERE,
        **{criterion.criterion: criterion for criterion in own},
    }.items():
        baseline, current = sizes[criterion.metric]
        found[name] = threshold_response(criterion, baseline=baseline, current=current, scope=SCOPE)
    if not any(finding.code == PLANE_CHANGED for finding in change.findings):
        return found
    volumes = {"volumetric_sphere", *(criterion.criterion for criterion in own if criterion.metric.is_volume)}
    return {name: row if name in volumes else _not_evaluable(row, CUT_ELSEWHERE) for name, row in found.items()}


def with_categories(change: Change, responses: Mapping[str, Response]) -> Change:
    """The change with the categories of :func:`lesion_responses`."""
    return replace(change, categories={name: str(response.category) for name, response in responses.items()})


def _size(metric: Metric, exam: Sized) -> Size | None:
    match metric:
        case Metric.VOLUME:
            return _value(exam.volume_ml)
        case Metric.LONG_AXIS:
            return _value(exam.long_axis_mm)
        case Metric.PRODUCT:
            return product_mm2(_value(exam.long_axis_mm), _value(exam.short_axis_mm))
        case Metric.NET_VOLUME | Metric.VIABLE:
            return None


def _value(quantity: Quantity | None) -> float | None:
    return None if quantity is None else quantity.value


def _recist(baseline: Size | None, current: Size | None, least_mm: float) -> Response:
    before, now = ([Target(lesion=SCOPE, size_mm=size)] for size in (baseline, current))
    found = replace(target_response(baseline=before, current=now), scope=SCOPE)
    if baseline is None or baseline >= least_mm:
        return found
    return _not_evaluable(found, f"{float(baseline):.1f} mm is too small to be a target: {least_mm:g} mm are needed")


def _not_evaluable(found: Response, reason: str) -> Response:
    return replace(found, category=Category.NE, reasons=(reason,))
