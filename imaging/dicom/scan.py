"""A folder in, an index out: what every file is, and a verdict on every series.

Files are recognised by content, never by name. Links are not followed out of the folder, and never into a loop. Zip
archives are read where they lie; nothing is unpacked. A DICOMDIR is one more file, unless it is itself what is to be
scanned: then it stands for the files below its folder that it names. Nothing that a file may contain stops the scan:
each malformed file is a row of ``skipped`` with its code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imaging.dicom import tags
from imaging.dicom.alike import Alike
from imaging.dicom.candidate import Candidate
from imaging.dicom.completeness import with_siblings_compared
from imaging.dicom.file import ARCHIVE, open_dicom, parser_silenced
from imaging.dicom.folder import Found, files_under, members_under, referenced_files
from imaging.dicom.identity import contradicted_patients
from imaging.dicom.records import series_records
from imaging.dicom.row import Row
from imaging.study.series import Annotation, Index, SeriesRecord, Skipped

__all__ = ["indexed", "scan"]


def scan(paths: Sequence[Path]) -> Index:
    """Everything that the folders and files hold.

    Parameters
    ----------
    paths
        Folders, searched at any depth, zip archives, and files. What is named twice counts once.

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
    return indexed(paths, Alike().row)


def indexed(paths: Sequence[Path], read: Callable[[Path], Row]) -> Index:
    """The same, where every file is read by a function; :func:`imaging.dicom.row.read_row` is the careful one."""
    candidates: list[Candidate] = []
    annotations: list[Annotation] = []
    skipped: list[Skipped] = []
    with parser_silenced():
        for found in _everything(paths, read):
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
        _with_unique_ids(sorted(with_siblings_compared(records), key=_record_key)),
        tuple(sorted(annotations, key=lambda a: (a.patient, a.study_uid, a.series_uid, str(a.path)))),
        tuple(sorted(skipped, key=lambda s: (str(s.path), s.code))),
        contradicted_patients(candidate.instance for candidate in candidates),
    )


def _everything(paths: Sequence[Path], read: Callable[[Path], Row]) -> Iterator[Row]:
    """What every file is; a DICOMDIR that was named itself stands for the files that it names."""
    seen, named, references = set[str](), set(paths), list[Found]()
    for found in files_under(paths, seen):
        row = Skipped(found.path, found.code) if found.code else read(found.path)
        if type(row) is Candidate:  # as nearly always
            yield row
            continue
        yield from _with_members(row, read)
        if isinstance(row, Skipped) and row.code == "DICOMDIR" and row.path in named:
            references += _references(found.path)
    yield from (Skipped(found.path, found.code) for found in references if found.code)
    for found in files_under([found.path for found in references if not found.code], seen):
        yield from _with_members(read(found.path), read)


def _with_members(row: Row, read: Callable[[Path], Row]) -> Iterator[Row]:
    """What a file is; of a zip archive, what its members are."""
    if not (isinstance(row, Skipped) and row.code == ARCHIVE):
        yield row
        return
    for member in members_under(row.path):
        inner = Skipped(member.path, member.code) if member.code else read(member.path)
        yield inner if inner != Skipped(member.path, ARCHIVE) else Skipped(member.path, "NESTED_ZIP")


def _references(directory: Path) -> list[Found]:
    with parser_silenced():
        records = open_dicom(directory).elements.items(tags.DIRECTORY_RECORDS)
        return list(referenced_files(directory, [steps for r in records if (steps := r.texts(tags.REFERENCED_FILE))]))


def _by_series(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Files of one series UID; files without one are a series if they lie in one folder and belong to one study."""
    groups = defaultdict[tuple[str, ...], list[Candidate]](list)
    for candidate in candidates:
        path, facts = candidate.instance.path, candidate.instance.facts
        home = () if facts.series_uid else (str(path.parent), facts.patient, facts.study_uid)
        groups[facts.series_uid, *home].append(candidate)
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
