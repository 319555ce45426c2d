"""The best change of every lesion's volume, from growth to shrinkage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imaging.response.volumetric import PARTIAL, PROGRESSION
from pipelines.batch.course import Course
from pipelines.reports.axes import SMALL, Scale, base_line, rules
from pipelines.reports.number import MINUS, change_text
from pipelines.reports.palette import lesion_colour
from pipelines.reports.svg import Attribute, drawing, element, fitted, nice_ticks, text_element

__all__ = ["waterfall_svg"]

WIDTH, LEFT, RIGHT, TOP, HEIGHT = 900.0, 84.0, 24.0, 38.0, 300.0  # drawing units
WIDEST_BAR, LABELS = 46.0, 40  # more bars than that are too narrow for words; the table names them
LABEL_WIDTH, LABEL_TURN, LABEL_ROOM = 128.0, 50, 114.0
MOST_PERCENT = 200.0  # growth beyond it is cut and its figure printed, or one lesion would flatten all others
THRESHOLDS = {"PR of a ball": float(100 * (PARTIAL - 1)), "PD of a ball": float(100 * (PROGRESSION - 1))}
DOTTED: dict[str, Attribute] = {"stroke": "currentColor", "stroke-opacity": 0.5, "stroke-dasharray": "2 4"}


def waterfall_svg(courses: Sequence[Course]) -> str:
    """One bar for each lesion whose volume has a change against its baseline; hollow where a reader has not confirmed.

    Whiskers are 95 % intervals. The dotted lines are the volumes of a ball whose diameter changed as RECIST's partial
    response and progression ask.

    Examples
    --------
    >>> "no lesion" in waterfall_svg([])
    True
    """
    shown = sorted(
        (course for course in courses if course.best is not None),
        key=lambda course: (-percent(course), course.case, course.lesion),
    )
    if not shown:
        return drawing(
            WIDTH, 60, "Waterfall", [text_element("no lesion has a change to show", 8, 34, {"opacity": 0.8})]
        )
    labelled = len(shown) <= LABELS
    ticks = nice_ticks(-100.0, min(MOST_PERCENT, max(100.0, *map(upper, shown))))
    up = Scale(ticks[0], ticks[-1], TOP + HEIGHT, TOP)
    across = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    children = [
        text_element("best change of gross volume against baseline, %", 8, 12, {"font-size": SMALL, "opacity": 0.8}),
        *rules(up, ticks, across),
        *thresholds(up, across),
    ]
    step = min(WIDEST_BAR * 1.4, (across.end - across.start) / len(shown))
    for number, course in enumerate(shown):
        children += bar(course, across.start + (number + 0.5) * step, step / 1.4, up, labelled=labelled)
    foot = LABEL_ROOM if labelled else 12.0
    return drawing(
        WIDTH, TOP + HEIGHT + foot, "Best volume change of every lesion", [*children, base_line(across, up(0))]
    )


def percent(course: Course) -> float:
    return float(course.best["value"]) if course.best else 0.0


def upper(course: Course) -> float:
    bounds = course.best["interval95"] if course.best else None
    return float(bounds[1]) if bounds else percent(course)


def thresholds(up: Scale, across: Scale) -> Iterator[str]:
    for name, value in THRESHOLDS.items():
        yield element("line", {"x1": across.start, "x2": across.end, "y1": up(value), "y2": up(value), **DOTTED})
        label = f"{name} {value:+.0f} %".replace("-", MINUS)
        yield text_element(label, across.end, up(value) - 4, {"font-size": SMALL, "text-anchor": "end", "opacity": 0.8})


def bar(course: Course, x: float, width: float, up: Scale, *, labelled: bool) -> Iterator[str]:
    value = percent(course)
    end, zero = up(min(value, up.high)), up(0)
    colour = lesion_colour(1 if value > 0 else 0)
    look: dict[str, Attribute] = {"fill": "#ffffff", "class": "hollow"} if course.provisional else {"fill": colour}
    place = {"x": x - width / 2, "y": min(end, zero), "width": width, "height": max(abs(end - zero), 1.0)}
    yield element("rect", {**place, **look, "stroke": colour, "stroke-width": 1.4})
    bounds = course.best["interval95"] if course.best else None
    if bounds:
        low, high = (up(min(max(float(bound), up.low), up.high)) for bound in bounds)
        yield element(
            "line", {"x1": x, "x2": x, "y1": low, "y2": high, "stroke": "currentColor", "stroke-opacity": 0.75}
        )
    if labelled:
        yield from words(course, x, up)


def words(course: Course, x: float, up: Scale) -> Iterator[str]:
    """The figure where the bar is cut, and whose bar it is below the axis."""
    if percent(course) > up.high:
        yield text_element(
            change_text(course.best, decimals=0), x, up.end - 4, {"font-size": SMALL, "text-anchor": "middle"}
        )
    y = up.start + 12
    turned: dict[str, Attribute] = {"text-anchor": "end", "transform": f"rotate(-{LABEL_TURN} {x:.2f} {y:.2f})"}
    yield text_element(
        fitted(f"{course.lesion} {course.case}", LABEL_WIDTH, SMALL), x, y, {"font-size": SMALL, **turned}
    )
