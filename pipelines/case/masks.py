"""The same lesion on every exam: outlined from prompts, imported, proposed from an earlier exam, or carried onto a CT.

Nothing here decides what a mask is worth: machine-made masks are *proposed*, imported annotations count as accepted by
their author, and a reader's word (:mod:`pipelines.case.reviews`) goes before both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Lesion, Method
from imaging.lesions.match import Basis, EventKind
from imaging.provenance import uid_from
from imaging.segmentation import LesionId, Segment, Status
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.followed import ALONE, followed_rows
from pipelines.case.heard import Heard, heard
from pipelines.case.identity import LesionEvent, Seen, doubts_of, event_findings, identities, shared_outlines
from pipelines.case.imported import (
    Owned,
    assign,
    begin_spoken,
    come_apart,
    imported_rows,
    imported_segments,
    remembered_traces,
)
from pipelines.case.onto_ct import carried_onto_ct
from pipelines.case.prompted import prompted_rows
from pipelines.case.proposed import is_drawn, on_its_side
from pipelines.case.renamed import renamed
from pipelines.case.reviews import apply_reviews, unused_reviews
from pipelines.case.traced import Ground, Trace, Traced, Tracing
from pipelines.case.words import kept_words
from pipelines.case_file import LesionEntry, LinkWord

__all__ = ["trace_lesions"]


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
        parted = come_apart(traces, timepoint, owned, happened)
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
            trace.made += [met_again(on_its_side(row, trace.lesion, timepoint, ground), trace) for row in rows]
        found = {trace.lesion.id for trace in traces if not trace.lost}
        events += [
            event for event in happened if event.kind is not EventKind.GONE or not found.issuperset(event.before)
        ]
        events += [*parted, *identified(traces, timepoint, before, owned, said=said, ground=ground)]
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


def met_again(row: Traced, trace: Trace) -> Traced:
    """The row, of a lesion that is lost no longer where a reader says that this mask shows it."""
    if row.segment is None or not row.primary or row.status is not Status.ACCEPTED:
        return row
    trace.lost = False
    return replace(row, findings=tuple(finding for finding in row.findings if finding.code != ALONE))


def digests_of(rows: Mapping[LesionId, Sequence[Traced]]) -> set[str]:
    return {row.segment.sha256 for own in rows.values() for row in own if row.segment is not None}


def doubted_row(row: Traced, said: Heard) -> Traced:
    """The row with what readers disagree about."""
    doubts = () if row.segment is None else said.doubts_of(row.segment.sha256, row.timepoint)
    return replace(row, findings=(*row.findings, *doubts)) if doubts else row


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
