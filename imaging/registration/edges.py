"""Whether the boundaries of two images run parallel: evidence that no part of the metric saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import FloatArray
from imaging.geometry import Rigid
from imaging.registration.interpolation import indices_of, moved_by, times
from imaging.registration.level import Level
from imaging.registration.points import thinned

__all__ = ["Edges"]

EDGE_SHARE = 30.0  # per cent: the strongest edges take part
EDGE_MOST = 4000  # of the edges, evenly chosen: more change the mean by less than a hundredth
EDGE_SAMPLES = 50  # fewer edges say nothing


@dataclass(frozen=True, eq=False)
class Edges:
    """The first image's strongest edges, and how grey values change across the other image.

    Parameters
    ----------
    points, normals
        LPS points (n, 3) on edges of the first image, bone's if it shows bone, and unit directions across them.
    other, slopes
        The other image, and its slope per mm in patient axes, (slices, rows, columns, 3).
    noise
        The slope's usual size in the other body: weaker ones count for little.
    """

    points: FloatArray
    normals: FloatArray
    other: Level
    slopes: FloatArray
    noise: float

    @classmethod
    def of(cls, first: Level, other: Level) -> Edges:
        slopes, others = gradient(first), gradient(other)
        chosen = (first.bone if first.bone.any() else first.body) & np.isfinite(slopes).all(axis=-1)
        strength = np.linalg.norm(slopes, axis=-1)
        if chosen.any():
            chosen &= strength > np.percentile(strength[chosen], 100.0 - EDGE_SHARE)
        nodes = thinned(np.argwhere(chosen), EDGE_MOST)
        here = tuple(nodes.T)
        normals = slopes[here] / strength[here][:, None]
        sizes = np.linalg.norm(others[other.body], axis=-1)
        sizes = sizes[np.isfinite(sizes)]
        noise = float(np.median(sizes)) if sizes.size else 0.0
        return cls(first.grid.points(nodes), normals, other, others, noise)

    def agreement(self, other_from_first: Rigid) -> float | None:
        """Mean squared cosine between the two images' slopes; None where too few edges are seen.

        Source: normalised gradient fields, Haber & Modersitzki, MICCAI 2006.
        """
        nodes = np.rint(indices_of(self.other.grid, moved_by(other_from_first, self.points))).astype(np.int64)
        seen = ((nodes >= 0) & (nodes < np.array(self.other.grid.shape))).all(axis=1)
        found = self.slopes[tuple(nodes[seen].T)]
        known = np.isfinite(found).all(axis=1)
        if known.sum() < EDGE_SAMPLES:
            return None
        along = (found[known] * times(other_from_first.matrix[:3, :3], self.normals[seen][known])).sum(axis=1)
        return float((along**2 / ((found[known] ** 2).sum(axis=1) + self.noise**2 + 1e-12)).mean())


def gradient(level: Level) -> FloatArray:
    """The samples' slope per mm in patient axes, shape (slices, rows, columns, 3)."""
    samples = level.samples.astype(np.float64)
    by_index = np.stack([np.gradient(samples, axis=axis) for axis in range(3)], axis=-1)
    return times(level.grid.index_from_point[:3, :3].T, by_index.reshape(-1, 3)).reshape(by_index.shape)
