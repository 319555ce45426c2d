"""The bridge to SimpleITK keeps every voxel where it is."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid
from imaging.sitk import distance_outside_mm, grid_from, image_from, rigid_from, samples_from, sitk_transform

angles = st.floats(-180, 180)
shifts = st.floats(-500, 500)


def oblique_grid(euler: tuple[float, float, float], shape: tuple[int, int, int] = (3, 4, 5)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zyx", euler, degrees=True).as_matrix() * (4.0, 0.7, 1.3)
    affine[:3, 3] = (-11.0, 23.0, -310.0)
    return Grid(shape, affine)


@given(st.tuples(angles, angles, angles))
def test_grid_survives_the_round_trip(euler):
    grid = oblique_grid(euler)
    assert grid_from(image_from(np.zeros(grid.shape, np.float32), grid)).matches(grid)


@given(st.tuples(angles, angles, angles), st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 4)))
def test_simpleitk_finds_a_marked_voxel_at_its_patient_point(euler, index):
    grid = oblique_grid(euler)
    samples = np.zeros(grid.shape, np.int16)
    samples[index] = 7
    image = image_from(samples, grid)
    assert image[image.TransformPhysicalPointToIndex(grid.points([index])[0].tolist())] == 7


def test_samples_come_back_as_an_own_array():
    samples = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image = image_from(samples, oblique_grid((10.0, 20.0, 30.0)))
    back = samples_from(image)
    back[0, 0, 0] = 99
    assert image[0, 0, 0] == 0
    assert np.array_equal(back.ravel()[1:], samples.ravel()[1:])


def test_a_mask_becomes_zero_and_one():
    grid = Grid.from_spacing((1, 1, 2), (1.0, 1.0, 1.0))
    assert samples_from(image_from(np.array([[[False, True]]]), grid)).tolist() == [[[0, 1]]]


def test_a_sheared_grid_is_refused():
    affine = np.diag([5.0, 1.0, 1.0, 1.0])
    affine[1, 0] = 1.5
    with pytest.raises(GeometryError, match="resample") as refusal:
        image_from(np.zeros((2, 2, 2), np.int16), Grid((2, 2, 2), affine))
    assert refusal.value.code == "SHEARED_GRID"


def test_samples_of_another_shape_are_refused():
    with pytest.raises(GeometryError):
        image_from(np.zeros((2, 2, 3), np.int16), Grid.from_spacing((2, 2, 2), (1.0, 1.0, 1.0)))


def test_a_flat_image_is_no_volume():
    with pytest.raises(GeometryError):
        grid_from(sitk.Image(3, 3, sitk.sitkUInt8))


@given(st.tuples(angles, angles, angles), st.tuples(shifts, shifts, shifts))
def test_rigid_transform_does_the_same_on_both_sides(euler, shift):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("zyx", euler, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    rigid = Rigid(matrix)
    transform = sitk_transform(rigid)
    point = (31.0, -17.0, 250.0)
    assert np.allclose(transform.TransformPoint(point), rigid.apply([point])[0], atol=1e-6)
    assert np.allclose(rigid_from(transform).matrix, rigid.matrix, atol=1e-6)


def test_a_composite_of_rigid_transforms_is_their_chain():
    b_from_a, c_from_b = Rigid.from_shift((1.0, 2.0, 3.0)), Rigid(np.diag([-1.0, -1.0, 1.0, 1.0]))
    chain = sitk.CompositeTransform([sitk_transform(c_from_b), sitk_transform(b_from_a)])  # ITK applies the last first
    assert np.allclose(rigid_from(chain).matrix, (c_from_b @ b_from_a).matrix)


def test_a_scaling_transform_is_not_rigid():
    with pytest.raises(GeometryError):
        rigid_from(sitk.ScaleTransform(3, (2.0, 1.0, 1.0)))


def test_a_deformation_is_not_rigid():
    with pytest.raises(GeometryError):
        rigid_from(sitk.BSplineTransform(3))


def test_distances_outside_a_mask_are_those_of_another_library() -> None:
    mask = np.random.default_rng(5).random((9, 31, 24)) > 0.97
    spacing_mm = (3.0, 0.7, 1.1)
    expected = distance_transform_edt(~mask, sampling=spacing_mm)
    found = distance_outside_mm(mask, spacing_mm)
    np.testing.assert_allclose(found, expected, atol=1e-4)
