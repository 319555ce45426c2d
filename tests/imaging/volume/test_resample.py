"""Resampling puts samples where their patient points are, whatever the grids."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid
from imaging.sitk import image_from, samples_from, sitk_transform
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_mask, resample_probability, resample_volume

GRADIENT, LEVEL = np.array([0.7, -1.3, 0.4]), 120.0
angles = st.tuples(*[st.floats(-180, 180)] * 3)


def turned(shape, spacing, *, euler=(0, 0, 0), centre=(0, 0, 0), shear=0.0) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zyx", euler, degrees=True).as_matrix() * spacing
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(tuple(shape), affine)


def rigid(euler, shift) -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("zyx", euler, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return Rigid(matrix)


def every_point(grid: Grid) -> np.ndarray:
    return grid.points(np.argwhere(np.ones(grid.shape, bool)))


def ramp_on(grid: Grid, **changes) -> Volume:
    values = (every_point(grid) @ GRADIENT + LEVEL).reshape(grid.shape).astype(np.float32)
    return Volume(**({"samples": values, "grid": grid, "modality": Modality.MR} | changes))


def ball_on(grid: Grid, radius_mm: float, centre=(0, 0, 0)) -> np.ndarray:
    return (np.linalg.norm(every_point(grid) - centre, axis=1) <= radius_mm).reshape(grid.shape)


@settings(max_examples=40)
@given(angles, angles, st.floats(0, 0.5))
def test_a_linear_ramp_stays_the_ramp_at_every_patient_point(euler, other, shear):
    volume = ramp_on(turned((20, 22, 24), (2.0, 1.5, 1.0), euler=euler, shear=shear))
    onto = turned((5, 6, 7), (1.7, 1.1, 0.9), euler=other)  # reaches at most 8 mm from the centre, well inside
    volume_from_onto = rigid(euler, (1.0, -2.0, 0.5))
    found = resample_volume(volume, onto, volume_from_onto=volume_from_onto)
    expected = volume_from_onto.apply(every_point(onto)) @ GRADIENT + LEVEL
    assert found.valid.all()
    assert np.allclose(found.samples.ravel(), expected, atol=1e-3)
    assert found.grid is onto


def test_the_own_grid_gives_back_every_sample():
    volume = ramp_on(turned((4, 5, 6), (3.0, 1.0, 2.0), euler=(10, 20, 30)))
    same = resample_volume(volume, volume.grid)
    assert np.allclose(same.samples, volume.samples, atol=1e-3)
    assert same.valid.all()


@settings(max_examples=15)
@given(angles, angles)
def test_simpleitk_interpolates_the_same(euler, other):
    noise = np.random.default_rng(3).normal(size=(9, 10, 11)).astype(np.float32)
    grid, onto = turned(noise.shape, (2.0, 1.5, 1.0), euler=euler), turned((8, 9, 10), (1.3, 1.2, 1.1), euler=other)
    volume_from_onto = rigid(other, (0.4, 0.2, -0.3))
    found = resample_volume(
        Volume(samples=noise, grid=grid, modality=Modality.MR), onto, volume_from_onto=volume_from_onto
    )
    reference = sitk.Resample(
        image_from(noise, grid), image_from(np.zeros(onto.shape, np.float32), onto), sitk_transform(volume_from_onto),
        sitk.sitkLinear, 0.0,
    )  # fmt: skip
    inner = grid.indices(volume_from_onto.apply(every_point(onto)))
    inside = ((inner > 0.01) & (inner < np.array(grid.shape) - 1.01)).all(axis=1).reshape(onto.shape)
    assert inside.any()
    assert np.allclose(found.samples[inside], samples_from(reference)[inside], atol=1e-3)


def test_what_lies_outside_is_not_valid():
    grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    wider = Grid.from_spacing((3, 1, 8), (1.0, 1.0, 1.0), origin_mm=(-2.0, 0.0, -1.0))
    found = resample_volume(ramp_on(grid), wider)
    assert found.valid[:, 0].astype(int).tolist() == [[0] * 8, [0, 0, 1, 1, 1, 1, 0, 0], [0] * 8]
    assert not found.samples[~found.valid].any()


def test_padding_does_not_leak_into_valid_samples():
    grid = Grid.from_spacing((1, 1, 6), (1.0, 1.0, 1.0))
    valid = np.array([[[False, False, True, True, True, True]]])
    volume = ramp_on(grid, valid=valid, samples=np.array([[[-3024, -3024, 5, 5, 5, 5]]], np.int16))
    found = resample_volume(volume, Grid.from_spacing((1, 1, 11), (1.0, 1.0, 0.5)))
    assert (found.samples[found.valid] == 5).all()
    assert found.valid.ravel().tolist() == [False] * 4 + [True] * 7


def test_a_far_grid_holds_nothing():
    volume = ramp_on(turned((4, 4, 4), (1.0, 1.0, 1.0)))
    found = resample_volume(volume, turned((3, 3, 3), (1.0, 1.0, 1.0), centre=(900, 0, 0)))
    assert not found.valid.any()


@settings(max_examples=25)
@given(angles, angles, st.sampled_from([(0.6, 0.6, 0.6), (2.0, 1.0, 1.0), (5.0, 0.9, 0.9), (6.0, 4.0, 3.0)]))
def test_a_ball_keeps_its_volume_on_finer_and_coarser_grids(euler, other, spacing):
    grid = turned((24, 24, 24), (1.0, 1.0, 1.0), euler=euler)
    ball = ball_on(grid, 8.0)
    extent = np.ceil(28.0 / np.array(spacing)).astype(int)
    onto = turned(extent, spacing, euler=other)
    part = resample_probability(ball, grid, onto)
    volume = float(part.sum(dtype=np.float64)) * onto.voxel_volume_mm3
    # At least one sample for each source voxel; the worst of 300 random poses was 0.5 %, at 6 × 4 × 3 mm.
    assert volume == pytest.approx(ball.sum() * grid.voxel_volume_mm3, rel=0.02)
    assert part.min() >= 0
    assert part.max() <= 1 + 1e-6


def test_a_thin_sheet_between_coarse_centres_does_not_vanish():
    fine = Grid.from_spacing((40, 4, 4), (0.5, 1.0, 1.0))
    sheet = np.zeros(fine.shape, bool)
    sheet[5] = True  # 2.5 mm up, between the coarse centres 0 and 5
    coarse = Grid.from_spacing((4, 4, 4), (5.0, 1.0, 1.0), origin_mm=(0.0, 0.0, 0.25))
    part = resample_probability(sheet, fine, coarse)
    assert part[:, 1, 1] == pytest.approx([0.1, 0.0, 0.0, 0.0], abs=1e-6)


def test_halving_the_resolution_is_the_mean_of_blocks():
    mask = np.random.default_rng(1).random((8, 6, 10)) < 0.4
    fine = Grid.from_spacing(mask.shape, (1.0, 1.0, 1.0))
    coarse = Grid.from_spacing((4, 3, 5), (2.0, 2.0, 2.0), origin_mm=(0.5, 0.5, 0.5))
    blocks = mask.reshape(4, 2, 3, 2, 5, 2).mean(axis=(1, 3, 5))
    assert np.allclose(resample_probability(mask, fine, coarse), blocks, atol=1e-6)


@given(angles)
def test_the_own_grid_gives_back_the_mask(euler):
    grid = turned((6, 7, 8), (3.0, 1.0, 1.0), euler=euler)
    mask = np.random.default_rng(4).random(grid.shape) < 0.5
    assert np.array_equal(resample_mask(mask, grid, grid), mask)


@settings(max_examples=20)
@given(angles, st.tuples(*[st.floats(-5, 5)] * 3))
def test_a_moved_mask_lies_where_the_transform_says(euler, shift):
    grid = turned((30, 30, 30), (1.0, 1.0, 1.0))
    onto = turned((32, 32, 32), (1.0, 1.0, 1.0), euler=euler)
    grid_from_onto = rigid(euler, shift)
    centre = grid_from_onto.inverse().apply([[0.0, 0.0, 0.0]])[0]
    moved = resample_mask(ball_on(grid, 7.0), grid, onto, grid_from_onto=grid_from_onto)
    expected = ball_on(onto, 7.0, centre)
    assert 2 * (moved & expected).sum() / (moved.sum() + expected.sum()) > 0.93  # two voxelisations of one ball


def test_nothing_moves_to_nothing():
    grid = Grid.from_spacing((3, 3, 3), (1.0, 1.0, 1.0))
    far = Grid.from_spacing((3, 3, 3), (1.0, 1.0, 1.0), origin_mm=(100.0, 0.0, 0.0))
    assert not resample_probability(np.zeros(grid.shape, bool), grid, grid).any()
    assert not resample_probability(np.ones(grid.shape, bool), grid, far).any()


def test_a_mask_that_does_not_fill_its_grid_is_refused():
    grid = Grid.from_spacing((3, 3, 3), (1.0, 1.0, 1.0))
    with pytest.raises(GeometryError):
        resample_mask(np.ones((2, 3, 3), bool), grid, grid)
