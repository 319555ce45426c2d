"""The engines by name: each sees the same evidence, and they fail on different lesions.

A weight of 0 in the mean means that the engine is offered and measured, and does not vote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from imaging.segmentation.evidence import Evidence
from imaging.segmentation.fast_march import fast_march
from imaging.segmentation.graph_cut import graph_cut
from imaging.segmentation.star_surface import star_surface

__all__ = ["AGREEMENT", "ENGINES", "EXPECTED_SHAPE", "Engine"]

Engine = Callable[[Evidence], NDArray[np.float32]]
"""From evidence to the probability of lesion, (slices, rows, columns) on the region's grid."""

EXPECTED_SHAPE = "expected shape"
SMOOTHNESS = 1.5  # log-odds of one voxel face of contour through flat ground
STIFFNESS = 1.0
FRONT = 0.4  # mean radii on either side of the expected surface at which the two fronts start


def _cut(evidence: Evidence) -> NDArray[np.float32]:
    return graph_cut(evidence.log_odds, evidence.weights, smoothness=SMOOTHNESS).astype(np.float32)


def _walk(evidence: Evidence) -> NDArray[np.float32]:
    return evidence.walked


def _star(evidence: Evidence) -> NDArray[np.float32]:
    return star_surface(evidence.log_odds, evidence.region.grid, evidence.shape.ellipsoid, stiffness=STIFFNESS)


def _march(evidence: Evidence) -> NDArray[np.float32]:
    never = evidence.marks.never
    inside = ((evidence.distance < -FRONT) | evidence.marks.lesion) & ~never
    outside = ((evidence.distance > FRONT) & ~evidence.marks.lesion) | never
    return fast_march(evidence.log_odds, evidence.weights, inside=inside, outside=outside)


def _shape(evidence: Evidence) -> NDArray[np.float32]:
    voxel = evidence.region.spacing_mm / evidence.shape.ellipsoid.mean_radius_mm
    return np.asarray(np.clip(0.5 - evidence.distance / voxel, 0, 1), dtype=np.float32)


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "graph cut": _cut,
        "random walk": _walk,
        "star surface": _star,
        "fast marching": _march,
        EXPECTED_SHAPE: _shape,
    }
)
AGREEMENT = ("graph cut", "random walk", "star surface", EXPECTED_SHAPE)
"""Those whose mean is the default."""
