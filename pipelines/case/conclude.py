"""The case as one value, and what follows from its observations: changes and response categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Lesion, Method, Observation
from imaging.lesions.procedure import ClinicalRecord, Procedure
from imaging.lesions.timeline import LesionChange, changes_of
from imaging.measurement.quantity import Quantity
from imaging.response.recist import Target, target_response
from imaging.response.response import Response
from imaging.response.volumetric import volumetric_response
from imaging.segmentation import LesionId, Segment, Status

__all__ = ["REVIEW_PENDING", "Case", "CaseExam", "Word", "changes", "responses", "with_word"]

REVIEW_PENDING = "REVIEW_PENDING"  # the code on figures that are behind a reader's word
CAUTIONS = (
    "overall NE until a reader states non-target lesions, new lesions and coverage",
    "a lesion that was irradiated or treated locally is measurable only if it progressed since: a reader decides",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExam:
    """One timepoint as the document tells it."""

    id: str
    date: str | None
    days: int | None
    acquired: str | None
    series: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Case:
    """All that is known of one case; materials, registrations and provenance as rows of the document."""

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
    moments = {exam.id: exam.acquired or exam.date or "" for exam in case.timepoints}
    return changes_of(case.observations_of(lesion.id), moments, case.procedures)


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
    judged = replace(stood_for(observation, word.status), reader=reader, findings=settled) if same else observation
    behind = set() if same else {observation.timepoint}
    if not current:
        behind |= {o.timepoint for o in followed_from(case, observation)}
    rows = [judged if o is observation else o for o in case.observations]
    late = [o.primary and o.lesion == observation.lesion and o.timepoint in behind for o in rows]
    told = tuple(pending(o, observation.timepoint, reader) if old else o for o, old in zip(rows, late, strict=True))
    return replace(case, observations=told), current


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


def responses(case: Case) -> tuple[tuple[str, Response], ...]:
    """(timepoint, category) by RECIST 1.1 and by sphere volume, of the target lesions, from accepted masks alone.

    Baseline is the first exam on which every target was measured on an accepted mask. Only exams with a figure for at
    least one target give a row: where nothing was accepted there is no category, and where a part was, the rule itself
    says NE.
    """
    targets = [lesion for lesion in case.lesions if lesion.kind == "target"]
    sizes = {exam.id: [comparable(case, lesion.id, exam.id) for lesion in targets] for exam in case.timepoints}
    visits = [exam.id for exam in case.timepoints if any(o is not None for o in sizes[exam.id])]
    complete = [visit for visit in visits if all(o is not None for o in sizes[visit])]
    if not targets or not complete:
        return ()
    baseline = complete[0]
    later = visits[visits.index(baseline) + 1 :]
    rows: list[tuple[str, Response]] = []
    for number, visit in enumerate(later):
        earlier = later[:number]
        rows.append((visit, diameters(targets, sizes, baseline, visit, earlier)))
        rows.append((visit, volumes(sizes, baseline, visit, earlier)))
    return tuple(rows)


def comparable(case: Case, lesion: LesionId, timepoint: str) -> Observation | None:
    """The accepted observation, if it is of the kind of image on which the lesion was accepted first."""
    known = (accepted(case, lesion, exam.id) for exam in case.timepoints)
    first = next((observation for observation in known if observation is not None), None)
    here = accepted(case, lesion, timepoint)
    return here if here is not None and first is not None and here.role == first.role else None


def accepted(case: Case, lesion: LesionId, timepoint: str) -> Observation | None:
    """The primary observation, if a reader or its author stands for it and it has figures."""
    observation = case.primary(lesion, timepoint)
    if observation is None or observation.status is not Status.ACCEPTED or observation.volume is None:
        return None
    return observation


def diameters(
    targets: Sequence[Lesion],
    sizes: Mapping[str, Sequence[Observation | None]],
    baseline: str,
    visit: str,
    earlier: Sequence[str],
) -> Response:
    def at(timepoint: str) -> list[Target]:
        return [
            Target(lesion=lesion.id, size_mm=o.long_axis.value if o is not None and o.long_axis is not None else None)
            for lesion, o in zip(targets, sizes[timepoint], strict=True)
        ]

    found = target_response(baseline=at(baseline), current=at(visit), earlier=[at(t) for t in earlier])
    return replace(found, reasons=(*found.reasons, *CAUTIONS))


def volumes(
    sizes: Mapping[str, Sequence[Observation | None]], baseline: str, visit: str, earlier: Sequence[str]
) -> Response:
    return volumetric_response(
        baseline_ml=total(sizes[baseline]),
        current_ml=total(sizes[visit]),
        earlier_ml=[total(sizes[t]) for t in earlier],
        scope="target lesions",
    )


def total(observations: Sequence[Observation | None]) -> float | None:
    """The sum of the gross volumes; None unless every one is known."""
    known = [o.volume.value for o in observations if o is not None and o.volume is not None]
    return sum(known) if len(known) == len(observations) else None
