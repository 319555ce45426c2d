"""The lesion from its newest earlier mask: registered to the exam and outlined anew, or why it cannot be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imaging.arrays import FloatArray
from imaging.errors import BackendFailed, EmptyMask, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.lesions.lesion import Method
from imaging.lesions.match import MOST_INSIDE, share_inside
from imaging.segmentation import Status
from imaging.segmentation.lesion import LesionProposal
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_probability
from pipelines.case.exams import companion_of, series_for
from pipelines.case.imported import Owned
from pipelines.case.links import Links
from pipelines.case.materials import carry_material
from pipelines.case.proposed import companion, no_series, proposed_row, void_doubt
from pipelines.case.traced import Ground, Trace, Traced, not_outlined_yet, unseen

__all__ = ["ALONE", "TAKEN_IN", "as_unsure_as", "followed_rows", "registered_prior"]

TAKEN_IN, ALONE = "WITHIN_ANOTHER_OUTLINE", "NOT_AMONG_MASKS"
COVERED_FRACTION = 0.5  # less of a lesion inside the field of view than this, and nothing can be proposed there
NOT_DRAWN = (
    "who outlined this exam did not outline this lesion: it may be gone, and this outline is the software's alone"
)
WHOLE_FRACTION = 0.98  # below it the lesion is cut by the edge of the image, beyond what resampling can explain


def followed_rows(trace: Trace, timepoint: Timepoint, ground: Ground, *, beside: Sequence[Owned] = ()) -> list[Traced]:
    """A proposal from the newest earlier mask, registered to this exam and outlined anew; or why there is none.

    ``beside`` are the masks of other lesions that people drew on this exam.
    """
    here = series_for(timepoint)
    role = trace.role()
    if role is None:
        return [not_outlined_yet(trace, timepoint)]
    record = series_for(timepoint, (role,))
    if record is None:
        return [no_series(trace, timepoint, here)]
    previous = trace.masks()[-1]
    prior, doubt = free_prior(previous, record, beside, ground.links)
    if prior is None:
        return [unseen(trace, timepoint.id, record, *doubt)]
    volume = ground.images.of(record)
    material = carry_material(record, timepoint, ground.material, ground.links, ground.procedures)
    inside = None if material is None else material.mask
    second = companion(record, timepoint, ground)
    then = earlier_image(previous, record, second, ground)
    try:
        proposal = ground.segmenter.segment(volume, (), prior=prior, include=inside, companion=second, earlier=then)
    except EmptyMask:
        lost = "the earlier mask is smaller than a voxel of this image: outline the lesion here"
        return [unseen(trace, timepoint.id, record, "PRIOR_TOO_SMALL", lost)]
    except (UsageError, BackendFailed) as error:  # a model that takes no earlier mask, or gave no answer
        return [unseen(trace, timepoint.id, record, error.code, str(error))]
    cut = (
        (Finding("LESION_TRUNCATED", Severity.WARNING, "the edge of the image cuts the lesion", timepoint.id),)
        if doubt
        else ()
    )
    alone = (Finding(ALONE, Severity.WARNING, NOT_DRAWN, f"{trace.lesion.id} {timepoint.id}"),) if trace.lost else ()
    remarks = (
        *volume.findings,
        *cut,
        *alone,
        *void_doubt(material, trace.lesion, timepoint, ground),
        *oedema_doubt(volume, second),
    )
    origin = ground.segmenter.capabilities().provenance()
    inherited = as_unsure_as(previous, proposal)
    return [
        proposed_row(
            trace, timepoint, record, inherited, origin, volume=volume, method=Method.PROPAGATED, findings=remarks
        )
    ]


def as_unsure_as(previous: Traced, proposal: LesionProposal) -> LesionProposal:
    """What follows a mask that nobody has accepted may be off by all that that one may be off by."""
    if previous.status is not Status.PROPOSED or previous.engine_wcv is None:
        return proposal
    return replace(proposal, volume_wcv=math.hypot(proposal.volume_wcv or 0.0, previous.engine_wcv))


def earlier_image(previous: Traced, record: SeriesRecord, second: Volume | None, ground: Ground) -> Volume | None:
    """The exam on which the lesion was outlined last as it looked then, laid over this one; T1 where both have it."""
    exam = next(exam for exam in ground.exams.timepoints if exam.id == previous.timepoint)
    role = "t1" if second is not None and second.role == "t1" else record.role
    here = previous.record
    assert here is not None, "a mask has a series"
    seen = here if here.role == role else companion_of(here, exam)
    record_from_seen = None if seen is None else ground.links.path(record, seen)
    if seen is None or seen.role != role or seen.grid is None or record_from_seen is None:
        return None
    volume = ground.images.of(seen)
    return replace(volume, grid=Grid(volume.grid.shape, record_from_seen.matrix @ volume.grid.affine))


def oedema_doubt(volume: Volume, second: Volume | None) -> tuple[Finding, ...]:
    """What a size must be doubted for that was read where oedema is as bright as tumour."""
    seen_on_t1 = volume.role == "t1" or (second is not None and second.role == "t1")
    if volume.modality is not Modality.MR or seen_on_t1:
        return ()
    message = "followed without a T1 series: on fluid-sensitive images oedema may be taken for tumour"
    return (Finding("OEDEMA_MAY_BE_INCLUDED", Severity.WARNING, message, volume.series_uid),)


def free_prior(
    previous: Traced, record: SeriesRecord, beside: Sequence[Owned], links: Links
) -> tuple[FloatArray | None, tuple[str, str] | tuple[()]]:
    """As :func:`registered_prior`, unless somebody drew another lesion over that place: nothing is measured twice."""
    prior, doubt = registered_prior(previous, record, links)
    record_from_previous = None if previous.record is None else links.path(record, previous.record)
    if prior is None or previous.segment is None or record_from_previous is None:
        return prior, doubt
    for other in beside:
        if other.record.volume_id != record.volume_id:
            continue
        if share_inside(previous.segment, other.segment, record_from_previous) >= MOST_INSIDE:
            reason = (
                f"its place lies in the outline that was drawn of {other.segment.lesion} here: it is not told apart"
            )
            return None, (TAKEN_IN, reason)
    return prior, doubt


def registered_prior(
    previous: Traced, record: SeriesRecord, links: Links
) -> tuple[FloatArray | None, tuple[str, str] | tuple[()]]:
    """The earlier mask as a probability on the record's grid, or the code and the reason why not.

    A lesion that the field of view cuts gives a prior *and* a reason.
    """
    if previous.record is None or previous.segment is None or record.grid is None:
        return None, ("NO_PRIOR", "no earlier mask")
    record_from_previous = links.path(record, previous.record)
    if record_from_previous is None:
        reason = f"no accepted registration leads here from {previous.timepoint}, where the lesion was outlined last"
        return None, ("REGISTRATION_REJECTED", reason)
    grid = previous.segment.grid
    points = record_from_previous.apply(grid.points(np.argwhere(previous.segment.mask)))
    indices = record.grid.indices(points)
    upper = np.array(record.grid.shape) - 0.5
    covered = float(((indices >= -0.5) & (indices <= upper)).all(axis=1).mean())
    if covered < COVERED_FRACTION:
        return None, ("OUT_OF_FIELD_OF_VIEW", f"only {covered:.0%} of the lesion lies in the field of view")
    prior = resample_probability(
        previous.segment.mask, grid, record.grid, grid_from_onto=record_from_previous.inverse()
    ).astype(np.float64)
    return prior, ("LESION_TRUNCATED", "cut") if covered < WHOLE_FRACTION else ()
