"""What there is to look at: every series of a case on which something was outlined, and its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import InputError
from imaging.segmentation import LesionId, Segment, SegmentKind
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume import Volume
from pipelines.case.account import series_sha256
from pipelines.case.document import read_document, read_earlier
from pipelines.case.exams import exams_from, series_for
from pipelines.case.label_maps import read_segments
from pipelines.case_file import read_case_file
from pipelines.run_log import Run
from pipelines.workspace import CaseFolder

__all__ = ["SIDE_BY_SIDE", "View", "read_views", "shown_first"]

SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """One series of one exam, with what was outlined on it.

    Parameters
    ----------
    record
        The series; its grid is the native one.
    lesions
        The masks of the lesions with the material in them; on a CT where the tumour cannot be seen, its carried place.
    materials
        By kind.
    """

    timepoint: str
    date: str | None
    record: SeriesRecord
    lesions: Mapping[LesionId, Segment]
    materials: Mapping[SegmentKind, BoolArray]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other views of the case."""
        return (self.timepoint, self.record.volume_id)

    @property
    def title(self) -> str:
        """What stands above it."""
        return f"{self.timepoint}  {self.date or 'undated'}  {self.record.modality} {self.record.role or ''}".rstrip()

    def volume(self) -> Volume:
        """Its image, decoded anew."""
        return load_volume(self.record)


def read_views(target: CaseFolder, run: Run) -> tuple[View, ...]:
    """The views of a case in time order; each exam has the series that would serve best, outlined or not.

    Raises
    ------
    InputError
        STUDY_CHANGED: the study is not the one from which the case was made.
    """
    document = read_document(target)
    story = read_case_file(run.case_file or next((p for study in run.studies for p in study.glob("case.toml")), None))
    index = scan(run.studies)
    index = index.accepting_gaps() if run.accept_gaps else index
    exams = exams_from(index, story, known_ids=read_earlier(target).timepoint_ids)
    digests = {row["series_uid"]: row["sha256"] for row in document["provenance"]["inputs"]}
    differing = {row["id"] for row in document["timepoints"]} ^ {timepoint.id for timepoint in exams.timepoints}
    if differing:
        raise study_changed(", ".join(sorted(differing)))
    views = []
    for timepoint in exams.timepoints:
        for record, segments in outlined(timepoint, read_segments(target, timepoint.id)):
            if digests.get(record.volume_id) != series_sha256(record):
                raise study_changed(timepoint.id)
            views.append(
                View(
                    timepoint=timepoint.id,
                    date=timepoint.date,
                    record=record,
                    lesions={
                        segment.lesion: segment
                        for segment in segments
                        if segment.kind is SegmentKind.LESION and segment.lesion is not None
                    },
                    materials=materials_of(segments),
                )
            )
    return tuple(views)


def study_changed(where: str) -> InputError:
    return InputError(
        f"the study holds other images at {where} than those the case was made from: run the case again",
        code="STUDY_CHANGED",
    )


def outlined(timepoint: Timepoint, segments: Sequence[Segment]) -> list[tuple[SeriesRecord, list[Segment]]]:
    """The exam's series with something on them, and the one on which a lesion would be outlined."""
    here = {record.volume_id: record for record in timepoint.series if record.grid is not None}
    if not {segment.series_uid for segment in segments} <= set(here):
        raise study_changed(timepoint.id)
    found = [
        (here[uid], [segment for segment in segments if segment.series_uid == uid])
        for uid in sorted({segment.series_uid for segment in segments})
    ]
    best = series_for(timepoint)
    bare = [] if best is None or best in [record for record, _ in found] else [(best, list[Segment]())]
    return [*bare, *found]


def materials_of(segments: Sequence[Segment]) -> dict[SegmentKind, BoolArray]:
    masks: dict[SegmentKind, BoolArray] = {}
    for segment in segments:
        if segment.kind is not SegmentKind.LESION:
            known = masks.get(segment.kind)
            masks[segment.kind] = segment.mask if known is None else np.asarray(known | segment.mask)
    return masks


def shown_first(views: Sequence[View], measured: Sequence[tuple[str, str]]) -> tuple[View, ...]:
    """The views to begin with, at most four, in time order: those that are measured, first and last exams foremost.

    Parameters
    ----------
    measured
        (timepoint, series) of the observations that have figures.
    """
    wanted = [view for view in views if view.key in set(measured)]
    others = [view for view in views if view not in wanted]
    # Baseline and the newest exams tell most; what lies between can be called up.
    ranked = [*wanted[:1], *reversed(wanted[1:]), *reversed(others)]
    chosen = ranked[:SIDE_BY_SIDE]
    return tuple(view for view in views if view in chosen)
