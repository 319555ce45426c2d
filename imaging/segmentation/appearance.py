"""What a lesion looks like here, and what its surroundings look like: read from this image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["histogram_log_odds", "seed_adaptive"]

BINS = 48
LEAST_SPREAD = 1e-6  # of the range of the samples: finer than float32 tells, and the units of MR are arbitrary
MOST_LOG_ODDS = 2.0  # no single voxel is ever more certain than 7 : 1; noise and texture are not independent


def seed_adaptive(
    samples: NDArray[np.float32], inside: NDArray[np.float32], around: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The samples squeezed to −1…1 so that the contrast between lesion and surroundings fills the range.

    tanh of the distance from the midpoint of the two weighted medians, in units of their pooled spread: bright fat,
    metal or air far from both no longer takes up the scale.

    Parameters
    ----------
    samples, inside, around
        Equal shapes; the weights are not negative and do not vanish.

    Examples
    --------
    >>> samples = np.array([0.0] * 10 + [1.0] * 10 + [10.0] * 10 + [3000.0], np.float32)
    >>> inside = (samples == 10).astype(np.float32)
    >>> squeezed = seed_adaptive(samples, inside, 1 - inside)
    >>> bool((np.abs(squeezed) <= 1).all()), bool(squeezed[25] - squeezed[15] > 0.5)
    (True, True)
    """
    here = _weighted_quantiles(samples, inside, (0.1, 0.5, 0.9))
    there = _weighted_quantiles(samples, around, (0.1, 0.5, 0.9))
    middle = (here[1] + there[1]) / 2
    flat = LEAST_SPREAD * (float(samples.max()) - float(samples.min())) or 1.0
    spread = max(abs(here[1] - there[1]), (here[2] - here[0]) / 2, (there[2] - there[0]) / 4, flat)
    return np.asarray(np.tanh((samples - middle) / spread), dtype=np.float32)


def histogram_log_odds(
    features: tuple[NDArray[np.float32], ...], inside: NDArray[np.float32], around: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Log-likelihood ratio of each voxel under two weighted histograms; every mode of either side counts.

    Parameters
    ----------
    features
        One or two arrays of values in −1…1; two are binned jointly.
    inside, around
        Weights of the voxels that show either side.

    Examples
    --------
    >>> feature = np.array([-0.5] * 50 + [0.5] * 50, np.float32)
    >>> inside = (np.arange(100) < 50).astype(np.float32)
    >>> odds = histogram_log_odds((feature,), inside, 1 - inside)
    >>> bool(odds[0] > 1), bool(odds[99] < -1)
    (True, True)
    """
    bins = BINS if len(features) == 1 else BINS // 2
    index = tuple(np.clip(((feature + 1) / 2 * bins).astype(int), 0, bins - 1).ravel() for feature in features)
    flat = np.ravel_multi_index(index, (bins,) * len(features))
    shape = (bins,) * len(features)
    here, there = (_density(flat, weight.ravel(), shape) for weight in (inside, around))
    odds = np.clip(np.log(here) - np.log(there), -MOST_LOG_ODDS, MOST_LOG_ODDS)
    return np.asarray(odds.ravel()[flat].reshape(features[0].shape), dtype=np.float32)


def _density(flat: NDArray[np.int64], weight: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A smoothed histogram that is nowhere 0: a share of it is spread evenly, the larger the fewer voxels there are."""
    count = np.bincount(flat, weight, minlength=int(np.prod(shape))).reshape(shape)
    smooth = ndimage.gaussian_filter(count, 1.5, mode="nearest")
    total = max(float(smooth.sum()), 1e-9)
    even = 20.0 / (20.0 + total) if total > 0 else 1.0
    return np.asarray((1 - even) * smooth / total + even / smooth.size, dtype=np.float64)


def _weighted_quantiles(
    samples: NDArray[np.float32], weight: NDArray[np.float32], shares: tuple[float, ...]
) -> list[float]:
    order = np.argsort(samples, axis=None, kind="stable")
    climbed = np.cumsum(weight.ravel()[order], dtype=np.float64)
    places = np.searchsorted(climbed, np.asarray(shares) * climbed[-1])
    return [float(samples.ravel()[order[min(place, samples.size - 1)]]) for place in places]
