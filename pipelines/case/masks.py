"""The same lesion on every exam: outlined from prompts, imported, proposed from an earlier exam, or carried onto a CT.

Nothing here decides what a mask is worth: machine-made masks are *proposed*, imported annotations count as accepted by
their author, and a reader's word (:mod:`pipelines.case.reviews`) goes before both.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.dicom.rtstruct import read_rtstruct
from imaging.dicom.seg import read_seg
from imaging.errors import BackendFailed, CaseFileError, EmptyMask, GeometryError, InputError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.lesions.identity import in_place_order, tracking_uid_of
from imaging.lesions.lesion import Identity, Lesion, Method
from imaging.lesions.match import MOST_INSIDE, Basis, Event, EventKind, share_inside
from imaging.lesions.procedure import Procedure
from imaging.lesions.side import side_of
from imaging.provenance import Provenance, uid_from
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.segmentation.backend import Segmenter
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import MaskPrompt
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_probability
from pipelines.case.anatomy import Anatomy
from pipelines.case.exams import ROLE_ORDER, Exams, Images, companion_of, ct_of, series_for
from pipelines.case.heard import Heard, heard
from pipelines.case.history import history_of
from pipelines.case.identity import (
    LesionEvent,
    Remembered,
    Seen,
    doubts_of,
    event_findings,
    identities,
    lesion_events,
    news_of,
    owners,
    shared_outlines,
    uncompared,
)
from pipelines.case.links import Links
from pipelines.case.mask_files import named_mask, on_record
from pipelines.case.materials import CarriedMaterial, FoundMaterial, carry_material
from pipelines.case.renamed import renamed, superseded
from pipelines.case.reviews import StoredReview, apply_reviews, unused_reviews
from pipelines.case.words import StoredWord, kept_words, tracking_uids
from pipelines.case_file import LesionEntry, LinkWord, PlacedPrompt

__all__ = ["Ground", "Traced", "Tracing", "carried_lesions", "trace_lesions"]

TAKEN_IN = "WITHIN_ANOTHER_OUTLINE"
COVERED_FRACTION = 0.5  # less of a lesion inside the field of view than this, and nothing can be proposed there
NOT_DRAWN = (
    "who outlined this exam did not outline this lesion: it may be gone, and this outline is the software's alone"
)
WHOLE_FRACTION = 0.98  # below it the lesion is cut by the edge of the image, beyond what resampling can explain


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
    engine_wcv
        How much the methods that proposed the mask differ in volume.
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


def trace_lesions(known: Sequence[LesionEntry], ground: Ground) -> Tracing:
    """Every lesion on every exam.

    Parameters
    ----------
    known
        The lesions of the case file; imported annotations that match none of them become lesions of their own.
    """
    traces = [Trace(lesion_of(entry, ground.case_id, ground.called), entry) for entry in known]
    imports = {exam.id: imported_segments(exam, ground) for exam in ground.exams.timepoints}
    drawn = {one.segment.sha256: timepoint for timepoint, (found, _) in imports.items() for one in found}
    said = heard(ground.written, [entry.word for entry in ground.kept], drawn=drawn, exams=ground.exams)
    traces += remembered_traces(imports, traces, said, ground)
    findings: list[Finding] = []
    events: list[LesionEvent] = []
    for timepoint in ground.exams.timepoints:
        imported, trouble = imports[timepoint.id]
        findings += trouble
        before = [seen for trace in traces if trace.masks() and (seen := trace.seen()) is not None]
        owned, happened = assign(imported, traces, timepoint, said, ground)
        events += [*happened, *come_apart(traces, timepoint, owned, happened)]
        gone = {lesion for event in happened if event.kind is EventKind.GONE for lesion in event.before}
        judged: dict[LesionId, list[Traced]] = {}
        for trace in traces:
            trace.lost = (trace.lost or trace.lesion.id in gone) and trace.lesion.id not in owned
            judged[trace.lesion.id] = judged_rows(trace, timepoint, owned, ground)
        annotated = {one.segment.sha256 for one in imported}
        words = said.on(timepoint.id, digests_of(judged))
        for word in words.values():
            if word.mask_sha256 not in annotated and word.lesion not in judged:
                uid = uid_from(ground.case_id, word.lesion, word.mask_sha256)
                begin_spoken(word.lesion, uid, traces, timepoint, ground)
                judged[word.lesion] = judged_rows(traces[-1], timepoint, owned, ground)
        told = renamed(
            judged,
            words,
            kept_words(ground.kept, timepoint.id),
            lesions={trace.lesion.id: trace.lesion for trace in traces},
            series=timepoint.series,
            annotated=annotated,
            reviewed={(r.lesion, r.mask_sha256) for r in ground.reviews if r.timepoint == timepoint.id},
        )
        for trace in traces:
            rows = (doubted_row(row, said) for row in told[trace.lesion.id])
            trace.made += [on_its_side(row, trace.lesion, timepoint, ground) for row in rows]
        events += identified(traces, timepoint, before, owned, said=said, ground=ground)
    met = [trace for trace in traces if trace.entry is not None or trace.masks()]
    made = tuple(row for trace in met for row in carried_onto_ct(trace, ground))
    masks = {(row.timepoint, row.segment.sha256) for row in made if row.segment is not None}
    masks |= {(timepoint, digest) for digest, timepoint in drawn.items()}
    return Tracing(
        lesions=tuple(trace.lesion for trace in met),
        rows=made,
        events=tuple(events),
        findings=(
            *findings,
            *event_findings(events),
            *said.findings(masks),
            *unused_reviews(ground.reviews, made),
        ),
    )


def judged_rows(
    trace: Trace, timepoint: Timepoint, owned: Mapping[LesionId, Sequence[Owned]], ground: Ground
) -> list[Traced]:
    """The lesion's masks on the exam, or why there is none, after what readers said of those masks."""
    rows = (
        imported_rows(trace, timepoint, owned.get(trace.lesion.id, []))
        or prompted_rows(trace, timepoint, ground)
        or followed_rows(trace, timepoint, ground, beside=[one for mine in owned.values() for one in mine])
    )
    return apply_reviews(rows, ground.reviews, timepoint.series, trace.lesion)


def digests_of(rows: Mapping[LesionId, Sequence[Traced]]) -> set[str]:
    return {row.segment.sha256 for own in rows.values() for row in own if row.segment is not None}


def doubted_row(row: Traced, said: Heard) -> Traced:
    """The row with what readers disagree about."""
    doubts = () if row.segment is None else said.doubts_of(row.segment.sha256, row.timepoint)
    return replace(row, findings=(*row.findings, *doubts)) if doubts else row


def come_apart(
    traces: Sequence[Trace],
    timepoint: Timepoint,
    owned: Mapping[LesionId, Sequence[Owned]],
    happened: Sequence[LesionEvent],
) -> list[LesionEvent]:
    """Lesions that had been taken in by another's outline and have one of their own again, each told once."""
    events = []
    split = {event.before for event in happened if event.kind is EventKind.SPLIT}
    for trace in traces:
        whole, own = trace.within, trace.lesion.id
        if whole is not None and own in owned:
            trace.within = None
            if whole in owned and (whole,) not in split:
                both = tuple(sorted((own, whole)))
                events.append(LesionEvent(timepoint=timepoint.id, kind=EventKind.SPLIT, before=(whole,), now=both))
    for event in happened:
        if event.kind is EventKind.MERGED and len(event.now) == 1:
            for trace in traces:
                if trace.lesion.id in event.before and trace.lesion.id not in event.now:
                    trace.within = event.now[0]
    return events


def remembered_traces(
    imports: Mapping[str, tuple[list[Imported], list[Finding]]], traces: Sequence[Trace], said: Heard, ground: Ground
) -> list[Trace]:
    """The lesions that an earlier run made of masks which are still here, under the ids that it gave them."""
    known = {trace.lesion.tracking_uid: trace for trace in traces}
    taken = {trace.lesion.id for trace in traces}
    found: list[Trace] = []
    met: set[str] = set()
    for timepoint, (imported, _) in imports.items():
        words = said.on(timepoint)
        for one in imported:
            memory = ground.remembered.get(one.segment.sha256)
            word = words.get(one.segment.sha256)
            if word is not None:  # it goes before what the mask was called
                uid = ground.called.get(word.lesion)
                memory = None if uid is None else Remembered(word.lesion, uid, Basis.READER)
            if memory is None or not memory.tracking_uid or memory.tracking_uid in met:
                continue
            identity, uid = memory.lesion, memory.tracking_uid
            met.add(uid)
            if uid not in known:
                own = identity if identity not in taken else next_id(taken | ground.spoken_of)
                taken.add(own)
                known[uid] = Trace(Lesion(id=own, name=own, side=None, kind="target", tracking_uid=uid), None)
                found.append(known[uid])
            known[uid].remembered = Seen(
                lesion=known[uid].lesion.id,
                tracking_uid=uid,
                timepoint=timepoint,
                record=one.record,
                segment=one.segment,
                apart=False,
            )
    return sorted(found, key=lambda trace: (len(trace.lesion.id), trace.lesion.id))


def next_id(taken: Collection[str]) -> LesionId:
    return next(LesionId(f"L{n}") for n in range(1, len(taken) + 2) if f"L{n}" not in taken)


def identified(
    traces: Sequence[Trace],
    timepoint: Timepoint,
    before: Sequence[Seen],
    owned: Mapping[LesionId, Sequence[Owned]],
    *,
    said: Heard,
    ground: Ground,
) -> list[LesionEvent]:
    """Write into the exam's primary rows why each mask is its lesion's; and the lesions whose outlines have met."""
    rows = {
        trace.lesion.id: (trace, number)
        for trace in traces
        for number, row in enumerate(trace.made)
        if row.timepoint == timepoint.id and row.primary and row.segment is not None and row.record is not None
    }
    masks: dict[LesionId, tuple[SeriesRecord, Segment]] = {}
    bases: dict[LesionId, tuple[Basis, LesionId | None]] = {}
    words: dict[LesionId, list[LinkWord]] = {}
    for lesion, (trace, number) in rows.items():
        row = trace.made[number]
        assert row.record is not None and row.segment is not None, "looked for above"
        masks[lesion] = row.record, row.segment
        mine = owned.get(lesion, ())
        fallback = Basis.FOLLOWED if row.method is Method.PROPAGATED else Basis.PLACED
        bases[lesion] = (fallback, row.taken_for)
        if mine and row.taken_for is None:
            bases[lesion] = mine[0].basis, mine[0].taken_for
        words[lesion] = words_on(row, trace, mine, said)
    for lesion, (identity, rival) in identities(masks, bases, before, ground.links, words).items():
        trace, number = rows[lesion]
        doubts = doubts_of(identity, rival, f"{lesion} {timepoint.id}")
        row = trace.made[number]
        trace.made[number] = replace(row, identity=identity, findings=(*row.findings, *doubts))
    met = shared_outlines(masks)
    for pair in met:
        for lesion, other in (pair, pair[::-1]):
            trace, number = rows[lesion]
            message = f"half or more of this outline or of that of {other} is shared: its volume may be counted twice"
            doubt = Finding("OUTLINES_OVERLAP", Severity.WARNING, message, f"{lesion} {timepoint.id}")
            trace.made[number] = replace(trace.made[number], findings=(*trace.made[number].findings, doubt))
    return [
        LesionEvent(timepoint=timepoint.id, kind=EventKind.MERGED, before=pair, now=pair)
        for pair in met
        if set(pair) <= {seen.lesion for seen in before}
    ]


def words_on(row: Traced, trace: Trace, mine: Sequence[Owned], said: Heard) -> list[LinkWord]:
    """What readers said of whose the mask is; of an edited one, also what they said of it before the edit."""
    assert row.segment is not None, "words are about masks"
    digests = {row.segment.sha256}
    if is_drawn(row):
        digests |= {one.segment.sha256 for one in mine}
        beside = (other for other in trace.made if other.timepoint == row.timepoint and other.record is row.record)
        digests |= {other.segment.sha256 for other in beside if other.segment is not None}
    return said.of(row.timepoint, digests)


def lesion_of(entry: LesionEntry, case_id: str, called: Mapping[LesionId, str]) -> Lesion:
    """The lesion of the case file; one without a prompt may be that which an earlier run called so."""
    own = uid_from(case_id, entry.id)
    return Lesion(
        id=entry.id,
        name=entry.name,
        side=entry.side,
        kind=entry.kind,
        tracking_uid=own if entry.prompts else called.get(entry.id, own),
        eligibility=entry.eligibility,
    )


# --- imported -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A mask that somebody drew, on its series."""

    record: SeriesRecord
    segment: Segment


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Owned:
    """A mask under its lesion; ``taken_for`` says whose the machine took it for, where a reader says otherwise."""

    record: SeriesRecord
    segment: Segment
    basis: Basis
    taken_for: LesionId | None = None


def imported_segments(timepoint: Timepoint, ground: Ground) -> tuple[list[Imported], list[Finding]]:
    """The masks that people drew on the exam's series, best series first, with the Tracking UIDs of an earlier run."""
    segments: list[Imported] = []
    findings: list[Finding] = []
    order = {role: n for n, role in enumerate(ROLE_ORDER)}
    for record in sorted(timepoint.series, key=lambda r: (order.get(r.role or "", len(order)), r.volume_id)):
        for annotation in ground.exams.annotations_of(record):
            read = read_rtstruct if annotation.modality == "RTSTRUCT" else read_seg_on
            try:
                found = read(annotation.path, record)
            except (InputError, GeometryError) as error:
                message = f"an annotation of {timepoint.id} could not be read: {error}"
                findings.append(Finding(error.code, Severity.ERROR, message, annotation.series_uid))
                continue
            for segment in found:
                here = replace(segment, series_uid=record.volume_id)
                if ground.anatomy.shows(here):
                    continue
                if segment.mask.any():
                    memory = ground.remembered.get(here.sha256)
                    called = here.tracking_uid if memory is None else memory.tracking_uid or here.tracking_uid
                    if any(one.segment.sha256 == here.sha256 for one in segments):
                        remark = f"a mask of {timepoint.id} was stored twice, voxel for voxel; it counts once"
                        findings.append(Finding("DUPLICATE_MASK", Severity.WARNING, remark, annotation.series_uid))
                    else:
                        segments.append(Imported(record, replace(here, tracking_uid=called)))
                else:
                    remark = f"segment {segment.label} of an annotation of {timepoint.id} is empty"
                    findings.append(Finding("EMPTY_MASK", Severity.WARNING, remark, annotation.series_uid))
    return segments, findings


def read_seg_on(path: Path, record: SeriesRecord) -> tuple[Segment, ...]:
    """The segments of a DICOM SEG, which holds only the slices that it fills, on all of the record's."""
    return tuple(on_record(segment, record) for segment in read_seg(path))


def assign(
    imported: Sequence[Imported], traces: list[Trace], timepoint: Timepoint, said: Heard, ground: Ground
) -> tuple[dict[LesionId, list[Owned]], tuple[LesionEvent, ...]]:
    """Whose each imported mask is: a known lesion, else a new one; and what that says of the lesions known before.

    ``traces`` grows by the new ones. Masks of one series share a lesion only where a reader says so. Events are those
    of the best series.
    """
    owned: dict[LesionId, list[Owned]] = {}
    told: tuple[LesionEvent, ...] = ()
    met = {trace.lesion.id: trace.lesion.tracking_uid for trace in traces if trace.masks()}
    for record in dict.fromkeys(one.record for one in imported):
        found = {LesionId(f"import {n}"): one.segment for n, one in enumerate(imported) if one.record is record}
        seen = [seen for trace in traces if (seen := seen_here(trace, owned, timepoint)) is not None]
        before = [entry for entry in seen if entry.lesion in met]
        machine, _ = owners(found, record, seen, ground.links)
        spoken, late = said.names(found, timepoint.id)
        settled = {word.lesion for word in spoken.values()}
        for name, word in spoken.items():
            if all(trace.lesion.id != word.lesion for trace in traces):
                begin_spoken(word.lesion, own_uid(found[name], traces, ground), traces, timepoint, ground)
        callings = machine
        if spoken:  # the rest is matched with the lesions that readers left to it
            rest = {name: segment for name, segment in found.items() if name not in spoken}
            callings, _ = owners(rest, record, [entry for entry in seen if entry.lesion not in settled], ground.links)
        events: tuple[Event, ...] = ()
        if met and record is imported[0].record:
            events = news_of(found, spoken, met=met, record=record, before=before, links=ground.links)
        apart = uncompared(before, record, ground.links, settled | {calling.lesion for calling in callings.values()})
        names: dict[LesionId, LesionId] = {}
        doubt: tuple[Finding, ...]
        for name in in_place_order(found):
            calling, segment = callings.get(name), found[name]
            memory = ground.remembered.get(segment.sha256)
            taken_for = machine[name].lesion if name in machine else None
            if name in spoken:
                lesion, basis, doubt = spoken[name].lesion, Basis.READER, ()
                taken_for = taken_for if memory is None else memory.lesion
            elif calling is not None:
                lesion, doubt = calling.lesion, calling.findings
                known = next(trace.lesion.tracking_uid for trace in traces if trace.lesion.id == lesion)
                basis = calling.basis if memory is None or memory.tracking_uid != known else memory.basis
            else:
                lesion, basis, doubt = new_lesion(segment, traces, timepoint, ground), Basis.PLACED, ()
            if name in late:
                doubt = (*doubt, superseded(late[name]))
            names[name] = lesion
            trace = next(trace for trace in traces if trace.lesion.id == lesion)
            if trace.entry is None and not trace.masks():
                kind = "new" if met else "target"
                called = (segment.name if ground.identified else "") or lesion
                trace.lesion = replace(trace.lesion, kind=kind, name=called)
                doubt = doubt if name in spoken else (*doubt, *apart)
            mine = replace(
                segment,
                lesion=lesion,
                kind=SegmentKind.LESION,
                tracking_uid=trace.lesion.tracking_uid,
                findings=(*segment.findings, *doubt),
            )
            owned.setdefault(lesion, []).append(Owned(record=record, segment=mine, basis=basis, taken_for=taken_for))
        owned = {lesion: told_of_several(mine, record) for lesion, mine in owned.items()}
        told += lesion_events(timepoint.id, events, names)
    return owned, told


def told_of_several(mine: list[Owned], record: SeriesRecord) -> list[Owned]:
    """A lesion's masks with a remark on those that share a series."""
    sharing = sum(one.record is record for one in mine)
    if sharing < 2:
        return mine
    message = f"{sharing} masks of this series were said to be this lesion; the figures are those of the first alone"
    remark = Finding("SEVERAL_MASKS", Severity.WARNING, message, record.series_uid)
    return [
        replace(one, segment=replace(one.segment, findings=(*one.segment.findings, remark)))
        if one.record is record
        else one
        for one in mine
    ]


def seen_here(trace: Trace, owned: Mapping[LesionId, Sequence[Owned]], timepoint: Timepoint) -> Seen | None:
    """The lesion's mask on a better series of this exam, else its newest one."""
    for mine in owned.get(trace.lesion.id, ())[:1]:
        return Seen(
            lesion=trace.lesion.id,
            tracking_uid=trace.lesion.tracking_uid,
            timepoint=timepoint.id,
            record=mine.record,
            segment=mine.segment,
        )
    return trace.seen()


def new_lesion(segment: Segment, traces: list[Trace], timepoint: Timepoint, ground: Ground) -> LesionId:
    """A lesion for a mask that matches none, called as an earlier run called it."""
    uid = own_uid(segment, traces, ground)
    taken = {trace.lesion.id for trace in traces}
    called = next((lesion for lesion, known in ground.called.items() if known == uid and lesion not in taken), None)
    identity = called or next_id(taken | ground.spoken_of | set(ground.called))
    begin_trace(identity, uid, traces, timepoint, ground)
    return identity


def own_uid(segment: Segment, traces: Sequence[Trace], ground: Ground) -> str:
    """The Tracking UID of a lesion that is met first in this mask.

    Two masks may have been stored with one, and a lesion that was met first in this mask may be another's by now.
    """
    named, bare = (tracking_uid_of(ground.case_id, one) for one in (segment, replace(segment, tracking_uid="")))
    apart = (uid_from(ground.case_id, segment.sha256, f"apart {number}") for number in itertools.count())
    taken = {trace.lesion.tracking_uid for trace in traces}
    return next(uid for uid in itertools.chain((named, bare), apart) if uid not in taken)


def begin_spoken(lesion: LesionId, uid: str, traces: list[Trace], timepoint: Timepoint, ground: Ground) -> None:
    """A lesion that a reader's word names and nobody knows here; ``uid`` unless it was known before."""
    begin_trace(lesion, ground.called.get(lesion, uid), traces, timepoint, ground)


def begin_trace(lesion: LesionId, uid: str, traces: list[Trace], timepoint: Timepoint, ground: Ground) -> None:
    """A lesion that is met first on this exam, with a row on each exam before it."""
    kind = "new" if any(trace.masks() for trace in traces) else "target"
    trace = Trace(Lesion(id=lesion, name=lesion, side=None, kind=kind, tracking_uid=uid), None)
    for earlier in ground.exams.timepoints[: ground.exams.timepoints.index(timepoint)]:
        trace.made += followed_rows(trace, earlier, ground)
    traces.append(trace)


def imported_rows(trace: Trace, timepoint: Timepoint, mine: Sequence[Imported | Owned]) -> list[Traced]:
    """One row a series; the first, of the best role, is the primary one."""
    return [
        Traced(
            lesion=trace.lesion.id,
            timepoint=timepoint.id,
            record=one.record,
            segment=one.segment,
            status=one.segment.status,
            method=Method.IMPORTED,
            primary=number == 0,
            findings=one.segment.findings,
        )
        for number, one in enumerate(mine)
    ]


# --- from prompts ---------------------------------------------------------------------------------------------------


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


def companion(record: SeriesRecord, timepoint: Timepoint, ground: Ground) -> Volume | None:
    other = companion_of(record, timepoint)
    return None if other is None else ground.images.of(other)


def mask_rows(
    trace: Trace, timepoint: Timepoint, record: SeriesRecord, prompt: MaskPrompt, ground: Ground
) -> list[Traced]:
    """A mask file named by the case file; a DICOM annotation counts as accepted by its author, other files do not."""
    drawn = named_mask(prompt.path, ground.case_folder, of=trace.lesion.id, accept_gaps=ground.accept_gaps)
    segment = replace(
        on_record(drawn, record), series_uid=record.volume_id, lesion=trace.lesion.id, kind=SegmentKind.LESION
    )
    return imported_rows(trace, timepoint, [Imported(record, segment)])


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


# --- from an earlier exam -------------------------------------------------------------------------------------------


def followed_rows(trace: Trace, timepoint: Timepoint, ground: Ground, *, beside: Sequence[Owned] = ()) -> list[Traced]:
    """A proposal from the newest earlier mask, registered to this exam and outlined anew; or why there is none.

    ``beside`` are the masks of other lesions that people drew on this exam.
    """
    here = series_for(timepoint)
    role = trace.role()
    if role is None:
        return [unseen(trace, timepoint.id, here, "NOT_OUTLINED_YET", "nobody outlined this lesion up to this exam")]
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
    alone = (
        (Finding("NOT_AMONG_MASKS", Severity.WARNING, NOT_DRAWN, f"{trace.lesion.id} {timepoint.id}"),)
        if trace.lost
        else ()
    )
    remarks = (
        *volume.findings,
        *cut,
        *alone,
        *void_doubt(material, trace.lesion, timepoint, ground),
        *oedema_doubt(volume, second),
    )
    origin = ground.segmenter.capabilities().provenance()
    return [
        proposed_row(
            trace, timepoint, record, proposal, origin, volume=volume, method=Method.PROPAGATED, findings=remarks
        )
    ]


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


def carried_onto_ct(trace: Trace, ground: Ground) -> list[Traced]:
    """The rows of a lesion, those on CT without a mask now saying where the lesion lies by registration.

    The newest mask from before the CT is carried (what was there before the procedure), else the first after it.
    """
    rows = []
    order = {timepoint.id: n for n, timepoint in enumerate(ground.exams.timepoints)}
    for row in trace.made:
        timepoint = ground.exams.timepoints[order[row.timepoint]]
        record = ct_of(timepoint)
        taken_in = any(finding.code == TAKEN_IN for finding in row.findings)
        if row.segment is not None or taken_in or record is None or record.grid is None:
            rows.append(row)
            continue
        before = [t for t in trace.masks() if order[t.timepoint] < order[row.timepoint]]
        after = [t for t in trace.masks() if order[t.timepoint] > order[row.timepoint]]
        source = before[-1] if before else (after[0] if after else None)
        prior = None if source is None else registered_prior(source, record, ground.links)[0]
        if source is None or prior is None:
            rows.append(row)
            continue
        reason = (
            f"the tumour is not outlined on CT; its place is carried from {source.timepoint} for the material alone"
        )
        carried = Finding("LESION_CARRIED", Severity.INFO, reason, f"{trace.lesion.id} {row.timepoint}")
        kept = tuple(finding for finding in row.findings if finding.code != "NO_COMPARABLE_SERIES")
        rows.append(replace(row, record=record, method=Method.CARRIED, carried=prior >= 0.5, findings=(*kept, carried)))
    return rows


def carried_lesions(traced: Sequence[Traced]) -> dict[str, dict[LesionId, BoolArray]]:
    """By volume id of a CT: where the lesions lie on it, outlined there or carried by registration."""
    masks: dict[str, dict[LesionId, BoolArray]] = {}
    for row in traced:
        if row.record is None or row.record.modality != "CT" or not row.primary:
            continue
        mask = row.carried
        if row.segment is not None and row.record.grid is not None and row.segment.grid.matches(row.record.grid):
            mask = row.segment.mask
        if mask is not None:
            masks.setdefault(row.record.volume_id, {})[row.lesion] = mask
    return masks
