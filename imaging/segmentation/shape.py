"""What shape is expected on a region: an ellipsoid's, or an earlier mask's at a scale that the image chooses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import EmptyMask, GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.segmentation.ellipsoid import Ellipsoid
from imaging.segmentation.region import Region, measured_in, on_region, samples_seen
from imaging.volume import Modality, Volume

__all__ = [
    "ExpectedShape",
    "Trust",
    "Witness",
    "best_scale",
    "contrast_across",
    "earlier_map",
    "ellipsoid_of_map",
    "shows_layers",
]

# Candidate lengths of the lesion now over its length then: from a quarter of the volume to twelve times it.
SCALES = 1.02 ** np.arange(-25, 43)
# Before the image is looked at, the logarithm of the change in length follows a Laplace law: most lesions hardly
# change, and some double. Treated bone fills in slowly: a much smaller outline is rarer than a larger one.
GROWTH_SPREAD, SHRINKAGE_SPREAD = 0.25, 0.15
# How many e-folds of likelihood one nat of divergence across the contour is worth. Sharp borders of the shared real
# lesions differ from no border by 0.2 to 0.4 nat: more than the three e-folds that a doubling of the length needs.
# These numbers were chosen on earlier masks put at 0.53 to 1.18 of the true length of 16 real lesions.
CONTRAST_WORTH = 20.0
CORE = -0.25  # mean radii: what of the earlier mask is taken for lesion still, whatever has become of its border
LAYER = 0.25  # mean radii: thickness of the layers on either side of a candidate that are compared
LAYERS = (-0.25, 0.0)  # mean radii: where the layers begin that are compared with the earlier image's
# What one nat is worth by which those layers differ from the earlier image's. Layers and worth (20, 30, 40 were tried
# and further layers on either side) were chosen on phantoms and lesions in real scans of benchmark_follow_up.py, seeds
# 0 to 15: treatment changes the inside, and farther out there is less to tell than on the border's two sides.
LIKENESS_WORTH = 30.0
# Of 33 follow-ups between a half and one most gained from the witness, but at 0.64 a lesion of the sample case came out
# 13 % too large: the limit lies on the safe side of it.
LEAST_FILLED = 2 / 3
RING = 0.35  # the same for judging a finished mask
CONTRAST_BINS = 32
OVERSHOOT = 1e-3  # beyond 0…1, as interpolation in float32 may leave it
MOST_SHAPE_ODDS = 6.0  # twice what one voxel's brightness may say: far from the expected place no evidence suffices


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a contour may lie from the expected one, in mean radii for each unit of log-odds.

    Parameters
    ----------
    inside, outside
        Softness on either side of the expected surface.
    scale
        Length of the likeliest body over that of the ellipsoid.
    volume_cv, doubted_cv
        How far the volumes of outlines from such a shape are off as measured, as coefficients of variation, beyond
        what the engines differ by (all of them see the same shape and the same image): without and with a warning.
    """

    inside: float
    outside: float
    scale: float = 1.0
    volume_cv: float = 0.0
    doubted_cv: float = 0.0

    def cv_beside(self, findings: Iterable[Finding]) -> float:
        """How far off volumes are beside these findings on the outline.

        Examples
        --------
        >>> trust = Trust(inside=0.1, outside=0.1, volume_cv=0.2, doubted_cv=0.6)
        >>> trust.cv_beside([]), trust.cv_beside([Finding("LOW_CONTRAST", Severity.WARNING, "")])
        (0.2, 0.6)
        """
        is_doubted = any(finding.severity is not Severity.INFO for finding in findings)
        return self.doubted_cv if is_doubted else self.volume_cv


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ExpectedShape:
    """An ellipsoid as frame, and where an earlier mask is known, that mask as the finer shape.

    Parameters
    ----------
    ellipsoid
        Centre, directions and size.
    trust
        How stiffly it is held.
    earlier, grid
        Probability map (slices, rows, columns) of the earlier mask and where it lies, already scaled; or None.
    """

    ellipsoid: Ellipsoid
    trust: Trust
    earlier: NDArray[np.float32] | None = None
    grid: Grid | None = None

    def scaled(self, factor: float) -> ExpectedShape:
        """The same shape about the same centre, every length times the factor."""
        grid = None if self.grid is None else _scaled_about(self.grid, self.ellipsoid.centre, factor)
        return ExpectedShape(ellipsoid=self.ellipsoid.scaled(factor), trust=self.trust, earlier=self.earlier, grid=grid)

    def distance(self, region: Region) -> NDArray[np.float32]:
        """Signed distance to the expected surface in mean radii, negative inside."""
        if self.earlier is None or self.grid is None:
            distance = self.ellipsoid.distance_mm(region.points()).reshape(region.grid.shape)
        else:
            distance = signed_distance_mm(on_region(self.earlier, self.grid, region.grid, outside=0.0), region)
        return np.asarray(distance / self.ellipsoid.mean_radius_mm, dtype=np.float32)

    def log_odds(self, distance: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the shape alone says about each voxel."""
        softness = np.where(distance > 0, self.trust.outside, self.trust.inside)
        return np.asarray(np.clip(-distance / softness, -MOST_SHAPE_ODDS, MOST_SHAPE_ODDS), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """The earlier exam's image on the region, as registration laid it there.

    Parameters
    ----------
    samples
        (slices, rows, columns) float32 on the region's grid, as bright as the later image shows the surroundings.
    known
        True where that image measured something.
    """

    samples: NDArray[np.float32]
    known: BoolArray

    @classmethod
    def on(cls, region: Region, earlier: Volume, around: BoolArray) -> Witness:
        """The image on the region, brought to its brightness by what both show ``around`` the lesion.

        Hounsfield units are the same on both. Units of MR are arbitrary but for their zero: one factor takes one
        scanner's to another's, and what lesion and rim have become since does not touch it.
        """
        known = on_region(measured_in(earlier), earlier.grid, region.grid, outside=0.0) > 0.5
        samples = on_region(samples_seen(earlier), earlier.grid, region.grid, smooth=True)
        both = around & known
        if earlier.modality is Modality.MR and both.any():
            there, here = (float(np.median(image[both])) for image in (samples, region.samples))
            samples = samples * np.float32(here / there if there > 0 else 1.0)
        return cls(samples, known)


def shows_layers(image: Volume, radius_mm: float) -> bool:
    """Whether a layer beside the contour of so large a lesion fills two thirds of the image's longest voxel side.

    A thinner one is mixed with its neighbours there, and looks like nothing that another image shows.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((4, 8, 8), (6.0, 1.0, 1.0))
    >>> thick = Volume(samples=np.zeros(grid.shape, np.float32), grid=grid, modality=Modality.MR)
    >>> shows_layers(thick, 8.0), shows_layers(thick, 25.0)
    (False, True)
    """
    return LAYER * radius_mm >= LEAST_FILLED * max(image.grid.spacing_mm)


def signed_distance_mm(probability: NDArray[np.float32], region: Region) -> FloatArray:
    """Distance to the surface where the probability crosses a half, negative inside, to about half a voxel.

    Raises
    ------
    EmptyMask
        If no voxel reaches a half.
    """
    inside = probability >= 0.5
    if not inside.any():
        raise EmptyMask("the earlier mask does not reach the region that it should define")
    outward = ndimage.distance_transform_edt(~inside)
    inward = ndimage.distance_transform_edt(inside)
    return np.asarray((np.where(inside, 0.5 - inward, outward - 0.5)) * region.spacing_mm, dtype=np.float64)


def earlier_map(prior: FloatArray | NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """The mask of an earlier exam as a probability on this grid.

    Raises
    ------
    GeometryError
        It does not fill the grid.
    UsageError
        BAD_PRIOR: values that are no probability, such as labels or what is no number.

    Examples
    --------
    >>> earlier_map(np.array([[[True, False]]]), Grid.from_spacing((1, 1, 2), (1.0, 1.0, 1.0)))
    array([[[1., 0.]]], dtype=float32)
    """
    if prior.shape != grid.shape:
        raise GeometryError(f"prior {prior.shape} does not fill the image's grid {grid.shape}")
    probability = np.asarray(prior, dtype=np.float32)
    if not (probability.min() >= -OVERSHOOT and probability.max() <= 1 + OVERSHOOT):  # False for what is no number
        raise UsageError("an earlier mask is given as a probability from 0 to 1", code="BAD_PRIOR")
    return probability


def ellipsoid_of_map(probability: NDArray[np.float32], grid: Grid) -> Ellipsoid:
    """The ellipsoid with the map's centre, main directions and volume.

    Raises
    ------
    EmptyMask
        If the map holds nothing.

    Examples
    --------
    >>> grid = Grid.from_spacing((20, 20, 20), (1.0, 1.0, 1.0))
    >>> mask = np.zeros(grid.shape, np.float32); mask[5:15, 5:15, 5:15] = 1
    >>> shape = ellipsoid_of_map(mask, grid)
    >>> round(shape.volume_ml, 6), shape.centre.round(6).tolist()
    (1.0, [9.5, 9.5, 9.5])
    """
    held = np.argwhere(probability > 0.05)  # what interpolation smears below it weighs nothing
    if len(held) == 0:
        raise EmptyMask("the earlier mask is empty on this image: nothing to follow")
    weights = probability[tuple(held.T)].astype(np.float64)
    return Ellipsoid.of_moments(grid.points(held), weights, volume_mm3=float(weights.sum()) * grid.voxel_volume_mm3)


def best_scale(
    region: Region,
    distance: NDArray[np.float32],
    centre: FloatArray,
    usable: BoolArray,
    *,
    witness: Witness | None = None,
) -> float:
    """The scale about ``centre`` at which the expected contour separates two different looks best.

    For each candidate three histograms of brightness are compared: the earlier mask's core, the layer just inside the
    candidate and the layer just outside. The border is where the inner layer still looks like the core and the outer
    one like neither; so growth does not run on into an oedema rim that has a sharp border of its own, and several looks
    (blood, cement) or a neighbour as bright as the lesion on one side do no harm. Without contrast the answer stays
    near 1.

    Where the earlier exam's image is known, its own contour says how the layers on either side of it look, rim and all;
    the candidate whose layers look like those is the likelier, and less is held against a change.

    Parameters
    ----------
    region, usable
        The image, and the voxels that may be looked at; the region must reach beyond 2.9 radii.
    distance
        Signed distance to the unscaled contour in its mean radii.
    centre
        (3,) LPS mm.
    witness
        The earlier image, where it is known.

    Source: region contrast as in Chan and Vese, IEEE TIP 10:266, 2001, with histograms instead of means.
    """
    in_core = (distance < CORE) & usable
    edges = _edges(region.samples, in_core)
    look = np.searchsorted(edges, region.samples, side="right")
    then = (
        []
        if witness is None
        else _layers(np.searchsorted(edges, witness.samples, side="right"), distance, usable & witness.known)
    )
    shrinkage_spread = SHRINKAGE_SPREAD if witness is None else GROWTH_SPREAD
    pivot = region.grid.indices([centre])[0]
    scores = []
    for scale in SCALES:
        at_scale = ndimage.affine_transform(distance, np.eye(3) / scale, pivot - pivot / scale, order=1, mode="nearest")
        inner = (at_scale < 0) & (at_scale >= -LAYER) & usable
        outer = (at_scale >= 0) & (at_scale < LAYER) & usable
        contrast = _border(look[in_core], look[inner], look[outer])
        change = np.log(scale)
        rarity = max(change / GROWTH_SPREAD, -change / shrinkage_spread)
        unlike = sum(divergence(a, b) for a, b in zip(then, _layers(look, at_scale, usable), strict=False))
        scores.append(CONTRAST_WORTH * contrast - LIKENESS_WORTH * unlike - rarity)
    return float(SCALES[int(np.argmax(scores))])


def contrast_across(region: Region, mask: BoolArray, usable: BoolArray) -> float:
    """How much the looks inside a mask and in the ring round it differ, in nats: 0 nothing to ln 2 all.

    The ring is as wide as :func:`best_scale`'s: a third of the radius of the ball of equal volume.
    """
    if not mask.any():
        return 0.0
    radius = float((mask.sum() / (4 / 3 * np.pi)) ** (1 / 3))
    ring = ~mask & (ndimage.distance_transform_edt(~mask) < max(RING * radius, 1.5))
    return divergence(*(_looks(region.samples, mask)[part & usable] for part in (mask, ring)))


def divergence(here: NDArray[np.int64], there: NDArray[np.int64]) -> float:
    """Jensen–Shannon divergence of the histograms of two sets of looks: 0 if equal, ln 2 if apart.

    Both get one count a bin beforehand and are smoothed by one bin, so that few voxels do not look like contrast.

    Source: Lin, IEEE Trans. Inf. Theory 37:145, 1991.

    Examples
    --------
    >>> divergence(np.array([3, 3, 4]), np.array([3, 3, 4])), divergence(np.full(999, 3), np.full(999, 30)) > 0.5
    (0.0, True)
    """
    counts = (np.bincount(looks, minlength=CONTRAST_BINS).astype(np.float64) for looks in (here, there))
    one, two = (ndimage.gaussian_filter1d(count, 1.0, mode="nearest") + 1 for count in counts)
    one, two = one / one.sum(), two / two.sum()
    mean = (one + two) / 2
    return float((one * np.log(one / mean)).sum() / 2 + (two * np.log(two / mean)).sum() / 2)


def _border(core: NDArray[np.int64], inner: NDArray[np.int64], outer: NDArray[np.int64]) -> float:
    """How much a layer inside looks like the core, and one outside like neither."""
    return divergence(core, outer) - divergence(core, inner) + divergence(inner, outer)


def _layers(look: NDArray[np.int64], distance: NDArray[np.float32], usable: BoolArray) -> list[NDArray[np.int64]]:
    """The looks of the layers on either side of a contour."""
    return [look[(distance >= low) & (distance < low + LAYER) & usable] for low in LAYERS]


def _looks(samples: NDArray[np.float32], lesion: BoolArray) -> NDArray[np.int64]:
    return np.searchsorted(_edges(samples, lesion), samples, side="right")


def _edges(samples: NDArray[np.float32], lesion: BoolArray) -> FloatArray:
    """The limits of bins of equal population, half of them of the region and half of the lesion itself.

    No scanner's scale and no outlier moves them, and a small lesion's brightness is told from its rim's.
    """
    shares = np.arange(1, CONTRAST_BINS // 2) / (CONTRAST_BINS // 2)
    edges = np.quantile(samples, shares)
    if lesion.any():
        edges = np.sort(np.concatenate([edges, np.quantile(samples[lesion], shares)]))
    return np.asarray(edges, dtype=np.float64)


def _scaled_about(grid: Grid, centre: FloatArray, factor: float) -> Grid:
    affine = grid.affine.copy()
    affine[:3, :3] *= factor
    affine[:3, 3] = centre + factor * (affine[:3, 3] - centre)
    return Grid(grid.shape, affine)
