"""One lesion from prompts, or from its mask at an earlier exam.

The way: prompts → expected shape → region on a working grid → two brightness models → three engines that see the same
evidence and fail on different lesions → their mean → native grid. The spread of the engines is what is known about the
error before a reader has looked.

Choice (17 real lesions, prompts jittered by 2 mm, scripts/benchmark_segmentation.py): the mean of graph cut, random
walk, star surface and the prompt's own ellipsoid; no engine alone is better than the mean on all kinds of prompt, and
the mean is better than the ellipsoid alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.errors import BackendFailed, GeometryError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.segmentation.engines import AGREEMENT, ENGINES
from imaging.segmentation.evidence import Evidence, Marks, evidence_of, usable_voxels
from imaging.segmentation.marks import doubts_of_marks
from imaging.segmentation.prior import ellipsoid_from_prompts, gives_size, measures_all_axes
from imaging.segmentation.prompt import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from imaging.segmentation.quality import LEAK_DISTANCE, Doubts, findings_from, material_share, touches_edge
from imaging.segmentation.region import on_native, region_around
from imaging.segmentation.shape import (
    ExpectedShape,
    Trust,
    Witness,
    best_scale,
    contrast_across,
    earlier_map,
    ellipsoid_of_map,
    shows_layers,
)
from imaging.volume import Volume

__all__ = ["ENCLOSING", "LesionProposal", "evidence_for", "proposal_from", "segment_lesion"]

BACKEND = "agreement"

# How stiffly each kind of prompt is held. A box encloses: little lies outside, and a compact lesion fills 0.86 of the
# ellipsoid inscribed in its bounding box (median of the shared masks without the infiltrating ones), 0.95 in length;
# its inside is held firmly, because bleeding and necrosis look like anything. Three diameters measure as much as a box.
# Fewer, and a click, leave directions unmeasured and are held loosely; a reader's own mask tightly; an earlier mask,
# once its scale is found, in between; the tighter where the earlier image helped to find it.
#
# Volumes are off by more than the engines differ by, and by far more where a warning stands. From what was drawn: the
# shared real lesions, 2 mm of jitter; after an earlier mask: phantoms of benchmark_follow_up.py, thin and thick slices.
ENCLOSING = Trust(inside=0.15, outside=0.13, scale=0.95, volume_cv=0.20, doubted_cv=0.60)
SPANNING = Trust(inside=0.25, outside=0.25, volume_cv=0.20, doubted_cv=0.60)
POINTING = replace(SPANNING, volume_cv=0.60)
LEAST_SURE_MM = 8.0  # two standard deviations of where a hand puts either end (2 mm)
OWN_MASK = Trust(inside=0.10, outside=0.10)
EARLIER_MASK = Trust(inside=0.15, outside=0.15, doubted_cv=0.30)
WITNESSED_MASK = Trust(inside=0.10, outside=0.10, doubted_cv=0.30)

SCALE_REACH = 2.1  # the same while the scale of an earlier mask is open: 2.3 radii, and the layer about them
LEAST_TIMES, MOST_TIMES = 0.5, 2.0  # of the earlier volume: few lesions do that between two exams, and many mistakes do
SURROUNDINGS = 0.5  # mean radii beyond the earlier contour: what most follow-ups leave as it was
CLOSING = 0.25  # mean radii: half the width of the bays that are closed


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LesionProposal:
    """A machine's contour, for a reader to accept, correct or reject.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool on the volume's grid: the gross lesion, everything inside its outer contour.
    grid
        The volume's grid.
    probability, probability_grid
        float32 agreement of the engines on the part of the grid that was looked at; 0 elsewhere.
    backend
        Who proposed it.
    volume_ml
        Voxel sum of the mask.
    confidence
        Mean Dice of the engines with one another, 0…1; None where there is but one.
    volume_low_ml, volume_high_ml
        Least and largest volume among the alternatives: a spread of methods, not a confidence interval.
    volume_wcv
        What stands for the reader's error until one has looked: standard deviation ÷ mean of the engines' volumes, and
        how far such outlines were off where the truth is known (:class:`Trust`), which the engines share.
    findings
        What to doubt.

    Raises
    ------
    BackendFailed
        NOT_A_MASK, NOT_A_PROBABILITY: not of its grid's shape, or values other than true and false, or than 0…1.
    """

    mask: BoolArray
    grid: Grid
    probability: NDArray[np.float32]
    probability_grid: Grid
    backend: str
    volume_ml: float
    confidence: float | None
    volume_low_ml: float
    volume_high_ml: float
    volume_wcv: float | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.mask.dtype != np.bool_ or self.mask.shape != self.grid.shape:
            raise BackendFailed(
                f"{self.backend} gave a mask of {self.mask.dtype} {self.mask.shape}, not of bool {self.grid.shape}",
                code="NOT_A_MASK",
            )
        between = (self.probability >= 0) & (self.probability <= 1)  # which is False for what is no number
        if self.probability.shape != self.probability_grid.shape or not between.all():
            raise BackendFailed(
                f"{self.backend} gave something that is no probability from 0 to 1 on its grid",
                code="NOT_A_PROBABILITY",
            )
        object.__setattr__(self, "mask", frozen(self.mask))
        object.__setattr__(self, "probability", frozen(self.probability))


def segment_lesion(
    volume: Volume,
    prompts: Sequence[Prompt],
    *,
    prior: FloatArray | NDArray[np.float32] | None = None,
    exclude: BoolArray | None = None,
    include: BoolArray | None = None,
    companion: Volume | None = None,
    earlier: Volume | None = None,
) -> LesionProposal:
    """The lesion that the prompts or the prior point at, as a proposal on the volume's own grid.

    Parameters
    ----------
    volume
        The image; any orientation, shear and voxel shape.
    prompts
        What the reader drew on this image. A prompt that gives size (box, diameter, point with radius, stroke) rules
        over ``prior``. A mask prompt says that ``prior`` is this image's own mask, to be kept in size.
    prior
        (slices, rows, columns) 0…1 on the volume's grid: the mask of an earlier exam brought here by registration. Its
        place and proportions are expected, its size is read anew from the image: a quarter to twelve times the volume.
    exclude
        True where the lesion certainly is not; the mask never enters it.
    include
        True where the lesion's own material may be (cement or its signal void): inside or at the expected contour it
        counts as lesion, however it looks.
    companion
        A second series of the same exam in the same frame of reference, on any grid. What each voxel looks like on
        both is judged together: on STIR a bleeding is no marrow and an oedema rim no tumour on T1.
    earlier
        The image on which the prior was outlined, on its own grid, which registration has moved here. How the layers
        inside and outside the contour looked there tells where it is now. Of another role, or with slices too thick for
        a lesion of that size, it is not looked at.

    Raises
    ------
    UsageError
        NO_PROMPT, PROMPT_UNRESOLVED, PROMPT_OUTSIDE_IMAGE or BAD_PRIOR.
    EmptyMask
        If the prior is empty on this image.
    GeometryError
        If prior, exclude or include do not fill the grid.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((40, 40, 40), (1.0, 1.0, 1.0))
    >>> radius = np.linalg.norm(np.indices(grid.shape) - 20.0, axis=0)
    >>> samples = np.where(radius < 10, 100, 20).astype(np.int16)
    >>> volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    >>> proposal = segment_lesion(volume, [BoxPrompt(((10, 10, 10), (30, 30, 30)))])
    >>> bool(0.95 < proposal.volume_ml / ((radius < 10).sum() / 1000) < 1.05)
    True
    """
    evidence = evidence_for(
        volume, prompts, prior=prior, exclude=exclude, include=include, companion=companion, earlier=earlier
    )
    return proposal_from(evidence, {name: ENGINES[name](evidence) for name in AGREEMENT})


def evidence_for(
    volume: Volume,
    prompts: Sequence[Prompt],
    *,
    prior: FloatArray | NDArray[np.float32] | None = None,
    exclude: BoolArray | None = None,
    include: BoolArray | None = None,
    companion: Volume | None = None,
    earlier: Volume | None = None,
) -> Evidence:
    """What the engines are given; parameters and errors as :func:`segment_lesion`."""
    for name, array in (("exclude", exclude), ("include", include)):
        if array is not None and array.shape != volume.grid.shape:
            raise GeometryError(f"{name} {array.shape} does not fill the image's grid {volume.grid.shape}")
    marks = Marks.on(volume.grid, prompts, exclude=exclude, include=include)
    doubts = doubts_of_marks(prompts, volume.grid, marks.lesion, marks.never)
    if prior is None or gives_size(prompts):
        shape, remarks = _prompted(prompts)
    else:
        expected = earlier_map(prior, volume.grid)
        shape = _followed(volume, prompts, expected, marks, companion=companion, earlier=earlier)
        remarks = _follow_up_doubts(volume, prompts, expected, shape, earlier)
    return evidence_of(volume, shape, marks, remarks=(*remarks, *doubts), companion=companion)


def _prompted(prompts: Sequence[Prompt]) -> tuple[ExpectedShape, tuple[Finding, ...]]:
    ellipsoid, remarks = ellipsoid_from_prompts(prompts)
    boxed = any(isinstance(prompt, BoxPrompt) and prompt.sign > 0 for prompt in prompts)
    spanned = not boxed and any(measures_all_axes(prompt) for prompt in prompts)
    spanning = POINTING if all(isinstance(prompt, PointPrompt) for prompt in prompts) else SPANNING
    trust = ENCLOSING if spanned or (boxed and not remarks) else spanning
    if 2 * ellipsoid.half_lengths_mm.min() < LEAST_SURE_MM:
        small = f"the prompt is {2 * ellipsoid.half_lengths_mm.min():.0f} mm thick, not much more than a hand is off"
        remarks = (*remarks, Finding("PROMPT_AS_SMALL_AS_ITS_ERROR", Severity.WARNING, f"{small}: look at the outline"))
    return ExpectedShape(ellipsoid=ellipsoid, trust=trust).scaled(trust.scale), remarks


def _followed(
    volume: Volume,
    prompts: Sequence[Prompt],
    prior: NDArray[np.float32],
    marks: Marks,
    *,
    companion: Volume | None,
    earlier: Volume | None,
) -> ExpectedShape:
    """The earlier mask at the scale that this image shows."""
    shape = ExpectedShape(
        ellipsoid=ellipsoid_of_map(prior, volume.grid), trust=EARLIER_MASK, earlier=prior, grid=volume.grid
    )
    if any(isinstance(prompt, MaskPrompt) for prompt in prompts):
        return replace(shape, trust=OWN_MASK)
    margin_mm = SCALE_REACH * shape.ellipsoid.mean_radius_mm
    # Size is read on T1 where there is one: on fluid-sensitive images the oedema rim has the sharper border.
    sized_on = companion if companion is not None and companion.role == "t1" else volume
    region = region_around(sized_on, shape.ellipsoid, margin_mm=margin_mm)
    ruled = marks.on_region(volume.grid, region)
    usable, distance = usable_voxels(region, ruled), shape.distance(region)
    witness = None
    if earlier is not None and earlier.role == sized_on.role:
        resolved = all(shows_layers(image, shape.ellipsoid.mean_radius_mm) for image in (earlier, sized_on))
        witness = Witness.on(region, earlier, usable & (distance > SURROUNDINGS)) if resolved else None
    shape = shape if witness is None else replace(shape, trust=WITNESSED_MASK)
    return shape.scaled(best_scale(region, distance, shape.ellipsoid.centre, usable, witness=witness))


def _follow_up_doubts(
    volume: Volume,
    prompts: Sequence[Prompt],
    prior: NDArray[np.float32],
    shape: ExpectedShape,
    earlier: Volume | None,
) -> tuple[Finding, ...]:
    """What a reader should look at before believing a change."""
    if any(isinstance(prompt, MaskPrompt) for prompt in prompts):
        return ()
    doubts = []
    before_mm = ellipsoid_of_map(prior, volume.grid).mean_radius_mm
    slices_mm = max(max(image.grid.spacing_mm) for image in (volume, earlier) if image is not None)
    if not all(shows_layers(image, before_mm) for image in (volume, earlier) if image is not None):
        message = f"a lesion of {2 * before_mm:.0f} mm on slices {slices_mm:.1f} mm apart: change is told only roughly"
        doubts.append(Finding("SMALL_FOR_ITS_SLICES", Severity.WARNING, message, volume.series_uid))
    times = (shape.ellipsoid.mean_radius_mm / before_mm) ** 3
    if not LEAST_TIMES <= times <= MOST_TIMES:
        message = f"expected at {times:.1f} times the earlier volume: see whether the outline follows the right border"
        doubts.append(Finding("SIZE_CHANGED_MUCH", Severity.WARNING, message, volume.series_uid))
    return tuple(doubts)


def proposal_from(evidence: Evidence, opinions: Mapping[str, NDArray[np.float32]]) -> LesionProposal:
    """What these engines agree on, as a proposal on the volume's own grid.

    Parameters
    ----------
    opinions
        At least one engine's probability by its name (:data:`imaging.segmentation.engines.ENGINES`).
    """
    volume, region, ruled, distance = evidence.volume, evidence.region, evidence.marks, evidence.distance
    agreement = np.asarray(np.mean(list(opinions.values()), axis=0), dtype=np.float32)
    kept, other_share = _kept(np.asarray(agreement >= 0.5, dtype=bool), distance, ruled)
    agreement = np.where(kept, np.maximum(agreement, 0.51), np.minimum(agreement, 0.49)).astype(np.float32)
    probability, start = _with_marks(*on_native(agreement, region, volume.grid), evidence.native)
    stop = tuple(first + count for first, count in zip(start, probability.shape, strict=True))
    mask = np.zeros(volume.grid.shape, dtype=bool)
    mask[tuple(map(slice, start, stop))] = probability >= 0.5
    voxel_ml = volume.grid.voxel_volume_mm3 / 1000
    volume_ml = float(mask.sum()) * voxel_ml
    alternatives = [_kept(np.asarray(opinion >= 0.5, dtype=bool), distance, ruled)[0] for opinion in opinions.values()]
    working_ml = max(float(kept.sum()), 1.0)
    ratios = [float(alternative.sum()) / working_ml for alternative in alternatives] + [1.0]
    low, high = volume_ml * min(ratios), volume_ml * max(ratios)
    doubts = Doubts(
        far_share=float((distance[kept] > LEAK_DISTANCE).mean()) if kept.any() else 0.0,
        other_share=other_share,
        contrast=contrast_across(region, kept, region.known & ~ruled.never),
        volume_low_ml=low,
        volume_high_ml=high,
        touches_edge=touches_edge(*_imaged(mask, volume)),
        material_share=material_share(mask, volume, evidence.native.material),
        unlike_share=_unlike_share(evidence, kept),
    )
    nothing = () if mask.any() else (Finding("LESION_NOT_FOUND", Severity.ERROR, "no voxel looks like the lesion"),)
    findings = (*evidence.remarks, *nothing, *findings_from(doubts, where=volume.series_uid))
    return LesionProposal(
        mask=mask,
        grid=volume.grid,
        probability=probability,
        probability_grid=volume.grid.crop(start, stop),
        backend=BACKEND,
        volume_ml=volume_ml,
        confidence=_confidence(alternatives),
        volume_low_ml=low,
        volume_high_ml=high,
        volume_wcv=_volume_wcv(alternatives, evidence.shape.trust.cv_beside(findings)),
        findings=findings,
    )


def _unlike_share(evidence: Evidence, kept: BoolArray) -> float:
    """Share of a drawn lesion that looks like its surroundings; 0 after an earlier mask, whose inside may change."""
    seen = kept & evidence.region.known
    if evidence.shape.earlier is not None or not seen.any():
        return 0.0
    return float((evidence.likelihood[seen] < 0).mean())


def _with_marks(
    probability: NDArray[np.float32], start: tuple[int, ...], native: Marks
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """The probability with the reader's marks laid over it, and where its crop of the native grid starts.

    What was marked as lesion is lesion, also beyond what was looked at: the crop grows to hold it.
    """
    low, high = np.array(start), np.array(start) + probability.shape
    if native.lesion.any():
        marked = np.argwhere(native.lesion)
        low, high = np.minimum(low, marked.min(axis=0)), np.maximum(high, marked.max(axis=0) + 1)
    window = tuple(map(slice, low.tolist(), high.tolist()))
    ruled = np.pad(probability, list(zip(start - low, high - start - probability.shape, strict=True)))
    ruled = np.where(native.lesion[window], np.maximum(ruled, 0.51), ruled)
    return np.where(native.never[window], 0, ruled).astype(np.float32), tuple(low.tolist())


def _imaged(mask: BoolArray, volume: Volume) -> tuple[BoolArray, BoolArray | None]:
    """The mask and what is valid on the imaged slices alone: a gap between them is no edge, and has its own remark."""
    if volume.acquired_slices is None:
        return mask, volume.valid
    planes = list(volume.acquired_slices.planes)
    return mask[planes], None if volume.valid is None else volume.valid[planes]


def _kept(mask: BoolArray, distance: NDArray[np.float32], ruled: Marks) -> tuple[BoolArray, float]:
    """The piece that lies most in the expected shape, its holes filled, and the next largest one's share of it.

    Pieces that hold a positive mark are kept too. Holes are filled because gross means everything inside the contour.
    """
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask, 0.0
    size = np.bincount(labels.ravel(), minlength=count + 1).astype(np.float64)
    overlap = np.bincount(labels[(distance < 0) & mask], minlength=count + 1) + size * 1e-6
    overlap[0] = 0
    best = int(overlap.argmax())
    wanted = {best, *np.unique(labels[ruled.lesion & mask]).tolist()} - {0}
    others = [size[label] for label in range(1, count + 1) if label not in wanted]
    filled = ndimage.binary_fill_holes(np.isin(labels, sorted(wanted))) & ~ruled.never
    filled |= _closed(filled, distance) & ~ruled.never
    return np.asarray(filled, dtype=bool), float(max(others, default=0.0) / size[best])


def _closed(mask: BoolArray, distance: NDArray[np.float32]) -> BoolArray:
    """The bays of a mask that are narrower than half the lesion and lie within the expected contour.

    Gross volume runs along the outer contour: a bleeding or cement that touches the margin leaves a bay, not a border.
    """
    voxel = float((np.count_nonzero(distance < 0) / (4 / 3 * np.pi)) ** (1 / 3))  # mean radius in voxels
    reach = CLOSING * voxel
    grown = ndimage.distance_transform_edt(~mask) <= reach
    return np.asarray((ndimage.distance_transform_edt(grown) > reach) & (distance < 0), dtype=bool)


def _volume_wcv(alternatives: Sequence[BoolArray], shared: float) -> float:
    """Coefficient of variation of the alternatives' volumes (n − 1), and what they are off by together."""
    volumes = np.array([np.count_nonzero(alternative) for alternative in alternatives], dtype=np.float64)
    spread = float(volumes.std(ddof=1) / volumes.mean()) if len(volumes) > 1 and volumes.any() else 0.0
    return math.hypot(spread, shared)


def _confidence(alternatives: Sequence[BoolArray]) -> float | None:
    """Mean Dice of all pairs; None where there is but one."""
    if len(alternatives) < 2:
        return None
    overlaps = [
        2 * float((one & two).sum()) / max(float(one.sum() + two.sum()), 1.0)
        for one, two in combinations(alternatives, 2)
    ]
    return float(np.mean(overlaps))
