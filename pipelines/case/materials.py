"""Cement and embolic material: found on every CT, carried onto the other exams, and related to the lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.geometry import Rigid
from imaging.lesions.lesion import Lesion
from imaging.lesions.procedure import Procedure
from imaging.measurement.material import MaterialMeasurement, relate_material
from imaging.measurement.neural import doubt_findings, neural_doubt
from imaging.registration.rigid import register
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.bone import find_bone
from imaging.segmentation.cement import MaterialFind, find_material
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Volume
from imaging.volume.resample import resample_probability
from pipelines.case.anatomy import Anatomy, carried_remarks
from pipelines.case.exams import Exams, Images, ct_of
from pipelines.case.history import History, history_of
from pipelines.case.links import Links, days_between

__all__ = ["CarriedMaterial", "FoundMaterial", "carry_material", "find_materials", "relate_materials"]


BEFORE_NOT_USED = "the CT of {}, from before anything was injected, could not be registered and is not used"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Before:
    """A CT from before anything was injected, where a later one lies in it; None where it could not be registered."""

    record: SeriesRecord
    before_from_volume: Rigid | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FoundMaterial:
    """What one CT shows, and the CT from before the first injection that it was compared with.

    Parameters
    ----------
    remarks
        What may lie on it beyond all material found; none where nothing had been injected.
    """

    timepoint: Timepoint
    record: SeriesRecord
    find: MaterialFind
    history: History
    before: Before | None = None
    remarks: tuple[Finding, ...] = ()

    def mask(self) -> BoolArray:
        """Everything radiodense that was injected: all kinds but metal."""
        return self.find.mask(SegmentKind.CEMENT, SegmentKind.EMBOLIC, SegmentKind.UNCLASSIFIED)

    def relative_interval(self) -> tuple[float, float]:
        """The bounds of all its material over the volume found: how far off the mask as a whole may be."""
        pieces = [piece for piece in self.find.pieces if piece.kind is not SegmentKind.METAL]
        total = sum(piece.volume_ml for piece in pieces)
        if total == 0:
            return (1.0, 1.0)
        low, high = (sum(piece.interval95_ml[end] for piece in pieces) / total for end in (0, 1))
        return (min(low, 1.0), max(high, 1.0))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CarriedMaterial:
    """Material of a CT on another exam's grid, as a probability (for overlap, never for its own volume)."""

    probability: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    source: FoundMaterial
    findings: tuple[Finding, ...] = ()

    @property
    def mask(self) -> BoolArray:
        """The voxels that are material by one half or more."""
        return np.asarray(self.probability >= 0.5, dtype=bool)


def find_materials(exams: Exams, images: Images, procedures: Sequence[Procedure]) -> tuple[FoundMaterial, ...]:
    """Radiodense material on the CT of every exam that has one."""
    found: list[FoundMaterial] = []
    for timepoint in exams.timepoints:
        record = ct_of(timepoint)
        if record is None:
            continue
        history = history_of(timepoint, procedures)
        untouched = [item for item in found if item.history.agents == {}]
        before = before_of(record, untouched[-1], images) if history.agents and untouched else None
        find = find_again(images.of(record), images, history, before)
        found.append(FoundMaterial(timepoint=timepoint, record=record, find=find, history=history, before=before))
    return tuple(found)


def before_of(record: SeriesRecord, untouched: FoundMaterial, images: Images) -> Before:
    """The CT from before the first injection as a later one needs it; CT lies on CT more closely than by way of MR."""
    registration = register(images.of(untouched.record), images.of(record))
    if registration.accepted:
        return Before(record=untouched.record, before_from_volume=registration.fixed_from_moving)
    message = BEFORE_NOT_USED.format(untouched.timepoint.id)
    remark = Finding("BEFORE_NOT_USED", Severity.WARNING, message, record.series_uid)
    return Before(record=untouched.record, before_from_volume=None, findings=(remark,))


def find_again(
    volume: Volume,
    images: Images,
    history: History,
    before: Before | None,
    *,
    lesion_masks: Mapping[LesionId, BoolArray] | None = None,
    bone: BoolArray | None = None,
    neural: BoolArray | None = None,
) -> MaterialFind:
    """The material of a CT, by all that is known of it at the time."""
    usable = before if before is not None and before.before_from_volume is not None else None
    return find_material(
        volume,
        before=images.of(usable.record) if usable else None,
        before_from_volume=usable.before_from_volume if usable else None,
        lesion_masks=lesion_masks,
        bone=bone,
        neural=neural,
        agents=history.agents,
        agents_before={} if usable else None,
        embolic_age_days=history.embolic_age_days,
    )


def carry_material(
    record: SeriesRecord,
    timepoint: Timepoint,
    found: Sequence[FoundMaterial],
    links: Links,
    procedures: Sequence[Procedure],
) -> CarriedMaterial | None:
    """The material of the CT that shows what this exam must hold, on the exam's grid.

    Where the history of both is known, a CT with the same injections before it shows it, be it earlier or later; of
    several the nearest in date serves. Failing that the nearest CT with fewer injections serves with a warning. Where
    the history is not known no CT from after the exam may serve: what it shows may have been injected in between.
    """
    history = history_of(timepoint, procedures)
    same = [f for f in found if serves(f, timepoint, history)]
    older = [f for f in found if history.known and f.history.known and f.history.ids < history.ids]
    for candidates, complete in ((same, True), (older, False)):
        for source in sorted(candidates, key=lambda f: (days_between(f.timepoint, timepoint), f.timepoint.id)):
            record_from_ct = links.path(record, source.record)
            if record_from_ct is None or record.grid is None:
                continue
            probability = resample_probability(
                source.mask(), source.find.grid, record.grid, grid_from_onto=record_from_ct.inverse()
            )
            lacking = Finding(
                "MATERIAL_INCOMPLETE",
                Severity.WARNING,
                f"material is carried from {source.timepoint.id}, from before a later injection: too little",
                timepoint.id,
            )
            return CarriedMaterial(probability=probability, source=source, findings=() if complete else (lacking,))
    return None


def serves(source: FoundMaterial, timepoint: Timepoint, history: History) -> bool:
    """Whether the CT shows what the exam must hold."""
    if source.timepoint.id == timepoint.id:
        return True
    if history.known and source.history.known:
        return source.history.ids == history.ids
    return is_not_later(source, timepoint)


def is_not_later(source: FoundMaterial, timepoint: Timepoint) -> bool:
    """Whether the CT is certainly not from after the exam."""
    days, then = timepoint.days, source.timepoint.days
    return days is not None and then is not None and then <= days


def relate_materials(
    found: Sequence[FoundMaterial],
    masks_on_ct: Mapping[str, Mapping[LesionId, BoolArray]],
    lesions: Sequence[Lesion],
    images: Images,
    anatomy: Anatomy,
    *,
    outlined_late: Mapping[str, Mapping[LesionId, Finding]] | None = None,
) -> tuple[tuple[FoundMaterial, tuple[MaterialMeasurement, ...]], ...]:
    """Each CT's material by kind and lesion: inside the lesion, in bone, beyond both.

    Parameters
    ----------
    masks_on_ct
        By volume id of a CT, the lesions' masks on its grid.
    anatomy
        What readers outlined: canal and foramina tell what is neural, every place but bone names the leaks in it.
    outlined_late
        By volume id, the remark on each lesion whose mask is from after its treatment.
    """
    sides = {lesion.id: lesion.side for lesion in lesions if lesion.side is not None}
    rows = []
    for item in found:
        volume = images.of(item.record)
        masks = dict(masks_on_ct.get(item.record.volume_id, {}))
        inside = np.any([*masks.values()], axis=0) if masks else None
        bone = find_bone(volume, lesion=inside, material=item.find.mask()).mask
        outlined = anatomy.certain_bone(item.record, item.find.mask())
        bone = bone if outlined is None else bone | outlined
        named = anatomy.named_places(item.record)
        neural = named.neural_on(volume.grid)
        find = find_again(volume, images, item.history, item.before, lesion_masks=masks, bone=bone, neural=neural)
        doubt = None if neural is None else neural_doubt(volume, find, neural, error_mm=named.error_mm)
        measured = relate_material(find, lesions=masks, bone=bone, doubt=doubt, named=named, sides=sides)
        remarks = carried_remarks(anatomy.around(item.record), item.timepoint.id)
        doubts = [*(finding for finding in volume.findings if finding.severity is not Severity.INFO), *remarks]
        doubts += () if item.before is None else item.before.findings
        late = (outlined_late or {}).get(item.record.volume_id, {})
        told = tuple(
            replace(row, findings=tuple(dict.fromkeys((*row.findings, *doubts, *remarks_on(row.lesion, late)))))
            for row in measured
        )
        in_nerves = () if neural is None else doubt_findings(doubt)
        unfound = () if item.history.agents == {} else unfound_remarks(item.timepoint.id, find, in_nerves)
        rows.append((replace(item, find=find, remarks=unfound), told))
    return tuple(rows)


def remarks_on(lesion: LesionId | None, late: Mapping[LesionId, Finding]) -> tuple[Finding, ...]:
    return (late[lesion],) if lesion is not None and lesion in late else ()


def unfound_remarks(timepoint: str, find: MaterialFind, neural: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What keeps a CT's materials from being all that there are: it must be told where no row of them can tell it."""
    possible = (finding for finding in find.findings if finding.code == "MATERIAL_POSSIBLE")
    return tuple(replace(finding, where=timepoint) for finding in (*possible, *neural))
