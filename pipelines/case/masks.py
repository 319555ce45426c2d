"""The same lesion on every exam: outlined from prompts, imported, proposed from an earlier exam, or carried onto a CT.

Nothing here decides what a mask is worth: machine-made masks are *proposed*, imported annotations count as accepted by
their author, and a reader's word (:mod:`pipelines.case.reviews`) goes before both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.dicom.rtstruct import read_rtstruct
from imaging.dicom.seg import read_seg
from imaging.errors import BackendFailed, CaseFileError, EmptyMask, GeometryError, InputError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.lesions.lesion import Lesion, Method
from imaging.lesions.match import match_lesions
from imaging.lesions.procedure import Procedure
from imaging.lesions.side import side_of
from imaging.provenance import Provenance, uid_from
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.segmentation.backend import Segmenter
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.placement import segment_on
from imaging.segmentation.prompt import MaskPrompt
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_probability
from pipelines.case.exams import ROLE_ORDER, Exams, Images, companion_of, ct_of, series_for
from pipelines.case.history import history_of
from pipelines.case.links import Links
from pipelines.case.materials import CarriedMaterial, FoundMaterial, carry_material
from pipelines.case.reviews import StoredReview, apply_reviews
from pipelines.case_file import LesionEntry
from pipelines.sources import open_masks

__all__ = ["Ground", "Traced", "carried_lesions", "trace_lesions"]

COVERED_FRACTION = 0.5  # less of a lesion inside the field of view than this, and nothing can be proposed there
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
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True, eq=False)
class Trace:
    """What is known so far of one lesion, in time order."""

    lesion: Lesion
    entry: LesionEntry | None
    made: list[Traced] = field(default_factory=list)

    def masks(self) -> list[Traced]:
        """The exams on which it has a mask that nobody rejected."""
        return [t for t in self.made if t.segment is not None and t.primary and t.status is not Status.REJECTED]

    def role(self) -> str | None:
        """The role of the series on which the lesion was first outlined: the one that follow-ups compare with."""
        first = next(iter(self.masks()), None)
        return None if first is None or first.record is None else first.record.role


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
    identified: bool  # whether free text of the images may be shown


def trace_lesions(
    known: Sequence[LesionEntry], ground: Ground
) -> tuple[tuple[Lesion, ...], tuple[Traced, ...], tuple[Finding, ...]]:
    """Every lesion on every exam.

    Parameters
    ----------
    known
        The lesions of the case file; imported annotations that match none of them become lesions of their own.

    Returns
    -------
    The lesions; their masks in the order lesion × exam; remarks about the case as a whole.
    """
    traces = [Trace(lesion_of(entry, ground.case_id), entry) for entry in known]
    findings: list[Finding] = []
    for timepoint in ground.exams.timepoints:
        imported, trouble = imported_segments(timepoint, ground.exams)
        findings += trouble
        owned = assign(imported, traces, timepoint, ground)
        for trace in traces:
            rows = (
                imported_rows(trace, timepoint, owned.get(trace.lesion.id, []))
                or prompted_rows(trace, timepoint, ground)
                or followed_rows(trace, timepoint, ground)
            )
            judged = apply_reviews(rows, ground.reviews, timepoint.series, trace.lesion)
            trace.made += [on_its_side(row, trace.lesion, timepoint, ground) for row in judged]
    return (
        tuple(trace.lesion for trace in traces),
        tuple(row for trace in traces for row in carried_onto_ct(trace, ground)),
        tuple(findings),
    )


def lesion_of(entry: LesionEntry, case_id: str) -> Lesion:
    return Lesion(
        id=entry.id,
        name=entry.name,
        side=entry.side,
        kind=entry.kind,
        tracking_uid=uid_from(case_id, entry.id),
        eligibility=entry.eligibility,
    )


# --- imported -------------------------------------------------------------------------------------------------------


def imported_segments(timepoint: Timepoint, exams: Exams) -> tuple[list[tuple[SeriesRecord, Segment]], list[Finding]]:
    """The masks that people drew on the exam's series, best series first."""
    segments, findings = [], []
    order = {role: n for n, role in enumerate(ROLE_ORDER)}
    for record in sorted(timepoint.series, key=lambda r: (order.get(r.role or "", len(order)), r.volume_id)):
        for annotation in exams.annotations_of(record):
            read = read_rtstruct if annotation.modality == "RTSTRUCT" else read_seg_on
            try:
                found = read(annotation.path, record)
            except (InputError, GeometryError) as error:
                message = f"an annotation of {timepoint.id} could not be read: {error}"
                findings.append(Finding(error.code, Severity.ERROR, message, annotation.series_uid))
                continue
            for segment in found:
                if segment.mask.any():
                    segments.append((record, replace(segment, series_uid=record.volume_id)))
                else:
                    remark = f"segment {segment.label} of an annotation of {timepoint.id} is empty"
                    findings.append(Finding("EMPTY_MASK", Severity.WARNING, remark, annotation.series_uid))
    return segments, findings


def read_seg_on(path: Path, record: SeriesRecord) -> tuple[Segment, ...]:
    """The segments of a DICOM SEG, which holds only the slices that it fills, on all of the record's."""
    return tuple(on_record(segment, record) for segment in read_seg(path))


def on_record(segment: Segment, record: SeriesRecord) -> Segment:
    """The segment on the record's grid, voxel for voxel.

    Raises
    ------
    GeometryError
        If its voxels are not the record's: a mask is never resampled to be measured.
    """
    if record.grid is None:
        raise GeometryError("a refused series has no grid to put a mask on")
    placed = segment_on(segment, record.grid)
    placed.grid.require_match(record.grid, what="a mask and the series it refers to")
    return placed


def assign(
    imported: Sequence[tuple[SeriesRecord, Segment]], traces: list[Trace], timepoint: Timepoint, ground: Ground
) -> dict[LesionId, list[tuple[SeriesRecord, Segment]]]:
    """Whose each imported mask is: the lesion that it overlaps after registration, else a new lesion.

    ``traces`` grows by the new ones. Masks of one series never share a lesion.
    """
    owned: dict[LesionId, list[tuple[SeriesRecord, Segment]]] = {}
    for record in dict.fromkeys(record for record, _ in imported):
        segments = {LesionId(f"import {n}"): s for n, (r, s) in enumerate(imported) if r is record}
        owners = matched(segments, record, traces, owned, ground)
        for name, segment in segments.items():
            owner = owners.get(name)
            lesion = new_lesion(segment, traces, timepoint, ground) if owner is None else owner.lesion
            doubt = () if owner is None else owner.findings
            mine = replace(segment, lesion=lesion, kind=SegmentKind.LESION, findings=(*segment.findings, *doubt))
            owned.setdefault(lesion, []).append((record, mine))
    return owned


@dataclass(frozen=True, slots=True)
class Owner:
    """The lesion that an imported mask belongs to, and what is doubtful about it."""

    lesion: LesionId
    findings: tuple[Finding, ...]


def matched(
    segments: Mapping[LesionId, Segment],
    record: SeriesRecord,
    traces: Sequence[Trace],
    owned: Mapping[LesionId, Sequence[tuple[SeriesRecord, Segment]]],
    ground: Ground,
) -> dict[LesionId, Owner]:
    """Imported name → whose it is, by overlap with the lesions' newest masks."""
    owners: dict[LesionId, Owner] = {}
    references: dict[str, dict[LesionId, tuple[SeriesRecord, Segment]]] = {}
    for trace in traces:
        newest = owned.get(trace.lesion.id) or [
            (t.record, t.segment) for t in trace.masks()[-1:] if t.record is not None and t.segment is not None
        ]
        for reference, mask in newest[:1]:
            references.setdefault(reference.volume_id, {})[trace.lesion.id] = (reference, mask)
    for group in references.values():
        reference = next(iter(group.values()))[0]
        record_from_reference = ground.links.path(record, reference)
        doubt: tuple[Finding, ...] = ()
        if record_from_reference is None:
            record_from_reference = ground.links.claim(record, reference)
            claimed = "matched to its earlier mask by the shared frame of reference, which the images did not confirm"
            doubt = (Finding("SHARED_FRAME_UNVERIFIED", Severity.WARNING, claimed, record.series_uid),)
        if record_from_reference is None:
            continue
        masks = {lesion: mask for lesion, (_, mask) in group.items()}
        for link in match_lesions(masks, segments, b_from_a=record_from_reference).links:
            owners.setdefault(link.b, Owner(link.a, doubt))
    return owners


def new_lesion(segment: Segment, traces: list[Trace], timepoint: Timepoint, ground: Ground) -> LesionId:
    """A lesion for a mask that matches none; it is *new* where other lesions were followed before it."""
    taken = {trace.lesion.id for trace in traces}
    identity = next(LesionId(f"L{n}") for n in range(1, len(taken) + 2) if f"L{n}" not in taken)
    followed_before = any(row.timepoint != timepoint.id for trace in traces for row in trace.made)
    lesion = Lesion(
        id=identity,
        name=(segment.name if ground.identified else "") or identity,
        side=None,
        kind="new" if followed_before else "target",
        tracking_uid=segment.tracking_uid or uid_from(ground.case_id, identity),
    )
    trace = Trace(lesion, None)
    earlier = dict.fromkeys(row.timepoint for other in traces for row in other.made)
    trace.made = [
        unseen(trace, name, None, "NOT_OUTLINED_YET", "nobody outlined this lesion on this exam") for name in earlier
    ]
    traces.append(trace)
    return identity


def imported_rows(trace: Trace, timepoint: Timepoint, mine: Sequence[tuple[SeriesRecord, Segment]]) -> list[Traced]:
    """One row a series; the first, of the best role, is the primary one."""
    return [
        Traced(
            lesion=trace.lesion.id,
            timepoint=timepoint.id,
            record=record,
            segment=segment,
            status=segment.status,
            method=Method.IMPORTED,
            primary=number == 0,
            findings=segment.findings,
        )
        for number, (record, segment) in enumerate(mine)
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
    role = trace.role()
    record = (
        next((r for r in timepoint.series if forced in (r.volume_id, r.series_uid)), None)
        if forced
        else (series_for(timepoint, (role,)) if role else None) or series_for(timepoint)
    )
    if record is None:
        raise CaseFileError(f"a prompt of {trace.lesion.id} names a series that {timepoint.id} does not have")
    masks = [prompt.prompt for prompt in placed if isinstance(prompt.prompt, MaskPrompt)]
    if masks:
        return mask_rows(trace, timepoint, record, masks[0], ground)
    volume = ground.images.of(record)
    material = carry_material(record, timepoint, ground.material, ground.links, ground.procedures)
    second = companion(record, timepoint, ground)
    try:
        proposal = ground.segmenter.segment(
            volume,
            [prompt.prompt for prompt in placed],
            include=None if material is None else material.mask,
            companion=second,
        )
    except (UsageError, BackendFailed) as error:  # one misplaced prompt is one row, and the other exams go on
        return [unseen(trace, timepoint.id, record, error.code, str(error))]
    remarks = (*volume.findings, *void_doubt(material, trace.lesion, timepoint, ground))
    origin = ground.segmenter.capabilities().provenance()
    return [
        proposed_row(
            trace, timepoint, record, proposal, origin, volume=volume, method=Method.SEGMENTED, findings=remarks
        )
    ]


def companion(record: SeriesRecord, timepoint: Timepoint, ground: Ground) -> Volume | None:
    other = companion_of(record, timepoint)
    return None if other is None else ground.images.of(other)


def mask_rows(
    trace: Trace, timepoint: Timepoint, record: SeriesRecord, prompt: MaskPrompt, ground: Ground
) -> list[Traced]:
    """A mask file named by the case file; a DICOM annotation counts as accepted by its author, other files do not."""
    path = ground.case_folder / prompt.path.partition("#")[0]
    if not path.resolve().is_relative_to(ground.case_folder.resolve()):
        raise CaseFileError(f"the mask of {trace.lesion.id} lies outside the case folder")
    segments = open_masks(str(ground.case_folder / prompt.path), image=None, accept_gaps=ground.accept_gaps)
    if len(segments) != 1:
        raise CaseFileError(f"the mask of {trace.lesion.id} holds {len(segments)} segments; choose one with #label")
    segment = replace(
        on_record(segments[0], record), series_uid=record.volume_id, lesion=trace.lesion.id, kind=SegmentKind.LESION
    )
    return imported_rows(trace, timepoint, [(record, segment)])


def laterality(lesion: Lesion, mask: BoolArray, volume: Volume, timepoint: Timepoint) -> tuple[Finding, ...]:
    """A finding where the image shows the mask on the other side than the case file says: acceptance is blocked."""
    seen = side_of(mask, volume) if lesion.side in ("left", "right") else None
    if seen is None or seen == lesion.side:
        return ()
    message = f"the case file says {lesion.side}, the image shows this mask on the {seen}; correct one of them"
    return (Finding("LATERALITY_CONFLICT", Severity.ERROR, message, f"{lesion.id} {timepoint.id}"),)


def on_its_side(row: Traced, lesion: Lesion, timepoint: Timepoint, ground: Ground) -> Traced:
    """A mask that a reader drew, looked at as the machine's are: on the wrong side it cannot be accepted."""
    drawn = any(finding.code == "RECOMPUTATION_DIFFERS" for finding in row.findings)
    if not drawn or row.segment is None or row.record is None:
        return row
    conflict = laterality(lesion, row.segment.mask, ground.images.of(row.record), timepoint)
    if not conflict:
        return row
    doubted = row.segment.with_status(Status.PROPOSED, *conflict)
    return replace(row, segment=doubted, status=Status.PROPOSED, findings=(*row.findings, *conflict))


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


def followed_rows(trace: Trace, timepoint: Timepoint, ground: Ground) -> list[Traced]:
    """A proposal from the newest earlier mask, registered to this exam and outlined anew; or why there is none."""
    here = series_for(timepoint)
    role = trace.role()
    if role is None:
        return [unseen(trace, timepoint.id, here, "NOT_OUTLINED_YET", "nobody outlined this lesion up to this exam")]
    record = series_for(timepoint, (role,))
    if record is None:
        reason = f"this exam has no {role} series to compare with; the tumour is not outlined on another kind of image"
        return [unseen(trace, timepoint.id, here, "NO_COMPARABLE_SERIES", reason)]
    previous = trace.masks()[-1]
    prior, doubt = registered_prior(previous, record, ground.links)
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
    remarks = (
        *volume.findings,
        *cut,
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
        if row.segment is not None or record is None or record.grid is None:
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
