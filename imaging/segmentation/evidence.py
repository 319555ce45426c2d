"""What is known of each voxel before an engine is asked: brightness, expected shape, marks and edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from imaging.arrays import BoolArray
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.segmentation.appearance import histogram_log_odds, seed_adaptive
from imaging.segmentation.graph_cut import boundary_weights
from imaging.segmentation.marks import marked_voxels
from imaging.segmentation.prompt import Prompt
from imaging.segmentation.random_walk import random_walk
from imaging.segmentation.region import Region, on_region, region_around
from imaging.segmentation.shape import ExpectedShape
from imaging.volume import Volume

__all__ = ["Evidence", "Marks", "evidence_of"]

REACH = 0.9  # mean radii of surroundings on the region
CORE, RIM, SOFT = -0.125, 0.125, 0.08  # mean radii: surely inside below, surely outside above, width of the passage
AROUND = 0.8  # mean radii: surroundings farther out are other organs
NEARBY = 0.3  # mean radii in which a voxel's say on what surrounds the lesion falls to a third: the rim counts most
ROUNDS = 2  # brightness models from the shape first, then from what they found
MARKED_LOG_ODDS = 9.0  # a reader's mark outweighs shape and brightness together
EVIDENCE = 0.5  # of a decided voxel against one neighbour, in the random walk
MATERIAL_MARGIN_MM = 2.0  # by how much carried material may lie off and its signal void may bloom


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What a reader or the caller ruled in or out, on the native grid."""

    lesion: BoolArray
    never: BoolArray
    material: BoolArray

    @classmethod
    def on(
        cls, grid: Grid, prompts: Sequence[Prompt], *, exclude: BoolArray | None, include: BoolArray | None
    ) -> Marks:
        nothing = np.zeros(grid.shape, dtype=bool)
        never = marked_voxels(prompts, grid, sign=-1)
        return cls(
            marked_voxels(prompts, grid, sign=1),
            never if exclude is None else never | exclude,
            nothing if include is None else include,
        )

    def on_region(self, grid: Grid, region: Region) -> Marks:
        return Marks(
            *(
                on_region(part, grid, region.grid, outside=0.0) > 0.5
                for part in (self.lesion, self.never, self.material)
            )
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """What every engine is given; arrays are (slices, rows, columns) on the region's grid, but for ``native``.

    Parameters
    ----------
    volume, region, shape, marks
        The image, its part on the working grid, what is expected there, and what was ruled in or out.
    native
        The marks on the volume's own grid.
    distance
        Signed distance to the expected surface in mean radii, negative inside.
    log_odds
        Of brightness, shape and marks together; above zero where lesion is likelier.
    weights
        Of :func:`imaging.segmentation.graph_cut.boundary_weights`, one array for each axis.
    likelihood
        Log-odds of brightness alone, 0 where nothing was measured.
    walked
        The random walk's answer on them, which the brightness models are read from.
    remarks
        What had to be assumed.
    """

    volume: Volume
    region: Region
    shape: ExpectedShape
    marks: Marks
    native: Marks
    distance: NDArray[np.float32]
    log_odds: NDArray[np.float32]
    weights: tuple[NDArray[np.float32], ...]
    likelihood: NDArray[np.float32]
    walked: NDArray[np.float32]
    remarks: tuple[Finding, ...] = ()


def evidence_of(
    volume: Volume,
    shape: ExpectedShape,
    native: Marks,
    *,
    remarks: tuple[Finding, ...] = (),
    companion: Volume | None = None,
) -> Evidence:
    """Brightness models from the expected shape first, then from what they found; marks rule over both.

    Parameters
    ----------
    native
        The marks on the volume's grid.
    companion
        A second series of the same exam, judged jointly.
    """
    margin_mm = REACH * shape.ellipsoid.mean_radius_mm
    region = region_around(volume, shape.ellipsoid, margin_mm=margin_mm, companion=companion)
    marks = native.on_region(volume.grid, region)
    distance = shape.distance(region)
    usable = usable_voxels(region, marks).astype(np.float32)
    expected = shape.log_odds(distance)
    inside = expit((CORE - distance) / SOFT) * usable
    nearby = np.exp(-np.maximum(distance, 0) / NEARBY) * (distance < AROUND) * usable
    around = expit((distance - RIM) / SOFT) * nearby
    for _ in range(ROUNDS):
        features = tuple(seed_adaptive(channel, inside, around) for channel in region.channels)
        likelihood = histogram_log_odds(features, inside, around) * region.known
        odds = _ruled(likelihood + expected, distance, marks)
        weights = boundary_weights(*features)
        walked = random_walk(odds, weights, evidence=EVIDENCE)
        inside = walked**2 * usable
        around = (1 - walked) ** 2 * nearby
    return Evidence(
        volume=volume,
        region=region,
        shape=shape,
        marks=marks,
        native=native,
        distance=distance,
        log_odds=odds,
        weights=weights,
        likelihood=likelihood,
        walked=walked,
        remarks=remarks,
    )


def usable_voxels(region: Region, marks: Marks) -> BoolArray:
    """Where the image was measured and shows neither what is ruled out nor material.

    Material is dark as cortex and joints are: what is known to be material must not teach what the lesion looks like.
    """
    return region.known & ~marks.never & ~_near_material(marks, region)


def _near_material(ruled: Marks, region: Region) -> BoolArray:
    steps = max(1, round(MATERIAL_MARGIN_MM / region.spacing_mm))
    return np.asarray(ndimage.binary_dilation(ruled.material, iterations=steps), dtype=bool)


def _ruled(odds: NDArray[np.float32], distance: NDArray[np.float32], ruled: Marks) -> NDArray[np.float32]:
    """The log-odds with marks laid over them."""
    # Material fades from certain inside the expected contour to no statement a quarter radius outside it.
    own = ruled.material * np.clip(1 - distance / 0.25, 0, 1) * MARKED_LOG_ODDS / 2
    result = np.where(ruled.material, np.maximum(odds, own), odds)
    result = np.where(ruled.lesion, MARKED_LOG_ODDS, result)
    return np.where(ruled.never, -MARKED_LOG_ODDS, result).astype(np.float32)
