"""The categories of one lesion between two exams: from its own figures, and none where they cannot be compared."""

from __future__ import annotations

import math

import pytest

from imaging.measurement.change import LesionSize, measure_change
from imaging.measurement.quantity import Quantity
from imaging.response.lesion import lesion_responses, with_categories
from imaging.response.own import own_criterion
from imaging.response.thresholds import Thresholds


def size(
    volume: float | None,
    diameter: float | None,
    short: float | None = None,
    *,
    slices: float | None = None,
    tilt_deg: float = 0.0,
) -> LesionSize:
    return LesionSize(
        volume_ml=None if volume is None else Quantity(volume, "mL", "voxel sum"),
        long_axis_mm=None if diameter is None else Quantity(diameter, "mm", "contour"),
        short_axis_mm=None if short is None else Quantity(short, "mm", "contour"),
        slice_distance_mm=slices,
        slice_normal=(0.0, math.sin(math.radians(tilt_deg)), math.cos(math.radians(tilt_deg))),
    )


def categories(reference: LesionSize, follow_up: LesionSize, *own: Thresholds) -> dict[str, str]:
    change = measure_change(reference, follow_up)
    responses = lesion_responses(reference, follow_up, change, own)
    found = dict(with_categories(change, responses).categories)
    assert found == {name: str(response.category) for name, response in responses.items()}
    return found


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
        (size(30, 40), size(60, 50, tilt_deg=10.1), ("NE", "PD")),  # the slices cut it elsewhere
        (size(30, 40), size(60, 50, tilt_deg=10.0), ("PD", "PD")),  # exactly ten degrees do not
        (size(0.5, 10.0), size(4, 30), ("PD", "PD")),
    ],
)
def test_vectors(reference: LesionSize, follow_up: LesionSize, expected: tuple[str, str]) -> None:
    found = categories(reference, follow_up)
    assert (found["recist_1_1"], found["volumetric_sphere"]) == expected


def test_the_scope_says_that_one_lesion_is_no_patient() -> None:
    reference, follow_up = size(30, 40), size(10, 28)
    assert set(lesion_responses(reference, follow_up, measure_change(reference, follow_up))) == {
        "recist_1_1",
        "who",
        "volumetric_sphere",
    }
    for response in lesion_responses(reference, follow_up, measure_change(reference, follow_up)).values():
        assert response.scope == "one lesion"
        assert response.reasons and response.inputs and response.source


@pytest.mark.parametrize(
    ("reference", "follow_up", "category"),
    [
        (size(30, 40, 30), size(30, 30, 20), "PR"),
        (size(30, 40, 30), size(30, 30, 20.01), "SD"),
        (size(30, 40, 30), size(30, 50, 30), "PD"),
        (size(30, 40, 30), LesionSize.absent(), "CR"),
        (size(30, 40), size(30, 30, 20), "NE"),
        (size(30, 40, 30), size(30, 50, 30, tilt_deg=11), "NE"),
    ],
)
def test_the_product_of_diameters(reference: LesionSize, follow_up: LesionSize, category: str) -> None:
    assert categories(reference, follow_up)["who"] == category


@pytest.mark.parametrize(
    ("metric", "category"),
    [("volume_ml", "PD"), ("long_axis_mm", "NE"), ("who_product_mm2", "NE"), ("net_volume_ml", None)],
)
def test_own_criteria_stand_under_their_names_and_diameters_need_one_plane(metric: str, category: str | None) -> None:
    own = own_criterion({"name": "mine", "metric": metric, "pr": "-0.1", "pd": "0.1", "source": "the protocol"})
    assert categories(size(30, 40, 30), size(60, 50, 40, tilt_deg=11), own).get("mine") == category
    assert categories(size(30, 40, 30), size(60, 50, 40), own).get("mine") == (None if category is None else "PD")


def test_the_reasons_say_what_was_in_the_way() -> None:
    before, after = size(2, 13.9, 10.0, slices=7.0), size(8, 30, 20.0, tilt_deg=90)
    small = lesion_responses(before, before, measure_change(before, before))["recist_1_1"]
    assert small.reasons == ("13.9 mm is too small to be a target: 14 mm are needed",)
    tilted = lesion_responses(before, after, measure_change(before, after))
    assert tilted["who"].reasons[0].startswith("PLANE_CHANGED")
    assert tilted["recist_1_1"].inputs["sum_mm"] == 30.0
