"""From prompts to the expected ellipsoid and to marked voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.errors import UsageError
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.prior import ellipsoid_from_prompts
from imaging.segmentation.prompt import (
    BoxAxes,
    BoxPrompt,
    DiameterPrompt,
    MaskPrompt,
    Point,
    PointPrompt,
    ScribblePrompt,
)

lengths = st.floats(4.0, 80.0)
ROUND = tuple((x, y, z) for x in (0.0, 20.0) for y in (0.0, 20.0) for z in (0.0, 20.0))


def as_points(rows: np.ndarray) -> tuple[Point, ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in rows)


@settings(max_examples=30)
@given(lengths, lengths, lengths, st.integers(0, 999))
def test_an_oblique_box_gives_the_ellipsoid_inscribed_in_it(a: float, b: float, c: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    turn = Rotation.random(rng=random).as_matrix()
    centre = random.normal(0, 50, 3)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = centre + (random.permutation(signs) * [a, b, c] / 2) @ turn.T
    shape, remarks = ellipsoid_from_prompts([BoxPrompt(as_points(corners), BoxAxes.IMAGE)])
    assert remarks == ()
    np.testing.assert_allclose(np.sort(shape.half_lengths_mm), np.sort([a / 2, b / 2, c / 2]), rtol=1e-6)
    np.testing.assert_allclose(shape.centre, centre, atol=1e-6)
    # The face centres of the box lie on the surface, whichever frame found them.
    np.testing.assert_allclose(shape.level(centre + (np.diag([a, b, c]) / 2) @ turn.T), 1, rtol=1e-6)


def test_a_box_in_one_slice_takes_its_depth_from_its_sides_and_says_so() -> None:
    shape, remarks = ellipsoid_from_prompts([BoxPrompt(((0, 0, 5), (40, 20, 5)))])
    assert shape.half_lengths_mm.tolist() == [20.0, 10.0, 0.95 * 15.0]
    assert [remark.code for remark in remarks] == ["DEPTH_ASSUMED"]


@pytest.mark.parametrize(("measured", "codes"), [(2, ["DEPTH_ASSUMED"]), (4, ["DEPTH_ASSUMED"]), (6, [])])
def test_diameters_that_leave_a_direction_unmeasured_say_so(measured: int, codes: list[str]) -> None:
    points = ((-20, 0, 0), (20, 0, 0), (0, -12, 0), (0, 12, 0), (0, 0, -8), (0, 0, 8))
    _, remarks = ellipsoid_from_prompts([DiameterPrompt(points[:measured])])
    assert [remark.code for remark in remarks] == codes


@pytest.mark.parametrize(("top_mm", "codes"), [(0.0, ["DEPTH_ASSUMED"]), (15.0, [])])
def test_strokes_that_leave_a_direction_unmeasured_say_so(top_mm: float, codes: list[str]) -> None:
    stroke = ScribblePrompt(((-20, 0, 0), (20, 0, 0), (0, -12, 0), (0, 12, top_mm)))
    _, remarks = ellipsoid_from_prompts([stroke])
    assert [remark.code for remark in remarks] == codes


def test_three_orthogonal_diameters_give_their_ellipsoid() -> None:
    points = ((-20, 0, 0), (20, 0, 0), (0, -12, 0), (0, 12, 0), (0, 0, -8), (0, 0, 8))
    shape, _ = ellipsoid_from_prompts([DiameterPrompt(points)])
    assert sorted(shape.half_lengths_mm.tolist()) == [8.0, 12.0, 20.0]
    np.testing.assert_allclose(shape.level([[20, 0, 0], [0, 12, 0], [0, 0, 8]]), 1)


def test_a_second_diameter_along_the_first_adds_no_axis() -> None:
    long, again = DiameterPrompt(((-20, 0, 0), (20, 0, 0))), DiameterPrompt(((-18, 1, 0), (18, -1, 0)))
    both, _ = ellipsoid_from_prompts([long, again])
    one, _ = ellipsoid_from_prompts([long])
    assert both.half_lengths_mm.tolist() == one.half_lengths_mm.tolist() == [20.0, 17.0, 17.0]


def test_a_box_counts_before_a_diameter_and_a_click() -> None:
    box = BoxPrompt(((0, 0, 0), (20, 20, 20)))
    shape, _ = ellipsoid_from_prompts([PointPrompt((90, 0, 0), 3), DiameterPrompt(((50, 0, 0), (80, 0, 0))), box])
    assert shape.centre.tolist() == [10, 10, 10]


def test_a_bare_click_assumes_25_mm_and_warns() -> None:
    shape, remarks = ellipsoid_from_prompts([PointPrompt((1, 2, 3))])
    assert shape.half_lengths_mm.tolist() == [25, 25, 25]
    assert [(remark.code, remark.severity.value) for remark in remarks] == [("POINT_WITHOUT_RADIUS", "warning")]


def test_strokes_end_a_little_inside_their_ellipsoid() -> None:
    stroke = ScribblePrompt(((-10, 0, 0), (10, 0, 0), (0, 6, 0), (0, -6, 0), (0, 0, 4), (0, 0, -4)))
    shape, _ = ellipsoid_from_prompts([stroke])
    np.testing.assert_allclose(shape.half_lengths_mm, [11.5, 6.9, 4.6])


@pytest.mark.parametrize(
    ("prompts", "code"),
    [
        ([], "NO_PROMPT"),
        ([PointPrompt((0, 0, 0), 4, -1)], "NO_PROMPT"),
        ([MaskPrompt("a.nii.gz")], "PROMPT_UNRESOLVED"),
        ([PointPrompt((0, 0, 0), 1e6)], "PROMPT_TOO_LARGE"),
        ([BoxPrompt(((-4000, 0, 0), (4000, 9, 9)))], "PROMPT_TOO_LARGE"),
        ([BoxPrompt(tuple((float(i), float(i * i), float(i % 3)) for i in range(8)), BoxAxes.IMAGE)], "NOT_A_BOX"),
        ([BoxPrompt((*(ROUND[:7]), (60.0, 60.0, 10.0)), BoxAxes.IMAGE)], "NOT_A_BOX"),
        ([BoxPrompt((*([ROUND[0]] * 6), ROUND[1], ROUND[2]), BoxAxes.IMAGE)], "NOT_A_BOX"),
    ],
)
def test_prompts_that_point_nowhere_are_refused(prompts: list[PointPrompt], code: str) -> None:
    with pytest.raises(UsageError) as refusal:
        ellipsoid_from_prompts(prompts)
    assert refusal.value.code == code


@settings(max_examples=30)
@given(lengths, lengths, lengths)
def test_moments_of_a_filled_ellipsoid_give_it_back(a: float, b: float, c: float) -> None:
    halves = np.sort([a, b, c])
    cells = np.stack(np.meshgrid(*[np.linspace(-1, 1, 25)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = cells[np.linalg.norm(cells, axis=1) <= 1] * halves + [7, -3, 2]
    volume = 4 / 3 * np.pi * halves.prod()
    shape = Ellipsoid.of_moments(cells, np.ones(len(cells)), volume_mm3=volume)
    np.testing.assert_allclose(shape.centre, [7, -3, 2], atol=1e-6 * halves.max())
    assert shape.volume_ml == pytest.approx(volume / 1000)
    # Proportions below a tenth are lifted to it; 25 cells across a diameter leave 1 % of lattice error.
    np.testing.assert_allclose(np.sort(shape.half_lengths_mm), halves, rtol=0.02 if halves[0] > 0.12 * halves[2] else 2)


def test_a_short_third_diameter_that_leans_still_measures_its_axis() -> None:
    ends = ((-20.0, 0, 0), (20.0, 0, 0), (0, -15.0, 0), (0, 15.0, 0), (-2.5, -2.5, -3.0), (2.5, 2.5, 3.0))
    shape, _ = ellipsoid_from_prompts([DiameterPrompt(ends)])
    assert shape.half_lengths_mm.tolist() == pytest.approx([20.0, 15.0, 3.0])


def test_a_third_diameter_in_the_plane_of_the_others_measures_nothing_new() -> None:
    ends = ((-20.0, 0, 0), (20.0, 0, 0), (0, -15.0, 0), (0, 15.0, 0), (-9.0, -9.0, -1.0), (9.0, 9.0, 1.0))
    shape, _ = ellipsoid_from_prompts([DiameterPrompt(ends)])
    assert min(shape.half_lengths_mm) > 10
