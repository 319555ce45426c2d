"""The connected pieces of a mask, and its holes. Voxels that share a face, an edge or a corner are connected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid

__all__ = ["largest_piece", "piece_at", "without_holes", "without_small_pieces"]

TOUCHING = np.ones((3, 3, 3), dtype=bool)


def largest_piece(mask: BoolArray) -> BoolArray:
    """The piece of most voxels; of equals the one that comes first in the array.

    Examples
    --------
    >>> largest_piece(np.array([[[1, 0, 1, 1]]], bool)).astype(int).tolist()
    [[[0, 0, 1, 1]]]
    """
    labels, count = ndimage.label(mask, TOUCHING)
    if count == 0:
        return np.zeros_like(mask)
    return np.asarray(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def without_small_pieces(mask: BoolArray, grid: Grid, *, least_ml: float) -> BoolArray:
    """The mask without pieces smaller than ``least_ml``.

    Raises
    ------
    UsageError
        BAD_VOLUME: ``least_ml`` is below zero or no number.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (10.0, 10.0, 10.0))
    >>> without_small_pieces(np.array([[[1, 0, 1, 1]]], bool), grid, least_ml=2.0).astype(int).tolist()
    [[[0, 0, 1, 1]]]
    """
    if not 0 <= least_ml < np.inf:
        raise UsageError("the least volume of a piece is a finite number of mL", code="BAD_VOLUME")
    labels, _ = ndimage.label(mask, TOUCHING)
    is_large = np.bincount(labels.ravel()) * grid.voxel_volume_mm3 / 1000 >= least_ml * (1 - 1e-9)
    is_large[0] = False
    return np.asarray(is_large[labels])


def piece_at(mask: BoolArray, grid: Grid, point_lps_mm: Sequence[float]) -> BoolArray:
    """The piece that holds the point's voxel; empty where that voxel is not in the mask.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> piece_at(np.array([[[1, 0, 1, 1]]], bool), grid, (0.2, 0.0, 0.0)).astype(int).tolist()
    [[[1, 0, 0, 0]]]
    """
    if mask.shape != grid.shape:
        raise GeometryError(f"the mask {mask.shape} does not fill the grid {grid.shape}")
    place = np.rint(grid.indices([point_lps_mm])[0]) if np.isfinite(point_lps_mm).all() else np.full(3, np.inf)
    labels, _ = ndimage.label(mask, TOUCHING)
    is_inside = ((place >= 0) & (place < mask.shape)).all()
    label = labels[tuple(place.astype(np.int64))] if is_inside else 0
    return np.asarray((labels == label) & mask)


def without_holes(mask: BoolArray, *, in_slices: bool = False) -> BoolArray:
    """The mask with its holes filled: what cannot be left to the image's border without crossing it.

    Parameters
    ----------
    in_slices
        Whether a hole need only be closed within its own slice, as a reader sees it.

    Examples
    --------
    >>> ring = np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 1]]], bool)
    >>> bool(without_holes(ring)[0, 1, 1]), bool(without_holes(ring, in_slices=True)[0, 1, 1])
    (False, True)
    """
    if in_slices:
        return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    return np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)
