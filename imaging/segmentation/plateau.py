"""How dense a material is where nothing dilutes it, and whether the scanner could store that value at all.

Partial volume and blur lower every voxel near a surface, so the plateau is read from the eroded core; a 12-bit CT
cannot store more than about 3071 HU, so a plateau at that level is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from imaging.arrays import BoolArray
from imaging.volume import Volume

__all__ = ["DENSEST_CEMENT_HU", "hidden_plateau_hu", "plateau_hu", "saturation_level"]

DENSEST_CEMENT_HU = 8600.0  # 30 % BaSO4 by weight at 120 kVp, computed from mass attenuation (xraydb, spekpy)
EDGE_FROM_HU = 1400.0  # lower, an edge voxel may be cortical bone
EDGE_BELOW_CLIP_HU = 60.0  # two to five noise deviations: nearer to the clip noise itself is clipped
EDGE_VOXELS = 50  # fewer say nothing
INDEPENDENT_SHARE = 0.5  # neighbouring edge voxels share blur and noise, so they count half
CREDIBLE = (0.025, 0.5, 0.975)
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


def hidden_plateau_hu(edge_hu: NDArray[np.float32], background_hu: float, clip_hu: float) -> tuple[float, float, float]:
    """What a plateau beyond the clip probably is, judged by how the edge climbs towards it.

    Under Gaussian blur a plane edge has its steepest place, and so the fewest voxels, at half height. Where among the
    readable HU the voxels are rarest therefore tells the plateau, whatever the blur's width is: the density of edge
    voxels at level t is proportional to exp(z²/2), z the normal quantile of (t - background) / (plateau - background).

    Parameters
    ----------
    edge_hu
        HU of all voxels near the surface; those below 1400 HU (bone) and near the clip are not used.
    background_hu
        What surrounds the material.
    clip_hu
        The top of the scale.

    Returns
    -------
    low, middle, high
        2.5, 50 and 97.5 % of the posterior over plateaus between the clip and the densest cement (8600 HU), all equally
        likely by ratio beforehand.

    Examples
    --------
    >>> share = special.ndtr(np.linspace(-3, 3, 4001))
    >>> edge = (45 + share * (3500 - 45)).astype(np.float32)
    >>> low, middle, high = hidden_plateau_hu(edge, 45.0, 3071.0)
    >>> low < 3500 < high, abs(middle - 3500) < 150
    (True, True)
    """
    plateaus = np.geomspace(clip_hu, max(DENSEST_CEMENT_HU, 1.01 * clip_hu), 60)
    readable = edge_hu[(edge_hu >= EDGE_FROM_HU) & (edge_hu < clip_hu - EDGE_BELOW_CLIP_HU)].astype(np.float64)
    log_likelihood = np.zeros(plateaus.size)
    if readable.size >= EDGE_VOXELS:
        levels = np.linspace(EDGE_FROM_HU, clip_hu - EDGE_BELOW_CLIP_HU, 200)
        for number, plateau in enumerate(plateaus):
            height = plateau - background_hu
            normaliser = np.trapezoid(np.exp(special.ndtri((levels - background_hu) / height) ** 2 / 2), levels)
            squares = special.ndtri((readable - background_hu) / height) ** 2
            log_likelihood[number] = squares.sum() / 2 - readable.size * np.log(normaliser)
    weight = np.exp(INDEPENDENT_SHARE * (log_likelihood - log_likelihood.max()))
    low, middle, high = np.interp(CREDIBLE, np.cumsum(weight) / weight.sum(), plateaus)
    return float(low), float(middle), float(high)
