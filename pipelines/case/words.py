"""Whose readers say masks are: kept for ever beside the reviews, and obeyed by every later run.

A word is a file under ``WORKSPACE/<case id>/review/``, with the mask where no study holds it::

    link-1.json      {"schema": "osteotrace.link/1", "number": 1, "lesion": "L2", "taken_for": "L1", …}
    link-1.nii.gz    the mask, where a machine or a reader outlined it and the word takes it to another lesion

The numbers tell in which order things were said. Of several words on one mask the newest counts, and one in the
workspace counts over one in the case file, as reviews do: it was said by somebody who saw the results. All are kept.
Which words a run obeys is told in :mod:`pipelines.case.heard`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imaging.errors import ConflictError, RecordError, UsageError
from imaging.finding import Finding, Severity
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.lesions.lesion import Method
from imaging.segmentation import LesionId, Segment, SegmentKind
from pipelines.case_file import LinkWord, link_word_from
from pipelines.workspace import CaseFolder

__all__ = [
    "StoredWord",
    "contradictions",
    "exams_of",
    "kept_words",
    "newest_words",
    "read_words",
    "require_nothing_said",
    "tracking_uids",
    "write_word",
]

SCHEMA = "osteotrace.link/1"
NAME = re.compile(r"link-([1-9][0-9]*)\.(?:json|nii\.gz)")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StoredWord:
    """A reader's word in the workspace.

    Parameters
    ----------
    number
        From 1, in the order in which things were said of the case.
    taken_for
        The lesion under which the mask stood when it was said.
    tracking_uids
        Of the lesions that were known then and the one that the word names, as far as they are known: a lesion without
        a mask for a while keeps its own, and no other one gets its id.
    series_uid
        The series of the mask (its volume id).
    method
        How the mask came to be.
    segment
        The mask, where it was kept.
    """

    word: LinkWord
    number: int
    taken_for: LesionId
    tracking_uids: Mapping[LesionId, str]
    series_uid: str
    method: Method
    segment: Segment | None = None


def exams_of(stored: Iterable[StoredWord]) -> dict[str, str]:
    """Series UID → the timepoint under which something was said of a mask on it: its name for good."""
    return {entry.series_uid.partition("#")[0]: entry.word.timepoint for entry in stored if entry.series_uid}


def tracking_uids(stored: Iterable[StoredWord]) -> dict[LesionId, str]:
    """Of every lesion that was known when something was said."""
    return {lesion: uid for entry in stored for lesion, uid in entry.tracking_uids.items()}


def newest_words(words: Iterable[LinkWord], timepoint: str) -> dict[str, LinkWord]:
    """By the digest of a mask of that exam: the word that counts, those said later last.

    Examples
    --------
    >>> said = [LinkWord(lesion=LesionId(who), timepoint="T2", reader="r", mask_sha256="01") for who in ("L2", "L1")]
    >>> newest_words(said, "T2")["01"].lesion, newest_words(said, "T3")
    ('L1', {})
    """
    newest: dict[str, LinkWord] = {}
    for word in words:
        if word.timepoint == timepoint:
            newest.pop(word.mask_sha256, None)
            newest[word.mask_sha256] = word
    return newest


def kept_words(stored: Iterable[StoredWord], timepoint: str) -> dict[str, StoredWord]:
    """By the digest of a mask of that exam: the newest word, with what the mask had been taken for at first."""
    kept: dict[str, StoredWord] = {}
    for entry in stored:
        if entry.word.timepoint == timepoint:
            first = kept.get(entry.word.mask_sha256, entry)
            segment = entry.segment or first.segment
            kept[entry.word.mask_sha256] = replace(entry, taken_for=first.taken_for, segment=segment)
    return kept


def contradictions(written: Sequence[LinkWord], stored: Sequence[StoredWord]) -> list[Finding]:
    """A remark for each mask of which the case file and the workspace say different things."""
    found = []
    newest = {entry.word.mask_sha256: entry.word for entry in stored}
    for word in written:
        said = newest.get(word.mask_sha256)
        if said is not None and said.lesion != word.lesion:
            message = (
                f"of the mask {word.mask_sha256[:8]}… of {said.timepoint} {word.reader} says {word.lesion} in the case "
                f"file and {said.reader} says {said.lesion} in the workspace, which counts"
            )
            found.append(Finding("LINK_CONTRADICTED", Severity.WARNING, message, f"{said.lesion} {said.timepoint}"))
    return found


def read_words(folder: CaseFolder) -> tuple[StoredWord, ...]:
    """All words of the case's folder in the order in which they were said.

    Raises
    ------
    RecordError
        If one or its mask is damaged: a reader's work is never passed over in silence.
    """
    paths = [path for path in folder.review.glob("link-*.json") if NAME.fullmatch(path.name)]
    return tuple(sorted((read_word(path) for path in paths), key=lambda entry: entry.number))


def read_word(path: Path) -> StoredWord:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise RecordError(f"{path.name} was written by another version: {record['schema']!r}", where=path.name)
        word = link_word_from(record, LesionId(record["lesion"]), path.name)
        entry = StoredWord(
            word=word,
            number=record["number"],
            taken_for=LesionId(record["taken_for"]),
            tracking_uids={LesionId(name): str(uid) for name, uid in record["tracking_uids"].items()},
            series_uid=record["series_uid"],
            method=Method(record["method"]),
        )
        if not record["mask_kept"]:
            return entry
        (mask,) = read_nifti_masks(path.with_suffix(".nii.gz"))
    except RecordError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise RecordError(f"the word {path.name} is damaged ({type(error).__name__})", where=path.name) from error
    segment = replace(mask, series_uid=entry.series_uid, kind=SegmentKind.LESION, lesion=word.lesion)
    if segment.sha256 != word.mask_sha256:
        raise RecordError(f"the mask of the word {path.name} is not the one that it is about", where=path.name)
    return replace(entry, segment=segment)


def write_word(
    folder: CaseFolder,
    word: LinkWord,
    *,
    taken_for: LesionId,
    uids: Mapping[LesionId, str],
    series_uid: str,
    method: Method,
    mask: Segment | None,
) -> StoredWord:
    """Keep a reader's word, and the mask where one is given, as the newest of the case.

    Parameters
    ----------
    uids
        The Tracking UIDs of lesions, as they are known.

    Raises
    ------
    ConflictError
        If another reader saved a word in the same moment; nothing is lost and the call can be made again.
    UsageError
        NO_READER.
    """
    if not word.reader.strip():
        raise UsageError("a word is somebody's: name the reader", code="NO_READER")
    taken = [int(match[1]) for path in folder.review.glob("link-*") if (match := NAME.fullmatch(path.name))]
    number = 1 + max(taken, default=0)
    entry = StoredWord(
        word=word,
        number=number,
        taken_for=taken_for,
        tracking_uids=uids,
        series_uid=series_uid,
        method=method,
        segment=mask,
    )
    if mask is not None:  # first: a word without its mask would be damage, a mask without a word is only a spare file
        folder.keep(f"review/link-{number}.nii.gz", nifti_bytes(mask.mask.astype("uint8"), mask.grid))
    folder.keep(f"review/link-{number}.json", (json.dumps(record_of(entry), indent=2) + "\n").encode())
    return entry


def record_of(entry: StoredWord) -> Mapping[str, Any]:
    return {
        "schema": SCHEMA,
        "number": entry.number,
        "lesion": entry.word.lesion,
        "taken_for": entry.taken_for,
        "timepoint": entry.word.timepoint,
        "series_uid": entry.series_uid,
        "method": str(entry.method),
        "reader": entry.word.reader,
        "mask_sha256": entry.word.mask_sha256,
        "mask_kept": entry.segment is not None,
        "tracking_uids": {lesion: entry.tracking_uids[lesion] for lesion in sorted(entry.tracking_uids)},
    }


def require_nothing_said(folder: CaseFolder, known: Sequence[StoredWord]) -> None:
    """Refuse to write results over a word that came after the words were read.

    Raises
    ------
    ConflictError
        REVIEWED_MEANWHILE: run again, and the new word is obeyed.
    """
    if [entry.number for entry in read_words(folder)] != [entry.number for entry in known]:
        message = "a reader said whose a mask is while the case was computed; run it again and that word is obeyed"
        raise ConflictError(message, code="REVIEWED_MEANWHILE")
