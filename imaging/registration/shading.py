"""A coil's slow shading on an MR image, and the image without it.

A surface coil's image falls to a fraction of its brightness across the pelvis. One tissue then takes many grey values,
the joint histogram that a match is judged by is smeared, and a wrong place scores as well as the right one: on made-up
pelves with shading every third search went astray, none without it.

Source: Sled, Zijdenbos & Evans, IEEE TMI 17 (1998) 87 (N3: the field is what sharpens the histogram of the logarithm),
with the sharpening done by mean shift and the field a polynomial of second degree, which has too few numbers to follow
anatomy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.registration.blocks import block_grid, block_means

__all__ = ["without_shading"]

BLOCK_MM = 8.0  # the field varies over decimetres
WHOLLY_BODY = 0.9  # of a block; the rest is mixed with air
FEWEST_BLOCKS = 100  # ten for each of the polynomial's numbers
ROUNDS = 30  # the widths below have converged by then
# Widths of the mean shift, in logarithm: from that of any pelvis's whole shading to that of a tissue's own texture.
FIRST_WIDTH, WIDTH_DECAY, LAST_WIDTH = 0.4, 0.9, 0.12
BIN = 0.02  # a sixth of the smallest width
DARKEST = 0.02  # of the tissue range: what lies below is noise
# A field that is one makes the histogram sharper by much more than this: by 0.2 to 0.8 on shaded pelves. One that
# follows anatomy, on images without shading or too small to show it, makes it duller or leaves it as it was.
LEAST_GAIN = 0.05
MOST_FIELD = 2.0  # beyond a factor of seven either way nothing is left to see


def without_shading(samples: NDArray[np.float32], body: BoolArray, grid: Grid) -> NDArray[np.float32]:
    """The samples divided by their shading, or as they are where none is found.

    Parameters
    ----------
    samples
        (slices, rows, columns), 0 to about 1 over the tissue range.
    body
        True on the patient.

    Examples
    --------
    >>> grid = Grid.from_spacing((16, 32, 32), (6.0, 6.0, 6.0))
    >>> k, j, i = np.indices(grid.shape)
    >>> tissue = np.where((k // 4 + j // 4 + i // 4) % 2, 0.9, 0.3)
    >>> shaded = (tissue * np.exp(-j / 40)).astype(np.float32)
    >>> even = without_shading(shaded, np.ones(grid.shape, bool), grid)
    >>> bright = even[tissue > 0.5]
    >>> bool(bright.std() < 0.05 * bright.mean() and shaded[tissue > 0.5].std() > 0.2 * shaded[tissue > 0.5].mean())
    True
    """
    factors = [max(1, round(BLOCK_MM / step)) for step in grid.spacing_mm]
    blocks = block_grid(grid, factors)
    share = block_means(body.astype(np.float32), factors)
    total = block_means(np.where(body, samples, np.float32(0)), factors)
    chosen = share > WHOLLY_BODY
    if chosen.sum() < FEWEST_BLOCKS:
        return samples
    logs = np.log(np.maximum(total[chosen] / share[chosen], DARKEST)).astype(np.float64)
    powers = polynomial(blocks, chosen)
    numbers = sharpening(logs, powers[chosen])
    field = np.einsum("kjin,n->kji", powers, numbers)
    left = logs - field[chosen]
    if np.abs(field[chosen]).max() > MOST_FIELD or entropy(left) > entropy(logs) - LEAST_GAIN:
        return samples
    to_block = blocks.index_from_point @ grid.affine
    fine = ndimage.affine_transform(
        field.astype(np.float32), to_block[:3, :3], to_block[:3, 3], output_shape=samples.shape, order=1, mode="nearest"
    )
    return np.asarray(samples * np.exp(-fine), dtype=np.float32)


def polynomial(blocks: Grid, chosen: BoolArray) -> FloatArray:
    """The nine powers of second degree at each block (slices, rows, columns, 9), each of mean 0 over the chosen ones.

    Blocks outside the box of the chosen ones take the value at its side: a parabola is no coil beyond its data.
    """
    points = blocks.points(np.indices(blocks.shape).reshape(3, -1).T)
    inside = points[chosen.ravel()]
    low, high = inside.min(axis=0), inside.max(axis=0)
    x, y, z = ((np.clip(points, low, high) - (low + high) / 2) / np.maximum((high - low) / 2, 1.0)).T
    powers = np.stack([x, y, z, x * x, y * y, z * z, x * y, y * z, z * x], axis=1)
    powers -= powers[chosen.ravel()].mean(axis=0)
    return powers.reshape(*blocks.shape, 9)


def sharpening(logs: FloatArray, powers: FloatArray) -> FloatArray:
    """The numbers (9,) whose field, taken off the logarithms (n,), sharpens their histogram.

    In each round every value is drawn to the nearest crowd of values, and the field takes up what of that is slow.
    """
    # einsum, not @: see imaging.registration.interpolation.times
    inverse = np.linalg.inv(np.einsum("ni,nj->ij", powers, powers) + 1e-6 * len(logs) * np.eye(powers.shape[1]))
    numbers = np.zeros(powers.shape[1])
    for round_ in range(ROUNDS):
        values = logs - np.einsum("ni,i->n", powers, numbers)
        drawn = crowd(values, max(FIRST_WIDTH * WIDTH_DECAY**round_, LAST_WIDTH))
        change = np.einsum("ij,nj,n->i", inverse, powers, values - drawn)
        if not np.isfinite(change).all() or np.abs(numbers + change).max() > MOST_FIELD:
            break
        numbers = numbers + change
    return numbers


def crowd(values: FloatArray, width: float) -> FloatArray:
    """The mean of the values around each of them, under a Gaussian of that width."""
    first = values.min() - 4 * width
    count = int((values.max() + 4 * width - first) / BIN) + 2
    middles = first + BIN * (np.arange(count) + 0.5)
    heights = np.bincount(((values - first) / BIN).astype(np.intp), minlength=count).astype(np.float64)
    sums, weights = (ndimage.gaussian_filter1d(h, width / BIN, mode="constant") for h in (heights * middles, heights))
    return np.asarray(np.interp(values, middles, sums / np.maximum(weights, 1e-12)), dtype=np.float64)


def entropy(values: FloatArray) -> float:
    """Of the values' histogram, in nats."""
    bins = np.floor(values / (2.5 * BIN)).astype(np.int64)
    share = np.bincount(bins - bins.min()) / len(bins)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())
