"""Distances of surfaces: those of bodies with a formula, alike both ways, on sheared grids and thick slices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from imaging.errors import GeometryError
from imaging.geometry import Grid
from imaging.measurement.agreement import SurfaceDistances, surface_distances
from imaging.segmentation.segment import Segment

SHEARED = np.array([[0.1, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [2.0, 0.0, 0.1, -700.0], [0, 0, 0, 1]])
EXAMPLES = settings(max_examples=60)
pairs = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(bool, shape).filter(np.any)] * 2)
)


def distances(first: np.ndarray, second: np.ndarray, affine: np.ndarray) -> SurfaceDistances:
    grid = Grid(first.shape, affine)
    found = surface_distances(Segment(mask=first, grid=grid), Segment(mask=second, grid=grid))
    assert found is not None
    return found


def spaced(*spacing: float) -> np.ndarray:
    return Grid.from_spacing((1, 1, 1), spacing).affine


def ball(radius: float, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    index = np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2 + (0.21, 0.13, 0.37)
    return np.linalg.norm(index * spacing, axis=-1) <= radius


@EXAMPLES
@given(pairs)
def test_swapping_the_masks_changes_nothing_and_a_mask_is_no_distance_from_itself(masks: tuple) -> None:
    forth, back = distances(*masks, SHEARED), distances(*masks[::-1], SHEARED)
    for name in ("hausdorff_mm", "hausdorff95_mm", "mean_mm"):
        assert getattr(forth, name) == pytest.approx(getattr(back, name), rel=1e-12)
    assert forth.surface_dice(0.5) == pytest.approx(back.surface_dice(0.5), rel=1e-12)
    assert forth.mean_mm <= forth.hausdorff_mm and forth.hausdorff95_mm <= forth.hausdorff_mm
    same = distances(masks[0], masks[0], SHEARED)
    assert (same.hausdorff_mm, same.mean_mm, same.surface_dice(0.0)) == (0.0, 0.0, pytest.approx(1.0))


@EXAMPLES
@given(pairs, st.integers(0, 2**31))
def test_moving_the_patient_changes_no_distance(masks: tuple, seed: int) -> None:
    motion = np.eye(4)
    random = np.random.default_rng(seed)
    motion[:3, :3], motion[:3, 3] = Rotation.random(rng=random).as_matrix(), random.uniform(-300, 300, 3)
    here, there = distances(*masks, SHEARED), distances(*masks, motion @ SHEARED)
    assert there.hausdorff_mm == pytest.approx(here.hausdorff_mm, abs=1e-9)
    assert there.mean_mm == pytest.approx(here.mean_mm, abs=1e-9)


@EXAMPLES
@given(pairs)
def test_distances_are_those_of_every_pair_of_mesh_corners_where_voxels_are_cubes(masks: tuple) -> None:
    corners, areas = [], []
    for mask in masks:
        vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
        a, b, c = np.moveaxis(vertices.astype(np.float64)[faces], 1, 0)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        corners.append(vertices.astype(np.float64))
        areas.append(np.bincount(faces.ravel(), np.repeat(area / 3, 3), minlength=len(vertices)))
    pairs_mm = cdist(*corners)
    found = distances(*masks, spaced(1.0, 1.0, 1.0))
    forth, back = pairs_mm.min(axis=1), pairs_mm.min(axis=0)
    assert found.hausdorff_mm == pytest.approx(max(forth.max(), back.max()), abs=1e-5)
    mean = (forth @ areas[0] + back @ areas[1]) / (areas[0].sum() + areas[1].sum())
    assert found.mean_mm == pytest.approx(mean, abs=1e-5)
    near = areas[0][forth <= 0.8].sum() + areas[1][back <= 0.8].sum()
    assert found.surface_dice(0.8) == pytest.approx(near / (areas[0].sum() + areas[1].sum()), abs=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (5.0, 0.7, 0.7)])
def test_balls_in_one_another_are_apart_by_the_difference_of_their_radii(spacing: tuple[float, float, float]) -> None:
    shape = tuple(2 * int(14 / step + 3) + 1 for step in spacing)
    found = distances(ball(14.0, shape, spacing), ball(10.0, shape, spacing), spaced(*spacing))
    # Half a pixel, or where slices are thick and the mesh runs in terraces, half of half a slice.
    assert found.mean_mm == pytest.approx(4.0, abs=max(0.35, spacing[0] / 4))
    # A place of the mesh is at most half a voxel's step along some axis from the ball, on either surface.
    assert 4.0 - 0.7 <= found.hausdorff95_mm <= found.hausdorff_mm <= 4.0 + spacing[0]
    assert found.surface_dice(4.0 + spacing[0]) == 1.0 and found.surface_dice(2.0 - spacing[0]) == 0.0


def test_the_walls_between_thick_slices_have_places_too() -> None:
    mask = np.zeros((4, 12, 12), bool)
    mask[1:3, 3:9, 3:9] = True
    thick, thin = (distances(mask, np.roll(mask, 1, axis=2), spaced(step, 1.0, 1.0)) for step in (6.0, 1.0))
    assert len(thick.first_mm) > 2 * len(thin.first_mm)
    # Were the walls' corners on the slices alone, the area between would be weighed with them, and few of them.
    assert thick.hausdorff_mm == thin.hausdorff_mm == 1.0


def test_the_areas_are_those_of_the_mesh_however_its_triangles_are_halved() -> None:
    mask = ball(9.0, (7, 21, 21), (4.0, 1.0, 1.0))
    found = distances(mask, mask, spaced(4.0, 1.0, 1.0))
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=(4.0, 1.0, 1.0))
    a, b, c = np.moveaxis(vertices.astype(np.float64)[faces], 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert found.first_mm2.sum() == pytest.approx(area, rel=1e-6)


def test_hausdorff_95_leaves_out_the_farthest_twentieth_of_the_area() -> None:
    found = SurfaceDistances(
        first_mm=np.array([0.0, 1.0, 9.0]),
        first_mm2=np.array([90.0, 5.0, 5.0]),
        second_mm=np.array([0.0, 2.0]),
        second_mm2=np.array([94.0, 6.0]),
    )
    assert (found.hausdorff_mm, found.hausdorff95_mm) == (9.0, 2.0)
    assert found.mean_mm == pytest.approx((5 + 45 + 12) / 200)
    assert found.surface_dice(1.0) == pytest.approx((95 + 94) / 200)


def test_an_empty_mask_is_no_distance_away() -> None:
    grid = Grid.from_spacing((2, 2, 2), (1.0, 1.0, 1.0))
    full, empty = (Segment(mask=np.full(grid.shape, on), grid=grid) for on in (True, False))
    assert surface_distances(full, empty) is surface_distances(empty, full) is surface_distances(empty, empty) is None


def test_masks_on_different_grids_are_not_compared() -> None:
    mask = np.ones((2, 2, 2), bool)
    segments = [Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, x))) for x in (1.0, 1.1)]
    with pytest.raises(GeometryError):
        surface_distances(*segments)
