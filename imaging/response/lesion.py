"""What the criteria would say if one lesion were all there is: a help for readers of two exams, no response."""

from __future__ import annotations

from dataclasses import replace

from imaging.measurement.change import Change, Sized
from imaging.response.measurable import least_diameter_mm
from imaging.response.recist import CRITERION, SOURCE, Target, target_response
from imaging.response.response import Category, Response
from imaging.response.volumetric import volumetric_response

__all__ = ["lesion_responses", "with_categories"]

SCOPE = "one lesion"
PLANE_CHANGED = "PLANE_CHANGED"


def lesion_responses(reference: Sized, follow_up: Sized, change: Change) -> dict[str, Response]:
    """The category of one lesion by each criterion, with the reference as baseline and as nadir.

    By diameter it is not evaluable where the lesion was too small to be a target at the reference exam, or where the
    slices of the two exams cut it differently.

    Parameters
    ----------
    reference, follow_up
        Accepted measurements of the lesion.
    change
        What :func:`imaging.measurement.change.measure_change` made of the two.

    Examples
    --------
    >>> from imaging.measurement import Quantity
    >>> from imaging.measurement.change import LesionSize, measure_change
    >>> before = LesionSize(volume_ml=Quantity(30.0, "mL", ""), long_axis_mm=Quantity(40.0, "mm", ""))
    >>> after = LesionSize(volume_ml=Quantity(12.0, "mL", ""), long_axis_mm=Quantity(28.0, "mm", ""))
    >>> responses = lesion_responses(before, after, measure_change(before, after))
    >>> {name: str(response.category) for name, response in responses.items()}
    {'recist_1_1': 'PR', 'volumetric_sphere': 'SD'}
    """
    volumes = [None if exam.volume_ml is None else exam.volume_ml.value for exam in (reference, follow_up)]
    return {
        "recist_1_1": _by_diameter(reference, follow_up, change),
        "volumetric_sphere": volumetric_response(baseline_ml=volumes[0], current_ml=volumes[1], scope=SCOPE),
    }


def with_categories(change: Change, reference: Sized, follow_up: Sized) -> Change:
    """The change with the categories of :func:`lesion_responses`, for the document of ``compare``."""
    responses = lesion_responses(reference, follow_up, change)
    return replace(change, categories={name: str(response.category) for name, response in responses.items()})


def _by_diameter(reference: Sized, follow_up: Sized, change: Change) -> Response:
    sizes = [None if exam.long_axis_mm is None else exam.long_axis_mm.value for exam in (reference, follow_up)]
    inputs = {"sum_mm": sizes[1], "baseline_mm": sizes[0], "nadir_mm": sizes[0]}
    least = least_diameter_mm(reference.slice_distance_mm)
    if any(finding.code == PLANE_CHANGED for finding in change.findings):
        return _not_evaluable("the slices of the two exams cut the lesion differently", inputs)
    if sizes[0] is not None and sizes[0] < least:
        return _not_evaluable(f"{sizes[0]:.1f} mm is too small to be a target: {least:.0f} mm are needed", inputs)
    baseline, current = ([Target(lesion=SCOPE, size_mm=size)] for size in sizes)
    return replace(target_response(baseline=baseline, current=current), scope=SCOPE)


def _not_evaluable(reason: str, inputs: dict[str, float | None]) -> Response:
    return Response(
        criterion=CRITERION, category=Category.NE, scope=SCOPE, reasons=(reason,), inputs=inputs, source=SOURCE
    )
