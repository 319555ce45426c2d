"""What readers outlined round the lesions, carried to every exam: canal, foramina, bone, and where leaks may lie.

A structure is carried along accepted registrations alone. Where none leads to an exam, what rests on the structure is
unknown there, with the reason. Of several outlines of one structure that serves which the fewest registrations join.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imaging.arrays import BoolArray
from imaging.errors import CaseFileError, EmptyMask, GeometryError, InputError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.leak import NamedPlaces
from imaging.measurement.structure import Structure
from imaging.segmentation import Segment
from imaging.segmentation.placement import segment_on
from imaging.segmentation.reach import box_around, distance_mm
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import ROLE_ORDER, Exams
from pipelines.case.links import Links
from pipelines.case.mask_files import named_mask, on_record
from pipelines.structures import StructureEntry, StructureKind

__all__ = ["Anatomy", "Drawn", "Outlines", "Place", "carried_remarks", "draw_structures"]

UNUSABLE = "its mask cannot be used; a finding of the case says why"
NEURAL = (StructureKind.CANAL, StructureKind.FORAMEN)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Drawn:
    """A structure's mask on the series on which the reader outlined it."""

    entry: StructureEntry
    timepoint: str
    record: SeriesRecord
    segment: Segment


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Place:
    """A structure as it lies in one exam, or the reason why that is not known.

    Parameters
    ----------
    source
        The exam on which it was outlined.
    carried
        Whether by registration.
    """

    kind: StructureKind
    name: str
    structure: Structure | None
    source: str
    carried: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """The structures of a case file that could be read, in its order, and why the others could not."""

    drawn: tuple[Drawn, ...] = ()
    unusable: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True, eq=False)
class Anatomy:
    """All structures of a case; where each lies in an exam is found once.

    Parameters
    ----------
    outlines
        What readers drew.
    links
        The case's registrations.
    registration_error_mm
        How far one accepted registration may be off; several in a row err independently.
    """

    outlines: Outlines = field(default_factory=Outlines)
    links: Links = field(default_factory=lambda: Links(()))
    registration_error_mm: float = 0.0
    placed: dict[str, tuple[Place, ...]] = field(default_factory=dict)

    def shows(self, segment: Segment) -> bool:
        """Whether a mask that lies beside the images is one of the structures, and so no lesion."""
        return any(
            drawn.segment.grid.matches(segment.grid) and np.array_equal(drawn.segment.mask, segment.mask)
            for drawn in self.outlines.drawn
        )

    def around(self, record: SeriesRecord, *kinds: StructureKind) -> tuple[Place, ...]:
        """The structures of these kinds, or of all, in the space of a series; those included that do not reach it."""
        if record.volume_id not in self.placed:
            names = dict.fromkeys(drawn.entry.name for drawn in self.outlines.drawn)
            unusable = [place for place in self.outlines.unusable if place.name not in names]
            self.placed[record.volume_id] = (*(self._place(name, record) for name in names), *unusable)
        return tuple(place for place in self.placed[record.volume_id] if not kinds or place.kind in kinds)

    def named_places(self, record: SeriesRecord) -> NamedPlaces:
        """Where material of a CT may lie; canal and foramina if both are given and each of them reaches it."""
        nerves = self.around(record, *NEURAL)
        known = tuple(place.structure for place in nerves if place.structure is not None)
        whole = {place.kind for place in nerves} == set(NEURAL) and len(known) == len(nerves)
        others = self.around(record, StructureKind.COMPARTMENT)
        return NamedPlaces(
            nerves=known if whole else None,
            others=tuple(place.structure for place in others if place.structure is not None),
        )

    def certain_bone(self, record: SeriesRecord, near: BoolArray) -> BoolArray | None:
        """Where a series shows bone however far it was carried wrongly, in a mask and beside it; None where unknown."""
        places = [place.structure for place in self.around(record, StructureKind.BONE) if place.structure is not None]
        if not places or record.grid is None or not near.any():
            return None
        certain = np.zeros_like(near)
        for bone in places:
            spacing_mm = record.grid.spacing_mm
            box = box_around(near, spacing_mm, 2 * bone.error_mm + max(spacing_mm))
            here = bone.on(record.grid.crop([side.start for side in box], [side.stop for side in box]))
            # Beyond the image the bone goes on: its edge is no border.
            certain[box] |= here & (distance_mm(~here, spacing_mm) > bone.error_mm)
        return certain

    def _place(self, name: str, record: SeriesRecord) -> Place:
        outlines = [drawn for drawn in self.outlines.drawn if drawn.entry.name == name]
        ways = [(drawn, self.links.way(record, drawn.record)) for drawn in outlines]
        reached = [(drawn, way) for drawn, way in ways if way is not None]
        first = outlines[0]
        if not reached:
            exams = ", ".join(dict.fromkeys(drawn.timepoint for drawn in outlines))
            reason = f"no accepted registration leads here from {exams}, where it was outlined"
            return Place(kind=first.entry.kind, name=name, structure=None, source=first.timepoint, reason=reason)
        drawn, way = min(reached, key=lambda pair: pair[1].registrations)
        segment = drawn.segment
        structure = Structure(
            name=name,
            mask=segment.mask,
            grid=Grid(segment.grid.shape, way.transform.matrix @ segment.grid.affine),
            error_mm=self.registration_error_mm * math.sqrt(way.registrations),
        )
        carried = way.registrations > 0
        return Place(kind=drawn.entry.kind, name=name, structure=structure, source=drawn.timepoint, carried=carried)


def carried_remarks(places: Iterable[Place], where: str) -> tuple[Finding, ...]:
    """That structures were carried by registration: one remark for each exam on which they were outlined."""
    sources: dict[str, float] = {}
    for place in places:
        if place.carried and place.structure is not None:
            sources[place.source] = place.structure.error_mm
    message = "structures round the lesion were carried from {} by registration (± {:.2g} mm)"
    return tuple(
        Finding("STRUCTURES_CARRIED", Severity.INFO, message.format(source, error_mm), where)
        for source, error_mm in sources.items()
    )


def draw_structures(
    entries: Sequence[StructureEntry], exams: Exams, case_folder: Path, *, accept_gaps: bool
) -> Outlines:
    """The masks of the structures that a case file names, each on its series.

    A mask that cannot be used costs what rests on it alone: a finding has the code that it would have as a lesion's
    (FILE_NOT_FOUND, LABEL_NOT_FOUND, GEOMETRY_MISMATCH for the voxels of no series, EMPTY_MASK, …); so has one whose
    series was refused (EXAM_REFUSED).

    Raises
    ------
    CaseFileError
        An exam or a series that is not here, a path that leads out of the case folder, several segments in a file, one
        structure outlined twice on one exam.
    """
    exams_of = {(entry.name, exams.named(entry.timepoint).id) for entry in entries}
    if len(exams_of) < len(entries):  # an id and a date may mean one exam
        raise CaseFileError("a structure is outlined twice on one exam; give one mask", where="structure")
    drawn: list[Drawn] = []
    unusable: list[Place] = []
    findings: list[Finding] = []
    for entry in entries:
        try:
            drawn.append(draw(entry, exams, case_folder, accept_gaps=accept_gaps))
        except CaseFileError:
            raise
        except (UsageError, InputError, GeometryError, EmptyMask) as error:
            message = f"the mask of {entry.name} cannot be used: {error}"
            findings.append(Finding(error.code, Severity.WARNING, message, f"{entry.name} {entry.timepoint}"))
            place = Place(kind=entry.kind, name=entry.name, structure=None, source=entry.timepoint, reason=UNUSABLE)
            unusable.append(place)
    return Outlines(tuple(drawn), tuple(unusable), tuple(findings))


def draw(entry: StructureEntry, exams: Exams, case_folder: Path, *, accept_gaps: bool) -> Drawn:
    timepoint = exams.named(entry.timepoint)
    segment = named_mask(entry.mask, case_folder, of=entry.name, accept_gaps=accept_gaps)
    if not segment.mask.any():
        raise EmptyMask(f"the mask of {entry.name} holds no voxel", where=entry.name)
    record = series_of(entry, timepoint, segment)
    placed = on_record(segment, record)
    return Drawn(
        entry=entry,
        timepoint=timepoint.id,
        record=record,
        segment=Segment(mask=placed.mask, grid=placed.grid, name=entry.name, series_uid=record.volume_id),
    )


def series_of(entry: StructureEntry, timepoint: Timepoint, segment: Segment) -> SeriesRecord:
    """The series that the case file forces, else the first, by role, whose voxels the mask has."""
    series = [record for record in timepoint.series if record.grid is not None]
    if entry.series is not None:
        series = [record for record in series if entry.series in (record.volume_id, record.series_uid)]
    lost = [record for record in timepoint.lost if entry.series in (None, record.volume_id, record.series_uid)]
    if not series and lost:
        why = ", ".join(sorted({record.code or "damaged" for record in lost}))
        raise InputError(
            f"the series of {timepoint.id} on which it was outlined was refused ({why})", code="EXAM_REFUSED"
        )
    if not series:
        raise CaseFileError(f"{timepoint.id} has no series on which {entry.name} can have been outlined")
    order = {role: number for number, role in enumerate(ROLE_ORDER)}
    series.sort(key=lambda record: (order.get(record.role or "", len(order)), record.volume_id))
    fitting = (r for r in series if r.grid is not None and segment_on(segment, r.grid).grid.matches(r.grid))
    return next(fitting, series[0])
