"""The values of tracing: a lesion's mask on an exam, what is known of it so far, and all that tracing reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Identity, Lesion, Method
from imaging.lesions.procedure import Procedure
from imaging.segmentation import LesionId, Segment, Status
from imaging.segmentation.backend import Segmenter
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.anatomy import Anatomy
from pipelines.case.exams import Exams, Images, series_for
from pipelines.case.identity import (
    LesionEvent,
    Remembered,
    Seen,
)
from pipelines.case.links import Links
from pipelines.case.materials import FoundMaterial
from pipelines.case.reviews import StoredReview
from pipelines.case.words import StoredWord, tracking_uids
from pipelines.case_file import LesionEntry, LinkWord

__all__ = ["Ground", "Trace", "Traced", "Tracing", "not_outlined_yet", "unseen"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Traced:
    """One lesion on one exam: its mask, or the reason why there is none.

    Parameters
    ----------
    record
        The series on which it was made or looked for; None where the exam has none that compares.
    segment
        None unless there is a mask that can be measured.
    carried
        On a CT where the tumour cannot be outlined: where the lesion lies by registration, for material alone.
    carried_from
        The exam on which that was outlined.
    engine_wcv
        How far the volume of a proposed mask may be off, and that of the masks which it follows unaccepted.
    taken_for
        The lesion for which the mask was made, where a reader said that it is this one.
    """

    lesion: LesionId
    timepoint: str
    record: SeriesRecord | None
    segment: Segment | None
    status: Status
    method: Method
    primary: bool = True
    carried: BoolArray | None = None
    carried_from: str | None = None
    engine_wcv: float | None = None
    taken_for: LesionId | None = None
    identity: Identity | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True, eq=False)
class Trace:
    """What is known so far of one lesion, in time order.

    ``remembered`` is a mask on a later exam that an earlier run gave to it: it tells the place until it is met again.
    ``lost`` is it while exams with drawn masks have none of it, whatever the software proposes there; ``within`` says
    whose outline has taken it in.
    """

    lesion: Lesion
    entry: LesionEntry | None
    made: list[Traced] = field(default_factory=list)
    remembered: Seen | None = None
    lost: bool = False
    within: LesionId | None = None

    def masks(self) -> list[Traced]:
        """The exams on which it has a mask that nobody rejected."""
        return [t for t in self.made if t.segment is not None and t.primary and t.status is not Status.REJECTED]

    def role(self) -> str | None:
        """The role of the series on which the lesion was first outlined: the one that follow-ups compare with."""
        first = next(iter(self.masks()), None)
        return None if first is None or first.record is None else first.record.role

    def seen(self) -> Seen | None:
        """The newest mask, else the remembered one."""
        if not self.masks():
            return self.remembered
        newest = self.masks()[-1]
        assert newest.record is not None and newest.segment is not None, "a mask has a series"
        return Seen(
            lesion=self.lesion.id,
            tracking_uid=self.lesion.tracking_uid,
            timepoint=newest.timepoint,
            record=newest.record,
            segment=newest.segment,
            apart=newest is self.made[-1] and not self.lost,
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tracing:
    """The lesions; their masks in the order lesion × exam; what became of them; remarks about the case as a whole."""

    lesions: tuple[Lesion, ...]
    rows: tuple[Traced, ...]
    events: tuple[LesionEvent, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ground:
    """All that tracing reads and none of it changes."""

    case_id: str
    case_folder: Path
    exams: Exams
    images: Images
    links: Links
    material: Sequence[FoundMaterial]
    procedures: Sequence[Procedure]
    reviews: Sequence[StoredReview]
    segmenter: Segmenter
    reader_wcv: Mapping[tuple[LesionId, str], float] = field(default_factory=dict)  # by lesion and timepoint
    accept_gaps: bool = False
    remembered: Mapping[str, Remembered] = field(default_factory=dict)  # by the digest of the mask
    tracking_uids: Mapping[LesionId, str] = field(default_factory=dict)  # of an earlier run
    words: Sequence[LinkWord] = ()  # the case file's and after them the workspace's, later ones last
    kept: Sequence[StoredWord] = ()  # those of the workspace
    anatomy: Anatomy = field(default_factory=Anatomy)
    identified: bool  # whether free text of the images may be shown

    @property
    def called(self) -> dict[LesionId, str]:
        """The Tracking UIDs by which readers' words and an earlier run know lesions."""
        met = {known.lesion: known.tracking_uid for known in self.remembered.values() if known.tracking_uid}
        return tracking_uids(self.kept) | met | dict(self.tracking_uids)

    @property
    def written(self) -> Sequence[LinkWord]:
        """The words of the case file."""
        return self.words[: len(self.words) - len(self.kept)]

    @property
    def spoken_of(self) -> set[LesionId]:
        """The lesions that readers' words name, known or not."""
        return {word.lesion for word in self.words}


def unseen(
    trace: Trace, timepoint: str, record: SeriesRecord | None, code: str, reason: str, *findings: Finding
) -> Traced:
    """A row that says why there is no figure: never a missing row, never a 0."""
    return Traced(
        lesion=trace.lesion.id,
        timepoint=timepoint,
        record=record,
        segment=None,
        status=Status.NOT_ASSESSABLE,
        method=Method.PROPAGATED,
        findings=(Finding(code, Severity.WARNING, reason, f"{trace.lesion.id} {timepoint}"), *findings),
    )


def not_outlined_yet(trace: Trace, timepoint: Timepoint) -> Traced:
    """The row of an exam before the first on which the lesion was outlined."""
    reason = "nobody outlined this lesion up to this exam"
    return unseen(trace, timepoint.id, series_for(timepoint), "NOT_OUTLINED_YET", reason)
