"""The categories of one lesion between two exams: from its own figures, and none where they cannot be compared."""

from __future__ import annotations

import pytest

from imaging.measurement.change import LesionSize, measure_change
from imaging.measurement.quantity import Quantity
from imaging.response.lesion import lesion_responses, with_categories


def size(
    volume: float | None, diameter: float | None, *, slices: float | None = None, tilted: bool = False
) -> LesionSize:
    return LesionSize(
        volume_ml=None if volume is None else Quantity(volume, "mL", "voxel sum"),
        long_axis_mm=None if diameter is None else Quantity(diameter, "mm", "contour"),
        slice_distance_mm=slices,
        slice_normal=(0.0, 1.0, 0.0) if tilted else (0.0, 0.0, 1.0),
    )


def categories(reference: LesionSize, follow_up: LesionSize) -> tuple[str, str]:
    change = with_categories(measure_change(reference, follow_up), reference, follow_up)
    return change.categories["recist_1_1"], change.categories["volumetric_sphere"]


@pytest.mark.parametrize(
    "reference, follow_up, expected",
    [
        (size(30, 40), size(10, 28), ("PR", "PR")),
        (size(30, 40), size(30, 40), ("SD", "SD")),
        (size(30, 40), size(60, 48), ("PD", "PD")),
        (size(30, 40), size(20, 28), ("PR", "SD")),
        (size(30, 40), LesionSize.absent(), ("CR", "CR")),
        (size(30, 40), size(None, None), ("NE", "NE")),
        (size(0.4, 9.9), size(4, 30), ("NE", "PD")),  # too small to be a target
        (size(2, 13.9, slices=7.0), size(8, 30), ("NE", "PD")),  # less than two slices
        (size(2, 14.0, slices=7.0), size(8, 30), ("PD", "PD")),
        (size(30, 40), size(60, 50, tilted=True), ("NE", "PD")),  # the slices cut it elsewhere
    ],
)
def test_vectors(reference: LesionSize, follow_up: LesionSize, expected: tuple[str, str]) -> None:
    assert categories(reference, follow_up) == expected


def test_the_scope_says_that_one_lesion_is_no_patient() -> None:
    reference, follow_up = size(30, 40), size(10, 28)
    for response in lesion_responses(reference, follow_up, measure_change(reference, follow_up)).values():
        assert response.scope == "one lesion"
        assert response.reasons and response.inputs and response.source
