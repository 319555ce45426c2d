"""Masks that people drew in the study: read on their series, and each given to its lesion.

A reader's word on a mask goes first, then what an earlier run called it, its Tracking UID and its place; what matches
none is a new lesion. Nothing here outlines anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imaging.dicom.rtstruct import read_rtstruct
from imaging.dicom.seg import read_seg
from imaging.errors import GeometryError, InputError
from imaging.finding import Finding, Severity
from imaging.lesions.identity import in_place_order, tracking_uid_of
from imaging.lesions.lesion import Lesion, Method
from imaging.lesions.match import Basis, Event, EventKind
from imaging.provenance import uid_from
from imaging.segmentation import LesionId, Segment, SegmentKind
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import ROLE_ORDER
from pipelines.case.heard import Heard
from pipelines.case.identity import (
    LesionEvent,
    Remembered,
    Seen,
    lesion_events,
    news_of,
    owners,
    uncompared,
)
from pipelines.case.mask_files import on_record
from pipelines.case.renamed import superseded
from pipelines.case.traced import Ground, Trace, Traced, not_outlined_yet

__all__ = [
    "Imported",
    "Owned",
    "assign",
    "begin_spoken",
    "come_apart",
    "imported_rows",
    "imported_segments",
    "remembered_traces",
]


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
        trace.made.append(not_outlined_yet(trace, earlier))
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
