"""Which outlines on a CT are material: by density, by shape, by this patient's own cortex and by what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.segmentation.piece import HALO_MM, Outline, Scene, equivalent_radius_mm, outlines
from imaging.segmentation.reach import box_around, distance_mm, reached

__all__ = [
    "BONE_FROM_HU",
    "CERTAIN_HU",
    "DENSEST_BONE_HU",
    "MIN_NEURAL_ML",
    "NEW_PLATEAU_HU",
    "POSSIBLE_HU",
    "searched",
]

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
BONE_GAP_MM = 3.0  # bone nearer to a candidate is blurred by it
COMPACT = 0.4  # inscribed over equivalent radius; tubes and shells of cortex have 0.1-0.3
MIN_RADIUS_MM = 2.0
MIN_PIECE_ML = 0.05
MIN_NEURAL_ML = 0.02  # the project's statement: a nerve has no room to spare, so smaller parts are told than elsewhere
BESIDE_MM = 30.0  # of material: as far as leaks are looked at from canal and foramina


def searched(
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
