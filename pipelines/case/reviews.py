"""What readers did to the masks of a case: kept for ever, and obeyed by every later run.

A review is two files under ``WORKSPACE/<case id>/review/``: the mask as the reader left it, and who said what of it::

    L1-T0.r1.json      {"schema": "osteotrace.review/1", "lesion": "L1", "timepoint": "T0", "revision": 1, …}
    L1-T0.r1.nii.gz    the mask

A later word on the same mask is revision 2; revision 1 stays. Nothing in this folder is ever written over. What readers
said of whose masks are lies beside the reviews (:mod:`pipelines.case.words`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imaging.errors import ConflictError, RecordError, UsageError
from imaging.finding import Finding, Severity
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.lesions.lesion import Method
from imaging.provenance import Provenance
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from pipelines.case.words import newest_words
from pipelines.case_file import LinkWord, Review
from pipelines.workspace import CaseFolder

if TYPE_CHECKING:
    from imaging.lesions.lesion import Lesion
    from imaging.study import SeriesRecord
    from pipelines.case.exams import Exams
    from pipelines.case.traced import Traced

__all__ = [
    "StoredReview",
    "apply_reviews",
    "from_case_file",
    "read_reviews",
    "readers_wcv",
    "require_unreviewed",
    "timepoints_of",
    "unused_reviews",
    "write_review",
]

SCHEMA = "osteotrace.review/1"
NAME = re.compile(r".+\.r[0-9]+\.json")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class StoredReview:
    """A reader's word on one mask, with the mask where it was kept.

    ``segment`` is None for a word in a case file, which names a mask by digest alone. ``tracking_uid`` is its lesion's,
    empty where it was not kept: ids of drawn lesions follow their order, and another may have this one later.
    """

    lesion: LesionId
    timepoint: str
    series_uid: str
    status: Status
    reader: str
    mask_sha256: str
    revision: int = 0
    segment: Segment | None = None
    tracking_uid: str = ""


def from_case_file(reviews: Sequence[Review], exams: Exams) -> tuple[StoredReview, ...]:
    """The words that stand in the case file, as reviews without a mask."""
    return tuple(
        StoredReview(
            lesion=review.lesion,
            timepoint=exams.named(review.timepoint).id,
            series_uid="",
            status=Status(review.status),
            reader=review.reader,
            mask_sha256=review.mask_sha256,
        )
        for review in reviews
    )


def read_reviews(folder: CaseFolder) -> tuple[StoredReview, ...]:
    """The newest revision of every review in the case's folder, by lesion and timepoint.

    Raises
    ------
    RecordError
        If a stored review or its mask is damaged: a reader's work is never passed over in silence.
    """
    newest: dict[tuple[str, str], StoredReview] = {}
    for path in stored_in(folder):
        review = read_review(path)
        key = (review.lesion, review.timepoint)
        if key not in newest or newest[key].revision < review.revision:
            newest[key] = review
    return tuple(newest[key] for key in sorted(newest))


def timepoints_of(reviews: Sequence[StoredReview]) -> dict[str, str]:
    """Series UID → the timepoint under which a reader judged a mask on it: its name for good, wherever the exam was."""
    return {review.series_uid.partition("#")[0]: review.timepoint for review in reviews if review.series_uid}


def unused_reviews(reviews: Sequence[StoredReview], rows: Sequence[Traced]) -> list[Finding]:
    """A remark for each review of a lesion or an exam that is not here now: none is passed over in silence."""
    here = {(row.lesion, row.timepoint) for row in rows}
    message = "{} judged a mask of {} on {}, and there is no such row now; the review is kept and counts when there is"
    return [
        Finding(
            "REVIEW_UNUSED",
            Severity.WARNING,
            message.format(review.reader, review.lesion, review.timepoint),
            f"{review.lesion} {review.timepoint}",
        )
        for review in reviews
        if (review.lesion, review.timepoint) not in here
    ]


def readers_wcv(folder: CaseFolder, links: Sequence[LinkWord] = ()) -> dict[tuple[LesionId, str], float]:
    """How much readers differ in volume where two or more of them accepted a mask of one lesion on one series.

    Of each reader the newest word counts. Standard deviation ÷ mean of the readers' volumes, in voxels of that series.
    ``links`` are words on whose masks are, later ones last: a mask that was said to be another lesion's since is that
    one's, and tells nothing of how readers outline the lesion under which it was accepted.
    """
    words: dict[tuple[LesionId, str, str], dict[str, StoredReview]] = {}
    for review in sorted((read_review(path) for path in stored_in(folder)), key=lambda r: r.revision):
        said = newest_words(links, review.timepoint).get(review.mask_sha256)
        lesion = review.lesion if said is None else said.lesion
        words.setdefault((lesion, review.timepoint, review.series_uid), {})[review.reader] = review
    found: dict[tuple[LesionId, str], float] = {}
    for (lesion, timepoint, _), by_reader in sorted(words.items()):
        masks = [r.segment.mask for r in by_reader.values() if r.segment and r.status is Status.ACCEPTED]
        volumes = np.array([np.count_nonzero(mask) for mask in masks], dtype=np.float64)
        if len(volumes) > 1 and volumes.any():
            wcv = float(volumes.std(ddof=1) / volumes.mean())
            found[lesion, timepoint] = max(wcv, found.get((lesion, timepoint), 0.0))
    return found


def require_unreviewed(folder: CaseFolder, known: Sequence[StoredReview]) -> None:
    """Refuse to write results over a reader's word that came after the reviews were read.

    Raises
    ------
    ConflictError
        REVIEWED_MEANWHILE: run again, and the new word is obeyed.
    """
    if [(r.lesion, r.timepoint, r.revision) for r in read_reviews(folder)] != [
        (r.lesion, r.timepoint, r.revision) for r in known
    ]:
        message = "a reader saved a review while the case was computed; run it again and that word is obeyed"
        raise ConflictError(message, code="REVIEWED_MEANWHILE")


def stored_in(folder: CaseFolder) -> list[Path]:
    """The reviews in the folder; what readers said of whose masks are lies beside them."""
    return sorted(path for path in folder.review.glob("*.json") if NAME.fullmatch(path.name))


def read_review(path: Path) -> StoredReview:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise RecordError(f"{path.name} was written by another version: {record['schema']!r}", where=path.name)
        (mask,) = read_nifti_masks(path.with_suffix(".nii.gz"))
        segment = replace(
            mask,
            series_uid=record["series_uid"],
            lesion=LesionId(record["lesion"]),
            status=Status(record["status"]),
            provenance=Provenance(record["reader"]),
        )
        review = StoredReview(
            lesion=LesionId(record["lesion"]),
            timepoint=record["timepoint"],
            series_uid=record["series_uid"],
            status=Status(record["status"]),
            reader=record["reader"],
            mask_sha256=record["mask_sha256"],
            revision=record["revision"],
            segment=segment,
            tracking_uid=record.get("tracking_uid", ""),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RecordError(f"the review {path.name} is damaged ({type(error).__name__})", where=path.name) from error
    if segment.sha256 != review.mask_sha256:
        raise RecordError(f"the mask of review {path.name} is not the one that was reviewed", where=path.name)
    return review


def write_review(folder: CaseFolder, segment: Segment, *, timepoint: str, status: Status, reader: str) -> StoredReview:
    """Keep a reader's word and the mask that it is about, as the next revision.

    Raises
    ------
    ConflictError
        If another reader saved that revision in the meantime; nothing is lost and the call can be made again.
    UsageError
        NO_READER.
    """
    if not reader.strip():
        raise UsageError("a review is somebody's: name the reader", code="NO_READER")
    if segment.lesion is None:
        raise RecordError("a review is about a lesion's mask; this segment belongs to none")
    stem = f"{segment.lesion}-{timepoint}"
    # A mask whose review a crash prevented has a number too: it may not block the next word for ever.
    parts = (path.name.removeprefix(f"{stem}.r").partition(".")[0] for path in folder.review.glob(f"{stem}.r*"))
    revision = 1 + max((int(part) for part in parts if part.isdecimal()), default=0)
    review = StoredReview(
        lesion=segment.lesion,
        timepoint=timepoint,
        series_uid=segment.series_uid,
        status=status,
        reader=reader,
        mask_sha256=segment.sha256,
        revision=revision,
        segment=segment,
        tracking_uid=segment.tracking_uid,
    )
    # The mask goes first: a review without its mask would be damage, a mask without a review is only a spare file.
    folder.keep(f"review/{stem}.r{revision}.nii.gz", nifti_bytes(segment.mask.astype("uint8"), segment.grid))
    folder.keep(f"review/{stem}.r{revision}.json", (json.dumps(record_of(review), indent=2) + "\n").encode())
    return review


def record_of(review: StoredReview) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "lesion": review.lesion,
        "tracking_uid": review.tracking_uid,
        "timepoint": review.timepoint,
        "revision": review.revision,
        "series_uid": review.series_uid,
        "status": str(review.status),
        "reader": review.reader,
        "mask_sha256": review.mask_sha256,
    }


def apply_reviews(
    rows: Sequence[Traced], reviews: Sequence[StoredReview], series: Sequence[SeriesRecord], lesion: Lesion
) -> list[Traced]:
    """The rows of one lesion on one exam, after the reader's word on it, if there is one.

    ``series`` are those of the exam. A mask that the reader accepted, or edited, is never replaced: where the machine's
    mask differs today, the reader's stays the primary one and the new one stands beside it as proposed. A mask that the
    reader rejected gives way to another that people asked for on this very exam, by a prompt or by drawing it; what is
    only followed from elsewhere stays rejected.
    """
    if not rows:
        return []
    first = rows[0]
    review = next((r for r in reviews if (r.lesion, r.timepoint) == (first.lesion, first.timepoint)), None)
    if review is None:
        return list(rows)
    if first.segment is not None and first.segment.sha256 == review.mask_sha256:
        judged = replace(first.segment, status=review.status, provenance=Provenance(review.reader))
        return [replace(first, segment=judged, status=review.status), *rows[1:]]
    if (remark := outlived(review, first, lesion)) is not None:
        return [replace(first, findings=(*first.findings, remark)), *rows[1:]]
    assert review.segment is not None, "a word without its mask is outlived"
    differs = Finding(
        "RECOMPUTATION_DIFFERS",
        Severity.INFO,
        f"today's computation differs from the mask that {review.reader} judged; the reader's mask stands",
        f"{first.lesion} {first.timepoint}",
    )
    record = next((r for r in series if r.volume_id == review.series_uid), None)
    if record is None or record.grid is None or record.grid.shape != review.segment.grid.shape:
        lost = Finding(
            "REVIEWED_SERIES_MISSING",
            Severity.ERROR,
            f"{review.reader} judged a mask on a series that is not here now; the mask is kept and is not measured",
            f"{first.lesion} {first.timepoint}",
        )
        return [replace(first, findings=(*first.findings, lost)), *rows[1:]]
    # NIfTI keeps the grid in single precision; the series says where its voxels are. Who the lesion is, the case says.
    segment = replace(
        review.segment,
        grid=record.grid,
        kind=SegmentKind.LESION,
        name=lesion.name,
        tracking_uid=lesion.tracking_uid,
    )
    kept = replace(first, record=record, segment=segment, status=review.status, engine_wcv=None, findings=(differs,))
    beside = [replace(row, primary=False) for row in rows if row.segment is not None]
    return [kept, *beside]


def outlived(review: StoredReview, now: Traced, lesion: Lesion) -> Finding | None:
    """Why a review is not about today's mask, where that is not the reader's: then today's stands, with this remark."""
    where, digest = f"{now.lesion} {now.timepoint}", review.mask_sha256[:8]
    if review.segment is None:
        message = f"{review.reader} judged another mask (digest {digest}…); today's is only proposed"
        return Finding("REVIEW_OUTDATED", Severity.WARNING, message, where)
    if review.tracking_uid not in ("", lesion.tracking_uid):
        message = f"{review.reader} judged a mask of another lesion, which was called {now.lesion} then; it is not used"
        return Finding("REVIEW_UNUSED", Severity.WARNING, message, where)
    if review.status is Status.REJECTED and now.segment is not None and now.method is not Method.PROPAGATED:
        message = f"{review.reader} rejected another mask here (digest {digest}…); this one was asked for since"
        return Finding("REJECTED_BEFORE", Severity.INFO, message, where)
    return None
