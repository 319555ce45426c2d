"""Which words on whose masks are count: workspace over case file, none of two that disagree; and all are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging.lesions.lesion import Method
from imaging.lesions.match import Basis, EventKind
from imaging.segmentation import LesionId
from pipelines.case.exams import Exams
from pipelines.case.heard import heard
from pipelines.case.traced import Traced, Tracing
from pipelines.case.words import StoredWord
from pipelines.case_file import LesionEntry, LinkWord
from tests.pipelines.case.test_events import followed
from tests.pipelines.case.test_identity import BOTH, FOOT, HEAD, THIRD, memory, outlined, traced

ENTRIES = tuple(
    LesionEntry(id=LesionId(name), name=name, side=None, kind="target", prompts=()) for name in ("L1", "L2")
)
BESIDE = (7, 4, 8)  # half of it lies in HEAD's place
NEIGHBOURS = {1: {"a": HEAD, "b": BESIDE}, 2: {"a": HEAD, "b": BESIDE}}


def drawn(tracing: Tracing, timepoint: str) -> dict[str, Traced]:
    return {row.lesion: row for row in outlined(tracing) if row.timepoint == timepoint and row.primary}


def word(lesion: str, row: Traced, *, reader: str = "reader-1", timepoint: str = "T2") -> LinkWord:
    assert row.segment is not None
    return LinkWord(lesion=LesionId(lesion), timepoint=timepoint, reader=reader, mask_sha256=row.segment.sha256)


def stored(*words: LinkWord) -> dict[str, list[StoredWord]]:
    """What the workspace keeps of them."""
    return {
        "kept": [
            StoredWord(
                word=said,
                number=number,
                taken_for=said.lesion,
                tracking_uids={},
                series_uid="",
                method=Method.IMPORTED,
            )
            for number, said in enumerate(words, start=1)
        ]
    }


def codes(row: Traced) -> list[str]:
    return [finding.code for finding in row.findings]


def test_what_a_reader_gives_to_a_lost_lesion_is_neither_new_nor_is_that_lesion_gone(tmp_path: Path) -> None:
    exams = {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD, "c": THIRD}}
    proposed = traced(tmp_path / "a", exams)
    assert {event.kind for event in proposed.events} == {EventKind.NEW, EventKind.GONE}
    said = word("L2", drawn(proposed, "T2")["L3"])
    corrected = traced(tmp_path / "b", exams, ENTRIES, words=[said], remembered=memory(proposed))
    assert (corrected.events, corrected.findings) == ((), ())
    assert {lesion.id for lesion in corrected.lesions} == {"L1", "L2"}


def test_a_correction_of_one_mask_frees_the_other_for_the_lesion_that_is_left(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", NEIGHBOURS)
    first, second = drawn(proposed, "T2")["L1"], drawn(proposed, "T2")["L2"]
    corrected = traced(tmp_path / "b", NEIGHBOURS, ENTRIES, words=[word("L2", first)], remembered=memory(proposed))
    assert {lesion.id for lesion in corrected.lesions} == {"L1", "L2"}
    now = drawn(corrected, "T2")
    assert first.segment is not None
    assert second.segment is not None
    assert {lesion: row.segment.sha256 for lesion, row in now.items() if row.segment} == {
        "L2": first.segment.sha256,
        "L1": second.segment.sha256,
    }
    assert {lesion: row.identity.basis for lesion, row in now.items() if row.identity} == {
        "L2": Basis.READER,
        "L1": Basis.OVERLAP,
    }


def test_where_readers_disagree_the_proposal_stands_and_says_so(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    mask = drawn(proposed, "T2")["L1"]
    words = [word("L1", mask), word("L2", mask, reader="reader-2")]
    disputed = traced(tmp_path / "b", BOTH, ENTRIES, words=words, remembered=memory(proposed))
    row = drawn(disputed, "T2")["L1"]
    assert row.segment is not None
    assert mask.segment is not None
    assert row.segment.sha256 == mask.segment.sha256
    assert "LINK_DISPUTED" in codes(row)
    assert row.identity is not None
    assert [said.by for said in row.identity.history] == ["osteotrace"]
    assert [finding.code for finding in disputed.findings] == ["LINK_DISPUTED"]
    assert "reader-1" in disputed.findings[0].message
    assert "reader-2" in disputed.findings[0].message


def test_two_masks_said_to_be_one_lesion_are_not_added_up_in_silence(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    words = [word("L1", row) for row in drawn(proposed, "T2").values()]
    said = traced(tmp_path / "b", BOTH, ENTRIES, words=words, remembered=memory(proposed))
    rows = [row for row in outlined(said) if row.timepoint == "T2"]
    assert [(row.lesion, row.primary, "SEVERAL_MASKS" in codes(row)) for row in rows] == [
        ("L1", True, True),
        ("L1", False, True),
    ]
    assert [event.kind for event in said.events] == [EventKind.GONE]


@pytest.mark.parametrize("lesion", ["L1", "L2"])
def test_a_word_in_the_workspace_settles_what_the_case_file_leaves_open(lesion: str, tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    mask = drawn(proposed, "T2")["L1"]
    last = word(lesion, mask, reader="reader-3")
    words = [word("L1", mask), word("L2", mask, reader="reader-2"), last]
    settled = traced(tmp_path / "b", BOTH, ENTRIES, words=words, remembered=memory(proposed), **stored(last))
    row = drawn(settled, "T2")[lesion]
    assert row.segment is not None
    assert mask.segment is not None
    assert row.identity is not None
    assert row.segment.sha256 == mask.segment.sha256
    assert [said.by for said in row.identity.history][-1] == "reader-3"
    assert row.identity.settled
    assert "LINK_DISPUTED" not in {finding.code for finding in (*row.findings, *settled.findings)}


def test_of_masks_that_the_case_file_calls_one_lesion_that_of_the_workspace_is_it(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    first, second = drawn(proposed, "T2")["L1"], drawn(proposed, "T2")["L2"]
    for number, (own, other) in enumerate(((first, second), (second, first))):
        last = word("L1", own, reader="reader-3")
        words = [word("L1", own), word("L1", other), last]
        home = tmp_path / f"b{number}"
        said = traced(home, BOTH, ENTRIES, words=words, remembered=memory(proposed), **stored(last))
        now = {row.segment.sha256: row for row in outlined(said) if row.timepoint == "T2" and row.segment}
        assert own.segment is not None
        assert other.segment is not None
        assert now[own.segment.sha256].lesion == "L1"
        assert codes(now[own.segment.sha256]) == []
        assert now[other.segment.sha256].lesion != "L1"
        assert "LINK_SUPERSEDED" in codes(now[other.segment.sha256])


def test_words_of_the_case_file_are_about_the_outlines_of_the_software_too(tmp_path: Path) -> None:
    exams = {1: {"a": HEAD, "b": FOOT}, 2: {"a": HEAD}}
    proposed = followed(tmp_path / "a", exams)
    outline = drawn(proposed, "T2")["L2"]
    assert outline.method is Method.PROPAGATED
    agreed = followed(tmp_path / "b", exams, words=[word("L5", outline, timepoint="T7")], remembered=memory(proposed))
    row = drawn(agreed, "T2")["L5"]
    assert (row.method, row.identity and row.identity.basis) == (Method.PROPAGATED, Basis.READER)
    assert "LINK_ELSEWHERE" in {finding.code for finding in agreed.findings}
    rivals = [word("L1", outline), word("L5", outline, reader="reader-2")]
    disputed = followed(tmp_path / "c", exams, words=rivals, remembered=memory(proposed))
    assert codes(drawn(disputed, "T2")["L2"]) == [*codes(outline), "LINK_DISPUTED"]
    assert "LINK_DISPUTED" in {finding.code for finding in disputed.findings}


def test_a_word_in_the_workspace_on_another_exams_mask_settles_nothing() -> None:
    first, second = (
        LinkWord(lesion=LesionId(name), timepoint="T2", reader=name, mask_sha256="01") for name in ("L1", "L2")
    )
    stale = LinkWord(lesion=LesionId("L1"), timepoint="T9", reader="reader-3", mask_sha256="01")
    none = Exams(timepoints=(), annotations=(), findings=())
    said = heard([first, second], [stale], drawn={"01": "T2"}, exams=none)
    assert said.on("T2") == {} == said.on("T9")
    assert [finding.code for finding in said.findings({("T2", "01")})] == ["LINK_OUTDATED", "LINK_DISPUTED"]
    assert heard([first], [], drawn={"01": "T2"}, exams=none).on("T2") == {"01": first}
    assert heard([stale], [], drawn={"01": "T2"}, exams=none).on("T2")["01"].lesion == "L1"


@pytest.mark.parametrize("timepoint", ["T1", "T7"])
def test_a_word_that_names_another_exam_than_its_masks_is_told(timepoint: str, tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    said = word("L1", drawn(proposed, "T2")["L1"], timepoint=timepoint)
    confirmed = traced(tmp_path / "b", BOTH, ENTRIES, words=[said], remembered=memory(proposed))
    assert [finding.code for finding in confirmed.findings] == ["LINK_ELSEWHERE"]
    row = drawn(confirmed, "T2")["L1"]
    assert row.identity is not None
    assert row.identity.basis is Basis.READER


def test_a_word_on_the_date_of_its_exam_is_fine(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    said = word("L1", drawn(proposed, "T2")["L1"], timepoint="2003-02-01")
    assert traced(tmp_path / "b", BOTH, ENTRIES, words=[said], remembered=memory(proposed)).findings == ()


def test_a_mask_that_no_registration_lets_compare_may_be_any_of_those_before(tmp_path: Path) -> None:
    def frames(number: int) -> str:
        return f"1.2.3.5.{number}"

    proposed = traced(tmp_path / "a", BOTH, frames=frames)
    for again in (proposed, traced(tmp_path / "b", BOTH, frames=frames, remembered=memory(proposed))):
        assert [lesion.id for lesion in again.lesions] == ["L1", "L2", "L3", "L4"]
        assert [codes(row) for row in drawn(again, "T2").values()] == [["IDENTITY_UNKNOWN"]] * 2
        assert [codes(row) for row in drawn(again, "T1").values()] == [[]] * 2
    words = [word(lesion, drawn(proposed, "T2")[other]) for lesion, other in (("L1", "L3"), ("L2", "L4"))]
    settled = traced(tmp_path / "c", BOTH, ENTRIES, frames=frames, words=words, remembered=memory(proposed))
    assert [codes(row) for row in drawn(settled, "T2").values()] == [[], []]
    assert {lesion.id for lesion in settled.lesions} == {"L1", "L2"}


def test_a_mask_that_was_stored_twice_counts_once(tmp_path: Path) -> None:
    twice = traced(tmp_path, {1: {"a": HEAD, "b": HEAD}, 2: {"a": HEAD}})
    assert [lesion.id for lesion in twice.lesions] == ["L1"]
    assert [finding.code for finding in twice.findings] == ["DUPLICATE_MASK"]


def test_what_was_said_of_a_mask_does_not_depend_on_the_order_of_the_words(tmp_path: Path) -> None:
    proposed = traced(tmp_path / "a", BOTH)
    words = [word("L2", drawn(proposed, "T2")["L1"]), word("L1", drawn(proposed, "T2")["L2"])]
    one, two = (
        traced(tmp_path / name, BOTH, ENTRIES, words=order, remembered=memory(proposed))
        for name, order in (("b", words), ("c", words[::-1]))
    )
    assert told(one) == told(two)
    assert len(told(one)) == 4


def told(tracing: Tracing) -> list[tuple[object, ...]]:
    return [(row.lesion, row.timepoint, row.identity, row.findings) for row in tracing.rows]
