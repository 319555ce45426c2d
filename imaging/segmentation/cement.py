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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, LabelArray, frozen
from imaging.errors import GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.geometry.transform import Rigid
from imaging.segmentation.beam_hardening import STARVED, STREAKED_ML, WITHIN_MM, noise_between, streaked_ml
from imaging.segmentation.belonging import Agents, agents_for, lesion_of
from imaging.segmentation.material_find import MaterialFind, MaterialPiece
from imaging.segmentation.material_kind import Evidence, classify, is_rod
from imaging.segmentation.material_piece import Seen, is_near, over_gaps, piece_of, shows_plateau, touching_ml_of
from imaging.segmentation.material_search import BONE_FROM_HU, NEW_PLATEAU_HU, POSSIBLE_HU, searched
from imaging.segmentation.piece import MARGIN_MM, Scene
from imaging.segmentation.plateau import saturation_level
from imaging.segmentation.reach import Box, box_around
from imaging.segmentation.segment import LesionId
from imaging.volume import Modality, Volume

__all__ = ["MaterialFind", "MaterialPiece", "find_material"]

STREAK_SOURCES = 5  # streaks come from the largest bodies


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
    found, cortex, doubtful_ml = searched(scene, candidates[box], _bone_hu(volume, box))
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
            Seen(number, outline, is_new, where, lesion, _history(lesion, agents, agents_before, is_new=is_new))
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
                near_bone_or_lesion=is_near(outline, one.where, lesions, bone, volume.grid.spacing_mm),
                agents=one.history,
                embolic_age_days=embolic_age_days,
                resolved=shows_plateau(outline, volume.grid.spacing_mm),
                beside_hu=tuple(
                    other.plateau_hu
                    for other in others
                    if shows_plateau(other, volume.grid.spacing_mm) and not other.saturated
                ),
            )
        )
        piece = piece_of(one, volume, verdict, cortex_hu=cortex, touching_ml=touching_ml_of(volume, labels, one))
        pieces.append(over_gaps(piece, np.asarray(labels == one.number), volume))
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


def _streaks(volume: Volume, labels: LabelArray, seen: Sequence[Seen]) -> list[Finding]:
    """Said once where tissue between pieces is streaked, or, if nothing lies between any, near one of the largest."""
    if not seen:
        return []
    box = box_around(labels > 0, volume.grid.spacing_mm, WITHIN_MM)
    noise = noise_between(volume.samples[box], labels[box] > 0, volume.grid.spacing_mm)
    if not (_has_band(volume, seen) if noise is None else noise >= STARVED):
        return []
    message = "dark, noisy bands run through the tissue about dense material: outlines and volumes near them err"
    return [Finding("BEAM_HARDENING", Severity.WARNING, message, volume.series_uid)]


def _has_band(volume: Volume, seen: Sequence[Seen]) -> bool:
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
