"""An outline as a piece of material: named, its interval as wide as what touches it asks, and what is to be doubted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, LabelArray
from imaging.finding import Finding, Severity
from imaging.geometry.acquired import volume_over
from imaging.segmentation.belonging import distance_to_mm
from imaging.segmentation.material_find import MaterialPiece
from imaging.segmentation.material_kind import KindVerdict
from imaging.segmentation.material_search import BONE_FROM_HU, CERTAIN_HU, DENSEST_BONE_HU
from imaging.segmentation.piece import GROWTH_MM, HALO_MM, Outline
from imaging.segmentation.reach import Box, reached
from imaging.segmentation.segment import LesionId, SegmentKind
from imaging.volume import Volume

__all__ = ["Seen", "is_near", "over_gaps", "piece_of", "shows_plateau", "touching_ml_of"]

SAFE_ABOVE_CORTEX = 1.5  # project's simulations: below it every post-only method may be wrong by half
PLATEAU_DEPTH_MM = 1.0  # nearer to the surface than a blur (0.7-1.6 mm FWHM) every value is diluted
NEAR_MM = 5.0  # from bone or lesion
TOUCHING_SHARE = 0.05  # of a piece that growth over the contact might add or take: as much as half level errs anyway
LOW_PLATEAU_SPREAD = 0.35  # half width of the interval then; cortex and cement cannot be told apart at the contact


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An outline, where it lies in the image, whose it is, and what it may be."""

    number: int
    outline: Outline
    is_new: bool | None
    where: Box
    lesion: LesionId | None
    history: tuple[str, ...] | None


def shows_plateau(outline: Outline, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether a whole voxel lies within it, a blur away from its surface."""
    return outline.resolved and outline.inscribed_radius_mm >= max(spacing_mm) + PLATEAU_DEPTH_MM


def is_near(
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


def touching_ml_of(volume: Volume, labels: LabelArray, one: Seen) -> float:
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


def piece_of(
    one: Seen, volume: Volume, verdict: KindVerdict, *, cortex_hu: float | None, touching_ml: float
) -> MaterialPiece:
    """The outline as a piece.

    Parameters
    ----------
    cortex_hu
        What the patient's own cortex reaches; None if too little bone is in view.
    touching_ml
        From :func:`touching_ml_of`.
    """
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


def over_gaps(piece: MaterialPiece, mask: BoolArray, volume: Volume) -> MaterialPiece:
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
