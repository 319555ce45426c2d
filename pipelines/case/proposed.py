"""A mask made by the machine as the row of its lesion, and what is to be doubted of any mask."""

from __future__ import annotations

from dataclasses import replace

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Lesion, Method
from imaging.lesions.side import side_of
from imaging.provenance import Provenance
from imaging.segmentation import Segment, SegmentKind, Status
from imaging.segmentation.lesion import LesionProposal
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Volume
from pipelines.case.exams import companion_of
from pipelines.case.history import history_of
from pipelines.case.materials import CarriedMaterial
from pipelines.case.traced import Ground, Trace, Traced, unseen

__all__ = ["companion", "is_drawn", "no_series", "on_its_side", "proposed_row", "void_doubt"]


def proposed_row(
    trace: Trace,
    timepoint: Timepoint,
    record: SeriesRecord,
    proposal: LesionProposal,
    origin: Provenance,
    *,
    volume: Volume,
    method: Method,
    findings: tuple[Finding, ...],
) -> Traced:
    remarks = (*findings, *proposal.findings)
    if not proposal.mask.any():
        return unseen(
            trace, timepoint.id, record, "NOTHING_FOUND", "no lesion was found where it is expected", *remarks
        )
    remarks = (*remarks, *laterality(trace.lesion, proposal.mask, volume, timepoint))
    segment = Segment(
        mask=proposal.mask,
        grid=proposal.grid,
        name=trace.lesion.name,
        kind=SegmentKind.LESION,
        lesion=trace.lesion.id,
        tracking_uid=trace.lesion.tracking_uid,
        status=Status.PROPOSED,
        provenance=origin,
        series_uid=record.volume_id,
        findings=remarks,
    )
    return Traced(
        lesion=trace.lesion.id,
        timepoint=timepoint.id,
        record=record,
        segment=segment,
        status=Status.PROPOSED,
        method=method,
        engine_wcv=proposal.volume_wcv,
        findings=remarks,
    )


def laterality(lesion: Lesion, mask: BoolArray, volume: Volume, timepoint: Timepoint) -> tuple[Finding, ...]:
    """A finding where the image shows the mask on the other side than the case file says: acceptance is blocked."""
    seen = side_of(mask, volume) if lesion.side in ("left", "right") else None
    if seen is None or seen == lesion.side:
        return ()
    message = f"the case file says {lesion.side}, the image shows this mask on the {seen}; correct one of them"
    return (Finding("LATERALITY_CONFLICT", Severity.ERROR, message, f"{lesion.id} {timepoint.id}"),)


def on_its_side(row: Traced, lesion: Lesion, timepoint: Timepoint, ground: Ground) -> Traced:
    """A mask that somebody drew or gave to it, looked at as the machine's are: on the wrong side none is accepted."""
    judged = row.method is Method.IMPORTED or is_drawn(row) or row.taken_for is not None
    if not judged or lesion.side is None or row.segment is None or row.record is None:
        return row
    conflict = laterality(lesion, row.segment.mask, ground.images.of(row.record), timepoint)
    if not conflict:
        return row
    doubted = row.segment.with_status(Status.PROPOSED, *conflict)
    return replace(row, segment=doubted, status=Status.PROPOSED, findings=(*row.findings, *conflict))


def is_drawn(row: Traced) -> bool:
    """Whether the mask is a reader's, in place of today's."""
    return any(finding.code == "RECOMPUTATION_DIFFERS" for finding in row.findings)


def void_doubt(
    material: CarriedMaterial | None, lesion: Lesion, timepoint: Timepoint, ground: Ground
) -> tuple[Finding, ...]:
    """What an outline must be doubted for where material may lie in the lesion and no CT shows where."""
    if material is not None:
        return material.findings
    if not any(p.lesion in (lesion.id, None) for p in history_of(timepoint, ground.procedures).procedures):
        return ()
    message = "material had been injected and no CT shows where: the outline may leave out its signal void"
    return (Finding("SIGNAL_VOID_UNKNOWN", Severity.WARNING, message, f"{lesion.id} {timepoint.id}"),)


def no_series(trace: Trace, timepoint: Timepoint, here: SeriesRecord | None) -> Traced:
    """The row of an exam without a series on which the lesion could be outlined."""
    if timepoint.lost and not timepoint.series:
        why = ", ".join(sorted({record.code or "damaged" for record in timepoint.lost}))
        return unseen(trace, timepoint.id, None, "EXAM_REFUSED", f"no series of this exam could be used ({why})")
    role = trace.role()
    reason = (
        "this exam has no series of a kind on which a lesion can be outlined"
        if role is None
        else f"this exam has no {role} series to compare with; the tumour is not outlined on another kind of image"
    )
    return unseen(trace, timepoint.id, here, "NO_COMPARABLE_SERIES", reason)


def companion(record: SeriesRecord, timepoint: Timepoint, ground: Ground) -> Volume | None:
    other = companion_of(record, timepoint)
    return None if other is None else ground.images.of(other)
