"""The case as one value, what follows from its observations, and what a reader's word on a mask changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Lesion, Method, Observation
from imaging.lesions.match import Basis
from imaging.lesions.procedure import ClinicalRecord, Procedure
from imaging.lesions.timeline import Comparing, LesionChange, changes_of
from imaging.measurement.quantity import Quantity
from imaging.response.reading import Reading
from imaging.response.thresholds import Thresholds
from imaging.segmentation import LesionId, Segment, Status

__all__ = ["REVIEW_PENDING", "Case", "CaseExam", "Naming", "Word", "changes", "is_pending", "with_naming", "with_word"]

REVIEW_PENDING = "REVIEW_PENDING"  # the code on figures that are behind a reader's word
DOUBTS = {  # of whose a mask is, which a reader's word settles
    "IDENTITY_AMBIGUOUS",
    "IDENTITY_DISPLACED",
    "IDENTITY_DISPUTED",
    "IDENTITY_UNKNOWN",
    "IDENTITY_UNVERIFIED",
    "LINK_DISPUTED",
    "LINK_SUPERSEDED",
    "SHARED_FRAME_UNVERIFIED",
}


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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Naming:
    """What a reader says of whose a mask is.

    Parameters
    ----------
    lesion
        Whose it is; None for a lesion of its own, which no other mask shows so far.
    taken_for, timepoint
        The lesion under which the mask stands, and its exam.
    mask_sha256
        Of the mask that was looked at.
    segment
        That mask, where a reader has just changed it; None for the one behind the figures.
    """

    lesion: LesionId | None
    taken_for: LesionId
    timepoint: str
    mask_sha256: str
    segment: Segment | None = None


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
    answered = {REVIEW_PENDING, *(["NOT_AMONG_MASKS"] if word.status is Status.ACCEPTED else [])}
    settled = tuple(finding for finding in observation.findings if finding.code not in answered)
    judged = replace(named_by(observation, word.status, reader), findings=settled) if same else observation
    behind = set() if same else {observation.timepoint}
    if not current:
        behind |= {o.timepoint for o in followed_from(case, observation)}
    rows = [judged if o is observation else o for o in case.observations]
    late = [o.primary and o.lesion == observation.lesion and o.timepoint in behind for o in rows]
    told = tuple(pending(o, observation.timepoint, reader) if old else o for o, old in zip(rows, late, strict=True))
    return replace(case, observations=told), current


def with_naming(case: Case, naming: Naming, reader: str) -> tuple[Case, bool]:
    """The case after a reader's word on whose a mask is, and whether its figures still are those of the lesions.

    They are where the word confirms what the figures rest on. Where it takes the mask to another lesion, the figures of
    both on that exam and what was followed from them say that they are from before it.
    """
    observation = case.primary(naming.taken_for, naming.timepoint)
    if observation is None or naming.lesion is None:
        raise ValueError("a word is about a mask that is here, and names a lesion")
    told = observation
    if observation.identity is not None and observation.mask_sha256 == naming.mask_sha256:
        identity = replace(observation.identity.with_word(naming.lesion, by=reader), basis=Basis.READER)
        findings = tuple(finding for finding in observation.findings if finding.code not in DOUBTS)
        told = replace(observation, identity=identity, findings=findings)
    rows = [told if o is observation else o for o in case.observations]
    if naming.lesion == naming.taken_for:
        return replace(case, observations=tuple(rows)), not is_pending(told)
    other = case.primary(naming.lesion, naming.timepoint)
    sources = [told, *([] if other is None else [other])]
    behind = {(o.lesion, o.timepoint) for source in sources for o in (source, *followed_from(case, source))}
    late = [o.primary and (o.lesion, o.timepoint) in behind for o in rows]
    after = tuple(pending(o, naming.timepoint, reader) if old else o for o, old in zip(rows, late, strict=True))
    return replace(case, observations=after), False


def is_pending(observation: Observation) -> bool:
    """Whether its figures are from before a reader's word."""
    return any(finding.code == REVIEW_PENDING for finding in observation.findings)


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
