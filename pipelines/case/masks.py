"""The same lesion on every exam: outlined from prompts, imported, proposed from an earlier exam, or carried onto a CT.

Nothing here decides what a mask is worth: machine-made masks are *proposed*, imported annotations count as accepted by
their author, and a reader's word (:mod:`pipelines.case.reviews`) goes before both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendFailed, CaseFileError, EmptyMask, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.lesions.lesion import Lesion, Method
from imaging.lesions.match import MOST_INSIDE, Basis, EventKind, share_inside
from imaging.lesions.side import side_of
from imaging.provenance import Provenance, uid_from
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import MaskPrompt
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_probability
from pipelines.case.exams import companion_of, ct_of, series_for
from pipelines.case.heard import Heard, heard
from pipelines.case.history import history_of
from pipelines.case.identity import (
    LesionEvent,
    Seen,
    doubts_of,
    event_findings,
    identities,
    shared_outlines,
)
from pipelines.case.imported import (
    Imported,
    Owned,
    assign,
    begin_spoken,
    come_apart,
    imported_rows,
    imported_segments,
    remembered_traces,
)
from pipelines.case.links import Links
from pipelines.case.mask_files import named_mask, on_record
from pipelines.case.materials import CarriedMaterial, carry_material
from pipelines.case.renamed import renamed
from pipelines.case.reviews import apply_reviews, unused_reviews
from pipelines.case.traced import Ground, Trace, Traced, Tracing, not_outlined_yet, unseen
from pipelines.case.treated import is_untreated
from pipelines.case.words import kept_words
from pipelines.case_file import LesionEntry, LinkWord, PlacedPrompt

__all__ = ["carried_lesions", "trace_lesions"]

TAKEN_IN, ALONE = "WITHIN_ANOTHER_OUTLINE", "NOT_AMONG_MASKS"
COVERED_FRACTION = 0.5  # less of a lesion inside the field of view than this, and nothing can be proposed there
NOT_DRAWN = (
    "who outlined this exam did not outline this lesion: it may be gone, and this outline is the software's alone"
)
WHOLE_FRACTION = 0.98  # below it the lesion is cut by the edge of the image, beyond what resampling can explain


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
        return [not_outlined_yet(trace, timepoint)]
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
    alone = (Finding(ALONE, Severity.WARNING, NOT_DRAWN, f"{trace.lesion.id} {timepoint.id}"),) if trace.lost else ()
    remarks = (
        *volume.findings,
        *cut,
        *alone,
        *void_doubt(material, trace.lesion, timepoint, ground),
        *oedema_doubt(volume, second),
    )
    origin = ground.segmenter.capabilities().provenance()
    inherited = as_unsure_as(previous, proposal)
    return [
        proposed_row(
            trace, timepoint, record, inherited, origin, volume=volume, method=Method.PROPAGATED, findings=remarks
        )
    ]


def as_unsure_as(previous: Traced, proposal: LesionProposal) -> LesionProposal:
    """What follows a mask that nobody has accepted may be off by all that that one may be off by."""
    if previous.status is not Status.PROPOSED or previous.engine_wcv is None:
        return proposal
    return replace(proposal, volume_wcv=math.hypot(proposal.volume_wcv or 0.0, previous.engine_wcv))


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


def carried_onto_ct(trace: Trace, ground: Ground) -> list[Traced]:
    """The rows of a lesion, those on CT without a mask now saying where the lesion lies by registration.

    The mask that the lesion had before its treatment is carried, else the newest before the CT, else the first after.
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
        untreated = [t for t in before if is_untreated(t.lesion, t.timepoint, timepoint, ground)]
        source = next(iter((*untreated[-1:], *before[-1:], *after)), None)
        prior = None if source is None else registered_prior(source, record, ground.links)[0]
        if source is None or prior is None:
            rows.append(row)
            continue
        reason = (
            f"the tumour is not outlined on CT; its place is carried from {source.timepoint} for the material alone"
        )
        carried = Finding("LESION_CARRIED", Severity.INFO, reason, f"{trace.lesion.id} {row.timepoint}")
        kept = tuple(finding for finding in row.findings if finding.code != "NO_COMPARABLE_SERIES")
        rows.append(
            replace(
                row,
                record=record,
                method=Method.CARRIED,
                carried=prior >= 0.5,
                carried_from=source.timepoint,
                findings=(*kept, carried),
            )
        )
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
