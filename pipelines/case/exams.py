"""The exams of a case in time order, which series of each is measured, and the images behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from imaging.dicom.assemble import load_volume
from imaging.errors import CaseFileError, InputError
from imaging.finding import Finding, Severity
from imaging.response.reading import Reading
from imaging.study import Annotation, Index, SeriesRecord
from imaging.study.timepoint import Timepoint, timepoints_from
from imaging.volume import Volume
from pipelines.case_file import CaseFile
from pipelines.documents import needed_and_refused

__all__ = ["Exams", "Images", "exams_from", "load_exams", "series_for"]

# In which series of an exam a bone lesion is outlined, best first: T1 shows marrow replacement without fat suppression,
# fluid-sensitive series come next, enhanced ones after them; CT where nothing else is there.
ROLE_ORDER = (
    "t1", "t2fs", "stir", "t1c", "t1cfs", "t1fs", "t2", "pd",
    "dixon_fat_t1", "dixon_fat_t2", "dixon_fat", "dixon_fat_t1c", "dixon_fat_pd",
    "dixon_water_t2", "dixon_water", "dixon_water_t1c", "dixon_water_t1", "dixon_water_pd", "gre", "dwi", "ct",
)  # fmt: skip

HOMELESS = "a {} refers to no series that could be loaded here: its contours are not used"
COMPANION_ROLES = ("stir", "t2fs", "dixon_water_t2", "dixon_water", "t2", "t1", "t1fs", "dixon_water_t1", "pd")


@dataclass(slots=True, eq=False)
class Images:
    """The volumes of a case, each decoded once, when it is first asked for."""

    loaded: dict[str, Volume] = field(default_factory=dict)

    def of(self, record: SeriesRecord) -> Volume:
        """The volume of the record.

        Raises
        ------
        SeriesRefused
            If its samples cannot be trusted after all.
        """
        if record.volume_id not in self.loaded:
            self.loaded[record.volume_id] = load_volume(record)
        return self.loaded[record.volume_id]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Exams:
    """The timepoints in order, and the annotations that were found with them."""

    timepoints: tuple[Timepoint, ...]
    annotations: tuple[Annotation, ...]
    findings: tuple[Finding, ...]
    damaged: bool = False  # whether a series that was to be used could not be

    def named(self, name: str) -> Timepoint:
        """The timepoint meant by an id, an ISO date or a study UID.

        Raises
        ------
        CaseFileError
            UNKNOWN_TIMEPOINT: none or several are meant; the message lists what there is.
        """
        meant = [t for t in self.timepoints if t.id == name] or [
            t for t in self.timepoints if t.date == name[:10] or name in {record.study_uid for record in t.series}
        ]
        if len(meant) != 1:
            known = ", ".join(f"{t.id} ({t.date})" for t in self.timepoints)
            raise CaseFileError(f"{len(meant)} exams are called {name}; there are {known}", code="UNKNOWN_TIMEPOINT")
        return meant[0]

    def readings(self, written: Sequence[Reading]) -> tuple[Reading, ...]:
        """The readings under the ids of their exams.

        Raises
        ------
        CaseFileError
            UNKNOWN_TIMEPOINT, or two are of one exam.
        """
        named = tuple(replace(reading, timepoint=self.named(reading.timepoint).id) for reading in written)
        if len({reading.timepoint for reading in named}) != len(named):
            raise CaseFileError("two readings are of one exam; the readers agree on one", where="reading")
        return named

    def annotations_of(self, record: SeriesRecord) -> tuple[Annotation, ...]:
        """The masks that somebody drew on that series."""
        return tuple(a for a in self.annotations if a.referenced_series_uid == record.series_uid)


def exams_from(index: Index, case_file: CaseFile, *, known_ids: Mapping[str, str] | None = None) -> Exams:
    """Order what was scanned in time, with the case file's roles in place of the rule's.

    Parameters
    ----------
    known_ids
        Timepoint ids that an earlier run gave, by series UID; they are kept.
    """
    records = [with_role(record, case_file.roles) for record in index.loadable]
    timepoints, findings = timepoints_from(
        records,
        [procedure.when for procedure in case_file.procedures],
        known_ids=known_ids,
        lost=needed_and_refused(index),
    )
    unknown = set(case_file.roles) - {record.series_uid for record in index.volumes}
    missing = tuple(
        Finding("CASE_FILE_UNKNOWN_SERIES", Severity.WARNING, "the case file gives a role to a series not found", uid)
        for uid in sorted(unknown)
    )
    here = {record.series_uid for record in records}
    matched = tuple(a for a in index.annotations if a.referenced_series_uid in here)
    homeless = tuple(
        Finding("ANNOTATION_UNMATCHED", Severity.WARNING, HOMELESS.format(a.modality), a.series_uid)
        for a in index.annotations
        if a not in matched
    )
    return Exams(timepoints=timepoints, annotations=matched, findings=(*findings, *missing, *homeless))


def load_exams(exams: Exams, images: Images) -> Exams:
    """The exams without the series whose samples turn out to be damaged; a finding tells each of them.

    Only a series with a role is ever used, so only those are decoded.
    """
    findings: list[Finding] = []
    timepoints = []
    for timepoint in exams.timepoints:
        sound = []
        for record in timepoint.series:
            try:
                if record.role is not None:
                    images.of(record)
            except InputError as error:
                findings.append(Finding(error.code, Severity.ERROR, f"{timepoint.id}: {error}", record.series_uid))
            else:
                sound.append(record)
        damaged = tuple(record for record in timepoint.series if record not in sound)
        timepoints.append(replace(timepoint, series=tuple(sound), lost=(*timepoint.lost, *damaged)))
    return replace(exams, timepoints=tuple(timepoints), findings=(*exams.findings, *findings), damaged=bool(findings))


def with_role(record: SeriesRecord, roles: Mapping[str, str]) -> SeriesRecord:
    role = roles.get(record.series_uid)
    return record if role is None else replace(record, role=role, role_reason="the case file says so")


def series_for(timepoint: Timepoint, roles: Sequence[str] = ROLE_ORDER) -> SeriesRecord | None:
    """The series of the exam that serves best: by role, then the finest voxels, then the UID."""
    return min(
        (record for record in timepoint.series if record.role in roles and record.grid is not None),
        key=lambda record: (roles.index(record.role or ""), voxel_volume_mm3(record), record.volume_id),
        default=None,
    )


def voxel_volume_mm3(record: SeriesRecord) -> float:
    return round(record.grid.voxel_volume_mm3, 6) if record.grid is not None else float("inf")


def companion_of(record: SeriesRecord, timepoint: Timepoint) -> SeriesRecord | None:
    """A second look at the same places: another kind of series of the same exam, in the same frame of reference.

    Fluid-sensitive and fat-suppressed series go first, because they tell blood and oedema from marrow where T1 cannot.
    """
    same = [
        other
        for other in timepoint.series
        if other.study_uid == record.study_uid
        and other.modality == record.modality
        and other.frame_of_reference_uid == record.frame_of_reference_uid != ""
        and other.role in COMPANION_ROLES
        and other.role != record.role
        and other.grid is not None
    ]
    return min(same, key=lambda other: (COMPANION_ROLES.index(other.role or ""), other.volume_id), default=None)


def ct_of(timepoint: Timepoint) -> SeriesRecord | None:
    """The exam's CT, if it has one."""
    return series_for(timepoint, ("ct",))
