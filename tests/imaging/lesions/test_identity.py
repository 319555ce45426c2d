"""Who is who: names and order say nothing, and an event is told once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.geometry import Grid, Rigid
from imaging.lesions.identity import Known, identify, in_place_order, tracking_uid_of
from imaging.lesions.match import Basis, EventKind, Matching
from imaging.segmentation.segment import LesionId, Segment

GRID = Grid.from_spacing((40, 50, 60), (4.0, 2.0, 2.0), origin_mm=(-60, -50, -80))
POINTS = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
Ball = tuple[float, float, float, float]  # x, y, z, radius
LEFT, RIGHT, LOW = (30.0, 0.0, 10.0, 12.0), (-30.0, 5.0, 4.0, 9.0), (0.0, 10.0, -50.0, 8.0)


def ball(x: float, y: float, z: float, radius: float, uid: str = "") -> Segment:
    mask = (np.linalg.norm(POINTS - (x, y, z), axis=1) <= radius).reshape(GRID.shape)
    return Segment(mask=mask, grid=GRID, tracking_uid=uid, series_uid="1.2.3")


def known(balls: Mapping[str, Ball], *, apart: bool = True, uid: str = "") -> list[Known]:
    return [
        Known(
            lesion=LesionId(name),
            segment=ball(*place),
            here_from_there=Rigid.identity(),
            tracking_uid=uid and f"{uid}.{name}",
            apart=apart,
        )
        for name, place in balls.items()
    ]


def links_of(matching: Matching) -> dict[str, str]:
    return {link.a: link.b for link in matching.links}


BEFORE, NOW = {"left": LEFT, "right": RIGHT, "low": LOW}, [LEFT, RIGHT, LOW, (40.0, -20.0, -50.0, 7.0)]


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(len(NOW))), st.permutations(range(len(BEFORE))), st.integers(0, 10**6))
def test_neither_names_nor_order_decide_who_is_who(now: list[int], before: list[int], salt: int) -> None:
    found = {LesionId(f"GTV {hash((salt, k)) % 997} {k}"): ball(*NOW[k]) for k in now}
    entries = known(BEFORE)
    matching = identify([entries[k] for k in before], found)
    sizes = {name: int(segment.mask.sum()) for name, segment in found.items()}
    for link in matching.links:
        assert sizes[link.b] == int(ball(*BEFORE[link.a]).mask.sum())
    assert [(event.kind, len(event.a), len(event.b)) for event in matching.events] == [(EventKind.NEW, 0, 1)]
    heights = [found[name].grid.points(np.argwhere(found[name].mask))[:, 2].mean() for name in in_place_order(found)]
    assert heights == sorted(heights, reverse=True)


def test_what_has_gone_is_told_once_and_is_known_when_it_comes_back() -> None:
    only_left = {LesionId("a"): ball(*LEFT)}
    first = identify(known({"left": LEFT, "right": RIGHT}), only_left)
    assert [(e.kind, e.a) for e in first.events] == [(EventKind.GONE, ("right",))]
    still = [*known({"left": LEFT}), *known({"right": RIGHT}, apart=False)]
    assert identify(still, only_left).events == ()
    back = identify(still, {LesionId("a"): ball(*LEFT), LesionId("b"): ball(*RIGHT)})
    assert links_of(back) == {"left": "a", "right": "b"}
    assert back.events == ()


def test_a_merger_is_told_once() -> None:
    one, two, whole = (10.0, 0.0, 0.0, 10.0), (-10.0, 0.0, 0.0, 9.0), {LesionId("a"): ball(0, 0, 0, 24)}
    first = identify(known({"one": one, "two": two}), whole)
    assert [(e.kind, e.a, e.b) for e in first.events] == [(EventKind.MERGED, ("one", "two"), ("a",))]
    later = [*known({"one": (0.0, 0.0, 0.0, 24.0)}), *known({"two": two}, apart=False)]
    again = identify(later, whole)
    assert links_of(again) == {"one": "a"}
    assert again.events == ()


def test_a_place_beyond_the_image_says_nothing_of_a_lesion() -> None:
    entries = known({"left": LEFT, "low": LOW})
    part = GRID.crop((20, 0, 0), (40, 50, 60))  # from z = 0 upwards
    seen = Segment(mask=ball(*LEFT).mask[20:], grid=part)
    assert identify(entries, {LesionId("a"): seen}).events == ()
    assert {e.kind for e in identify(entries, {LesionId("a"): ball(*LEFT)}).events} == {EventKind.GONE}


def test_one_tracking_uid_is_one_lesion_wherever_it_lies() -> None:
    entries = known({"left": LEFT, "right": RIGHT}, uid="1.9")
    swapped = {LesionId("a"): ball(*LEFT, uid="1.9.right"), LesionId("b"): ball(*RIGHT, uid="1.9.left")}
    matching = identify(entries, swapped)
    assert links_of(matching) == {"left": "b", "right": "a"}
    assert {link.basis for link in matching.links} == {Basis.DECLARED}
    assert min(link.cost for link in matching.links) > 0.5
    twice = {LesionId("a"): ball(*LEFT, uid="1.9.right"), LesionId("b"): ball(*RIGHT, uid="1.9.right")}
    assert links_of(identify(entries, twice)) == {"left": "a", "right": "b"}  # a UID that two have names neither


def test_a_neighbour_that_was_there_last_goes_before_one_that_was_missed() -> None:
    place, near = (0.0, 0.0, 0.0, 9.0), (3.0, 0.0, 0.0, 9.0)
    entries = [*known({"there": near}), *known({"missed": place}, apart=False)]
    assert links_of(identify(entries, {LesionId("a"): ball(*place)})) == {"there": "a"}


@pytest.mark.parametrize(("entries", "found"), [([], {LesionId("a"): ball(*LEFT)}), (known({"left": LEFT}), {})])
def test_without_lesions_before_or_masks_now_nothing_is_said(
    entries: list[Known], found: dict[LesionId, Segment]
) -> None:
    assert identify(entries, found) == Matching()


def test_a_tracking_uid_follows_the_mask_and_not_its_label() -> None:
    segment = ball(*LEFT)
    uid = tracking_uid_of("case", segment)
    assert tracking_uid_of("case", replace(segment, label=7, name="other", lesion=LesionId("L9"))) == uid
    assert len({uid, tracking_uid_of("other case", segment), tracking_uid_of("case", ball(*RIGHT))}) == 3
    assert tracking_uid_of("case", replace(segment, tracking_uid="1.2.3")) == "1.2.3"
