"""What became of every case, one flushed line each: the memory from which a batch resumes.

::

    WORKSPACE/journal.jsonl   {"case": "HCC-001", "key": "<digest of all it depends on>", "limits": {…}, "outcome": {…},
                               "finished": "2026-11-23T07:10:00+00:00"}

Lines are only ever added. A line that a crash cut short is no line: the case is simply done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imaging.errors import RecordError, UnreadableFile
from pipelines.batch.isolate import Limits
from pipelines.batch.outcome import Outcome
from pipelines.workspace import append_line

__all__ = ["Entry", "Journal", "entry_from_line", "line_of", "read_journal"]

NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line.

    Parameters
    ----------
    case
        The case's id; for what was seen of a folder (its patients), "".
    key
        Digest of everything that the outcome depends on.
    limits
        Under which it was computed; an outcome that is no property of the case may be another under others.
    finished
        When, for people.
    """

    case: str
    key: str
    limits: Limits
    outcome: Outcome
    finished: str


def line_of(entry: Entry) -> str:
    """The entry as one line of JSON.

    Examples
    --------
    >>> from pipelines.batch.outcome import End
    >>> entry = Entry(case="C1", key="ab", limits=Limits(), outcome=Outcome(end=End.DONE), finished="2003-01-17")
    >>> entry_from_line(line_of(entry).encode()) == entry
    True
    """
    return json.dumps({**asdict(entry), "outcome": entry.outcome.record()}, allow_nan=False)


def entry_from_line(line: bytes) -> Entry | None:
    """The entry in a line; None where it is none: cut short, of another version, or not ours."""
    try:
        record: Mapping[str, Any] = json.loads(line)
        return Entry(
            case=str(record["case"]),
            key=str(record["key"]),
            limits=Limits(**record["limits"]),
            outcome=Outcome.from_record(record["outcome"]),
            finished=str(record["finished"]),
        )
    except (KeyError, TypeError, ValueError, RecordError):
        return None


class Journal:
    """The newest entry of each case (of each folder, by key), and the file that new ones go to."""

    def __init__(self, path: Path, entries: Iterable[Entry] = ()) -> None:
        self._path = path
        self._newest = {place(entry): entry for entry in entries}

    def of(self, case: str, key: str = "") -> Entry | None:
        """The newest entry of the case, or of the folder with that key."""
        return self._newest.get((case, "" if case else key))

    def add(self, entry: Entry) -> None:
        """Write the entry to the disk.

        Raises
        ------
        InputError
            OUTPUT_NOT_WRITABLE.
        """
        append_line(self._path, line_of(entry))
        self._newest[place(entry)] = entry


def place(entry: Entry) -> tuple[str, str]:
    return entry.case, "" if entry.case else entry.key


def read_journal(workspace: Path) -> Journal:
    """The journal of a workspace; an empty one where there is none.

    Raises
    ------
    UnreadableFile
        It is there and cannot be read.
    """
    path = workspace / NAME
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise UnreadableFile(f"{NAME} cannot be read ({error.strerror})", where=NAME) from error
    entries = (entry_from_line(line) for line in lines if line)
    return Journal(path, (entry for entry in entries if entry is not None))
