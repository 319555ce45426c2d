"""From a model's probability to a proposal: what a model gives, and what the reader's marks and prompts say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendFailed, GeometryError
from imaging.finding import Finding, Severity
from imaging.segmentation.backend import Capabilities
from imaging.segmentation.ellipsoid import Ellipsoid, voxels_in
from imaging.segmentation.lesion import ENCLOSING, LesionProposal
from imaging.segmentation.marks import doubts_of_marks, marked_voxels
from imaging.segmentation.prior import ellipsoid_from_prompts, gives_size
from imaging.segmentation.prompt import Prompt
from imaging.segmentation.quality import LEAK_DISTANCE, Doubts, findings_from, material_share, touches_edge
from imaging.segmentation.region import on_region, region_around, require_inside
from imaging.segmentation.shape import contrast_across, earlier_map, ellipsoid_of_map
from imaging.volume import Volume
from imaging.volume.crop import bounding_box

__all__ = ["Question", "proposal_from"]

RING_REACH = 0.5  # mean radii of surroundings, more than the third in which contrast is measured


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a model is asked: an image, where the lesion is expected on it, and what the caller ruled in or out."""

    volume: Volume
    prompts: tuple[Prompt, ...]
    expected: Ellipsoid
    prior: NDArray[np.float32] | None
    lesion: BoolArray
    never: BoolArray
    material: BoolArray | None
    findings: tuple[Finding, ...]

    @classmethod
    def of(
        cls,
        capabilities: Capabilities,
        volume: Volume,
        prompts: Sequence[Prompt],
        *,
        prior: FloatArray | NDArray[np.float32] | None,
        exclude: BoolArray | None,
        include: BoolArray | None,
    ) -> Question:
        """The question, if the model understands it.

        Raises
        ------
        UsageError
            As :meth:`Capabilities.require`; NO_PROMPT, PROMPT_UNRESOLVED, PROMPT_OUTSIDE_IMAGE, BAD_PRIOR.
        EmptyMask
            The prior is empty on this image.
        GeometryError
            Prior, exclude or include do not fill the grid.
        """
        for name, array in (("exclude", exclude), ("include", include)):
            if array is not None and array.shape != volume.grid.shape:
                raise GeometryError(f"{name} {array.shape} does not fill the image's grid {volume.grid.shape}")
        capabilities.require(volume, prompts, prior=prior is not None)
        earlier = None if prior is None else earlier_map(prior, volume.grid)
        if earlier is None or gives_size(prompts):
            expected, findings = ellipsoid_from_prompts(prompts)
        else:
            expected, findings = ellipsoid_of_map(earlier, volume.grid), ()
        require_inside(volume, expected)
        lesion, never = (marked_voxels(prompts, volume.grid, sign=sign) for sign in (1, -1))
        never = never if exclude is None else never | exclude
        doubts = doubts_of_marks(prompts, volume.grid, lesion, never)
        return cls(volume, tuple(prompts), expected, earlier, lesion, never, include, (*findings, *doubts))


def proposal_from(
    question: Question,
    probability: NDArray[np.float32],
    capabilities: Capabilities,
    *,
    findings: tuple[Finding, ...] = (),
) -> LesionProposal:
    """The piece of a model's answer that was asked for, with the reader's marks laid over it.

    Of several pieces the one is kept that lies most in the expected shape, and those that hold a positive mark; one
    that does not touch the expected shape was not asked for. One model has no spread: its least and largest volume are
    its volume, and its confidence is unknown. Nobody here has measured how far it is off, so that its volumes are not
    taken to be surer than those of the built-in engines from the best of prompts.

    Parameters
    ----------
    probability
        (slices, rows, columns) on the image's grid, 0…1.

    Raises
    ------
    BackendFailed
        NOT_A_PROBABILITY.
    """
    volume = question.volume
    if probability.shape != volume.grid.shape or not (probability >= 0).all() or not (probability <= 1).all():
        raise BackendFailed(
            f"{capabilities.name} gave something that is no probability from 0 to 1 on the image's grid",
            code="NOT_A_PROBABILITY",
        )
    inside = _inside(question)
    claimed = np.where(question.never, np.float32(0), probability)
    certain = (question.lesion if question.material is None else question.lesion | (question.material & inside)) & (
        ~question.never
    )
    kept, other_share = _kept((claimed >= 0.5) | certain, inside, question.lesion)
    if not (kept & (claimed >= 0.5)).any():  # what the reader marked is no finding of the model
        kept = np.zeros_like(kept)
    # What was not kept falls below a half, so that mask and probability say the same.
    claimed = np.where(kept, np.maximum(claimed, 0.51), np.minimum(claimed, 0.49)).astype(np.float32)
    claimed[question.never] = 0
    looked_at = (claimed > 0) | kept
    start, stop = bounding_box(looked_at if looked_at.any() else np.ones_like(kept), volume.grid)
    window = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
    volume_ml = float(kept.sum()) * volume.grid.voxel_volume_mm3 / 1000
    nothing = (Finding("LESION_NOT_FOUND", Severity.ERROR, "the model sees no lesion where the prompts point"),)
    doubts = _doubts(question, kept, other_share, volume_ml) if kept.any() else nothing
    return LesionProposal(
        mask=kept,
        grid=volume.grid,
        probability=claimed[window],
        probability_grid=volume.grid.crop(start, stop),
        backend=capabilities.name,
        volume_ml=volume_ml,
        confidence=None,
        volume_low_ml=volume_ml,
        volume_high_ml=volume_ml,
        volume_wcv=ENCLOSING.cv_beside((*question.findings, *doubts)),
        findings=(*question.findings, *findings, *doubts, *capabilities.terms()),
    )


def _inside(question: Question) -> BoolArray:
    """The voxels in the expected shape, at least the one that holds its centre."""
    grid, shape = question.volume.grid, question.expected
    inside = voxels_in(shape, grid)
    centre = np.clip(np.rint(grid.indices([shape.centre])[0]).astype(int), 0, np.array(grid.shape) - 1)
    inside[tuple(centre)] = True
    return inside


def _kept(mask: BoolArray, inside: BoolArray, marked: BoolArray) -> tuple[BoolArray, float]:
    """The pieces that were asked for, and the size of the largest other one as a share of theirs."""
    labels, count = ndimage.label(mask)
    size = np.bincount(labels.ravel(), minlength=count + 1).astype(np.float64)
    overlap = np.bincount(labels[inside & mask], minlength=count + 1)
    overlap[0] = 0
    wanted = ({int(overlap.argmax())} if overlap.any() else set()) | set(np.unique(labels[marked & mask]).tolist())
    if not wanted:
        return np.zeros_like(mask), 0.0
    others = [size[label] for label in range(1, count + 1) if label not in wanted]
    return np.isin(labels, sorted(wanted)), float(max(others, default=0.0) / size[sorted(wanted)].sum())


def _doubts(question: Question, kept: BoolArray, other_share: float, volume_ml: float) -> tuple[Finding, ...]:
    volume, shape = question.volume, question.expected
    margin_mm = RING_REACH * shape.mean_radius_mm
    region = region_around(volume, shape, margin_mm=margin_mm)
    distance = shape.distance_mm(volume.grid.points(np.argwhere(kept))) / shape.mean_radius_mm
    imaged, valid = kept, volume.valid
    if volume.acquired_slices is not None:
        planes = list(volume.acquired_slices.planes)
        imaged, valid = kept[planes], None if volume.valid is None else volume.valid[planes]
    facts = Doubts(
        far_share=float((distance > LEAK_DISTANCE).mean()),
        other_share=other_share,
        contrast=contrast_across(region, on_region(kept, volume.grid, region.grid, outside=0.0) > 0.5, region.known),
        volume_low_ml=volume_ml,
        volume_high_ml=volume_ml,
        touches_edge=touches_edge(imaged, valid),
        material_share=material_share(kept, volume, question.material),
    )
    return findings_from(facts, where=volume.series_uid)
