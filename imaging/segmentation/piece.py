"""One piece of radiodense material: its boundary at half height, its volume, and how far that volume can be trusted.

Boundary. Blur moves no surface where the threshold is half way between the material and what surrounds it. Both levels
are taken from the piece itself: the plateau from its core, the background from the tissue around every stretch of its
surface. Growth from the dense core ends after 1.3 mm (or at the next voxel), so that a half level below cortical bone
cannot flood the cortex ("bounded half-maximum").

Volume. Blur and thick slices move a curved surface's half level inward, a small piece's by a tenth of its volume. They
do not move mass: where the plateau can be read, every voxel near the surface counts by the share of material in it, and
the volume is their sum. The mask stays the half level's.

Clip. At the top of a 12-bit CT the plateau is only a lower bound. How the edge climbs tells roughly where it would end,
and how much material that means (:mod:`imaging.segmentation.clipped`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.segmentation.clipped import ClippedEdge, clipped_volumes, read_edge, readable_hu
from imaging.segmentation.plateau import plateau_hu
from imaging.segmentation.reach import box_around, distance_mm, reached

__all__ = ["SWEEP_HU", "Outline", "Scene", "equivalent_radius_mm", "outlines"]

SWEEP_HU = (800.0, 1500.0, 2500.0, 3071.0)  # the thresholds that papers use, and the clip of a 12-bit scale
CORE_SHARE = 0.8  # of the plateau: above it a voxel is surely material
GROWTH_MM = 1.3  # from the core to the half level: the reach of a blur of about 1 mm FWHM
HALO_MM = 1.3  # nearer to a piece than this, density may be the piece's blur and founds no piece of its own
BACKGROUND_GAP_MM = 2.0  # background is read beyond the halo …
BACKGROUND_SIGMA_MM = 2.0  # … and carried inward by a weighted mean of this width
FILL_REACH_MM = 2.0  # four deviations of a blur of 1.2 mm FWHM: what a piece's edge is smeared over
FILL_REACHES_MM = (1.3, 2.6)  # shorter loses mass, longer gathers the background's error: both stand in the interval
FILL_STEPS = (
    0.25  # deviations of the blur by which the plateau's and the background's errors may move the whole surface
)
QUARTILE_STEPS = 1.349  # of a blurred plane edge, between a quarter and three quarters of its height
SWEEP_REACH_MM = 3.0  # how far from the piece a threshold's volume is counted
STRICT_LEVEL = 0.65  # instead of one half: 0.16 mm of surface at 1 mm FWHM, the technical error of the boundary
OLD_MATERIAL_HU = 1300.0  # what stood there this dense before may be old material: no background
MARGIN_MM = 8.0
MIN_SEED_ML = 0.005


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scene:
    """The part of a CT in which material is looked for.

    Parameters
    ----------
    samples
        (slices, rows, columns) float32 HU.
    spacing_mm, voxel_ml
        Of its grid.
    saturation_hu
        The clip level, or None.
    earlier
        HU before the procedure on the same grid: the true background under the material; NaN where unknown.
    boneless
        Where no bone stands (canal and foramina); None where that is not known.
    """

    samples: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]
    voxel_ml: float
    saturation_hu: float | None = None
    earlier: NDArray[np.float32] | None = None
    boneless: BoolArray | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outline:
    """A piece as found in a scene.

    Parameters
    ----------
    box, mask
        Where in the scene, and the mask in that box.
    plateau_hu, core_median_hu, background_hu
        Undiluted density, its median, and what surrounds it (mean along the surface).
    saturated, resolved
        Plateau at the clip; thick enough to show its plateau.
    volume_ml, low_ml, high_ml
        The amount of material — the mass that its blur conserved — and the range of the other defensible answers.
    core_ml
        What lies above 80 % of the plateau.
    inscribed_radius_mm
        Largest ball inside, small voids ignored.
    sweep
        (threshold HU, mL) within 3 mm of the piece.
    edge
        What the edge of a clipped piece says; None where the plateau can be read.
    """

    box: tuple[slice, slice, slice]
    mask: BoolArray
    plateau_hu: float
    core_median_hu: float
    background_hu: float
    saturated: bool
    resolved: bool
    volume_ml: float
    low_ml: float
    high_ml: float
    core_ml: float
    inscribed_radius_mm: float
    sweep: tuple[tuple[float, float], ...]
    edge: ClippedEdge | None = None

    @property
    def compactness(self) -> float:
        """Inscribed radius over the radius of a ball of the same volume: 1 for a ball, 0.1-0.3 for shells and tubes."""
        return self.inscribed_radius_mm / equivalent_radius_mm(self.volume_ml)


def equivalent_radius_mm(volume_ml: float) -> float:
    """Radius of a ball of this volume.

    Examples
    --------
    >>> round(equivalent_radius_mm(7.0), 1)
    11.9
    """
    return float(np.cbrt(3000 * volume_ml / (4 * np.pi)))


def outlines(scene: Scene, seeds: BoolArray, *, taken: BoolArray) -> Iterator[Outline]:
    """Every piece that the seeds belong to, densest first; ``taken`` is not part of any of them.

    Where materials of different density touch, the denser one is outlined first; what is left beyond its halo is then a
    piece with a plateau of its own.
    """
    found = list(_outlines(scene, seeds, taken))
    edges = [outline.edge for outline in found if outline.edge is not None]
    volumes = iter(clipped_volumes(edges))
    for outline in found:
        if outline.edge is None:
            yield outline
        else:
            clipped = next(volumes)
            yield replace(outline, volume_ml=clipped.volume_ml, low_ml=clipped.low_ml, high_ml=clipped.high_ml)


def _outlines(scene: Scene, seeds: BoolArray, taken: BoolArray) -> Iterator[Outline]:
    """The same, each clipped piece by its own edge alone."""
    claimed = taken.copy()
    waiting = _islands(scene, seeds & ~claimed)
    while waiting:
        box, island = waiting.pop(0)
        island = island & ~claimed[box]
        if np.count_nonzero(island) * scene.voxel_ml < MIN_SEED_ML:
            continue
        outline = _outline(scene, box, island, claimed[box])
        if outline.volume_ml <= 0:
            continue  # nowhere denser than half way: a speck on a denser background
        claimed[box] |= outline.mask
        yield outline
        beyond = island & ~outline.mask & ~reached(outline.mask, scene.spacing_mm, HALO_MM)
        if beyond.any():
            full = np.zeros(scene.samples.shape, dtype=bool)
            full[box] = beyond
            waiting = _islands(scene, full) + waiting


def _islands(scene: Scene, seeds: BoolArray) -> list[tuple[tuple[slice, slice, slice], BoolArray]]:
    """The connected seeds (corners count), brightest island first, each in a box with room around it."""
    labels, count = ndimage.label(seeds, structure=np.ones((3, 3, 3), dtype=bool))
    if count == 0:
        return []
    sizes = np.bincount(labels.ravel()) * scene.voxel_ml
    brightest = ndimage.maximum(scene.samples, labels, index=np.arange(1, count + 1))
    found = []
    for number in np.argsort(-np.asarray(brightest), kind="stable") + 1:
        if sizes[number] >= MIN_SEED_ML:
            whole = labels == number
            box = box_around(whole, scene.spacing_mm, MARGIN_MM)
            found.append((box, whole[box]))
    return found


def _outline(scene: Scene, box: tuple[slice, slice, slice], island: BoolArray, claimed: BoolArray) -> Outline:
    samples, spacing = scene.samples[box], scene.spacing_mm
    plateau, median, resolved = plateau_hu(samples, island, spacing)
    saturated = scene.saturation_hu is not None and plateau >= scene.saturation_hu - 1
    free = ~claimed
    dense = free & (samples >= CORE_SHARE * plateau) & reached(island, spacing, GROWTH_MM)
    core = np.asarray(ndimage.binary_propagation(island & dense, structure=np.ones((3, 3, 3), dtype=bool), mask=dense))
    background = _background(scene, box, core | island)

    def grown(assumed_plateau: float, share: float = 0.5) -> BoolArray:
        level = background + share * (assumed_plateau - background)
        if scene.saturation_hu is not None:
            level = np.minimum(level, scene.saturation_hu - 1)
        sure = core & (samples >= level)
        allowed = free & (samples >= level) & reached(sure, spacing, GROWTH_MM)
        return np.asarray(ndimage.binary_propagation(sure, mask=allowed | sure))

    edge = None
    if saturated and scene.saturation_hu is not None:
        edge = _edge(scene, samples, background, core=core, free=free)
        (clipped,) = clipped_volumes([edge])
        mask = grown(clipped.plateau_hu)
        volume, variants = clipped.volume_ml, [clipped.low_ml, clipped.high_ml]
    else:
        mask = grown(plateau)
        rim = _Rim.about(mask, scene, samples, free=free, background=background)
        undiluted = median if resolved else plateau  # a thin piece's median is that of blurred voxels
        volume = rim.filled_ml(undiluted, FILL_REACH_MM)
        slack_ml = FILL_STEPS * rim.blur_ml(undiluted)
        variants = [rim.filled_ml(plateau, FILL_REACHES_MM[0]) - slack_ml]
        variants.append(rim.filled_ml(undiluted, FILL_REACHES_MM[1]) + slack_ml)
        if scene.earlier is not None:
            # The level follows the earlier CT's cortex and noise, so that part of the piece's own edge exceeds the
            # least of its mask and passes for another body. By the level of each place it does not; but then cortex
            # counts that the registration left beside itself. The truth lies between the two.
            by_place = rim.beside_bodies_from((background + plateau) / 2)
            variants.append(by_place.filled_ml(undiluted, FILL_REACHES_MM[1]) + slack_ml)
        if not resolved:  # its plateau is a lower bound, and the half level as good an answer
            variants.append(_ml(scene, grown(plateau, STRICT_LEVEL)))
    surface = mask & ~np.asarray(ndimage.binary_erosion(mask))
    near = reached(mask, spacing, SWEEP_REACH_MM)
    return Outline(
        box=box,
        mask=mask,
        plateau_hu=plateau,
        core_median_hu=median,
        background_hu=float(background[surface].mean()) if surface.any() else 0.0,
        saturated=saturated,
        resolved=resolved,
        volume_ml=volume,
        low_ml=max(0.0, min([volume, *variants])),
        high_ml=max([volume, *variants]),
        core_ml=_ml(scene, core),
        inscribed_radius_mm=_inscribed_radius_mm(mask, spacing),
        sweep=tuple((level, _ml(scene, near & (samples >= level))) for level in SWEEP_HU),
        edge=edge,
    )


def _ml(scene: Scene, mask: BoolArray) -> float:
    return float(np.count_nonzero(mask) * scene.voxel_ml)


def _edge(
    scene: Scene, samples: NDArray[np.float32], background: FloatArray, *, core: BoolArray, free: BoolArray
) -> ClippedEdge:
    """How a clipped piece's edge climbs, away from other bodies."""
    clip_hu = float(scene.saturation_hu or samples.max())
    dense = free & (samples >= np.median(readable_hu(clip_hu))) & reached(core, scene.spacing_mm, GROWTH_MM)
    body = np.asarray(ndimage.binary_propagation(core & dense, structure=np.ones((3, 3, 3), dtype=bool), mask=dense))
    rim = _Rim.about(body, scene, samples, free=free, background=background)
    near = rim.inner | (rim.own & reached(body, scene.spacing_mm, FILL_REACHES_MM[1]))
    return read_edge(samples, background, near, spacing_mm=scene.spacing_mm, clip_hu=clip_hu)


def _background(scene: Scene, box: tuple[slice, slice, slice], material: BoolArray) -> NDArray[np.float64]:
    """HU that would stand under the material: from the CT before it, else carried in from around it."""
    samples, spacing = scene.samples[box], scene.spacing_mm
    around = ~reached(material, spacing, BACKGROUND_GAP_MM)
    weight = ndimage.gaussian_filter(around.astype(np.float64), [BACKGROUND_SIGMA_MM / s for s in spacing], truncate=6)
    value = ndimage.gaussian_filter(
        np.where(around, samples, 0.0), [BACKGROUND_SIGMA_MM / s for s in spacing], truncate=6
    )
    default = float(np.median(samples[around])) if around.any() else 0.0
    carried = np.where(weight > 1e-6, value / np.maximum(weight, 1e-6), default)
    if scene.earlier is None:
        return carried
    earlier = scene.earlier[box]
    return np.where(earlier < OLD_MATERIAL_HU, earlier, carried)  # NaN compares as False


@dataclass(frozen=True, slots=True, eq=False)
class _Rim:
    """What lies about a piece's surface, without what is nearer to another dense body."""

    scene: Scene
    samples: NDArray[np.float32]
    background: NDArray[np.float64]
    mask: BoolArray
    inner: BoolArray
    free: BoolArray
    away_mm: FloatArray
    own: BoolArray

    @classmethod
    def about(
        cls,
        mask: BoolArray,
        scene: Scene,
        samples: NDArray[np.float32],
        *,
        free: BoolArray,
        background: NDArray[np.float64],
    ) -> _Rim:
        """Whatever is at least as dense as the mask's least voxel is another body."""
        inner = np.asarray(ndimage.binary_erosion(mask))
        away_mm = distance_mm(mask, scene.spacing_mm)
        everywhere = cls(scene, samples, background, mask, inner, free, away_mm, free)
        return everywhere.beside_bodies_from(np.full_like(background, -np.inf))

    def beside_bodies_from(self, level_hu: NDArray[np.float64]) -> _Rim:
        """The rim where another body begins at a level of each place, if that is above the mask's least voxel."""
        least = float(self.samples[self.mask].min()) if self.mask.any() else np.inf
        bodies = (self.samples >= np.maximum(level_hu, least)) & ~self.mask
        foreign_mm = distance_mm(bodies, self.scene.spacing_mm)
        return replace(self, own=self.free & ~self.inner & (self.away_mm <= foreign_mm))

    def share(self, plateau: float) -> NDArray[np.float64]:
        """Of material in each voxel."""
        return (self.samples - self.background) / np.maximum(plateau - self.background, 1.0)

    def filled_ml(self, plateau: float, reach_mm: float) -> float:
        """The mass-conserving volume: every voxel within a reach of the mask counts by the share of material in it."""
        rim = self.own & reached(self.mask, self.scene.spacing_mm, reach_mm)
        filled = np.clip(self.share(plateau)[rim], 0.0, 1.0).sum() + np.count_nonzero(self.inner)
        return float(filled * self.scene.voxel_ml)

    def blur_ml(self, plateau: float) -> float:
        """Surface times deviation of the blur, from how many voxels lie between a quarter and three quarters."""
        share = self.share(plateau)[self.own]
        return float(np.count_nonzero((share >= 0.25) & (share < 0.75)) * self.scene.voxel_ml / QUARTILE_STEPS)


def _inscribed_radius_mm(mask: BoolArray, spacing: tuple[float, float, float]) -> float:
    """Radius of the largest ball inside, after voids of blood or air up to one voxel have been closed."""
    solid = np.pad(ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(mask, 2))), 1)
    return float(distance_mm(~solid, spacing).max())
