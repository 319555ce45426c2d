"""An outline smoothed at constant volume, grown or shrunk in millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.reach import box_around

__all__ = ["grown", "smoothed"]

ROUNDS = 8  # of finding each label's share; neighbours are settled to single voxels after four or five
REACH_SD = 4.0  # standard deviations of a Gaussian beyond which nothing is left of it


def smoothed(labels: NDArray[Any], grid: Grid, *, sigma_mm: float) -> NDArray[Any]:
    """Labels with smooth borders, every label with as many voxels as before.

    All labels and the background are blurred alike and each voxel goes to the largest; so neighbours share one border
    without a gap. What each label needs to keep its volume is added to it everywhere.

    Parameters
    ----------
    labels
        (slices, rows, columns) bool, or whole numbers with 0 as background.
    sigma_mm
        Standard deviation of the blur; detail below twice of it disappears.

    Returns
    -------
    labels
        Of the same kind. Of one label the count is exact but for ties; of several that touch, within a few voxels.

    Examples
    --------
    >>> spike = np.zeros((1, 9, 9), bool)
    >>> spike[0, 4:8, 1:8], spike[0, 0:4, 4] = True, True
    >>> smooth = smoothed(spike, Grid.from_spacing(spike.shape, (1.0, 1.0, 1.0)), sigma_mm=1.0)
    >>> bool(smooth[0, 0, 4]), int(smooth.sum()) == int(spike.sum())
    (False, True)
    """
    _require(labels, grid, sigma_mm)
    numbers = _numbers(labels)
    if not numbers:
        return labels.copy()
    box = box_around(np.asarray(labels != 0), grid.spacing_mm, REACH_SD * sigma_mm)
    part = labels[box]
    sigma = [sigma_mm / step for step in grid.spacing_mm]
    shares = np.stack([_blurred(part == number, sigma) for number in (0, *numbers)])
    counts = [int(np.count_nonzero(part == number)) for number in numbers]
    added = np.zeros(len(numbers) + 1)
    for _ in range(ROUNDS if len(numbers) > 1 else 1):
        for place, count in enumerate(counts, start=1):
            others = np.delete(np.arange(len(added)), place)
            margin = (shares[place] - (shares[others] + added[others, None, None, None]).max(axis=0)).ravel()
            kth = margin.size - count
            added[place] = -float(np.partition(margin, kth)[kth])
    shares += added[:, None, None, None]
    shares[1:] += 1e-12  # a tie goes to the label: the last voxel of the count
    result = np.zeros_like(labels)
    result[box] = np.asarray([0, *numbers])[shares.argmax(axis=0)].astype(labels.dtype)
    return result


def _numbers(labels: NDArray[Any]) -> list[int]:
    """The labels that occur, 0 left out; of a mask without sorting its voxels."""
    if labels.dtype == np.bool_:
        return [1] if labels.any() else []
    return [number for number in np.unique(labels).tolist() if number]


def _blurred(mask: BoolArray, sigma: list[float]) -> FloatArray:
    """Beyond the image the nearest voxel goes on: a lesion that is cut by the last slice is not rounded off there."""
    blurred = ndimage.gaussian_filter(mask.astype(np.float64), sigma, mode="nearest", truncate=REACH_SD)
    return np.asarray(blurred, dtype=np.float64)


def grown(mask: BoolArray, grid: Grid, *, by_mm: float) -> BoolArray:
    """The mask with its border moved outwards by a distance, or inwards by a negative one.

    The border runs halfway between voxels; a voxel belongs to the result if its centre does. Round bodies come out
    larger or smaller by up to half a pixel, because the corners of their voxels stand out. Beyond the image the mask
    goes on as it ends, so shrinking does not eat at a lesion that the image cuts.

    Examples
    --------
    >>> line = np.array([[[0, 0, 0, 1, 1, 1, 0, 0, 0]]], bool)
    >>> grid = Grid.from_spacing(line.shape, (1.0, 1.0, 1.0))
    >>> grown(line, grid, by_mm=1.0).astype(int).tolist(), grown(line, grid, by_mm=-1.0).astype(int).tolist()
    ([[[0, 0, 1, 1, 1, 1, 1, 0, 0]]], [[[0, 0, 0, 0, 1, 0, 0, 0, 0]]])
    """
    _require(mask, grid, abs(by_mm))
    if by_mm == 0 or not mask.any() or mask.all():
        return mask.copy()
    box = box_around(mask, grid.spacing_mm, max(by_mm, 0.0) + max(grid.spacing_mm))
    part, result = mask[box], np.zeros_like(mask)
    if by_mm > 0:
        result[box] = _to_border_mm(part, grid) <= by_mm * (1 + 1e-9)
    else:
        result[box] = _to_border_mm(~part, grid) > -by_mm * (1 + 1e-9)
    return result


def _to_border_mm(mask: BoolArray, grid: Grid) -> FloatArray:
    """From each voxel's centre to the mask's border, zero inside; infinite where there is no mask.

    The border is half a step before the nearest voxel on the straight way to it. Which voxel is nearest is judged by
    the lengths of the grid's steps alone: on a leaning grid another may be nearer, by less than the sine of the lean.
    """
    if not mask.any():
        return np.full(mask.shape, np.inf)
    nearest = ndimage.distance_transform_edt(
        ~mask, sampling=grid.spacing_mm, return_distances=False, return_indices=True
    )
    outside = np.nonzero(~mask)
    steps = np.stack([of[outside] - here for of, here in zip(nearest, outside, strict=True)])
    way_mm = np.linalg.norm(grid.affine[:3, :3] @ steps, axis=0)
    way_mm -= 0.5 * way_mm / np.abs(steps).max(axis=0)
    result = np.zeros(mask.shape)
    result[outside] = way_mm
    return result


def _require(mask: NDArray[Any], grid: Grid, length_mm: float) -> None:
    if mask.shape != grid.shape:
        raise GeometryError(f"the mask {mask.shape} does not fill the grid {grid.shape}")
    if not 0 <= length_mm < np.inf:
        raise UsageError("a length in millimetres is a finite number", code="BAD_LENGTH")
