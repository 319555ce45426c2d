"""Scalable drawings as text: elements with escaped words and short numbers, no library and no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from pipelines.reports.document import visible

__all__ = [
    "coordinate",
    "drawing",
    "element",
    "fitted",
    "nice_ticks",
    "points_text",
    "text_element",
    "text_width",
    "wrapped",
]

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
MEAN_LETTER_EM = 0.56  # mean advance of a letter in common sans-serif fonts; used to keep labels apart, never to clip
STEPS = (1.0, 2.0, 5.0, 10.0)

Attribute = str | float | int | None


def coordinate(value: float) -> str:
    """A length with at most two decimals: a hundredth of a pixel is invisible, and the text is stable.

    Examples
    --------
    >>> coordinate(3.0), coordinate(0.12499), coordinate(-0.001)
    ('3', '0.12', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, attributes: Mapping[str, Attribute], *children: str) -> str:
    """One element; attributes that are None are left out and every value is escaped. Children are markup already.

    Examples
    --------
    >>> element("circle", {"r": 2.5, "fill": None, "class": 'a"b'})
    '<circle r="2.5" class="a&quot;b"/>'
    """
    written = "".join(
        f' {key}="{escape(value if isinstance(value, str) else coordinate(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text_element(text: str, x: float, y: float, attributes: Mapping[str, Attribute]) -> str:
    """Words at a place, as words: they can be searched, copied and read aloud.

    Examples
    --------
    >>> text_element("<left>", 1, 2, {})
    '<text x="1" y="2">&lt;left&gt;</text>'
    """
    return element("text", {"x": x, "y": y, **attributes}, escape(visible(text), quote=False))


def drawing(width: float, height: float, label: str, children: Iterable[str]) -> str:
    """A whole drawing with a label for those who cannot see it.

    Examples
    --------
    >>> drawing(10, 5, "A & B", [])[:53]
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 '
    """
    attributes: dict[str, Attribute] = {
        "xmlns": NAMESPACE,
        "viewBox": f"0 0 {coordinate(width)} {coordinate(height)}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": visible(label),
        "font-family": FONT,
        "font-size": 11,
        "color": "#1b2733",
        "fill": "currentColor",
    }
    return element("svg", attributes, *children, "")


def points_text(points: Sequence[tuple[float, float]]) -> str:
    """The points of a polyline.

    Examples
    --------
    >>> points_text([(0, 1.5), (2, 3)])
    '0,1.5 2,3'
    """
    return " ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points)


def text_width(text: str, size: float) -> float:
    """About how wide the words are at that font size.

    Examples
    --------
    >>> text_width("four", 10.0)
    22.4
    """
    return round(len(text) * MEAN_LETTER_EM * size, 6)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """The words in lines of about that width.

    Examples
    --------
    >>> wrapped("day 138 slice 13 of 24", 90.0, 11.0)
    ['day 138 slice', '13 of 24']
    """
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def fitted(text: str, width: float, size: float) -> str:
    """The text, cut with an ellipsis where it would be wider.

    Examples
    --------
    >>> fitted("left sacrum", 50.0, 11.0), fitted("left", 50.0, 11.0)
    ('left sa…', 'left')
    """
    most = max(2, int(width / text_width("x", size)))
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def nice_ticks(low: float, high: float, *, about: int = 6) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover the range, about so many of them.

    Raises
    ------
    ValueError
        If the range is not increasing.

    Examples
    --------
    >>> nice_ticks(0.0, 63.2)
    (0.0, 20.0, 40.0, 60.0, 80.0)
    """
    if not low < high:
        raise ValueError(f"ticks need an increasing range; got {low} to {high}")
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in STEPS if factor * power >= rough * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(number * step, 10) for number in range(first, last + 1))
