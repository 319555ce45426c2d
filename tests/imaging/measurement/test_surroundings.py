"""Distances and volumes round a lesion against shapes whose borders are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.errors import EmptyMask, GeometryError
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement.structure import Structure
from imaging.measurement.surroundings import BREACH_ML, borders_apart, outside_bone

MR = Grid.from_spacing((24, 80, 80), (5.0, 1.0, 1.0))


def turned(grid: Grid, *, degrees: tuple[float, float, float], lean: float = 0.0) -> Grid:
    """The grid turned about the patient's axes; ``lean`` shifts each slice by that many rows, as gantry tilt does."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine = matrix @ grid.affine
    affine[:3, 0] += lean * affine[:3, 1]
    return Grid(grid.shape, affine)


def centres(grid: Grid) -> np.ndarray:
    return grid.points(np.indices(grid.shape).reshape(3, -1).T)


def ball(grid: Grid, centre_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    return (np.linalg.norm(centres(grid) - centre_mm, axis=1) <= radius_mm).reshape(grid.shape)


def drawn(mask: np.ndarray, grid: Grid, error_mm: float = 0.0) -> Structure:
    return Structure(name="canal", mask=mask, grid=grid, error_mm=error_mm)


def box(grid: Grid, *sides: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(grid.shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (20.0, -35.0, 50.0)])
@pytest.mark.parametrize(
    ("other", "expected_mm"),
    [
        (((5, 8), (10, 20), (37, 45)), 7.0),  # along a row
        (((10, 12), (10, 20), (20, 30)), 10.0),  # two slices of 5 mm between
        (((10, 12), (10, 20), (54, 60)), math.hypot(10.0, 24.0)),  # across both
    ],
)
def test_two_boxes_are_as_far_apart_as_their_faces(degrees, other, expected_mm) -> None:
    grid = turned(MR, degrees=degrees)
    distance, cut_off = borders_apart(
        drawn(box(grid, (5, 8), (10, 20), (20, 30)), grid), drawn(box(grid, *other), grid)
    )
    # faces are met exactly; the surface cuts each box's edges by half a voxel across: (5 + 1) / 2 mm at most
    assert distance.value == pytest.approx(expected_mm, abs=1e-6 if expected_mm < 20.0 else 3.0)
    low, high = distance.interval95
    assert low <= expected_mm <= high
    assert not cut_off


@pytest.mark.parametrize("gap", [-3, -1, 0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_touches_or_overlaps_is_0_mm_away(axis: int, gap: int) -> None:
    lesion = box(MR, (8, 12), (20, 30), (20, 30))
    width = lesion.any(axis=tuple(k for k in range(3) if k != axis)).sum()
    canal = np.roll(lesion, width + gap, axis=axis)
    distance, _ = borders_apart(drawn(lesion, MR), drawn(canal, MR))
    assert (distance.value, distance.interval95[0]) == (0.0, 0.0)


def test_a_deep_overlap_stays_one_whatever_the_borders_error() -> None:
    grid = Grid.from_spacing((40, 40, 40), (1.0, 1.0, 1.0))
    lesion, canal = ball(grid, np.full(3, 20.0), 12.0), ball(grid, np.full(3, 20.0), 8.0)
    assert borders_apart(drawn(lesion, grid), drawn(canal, grid, error_mm=3.0))[0].interval95 == (0.0, 0.0)
    grazing = np.roll(canal, 19, axis=2)
    low, high = borders_apart(drawn(lesion, grid), drawn(grazing, grid, error_mm=3.0))[0].interval95
    assert low == 0.0 < high


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (MR, MR),
        (turned(MR, degrees=(25.0, 10.0, -40.0)), turned(MR, degrees=(25.0, 10.0, -40.0))),
        (MR, turned(Grid.from_spacing((60, 90, 90), (2.0, 0.9, 0.9)), degrees=(12.0, 0.0, 5.0))),
        (turned(MR, degrees=(0.0, 0.0, 0.0), lean=1.5), MR),
    ],
    ids=["axial", "oblique", "two images", "gantry tilt"],
)
def test_balls_are_as_far_apart_as_their_surfaces_within_the_interval(mine: Grid, theirs: Grid) -> None:
    random = np.random.default_rng(7)
    held, errors = [], []
    for _ in range(12):
        middle = mine.points([[12, 40, 40]])[0]
        radii = random.uniform(7.0, 11.0, 2)
        gap_mm = random.uniform(0.0, 12.0)
        line = random.normal(size=3)
        line *= (radii.sum() + gap_mm) / np.linalg.norm(line)
        shift = random.uniform(-3.0, 3.0, 3)
        other = Grid(theirs.shape, theirs.affine)
        # the second image is laid so that its middle shows the second ball
        affine = other.affine.copy()
        affine[:3, 3] += middle + shift + line - other.points([np.array(other.shape) / 2])[0]
        other = Grid(other.shape, affine) if theirs is not mine else mine
        lesion, canal = ball(mine, middle + shift, radii[0]), ball(other, middle + shift + line, radii[1])
        distance, _ = borders_apart(drawn(lesion, mine), drawn(canal, other))
        low, high = distance.interval95
        held.append(low <= gap_mm <= high)
        errors.append(distance.value - gap_mm)
    assert np.mean(held) >= 0.95
    assert -2.5 < np.mean(errors) < 0.5  # mm: slices of 5 mm reach beyond a ball's tips, by half a slice at most


def test_a_registration_widens_the_interval_in_quadrature() -> None:
    lesion, canal = box(MR, (5, 8), (10, 20), (20, 30)), box(MR, (5, 8), (10, 20), (37, 45))
    distance, _ = borders_apart(drawn(lesion, MR), drawn(canal, MR, error_mm=2.0))
    half_diagonal = math.sqrt(5.0**2 + 1.0 + 1.0) / 2
    slack = math.sqrt(2 * half_diagonal**2 + 2.0**2)
    assert distance.interval95 == pytest.approx((7.0 - slack, 7.0 + slack))
    assert "registration ± 2 mm" in distance.method


def test_a_structure_that_its_image_cuts_off_may_be_nearer_and_says_so() -> None:
    """The canal leaves its image 10 mm above the lesion; what is drawn of it lies 40 mm to the left."""
    short = Grid.from_spacing((8, 80, 80), (5.0, 1.0, 1.0))
    canal = box(short, (3, 8), (10, 20), (70, 76))
    lesion = box(MR, (4, 6), (10, 20), (20, 30))
    distance, cut_off = borders_apart(drawn(lesion, MR), drawn(canal, short))
    assert distance.value == pytest.approx(40.0)
    assert cut_off
    assert distance.interval95[0] == pytest.approx(10.0)
    ends = box(short, (3, 7), (10, 20), (70, 76))
    assert not borders_apart(drawn(lesion, MR), drawn(ends, short))[1]


def test_a_lesion_that_its_image_cuts_off_may_reach_whatever_lies_beyond() -> None:
    exam = MR.crop((0, 0, 0), (24, 80, 30))
    lesion = box(exam, (5, 8), (10, 20), (20, 30))
    distance, cut_off = borders_apart(drawn(lesion, exam), drawn(box(MR, (5, 8), (10, 20), (60, 70)), MR))
    assert (distance.value, distance.interval95[0], cut_off) == (pytest.approx(30.0), 0.0, True)


def test_the_edge_of_the_exam_makes_no_structure_farther() -> None:
    """The exam ends 4 mm beside the lesion; the canal, 6 mm away, was drawn on another one."""
    exam = MR.crop((0, 0, 0), (24, 80, 34))
    lesion = box(exam, (5, 8), (10, 20), (20, 30))
    distance, _ = borders_apart(drawn(lesion, exam), drawn(box(MR, (5, 8), (10, 20), (36, 45)), MR))
    assert distance.value == pytest.approx(6.0)


def test_nothing_is_measured_without_a_voxel_or_on_another_grid() -> None:
    lesion = box(MR, (5, 8), (10, 20), (20, 30))
    with pytest.raises(EmptyMask):
        drawn(np.zeros(MR.shape, bool), MR)
    with pytest.raises(GeometryError):
        drawn(lesion[1:], MR)


@pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (15.0, -20.0, 30.0)])
@pytest.mark.parametrize("height", [1.0, 0.5])
def test_the_cap_of_a_ball_beyond_the_bone_has_its_formula_s_volume(height: float, degrees) -> None:
    """h of the radius of a ball of 12 mm beyond a plane: V = π h² (3 r − h) / 3."""
    radius, grid = 12.0, turned(Grid.from_spacing((20, 60, 60), (3.0, 1.0, 1.0)), degrees=degrees)
    middle = grid.points([[10, 30, 30]])[0]
    normal = np.array([0.6, 0.0, 0.8])
    bone = ((centres(grid) - middle) @ normal <= radius * (1 - height)).reshape(grid.shape)
    found = outside_bone(drawn(ball(grid, middle, radius), grid), [drawn(bone, grid)])
    h = height * radius
    cap_ml = math.pi * h**2 * (3 * radius - h) / 3 / 1000
    # voxel centres on a tilted plane: well below half of a voxel's width times the plane's area
    assert found.extraosseous.value == pytest.approx(cap_ml, abs=0.25 * 3.0 * 0.8 * math.pi * radius**2 / 1000)
    low, high = found.extraosseous.interval95
    assert low <= cap_ml <= high
    assert found.breach is True
    assert not found.cut_off


def test_a_lesion_deep_in_bone_breaches_nothing_and_one_at_its_border_cannot_be_told() -> None:
    grid = Grid.from_spacing((40, 60, 60), (1.0, 1.0, 1.0))
    bone = box(grid, (5, 35), (10, 50), (10, 50))
    deep = ball(grid, np.array([30.0, 30.0, 20.0]), 8.0)
    found = outside_bone(drawn(deep, grid), [drawn(bone, grid, error_mm=2.0)])
    assert (found.extraosseous.value, found.extraosseous.interval95, found.breach) == (0.0, (0.0, 0.0), False)
    at_border = box(grid, (10, 20), (20, 40), (40, 50))
    found = outside_bone(drawn(at_border, grid), [drawn(bone, grid)])
    assert found.extraosseous.value == 0.0
    assert found.extraosseous.interval95[1] > BREACH_ML
    assert found.breach is None


def test_a_tumour_in_the_open_canal_lies_outside_bone() -> None:
    grid = Grid.from_spacing((20, 60, 60), (1.0, 1.0, 1.0))
    canal = box(grid, (0, 20), (25, 40), (25, 40))
    bone = box(grid, (0, 20), (10, 50), (10, 50)) & ~canal
    lesion = box(grid, (5, 15), (30, 45), (15, 32))
    found = outside_bone(drawn(lesion, grid), [drawn(bone, grid)])
    assert found.extraosseous.value == pytest.approx((lesion & canal).sum() / 1000)
    assert found.breach is True


def test_bones_count_together_and_a_lesion_in_none_of_them_has_no_figure() -> None:
    grid = Grid.from_spacing((20, 60, 60), (1.0, 1.0, 1.0))
    sacrum, ilium = box(grid, (0, 20), (10, 50), (5, 30)), box(grid, (0, 20), (10, 50), (30, 55))
    lesion = box(grid, (5, 15), (20, 40), (20, 40))
    assert outside_bone(drawn(lesion, grid), [drawn(sacrum, grid), drawn(ilium, grid)]).extraosseous.value == 0.0
    elsewhere = box(grid, (5, 15), (51, 60), (20, 40))
    assert outside_bone(drawn(elsewhere, grid), [drawn(sacrum, grid), drawn(ilium, grid)]) is None
    assert outside_bone(drawn(lesion, grid), []) is None


def test_what_lies_where_the_bone_s_image_ended_may_be_in_bone() -> None:
    grid = Grid.from_spacing((30, 60, 60), (1.0, 1.0, 1.0))
    half = grid.crop((0, 0, 0), (15, 60, 60))
    lesion = box(grid, (10, 20), (20, 40), (20, 40))
    found = outside_bone(drawn(lesion, grid), [drawn(box(half, (2, 15), (10, 50), (10, 50)), half)])
    assert found.extraosseous.value == pytest.approx(5 * 20 * 20 / 1000)
    assert found.extraosseous.interval95[0] == 0.0
    assert (found.cut_off, found.breach) == (True, None)


def test_over_a_gap_the_part_outside_counts_with_its_slices_extent() -> None:
    grid = Grid.from_spacing((6, 40, 40), (2.0, 1.0, 1.0))
    slices = AcquiredSlices(
        code="MISSING_SLICES",
        planes=(0, 1, 2, 4, 5),
        heights_mm=(0.0, 2.0, 4.0, 8.0, 10.0),
        ordinary_mm=2.0,
        shown=(0, 1, 2, None, 3, 4),
        gaps=(2,),
    )
    lesion, bone = box(grid, (1, 3), (10, 20), (10, 30)), box(grid, (0, 6), (5, 30), (5, 20))
    found = outside_bone(drawn(lesion, grid), [drawn(bone, grid)], slices=slices)
    assert found.extraosseous.value == pytest.approx((2.0 + 3.0) * 100 / 1000)
