"""Outlines of one exam go to the lesions that readers say they show; none is lost, each lesion has one primary row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.lesions.lesion import Lesion, Method
from imaging.segmentation import LesionId, Segment, Status
from pipelines.case.renamed import renamed
from pipelines.case.traced import Traced
from pipelines.case.words import StoredWord
from pipelines.case_file import LinkWord
from tests.imaging.dicom.test_rtstruct import record

GRID = Grid.from_spacing((2, 3, 4), (5.0, 2.0, 2.0))
SERIES = record(GRID)
NAMES = [LesionId(f"L{n}") for n in range(1, 5)]
LESIONS = {
    name: Lesion(id=name, name=name, side=None, kind="target", tracking_uid=f"2.25.{name[1:]}") for name in NAMES
}


def mask(number: int) -> Segment:
    inside = np.zeros(GRID.shape, dtype=bool)
    inside[0, 0, number] = True
    return Segment(mask=inside, grid=GRID, series_uid=SERIES.volume_id)


def made(number: int, status: Status = Status.PROPOSED, code: str = "") -> Traced:
    name = NAMES[number]
    findings = (Finding(code, Severity.WARNING, "", ""),) if code else ()
    return Traced(
        lesion=name,
        timepoint="T1",
        record=SERIES,
        segment=mask(number),
        status=status,
        method=Method.PROPAGATED,
        findings=findings,
    )


def word(number: int, lesion: LesionId) -> LinkWord:
    return LinkWord(lesion=lesion, timepoint="T1", reader="me", mask_sha256=mask(number).sha256)


def after(
    rows: Sequence[Traced],
    *words: LinkWord,
    kept: Sequence[StoredWord] = (),
    annotated: Sequence[str] = (),
    reviewed: Sequence[tuple[LesionId, str]] = (),
) -> dict[LesionId, list[Traced]]:
    empty = Traced(
        lesion=NAMES[0],
        timepoint="T1",
        record=SERIES,
        segment=None,
        status=Status.NOT_ASSESSABLE,
        method=Method.PROPAGATED,
    )
    by_lesion = {name: [empty] for name in NAMES} | {row.lesion: [row] for row in rows}
    return renamed(
        by_lesion,
        {said.mask_sha256: said for said in words},
        {entry.word.mask_sha256: entry for entry in kept},
        lesions=LESIONS,
        series=[SERIES],
        annotated=annotated,
        reviewed=reviewed,
    )


def primary(rows: Sequence[Traced]) -> Traced:
    (row,) = [row for row in rows if row.primary]
    return row


@given(st.permutations(range(4)), st.lists(st.sampled_from(NAMES), min_size=4, max_size=4))
def test_no_mask_is_lost_and_every_lesion_has_one_primary_row(order: list[int], said: list[LesionId]) -> None:
    told = after([made(n) for n in range(4)], *(word(n, said[n]) for n in order))
    masks = sorted(row.segment.sha256 for rows in told.values() for row in rows if row.segment is not None)
    assert masks == sorted(mask(n).sha256 for n in range(4))
    for name in NAMES:
        spoken = [n for n in order if said[n] == name]
        best = primary(told[name])
        if spoken:
            assert best.segment is not None
            assert best.segment.sha256 == mask(spoken[-1]).sha256
            assert (best.taken_for or name) == NAMES[spoken[-1]]
            assert best.taken_for is None or best.segment.tracking_uid == LESIONS[name].tracking_uid
        else:
            assert (best.segment, [finding.code for finding in best.findings]) == (None, ["LINKED_ELSEWHERE"])


def test_masks_that_change_places_change_nothing_else() -> None:
    told = after([made(0, Status.ACCEPTED), made(1)], word(0, NAMES[1]), word(1, NAMES[0]))
    assert [(row.primary, row.status) for row in told[NAMES[1]]] == [(True, Status.ACCEPTED)]
    assert [(row.primary, row.status) for row in told[NAMES[0]]] == [(True, Status.PROPOSED)]


def test_of_a_confirmed_mask_and_one_given_to_its_lesion_the_later_word_counts() -> None:
    moved, confirmed = word(0, NAMES[1]), word(1, NAMES[1])
    for words, first in (((moved, confirmed), 1), ((confirmed, moved), 0)):
        best, other = after([made(0), made(1)], *words)[NAMES[1]]
        assert best.segment is not None
        assert (best.primary, best.segment.sha256, other.primary) == (True, mask(first).sha256, False)
        assert [finding.code for finding in (*best.findings, *other.findings)] == ["LINK_SUPERSEDED"]


def test_what_was_said_of_a_masks_side_as_that_of_another_lesion_is_left_out() -> None:
    row = primary(after([made(0, code="LATERALITY_CONFLICT")], word(0, NAMES[1]))[NAMES[1]])
    assert row.findings == ()


def test_a_mask_that_a_reader_judged_stays_its_lesions_and_the_other_stands_beside_it() -> None:
    held = [(NAMES[1], mask(1).sha256)]
    rows = after([made(0), made(1, Status.ACCEPTED)], word(0, NAMES[1]), reviewed=held)[NAMES[1]]
    assert [(row.primary, row.segment and row.segment.sha256) for row in rows] == [
        (True, mask(1).sha256),
        (False, mask(0).sha256),
    ]


def test_an_annotation_is_left_where_it_is() -> None:
    told = after([made(0)], word(0, NAMES[1]), annotated=[mask(0).sha256])
    assert primary(told[NAMES[0]]).segment is not None


def kept_word(number: int, lesion: LesionId, taken_for: LesionId, series: str = SERIES.volume_id) -> StoredWord:
    return StoredWord(
        word=word(number, lesion),
        number=1,
        taken_for=taken_for,
        tracking_uids={},
        series_uid=series,
        method=Method.SEGMENTED,
        segment=mask(number),
    )


def test_a_mask_that_todays_computation_does_not_give_is_taken_from_where_it_was_kept() -> None:
    entry = kept_word(2, NAMES[1], NAMES[0])
    row = primary(after([made(0)], entry.word, kept=[entry])[NAMES[1]])
    assert row.segment is not None
    assert (row.segment.sha256, row.taken_for, row.method) == (mask(2).sha256, NAMES[0], Method.SEGMENTED)
    assert [finding.code for finding in row.findings] == ["RECOMPUTATION_DIFFERS"]


def test_a_kept_mask_is_not_used_where_its_series_is_gone_or_it_was_given_back() -> None:
    for entry in (kept_word(2, NAMES[1], NAMES[0], series="9.9"), kept_word(2, NAMES[1], NAMES[1])):
        assert primary(after([made(0)], entry.word, kept=[entry])[NAMES[1]]).segment is None
