"""A mask cut in two, joined with another, or rid of the material in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imaging.arrays import BoolArray
from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid

__all__ = ["merged", "split_by_plane", "without"]


def split_by_plane(
    mask: BoolArray, grid: Grid, *, point_lps_mm: Sequence[float], normal_lps: Sequence[float]
) -> tuple[BoolArray, BoolArray]:
    """The mask on the side to which the normal points, and on the other; every voxel belongs to one of them.

    Raises
    ------
    GeometryError
        The mask does not fill the grid.
    UsageError
        BAD_PLANE.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> left, right = split_by_plane(np.ones(grid.shape, bool), grid, point_lps_mm=(1.5, 0, 0), normal_lps=(1, 0, 0))
    >>> left.astype(int).tolist(), right.astype(int).tolist()
    ([[[0, 0, 1, 1]]], [[[1, 1, 0, 0]]])
    """
    if mask.shape != grid.shape:
        raise GeometryError(f"the mask {mask.shape} does not fill the grid {grid.shape}")
    normal, point = (np.asarray(given, dtype=np.float64) for given in (normal_lps, point_lps_mm))
    if normal.shape != (3,) or not np.isfinite(normal).all() or not normal.any():
        raise UsageError("a plane has a normal of three numbers, not all zero", code="BAD_PLANE")
    if point.shape != (3,) or not np.isfinite(point).all():
        raise UsageError("a plane passes through a point of three finite numbers", code="BAD_PLANE")
    voxels = np.argwhere(mask)
    is_ahead = (grid.points(voxels) - point) @ normal >= 0
    ahead = np.zeros_like(mask)
    ahead[tuple(voxels[is_ahead].T)] = True
    return ahead, mask & ~ahead


def merged(*masks: BoolArray) -> BoolArray:
    """All voxels that are in any of the masks.

    Examples
    --------
    >>> merged(np.array([[[1, 0, 0]]], bool), np.array([[[0, 0, 1]]], bool)).astype(int).tolist()
    [[[1, 0, 1]]]
    """
    _require_one_shape(masks)
    return np.asarray(np.logical_or.reduce(masks), dtype=bool)


def without(mask: BoolArray, material: BoolArray) -> BoolArray:
    """The mask less the material: what is left is the non-material part, not the gross lesion.

    Examples
    --------
    >>> without(np.array([[[1, 1, 0]]], bool), np.array([[[0, 1, 1]]], bool)).astype(int).tolist()
    [[[1, 0, 0]]]
    """
    _require_one_shape((mask, material))
    return mask & ~material


def _require_one_shape(masks: Sequence[BoolArray]) -> None:
    if not masks or len({mask.shape for mask in masks}) != 1:
        raise GeometryError("masks are joined and subtracted on one grid")
