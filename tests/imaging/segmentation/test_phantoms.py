"""Solids of known shape, as CT and MR show them, from a box over all slices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from imaging.geometry import Grid
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prompt import BoxPrompt
from imaging.synthetic.solid import Solid, ellipsoid
from imaging.volume import Modality, Volume

MARGIN_MM = 25.0
SPACING_MM = {Modality.CT: (2.0, 0.9, 0.9), Modality.MR: (3.0, 0.8, 0.8)}


def phantom(solid: Solid, modality: Modality) -> tuple[Volume, np.ndarray]:
    spacing = SPACING_MM[modality]
    shape = tuple(int(2 * np.ceil((solid.reach_mm + MARGIN_MM) / step)) + 1 for step in spacing)
    origin = [-(count - 1) / 2 * step for count, step in zip(shape, spacing, strict=True)][::-1]
    grid = Grid.from_spacing((shape[0], shape[1], shape[2]), spacing, origin_mm=(origin[0], origin[1], origin[2]))
    points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    inside = (solid.distance_mm(points) <= 0).reshape(grid.shape)
    random = np.random.default_rng(7)
    # CT: a lytic lesion of 50 HU in bone of 250 HU, noise 40 HU. MR: twice as bright as marrow, a coil that is 40 %
    # brighter on one side, noise a fifth of the contrast. Either is blurred by about a pixel.
    clean = np.where(inside, 50.0, 250.0) if modality is Modality.CT else np.where(inside, 200.0, 100.0)
    noise = random.normal(0, 40.0 if modality is Modality.CT else 20.0, grid.shape)
    coil = 1.0 if modality is Modality.CT else 1 + 0.2 * (points[:, 0] / np.abs(points[:, 0]).max()).reshape(grid.shape)
    samples = ndimage.gaussian_filter(clean * coil, (0, 1, 1)) + noise
    return Volume(samples=samples.astype(np.float32), grid=grid, modality=modality), inside


@pytest.mark.parametrize("modality", [Modality.CT, Modality.MR])
@pytest.mark.parametrize("length_mm", [10.0, 20.0, 40.0, 60.0])
def test_a_solid_in_a_box_is_found_to_nine_tenths(length_mm: float, modality: Modality) -> None:
    volume, truth = phantom(ellipsoid(np.array([0.5, 0.4, 0.35]) * length_mm), modality)
    voxels = np.argwhere(truth)
    low, high = volume.grid.points([voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5]).tolist()
    mask = segment_lesion(volume, [BoxPrompt((tuple(low), tuple(high)))]).mask
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) >= 0.90
