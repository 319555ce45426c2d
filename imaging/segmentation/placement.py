"""The same mask counted on another grid of the same voxels, or on a part of its grid; nothing is interpolated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.segmentation.segment import Segment
from imaging.volume.crop import Box

__all__ = ["crop_segment", "mask_on_lattice", "segment_on"]

SAME_VOXEL = 0.05  # of a voxel: what header rounding may move, and far too little to be another voxel


def segment_on(segment: Segment, grid: Grid) -> Segment:
    """The segment on another grid if both count the same voxels, else as it is.

    Programs store one image with its axes in different order and direction, and segmentations as the few slices that
    they fill. Such grids differ, and yet every voxel of the one is a voxel of the other.

    Examples
    --------
    >>> stack = Grid.from_spacing((9, 4, 4), (3.0, 1.0, 1.0))
    >>> part = Segment(mask=np.ones((2, 4, 4), bool), grid=stack.crop((5, 0, 0), (7, 4, 4)))
    >>> np.flatnonzero(segment_on(part, stack).mask.any(axis=(1, 2))).tolist()
    [5, 6]
    """
    mask = segment.mask if segment.grid.matches(grid) else mask_on_lattice(segment.mask, segment.grid, grid)
    return segment if mask is None else replace(segment, mask=mask, grid=grid)


def mask_on_lattice(mask: BoolArray, grid: Grid, onto: Grid) -> BoolArray | None:
    """The mask's voxels counted on another grid; None where that grid has other voxels, or not all of these.

    Examples
    --------
    >>> flipped = Grid.from_spacing((1, 1, 3), (1.0, 1.0, -1.0), origin_mm=(2.0, 0.0, 0.0))
    >>> mask_on_lattice(np.array([[[True, False, False]]]), flipped, Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0)))
    array([[[False, False,  True]]])
    >>> mask_on_lattice(np.ones((1, 1, 3), bool), flipped, Grid.from_spacing((1, 1, 3), (1.0, 1.0, 2.0))) is None
    True
    """
    exact = onto.index_from_point @ grid.affine
    turn = np.rint(exact[:3, :3])
    shift = np.rint(exact[:3, 3])
    is_turn = np.array_equal(np.abs(turn).sum(axis=0), [1, 1, 1]) and np.array_equal(
        np.abs(turn).sum(axis=1), [1, 1, 1]
    )
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in mask.shape], indexing="ij")).reshape(3, 8)
    apart = exact[:3, :3] @ corners + exact[:3, 3:] - (turn @ corners + shift[:, np.newaxis])
    if not is_turn or np.abs(apart).max() > SAME_VOXEL:
        return None
    indices = (np.argwhere(mask) @ turn.T + shift).astype(np.int64)
    if ((indices < 0) | (indices >= onto.shape)).any():
        return None
    moved = np.zeros(onto.shape, dtype=bool)
    moved[tuple(indices.T)] = True
    return moved


def crop_segment(segment: Segment, box: Box) -> Segment:
    """The segment's part in a box of indices, every voxel staying where it is.

    Examples
    --------
    >>> whole = Segment(mask=np.ones((2, 2, 2), bool), grid=Grid.from_spacing((2, 2, 2), (1.0, 1.0, 1.0)))
    >>> crop_segment(whole, ((0, 0, 0), (1, 2, 2))).mask.shape
    (1, 2, 2)
    """
    inside = tuple(slice(start, stop) for start, stop in zip(*box, strict=True))
    return replace(segment, mask=segment.mask[inside].copy(), grid=segment.grid.crop(*box))
