"""On which side of the patient a mask lies, judged by the image: a check on what people wrote.

The midline is where the mask's own slices are their own mirror image best. Where nothing mirrors well, as on a limb or
an image of one side alone, there is no answer, and a side within a centimetre of the midline is not judged.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.volume import Modality, Volume

__all__ = ["side_of"]

COARSE_MM = 4.0  # symmetry of bones and muscles, not of noise
CENTRAL = 0.3  # the midline is sought in the middle of the image, this share of its width to either side
LEAST_LIKENESS = 0.5  # correlation of the two halves; the pelvis of the tests has 0.8, limbs and noise less than 0.4
UNSURE_MM = 10.0
LOWEST_HU, HIGHEST_HU = -200.0, 1000.0


def side_of(mask: BoolArray, volume: Volume) -> str | None:
    """``left`` or ``right`` of the patient; None where the image cannot tell.

    Parameters
    ----------
    mask
        (slices, rows, columns) on the volume's grid; an empty one is on no side.
    volume
        An image that shows the body from side to side.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((1, 10, 100), (5.0, 4.0, 4.0))
    >>> body = np.full(grid.shape, -1000, np.int16)
    >>> body[:, :, 10:90] = 40
    >>> mask = np.zeros(grid.shape, bool)
    >>> mask[:, 5, 70] = True
    >>> side_of(mask, Volume(samples=body, grid=grid, modality=Modality.CT))
    'left'
    """
    column_step = volume.grid.affine[:3, 2]
    if abs(column_step[0]) < np.abs(column_step[1:]).max():
        return None  # the columns do not run from side to side
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if slices.size == 0:
        return None
    samples = volume.samples[slices].astype(np.float64)
    if volume.modality is Modality.CT:
        samples = np.clip(samples, LOWEST_HU, HIGHEST_HU)  # metal and cement are not mirrored
    steps = [max(1, round(COARSE_MM / spacing)) for spacing in volume.grid.spacing_mm[1:]]
    coarse = ndimage.uniform_filter(samples, (1, *steps))[:, :: steps[0], :: steps[1]]
    column = mirror_column(coarse)
    if column is None:
        return None
    centre = np.argwhere(mask).mean(axis=0)
    midline = np.array([centre[0], centre[1], column * steps[1]])
    offset_mm = float((volume.grid.points([centre]) - volume.grid.points([midline]))[0, 0])
    if abs(offset_mm) < UNSURE_MM:
        return None
    return "left" if offset_mm > 0 else "right"


def mirror_column(samples: FloatArray) -> float | None:
    """The column, in half steps, about which (slices, rows, columns) are most their own mirror image."""
    count = samples.shape[2]
    best, place = LEAST_LIKENESS, None
    for double in range(round(2 * count * (0.5 - CENTRAL)), round(2 * count * (0.5 + CENTRAL))):
        here = np.arange(max(0, double - count + 1), (double - 1) // 2 + 1)
        if here.size < count // 5:
            continue
        left, right = samples[:, :, here], samples[:, :, double - here]
        likeness = correlation(left, right)
        if likeness > best:
            best, place = likeness, double / 2
    return place


def correlation(one: FloatArray, two: FloatArray) -> float:
    a, b = one - one.mean(), two - two.mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0
