"""One series' files in, its records out: every series ends as exact, corrected or refused, with a code.

What is refused is refused as a whole: a series in which one slice has no readable position is no volume, and guessing
which slices may be left out would be a guess about the patient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging.dicom.candidate import Candidate, frames_of
from imaging.dicom.identity import are_of_one_person
from imaging.dicom.instance import distinct_facts
from imaging.dicom.judgement import each_judged, joined_to_the_only_frame
from imaging.dicom.kind import Kind
from imaging.dicom.series_row import numbered, refused_without_slices, series_row
from imaging.finding import Finding, Severity
from imaging.study.series import SeriesRecord, Skipped, Verdict

__all__ = ["series_records"]


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
        return Verdicts((refused_without_slices(ordered),), skipped)
    by_frame_of_reference = _grouped(slices, lambda c: c.instance.facts.frame_of_reference_uid)
    judged, odd = joined_to_the_only_frame(by_frame_of_reference) or each_judged(by_frame_of_reference)
    lost = [candidate for candidate in ordered if candidate.kind is Kind.LOST]
    judged = [(part, (*notes, *remarks)) for part, notes in judged]
    spaces = {part.frames[0].facts.frame_of_reference_uid for part, _ in judged}
    records = numbered(judged, ordered, lost, frames_of_reference=len(spaces))
    return Verdicts(records, (*skipped, *odd))


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
        yield series_row(members[0].instance, frames_of(members), number=number, code=finding.code, findings=(finding,))


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


def _grouped(candidates: Iterable[Candidate], key: Any) -> dict[Any, list[Candidate]]:
    groups: dict[Any, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[key(candidate)].append(candidate)
    return groups
