"""What may be a target: 10 mm, two thick slices, and nodes by their short axis."""

from __future__ import annotations

from typing import Any

import pytest

from imaging.errors import UsageError
from imaging.lesions.lesion import Eligibility
from imaging.response.measurable import NodeClass, is_measurable, measurability, node_class


@pytest.mark.parametrize(
    "long_axis, slices, measurable",
    [
        (10.0, None, True),
        (9.999, None, False),
        (10.0, 1.0, True),
        (9.5, 4.5, False),
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


def target(
    *, long: float | None = 30.0, short: float | None = 20.0, slices: float = 4.0, treated: bool = False, **said: Any
) -> tuple[bool | None, str]:
    return measurability(
        Eligibility(**said), long_axis_mm=long, short_axis_mm=short, slice_mm=slices, prior_local_therapy=treated
    )


@pytest.mark.parametrize(
    ("said", "holds", "reason"),
    [
        ({}, True, ""),
        ({"soft_tissue": True}, True, ""),
        ({"soft_tissue": True, "appearance": "lytic"}, True, ""),
        ({"appearance": "mixed"}, True, ""),
        ({"soft_tissue": False}, False, "not the lytic cavity"),
        ({"soft_tissue": False, "measurable": True}, False, "not the lytic cavity"),
        ({"appearance": "blastic"}, False, "never measurable"),
        ({"appearance": "blastic", "soft_tissue": True, "measurable": True}, False, "never measurable"),
        ({"measurable": False}, False, "a reader says that it is not measurable"),
        ({"long": 9.99}, False, "10.0 mm is too small to be a target: 10 mm are needed"),
        ({"long": 9.9, "measurable": True}, False, "too small"),
        ({"long": 10.0}, True, ""),
        ({"long": 12.4, "slices": 6.25}, False, "12.4 mm is too small to be a target: 12.5 mm are needed"),
        ({"long": None}, None, "not known"),
        ({"long": 9.0, "short": 15.0, "node": True}, True, ""),
        ({"short": 14.9, "node": True}, False, "a node of 14.9 mm is non-target: 15 mm of short axis are needed"),
        ({"short": 9.9, "node": True}, False, "is normal"),
        ({"short": None, "node": True}, None, "not known"),
        ({"short": None}, True, ""),
        ({"treated": True}, None, "a reader says whether it progressed since"),
        ({"treated": True, "soft_tissue": True}, None, "a reader says"),
        ({"treated": True, "progressed_since": True}, True, ""),
        ({"treated": True, "progressed_since": False}, False, "has not progressed since"),
        ({"treated": True, "measurable": True}, True, ""),
        ({"treated": True, "long": 9.0}, False, "too small"),
        ({"progressed_since": False}, True, ""),
    ],
)
def test_who_may_be_a_target(said: dict[str, Any], holds: bool | None, reason: str) -> None:
    found, why = target(**said)
    assert found is holds
    assert reason in why if reason else why == ""
