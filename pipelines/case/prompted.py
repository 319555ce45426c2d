"""The lesion from the prompts that the case file places on an exam, or from the mask file that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imaging.errors import BackendFailed, CaseFileError, UsageError
from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Method
from imaging.segmentation import SegmentKind
from imaging.segmentation.prompt import MaskPrompt
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import series_for
from pipelines.case.imported import (
    Imported,
    imported_rows,
)
from pipelines.case.mask_files import named_mask, on_record
from pipelines.case.materials import carry_material
from pipelines.case.proposed import companion, no_series, proposed_row, void_doubt
from pipelines.case.traced import Ground, Trace, Traced, unseen
from pipelines.case_file import PlacedPrompt

__all__ = ["choice_doubt", "prompted_rows", "studies_meant"]


def prompted_rows(trace: Trace, timepoint: Timepoint, ground: Ground) -> list[Traced]:
    """The lesion from the prompts that the case file places on this exam; none: an empty list."""
    placed = [
        prompt
        for prompt in (trace.entry.prompts if trace.entry else ())
        if ground.exams.named(prompt.timepoint).id == timepoint.id
    ]
    if not placed:
        return []
    forced = next((prompt.series for prompt in placed if prompt.series), None)
    meant = studies_meant(placed, timepoint)
    record = (
        next((r for r in meant.series if forced in (r.volume_id, r.series_uid)), None)
        if forced
        else (series_for(meant, (role,)) if (role := trace.role()) else None) or series_for(meant)
    )
    if record is None and (forced is None or not timepoint.series):
        return [no_series(trace, timepoint, None)]
    if record is None:
        raise CaseFileError(f"a prompt of {trace.lesion.id} names a series that {timepoint.id} does not have")
    masks = [prompt.prompt for prompt in placed if isinstance(prompt.prompt, MaskPrompt)]
    if masks:
        return mask_rows(trace, timepoint, record, masks[0], ground)
    volume = ground.images.of(record)
    material = carry_material(record, timepoint, ground.material, ground.links, ground.procedures)
    second = companion(record, timepoint, ground)
    choice = choice_doubt(record, meant) if forced is None else ()
    try:
        proposal = ground.segmenter.segment(
            volume,
            [prompt.prompt for prompt in placed],
            include=None if material is None else material.mask,
            companion=second,
        )
    except (UsageError, BackendFailed) as error:  # one misplaced prompt is one row, and the other exams go on
        return [unseen(trace, timepoint.id, record, error.code, str(error), *choice)]
    remarks = (
        *volume.findings,
        *choice,
        *void_doubt(material, trace.lesion, timepoint, ground),
    )
    origin = ground.segmenter.capabilities().provenance()
    return [
        proposed_row(
            trace, timepoint, record, proposal, origin, volume=volume, method=Method.SEGMENTED, findings=remarks
        )
    ]


def studies_meant(placed: Sequence[PlacedPrompt], timepoint: Timepoint) -> Timepoint:
    """The exam with the series of those studies alone that the prompts name, if they name any."""
    named = {prompt.timepoint for prompt in placed}
    of_study = tuple(record for record in timepoint.series if record.study_uid in named)
    return replace(timepoint, series=of_study) if of_study else timepoint


def choice_doubt(record: SeriesRecord, meant: Timepoint) -> tuple[Finding, ...]:
    """What an outline must be doubted for where another study of the exam could have been meant as well."""
    frames = {r.frame_of_reference_uid for r in meant.series if r.role == record.role and r.grid is not None}
    if len(frames) < 2:
        return ()
    message = (
        f"{len(frames)} frames of reference of this exam have a {record.role} series, the prompt names none, and that "
        "with the finest voxels was taken; name the series, or the study as the timepoint"
    )
    return (Finding("SERIES_NOT_NAMED", Severity.WARNING, message, record.series_uid),)


def mask_rows(
    trace: Trace, timepoint: Timepoint, record: SeriesRecord, prompt: MaskPrompt, ground: Ground
) -> list[Traced]:
    """A mask file named by the case file; a DICOM annotation counts as accepted by its author, other files do not."""
    drawn = named_mask(prompt.path, ground.case_folder, of=trace.lesion.id, accept_gaps=ground.accept_gaps)
    segment = replace(
        on_record(drawn, record), series_uid=record.volume_id, lesion=trace.lesion.id, kind=SegmentKind.LESION
    )
    return imported_rows(trace, timepoint, [Imported(record, segment)])
