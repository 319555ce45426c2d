"""The common time axis of a plot: scales, rules, and labels at a day that never overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.reports.document import Document, visible
from pipelines.reports.number import MINUS
from pipelines.reports.svg import Attribute, element, nice_ticks, text_element, text_width

__all__ = [
    "NOTE_ROW",
    "SIZE",
    "SMALL",
    "Note",
    "Scale",
    "base_line",
    "exam_ticks",
    "note_lines",
    "note_rows",
    "rules",
    "time_axis",
]

NOTE_ROW = 17.0  # height of one row of labels above a panel, in drawing units
SIZE, SMALL = 11.0, 10.5  # of letters
QUIET: dict[str, Attribute] = {"stroke": "currentColor", "stroke-opacity": 0.18}
LEADER: dict[str, Attribute] = {"stroke": "currentColor", "stroke-opacity": 0.55, "stroke-dasharray": "2 3"}


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from data to drawing units.

    Examples
    --------
    >>> Scale(0.0, 10.0, 100.0, 200.0)(2.5)
    125.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Note:
    """A short text at a day."""

    day: float
    text: str


def note_rows(notes: Sequence[Note], across: Scale) -> list[int]:
    """The row of each label, from 0 at the top, so that no two of one row overlap.

    Examples
    --------
    >>> note_rows([Note(0.0, "embolisation"), Note(5.0, "cement"), Note(90.0, "cement")], Scale(0.0, 100.0, 0.0, 500.0))
    [0, 1, 0]
    """
    ends: list[float] = []
    rows = [0] * len(notes)
    for n in sorted(range(len(notes)), key=lambda n: notes[n].day):
        start = across(notes[n].day)
        row = next((k for k, end in enumerate(ends) if end <= start), len(ends))
        ends[row : row + 1] = [start + text_width(notes[n].text, SMALL) + 14]
        rows[n] = row
    return rows


def note_lines(notes: Sequence[Note], across: Scale, *, top: float, bottom: float) -> Iterator[str]:
    """A dotted line at each note's day with its label at the upper end."""
    for note, row in zip(notes, note_rows(notes, across), strict=True):
        x, y = across(note.day), top + row * NOTE_ROW
        yield element("line", {"x1": x, "x2": x, "y1": y, "y2": bottom, **LEADER})
        yield text_element(note.text, x + 5, y + 10, {"font-size": SMALL})


def rules(up: Scale, ticks: Sequence[float], across: Scale) -> Iterator[str]:
    """A faint horizontal rule with its figure for each tick."""
    for tick in ticks:
        y = up(tick)
        yield element("line", {"x1": across.start, "x2": across.end, "y1": y, "y2": y, **QUIET})
        yield text_element(f"{tick:g}".replace("-", MINUS), across.start - 8, y + 4, {"text-anchor": "end"})


def exam_ticks(case: Document, across: Scale, y: float) -> Iterator[str]:
    """A base line with a tick and its id for each dated exam; exams of one day are named side by side."""
    yield base_line(across, y)
    free = float("-inf")
    for timepoint in sorted((t for t in case["timepoints"] if t["days"] is not None), key=lambda t: float(t["days"])):
        x, text = across(float(timepoint["days"])), visible(str(timepoint["id"]))
        yield element("line", {"x1": x, "x2": x, "y1": y, "y2": y + 5, "stroke": "currentColor"})
        place = max(x, free)
        yield text_element(text, place, y + 17, {"text-anchor": "middle", "font-weight": 600})
        free = place + text_width(text, SIZE) + 6


def time_axis(across: Scale, y: float) -> Iterator[str]:
    """The days, below everything."""
    yield base_line(across, y)
    for tick in nice_ticks(across.low, across.high, about=8):
        if across.low <= tick <= across.high:
            x = across(tick)
            yield element("line", {"x1": x, "x2": x, "y1": y, "y2": y + 5, "stroke": "currentColor"})
            yield text_element(f"{tick:g}".replace("-", MINUS), x, y + 18, {"text-anchor": "middle"})
    middle = (across.start + across.end) / 2
    yield text_element("days after the first exam", middle, y + 36, {"text-anchor": "middle", "opacity": 0.8})


def base_line(across: Scale, y: float) -> str:
    """A line across the whole plot."""
    return element("line", {"x1": across.start, "x2": across.end, "y1": y, "y2": y, "stroke": "currentColor"})
