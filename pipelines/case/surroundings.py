"""What lies round each outlined lesion: how near canal and foramina are, its part outside bone, or why not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imaging.finding import Finding, Severity
from imaging.geometry.acquired import AcquiredSlices
from imaging.lesions.surroundings import ForamenDistance, Surroundings
from imaging.measurement.quantity import Quantity
from imaging.measurement.structure import Structure
from imaging.measurement.surroundings import BREACH_ML, borders_apart, outside_bone
from imaging.segmentation import Segment
from imaging.study import SeriesRecord
from pipelines.case.anatomy import Anatomy, Place, carried_remarks
from pipelines.structures import StructureKind

__all__ = ["not_outlined", "surroundings_of"]

NOT_GIVEN = {
    StructureKind.CANAL: "no canal was outlined",
    StructureKind.FORAMEN: "no foramen was outlined",
    StructureKind.BONE: "no bone was outlined as it was",
}
NOT_IN_BONE = "the lesion lies in none of the bones that were outlined"
TOO_CLOSE_TO_TELL = f"the error of the borders does not tell whether {BREACH_ML:g} mL of the lesion lie outside bone"
CUT_OFF = "an image cuts {} or the lesion off, nearer than the distance found: they may be nearer to each other"

Findings = tuple[Finding, ...]


def not_outlined(anatomy: Anatomy) -> Surroundings:
    """Of a lesion without a mask on its exam."""
    given = bool(anatomy.outlines.drawn or anatomy.outlines.unusable)
    reasons = ["the lesion is not outlined on this exam"] if given else list(NOT_GIVEN.values())
    return Surroundings(reason="; ".join(reasons))


def surroundings_of(
    segment: Segment, record: SeriesRecord, anatomy: Anatomy, *, slices: AcquiredSlices | None, where: str
) -> tuple[Surroundings, Findings]:
    """What lies round one lesion on one exam, and the remarks that its figures carry.

    Parameters
    ----------
    segment
        The lesion on the series' grid.
    slices
        Of a series with gaps.
    where
        The lesion and the exam, for the remarks.
    """
    lesion = Structure(name=segment.lesion or segment.name, mask=segment.mask, grid=segment.grid)
    canals = anatomy.around(record, StructureKind.CANAL)
    foramina = anatomy.around(record, StructureKind.FORAMEN)
    bones = anatomy.around(record, StructureKind.BONE)
    canal, of_canal, canal_reason = nearest_canal(lesion, canals, where)
    rows = [(place.name, *distance_to(lesion, place, where)) for place in foramina]
    part, breach, of_bone, bone_reason = beyond_bone(lesion, bones, slices, where)
    reasons = [canal_reason, None if foramina else NOT_GIVEN[StructureKind.FORAMEN], bone_reason]
    reasons += [f"foramina: {reason}" for _, _, _, reason in rows if reason is not None]
    told = dict.fromkeys(reason for reason in reasons if reason is not None)
    surroundings = Surroundings(
        canal=canal,
        foramina=tuple(
            ForamenDistance(name=name, distance_mm=distance, reason=reason) for name, distance, _, reason in rows
        )
        if foramina
        else None,
        extraosseous=part,
        breach=breach,
        reason="; ".join(told) or None,
    )
    remarks = [*of_canal, *(finding for _, _, findings, _ in rows for finding in findings), *of_bone]
    return surroundings, (*carried_remarks((*canals, *foramina, *bones), where), *remarks)


def nearest_canal(
    lesion: Structure, places: Sequence[Place], where: str
) -> tuple[Quantity | None, Findings, str | None]:
    """The distance to the nearest of all canals, none of which may be unknown; any may be nearer than it seems."""
    if not places:
        return None, (), NOT_GIVEN[StructureKind.CANAL]
    rows = [distance_to(lesion, place, where) for place in places]
    lacking = next((reason for distance, _, reason in rows if distance is None), None)
    known = [(distance, findings) for distance, findings, _ in rows if distance is not None]
    if lacking is not None:
        return None, (), f"canal: {lacking}"
    nearest = min((distance for distance, _ in known), key=lambda distance: distance.value)
    findings = tuple(finding for _, told in known for finding in told)
    bounds = [distance.interval95 or (distance.value, distance.value) for distance, _ in known]
    least, most = (min(ends) for ends in zip(*bounds, strict=True))
    return replace(nearest, interval95=(least, most)), findings, None


def distance_to(lesion: Structure, place: Place, where: str) -> tuple[Quantity | None, Findings, str | None]:
    if place.structure is None:
        return None, (), place.reason
    distance, cut_off = borders_apart(lesion, place.structure)
    message = CUT_OFF.format(place.name)
    remarks = (Finding("STRUCTURE_CUT_OFF", Severity.WARNING, message, where),) if cut_off else ()
    return distance, remarks, None


def beyond_bone(
    lesion: Structure, places: Sequence[Place], slices: AcquiredSlices | None, where: str
) -> tuple[Quantity | None, bool | None, Findings, str | None]:
    """The lesion's part outside all bones together; none of them may be unknown."""
    if not places:
        return None, None, (), NOT_GIVEN[StructureKind.BONE]
    known = [place.structure for place in places if place.structure is not None]
    if len(known) < len(places):
        lacking = next(place.reason for place in places if place.structure is None)
        return None, None, (), f"bone: {lacking}"
    limits = outside_bone(lesion, known, slices=slices)
    if limits is None:
        return None, None, (), NOT_IN_BONE
    message = "the image on which the bone was outlined ends within the lesion: what lies beyond may be in bone"
    remarks = (Finding("STRUCTURE_CUT_OFF", Severity.WARNING, message, where),) if limits.cut_off else ()
    return limits.extraosseous, limits.breach, remarks, TOO_CLOSE_TO_TELL if limits.breach is None else None
