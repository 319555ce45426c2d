"""A folder in, an index out: what every file is, and a verdict on every series.

Files are recognised by content, never by name. Links are not followed out of the folder, and never into a loop. Nothing
that a file may contain stops the scan: each malformed file is a row of ``skipped`` with its code.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imaging.dicom import tags
from imaging.dicom.elements import Elements
from imaging.dicom.file import PARSE_ERRORS, DicomFile, open_dicom, parser_silenced
from imaging.dicom.header import Instance, read_frames, read_instance
from imaging.dicom.kind import Kind, annotation_modality, author_of, kind_of
from imaging.dicom.records import Candidate, series_records
from imaging.errors import InputError
from imaging.study.series import Annotation, Index, SeriesRecord, SeriesUid, Skipped

__all__ = ["scan"]


def scan(paths: Sequence[Path]) -> Index:
    """Everything that the folders and files hold.

    Parameters
    ----------
    paths
        Folders, searched at any depth, and files. What is named twice counts once.

    Returns
    -------
    Index
        One record for every volume and every refused series, sorted by patient, time and UID; annotations; and every
        other file with the reason why it is passed over. A series that holds only localizers or captures is a refused
        record, and its files stand in ``skipped`` too.

    Examples
    --------
    >>> scan([]).volumes
    ()
    """
    candidates: list[Candidate] = []
    annotations: list[Annotation] = []
    skipped: list[Skipped] = []
    for path, code in _files_under(paths):
        found = Skipped(path, code) if code else _read(path)
        match found:
            case Candidate():
                candidates.append(found)
            case Annotation():
                annotations.append(found)
            case Skipped():
                skipped.append(found)
    records: list[SeriesRecord] = []
    for members in _by_series(candidates):
        verdicts = series_records(members)
        records += verdicts.records
        skipped += verdicts.skipped
    return Index(
        _with_unique_ids(sorted(records, key=_record_key)),
        tuple(sorted(annotations, key=lambda a: (a.patient, a.study_uid, a.series_uid, str(a.path)))),
        tuple(sorted(skipped, key=lambda s: (str(s.path), s.code))),
    )


def _read(path: Path) -> Candidate | Annotation | Skipped:
    """What one file is."""
    try:
        with parser_silenced():
            return _classified(open_dicom(path))
    except RecursionError:
        return Skipped(path, "NESTING_TOO_DEEP")
    except InputError as error:
        return Skipped(path, error.code)
    except PARSE_ERRORS:  # sequences are parsed when they are looked into, so damage may show only here
        return Skipped(path, "UNREADABLE_FILE")


def _classified(file: DicomFile) -> Candidate | Annotation | Skipped:
    instance = read_instance(file)
    kind, code = kind_of(file, instance)
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
        modality=annotation_modality(instance),
        patient=instance.patient,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        referenced_series_uid=_referenced_series(elements),
        frame_of_reference_uid=instance.frame_of_reference_uid or _referenced_frame(elements),
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


def _by_series(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Files of one series UID; files without one are a series if they lie in one folder and belong to one study."""
    groups = defaultdict[tuple[str, ...], list[Candidate]](list)
    for candidate in candidates:
        instance = candidate.instance
        home = (str(instance.path.parent), instance.patient, instance.study_uid)
        groups[(instance.series_uid,) if instance.series_uid else ("", *home)].append(candidate)
    for key in sorted(groups):
        yield groups[key]


def _with_unique_ids(records: Sequence[SeriesRecord]) -> tuple[SeriesRecord, ...]:
    """Series without a UID of their own may be copies of one another in two folders; then they are numbered."""
    seen: Counter[str] = Counter()
    unique: list[SeriesRecord] = []
    for record in records:
        seen[record.volume_id] += 1
        count = seen[record.volume_id]
        unique.append(record if count == 1 else _renamed(record, f"{record.volume_id}#copy{count}"))
    return tuple(unique)


def _renamed(record: SeriesRecord, name: str) -> SeriesRecord:
    gapped = None if record.with_gaps is None else replace(record.with_gaps, volume_id=name)
    return replace(record, volume_id=name, with_gaps=gapped)


def _record_key(record: SeriesRecord) -> tuple[str, ...]:
    return (record.patient, record.acquired or "", record.study_uid, record.series_uid, record.volume_id)


def _files_under(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Every file once, in sorted order, with "" or the code of why it may not be opened."""
    roots = [Path(path).resolve() for path in paths]
    seen: set[Path] = set()
    for path in sorted(Path(path) for path in paths):
        for found, code in _walk(path, roots):
            real = Path(os.path.realpath(found))  # unlike Path.resolve, it survives a link to itself
            if real not in seen:
                seen.add(real)
                yield found, code


def _walk(path: Path, roots: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    if not path.is_dir():
        yield path, "" if path.exists() else "NOT_A_FILE"
        return
    closed: list[OSError] = []
    for folder, subfolders, names in os.walk(path, followlinks=False, onerror=closed.append):
        # Links to folders are not entered: inside the root their target is met anyway, outside it is not asked for.
        subfolders[:] = sorted(name for name in subfolders if not (Path(folder) / name).is_symlink())
        for name in sorted(names):
            file = Path(folder) / name
            if not file.is_symlink():
                yield file, ""
                continue
            target = Path(os.path.realpath(file))
            inside = any(target.is_relative_to(root) for root in roots)
            if not inside or not target.exists():
                yield file, "LINK_OUTSIDE" if not inside else "NOT_A_FILE"
    for error in closed:
        yield Path(error.filename or path), "UNREADABLE_FOLDER"
