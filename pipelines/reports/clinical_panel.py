"""Pain and adverse events below the volumes: the same days, and no claim that one caused the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.reports.axes import NOTE_ROW, SIZE, SMALL, Note, Scale, note_lines, note_rows, rules
from pipelines.reports.svg import Attribute, element, fitted, points_text, text_element, text_width

__all__ = ["ClinicalEntry", "clinical_panel", "panel_height"]

ClinicalEntry = tuple[float, Mapping[str, Any]]  # its day, and what the document says

PAIN_HEIGHT, TITLE_HEIGHT = 84.0, 16.0
WORST_PAIN = 10.0  # the numeric rating scale runs from 0 to 10
EVENT_WIDTH = 260.0
HOLLOW: dict[str, Attribute] = {"fill": "#ffffff", "class": "hollow", "stroke": "currentColor", "stroke-width": 1.6}
SHAPES = ("disc", "square", "triangle")


def panel_height(entries: Sequence[ClinicalEntry], across: Scale) -> float:
    """How much room the panel needs: 0 where neither pain nor an event is recorded."""
    events = _events(entries)
    if not events and not any(entry.get("pain_nrs") is not None for _, entry in entries):
        return 0.0
    return TITLE_HEIGHT + NOTE_ROW * (1 + max(note_rows(events, across), default=-1)) + PAIN_HEIGHT


def clinical_panel(entries: Sequence[ClinicalEntry], across: Scale, *, top: float) -> Iterator[str]:
    """Pain by side as marks joined by a faint line, events as labelled lines.

    Parameters
    ----------
    entries
        Dated clinical entries; one without pain and event is not drawn.
    across
        The common time axis.
    top
        Where the panel begins; it ends :func:`panel_height` further down.
    """
    bottom = top + panel_height(entries, across)
    up = Scale(0.0, WORST_PAIN, bottom, bottom - PAIN_HEIGHT)
    title = "Pain, 0–10"
    yield text_element(title, 12, top, {"font-weight": 600})
    yield text_element(
        "temporal association only", 24 + text_width(title, SIZE), top, {"font-style": "italic", "opacity": 0.8}
    )
    yield from rules(up, (0.0, WORST_PAIN / 2, WORST_PAIN), across)
    yield from note_lines(_events(entries), across, top=top + TITLE_HEIGHT - 4, bottom=bottom)
    rated = [(across(day), entry) for day, entry in entries if entry.get("pain_nrs") is not None]
    sides = sorted({str(entry.get("side") or "") for _, entry in rated})
    key_x = across.end
    for position, side in enumerate(sides):
        points = sorted((x, up(float(e["pain_nrs"]))) for x, e in rated if str(e.get("side") or "") == side)
        shape = SHAPES[position % len(SHAPES)]
        faint: dict[str, Attribute] = {"fill": "none", "stroke": "currentColor", "stroke-opacity": 0.35}
        yield element("polyline", {"points": points_text(points), **faint})
        yield from (_mark(shape, x, y) for x, y in points)
        label = fitted(f"{side} side" if side else "pain", 120, SMALL)
        key_x -= text_width(label, SMALL) + 24
        yield _mark(shape, key_x, top - 4)
        yield text_element(label, key_x + 8, top, {"font-size": SMALL, "opacity": 0.8})


def _events(entries: Sequence[ClinicalEntry]) -> list[Note]:
    return [Note(day, _event_label(entry)) for day, entry in entries if entry.get("event")]


def _event_label(entry: Mapping[str, Any]) -> str:
    grade = f" (grade {entry['grade']})" if entry.get("grade") is not None else ""
    return fitted(str(entry["event"]), EVENT_WIDTH, SMALL) + grade


def _mark(shape: str, x: float, y: float) -> str:
    if shape == "disc":
        return element("circle", {"cx": x, "cy": y, "r": 3.4})
    if shape == "square":
        return element("rect", {"x": x - 3.2, "y": y - 3.2, "width": 6.4, "height": 6.4, **HOLLOW})
    return element("polygon", {"points": points_text([(x - 4, y + 3), (x + 4, y + 3), (x, y - 4)])})
