"""Boxes hold the mask and its margin, and cutting out moves no voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import EmptyMask, GeometryError
from imaging.geometry import Grid
from imaging.volume import Modality, Volume
from imaging.volume.crop import bounding_box, crop_volume

SHAPE = (8, 12, 10)


def sheared() -> Grid:
    affine = np.diag([3.0, 0.8, 1.1, 1.0])
    affine[1, 0] = 1.4
    return Grid(SHAPE, affine)


@given(st.sets(st.tuples(*[st.integers(0, n - 1) for n in SHAPE]), min_size=1), st.floats(0, 12))
def test_every_voxel_within_the_margin_is_in_the_box(voxels, margin):
    grid, mask = sheared(), np.zeros(SHAPE, bool)
    mask[tuple(np.array(sorted(voxels)).T)] = True
    start, stop = bounding_box(mask, grid, margin_mm=margin)
    everywhere = np.argwhere(np.ones(SHAPE, bool))
    points = grid.points(everywhere)
    near = np.zeros(len(points), bool)
    for voxel in voxels:
        near |= np.linalg.norm(points - grid.points([voxel])[0], axis=1) <= margin - 1e-6
    near |= mask.ravel()
    assert ((everywhere[near] >= start) & (everywhere[near] < stop)).all()


def test_without_margin_the_box_is_tight():
    mask = np.zeros(SHAPE, bool)
    mask[2, 3:5, 4] = mask[6, 3, 9] = True
    assert bounding_box(mask, sheared()) == ((2, 3, 4), (7, 5, 10))


def test_an_empty_mask_has_no_box():
    with pytest.raises(EmptyMask):
        bounding_box(np.zeros(SHAPE, bool), sheared())


def test_a_mask_that_does_not_fill_the_grid_is_refused():
    with pytest.raises(GeometryError):
        bounding_box(np.ones((1, 1, 1), bool), sheared())


def test_a_cropped_volume_keeps_samples_places_and_validity():
    samples = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    volume = Volume(samples=samples, grid=sheared(), modality=Modality.CT, valid=samples % 7 > 0)
    part = crop_volume(volume, ((2, 3, 4), (7, 5, 10)))
    assert np.array_equal(part.samples, samples[2:7, 3:5, 4:10])
    assert np.array_equal(part.valid, volume.valid[2:7, 3:5, 4:10])
    assert np.allclose(part.grid.points([[1, 1, 1]]), volume.grid.points([[3, 4, 5]]))
