"""The case as one value, what follows from its observations, and what a reader's word on a mask changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Lesion, Method, Observation
from imaging.lesions.procedure import ClinicalRecord, Procedure
from imaging.lesions.timeline import Comparing, LesionChange, changes_of
from imaging.measurement.quantity import Quantity
from imaging.response.reading import Reading
from imaging.response.thresholds import Thresholds
from imaging.segmentation import LesionId, Segment, Status

__all__ = ["REVIEW_PENDING", "Case", "CaseExam", "Word", "changes", "with_word"]

REVIEW_PENDING = "REVIEW_PENDING"  # the code on figures that are behind a reader's word


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExam:
    """One timepoint as the document tells it; ``lost`` are series that could not be used."""

    id: str
    date: str | None
    days: int | None
    acquired: str | None
    series: tuple[Mapping[str, Any], ...]
    lost: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Case:
    """All that is known of one case; materials, registrations, events and provenance as rows of the document.

    ``readings`` is what readers signed beyond outlines, ``criteria`` the site's own beside the published ones.
    """

    id: str
    timepoints: tuple[CaseExam, ...]
    procedures: tuple[Procedure, ...]
    clinical: tuple[ClinicalRecord, ...]
    lesions: tuple[Lesion, ...]
    observations: tuple[Observation, ...]
    materials: Sequence[Mapping[str, Any]]
    registrations: Sequence[Mapping[str, Any]]
    findings: tuple[Finding, ...]
    provenance: Mapping[str, Any]
    readings: tuple[Reading, ...] = ()
    criteria: tuple[Thresholds, ...] = ()
    events: Sequence[Mapping[str, Any]] = ()
    comparing: Comparing = Comparing.SAME_ROLE

    @property
    def moments(self) -> Mapping[str, str]:
        """ISO date or date-time of each exam; empty where not known."""
        return {exam.id: exam.acquired or exam.date or "" for exam in self.timepoints}

    def reading(self, timepoint: str) -> Reading | None:
        """What a reader signed of that exam."""
        return next((reading for reading in self.readings if reading.timepoint == timepoint), None)

    def days_between(self, one: str, other: str) -> int | None:
        """From one exam to another; None where a date is not known."""
        days = {exam.id: exam.days for exam in self.timepoints}
        start, end = days[one], days[other]
        return None if start is None or end is None else end - start

    def observations_of(self, lesion: LesionId) -> tuple[Observation, ...]:
        """In time order, as they were made."""
        return tuple(observation for observation in self.observations if observation.lesion == lesion)

    def primary(self, lesion: LesionId, timepoint: str) -> Observation | None:
        """The one observation that speaks for the lesion on that exam."""
        rows = (o for o in self.observations_of(lesion) if o.timepoint == timepoint and o.primary)
        return next(rows, None)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Word:
    """What a reader says of one lesion's mask on one exam; an edited mask without a verdict is *proposed*."""

    timepoint: str
    segment: Segment
    status: Status


def changes(case: Case, lesion: Lesion) -> tuple[LesionChange, ...]:
    """The lesion's changes against baseline, nadir, previous and its own pre-procedure exam."""
    return changes_of(case.observations_of(lesion.id), case.moments, case.procedures, comparing=case.comparing)


def with_word(case: Case, word: Word, reader: str) -> tuple[Case, bool]:
    """The case after a reader's word on one mask, and whether its figures still are those of the masks.

    Figures of another mask than the judged one are not the reader's: they stay as they are and say so. So do the
    figures that were followed from a mask that was changed, rejected, or is no longer rejected.
    """
    (observation,) = [
        o for o in case.observations if o.primary and (o.lesion, o.timepoint) == (word.segment.lesion, word.timepoint)
    ]
    same = observation.mask_sha256 == word.segment.sha256
    current = same and Status.REJECTED not in (word.status, observation.status)
    settled = tuple(finding for finding in observation.findings if finding.code != REVIEW_PENDING)
    judged = replace(named_by(observation, word.status, reader), findings=settled) if same else observation
    behind = set() if same else {observation.timepoint}
    if not current:
        behind |= {o.timepoint for o in followed_from(case, observation)}
    rows = [judged if o is observation else o for o in case.observations]
    late = [o.primary and o.lesion == observation.lesion and o.timepoint in behind for o in rows]
    told = tuple(pending(o, observation.timepoint, reader) if old else o for o, old in zip(rows, late, strict=True))
    return replace(case, observations=told), current


def named_by(observation: Observation, status: Status, reader: str) -> Observation:
    """The observation under a reader's word; one who accepts the mask confirms whose it is."""
    stood = replace(stood_for(observation, status), reader=reader)
    if status is not Status.ACCEPTED or observation.identity is None:
        return stood
    return replace(stood, identity=observation.identity.with_word(observation.lesion, by=reader))


def stood_for(observation: Observation, status: Status) -> Observation:
    """The observation under a reader's word: the spread of engines widens its figures until the mask is accepted."""
    accepted = status is Status.ACCEPTED

    def judged(quantity: Quantity | None) -> Quantity | None:
        return None if quantity is None else quantity.judged(accepted=accepted)

    return replace(
        observation,
        status=status,
        volume=judged(observation.volume),
        net_volume=judged(observation.net_volume),
        long_axis=judged(observation.long_axis),
        short_axis=judged(observation.short_axis),
    )


def followed_from(case: Case, source: Observation) -> list[Observation]:
    """The machine's observations of the same lesion that may rest on this one: later outlines, and carried places."""
    order = {exam.id: number for number, exam in enumerate(case.timepoints)}
    return [
        o
        for o in case.observations_of(source.lesion)
        if o.primary and o.reader is None and o.timepoint != source.timepoint
        if o.method is Method.CARRIED
        or (o.method is Method.PROPAGATED and order[o.timepoint] > order[source.timepoint])
    ]


def pending(observation: Observation, timepoint: str, reader: str) -> Observation:
    """The observation with the remark that its figures are from before a word on that exam."""
    remark = f"{reader} judged {timepoint}; these figures are from before it until the case is run again"
    finding = Finding(REVIEW_PENDING, Severity.WARNING, remark, f"{observation.lesion} {observation.timepoint}")
    return replace(observation, findings=tuple(dict.fromkeys((*observation.findings, finding))))
