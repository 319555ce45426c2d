"""A correction moves the border where it was made, as far as the reader said, and nowhere else."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.errors import UsageError
from imaging.geometry import Grid
from imaging.segmentation.editing.correct import Correction, corrected
from imaging.segmentation.editing.stroke import Stroke, erased, painted

GRID = Grid.from_spacing((15, 34, 34), (2.5, 1.0, 1.0))
MIDDLE = GRID.points([[7, 16.5, 16.5]])[0]


def ellipsoid(*semi: float, centre: np.ndarray = MIDDLE) -> np.ndarray:
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - centre
    return ((points / np.asarray(semi)) ** 2).sum(axis=1).reshape(GRID.shape) <= 1


def dice(one: np.ndarray, two: np.ndarray) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def at(x: float, y: float, z: float) -> tuple[float, float, float]:
    return (float(MIDDLE[0] + x), float(MIDDLE[1] + y), float(MIDDLE[2] + z))


offsets = st.tuples(*[st.floats(-14.0, 14.0)] * 3)


@settings(max_examples=60)
@given(offset=offsets, radius=st.floats(0.6, 5.0), adds=st.booleans())
def test_one_way_only_near_the_stroke_only_and_the_stroke_wholly(
    offset: tuple[float, float, float], radius: float, adds: bool
) -> None:
    mask = ellipsoid(10.0, 8.0, 9.0)
    before = mask.copy()
    stroke = Stroke((at(*offset),), radius)
    after = corrected(mask, GRID, [Correction(stroke, adds)])
    assert np.array_equal(mask, before)
    assert not ((mask & ~after) if adds else (after & ~mask)).any()
    drawn = painted(mask, stroke, GRID) if adds else erased(mask, stroke, GRID)
    assert not ((drawn & ~after) if adds else (after & ~drawn)).any()
    changed = GRID.points(np.argwhere(after != mask))
    ball_mm = np.cbrt(10.0 * 8.0 * 9.0)
    if len(changed):
        farthest = np.linalg.norm(changed - np.asarray(stroke.points_lps_mm[0]), axis=1).max()
        assert farthest <= max(1.05 * ball_mm + 0.9 * radius, radius) + 2.5


def test_a_border_that_is_off_on_one_side_is_mended_beyond_the_ball() -> None:
    small = ellipsoid(10.0, 10.0, 10.0)
    true = small | ellipsoid(10.0, 10.0, 10.0, centre=np.asarray(at(4.0, 0.0, 0.0)))
    ball = Stroke((at(12.0, 0.0, 0.0),), 2.0)
    after = corrected(small, GRID, [Correction(ball, adds=True)])
    gain, of_the_ball = (dice(mask, true) - dice(small, true) for mask in (after, painted(small, ball, GRID)))
    assert gain > 3 * of_the_ball > 0
    left = np.argwhere(after != small)[:, 2]
    assert (left >= 16).all()  # the other side stays


def test_the_far_side_of_a_thin_lesion_stays() -> None:
    plate = ellipsoid(12.0, 3.0, 12.0)
    after = corrected(plate, GRID, [Correction(Stroke((at(0.0, 5.0, 0.0),), 2.0), adds=True)])
    gained = GRID.points(np.argwhere(after & ~plate)) - MIDDLE
    assert len(gained) > 20
    assert (gained[:, 1] > 0).all()


def test_what_an_earlier_correction_said_stays_said() -> None:
    mask = ellipsoid(10.0, 10.0, 10.0)
    first = Correction(Stroke((at(11.0, 0.0, 0.0),), 2.0), adds=True)
    second = Correction(Stroke((at(9.0, 4.0, 0.0),), 2.0), adds=False)
    once = corrected(mask, GRID, [first])
    twice = corrected(once, GRID, [first, second])
    ball = painted(np.zeros_like(mask), first.stroke, GRID)
    again = painted(np.zeros_like(mask), second.stroke, GRID)
    assert (twice | again)[ball].all()
    assert not twice[again].any()


@pytest.mark.parametrize("x", [14.0, 11.5, 8.0, 5.0])
def test_a_click_is_on_the_right_side_afterwards_and_the_way_to_it_is_too(x: float) -> None:
    mask = ellipsoid(10.0, 10.0, 10.0)
    click = Correction.at(mask, GRID, at(x, 0.0, 0.0))
    assert click.adds == (x > 10.0)
    after = corrected(mask, GRID, [click])
    between = np.linspace(x, 10.0, 9)
    voxels = np.rint(GRID.indices([at(place, 0.0, 0.0) for place in between])).astype(int)
    assert (after[tuple(voxels[:-2].T)] == click.adds).all()


def test_a_click_far_from_the_outline_is_refused() -> None:
    with pytest.raises(UsageError, match="paint there") as refusal:
        Correction.at(ellipsoid(4.0, 4.0, 4.0), GRID, at(15.0, 10.0, 0.0))
    assert refusal.value.code == "CLICK_TOO_FAR"


@pytest.mark.parametrize("filled", [True, False])
def test_without_a_border_only_the_stroke_itself_counts(filled: bool) -> None:
    mask = np.full(GRID.shape, filled)
    stroke = Stroke((at(0.0, 0.0, 0.0),), 4.0)
    after = corrected(mask, GRID, [Correction(stroke, adds=not filled)])
    assert np.array_equal(after, erased(mask, stroke, GRID) if filled else painted(mask, stroke, GRID))
    with pytest.raises(UsageError, match="no outline"):
        Correction.at(mask, GRID, at(0.0, 0.0, 0.0))


@pytest.mark.parametrize("x", [900.0, np.nan, np.inf])
def test_a_click_beside_the_image_is_refused(x: float) -> None:
    with pytest.raises(UsageError, match="outside the image"):
        Correction.at(ellipsoid(9.0, 9.0, 9.0), GRID, (x, 0.0, 0.0))


def test_a_click_inside_the_lesion_looks_at_no_air_far_from_it() -> None:
    grid = Grid.from_spacing((100, 200, 200), (1.0, 1.0, 1.0))
    mask = np.zeros(grid.shape, bool)
    mask[45:55, 95:105, 95:105] = True
    tracemalloc.start()
    click = Correction.at(mask, grid, (96.0, 100.0, 50.0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not click.adds
    assert peak < 20e6  # the places of all voxels that are no lesion are 96 MB


def test_nothing_to_correct_with_is_refused() -> None:
    with pytest.raises(UsageError, match="no correction"):
        corrected(ellipsoid(9.0, 9.0, 9.0), GRID, [])
