"""What a study folder holds: one record for every volume, every annotation, and everything that was passed over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import NewType

from imaging.errors import AmbiguousSeries, SeriesRefused, UsageError
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices

__all__ = [
    "Annotation",
    "FrameSource",
    "Index",
    "PatientId",
    "SeriesRecord",
    "SeriesUid",
    "Skipped",
    "Verdict",
]

SeriesUid = NewType("SeriesUid", str)
PatientId = NewType("PatientId", str)  # as the file holds it: never shown unless asked for


class Verdict(StrEnum):
    """What became of a series: taken as it is, taken after a named correction, or refused for a named reason."""

    EXACT = "exact"
    CORRECTED = "corrected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FrameSource:
    """Where one slice's samples lie: a file and a frame in it, with the instance's UID."""

    path: Path
    frame: int = 0
    instance_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SeriesRecord:
    """One volume of an index, loadable unless refused.

    Parameters
    ----------
    patient, study_uid, series_uid, frame_of_reference_uid
        DICOM identity. A series that holds several volumes gives several records with one ``series_uid``.
    volume_id
        Unique in the index: the series UID, with ``#2``, ``#3`` … for further volumes of the same series.
    study_date
        ISO date of the study, or None.
    acquired
        ISO date(-time) of acquisition: AcquisitionDateTime, else AcquisitionDate, SeriesDate, ContentDate, StudyDate.
    modality, description
        As written; the description is free text and is never put into messages.
    role, role_reason
        The purpose the series serves (ct, t1, t1c, t1fs, t1cfs, t2, …; see :mod:`imaging.study.role`) and why,
        or None and why not.
    verdict, code
        A corrected or refused record names its reason, which is also one of its findings.
    grid
        None if refused.
    slice_thickness_mm
        Nominal thickness of a slice; never used as spacing.
    frames
        In the grid's slice order.
    image_type
        DICOM Image Type values in capitals.
    acquired_slices
        Which planes of the grid were imaged, where the stack has gaps and was taken with them; None for an even stack.
    with_gaps
        What a series that is refused for its gaps is if somebody accepts them: a corrected record of the same volume.
    """

    patient: PatientId
    study_uid: str
    series_uid: SeriesUid
    volume_id: str
    modality: str
    verdict: Verdict
    code: str | None = None
    study_date: str | None = None
    acquired: str | None = None
    description: str = ""
    frame_of_reference_uid: str = ""
    role: str | None = None
    role_reason: str = ""
    grid: Grid | None = None
    slice_thickness_mm: float | None = None
    image_type: tuple[str, ...] = ()
    frames: tuple[FrameSource, ...] = ()
    findings: tuple[Finding, ...] = ()
    acquired_slices: AcquiredSlices | None = None
    with_gaps: SeriesRecord | None = None

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.REFUSED) != (self.grid is None):
            raise ValueError("a refused series has no grid, every other has one")
        if self.verdict is not Verdict.EXACT and self.code not in {finding.code for finding in self.findings}:
            raise ValueError(f"{self.verdict} needs a code that is among its findings; got {self.code!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A SEG or RTSTRUCT found beside the images: somebody's masks of a series."""

    path: Path
    modality: str
    patient: PatientId
    study_uid: str
    series_uid: SeriesUid
    referenced_series_uid: SeriesUid | None
    frame_of_reference_uid: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no image of a volume, and why (NOT_DICOM, LOCALIZER, …)."""

    path: Path
    code: str


@dataclass(frozen=True, slots=True)
class Index:
    """All that a scan found, in an order that depends on content alone."""

    volumes: tuple[SeriesRecord, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def accepting_gaps(self) -> Index:
        """The same index with the series that were refused for missing or uneven slices taken as they are.

        Examples
        --------
        >>> Index().accepting_gaps()
        Index(volumes=(), annotations=(), skipped=(), findings=())
        """
        return replace(self, volumes=tuple(volume.with_gaps or volume for volume in self.volumes))

    @property
    def loadable(self) -> tuple[SeriesRecord, ...]:
        """The volumes that were not refused."""
        return tuple(volume for volume in self.volumes if volume.verdict is not Verdict.REFUSED)

    def choose(self, series_uid: str | None = None) -> SeriesRecord:
        """The one volume that is meant.

        Parameters
        ----------
        series_uid
            A series UID or volume id; needed where several volumes are loadable.

        Raises
        ------
        AmbiguousSeries
            Several volumes could be meant; the message lists them.
        UsageError
            The named series is not here.
        SeriesRefused
            Nothing loadable; carries the code of the first refusal.
        """
        if series_uid is not None:
            named = [v for v in self.volumes if series_uid in (v.volume_id, v.series_uid)]
            exact = [v for v in named if v.volume_id == series_uid and v.verdict is not Verdict.REFUSED]
            candidates = exact or [v for v in named if v.verdict is not Verdict.REFUSED]
            if not named:
                raise UsageError(f"series {series_uid} is not here; scan lists what is", code="SERIES_NOT_FOUND")
        else:
            named, candidates = list(self.volumes), list(self.loadable)
        if not candidates:
            code = next((v.code for v in named if v.code), None) or "NO_IMAGE"
            raise SeriesRefused(f"no loadable series among {len(named)}; scan tells why", code=code)
        if len(candidates) > 1:
            listing = ", ".join(f"{v.volume_id} ({v.modality} {v.role or ''})" for v in candidates)
            raise AmbiguousSeries(f"{len(candidates)} volumes could be meant; choose one with --series: {listing}")
        return candidates[0]
