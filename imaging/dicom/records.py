"""One series' files in, its records out: every series ends as exact, corrected or refused, with a code.

What is refused is refused as a whole: a series in which one slice has no readable position is no volume, and guessing
which slices may be left out would be a guess about the patient.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging.dicom.completeness import incompleteness
from imaging.dicom.duplicates import without_copies
from imaging.dicom.facts import Concatenation
from imaging.dicom.frames import Frame, unplaced_frame
from imaging.dicom.gaps import GAP_CODES
from imaging.dicom.geometry import angle_deg
from imaging.dicom.identity import are_of_one_person
from imaging.dicom.instance import Instance, distinct_facts
from imaging.dicom.kind import Kind
from imaging.dicom.split import ORIENTATION_TOLERANCE_DEG, Part, same_plane, volumes_of, with_gaps
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.geometry.grid import Grid
from imaging.provenance import uid_from
from imaging.study.role import decide_role
from imaging.study.series import FrameSource, SeriesRecord, SeriesUid, Skipped, Verdict

__all__ = ["Candidate", "series_records"]

FEW_ODD_FRAMES = 4  # fewer frames beside a proper stack are localizers or summaries, not a volume of their own
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


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A file that may belong to a series: its instance, its frames, and what it is."""

    instance: Instance
    frames: tuple[Frame, ...]
    kind: Kind
    code: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Of one series: its records, and the files that went into none of them."""

    records: tuple[SeriesRecord, ...]
    skipped: tuple[Skipped, ...] = ()


def series_records(candidates: Sequence[Candidate]) -> Verdicts:
    """The records of one series.

    Parameters
    ----------
    candidates
        All image files with one Series Instance UID (or, where they have none, of one folder), in any order.
    """
    keys = {id(c): (c.instance.number or 0, c.instance.uid) for c in candidates}
    if len(set(keys.values())) < len(keys):
        ordered = sorted(candidates, key=lambda c: (*keys[id(c)], str(c.instance.path)))
    else:
        ordered = sorted(candidates, key=lambda c: keys[id(c)])
    if _is_collision(ordered):
        return _of_colliding_patients(ordered)
    return _of_one_patient(ordered)


def _of_one_patient(ordered: Sequence[Candidate], *remarks: Finding) -> Verdicts:
    slices = [candidate for candidate in ordered if candidate.kind is Kind.SLICE]
    skipped = tuple(Skipped(c.instance.path, c.code) for c in ordered if c.kind in (Kind.NO_SLICE, Kind.LOST))
    if not slices:
        return Verdicts((_refused_without_slices(ordered),), skipped)
    by_frame_of_reference = _grouped(slices, lambda c: c.instance.facts.frame_of_reference_uid)
    judged, odd = _joined_to_the_only_frame(by_frame_of_reference) or _each_judged(by_frame_of_reference)
    lost = [candidate for candidate in ordered if candidate.kind is Kind.LOST]
    judged = [(part, (*notes, *remarks)) for part, notes in judged]
    spaces = {part.frames[0].facts.frame_of_reference_uid for part, _ in judged}
    records = _numbered(judged, ordered, lost, frames_of_reference=len(spaces))
    return Verdicts(records, (*skipped, *odd))


Judged = tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]


def _each_judged(groups: dict[str, list[Candidate]]) -> Judged:
    """Every frame of reference for itself."""
    judged: list[tuple[Part, tuple[Finding, ...]]] = []
    odd: list[Skipped] = []
    for _, members in sorted(groups.items()):
        parts, left_over = _judged([frame for c in members for frame in c.frames])
        judged += parts
        odd += left_over
    return judged, odd


def _joined_to_the_only_frame(groups: dict[str, list[Candidate]]) -> Judged | None:
    """Slices that name no frame of reference with those of the only one, if together alone they are a volume."""
    if len(groups) != 2 or "" not in groups:
        return None
    judged, odd = _judged([frame for members in groups.values() for c in members for frame in c.frames])
    if len(judged) != 1 or judged[0][0].stack is None:
        return None
    message = f"{len(groups[''])} images name no frame of reference; they complete the volume of the only one named"
    part, notes = judged[0]
    return [(part, (*notes, Finding("MULTIPLE_FRAME_OF_REFERENCE", Severity.WARNING, message)))], odd


def _judged(frames: Sequence[Frame]) -> tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]:
    """The parts of one frame of reference with the findings of how they were told apart; files left out."""
    homeless = tuple(frame for frame in frames if frame.fault is not None)
    if homeless and _are_beyond_the_ends(homeless, frames):
        parts, left_over = _judged([frame for frame in frames if frame.fault is None])
        if len(parts) == 1 and parts[0][0].stack is not None:
            part, remarks = parts[0]
            why = f"{len(homeless)} slices at an end of the series are left out: {_first_why(homeless)}"
            note = Finding("MISSING_POSITION", Severity.WARNING, why)
            odd = [Skipped(path, "MISSING_POSITION") for path in sorted(_paths(homeless))]
            return [(part, (*remarks, note))], left_over + odd
    fault = _first_fault(frames) or _some_commas(frames) or _broken_concatenation(frames)
    if fault is not None:
        return [(Part(tuple(frames), refusal=fault), ())], []
    once, copies = without_copies(frames)
    notes: list[Finding] = []
    if any(frame.has_commas for frame in frames):
        message = "all slices write decimals with a comma, where DICOM has a point; they are read as points"
        notes.append(Finding("BAD_NUMBER", Severity.WARNING, message))
    if copies:
        message = f"{len(copies)} copies of slices, equal in place and values, are left out"
        notes.append(Finding("DUPLICATE_INSTANCE", Severity.WARNING, message))
    clashing = _clashing_uids(once)
    if clashing:
        message = f"{clashing} instance UIDs are used for more than one image"
        notes.append(Finding("DUPLICATE_UID", Severity.WARNING, message))
    skipped = [Skipped(path, "DUPLICATE_INSTANCE") for path in _paths(copies) - _paths(once)]
    try:
        planes = same_plane(once)
    except SeriesRefused as refusal:
        return [(Part(once, refusal=refusal), tuple(notes))], skipped
    if len(planes) == 1:
        return [(part, tuple(notes)) for part in volumes_of(planes[0])], skipped
    parts, left_over = _of_several_planes(planes, tuple(notes))
    return parts, skipped + left_over


def _of_several_planes(
    planes: Sequence[tuple[Frame, ...]], notes: tuple[Finding, ...]
) -> tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]:
    """Stacks of different orientation or matrix under one series UID: the proper ones stay, if any."""
    cause = _difference(planes)
    parts = [part for plane in planes for part in volumes_of(plane)]
    enough = min(FEW_ODD_FRAMES, max(len(part.frames) for part in parts))
    proper = [part for part in parts if part.stack is not None and len(part.frames) >= enough]
    rest = [part for part in parts if part not in proper]
    message = f"the series holds images of {len(planes)} different planes or matrices; {len(proper)} form volumes"
    note = Finding(cause, Severity.WARNING, message)
    if not proper:
        frames = tuple(frame for part in parts for frame in part.frames)
        largest = max(parts, key=lambda part: len(part.frames)).refusal
        also = (Finding(largest.code, Severity.ERROR, str(largest)),) if largest and largest.code != cause else ()
        refusal = SeriesRefused(f"{message}: none", code=cause)
        return [(Part(frames, refusal=refusal), (*notes, *also))], []
    kept: list[tuple[Part, tuple[Finding, ...]]] = [(part, (*notes, note)) for part in proper]
    used = _paths(frame for part in proper for frame in part.frames)
    skipped = []
    for part in rest:
        if len(part.frames) < FEW_ODD_FRAMES:
            skipped += [Skipped(path, cause) for path in sorted(_paths(part.frames) - used)]
        else:
            kept.append((part, (*notes, note)))
    return kept, skipped


def _difference(planes: Sequence[tuple[Frame, ...]]) -> str:
    first = planes[0][0].orientation
    turned = any(angle_deg(first, plane[0].orientation) > ORIENTATION_TOLERANCE_DEG for plane in planes[1:])
    return "MIXED_ORIENTATION" if turned else "MIXED_GEOMETRY"


def _are_beyond_the_ends(homeless: Sequence[Frame], frames: Sequence[Frame]) -> bool:
    """Whether slices without a position lie outside of all others by their instance numbers.

    Then none of the others has a neighbour missing, and they are a volume if they are evenly spaced.
    """
    if any(f.fault != "MISSING_POSITION" or f.instance.facts.number_of_frames > 1 for f in homeless):
        return False
    numbers = [frame.instance.number for frame in frames]
    known = [number for number in numbers if number is not None]
    kept = [n for n, frame in zip(numbers, frames, strict=True) if frame.fault is None and n is not None]
    if len(set(known)) < len(frames) or not kept:
        return False
    return all(not min(kept) < (f.instance.number or 0) < max(kept) for f in homeless)


def _first_fault(frames: Sequence[Frame]) -> SeriesRefused | None:
    """The most frequent fault of a place, as the refusal of all."""
    faults = Counter(frame.fault for frame in frames if frame.fault)
    if not faults:
        return None
    code, count = min(faults.items(), key=lambda item: (-item[1], item[0]))
    why = _first_why([frame for frame in frames if frame.fault == code])
    return SeriesRefused(f"{count} of {len(frames)} slices do not say where they lie: {why}", code=code)


def _some_commas(frames: Sequence[Frame]) -> SeriesRefused | None:
    """A writer with decimal commas writes them in every slice; in some slices only they are damage."""
    count = sum(frame.has_commas for frame in frames)
    if count in (0, len(frames)):
        return None
    message = f"{count} of {len(frames)} slices write where they lie with commas, the others with points"
    return SeriesRefused(message, code="BAD_NUMBER")


def _first_why(faulty: Sequence[Frame]) -> str:
    """What is wrong with the first of them, by the file's name."""
    first = min(faulty, key=lambda f: (f.instance.number or 0, f.instance.path.name, f.number))
    return f"in {first.instance.path.name}, {first.why or 'frames have no places'}"


def _broken_concatenation(frames: Sequence[Frame]) -> SeriesRefused | None:
    """A concatenation (one image in several files) is joined by its frames' places, but only if all parts are here."""
    for parts in _concatenations(frames):
        numbers, total = {part.number for part in parts}, _declared_total(parts)
        if numbers != set(range(1, (total or len(numbers)) + 1)):
            return SeriesRefused(
                f"{len(numbers)} of {total or 'an unknown number of'} parts of a concatenation are here",
                code="CONCATENATION",
            )
    return None


def _concatenations(frames: Sequence[Frame]) -> list[list[Concatenation]]:
    """The parts that are here, of each."""
    parts = defaultdict[str, list[Concatenation]](list)
    for facts in distinct_facts(frame.instance for frame in frames):
        if facts.concatenation is not None:
            parts[facts.concatenation.uid].append(facts.concatenation)
    return [parts[uid] for uid in sorted(parts)]


def _declared_total(parts: Sequence[Concatenation]) -> int | None:
    """How many parts there are by what any of them says; none need say so (PS3.3 C.7.6.16.2.2.4, type 3)."""
    return max((part.total for part in parts if part.total is not None), default=None)


def _is_collision(candidates: Sequence[Candidate]) -> bool:
    """Whether files of different patients, studies or modalities claim to be one series."""
    known = distinct_facts(candidate.instance for candidate in candidates)
    of_slices = distinct_facts(candidate.instance for candidate in candidates if candidate.kind is Kind.SLICE)
    return (
        len({(facts.patient, facts.study_uid) for facts in known}) > 1
        or len({facts.birth_date for facts in known if facts.birth_date}) > 1
        or len({facts.sex for facts in known if facts.sex}) > 1
        or len({facts.of_series.issuer_of_patient_id for facts in known} - {""}) > 1
        or len({facts.modality for facts in of_slices}) > 1
        or not are_of_one_person({facts.name_parts for facts in known})
    )


def _of_colliding_patients(candidates: Sequence[Candidate]) -> Verdicts:
    """Several owners of one series UID: never mixed, and kept only where Patient IDs alone tell them apart.

    With one Patient ID for two persons, or one series in two studies, whatever comes later could not tell them apart.
    And where the images of a patient are no whole volume, an ID may stand on a wrong slice.
    """
    by_patient = _grouped(candidates, lambda c: c.instance.facts.patient)
    refused = Verdicts(
        tuple(_collision_rows(candidates)), tuple(Skipped(c.instance.path, c.code) for c in candidates if c.code)
    )
    if len(by_patient) == 1 or any(_is_collision(members) for members in by_patient.values()):
        return refused
    message = f"{len(by_patient)} patients share one series UID; their images are kept apart"
    note = Finding("UID_COLLISION", Severity.WARNING, message)
    verdicts = [_of_one_patient(members, note) for _, members in sorted(by_patient.items())]
    records = [record for verdict in verdicts for record in verdict.records]
    if not all(_is_whole(record) for record in records):
        return refused
    return Verdicts(
        tuple(_renumbered(record, number) for number, record in enumerate(records, start=1)),
        tuple(row for verdict in verdicts for row in verdict.skipped),
    )


def _is_whole(record: SeriesRecord) -> bool:
    doubts = {finding.code for finding in record.findings if finding.severity is Severity.WARNING}
    return record.verdict is not Verdict.REFUSED and "INCOMPLETE_SERIES" not in doubts


def _renumbered(record: SeriesRecord, number: int) -> SeriesRecord:
    """The record under a volume id of its own, where another patient's has the same series UID."""
    volume_id = record.series_uid if number == 1 else f"{record.series_uid}#{number}"
    findings = tuple(replace(f, where=volume_id if f.where == record.volume_id else f.where) for f in record.findings)
    with_gaps = None if record.with_gaps is None else _renumbered(record.with_gaps, number)
    return replace(record, volume_id=volume_id, findings=findings, with_gaps=with_gaps)


def _collision_rows(candidates: Sequence[Candidate]) -> Iterable[SeriesRecord]:
    groups = _grouped(candidates, _owner)
    message = f"{len(groups)} different patients, studies or modalities share one series UID"
    finding = Finding("UID_COLLISION", Severity.ERROR, message)
    for number, (_, members) in enumerate(sorted(groups.items()), start=1):
        yield _row(members[0].instance, _frames(members), number=number, code=finding.code, findings=(finding,))


def _owner(candidate: Candidate) -> tuple[str, ...]:
    facts = candidate.instance.facts
    name = " ".join(sorted(facts.name_parts))
    return (
        facts.patient,
        facts.study_uid,
        facts.birth_date,
        facts.sex,
        name,
        facts.modality,
    )


def _refused_without_slices(candidates: Sequence[Candidate]) -> SeriesRecord:
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
    return _row(candidates[0].instance, _frames(candidates), number=1, code=code, findings=(finding,))


def _numbered(
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
        return _row(instance, part.frames, number=number, code=cause, findings=(own, *findings))
    findings = (*findings, *_few_slices(part), *_image_findings(part.frames))
    code = next((code for code in CORRECTIONS if any(f.code == code for f in findings)), None)
    row = _row(instance, part.frames, number=number, code=code, findings=findings, grid=part.stack.grid)
    facts = replace(
        instance.facts.sequence,
        image_type=part.frames[0].marks.image_type or instance.facts.image_type,
        b_value=part.frames[0].marks.b_value or instance.facts.sequence.b_value,
        echo_time=_first_known(part.frames[0].marks.echo_time, instance.facts.sequence.echo_time),
    )
    role, reason = decide_role(facts)
    return replace(row, role=role, role_reason=reason, acquired_slices=part.stack.acquired)


def _row(
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
    if concatenations := _concatenations(frames):
        yield Finding("CONCATENATION", Severity.INFO, "the parts of a concatenation were joined by their positions")
        if any(_declared_total(parts) is None for parts in concatenations):
            message = "no part of a concatenation says how many there are; the last ones may be absent"
            yield Finding("CONCATENATION", Severity.WARNING, message)


def _few_slices(part: Part) -> tuple[Finding, ...]:
    if len(part.frames) > 2:
        return ()
    message = "two slices only: nothing confirms that none is missing between them"
    return (Finding("FEW_SLICES", Severity.WARNING, message),)


def _clashing_uids(frames: Sequence[Frame]) -> int:
    if len({frame.instance.uid for frame in frames}) == len(frames):
        return 0
    counts = Counter((frame.instance.uid, frame.number) for frame in frames if frame.instance.uid)
    return sum(count > 1 for count in counts.values())


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


def _frames(candidates: Iterable[Candidate]) -> tuple[Frame, ...]:
    return tuple(f for candidate in candidates for f in candidate.frames or (unplaced_frame(candidate.instance),))


def _paths(frames: Iterable[Frame]) -> set[Any]:
    return {frame.instance.path for frame in frames}


def _grouped(candidates: Iterable[Candidate], key: Any) -> dict[Any, list[Candidate]]:
    groups: dict[Any, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[key(candidate)].append(candidate)
    return groups
