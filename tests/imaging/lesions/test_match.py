from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.geometry import Grid, Rigid
from imaging.lesions.match import EventKind, Matching, match_lesions
from imaging.segmentation.segment import LesionId, Segment

GRID = Grid.from_spacing((40, 60, 60), (4.0, 2.0, 2.0), origin_mm=(-60, -60, -80))
FINER = Grid.from_spacing((70, 90, 90), (3.0, 1.5, 1.5), origin_mm=(-70, -70, -100))
Ball = tuple[float, float, float, float]  # x, y, z, radius


def exam(balls: dict[str, Ball], grid: Grid = GRID, pose: Rigid | None = None) -> dict[LesionId, Segment]:
    points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    found = {}
    for name, (x, y, z, radius) in balls.items():
        centre = (pose or Rigid.identity()).apply([[x, y, z]])[0]
        mask = (np.linalg.norm(points - centre, axis=1) <= radius).reshape(grid.shape)
        found[LesionId(name)] = Segment(mask=mask, grid=grid)
    return found


def links_of(matching: Matching) -> dict[str, str]:
    return {link.a: link.b for link in matching.links}


def kinds_of(matching: Matching) -> set[tuple[EventKind, tuple[str, ...], tuple[str, ...]]]:
    return {(event.kind, tuple(event.a), tuple(event.b)) for event in matching.events}


LEFT, RIGHT = (30.0, 0.0, 0.0, 18.0), (-30.0, 5.0, 4.0, 9.0)


def test_lesions_keep_their_identity_when_they_are_renamed_reordered_and_change_size() -> None:
    after = exam({"a-right": (-31, 5, 4, 16), "z-left": (30, 1, 0, 14)})
    matching = match_lesions(exam({"L1": LEFT, "L2": RIGHT}), after, b_from_a=Rigid.identity())
    assert links_of(matching) == {"L1": "z-left", "L2": "a-right"}
    assert matching.events == ()
    assert all(link.ambiguity < 0.2 for link in matching.links)


@settings(max_examples=8)
@given(st.lists(st.floats(-12, 12), min_size=3, max_size=3), st.lists(st.floats(-15, 15), min_size=3, max_size=3))
def test_matching_does_not_depend_on_the_pose_or_the_grid(turn_deg: list[float], shift_mm: list[float]) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(turn_deg)).as_matrix()
    matrix[:3, 3] = shift_mm
    pose = Rigid(matrix)
    balls = {"L1": LEFT, "L2": RIGHT}
    matching = match_lesions(exam(balls), exam(balls, FINER, pose), b_from_a=pose)
    assert links_of(matching) == {"L1": "L1", "L2": "L2"}
    # two lattices together place a boundary to about 1.2 mm, 2/15 of the small ball's radius: 3/2 · 2/15 of its Dice
    assert all(link.dice > 0.8 and link.distance_mm < 1.0 for link in matching.links)


def test_matching_backwards_gives_the_same_links_and_the_opposite_events() -> None:
    a, b = exam({"1": LEFT, "2": RIGHT}), exam({"1": LEFT, "3": (0.0, -30, 50, 8)})
    forth = match_lesions(a, b, b_from_a=Rigid.identity())
    back = match_lesions(b, a, b_from_a=Rigid.identity())
    assert links_of(forth) == {v: k for k, v in links_of(back).items()} == {"1": "1"}
    assert kinds_of(forth) == {(EventKind.GONE, ("2",), ()), (EventKind.NEW, (), ("3",))}
    assert kinds_of(back) == {(EventKind.GONE, ("3",), ()), (EventKind.NEW, (), ("2",))}


def test_two_lesions_that_grew_together_are_merged_and_none_is_gone() -> None:
    matching = match_lesions(
        exam({"1": (10, 0, 0, 10), "2": (-10, 0, 0, 9)}), exam({"1": (0, 0, 0, 26)}), b_from_a=Rigid.identity()
    )
    assert kinds_of(matching) == {(EventKind.MERGED, ("1", "2"), ("1",))}
    assert len(matching.links) == 1


def test_one_lesion_that_fell_apart_is_split_and_nothing_is_new() -> None:
    matching = match_lesions(
        exam({"1": (0, 0, 0, 26)}), exam({"1": (12, 0, 0, 10), "2": (-12, 0, 0, 8)}), b_from_a=Rigid.identity()
    )
    assert kinds_of(matching) == {(EventKind.SPLIT, ("1",), ("1", "2"))}


def test_a_small_lesion_need_not_overlap_within_the_registration_error() -> None:
    near = match_lesions(exam({"1": (0, 0, 0, 3)}), exam({"x": (4, 0, 4, 3)}), b_from_a=Rigid.identity())
    far = match_lesions(exam({"1": (0, 0, 0, 3)}), exam({"x": (14, 0, 0, 3)}), b_from_a=Rigid.identity())
    assert links_of(near) == {"1": "x"}
    assert {event.kind for event in far.events} == {EventKind.NEW, EventKind.GONE}


def test_a_toss_up_between_two_partners_says_so() -> None:
    before = exam({"1": (0, 0, 0, 10)})
    after = exam({"x": (7, 0, 0, 10), "y": (-7, 0, 0, 10)})
    assert match_lesions(before, after, b_from_a=Rigid.identity()).links[0].ambiguity > 0.9


def test_empty_masks_and_empty_exams_take_no_part() -> None:
    nothing = {LesionId("0"): Segment(mask=np.zeros(GRID.shape, bool), grid=GRID)}
    assert match_lesions(nothing, {}, b_from_a=Rigid.identity()) == Matching()
    only_new = match_lesions(nothing, exam({"1": LEFT}), b_from_a=Rigid.identity())
    assert kinds_of(only_new) == {(EventKind.NEW, (), ("1",))}


@pytest.mark.parametrize("seed", range(8))
def test_simulated_histories_are_linked_right(seed: int) -> None:
    """Six lesions that grow, shrink, come and go, with 3 mm of registration error."""
    random = np.random.default_rng(seed)
    sites = [(x, y, z) for x in (-40, 0, 40) for y, z in ((-30, -30), (30, 30))]
    radii = random.uniform(5, 14, 6)
    a = {f"a{i}": (*site, radii[i]) for i, site in enumerate(sites) if i != 0}
    b = {f"b{i}": (*site, radii[i] * random.choice([0.7, 1.0, 1.3])) for i, site in enumerate(sites) if i != 5}
    direction = random.normal(size=3)
    error = Rigid.from_shift(3.0 * direction / np.linalg.norm(direction))
    matching = match_lesions(exam(a), exam(b), b_from_a=error)
    assert links_of(matching) == {f"a{i}": f"b{i}" for i in range(1, 5)}
    assert kinds_of(matching) == {(EventKind.GONE, ("a5",), ()), (EventKind.NEW, (), ("b0",))}


def test_a_part_that_lies_half_out_by_the_registration_error_is_still_split_off() -> None:
    before = exam({"1": (0, 0, 0, 16)})
    after = exam({"x": (9, 0, 0, 8), "y": (-16, 0, 0, 6)})  # less than half of y lies inside, more within 2 mm
    matching = match_lesions(before, after, b_from_a=Rigid.identity())
    assert kinds_of(matching) == {(EventKind.SPLIT, ("1",), ("x", "y"))}
    apart = exam({"x": (9, 0, 0, 8), "y": (-26, 0, 0, 6)})
    assert {event.kind for event in match_lesions(before, apart, b_from_a=Rigid.identity()).events} == {EventKind.NEW}


def test_each_lesion_may_come_from_an_exam_of_its_own() -> None:
    shift = Rigid.from_shift((20.0, 0.0, 0.0))
    moved = {**exam({"1": LEFT}), **exam({"2": (-50.0, 5.0, 4.0, 9.0)})}
    matching = match_lesions(
        moved,
        exam({"a": LEFT, "b": RIGHT}),
        b_from_a={LesionId("1"): Rigid.identity(), LesionId("2"): shift},
    )
    assert links_of(matching) == {"1": "a", "2": "b"}
