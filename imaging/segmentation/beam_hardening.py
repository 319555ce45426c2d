"""Streaks between dense bodies: found and said, never corrected.

Beam hardening and photon starvation join dense bodies by dark bands in which noise is higher. Every outline near them
is in doubt (the project's simulations: volumes off by a tenth to twofold), and nothing in the image undoes them.

A band is soft tissue, near material, that is darker than the tissue about the material and noisier than it at once, and
wider than a seam of fat. Fat is as dark and no noisier; along an edge nothing changes, so noise is read in the
direction that changes least. A band that lies in fat or bone only is missed.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray, SampleArray
from imaging.segmentation.reach import box_around, distance_mm

__all__ = ["STREAKED_ML", "WITHIN_MM", "streaked_ml"]

STREAKED_ML = 0.3  # of a band's core; the clean phantoms and scans that it was measured on show 0.0 to 0.2
WITHIN_MM = 25.0  # of material
TISSUE_HU = (-250.0, 300.0)  # fat and muscle, a dark band in them included; not bone, not air
APART_MM = 1e6  # between slices, so that distances are those in the plane, where streaks run
BLUR_GAP_MM = 4.0  # nearer to bone, material or air the mean is theirs
AVERAGE_MM = 2.0  # width of the means
DARKER_HU = 50.0  # than the denser quarter of the tissue, which is muscle
NOISIER = 1.5  # than the tissue's median
DEPTH_MM = 2.5  # a band is more than 5 mm wide; seams of fat between muscles are thinner


def streaked_ml(samples: SampleArray, material: BoolArray, spacing_mm: tuple[float, float, float]) -> float:
    """How much soft tissue near material is the core of bands both darker and noisier than the rest of it.

    Parameters
    ----------
    samples
        (slices, rows, columns) HU.
    material
        Of the same shape.
    spacing_mm
        (slice, row, column).

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> tissue = random.normal(50, 12, (8, 70, 70))
    >>> dense = np.zeros(tissue.shape, bool)
    >>> dense[:, 30:40, 5:15] = dense[:, 30:40, 55:65] = True
    >>> banded = tissue.copy()
    >>> banded[:, 28:42, 15:55] += random.normal(-120, 21, (8, 14, 40))
    >>> [streaked_ml(np.where(dense, 3071, hu), dense, (1.0, 1.0, 1.0)) > STREAKED_ML for hu in (tissue, banded)]
    [False, True]
    """
    if not material.any():
        return 0.0
    box = box_around(material, spacing_mm, WITHIN_MM)
    hu = samples[box].astype(np.float64)
    smooth = ndimage.gaussian_filter(hu, [0.0, *(AVERAGE_MM / 2 / step for step in spacing_mm[1:])])
    foreign = (smooth < TISSUE_HU[0]) | (smooth > TISSUE_HU[1])
    tissue = distance_mm(foreign, (APART_MM, *spacing_mm[1:])) > BLUR_GAP_MM
    if not tissue.any():
        return 0.0
    around = [0.0, *(AVERAGE_MM / step for step in spacing_mm[1:])]
    mean = _mean_in(tissue, hu, around)
    noise = np.sqrt(_mean_in(tissue, _grain(hu) ** 2, around))
    near = tissue & (distance_mm(material[box], spacing_mm) <= WITHIN_MM)
    dark = mean < np.quantile(mean[tissue], 0.75) - DARKER_HU
    streaked = near & dark & (noise > NOISIER * np.median(noise[tissue]))
    core = distance_mm(~streaked, (APART_MM, *spacing_mm[1:])) > DEPTH_MM
    return float(np.count_nonzero(core) * np.prod(spacing_mm) / 1000)


def _grain(hu: FloatArray) -> FloatArray:
    """The least of the second differences in four directions of the plane: along an edge there is none."""
    out = []
    for row, column in ((0, 1), (1, 0), (1, 1), (1, -1)):
        beside = np.roll(hu, (row, column), (1, 2)) + np.roll(hu, (-row, -column), (1, 2))
        out.append(np.abs(hu - beside / 2))
    return np.asarray(np.min(out, axis=0))


def _mean_in(where: BoolArray, values: FloatArray, sigma: list[float]) -> FloatArray:
    weight = ndimage.gaussian_filter(where.astype(np.float64), sigma)
    return np.asarray(ndimage.gaussian_filter(np.where(where, values, 0.0), sigma) / np.maximum(weight, 1e-6))
