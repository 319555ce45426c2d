"""What one file is for an index: an image of a series, somebody's annotation, or passed over, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imaging.dicom import tags
from imaging.dicom.candidate import Candidate
from imaging.dicom.elements import Elements
from imaging.dicom.file import PARSE_ERRORS, DicomFile, open_dicom
from imaging.dicom.frames import read_frames
from imaging.dicom.instance import Instance, read_instance
from imaging.dicom.kind import Kind, annotation_modality, author_of, kind_of
from imaging.errors import InputError
from imaging.study.series import Annotation, SeriesUid, Skipped

__all__ = ["Row", "classified", "read_row"]

Row = Candidate | Annotation | Skipped


def read_row(path: Path, opened: Callable[[Path], DicomFile] = open_dicom) -> Row:
    """What one file is; nothing that it may contain raises.

    Examples
    --------
    >>> read_row(Path("."))
    Skipped(path=PosixPath('.'), code='NOT_A_FILE')
    """
    try:
        return classified(opened(path))
    except RecursionError:
        return Skipped(path, "NESTING_TOO_DEEP")
    except InputError as error:
        return Skipped(path, error.code)
    except PARSE_ERRORS:  # sequences are parsed when they are looked into, so damage may show only here
        return Skipped(path, "UNREADABLE_FILE")


def classified(file: DicomFile) -> Row:
    """What an opened file is."""
    instance = read_instance(file)
    kind, code = kind_of(file, instance.facts)
    match kind:
        case Kind.ANNOTATION:
            return _annotation(file, instance)
        case Kind.OTHER:
            return Skipped(file.path, code)
        case Kind.SLICE:
            try:
                return Candidate(instance, read_frames(file, instance), kind)
            except InputError as error:
                return Candidate(instance, (), Kind.LOST, error.code)
        case _:
            return Candidate(instance, (), kind, code)


def _annotation(file: DicomFile, instance: Instance) -> Annotation:
    elements = file.elements
    return Annotation(
        path=file.path,
        modality=annotation_modality(instance.facts),
        patient=instance.facts.patient,
        study_uid=instance.facts.study_uid,
        series_uid=instance.facts.series_uid,
        referenced_series_uid=_referenced_series(elements),
        frame_of_reference_uid=instance.facts.frame_of_reference_uid or _referenced_frame(elements),
        author=author_of(file),
    )


def _referenced_series(elements: Elements) -> SeriesUid | None:
    direct = elements.item(tags.REFERENCED_SERIES)
    if direct is not None and direct.text(tags.SERIES_INSTANCE_UID):
        return SeriesUid(direct.text(tags.SERIES_INSTANCE_UID))
    for frame in elements.items(tags.RT_REFERENCED_FRAME_OF_REFERENCE):
        for study in frame.items(tags.RT_REFERENCED_STUDY):
            for series in study.items(tags.RT_REFERENCED_SERIES):
                if uid := series.text(tags.SERIES_INSTANCE_UID):
                    return SeriesUid(uid)
    return None


def _referenced_frame(elements: Elements) -> str:
    frame = elements.item(tags.RT_REFERENCED_FRAME_OF_REFERENCE)
    return frame.text(tags.FRAME_OF_REFERENCE_UID) if frame else ""
