"""The longest straight cut across an outline in one direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import FloatArray

__all__ = ["Chord", "longest_chord"]

SAME_PLACE_DECIMALS = 9  # mm: positions that differ by less differ by rounding alone


@dataclass(frozen=True, slots=True)
class Chord:
    """A cut at ``along`` from ``low`` to ``high``, in the coordinates of the outline."""

    along: float
    low: float
    high: float

    @property
    def length(self) -> float:
        """From end to end."""
        return self.high - self.low


def longest_chord(segments: FloatArray) -> Chord:
    """The cut across the first coordinate, from the outline's one end to its other, that is longest.

    Exact: between two corners of an outline the length of a cut changes linearly, so the longest goes through a corner.
    What lies between the ends, a hole or a bay, is part of the cut. Among equal cuts the first one is told.

    Parameters
    ----------
    segments
        (n, 2, 2) closed outlines as straight pieces: two ends each, (along, across).

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0]])
    >>> longest_chord(np.stack([corners, np.roll(corners, -1, axis=0)], axis=1))
    Chord(along=1.0, low=0.0, high=3.0)
    """
    along = np.round(segments[:, :, 0], SAME_PLACE_DECIMALS)
    across = segments[:, :, 1]
    places, where = np.unique(along, return_inverse=True)
    where = where.reshape(along.shape)
    first, last = where.min(axis=1), where.max(axis=1)
    # One row for each place that a piece of outline passes.
    passes = last - first + 1
    piece = np.repeat(np.arange(len(segments)), passes)
    place = np.arange(passes.sum()) - np.repeat(np.cumsum(passes) - passes, passes) + first[piece]
    run = along[:, 1] - along[:, 0]
    share = np.divide(places[place] - along[piece, 0], run[piece], out=np.zeros(len(piece)), where=run[piece] != 0)
    height = across[piece, 0] + share * (across[piece, 1] - across[piece, 0])
    place = np.concatenate([place, where.ravel()])
    height = np.concatenate([height, across.ravel()])
    high, low = np.full(len(places), -np.inf), np.full(len(places), np.inf)
    np.maximum.at(high, place, height)
    np.minimum.at(low, place, height)
    best = int(np.argmax(high - low))
    return Chord(float(places[best]), float(low[best]), float(high[best]))
