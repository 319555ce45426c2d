"""The part of an image that matters: boxes of indices, cut out without moving a voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imaging.arrays import BoolArray
from imaging.errors import EmptyMask, GeometryError
from imaging.geometry import Grid
from imaging.volume.volume import Volume

__all__ = ["Box", "bounding_box", "crop_volume"]

Box = tuple[tuple[int, int, int], tuple[int, int, int]]  # start, stop (exclusive), in indices


def bounding_box(mask: BoolArray, grid: Grid, *, margin_mm: float = 0.0) -> Box:
    """The smallest box of indices that holds the mask and everything within the margin, cut at the grid's edge.

    Parameters
    ----------
    mask
        (slices, rows, columns).
    margin_mm
        Measured at right angles to the box's faces, so that it holds on sheared grids too.

    Raises
    ------
    EmptyMask
        The mask has no voxel.
    GeometryError
        The mask does not fill the grid.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 9), bool)
    >>> mask[4, 4, 4:6] = True
    >>> bounding_box(mask, Grid.from_spacing((9, 9, 9), (5.0, 1.0, 1.0)), margin_mm=2.0)
    ((3, 2, 2), (6, 7, 8))
    """
    if mask.shape != grid.shape:
        raise GeometryError(f"mask {mask.shape} does not fill the grid {grid.shape}")
    occupied = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if occupied[0].size == 0:
        raise EmptyMask("a mask without a voxel has no bounding box")
    between_planes_mm = 1.0 / np.linalg.norm(grid.index_from_point[:3, :3], axis=1)
    margin = np.ceil(margin_mm / between_planes_mm - 1e-9).astype(int)  # 1e-9: 2.0 mm at 0.1 mm are 20 voxels, not 21
    start = [max(0, int(where[0] - m)) for where, m in zip(occupied, margin, strict=True)]
    stop = [min(n, int(where[-1] + 1 + m)) for where, m, n in zip(occupied, margin, grid.shape, strict=True)]
    return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def crop_volume(volume: Volume, box: Box) -> Volume:
    """The image's part in the box, every voxel staying where it is.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((4, 4, 4), (2.0, 1.0, 1.0))
    >>> volume = Volume(samples=np.zeros((4, 4, 4), np.int16), grid=grid, modality=Modality.CT)
    >>> part = crop_volume(volume, ((1, 0, 0), (3, 4, 2)))
    >>> part.samples.shape, part.grid.points([[0, 0, 0]]).tolist()
    ((2, 4, 2), [[0.0, 0.0, 2.0]])
    """
    inside = tuple(slice(start, stop) for start, stop in zip(*box, strict=True))
    valid = None if volume.valid is None else volume.valid[inside].copy()
    slices = None if volume.acquired_slices is None else volume.acquired_slices.cropped(box[0][0], box[1][0])
    return replace(
        volume,
        samples=volume.samples[inside].copy(),
        grid=volume.grid.crop(*box),
        valid=valid,
        acquired_slices=slices,
    )
