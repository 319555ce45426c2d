"""Area and volume by counting are those of the marching-cubes mesh, and those of bodies with a formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import marching_cubes

from imaging.geometry import Grid
from imaging.measurement.extent import Extent
from imaging.measurement.surface import Surface, sphericity, surface_of
from imaging.segmentation.segment import Segment

EXAMPLES = settings(max_examples=60)
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)).filter(np.any)
SHEARED = np.array([[0.1, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [2.0, 0.0, 0.1, -700.0], [0, 0, 0, 1]])


def surface(mask: np.ndarray, grid: Grid) -> Surface:
    return surface_of(Extent.of(Segment(mask=mask, grid=grid)))


def meshed(mask: np.ndarray, affine: np.ndarray) -> tuple[float, float]:
    """Area and volume by the formulas of IBSI on scikit-image's mesh."""
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
    triangles = (vertices.astype(np.float64) @ affine[:3, :3].T)[faces]
    a, b, c = np.moveaxis(triangles, 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    return area, abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6


@EXAMPLES
@given(masks)
def test_counting_looks_gives_the_mesh_s_area_and_volume_on_a_sheared_grid(mask: np.ndarray) -> None:
    found = surface(mask, Grid(mask.shape, SHEARED))
    area, volume = meshed(mask, SHEARED)
    assert found.area_mm2 == pytest.approx(area, rel=1e-9)
    assert found.volume_mm3 == pytest.approx(volume, rel=1e-9)


@EXAMPLES
@given(masks, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_flips_and_permutations_keep_area_and_volume(mask: np.ndarray, axes: list[int], flips: tuple) -> None:
    spacing = (2.5, 0.7, 1.3)
    turned = np.flip(mask.transpose(axes), [i for i, flip in enumerate(flips) if flip])
    here = surface(mask, Grid.from_spacing(mask.shape, spacing))
    there = surface(turned, Grid.from_spacing(turned.shape, [spacing[a] for a in axes]))
    assert there.area_mm2 == pytest.approx(here.area_mm2, rel=1e-9)
    assert there.volume_mm3 == pytest.approx(here.volume_mm3, rel=1e-9)


@EXAMPLES
@given(masks)
def test_pieces_far_apart_add_up(mask: np.ndarray) -> None:
    both = np.concatenate([mask, np.zeros((2, *mask.shape[1:]), bool), np.flip(mask, 0)])
    one, two = (surface(m, Grid.from_spacing(m.shape, (2.0, 0.7, 0.7))) for m in (mask, both))
    assert two.area_mm2 == pytest.approx(2 * one.area_mm2, rel=1e-9)
    assert two.volume_mm3 == pytest.approx(2 * one.volume_mm3, rel=1e-9)


def test_one_voxel_is_an_octahedron() -> None:
    found = surface(np.ones((1, 1, 1), bool), Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0)))
    assert found.volume_mm3 == pytest.approx(1 / 6, rel=1e-12)
    assert found.area_mm2 == pytest.approx(3**0.5, rel=1e-12)


def test_a_cavity_is_outside_and_has_a_surface() -> None:
    solid = np.ones((7, 7, 7), bool)
    hollow = solid.copy()
    hollow[3, 3, 3] = False
    grid = Grid.from_spacing(solid.shape, (1.0, 1.0, 1.0))
    whole, shell = surface(solid, grid), surface(hollow, grid)
    assert whole.volume_mm3 - shell.volume_mm3 == pytest.approx(1 / 6, rel=1e-9)
    assert shell.area_mm2 - whole.area_mm2 == pytest.approx(3**0.5, rel=1e-9)


def test_a_fine_ball_has_its_volume_and_a_mesh_of_steps_for_a_surface() -> None:
    radius = 20.0
    points = np.indices((43, 43, 43)) - 21.3
    found = surface((points**2).sum(axis=0) <= radius**2, Grid.from_spacing((43, 43, 43), (1.0, 1.0, 1.0)))
    assert found.volume_mm3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=2e-3)
    # The mesh of a binary mask runs in steps: its area is above the ball's, by 8 % at most at any radius tried.
    assert 1.0 < found.area_mm2 / (4 * np.pi * radius**2) < 1.09


def test_sphericity_of_a_ball_is_one_and_of_a_cube_its_closed_form() -> None:
    assert sphericity(Surface(4 * np.pi, 4 / 3 * np.pi)) == pytest.approx(1.0, rel=1e-12)
    assert sphericity(Surface(6.0, 1.0)) == pytest.approx((np.pi / 6) ** (1 / 3), rel=1e-12)
