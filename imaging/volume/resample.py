"""Moving samples to another grid, always by name.

A volume of a lesion is never taken from a resampled mask: what comes from here is for looking, for priors and for
overlap (ARCHITECTURE §6). Sheared grids need no detour, because the whole affine is applied at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.geometry import Grid, Rigid
from imaging.volume.volume import Volume

__all__ = ["resample_mask", "resample_probability", "resample_volume"]

HALF_A_VOXEL = 0.5  # a voxel reaches this far around its centre
WHOLLY_VALID = 1.0 - 1e-4  # of the weights of a sample's neighbours; the rest is rounding in float32
MAX_SUBSAMPLES = 16  # along one axis of a target voxel; a thousandth of a voxel's volume is then seen in three axes

FloatSamples = NDArray[np.float32]
Box = tuple[tuple[int, int, int], tuple[int, int, int]]


def resample_volume(volume: Volume, onto: Grid, *, volume_from_onto: Rigid | None = None) -> Volume:
    """The image on another grid, linearly interpolated; what lies outside of it is 0 and not valid.

    A sample is valid if it lies within half a voxel of the image and all samples that it is mixed from are valid.
    No smoothing is done before going to a coarser grid.

    Parameters
    ----------
    onto
        Where samples are wanted.
    volume_from_onto
        Takes points of the wanted grid's space to the image's; None where both are one space.

    Returns
    -------
    Volume
        float32, of the same series and findings; its ``valid`` is never None.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0))
    >>> ramp = Volume(samples=np.array([[[0, 10, 20]]], np.int16), grid=grid, modality=Modality.MR)
    >>> finer = resample_volume(ramp, Grid.from_spacing((1, 1, 6), (1.0, 1.0, 0.5)))
    >>> finer.samples.tolist(), finer.valid.tolist()
    ([[[0.0, 5.0, 10.0, 15.0, 20.0, 20.0]]], [[[True, True, True, True, True, True]]])
    """
    matrix = _index_map(volume.grid, onto, volume_from_onto)
    samples = np.zeros(onto.shape, dtype=np.float32)
    valid = np.zeros(onto.shape, dtype=bool)
    reach = ((0, 0, 0), volume.grid.shape)
    box = _target_box(reach, matrix, onto.shape)
    if box is not None:
        part = tuple(slice(start, stop) for start, stop in zip(*box, strict=True))
        local, shape = _from_corner(matrix, box)
        inside = _inside(local, shape, volume.grid.shape)
        if volume.valid is not None:
            inside &= _interpolated(volume.valid.astype(np.float32), local, shape, outside="nearest") >= WHOLLY_VALID
        found = _interpolated(volume.samples, local, shape, outside="nearest")
        samples[part] = np.where(inside, found, np.float32(0.0))
        valid[part] = inside
    return replace(volume, samples=samples, grid=onto, valid=valid, acquired_slices=None)


def resample_probability(
    mask: BoolArray | NDArray[np.floating[Any]], grid: Grid, onto: Grid, *, grid_from_onto: Rigid | None = None
) -> FloatSamples:
    """How much of each voxel of another grid the mask fills, 0 to 1.

    Where the target is coarser, each of its voxels is the mean of as many samples as it covers source voxels, so that
    thin parts do not vanish between centres. Outside of its grid the mask is 0.

    Parameters
    ----------
    mask
        (slices, rows, columns) on ``grid``: bool, or a probability.
    grid_from_onto
        Takes points of the wanted grid's space to the mask's; None where both are one space.

    Returns
    -------
    FloatSamples
        float32 of ``onto``'s shape.

    Raises
    ------
    GeometryError
        The mask does not fill its grid.

    Examples
    --------
    >>> fine, coarse = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0)), Grid.from_spacing((1, 1, 2), (1.0, 1.0, 2.0))
    >>> moved = Rigid.from_shift((0.5, 0.0, 0.0))  # puts the first coarse voxel over the first two fine ones
    >>> resample_probability(np.array([[[True, False, False, False]]]), fine, coarse, grid_from_onto=moved).tolist()
    [[[0.5, 0.0]]]
    """
    if mask.shape != grid.shape:
        raise GeometryError(f"mask {mask.shape} does not fill the grid {grid.shape}")
    filled = np.zeros(onto.shape, dtype=np.float32)
    matrix = _index_map(grid, onto, grid_from_onto)
    source = _occupied_box(mask)
    box = None if source is None else _target_box(source, matrix, onto.shape)
    if source is None or box is None:
        return filled
    values = mask[tuple(slice(start, stop) for start, stop in zip(*source, strict=True))].astype(np.float32)
    local, shape = _from_corner(matrix, box)
    local[:3, 3] -= source[0]
    part = tuple(slice(start, stop) for start, stop in zip(*box, strict=True))
    filled[part] = _mean_over_voxels(values, local, shape)
    return filled


def resample_mask(
    mask: BoolArray | NDArray[np.floating[Any]], grid: Grid, onto: Grid, *, grid_from_onto: Rigid | None = None
) -> BoolArray:
    """The voxels of another grid that the mask fills by one half or more; see :func:`resample_probability`.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 2), (1.0, 1.0, 1.0))
    >>> resample_mask(np.array([[[False, True]]]), grid, Grid.from_spacing((1, 1, 4), (1.0, 1.0, 0.5))).tolist()
    [[[False, True, True, True]]]
    """
    return np.asarray(resample_probability(mask, grid, onto, grid_from_onto=grid_from_onto) >= HALF_A_VOXEL)


def _index_map(source: Grid, onto: Grid, source_from_onto: Rigid | None) -> FloatArray:
    """(4, 4): index in the source of an index in the target."""
    between = np.eye(4) if source_from_onto is None else source_from_onto.matrix
    return np.asarray(source.index_from_point @ between @ onto.affine, dtype=np.float64)


def _from_corner(matrix: FloatArray, box: Box) -> tuple[FloatArray, tuple[int, int, int]]:
    """The same map for indices counted from the box's first corner, and the box's shape."""
    local = matrix.copy()
    local[:3, 3] += matrix[:3, :3] @ np.array(box[0], dtype=np.float64)
    lengths = [stop - start for start, stop in zip(*box, strict=True)]
    return local, (lengths[0], lengths[1], lengths[2])


def _occupied_box(mask: NDArray[Any]) -> Box | None:
    occupied = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if occupied[0].size == 0:
        return None
    start, stop = ([int(where[end]) + extra for where in occupied] for end, extra in ((0, 0), (-1, 1)))
    return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def _target_box(source: Box, matrix: FloatArray, shape: tuple[int, int, int]) -> Box | None:
    """The part of the target that a box of the source can touch: its corners, a voxel wider on both sides."""
    ends = np.add(source, [[-1.0], [0.0]])
    corners = np.array(np.meshgrid(*ends.T, indexing="ij")).reshape(3, 8)
    inverse = np.linalg.inv(matrix)
    reached = inverse[:3, :3] @ corners + inverse[:3, 3:]
    start = np.maximum(np.floor(reached.min(axis=1)).astype(int), 0)
    stop = np.minimum(np.ceil(reached.max(axis=1)).astype(int) + 1, shape)
    if (start >= stop).any():
        return None
    first, last = start.tolist(), stop.tolist()
    return (first[0], first[1], first[2]), (last[0], last[1], last[2])


def _inside(matrix: FloatArray, shape: tuple[int, int, int], source: tuple[int, int, int]) -> BoolArray:
    """Whether each target index falls within half a voxel of the source."""
    inside = np.ones(shape, dtype=bool)
    steps = np.ogrid[tuple(slice(0.0, float(n)) for n in shape)]
    for axis, extent in enumerate(source):
        index = sum(matrix[axis, i] * steps[i] for i in range(3)) + matrix[axis, 3]
        inside &= (index >= -HALF_A_VOXEL) & (index <= extent - HALF_A_VOXEL)
    return inside


def _interpolated(
    samples: NDArray[Any],
    matrix: FloatArray,
    shape: tuple[int, int, int],
    *,
    outside: Literal["nearest", "grid-constant"],
) -> FloatSamples:
    return np.asarray(
        affine_transform(samples, matrix[:3, :3], matrix[:3, 3], shape, output=np.float32, order=1, mode=outside),
        dtype=np.float32,
    )


def _mean_over_voxels(values: FloatSamples, matrix: FloatArray, shape: tuple[int, int, int]) -> FloatSamples:
    """Mean of the interpolated source over each target voxel, one target slice at a time to bound the memory."""
    counts = np.clip(np.ceil(np.abs(matrix[:3, :3]).max(axis=0) - 1e-6), 1, MAX_SUBSAMPLES).astype(int)
    fine = matrix.copy()
    fine[:3, :3] /= counts
    mean = np.empty(shape, dtype=np.float32)
    fine_shape = (int(counts[0]), shape[1] * int(counts[1]), shape[2] * int(counts[2]))
    for index in range(shape[0]):
        first = np.array([index, 0.0, 0.0]) - HALF_A_VOXEL + HALF_A_VOXEL / counts  # centre of the first sub-voxel
        fine[:3, 3] = matrix[:3, 3] + matrix[:3, :3] @ first
        parts = _interpolated(values, fine, fine_shape, outside="grid-constant")
        blocks = parts.reshape(counts[0], shape[1], counts[1], shape[2], counts[2])
        mean[index] = blocks.mean(axis=(0, 2, 4))
    return mean
