"""How the lesions' volumes went over time, with what was done and how the patient was, on one time axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.reports.axes import (
    NOTE_ROW,
    SIZE,
    SMALL,
    Note,
    Scale,
    exam_ticks,
    note_lines,
    note_rows,
    rules,
    time_axis,
)
from pipelines.reports.clinical_panel import clinical_panel, panel_height
from pipelines.reports.document import Document, day_of, display_name, timepoint_of
from pipelines.reports.palette import lesion_colour
from pipelines.reports.svg import Attribute, drawing, element, fitted, nice_ticks, points_text, text_element, text_width

__all__ = ["trajectory_svg"]

WIDTH, LEFT, RIGHT = 900.0, 50.0, 140.0  # drawing units; the right margin holds the lesions' names
NOTES_TOP, VOLUME_HEIGHT, GAP, FOOT = 30.0, 250.0, 46.0, 44.0
SIDE_PADDING = 0.03  # of the time axis, so that nothing touches the frame
NAME_DISTANCE, NOTE_WIDTH = 15.0, 240.0
HOLLOW: dict[str, Attribute] = {"fill": "#ffffff", "class": "hollow"}  # a page on dark paper fills it dark


def trajectory_svg(case: Document) -> str:
    """Volumes with their 95 % intervals, procedures, and pain, by day.

    Filled marks are confirmed by a reader, hollow ones proposed. Lines join gross volumes; dashed lines join net
    (non-material) volumes. A cross on the axis says that the lesion could not be assessed, a triangle that it was gone.

    Parameters
    ----------
    case
        A parsed ``osteotrace.case/1`` document.

    Returns
    -------
    SVG text.

    Examples
    --------
    >>> case = {"case_id": "HCC-001", "timepoints": [], "lesions": [], "procedures": [], "clinical": []}
    >>> "no dated exam" in trajectory_svg(case)
    True
    """
    days = [float(t["days"]) for t in case["timepoints"] if t["days"] is not None]
    if not days:
        sentence = "Nothing to plot: no dated exam."
        return drawing(WIDTH, 40, sentence, [text_element(sentence, 0, 24, {})])
    procedures = [Note(day, _procedure_label(p)) for p in case["procedures"] if (day := day_of(case, p)) is not None]
    clinical = [(day, entry) for entry in case["clinical"] if (day := day_of(case, entry)) is not None]
    across = _time_scale([*days, *(note.day for note in procedures), *(day for day, _ in clinical)])
    top = NOTES_TOP + NOTE_ROW * (1 + max(note_rows(procedures, across), default=-1))
    bottom = top + VOLUME_HEIGHT
    up = Scale(0.0, _highest_tick(case), bottom, top)
    parts = [
        text_element("Volume, mL", 12, 16, {"font-weight": 600}),
        *_key(across.end),
        *rules(up, nice_ticks(up.low, up.high, about=5), across),
        *note_lines(procedures, across, top=NOTES_TOP, bottom=bottom),
        *(part for n, lesion in enumerate(case["lesions"]) for part in _lesion(case, lesion, n, across, up)),
        *_lesion_names(case, across, up),
        *exam_ticks(case, across, bottom),
    ]
    end = bottom + 20
    if panel_height(clinical, across):
        parts += clinical_panel(clinical, across, top=bottom + GAP)
        end = bottom + GAP + panel_height(clinical, across)
    parts += time_axis(across, end)
    names = ", ".join(display_name(lesion) for lesion in case["lesions"])
    return drawing(WIDTH, end + FOOT, f"Volumes over time: {names or 'no lesion'}", parts)


def _time_scale(days: Sequence[float]) -> Scale:
    span = max(max(days) - min(days), 1.0)
    return Scale(min(days) - SIDE_PADDING * span, max(days) + SIDE_PADDING * span, LEFT, WIDTH - RIGHT)


def _highest_tick(case: Document) -> float:
    tops = [0.0]
    for lesion in case["lesions"]:
        for observation in lesion["observations"]:
            for quantity in (observation["volume_ml"], observation["net_volume_ml"]):
                if quantity is not None:
                    tops.append(float((quantity["interval95"] or (0.0, quantity["value"]))[1]))
    return nice_ticks(0.0, max(tops), about=5)[-1] if max(tops) > 0 else 1.0


def _lesion(case: Document, lesion: Mapping[str, Any], position: int, across: Scale, up: Scale) -> Iterator[str]:
    colour = lesion_colour(position)
    shown = [(x, o) for x, o in _placed(case, lesion, across) if o["volume_ml"] is not None]
    gross = [(x, up(o["volume_ml"]["value"])) for x, o in shown]
    net = [(x, up(o["net_volume_ml"]["value"])) for x, o in shown if o["net_volume_ml"] is not None]
    line: dict[str, Attribute] = {"fill": "none", "stroke": colour, "stroke-width": 1.8, "stroke-linejoin": "round"}
    if len(net) > 1:
        yield element("polyline", {**line, "points": points_text(net), "stroke-dasharray": "5 4", "stroke-width": 1.3})
    if len(gross) > 1:
        yield element("polyline", {**line, "points": points_text(gross)})
    for (x, y), (_, observation) in zip(gross, shown, strict=True):
        yield from _whisker(x, observation["volume_ml"], up, colour)
        yield _mark(x, y, colour, filled=observation["status"] == "accepted")
    for x, y in net:
        yield element("line", {"x1": x - 5, "x2": x + 5, "y1": y, "y2": y, "stroke": colour, "stroke-width": 2})
    for x, observation in _placed(case, lesion, across):
        if observation["volume_ml"] is None:
            yield from _no_volume(x + 9 * position, up.start - 8, observation["status"], colour)


def _placed(case: Document, lesion: Mapping[str, Any], across: Scale) -> Iterator[tuple[float, Mapping[str, Any]]]:
    for observation in lesion["observations"]:
        days = timepoint_of(case, observation["timepoint"]).get("days")
        if observation["primary"] and days is not None:
            yield across(float(days)), observation


def _whisker(x: float, quantity: Mapping[str, Any], up: Scale, colour: str) -> Iterator[str]:
    if quantity["interval95"] is None:
        return
    low, high = (up(max(0.0, float(bound))) for bound in quantity["interval95"])
    stroke: dict[str, Attribute] = {"stroke": colour, "stroke-width": 1.4, "stroke-opacity": 0.8}
    yield element("line", {"x1": x, "x2": x, "y1": low, "y2": high, **stroke})
    for y in (low, high):
        yield element("line", {"x1": x - 4, "x2": x + 4, "y1": y, "y2": y, **stroke})


def _mark(x: float, y: float, colour: str, *, filled: bool) -> str:
    paint: dict[str, Attribute] = {"fill": colour} if filled else HOLLOW
    return element("circle", {"cx": x, "cy": y, "r": 4.6, "stroke": colour, "stroke-width": 2, **paint})


def _no_volume(x: float, y: float, status: str, colour: str) -> Iterator[str]:
    stroke: dict[str, Attribute] = {"stroke": colour, "stroke-width": 1.8, "fill": "none"}
    if status == "absent":
        yield element("polygon", {"points": points_text([(x - 5, y - 4), (x + 5, y - 4), (x, y + 5)]), **stroke})
    else:
        yield element("line", {"x1": x - 4, "y1": y - 4, "x2": x + 4, "y2": y + 4, **stroke})
        yield element("line", {"x1": x - 4, "y1": y + 4, "x2": x + 4, "y2": y - 4, **stroke})


def _lesion_names(case: Document, across: Scale, up: Scale) -> Iterator[str]:
    """Each lesion's name beside its last mark, moved down where two would overlap."""
    ends = []
    for position, lesion in enumerate(case["lesions"]):
        shown = [o for _, o in _placed(case, lesion, across) if o["volume_ml"] is not None]
        if shown:
            ends.append((up(shown[-1]["volume_ml"]["value"]), position, display_name(lesion)))
    free = float("-inf")
    for y, position, name in sorted(ends):
        free = max(y, free + NAME_DISTANCE)
        square: dict[str, Attribute] = {"width": 9, "height": 9, "rx": 2, "fill": lesion_colour(position)}
        yield element("rect", {"x": across.end + 10, "y": free - 5, **square})
        yield text_element(fitted(name, RIGHT - 30, SIZE), across.end + 24, free + 3.5, {"font-weight": 600})


def _key(right: float) -> Iterator[str]:
    """What the marks mean, from the right."""
    x = right
    grey: dict[str, Attribute] = {"stroke": "currentColor", "stroke-width": 1.6}
    for text, mark in (
        ("× not assessable  ▽ absent", ""),
        ("net (non-material)", "dash"),
        ("proposed", "hollow"),
        ("confirmed", "filled"),
    ):
        x -= text_width(text, SMALL) + 4
        yield text_element(text, x, 16, {"font-size": SMALL, "opacity": 0.8})
        if mark == "dash":
            x -= 26
            yield element("line", {"x1": x, "x2": x + 20, "y1": 12.5, "y2": 12.5, "stroke-dasharray": "5 4", **grey})
        elif mark:
            x -= 14
            fill = "currentColor" if mark == "filled" else "none"
            yield element("circle", {"cx": x + 4, "cy": 12.5, "r": 3.6, "fill": fill, **grey})
        x -= 16


def _procedure_label(procedure: Mapping[str, Any]) -> str:
    lesion = f" {procedure['lesion']}" if procedure.get("lesion") else ""
    amounts = [f"{m['injected_ml']:g} mL" for m in procedure.get("materials") or () if m.get("injected_ml") is not None]
    injected = f" ({' + '.join(amounts)})" if amounts else ""
    return fitted(f"{procedure['id']} {procedure['kind']}{lesion}{injected}", NOTE_WIDTH, SMALL)
