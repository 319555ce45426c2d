"""Drawings inside a page: only what our own writer produces gets in.

A report can be written again from figures that lie on a disk, where others may have touched them; so each drawing is
held against the grammar of :mod:`pipelines.reports.svg` before it becomes part of a page.
"""

from __future__ import annotations

import re

from markupsafe import Markup

from imaging.errors import RecordError
from pipelines.reports.svg import NAMESPACE

__all__ = ["embedded"]

TOKEN = re.compile(r'<(?P<end>/?)(?P<name>[a-z]+)(?P<attributes>(?: [A-Za-z0-9-]+="[^"<>]*")*)/?>|[^<>]+')
ATTRIBUTE = re.compile(r' (?P<name>[A-Za-z0-9-]+)="(?P<value>[^"]*)"')
ELEMENTS = {"svg", "g", "text", "line", "polyline", "polygon", "circle", "rect", "image"}
PNG = "data:image/png;base64,"


def embedded(svg: str) -> Markup:
    """The drawing as markup that may stand in a page.

    Raises
    ------
    RecordError
        FIGURE_NOT_OURS: it holds an element, an attribute or a link that our drawings do not have.

    Examples
    --------
    >>> embedded('<svg viewBox="0 0 1 1"><text x="0" y="0">L1</text></svg>')
    Markup('<svg viewBox="0 0 1 1"><text x="0" y="0">L1</text></svg>')
    >>> embedded('<svg><script>1</script></svg>')
    Traceback (most recent call last):
        ...
    imaging.errors.RecordError: a figure holds <script>, which no figure of ours has; draw the figures again
    """
    position = 0
    while position < len(svg):
        token = TOKEN.match(svg, position)
        if token is None:
            raise _not_ours(f"something that is no element at character {position}")
        position = token.end()
        name = token["name"]
        if name is None:
            continue
        if name not in ELEMENTS:
            raise _not_ours(f"<{name}>")
        for attribute in ATTRIBUTE.finditer(token["attributes"]):
            _require_harmless(attribute["name"].lower(), attribute["value"])
    # Inside HTML the namespace goes without saying, and a page that names no address plainly loads none.
    return Markup(svg.replace(f' xmlns="{NAMESPACE}"', ""))  # noqa: S704 - held against the grammar above


def _require_harmless(name: str, value: str) -> None:
    if name.startswith("on") or name == "style" or (name == "href" and not value.startswith(PNG)):
        raise _not_ours(f"the attribute {name}")
    if "url(" in value.lower():
        raise _not_ours("a link")


def _not_ours(what: str) -> RecordError:
    return RecordError(
        f"a figure holds {what}, which no figure of ours has; draw the figures again", code="FIGURE_NOT_OURS"
    )
