"""Radiodense material on CT — bone cement, glue with iodised oil, metal — found by what this patient's bone cannot be.

No fixed threshold means cement: barium content and tube voltage move it between 1500 and 8600 HU, cortical bone reaches
1700, and a 12-bit CT ends at 3071. So:

1. *Certain*: islands above 2000 HU are no bone at the usual tube voltages, whatever their shape.
2. *Possible*: compact islands of 1450-2000 HU count only if they exceed this patient's own cortex by a fifth; what is
   cortex here is read from the bone outside all candidates. Long, hollow or thin islands are cortex.
3. With a CT from before the procedure, what was not there before is material from 1000 HU on.

Each piece is outlined by bounded half-maximum (:mod:`imaging.segmentation.piece`) and named by stated rules
(:mod:`imaging.segmentation.material_kind`). Where material below 1.5 times the cortex lies against bone and no earlier
CT shows the bone, the volume is given with a wide interval and LOW_PLATEAU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray, LabelArray, frozen
from imaging.errors import GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices, volume_over
from imaging.geometry.transform import Rigid
from imaging.segmentation.beam_hardening import STARVED, STREAKED_ML, WITHIN_MM, noise_between, streaked_ml
from imaging.segmentation.belonging import Agents, agents_for, distance_to_mm, lesion_of
from imaging.segmentation.material_kind import Evidence, KindVerdict, classify, is_rod
from imaging.segmentation.piece import GROWTH_MM, HALO_MM, MARGIN_MM, Outline, Scene, equivalent_radius_mm, outlines
from imaging.segmentation.plateau import saturation_level
from imaging.segmentation.reach import Box, box_around, distance_mm, reached
from imaging.segmentation.segment import LesionId, SegmentKind
from imaging.volume import Modality, Volume

__all__ = ["MaterialFind", "MaterialPiece", "find_material"]

CERTAIN_HU = 2000.0  # computed cortical bone 1.92 g/cm³ (ICRU): 1532 at 140, 1679 at 120, 1895 at 100 kVp
DENSEST_BONE_HU = 2300.0  # the same at 80 kVp; below it shape or the patient's own cortex must agree
POSSIBLE_HU = 1300.0  # where a search for low-barium cement starts
LOWEST_PLATEAU_HU = 1450.0  # sclerotic metastases and enteric contrast reach 1400-1500
NEW_PLATEAU_HU = 1000.0  # enough where an earlier CT shows that it was not there
NEW_RISE_HU = 400.0  # rise above the densest value that stood within the registration's error
REGISTRATION_TOLERANCE_MM = 1.5
BONE_FROM_HU = 600.0  # cortex and what it blurs into
CORTEX_QUANTILE = 0.99
MIN_CORTEX_ML = 1.0  # less bone than this is no reference
ABOVE_CORTEX = 1.2
HALF = 0.5  # of a piece: then it lies in the canal, and does not only touch it
SAFE_ABOVE_CORTEX = 1.5  # project's simulations: below it every post-only method may be wrong by half
BONE_GAP_MM = 3.0  # bone nearer to a candidate is blurred by it
COMPACT = 0.4  # inscribed over equivalent radius; tubes and shells of cortex have 0.1-0.3
MIN_RADIUS_MM = 2.0
MIN_PIECE_ML = 0.05
MIN_NEURAL_ML = 0.02  # the project's statement: a nerve has no room to spare, so smaller parts are told than elsewhere
STREAK_SOURCES = 5  # streaks come from the largest bodies
PLATEAU_DEPTH_MM = 1.0  # nearer to the surface than a blur (0.7-1.6 mm FWHM) every value is diluted
NEAR_MM = 5.0  # from bone or lesion
BESIDE_MM = 30.0  # of material: as far as leaks are looked at from canal and foramina
TOUCHING_SHARE = 0.05  # of a piece that growth over the contact might add or take: as much as half level errs anyway
LOW_PLATEAU_SPREAD = 0.35  # half width of the interval then; cortex and cement cannot be told apart at the contact


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaterialPiece:
    """One connected piece of one density.

    Parameters
    ----------
    label
        Its number in the find's label image.
    kind, confidence, reason
        What it is, how sure the rule is, and the rule in words.
    lesion
        The lesion that it overlaps most, else the nearest within 20 mm, else None.
    plateau_hu, background_hu
        Undiluted density of its core, and of what surrounds it.
    saturated
        The plateau is the clip of the CT, so only a lower bound.
    is_new
        Not there on the earlier CT; None without one.
    volume_ml, interval95_ml, method
        Amount of material from the CT's native voxels, the range in which the truth is expected, and how both were
        found.
    sweep
        (threshold HU, mL) within 3 mm of the piece.
    centroid_lps_mm
        Centre of its voxels.
    """

    label: int
    kind: SegmentKind
    confidence: float
    reason: str
    lesion: LesionId | None
    plateau_hu: float
    background_hu: float
    saturated: bool
    is_new: bool | None
    volume_ml: float
    interval95_ml: tuple[float, float]
    method: str
    sweep: tuple[tuple[float, float], ...]
    centroid_lps_mm: tuple[float, float, float]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaterialFind:
    """All radiodense material of one CT.

    Parameters
    ----------
    grid, labels
        The CT's native grid, and on it 0 or the label of a piece (uint16).
    pieces
        Largest first; empty if there is no evidence of material.
    cortex_hu
        What the patient's own cortical bone reaches here; None if too little bone is in view.
    saturation_hu
        Clip level of this CT, or None.
    findings
        Remarks on the whole CT, those of the volume included.
    slices
        Which planes of the grid were imaged, where the CT has gaps; None for an even stack.
    """

    grid: Grid
    labels: LabelArray
    pieces: tuple[MaterialPiece, ...] = ()
    cortex_hu: float | None = None
    saturation_hu: float | None = None
    findings: tuple[Finding, ...] = ()
    slices: AcquiredSlices | None = None

    def volume_ml(self, mask: BoolArray) -> float:
        """Voxel sum of a mask on the CT's grid, over slices of their own extents where the CT has gaps."""
        return volume_over(self.slices, mask, self.grid)

    def part_ml(self, mask: BoolArray) -> float:
        """How much of the material lies in a mask: of each piece's volume the share of its voxels there.

        A piece on planes that were not imaged has no volume, and no share of it.
        """
        inside, whole = self._counts(mask), self._counts(self.labels)
        imaged = [piece for piece in self.pieces if whole[piece.label] > 0]
        parts = [piece.volume_ml * inside[piece.label] / whole[piece.label] for piece in imaged]
        return float(sum(parts))

    def _counts(self, where: BoolArray | LabelArray) -> FloatArray:
        """Voxels of every label there, each plane weighted by its extent where the CT has gaps."""
        voxels = np.flatnonzero(where)
        size, count = int(self.labels.max()) + 1, self.grid.shape[0]
        planes = voxels // (self.labels.size // count)
        counted = np.bincount(planes * size + self.labels.ravel()[voxels], minlength=count * size).reshape(count, size)
        if self.slices is None:
            return np.asarray(counted.sum(axis=0), dtype=np.float64)
        return np.asarray(self.slices.extents_mm @ counted[list(self.slices.planes)], dtype=np.float64)

    def gap_remarks(self, mask: BoolArray, *, where: str) -> tuple[Finding, ...]:
        """What stands beside figures of the material in a mask, if it reaches a gap of the CT."""
        reached = () if self.slices is None else self.slices.reached(mask)
        if self.slices is None or not reached:
            return ()
        bridged_ml = self.slices.bridged_mm3(mask, pixel_mm2=self.grid.pixel_area_mm2) / 1000
        return (
            self.slices.remark(
                reached, volume_ml=self.volume_ml(mask), bridged_ml=bridged_ml, of="the material", where=where
            ),
        )

    def mask(self, *kinds: SegmentKind) -> BoolArray:
        """Where material of these kinds is; of every kind if none is named."""
        return self.piece_mask(*(piece for piece in self.pieces if not kinds or piece.kind in kinds))

    def piece_mask(self, *pieces: MaterialPiece) -> BoolArray:
        """Where these pieces are."""
        wanted = np.zeros(int(self.labels.max()) + 1, dtype=bool)
        wanted[[piece.label for piece in pieces]] = True
        return wanted[self.labels]


def find_material(
    volume: Volume,
    *,
    before: Volume | None = None,
    before_from_volume: Rigid | None = None,
    lesion_masks: Mapping[LesionId, BoolArray] | None = None,
    bone: BoolArray | None = None,
    neural: BoolArray | None = None,
    agents: Agents = None,
    agents_before: Agents = None,
    embolic_age_days: float | None = None,
) -> MaterialFind:
    """Every piece of radiodense material with its outline, volume, density and kind.

    Parameters
    ----------
    volume
        A CT in HU.
    before, before_from_volume
        An earlier CT, and the transform that takes a point of ``volume`` to it (identity if left out).
    lesion_masks, bone
        On the volume's grid. Material far from all of them is not called cement. A bone mask that took the material
        itself for bone does no harm.
    neural
        Canal and foramina on the volume's grid: no bone stands in them, so what is dense there is no measure of this
        patient's cortex, and denser than it needs no shape to be material.
    agents
        Names of what was injected before this CT: for the whole patient, or by lesion (None = somewhere); None =
        unknown, an empty sequence = nothing.
    agents_before
        The same for the earlier CT: what is new there can only be what was injected since.
    embolic_age_days
        How long before this CT the first embolic material was injected; glue of the same day has not faded.

    Returns
    -------
    MaterialFind
        Without pieces where nothing exceeds what this patient's bone reaches.

    Raises
    ------
    UsageError
        If a volume is not CT.
    GeometryError
        If a mask is not on the volume's grid.

    Examples
    --------
    >>> samples = np.full((20, 40, 40), 60, np.float32)
    >>> z, y, x = np.ogrid[:20, :40, :40]
    >>> samples[(z - 10) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 36] = 2500
    >>> ct = Volume(samples=samples, grid=Grid.from_spacing((20, 40, 40), (1, 1, 1)), modality=Modality.CT)
    >>> find = find_material(ct, agents=("pmma-barium",))
    >>> [(piece.kind.value, round(piece.plateau_hu), round(piece.volume_ml, 2)) for piece in find.pieces]
    [('cement', 2500, 0.89)]
    """
    lesions = dict(lesion_masks or {})
    masks = {**{f"lesion {name}": mask for name, mask in lesions.items()}, "bone": bone, "canal and foramina": neural}
    _require(volume, before, masks)
    volume = _bridged(volume)
    saturation = saturation_level(volume)
    findings = list(volume.findings)
    if bone is None:
        message = "no bone mask was given: leak and material inside bone are unknown"
        findings.append(Finding("NO_BONE_MASK", Severity.INFO, message, volume.series_uid))
    seeds_from = NEW_PLATEAU_HU if before is not None else POSSIBLE_HU
    candidates = volume.samples >= seeds_from
    if volume.valid is not None:
        candidates &= volume.valid
    labels = np.zeros(volume.grid.shape, dtype=np.uint16)
    if not candidates.any():
        return MaterialFind(
            grid=volume.grid,
            labels=frozen(labels),
            saturation_hu=saturation,
            findings=tuple(findings),
            slices=volume.acquired_slices,
        )
    box = box_around(candidates, volume.grid.spacing_mm, MARGIN_MM)
    scene = _scene(volume, box, saturation, before, before_from_volume)
    if neural is not None:
        scene = replace(scene, boneless=neural[box])
    found, cortex, doubtful_ml = _search(scene, candidates[box], _bone_hu(volume, box))
    if doubtful_ml:
        message = f"{doubtful_ml:.1f} mL of dense ground above {POSSIBLE_HU:.0f} HU may be cement of low barium content"
        message += " or dense bone, and is not counted: an earlier CT that shows its place would decide"
        findings.append(Finding("MATERIAL_POSSIBLE", Severity.WARNING, message, volume.series_uid))
    seen = []
    for number, (outline, is_new) in enumerate(sorted(found, key=lambda item: -item[0].volume_ml), start=1):
        where = (
            slice(box[0].start + outline.box[0].start, box[0].start + outline.box[0].stop),
            slice(box[1].start + outline.box[1].start, box[1].start + outline.box[1].stop),
            slice(box[2].start + outline.box[2].start, box[2].start + outline.box[2].stop),
        )
        labels[where][outline.mask] = number
        lesion = lesion_of(outline.mask, where, lesions, volume.grid.spacing_mm)
        seen.append(
            _Seen(number, outline, is_new, where, lesion, _history(lesion, agents, agents_before, is_new=is_new))
        )
    pieces = []
    for one in seen:
        outline = one.outline
        others = [other.outline for other in seen if other is not one and other.history == one.history]
        verdict = classify(
            Evidence(
                plateau_hu=outline.plateau_hu,
                saturated=outline.saturated,
                volume_ml=outline.volume_ml,
                inscribed_radius_mm=outline.inscribed_radius_mm,
                rod=is_rod(np.argwhere(outline.mask) * np.array(volume.grid.spacing_mm)),
                near_bone_or_lesion=_near(outline, one.where, lesions, bone, volume.grid.spacing_mm),
                agents=one.history,
                embolic_age_days=embolic_age_days,
                resolved=_shows_plateau(outline, volume.grid.spacing_mm),
                beside_hu=tuple(
                    other.plateau_hu
                    for other in others
                    if _shows_plateau(other, volume.grid.spacing_mm) and not other.saturated
                ),
            )
        )
        piece = _piece(one, volume, verdict, cortex_hu=cortex, touching_ml=_touching_ml(volume, labels, one))
        pieces.append(_over_gaps(piece, np.asarray(labels == one.number), volume))
    findings += _streaks(volume, labels, seen)
    return MaterialFind(
        grid=volume.grid,
        labels=frozen(labels),
        pieces=tuple(pieces),
        cortex_hu=cortex,
        saturation_hu=saturation,
        findings=tuple(findings),
        slices=volume.acquired_slices,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """An outline, where it lies in the image, whose it is, and what it may be."""

    number: int
    outline: Outline
    is_new: bool | None
    where: Box
    lesion: LesionId | None
    history: tuple[str, ...] | None


def _streaks(volume: Volume, labels: LabelArray, seen: Sequence[_Seen]) -> list[Finding]:
    """Said once where tissue between pieces is streaked, or, if nothing lies between any, near one of the largest."""
    if not seen:
        return []
    box = box_around(labels > 0, volume.grid.spacing_mm, WITHIN_MM)
    noise = noise_between(volume.samples[box], labels[box] > 0, volume.grid.spacing_mm)
    if not (_has_band(volume, seen) if noise is None else noise >= STARVED):
        return []
    message = "dark, noisy bands run through the tissue about dense material: outlines and volumes near them err"
    return [Finding("BEAM_HARDENING", Severity.WARNING, message, volume.series_uid)]


def _has_band(volume: Volume, seen: Sequence[_Seen]) -> bool:
    for one in seen[:STREAK_SOURCES]:
        box = _wider(one.where, volume.grid)
        own = np.zeros([side.stop - side.start for side in box], dtype=bool)
        inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(one.where, box, strict=True))
        own[inner] = one.outline.mask
        if streaked_ml(volume.samples[box], own, volume.grid.spacing_mm) >= STREAKED_ML:
            return True
    return False


def _wider(where: Box, grid: Grid) -> Box:
    """A box with room for streaks around it, within the image."""
    sides = []
    for side, step, count in zip(where, grid.spacing_mm, grid.shape, strict=True):
        pad = int(np.ceil(WITHIN_MM / step))
        sides.append(slice(max(side.start - pad, 0), min(side.stop + pad, count)))
    return (sides[0], sides[1], sides[2])


def _history(
    lesion: LesionId | None, agents: Agents, agents_before: Agents, *, is_new: bool | None
) -> tuple[str, ...] | None:
    """What a piece may be: only what was injected since, if the earlier CT does not show it; else what it shows."""
    now = agents_for(lesion, agents)
    if agents_before is None:
        return now
    before = agents_for(lesion, agents_before)
    if is_new and now is not None:
        return tuple((Counter(now) - Counter(before or ())).elements())
    return before if is_new is False else now


def _bridged(volume: Volume) -> Volume:
    """The CT with the nearest slice on planes that were not imaged, so that a gap is no surface of the material.

    What is outlined there counts for no volume.
    """
    slices = volume.acquired_slices
    if slices is None:
        return volume
    valid = None if volume.valid is None else slices.nearest(volume.valid)
    return replace(volume, samples=slices.nearest(volume.samples), valid=valid)


def _over_gaps(piece: MaterialPiece, mask: BoolArray, volume: Volume) -> MaterialPiece:
    """The piece measured over slices of their own extents, its interval wider by what a gap may hold."""
    slices, grid = volume.acquired_slices, volume.grid
    if slices is None:
        return piece
    scale = volume_over(slices, mask, grid) / volume_over(None, mask, grid)
    counted = piece.volume_ml * scale
    bridged = min(slices.bridged_mm3(mask, pixel_mm2=grid.pixel_area_mm2) / 1000, counted)
    low, high = (bound * scale for bound in piece.interval95_ml)
    return replace(
        piece,
        volume_ml=counted,
        interval95_ml=(max(low - bridged, 0.0), high + bridged),
        method=f"{piece.method}; each imaged slice with its own extent" if slices.reached(mask) else piece.method,
        sweep=tuple((threshold, ml * scale) for threshold, ml in piece.sweep),
    )


def _require(volume: Volume, before: Volume | None, masks: Mapping[str, BoolArray | None]) -> None:
    for image in (volume, before):
        if image is not None and image.modality is not Modality.CT:
            raise UsageError(f"material is found on CT, where numbers are Hounsfield units; got {image.modality}")
    for name, mask in masks.items():
        if mask is not None and mask.shape != volume.grid.shape:
            raise GeometryError(f"the {name} mask {mask.shape} does not fill the CT's grid {volume.grid.shape}")


def _scene(
    volume: Volume, box: Box, saturation: float | None, before: Volume | None, before_from_volume: Rigid | None
) -> Scene:
    samples = volume.samples[box].astype(np.float32)
    if volume.valid is not None:
        samples[~volume.valid[box]] = -1024.0  # padding counts as air
    earlier = None
    if before is not None:
        start = [side.start for side in box]
        grid = volume.grid.crop(start, [side.stop for side in box])
        earlier = _on_grid(before, grid, before_from_volume or Rigid.identity())
    return Scene(
        samples=samples,
        spacing_mm=volume.grid.spacing_mm,
        voxel_ml=volume.grid.voxel_volume_mm3 / 1000,
        saturation_hu=saturation,
        earlier=earlier,
    )


def _on_grid(before: Volume, grid: Grid, before_from_volume: Rigid) -> NDArray[np.float32]:
    """The earlier CT at the voxels of a grid, by linear interpolation; NaN outside its field of view."""
    index = before.grid.index_from_point @ before_from_volume.matrix @ grid.affine
    out = np.empty(grid.shape, dtype=np.float32)
    source = before.samples.astype(np.float32)
    if before.valid is not None:
        source[~before.valid] = np.nan
    ndimage.affine_transform(
        source, index[:3, :3], index[:3, 3], output_shape=grid.shape, output=out, order=1, mode="constant", cval=np.nan
    )
    return out


def _bone_hu(volume: Volume, box: Box) -> NDArray[np.float64]:
    """HU of all bone outside the box."""
    bone = np.asarray(volume.samples >= BONE_FROM_HU)
    if volume.valid is not None:
        bone &= volume.valid
    bone[box] = False
    return np.asarray(volume.samples[bone], dtype=np.float64)


def _search(
    scene: Scene, candidates: BoolArray, bone_hu: NDArray[np.float64]
) -> tuple[list[tuple[Outline, bool | None]], float | None, float]:
    """Accepted outlines with their novelty, what the patient's cortex reaches, and how many mL stay in doubt.

    ``bone_hu`` is bone elsewhere.
    """
    nothing = np.zeros(scene.samples.shape, dtype=bool)
    certain_from = CERTAIN_HU if scene.saturation_hu is None else min(CERTAIN_HU, scene.saturation_hu - 1)
    dense = list(outlines(scene, scene.samples >= certain_from, taken=nothing))
    taken = nothing.copy()
    for outline in dense:
        taken[outline.box] |= outline.mask
    fresh = _fresh(scene)
    room = candidates & ~(reached(taken, scene.spacing_mm, BONE_GAP_MM) if dense else nothing)
    possible = _compact_parts(scene, room & (scene.samples >= POSSIBLE_HU))
    if fresh is not None:
        possible |= room & fresh
    faint = [o for o in outlines(scene, possible, taken=taken) if _is_piece(scene, o)]
    cortex = _cortex_hu(scene, [*dense, *faint], bone_hu)
    found: list[tuple[Outline, bool | None]] = []
    accepted: list[Outline] = []  # as outlined, before an earlier CT cut any of them
    passed_over: list[Outline] = []
    for outline in dense:
        if not _is_piece(scene, outline):
            continue
        beyond_bone = outline.plateau_hu >= DENSEST_BONE_HU or _exceeds_bone(outline, cortex)
        if beyond_bone or _is_new(scene, outline, fresh):
            found += _by_novelty(scene, outline)
            accepted.append(outline)
        else:
            passed_over.append(outline)
    for outline in faint:
        is_new = _is_new(scene, outline, fresh)
        if is_new or (
            is_new is None and outline.core_median_hu >= LOWEST_PLATEAU_HU and _exceeds_bone(outline, cortex)
        ):
            found.append((outline, is_new))
            accepted.append(outline)
        elif _is_compact(outline):
            passed_over.append(outline)
    strands = _strands(scene, accepted, [*dense, *faint], candidates, cortex)
    found += [(outline, _is_new(scene, outline, fresh)) for outline in strands]
    passed_over = [outline for outline in passed_over if not any(outline is strand for strand in strands)]
    doubtful_ml = sum(outline.volume_ml for outline in passed_over if _is_new(scene, outline, fresh) is None)
    return found, cortex, doubtful_ml


def _strands(
    scene: Scene,
    accepted: Sequence[Outline],
    outlined: Sequence[Outline],
    candidates: BoolArray,
    cortex_hu: float | None,
) -> list[Outline]:
    """What exceeds the patient's cortex beside accepted material or in the canal, though too thin to be told by shape.

    Cortex itself is no denser than cortex, so beside material density is enough, and so it is in canal and foramina;
    elsewhere a thin dense line may be the one bone that is denser than all others.
    """
    if cortex_hu is None or (not accepted and scene.boneless is None):
        return []
    least_hu = max(LOWEST_PLATEAU_HU, ABOVE_CORTEX * cortex_hu)
    dense = candidates & (scene.samples >= least_hu)
    body = np.zeros(scene.samples.shape, dtype=bool)
    taken = np.zeros_like(body)
    for outline in outlined:
        taken[outline.box] |= outline.mask
    for outline in accepted:
        body[outline.box] |= outline.mask
    unboned = np.zeros_like(body) if scene.boneless is None else dense & scene.boneless
    beside, seeds = np.zeros_like(body), np.zeros_like(body)
    if body.any() or unboned.any():
        box = box_around(body | unboned, scene.spacing_mm, BESIDE_MM)
        beside[box] = distance_mm(body[box], scene.spacing_mm) <= BESIDE_MM
        seeds[box] = (dense & beside)[box] | unboned[box]
        if seeds.any():
            seeds[box] &= ~reached(taken[box], scene.spacing_mm, HALO_MM)
    passed_over = [o for o in outlined if not any(o is other for other in accepted)]
    known = [o for o in passed_over if beside[o.box][o.mask].any() or _boneless_share(scene, o) >= HALF]
    thin = [*known, *(outlines(scene, seeds, taken=taken) if seeds.any() else ())]
    return [o for o in thin if (_is_piece(scene, o) or _is_neural(scene, o)) and o.plateau_hu >= least_hu]


def _compact_parts(scene: Scene, dense: BoolArray) -> BoolArray:
    """What is thicker than cortex and no tube or shell of it."""
    out = np.zeros_like(dense)
    labels, _ = ndimage.label(dense)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        island = np.pad(labels[box] == number, 1)
        if np.count_nonzero(island) * scene.voxel_ml < MIN_PIECE_ML:
            continue
        depth = distance_mm(~island, scene.spacing_mm)
        parts, count = ndimage.label(island & (depth >= MIN_RADIUS_MM))
        for part in range(1, count + 1):
            core = parts == part
            thick = island & (distance_mm(core, scene.spacing_mm) <= MIN_RADIUS_MM)
            ml = np.count_nonzero(thick) * scene.voxel_ml
            if float(depth[core].max()) >= COMPACT * equivalent_radius_mm(ml):
                out[box] |= thick[1:-1, 1:-1, 1:-1]
    return out


def _fresh(scene: Scene) -> BoolArray | None:
    """Voxels much denser than anything that stood there, or as near as registration may err, on the earlier CT."""
    if scene.earlier is None:
        return None
    size = [2 * max(1, int(np.ceil(REGISTRATION_TOLERANCE_MM / step - 0.5))) + 1 for step in scene.spacing_mm]
    known = np.where(np.isfinite(scene.earlier), scene.earlier, np.inf)
    rise = scene.samples - ndimage.maximum_filter(known, size=size)
    return np.asarray((rise >= NEW_RISE_HU) & (scene.samples >= NEW_PLATEAU_HU))


def _is_new(scene: Scene, outline: Outline, fresh: BoolArray | None) -> bool | None:
    """Whether most of it was not there on the earlier CT; None where that does not show all of its place."""
    if fresh is None or scene.earlier is None or not np.isfinite(scene.earlier[outline.box][outline.mask]).all():
        return None
    return bool(fresh[outline.box][outline.mask].mean() > 0.5)


def _cortex_hu(scene: Scene, candidates: Sequence[Outline], bone_hu: NDArray[np.float64]) -> float | None:
    """A high quantile of the bone that no candidate's blur reaches; None if too little is in view."""
    bone = scene.samples >= BONE_FROM_HU
    for outline in candidates:
        bone[outline.box] &= ~reached(outline.mask, scene.spacing_mm, BONE_GAP_MM)
    if scene.boneless is not None:
        foreign = scene.boneless & (scene.samples >= POSSIBLE_HU)
        if foreign.any():
            box = box_around(foreign, scene.spacing_mm, BONE_GAP_MM)
            bone[box] &= ~reached(foreign[box], scene.spacing_mm, BONE_GAP_MM)
    values = np.concatenate([scene.samples[bone], bone_hu])
    if values.size * scene.voxel_ml < MIN_CORTEX_ML:
        return None
    return float(np.quantile(values, CORTEX_QUANTILE))


def _is_piece(scene: Scene, outline: Outline) -> bool:
    return bool(np.count_nonzero(outline.mask) * scene.voxel_ml >= MIN_PIECE_ML)


def _boneless_share(scene: Scene, outline: Outline) -> float:
    """How much of it lies where no bone stands; 0 where that is not known."""
    return 0.0 if scene.boneless is None else float(scene.boneless[outline.box][outline.mask].mean())


def _is_neural(scene: Scene, outline: Outline) -> bool:
    """Whether as much of it lies in canal and foramina as is told there."""
    neural_ml = _boneless_share(scene, outline) * np.count_nonzero(outline.mask) * scene.voxel_ml
    return bool(neural_ml >= MIN_NEURAL_ML)


def _is_compact(outline: Outline) -> bool:
    return outline.compactness >= COMPACT and outline.inscribed_radius_mm >= MIN_RADIUS_MM


def _exceeds_bone(outline: Outline, cortex_hu: float | None) -> bool:
    return _is_compact(outline) and cortex_hu is not None and outline.core_median_hu >= ABOVE_CORTEX * cortex_hu


def _by_novelty(scene: Scene, outline: Outline) -> list[tuple[Outline, bool | None]]:
    """The outline, cut in what stood there before and what is new, where the earlier CT shows both."""
    if scene.earlier is None:
        return [(outline, None)]
    earlier = scene.earlier[outline.box]
    if not np.isfinite(earlier[outline.mask]).all():
        return [(outline, None)]
    old = outline.mask & (earlier >= CERTAIN_HU)
    share = np.count_nonzero(old) / np.count_nonzero(outline.mask)
    parts = [(mask, is_new) for mask, is_new in ((old, False), (outline.mask & ~old, True))]
    if min(np.count_nonzero(mask) for mask, _ in parts) * scene.voxel_ml < MIN_PIECE_ML:
        return [(outline, bool(share < 0.5))]
    return [(_part(outline, mask), is_new) for mask, is_new in parts]


def _part(outline: Outline, mask: BoolArray) -> Outline:
    share = np.count_nonzero(mask) / np.count_nonzero(outline.mask)
    return replace(
        outline,
        mask=mask,
        volume_ml=outline.volume_ml * share,
        low_ml=outline.low_ml * share,
        high_ml=outline.high_ml * share,
        core_ml=outline.core_ml * share,
        sweep=tuple((level, ml * share) for level, ml in outline.sweep),
    )


def _shows_plateau(outline: Outline, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether a whole voxel lies within it, a blur away from its surface."""
    return outline.resolved and outline.inscribed_radius_mm >= max(spacing_mm) + PLATEAU_DEPTH_MM


def _near(
    outline: Outline,
    where: Box,
    lesions: Mapping[LesionId, BoolArray],
    bone: BoolArray | None,
    spacing_mm: tuple[float, float, float],
) -> bool | None:
    """Whether bone or a lesion lies within a few mm; None where neither is near and bone is not known."""
    if any(distance_to_mm(outline.mask, where, mask, spacing_mm, NEAR_MM) <= NEAR_MM for mask in lesions.values()):
        return True
    if bone is None:
        return None
    own = np.zeros_like(bone)
    own[where] = reached(outline.mask, spacing_mm, 1.3)
    return distance_to_mm(outline.mask, where, bone & ~own, spacing_mm, NEAR_MM) <= NEAR_MM


def _touching_ml(volume: Volume, labels: LabelArray, one: _Seen) -> float:
    """As much as growth can have added where the piece touches bone, for nothing tells them apart there.

    The contact hides itself, but bone that is touched goes on around it: what shows just beyond the piece's blur spans
    the contact. Other material is no bone.
    """
    spacing = volume.grid.spacing_mm
    blurred = reached(labels[one.where] > 0, spacing, HALO_MM)
    beyond = reached(reached(one.outline.mask, spacing, HALO_MM), spacing, HALO_MM) & ~blurred
    bone_mm = np.argwhere(beyond & (volume.samples[one.where] >= BONE_FROM_HU)) * np.array(spacing)
    if not bone_mm.size:
        return 0.0
    radius_mm = float(np.linalg.norm(bone_mm - bone_mm.mean(axis=0), axis=1).max())
    return float(np.pi * radius_mm**2 * GROWTH_MM / 1000)


def _piece(
    one: _Seen, volume: Volume, verdict: KindVerdict, *, cortex_hu: float | None, touching_ml: float
) -> MaterialPiece:
    number, outline, where, is_new = one.number, one.outline, one.where, one.is_new
    name = f"{volume.series_uid} piece {number}".strip()
    low, high = outline.low_ml, outline.high_ml
    method = (
        "bounded half-maximum; each voxel near the surface counts by the share of material in it; interval from "
        "plateau, background and the surface's reach"
    )
    findings = []
    if outline.saturated:
        method = (
            "mass within bounded half-maximum, plateau and blur judged by how the clipped edge climbs; interval from "
            "all that explain it, up to 8600 HU"
        )
        message = f"plateau at the clip of this CT ({outline.plateau_hu:.0f} HU): its true density is unknown"
        findings.append(Finding("MATERIAL_SATURATED", Severity.WARNING, message, name))
    safe_hu = max(CERTAIN_HU, SAFE_ABOVE_CORTEX * cortex_hu if cortex_hu is not None else DENSEST_BONE_HU)
    touching = touching_ml >= TOUCHING_SHARE * outline.volume_ml
    if outline.plateau_hu < safe_hu and touching and not is_new and not outline.saturated:
        message = (
            f"against bone, and its plateau {outline.plateau_hu:.0f} HU below {safe_hu:.0f} HU near to that of cortex"
        )
        findings.append(Finding("LOW_PLATEAU", Severity.WARNING, f"{message}; an earlier CT would decide", name))
        low = min(low, outline.volume_ml * (1 - LOW_PLATEAU_SPREAD))
        high = max(high, outline.volume_ml * (1 + LOW_PLATEAU_SPREAD))
    if verdict.kind is SegmentKind.UNCLASSIFIED:
        findings.append(Finding("MATERIAL_UNCLASSIFIED", Severity.WARNING, f"kind not told: {verdict.reason}", name))
    if _touches_edge(outline, where, volume):
        message = "reaches the border of what was imaged: more may lie outside"
        findings.append(Finding("MATERIAL_CUT_BY_IMAGE", Severity.WARNING, message, name))
    centre = volume.grid.points([np.argwhere(outline.mask).mean(axis=0) + [side.start for side in where]])[0]
    return MaterialPiece(
        label=number,
        kind=verdict.kind,
        confidence=verdict.confidence,
        reason=verdict.reason,
        lesion=one.lesion,
        plateau_hu=outline.plateau_hu,
        background_hu=outline.background_hu,
        saturated=outline.saturated,
        is_new=is_new,
        volume_ml=outline.volume_ml,
        interval95_ml=(low, high),
        method=method,
        sweep=outline.sweep,
        centroid_lps_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        findings=tuple(findings),
    )


def _touches_edge(outline: Outline, where: Box, volume: Volume) -> bool:
    """Whether it has a voxel on the image's outermost layer or beside padding."""
    if volume.valid is not None and (ndimage.binary_dilation(outline.mask) & ~volume.valid[where]).any():
        return True
    indices = np.argwhere(outline.mask) + [side.start for side in where]
    return bool((indices.min(axis=0) == 0).any() or (indices.max(axis=0) == np.array(volume.grid.shape) - 1).any())
