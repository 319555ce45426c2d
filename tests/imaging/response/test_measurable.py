"""What may be a target: 10 mm, two thick slices, and nodes by their short axis."""

from __future__ import annotations

import pytest

from imaging.errors import UsageError
from imaging.response.measurable import NodeClass, is_measurable, node_class


@pytest.mark.parametrize(
    "long_axis, slices, measurable",
    [
        (10.0, None, True),
        (9.999, None, False),
        (10.0, 1.0, True),
        (10.0, 5.0, True),
        (10.0, 5.001, False),
        (12.0, 6.0, True),
        (11.99, 6.0, False),
        (14.2, 7.1, True),
        (14.19, 7.1, False),
        (0.0, 1.0, False),
    ],
)
def test_the_least_diameter(long_axis: float, slices: float | None, measurable: bool) -> None:
    assert is_measurable(long_axis, slice_mm=slices) is measurable


@pytest.mark.parametrize("progressed, measurable", [(None, None), (False, False), (True, True)])
def test_a_treated_place_needs_progression_since_or_a_reader(progressed: bool | None, measurable: bool | None) -> None:
    found = is_measurable(30.0, prior_local_therapy=True, progressed_since=progressed)
    assert found is measurable
    assert is_measurable(9.0, prior_local_therapy=True, progressed_since=progressed) is False


@pytest.mark.parametrize(
    "short_axis, expected",
    [(15.0, "target"), (14.99, "non-target"), (10.0, "non-target"), (9.99, "normal"), (0.0, "normal")],
)
def test_nodes_by_their_short_axis(short_axis: float, expected: str) -> None:
    assert node_class(short_axis) is NodeClass(expected)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_what_is_no_size_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError):
        is_measurable(wrong)
