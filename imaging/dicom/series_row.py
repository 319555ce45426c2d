"""The parts of a series as its records: identity, verdict, role, and every finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from imaging.dicom.candidate import Candidate, frames_of
from imaging.dicom.completeness import incompleteness
from imaging.dicom.concatenation import concatenations, declared_total
from imaging.dicom.frames import Frame
from imaging.dicom.gaps import GAP_CODES
from imaging.dicom.instance import Instance, distinct_facts
from imaging.dicom.kind import Kind
from imaging.dicom.split import Part, with_gaps
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.geometry.grid import Grid
from imaging.provenance import uid_from
from imaging.study.role import decide_role
from imaging.study.series import FrameSource, SeriesRecord, SeriesUid, Verdict

__all__ = ["numbered", "refused_without_slices", "series_row"]

CORRECTIONS = (
    *GAP_CODES,
    "TRUNCATED_PIXEL_DATA",
    "UNSUPPORTED_TRANSFER_SYNTAX",
    "UNSUPPORTED_PIXELS",
    "DECLARED_SIZE_TOO_LARGE",
    "FRAME_COUNT_MISMATCH",
    "MIXED_ORIENTATION",
    "MIXED_GEOMETRY",
    "MULTIPLE_FRAME_OF_REFERENCE",
    "MISSING_POSITION",
    "BAD_NUMBER",
    "UID_COLLISION",
    "DUPLICATE_INSTANCE",
    "GANTRY_TILT",
)


def refused_without_slices(candidates: Sequence[Candidate]) -> SeriesRecord:
    """The row of a series that holds no usable slice: localizers, captures, other modalities, truncated files."""
    codes = Counter(candidate.code for candidate in candidates)
    code = min(codes, key=lambda c: (-codes[c], c))
    messages = {
        "UNSUPPORTED_MODALITY": "only CT and MR are measured",
        "LOCALIZER": "a localizer is no volume",
        "SECONDARY_CAPTURE": "a secondary capture has no place in the patient",
        "UNSUPPORTED_MOSAIC": "mosaics (all slices tiled in one plane) are not read; export the series without mosaic",
    }
    message = messages.get(code, f"none of {len(candidates)} files holds a usable slice")
    finding = Finding(code, Severity.ERROR, message)
    return series_row(candidates[0].instance, frames_of(candidates), number=1, code=code, findings=(finding,))


def numbered(
    judged: Sequence[tuple[Part, tuple[Finding, ...]]],
    candidates: Sequence[Candidate],
    lost: Sequence[Candidate],
    *,
    frames_of_reference: int,
) -> tuple[SeriesRecord, ...]:
    """Records of the parts: loadable ones first, in the order of their first instance."""
    ordered = sorted(judged, key=lambda item: _part_key(item[0])) if len(judged) > 1 else judged
    loadable = sum(part.stack is not None for part, _ in judged)
    common = list(_series_findings(candidates, lost))
    if frames_of_reference > 1:
        message = f"{frames_of_reference} frames of reference under one series UID: no common space"
        common.append(Finding("MULTIPLE_FRAME_OF_REFERENCE", Severity.WARNING, message))
    elif loadable > 1:
        message = f"the series holds {loadable} volumes, told apart by what their headers say"
        common.append(Finding("MULTIPLE_VOLUMES", Severity.INFO, message))
    if loadable == 1 and len(judged) == 1:
        common += incompleteness([c.instance for c in candidates if c.kind is not Kind.LOST], judged[0][0])
    elif loadable:
        common += incompleteness([c.instance for c in candidates if c.kind is not Kind.LOST], None)
    records = []
    for number, (part, notes) in enumerate(ordered, start=1):
        record = _record(part, (*part.findings, *notes, *common), lost, number)
        taken = with_gaps(part)
        if taken is not None:
            counted = incompleteness([c.instance for c in candidates if c.kind is not Kind.LOST], taken)
            remarks = (*taken.findings, *notes, *common, *(counted if len(judged) == 1 else ()))
            record = replace(record, with_gaps=_record(taken, remarks, lost, number))
        records.append(record)
    return tuple(records)


def _record(part: Part, findings: Sequence[Finding], lost: Sequence[Candidate], number: int) -> SeriesRecord:
    instance = part.frames[0].instance
    if part.stack is None:
        refusal = part.refusal or SeriesRefused("no volume")
        own = Finding(refusal.code, Severity.ERROR, str(refusal))
        is_gap = refusal.code in ("MISSING_SLICES", "NOT_A_VOLUME")
        cause = lost[0].code if lost and is_gap else refusal.code
        return series_row(instance, part.frames, number=number, code=cause, findings=(own, *findings))
    findings = (*findings, *_few_slices(part), *_image_findings(part.frames))
    code = next((code for code in CORRECTIONS if any(f.code == code for f in findings)), None)
    row = series_row(instance, part.frames, number=number, code=code, findings=findings, grid=part.stack.grid)
    facts = replace(
        instance.facts.sequence,
        image_type=part.frames[0].marks.image_type or instance.facts.image_type,
        b_value=part.frames[0].marks.b_value or instance.facts.sequence.b_value,
        echo_time=_first_known(part.frames[0].marks.echo_time, instance.facts.sequence.echo_time),
    )
    role, reason = decide_role(facts)
    return replace(row, role=role, role_reason=reason, acquired_slices=part.stack.acquired)


def series_row(
    instance: Instance,
    frames: Sequence[Frame],
    *,
    number: int,
    code: str | None,
    findings: Sequence[Finding],
    grid: Grid | None = None,
) -> SeriesRecord:
    series_uid = instance.facts.series_uid or SeriesUid(uid_from("series", *_identity(frames)))
    if not instance.facts.series_uid:
        message = "the series has no UID of its own; one is derived from its content"
        findings = (*findings, Finding("MISSING_SERIES_UID", Severity.INFO, message))
    volume_id = series_uid if number == 1 else f"{series_uid}#{number}"
    verdict = Verdict.REFUSED if grid is None else Verdict.CORRECTED if code else Verdict.EXACT
    role, reason = decide_role(instance.facts.sequence)
    return SeriesRecord(
        patient=instance.facts.patient,
        study_uid=instance.facts.study_uid,
        series_uid=series_uid,
        volume_id=volume_id,
        modality=instance.facts.modality,
        verdict=verdict,
        code=code,
        study_date=instance.facts.study_date,
        acquired=_earliest(frames) or instance.own.acquired,
        description=instance.facts.description,
        frame_of_reference_uid=max(f.frame_of_reference_uid for f in distinct_facts(f.instance for f in frames)),
        role=role,
        role_reason=reason,
        grid=grid,
        slice_thickness_mm=instance.facts.slice_thickness_mm,
        image_type=frames[0].marks.image_type,
        frames=tuple(FrameSource(frame.instance.path, frame.number, frame.instance.uid) for frame in frames),
        findings=tuple(replace(finding, where=finding.where or volume_id) for finding in findings),
    )


def _series_findings(candidates: Sequence[Candidate], lost: Sequence[Candidate]) -> Iterable[Finding]:
    for code, count in sorted(Counter(candidate.code for candidate in lost).items()):
        yield Finding(code, Severity.WARNING, f"{count} files of the series cannot be used")
    extra = Counter(candidate.code for candidate in candidates if candidate.kind is Kind.NO_SLICE)
    for code, count in sorted(extra.items()):
        yield Finding(code, Severity.INFO, f"{count} images of the series are no slices and are passed over")


def _image_findings(frames: Sequence[Frame]) -> Iterable[Finding]:
    instances = [frame.instance for frame in frames]
    known = distinct_facts(instances)
    if any(facts.is_lossy for facts in known):
        ratio = max((instance.lossy_ratio or 0 for instance in instances), default=0)
        strength = f"about {ratio:.3g}:1" if ratio else "nobody says how strongly"
        message = f"the images were compressed with loss, {strength}; values near edges are altered"
        yield Finding("LOSSY", Severity.WARNING, message)
    if others := sorted({scale for facts in known for scale in facts.other_scales}):
        message = f"values are those of the public rescale; {' and '.join(others)} would give others and is not applied"
        yield Finding("VALUE_SCALE", Severity.INFO, message)
    if not all(facts.preamble_is_zero for facts in known):
        yield Finding("PREAMBLE_NOT_ZERO", Severity.INFO, "files carry foreign bytes before the DICOM header; ignored")
    if joined := concatenations(frames):
        yield Finding("CONCATENATION", Severity.INFO, "the parts of a concatenation were joined by their positions")
        if any(declared_total(parts) is None for parts in joined):
            message = "no part of a concatenation says how many there are; the last ones may be absent"
            yield Finding("CONCATENATION", Severity.WARNING, message)


def _few_slices(part: Part) -> tuple[Finding, ...]:
    if len(part.frames) > 2:
        return ()
    message = "two slices only: nothing confirms that none is missing between them"
    return (Finding("FEW_SLICES", Severity.WARNING, message),)


def _earliest(frames: Sequence[Frame]) -> str | None:
    return min((frame.instance.own.acquired for frame in frames if frame.instance.own.acquired), default=None)


def _first_number(part: Part) -> int:
    return min((f.instance.number or 0) for f in part.frames)


def _part_key(part: Part) -> tuple[bool, int, tuple[str, ...]]:
    return part.stack is None, _first_number(part), _identity(part.frames)


def _identity(frames: Sequence[Frame]) -> tuple[str, ...]:
    """What names a group of frames by content alone: their UIDs, places and moments."""
    return tuple(
        sorted(
            f"{f.instance.uid}|{f.number}|{f.position}|{f.instance.number}|{f.instance.own.acquired}|"
            f"{f.instance.facts.rows}|{f.instance.facts.columns}|{f.marks.image_type}"
            for f in frames
        )
    )


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
