"""An image as registration sees it: averaged down, clipped to its tissue range, unknown voxels marked as such.

Averaging blocks of voxels *before* anything else is worth a factor of nine in time and loses nothing that a rigid
registration could use: bones are centimetres across. A block average keeps the grid's shear, so a CT taken
with a tilted gantry needs no resampling here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.errors import GeometryError
from imaging.geometry import Grid
from imaging.registration.blocks import Float32Array, block_grid, block_means
from imaging.registration.shading import without_shading
from imaging.volume import Modality, Volume

__all__ = ["Level", "coarser", "level_of"]

# Fat starts at about -120 HU and cortical bone is above 700 HU: within this range every soft tissue has its bins,
# and metal, cement and contrast cannot stretch it.
CT_RANGE_HU = (-200.0, 800.0)
CT_BODY_HU = -300.0  # between lung or air and fat
MR_ROBUST_PERCENTILES = (2.0, 98.0)
MR_BODY_FRACTION = 0.1  # of the robust range; Source: the brain extraction tool's threshold (Smith 2002)
QUANTILES = 65  # two for each bin of a joint histogram
BODY_MARGIN_MM = 8.0  # the body's outline is information: keep what lies this close outside it
CT_BONE_HU = 200.0
CT_FOREIGN_HU = 2000.0  # denser than cortical bone: metal or cement, which comes between exams; never compared
BONE_MARGIN_MM = 5.0  # a bone's outline, with the tissue that makes it visible on MR


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution of one image.

    Parameters
    ----------
    samples
        (slices, rows, columns) float32 in 0…1 over the tissue range; NaN where nothing was measured or is excluded.
    body
        True in and closely around the patient.
    bone
        True in and closely around bone (CT only; all False on MR).
    grid
        Where the samples are.
    """

    samples: Float32Array
    body: BoolArray
    bone: BoolArray
    grid: Grid

    def __post_init__(self) -> None:
        for array in (self.samples, self.body, self.bone):
            if array.shape != self.grid.shape:
                raise GeometryError(f"a level's arrays fill its grid {self.grid.shape}; got {array.shape}")
        object.__setattr__(self, "samples", frozen(self.samples))
        object.__setattr__(self, "body", frozen(self.body))
        object.__setattr__(self, "bone", frozen(self.bone))

    @cached_property
    def flat(self) -> FloatArray:
        """All samples in a row, in double precision: what is interpolated again and again is converted once."""
        return frozen(self.samples.ravel().astype(np.float64))

    def body_points(self) -> FloatArray:
        """LPS centres (n, 3) of the known voxels in or near the body."""
        return self.grid.points(np.argwhere(self.body & np.isfinite(self.samples)))


def level_of(volume: Volume, *, spacing_mm: float, exclude: BoolArray | None = None) -> Level:
    """The image averaged to about the given spacing, without what is to be excluded.

    Parameters
    ----------
    volume
        CT in HU or MR in arbitrary units; ``volume.valid`` is honoured.
    spacing_mm
        Axes that are finer than this are averaged in whole blocks; coarser ones stay as they are.
    exclude
        True where the metric must not look (lesion, cement, glue, metal), on the volume's grid.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((4, 8, 8), (5.0, 1.0, 1.0))
    >>> ball = Volume(samples=np.zeros((4, 8, 8), np.int16), grid=grid, modality=Modality.CT)
    >>> level_of(ball, spacing_mm=2.0).grid.spacing_mm
    (5.0, 2.0, 2.0)
    """
    factors = [max(1, round(spacing_mm / step)) for step in volume.grid.spacing_mm]
    grid = block_grid(volume.grid, factors)
    known = volume.valid if exclude is None else ~exclude if volume.valid is None else volume.valid & ~exclude
    if known is None:
        means, weights = block_means(volume.samples, factors), np.ones(grid.shape, dtype=np.float32)
    else:
        weights = block_means(known, factors)
        sums = block_means(np.where(known, volume.samples, volume.samples.dtype.type(0)), factors)
        means = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    ct = volume.modality is Modality.CT
    trusted = (weights >= 0.5) & ~(ct & (means > CT_FOREIGN_HU))
    low, high = CT_RANGE_HU if ct else robust_range(means[trusted])
    body_above = CT_BODY_HU if ct else low + MR_BODY_FRACTION * (high - low)
    scaled = np.asarray((means - low) / max(high - low, 1e-6), dtype=np.float32)
    body = main_piece(trusted & (means > body_above))
    if ct:
        scaled = evened(np.clip(scaled, 0.0, 1.0), body)
    else:
        scaled = without_shading(scaled, body, grid)
        scaled /= max(float(np.percentile(scaled[body], MR_ROBUST_PERCENTILES[1])), 1e-6) if body.any() else 1.0
    scaled = np.clip(scaled, 0.0, 1.0)
    bone = trusted & (means > CT_BONE_HU) if ct else np.zeros(grid.shape, dtype=bool)
    return Level(
        np.where(trusted, scaled, np.float32(np.nan)),
        near(body, grid, BODY_MARGIN_MM),
        near(bone, grid, BONE_MARGIN_MM),
        grid,
    )


def evened(samples: Float32Array, body: BoolArray) -> Float32Array:
    """The samples with grey values halfway to equally frequent ones.

    Fat, muscle and organs lie within a tenth of CT's range, where equal steps give a joint histogram two bins; bone's
    rare values fill the others. Halfway, both keep bins of their own.

    Examples
    --------
    >>> dark = np.array([0.10, 0.10, 0.12, 0.14, 0.90], np.float32)
    >>> [f"{value:.3f}" for value in evened(dark, np.ones(5, bool))]
    ['0.112', '0.112', '0.310', '0.445', '0.950']
    """
    known = samples[body]
    if not known.size:
        return samples
    quantiles = np.quantile(known, np.linspace(0.0, 1.0, QUANTILES))
    values, first, times = np.unique(quantiles, return_index=True, return_counts=True)
    rank = np.interp(samples, values, (first + (times - 1) / 2) / (QUANTILES - 1))  # of ties the middle
    return np.asarray((rank + samples) / 2, dtype=np.float32)


def coarser(level: Level, spacing_mm: float) -> Level:
    """The same image averaged further.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> fine = Level(np.ones((4, 4, 4), np.float32), np.ones((4, 4, 4), bool), np.zeros((4, 4, 4), bool),
    ...              Grid.from_spacing((4, 4, 4), (2.0, 2.0, 2.0)))
    >>> coarser(fine, 4.0).grid.shape
    (2, 2, 2)
    """
    factors = [max(1, round(spacing_mm / step)) for step in level.grid.spacing_mm]
    known = np.isfinite(level.samples)
    weights = block_means(known.astype(np.float32), factors)
    sums = block_means(np.where(known, level.samples, np.float32(0)), factors)
    means = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    return Level(
        np.where(weights >= 0.5, means, np.float32(np.nan)).astype(np.float32),
        block_means(level.body.astype(np.float32), factors) >= 0.5,
        block_means(level.bone.astype(np.float32), factors) >= 0.5,
        block_grid(level.grid, factors),
    )


def robust_range(values: Float32Array) -> tuple[float, float]:
    """The MR's tissue range: percentiles of what is not exactly the background's minimum."""
    tissue = values[values > values.min()] if values.size else values
    if tissue.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(tissue, MR_ROBUST_PERCENTILES)
    return float(low), float(high)


def main_piece(mask: BoolArray) -> BoolArray:
    """The largest connected piece, which leaves the table behind."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax(), dtype=bool)


def near(mask: BoolArray, grid: Grid, distance_mm: float) -> BoolArray:
    """The mask and what lies within the distance of it (city-block steps of the lattice: cheap and enough)."""
    grown = mask
    for axis, step in enumerate(grid.spacing_mm):
        reach = int(distance_mm / step)
        if reach:
            grown = ndimage.maximum_filter1d(grown, size=2 * reach + 1, axis=axis)
    return np.asarray(grown, dtype=bool)
