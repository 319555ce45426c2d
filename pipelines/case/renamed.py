"""The outlines of one exam under the lesions that readers say they show.

Annotations are given to lesions by :mod:`pipelines.case.imported`, words before places. What a machine or a reader
outlined for one lesion and a reader said to be another is moved here: with its status, for it is the same outline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imaging.finding import Finding, Severity
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from pipelines.case_file import LinkWord

if TYPE_CHECKING:
    from imaging.lesions.lesion import Lesion
    from imaging.study import SeriesRecord
    from pipelines.case.traced import Traced
    from pipelines.case.words import StoredWord

__all__ = ["BY_PLACE", "renamed", "superseded"]

BY_PLACE = frozenset({"LATERALITY_CONFLICT"})  # what was found of a mask as that of its earlier lesion


def renamed(
    rows: Mapping[LesionId, Sequence[Traced]],
    words: Mapping[str, LinkWord],
    kept: Mapping[str, StoredWord],
    *,
    lesions: Mapping[LesionId, Lesion],
    series: Sequence[SeriesRecord],
    annotated: Collection[str],
    reviewed: Collection[tuple[LesionId, str]],
) -> dict[LesionId, list[Traced]]:
    """By lesion: its rows on one exam after the readers' words.

    Parameters
    ----------
    rows
        As they were made, and judged.
    words
        By digest of a mask: the word that counts, later ones last.
    kept
        By digest: the words that were kept with their mask, which stands where today's computation differs from it.
    lesions
        All that the words name are among them.
    series
        Those of the exam.
    annotated
        Digests of the masks that people drew in the study: they are where the words want them.
    reviewed
        The lesions and digests of the masks that readers judged on this exam: those stay theirs.
    """
    said = {digest: word for digest, word in words.items() if digest not in annotated}
    after = {lesion: list(own) for lesion, own in rows.items()}
    moves: list[tuple[LinkWord, Traced]] = []
    for digest, word in said.items():
        made = [row for own in rows.values() for row in own if is_mask(row, digest)]
        elsewhere = [row for row in made if row.lesion != word.lesion]
        for row in elsewhere:
            after[row.lesion] = without(after[row.lesion], row, word)
        again = None if made else kept_row(kept.get(digest), rows[word.lesion], series)
        moves += [(word, row) for row in (*elsewhere[:1], *([] if again is None else [again]))]
    newest = {word.lesion: word for word in said.values()}  # of two masks said to be one lesion, the later is
    for word, row in reversed(moves):
        own = after[word.lesion]
        mask = of_lesion(row, lesions[word.lesion])
        if newest[word.lesion] is not word and any(is_mask(row, newest[word.lesion].mask_sha256) for row in own):
            after[word.lesion] = [*own, replace(mask, primary=False, findings=(*mask.findings, superseded(word)))]
        elif own and own[0].segment is not None and (word.lesion, own[0].segment.sha256) in reviewed:
            same = own[0].segment.sha256 == word.mask_sha256
            judged = replace(own[0], taken_for=mask.taken_for)
            after[word.lesion] = [judged, *own[1:]] if same else [*own, replace(mask, primary=False)]
        else:
            beside = [aside(row, said) for row in own if row.segment is not None]
            after[word.lesion] = [mask, *beside]
    return after


def aside(row: Traced, said: Mapping[str, LinkWord]) -> Traced:
    """The row beside a mask that a later word gave to its lesion."""
    word = None if row.segment is None else said.get(row.segment.sha256)
    overtaken = () if word is None or row.lesion != word.lesion else (superseded(word),)
    return replace(row, primary=False, findings=tuple(dict.fromkeys((*row.findings, *overtaken))))


def is_mask(row: Traced, digest: str) -> bool:
    return row.segment is not None and row.segment.sha256 == digest


def kept_row(entry: StoredWord | None, own: Sequence[Traced], series: Sequence[SeriesRecord]) -> Traced | None:
    """A row of the mask that was kept with a word, as proposed; None where none was, or its series is not here.

    Said to be what it had been taken for at first, it is what the machine proposes today.
    """
    if entry is None or entry.segment is None or entry.taken_for == entry.word.lesion:
        return None
    record = next((r for r in series if r.volume_id == entry.series_uid), None)
    if record is None or record.grid is None or record.grid.shape != entry.segment.grid.shape:
        return None
    # NIfTI keeps the grid in single precision; the series says where its voxels are.
    segment = replace(entry.segment, grid=record.grid, status=Status.PROPOSED)
    differs = Finding(
        "RECOMPUTATION_DIFFERS",
        Severity.INFO,
        f"today's computation differs from the mask of which {entry.word.reader} said whose it is; that mask stands",
        f"{entry.word.lesion} {entry.word.timepoint}",
    )
    return replace(
        own[0],
        lesion=entry.taken_for,
        record=record,
        segment=segment,
        status=Status.PROPOSED,
        method=entry.method,
        engine_wcv=None,
        findings=(differs,),
    )


def without(own: Sequence[Traced], moved: Traced, word: LinkWord) -> list[Traced]:
    """A lesion's rows when one was said to be another's: no outline of its own is left where that was the primary."""
    if not any(row is moved and row.primary for row in own):
        return [row for row in own if row is not moved]
    reason = f"{word.reader} said that what was outlined here is {word.lesion}; outline {moved.lesion} where it is seen"
    vacant = replace(
        moved,
        segment=None,
        status=Status.NOT_ASSESSABLE,
        engine_wcv=None,
        findings=(Finding("LINKED_ELSEWHERE", Severity.WARNING, reason, f"{moved.lesion} {word.timepoint}"),),
    )
    # What the reader's mask had replaced was the same outline drawn anew.
    return [vacant]


def of_lesion(row: Traced, lesion: Lesion) -> Traced:
    """The row as that of another lesion; what was said of it as that of its own is left out."""
    assert row.segment is not None, "only masks are moved"
    segment: Segment = replace(
        row.segment,
        kind=SegmentKind.LESION,
        lesion=lesion.id,
        name=lesion.name,
        tracking_uid=lesion.tracking_uid,
        findings=tuple(finding for finding in row.segment.findings if finding.code not in BY_PLACE),
    )
    findings = tuple(finding for finding in row.findings if finding.code not in BY_PLACE)
    return replace(
        row, lesion=lesion.id, segment=segment, primary=True, taken_for=row.taken_for or row.lesion, findings=findings
    )


def superseded(word: LinkWord) -> Finding:
    """The remark on a mask whose lesion a later word gave to another mask of the exam."""
    message = f"{word.reader} said that this is {word.lesion}, and later another mask was said to be that: look again"
    return Finding("LINK_SUPERSEDED", Severity.WARNING, message, f"{word.lesion} {word.timepoint}")
