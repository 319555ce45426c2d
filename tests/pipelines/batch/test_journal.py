"""What was written once is read for ever, whatever the last line looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import UnreadableFile
from pipelines.batch.isolate import Limits
from pipelines.batch.journal import Entry, entry_from_line, line_of, read_journal
from pipelines.batch.outcome import End, Outcome

SECONDS = st.floats(0, 1e6)
TEXT = st.text(max_size=20)


def outcomes(end: End) -> st.SearchStrategy[Outcome]:
    return st.builds(
        Outcome,
        end=st.just(end),
        code=TEXT if end is not End.DONE else st.none() | TEXT,
        message=TEXT,
        seconds=SECONDS,
        findings=st.none() | st.integers(0, 99),
        sha256=st.none() | TEXT,
        way=st.lists(TEXT, max_size=3).map(tuple),
        patients=st.lists(TEXT, max_size=3).map(tuple),
    )


ENTRIES = st.builds(
    Entry,
    case=TEXT,
    key=TEXT,
    limits=st.builds(Limits, timeout_s=st.none() | SECONDS, memory_bytes=st.none() | st.integers(0, 2**40)),
    outcome=st.one_of(*map(outcomes, End)),
    finished=TEXT,
)


@given(ENTRIES)
def test_an_entry_comes_back_from_its_line(entry: Entry) -> None:
    assert "\n" not in line_of(entry)
    assert entry_from_line(line_of(entry).encode()) == entry


@given(ENTRIES)
def test_no_part_of_a_line_is_an_entry(entry: Entry) -> None:
    line = line_of(entry).encode()
    assert [n for n in range(len(line)) if entry_from_line(line[:n]) is not None] == []


def entry(case: str, code: str = "NO_IMAGE") -> Entry:
    outcome = Outcome(end=End.REFUSED, code=code)
    return Entry(case=case, key="k", limits=Limits(), outcome=outcome, finished="2003-01-17T10:30:00")


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_takes_new_ones(tmp_path: Path) -> None:
    whole = "".join(line_of(entry(case)) + "\n" for case in ("C1", "C2")).encode()
    first = len(line_of(entry("C1")))
    path = tmp_path / "journal.jsonl"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        journal = read_journal(tmp_path)
        assert (journal.of("C1") is not None) == (length >= first)
        assert (journal.of("C2") is not None) == (length >= len(whole) - 1)
        journal.add(entry("C3"))
        again = read_journal(tmp_path)
        assert [again.of(case) for case in ("C1", "C2")] == [journal.of(case) for case in ("C1", "C2")]
        assert again.of("C3") == entry("C3")


def test_the_newest_entry_of_a_case_counts(tmp_path: Path) -> None:
    journal = read_journal(tmp_path)
    for code in ("NO_IMAGE", "SEVERAL_PATIENTS"):
        journal.add(entry("C1", code))
    assert read_journal(tmp_path).of("C1") == journal.of("C1") == entry("C1", "SEVERAL_PATIENTS")
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b'{"case": "C1"}', b"\xff\xfe", b"garbage"])
def test_what_is_no_entry_is_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "journal.jsonl").write_bytes(line + b"\n" + line_of(entry("C1")).encode() + b"\n")
    assert read_journal(tmp_path).of("C1") is not None


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(UnreadableFile):
        read_journal(tmp_path)
