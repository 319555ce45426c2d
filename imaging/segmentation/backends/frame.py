"""The straight grids on which models see an image, and the way back to its own voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray
from imaging.geometry import Grid
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.region import on_region, right_angles, samples_seen
from imaging.volume import Volume
from imaging.volume.resample import resample_volume

__all__ = ["frame_round", "on_image", "straightened"]


def frame_round(volume: Volume, shape: Ellipsoid, *, voxels: tuple[int, int, int], spacing_mm: float) -> Grid:
    """A grid of cubes about the ellipsoid's centre, along the image's axes made right-angled.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((9, 9, 9), (3.0, 1.0, 1.0))
    >>> volume = Volume(samples=np.zeros(grid.shape, np.int16), grid=grid, modality=Modality.CT)
    >>> frame = frame_round(volume, Ellipsoid.ball((4, 4, 12), radius_mm=3.0), voxels=(5, 5, 5), spacing_mm=2.0)
    >>> frame.points([[2, 2, 2]]).tolist(), frame.spacing_mm
    ([[4.0, 4.0, 12.0]], (2.0, 2.0, 2.0))
    """
    affine = np.eye(4)
    affine[:3, :3] = right_angles(volume.grid) * spacing_mm
    affine[:3, 3] = shape.centre - affine[:3, :3] @ ((np.array(voxels) - 1) / 2)
    return Grid(voxels, affine)


def straightened(volume: Volume) -> Volume:
    """The image itself if its axes stand at right angles, else resampled onto straight axes that hold all of it.

    Beyond the image its nearest sample is repeated: a value of its own would enter the model's normalisation.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> affine = np.eye(4); affine[1, 0] = 0.5  # each slice lies half a millimetre farther back
    >>> leaning = Volume(samples=np.zeros((8, 8, 8), np.int16), grid=Grid((8, 8, 8), affine), modality=Modality.CT)
    >>> straightened(leaning).grid.is_orthogonal
    True
    """
    grid = volume.grid
    if grid.is_orthogonal:
        return volume
    directions = right_angles(grid)
    along: FloatArray = grid.corners() @ directions
    spacing = np.array(grid.spacing_mm)
    low, high = along.min(axis=0), along.max(axis=0)
    count = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = directions @ low
    straight = Grid((int(count[0]), int(count[1]), int(count[2])), affine)
    return replace(
        volume,
        samples=on_region(samples_seen(volume), grid, straight),
        grid=straight,
        valid=resample_volume(volume, straight).valid,
        acquired_slices=None,
    )


def on_image(probability: NDArray[np.float32], grid: Grid, volume: Volume) -> NDArray[np.float32]:
    """A probability from a model's grid on all voxels of the image, linear, 0 beyond the model's grid.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((3, 3, 3), (1.0, 1.0, 1.0))
    >>> volume = Volume(samples=np.zeros(grid.shape, np.int16), grid=grid, modality=Modality.CT)
    >>> on_image(np.ones((1, 1, 1), np.float32), grid.crop((1, 1, 1), (2, 2, 2)), volume).sum()
    np.float32(1.0)
    """
    if grid.matches(volume.grid):
        return probability
    # Interpolation may leave 0…1 by a rounding error.
    return np.clip(on_region(probability, grid, volume.grid, outside=0.0), 0, 1)
