"""How dense a material is where nothing dilutes it, and whether the scanner could store that value at all.

Partial volume and blur lower every voxel near a surface, so the plateau is read from the eroded core; a 12-bit CT
cannot store more than about 3071 HU, so a plateau at that level is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.volume import Volume

__all__ = ["plateau_hu", "saturation_level"]

PLATEAU_QUANTILE = 0.90  # high enough to look past voids and thin fingers, low enough not to follow single noisy voxels
CORE_EROSION_MM = 1.0  # one blur width (FWHM 0.7-1.3 mm on body CT); voxels deeper than that are undiluted
MIN_CORE_VOXELS = 5  # fewer voxels make no quantile
SATURATION_FROM_HU = 1900.0  # no CT scale that is in use ends below; bone does not pile up there
PILE_VOXELS = 20  # this many samples at exactly the image's maximum are no coincidence …
PILE_RATIO = 4.0  # … if the same width of scale below it holds so many times fewer


def saturation_level(volume: Volume) -> float | None:
    """The HU at which this image is clipped, or None if its top is open.

    What the volume states goes first. Otherwise many samples lie exactly at the maximum, and few just below.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> from imaging.volume import Modality
    >>> samples = np.minimum(np.arange(0, 40 * 125, 40, dtype=np.int16).reshape(5, 5, 5), 3071)
    >>> ct = Volume(samples=samples, grid=Grid.from_spacing((5, 5, 5), (1, 1, 1)), modality=Modality.CT)
    >>> saturation_level(ct)
    3071.0
    """
    if volume.saturation_hu is not None:
        return volume.saturation_hu
    samples = volume.samples if volume.valid is None else volume.samples[volume.valid]
    if samples.size == 0:
        return None
    top = float(samples.max())
    if top < SATURATION_FROM_HU:
        return None
    at_top = int(np.count_nonzero(samples >= top - 0.5))
    below = int(np.count_nonzero((samples >= top - 10.5) & (samples < top - 0.5))) / 10
    return top if at_top >= PILE_VOXELS and at_top >= PILE_RATIO * max(below, 1.0) else None


def plateau_hu(samples: NDArray[np.float32], mask: BoolArray, spacing_mm: Sequence[float]) -> tuple[float, float, bool]:
    """The undiluted HU of what the mask covers.

    Parameters
    ----------
    samples
        (slices, rows, columns) HU.
    mask
        Where the material certainly is.
    spacing_mm
        (slice, row, column).

    Returns
    -------
    plateau, median, resolved
        The 90 % quantile and the median of the core, and whether there is a core deeper than the blur: a thinner piece
        never shows its plateau, and the first figure is then a lower bound.

    Examples
    --------
    >>> ball = np.full((9, 9, 9), 40.0, np.float32)
    >>> ball[2:7, 2:7, 2:7] = 2200.0
    >>> plateau_hu(ball, ball > 1000, (1.0, 1.0, 1.0))
    (2200.0, 2200.0, True)
    """
    # Across slices thicker than the erosion nothing is eroded: the quantile copes with partly filled end slices.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    core = mask & (depth > max(CORE_EROSION_MM, min(spacing_mm)))
    resolved = int(np.count_nonzero(core)) >= MIN_CORE_VOXELS
    values = samples[core] if resolved else samples[mask]
    high, middle = np.quantile(values, [PLATEAU_QUANTILE, 0.5])
    return float(high), float(middle), resolved
