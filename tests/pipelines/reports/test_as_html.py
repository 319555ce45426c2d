from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from pipelines.reports.as_html import as_html
from pipelines.reports.number import MINUS, NBSP
from pipelines.reports.report import report_from
from pipelines.reports.trajectory import trajectory_svg

Document = dict[str, Any]
VOID = {"meta", "line", "polyline", "polygon", "circle", "rect", "image"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "javascript:alert(1)",
    "</title></style></script><h1>owned</h1>",
    "{{7*7}}{% raw %}",
    "${7*7}",
    '<svg onload=alert(1)><image href="http://evil.example/x.png"/></svg>',
    "&lt;script&gt; &#60;b&#62; &amp;amp;",
    "<!-- --><![CDATA[x]]>",
    "a\u202eb\x00c",
)


class Page(HTMLParser):
    """A page as elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.figures: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            self.figures.append((self.elements[-1][1]["value"] or "", data))
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def shape(self) -> Counter[tuple[str, tuple[str, ...]]]:
        return Counter((tag, tuple(attributes)) for tag, attributes in self.elements)

    @property
    def text(self) -> str:
        return "\n".join(self.words)


def with_texts(node: Any, text: str, kept: frozenset[str], key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: with_texts(value, text, kept, name) for name, value in node.items()}
    if isinstance(node, list):
        return [with_texts(value, text, kept, key) for value in node]
    return text if isinstance(node, str) and key not in kept else node


def page_of(document: Document) -> str:
    return as_html(report_from(document, {"trajectory": trajectory_svg(document)}))


# Codes and severities are checked where findings are made; ids and enumerated words are free text to a damaged file.
FIXED = frozenset({"schema", "code", "severity"})
LINKS = FIXED | {"id", "timepoint", "series_uid", "volume_id", "lesion", "procedure", "when", "date", "status", "kind",
                 "fixed", "moving", "reference", "modality", "role", "unit"}  # fmt: skip


@pytest.mark.parametrize("kept", [FIXED, LINKS], ids=["every text", "free text"])
@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_of_the_document_becomes_markup(document: Document, payload: str, kept: frozenset[str]) -> None:
    hostile = Page(page_of(with_texts(document, payload, kept)))
    harmless = Page(page_of(with_texts(document, "x" * len(payload), kept)))
    assert hostile.shape == harmless.shape
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)
    shown = payload.replace("\u202e", "\ufffd").replace("\x00", "\ufffd")
    assert shown in hostile.text


def test_keys_of_free_records_become_no_markup(document: Document) -> None:
    document["registrations"][0]["evidence"] = {"<b>x</b>": "<i>y</i>"}
    document["provenance"]["software"] = {"<b>x</b>": "<i>y</i>"}
    assert not {"b", "i"} & {tag for tag, _ in Page(page_of(document)).elements}


def test_the_page_needs_nothing_from_outside_and_forbids_it(document: Document, figures: dict[str, str]) -> None:
    text = as_html(report_from(document, figures))
    page = Page(text)
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not {"script", "link", "iframe", "object", "embed", "form", "a", "base"} & {tag for tag, _ in page.elements}
    links = [a[name] for _, a in page.elements for name in ("href", "src", "xlink:href", "action") if name in a]
    assert len(links) == 5
    assert all(link is not None and link.startswith("data:image/png;base64,") for link in links)
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_table_says_what_it_is_and_what_its_heads_head(document: Document) -> None:
    page = Page(page_of(document))
    count = Counter(tag for tag, _ in page.elements)
    assert count["table"] == count["caption"] > 5
    assert all(a.get("scope") in ("row", "col") for tag, a in page.elements if tag == "th")
    assert ("html", {"lang": "en"}) in page.elements
    assert count["h1"] == 1
    named = [a["aria-labelledby"] for tag, a in page.elements if tag == "section"]
    assert set(named) <= {a.get("id") for _, a in page.elements}
    assert all(a.get("role") == "img" and a.get("aria-label") for tag, a in page.elements if tag == "svg")


def shown_quantities(document: Document) -> list[dict[str, Any]]:
    """What the tables show, read from the document by other means than the report's."""
    found = []
    for lesion in document["lesions"]:
        for row in (*lesion["observations"], *lesion["changes"]):
            found += [q for q in row.values() if isinstance(q, dict) and "interval95" in q]
    for row in document["materials"]:
        found += [q for q in row.values() if isinstance(q, dict) and "interval95" in q]
    return found


def test_every_figure_of_the_tables_is_the_documents(document: Document) -> None:
    page = Page(page_of(document))
    assert Counter(float(value) for value, _ in page.figures) == Counter(
        float(quantity["value"]) for quantity in shown_quantities(document)
    )
    for value, text in page.figures:
        number, unit = text.replace(MINUS, "-").split(NBSP)
        exact = float(value)
        # A ratio of 0.93 is shown as 93 %; no percentage of the fixture lies below 2.
        exact = exact * 100 if unit == "%" and 0 <= exact < 2 else exact
        decimals = len(number.partition(".")[2])
        assert abs(float(number) - exact) <= 0.5 * 10.0**-decimals + 1e-9


def test_the_same_case_gives_the_same_page(document: Document, figures: dict[str, str]) -> None:
    assert as_html(report_from(document, figures)) == as_html(report_from(document, figures))


def test_a_case_without_anything_still_gives_a_page() -> None:
    empty: Document = {name: [] for name in ("timepoints", "procedures", "clinical", "lesions", "materials")}
    empty |= {"schema": "osteotrace.case/1", "case_id": "case-00000000", "responses": [], "registrations": []}
    empty |= {"findings": [], "outputs": [], "provenance": {"software": None, "parameters": None, "inputs": []}}
    page = Page(page_of(empty))
    assert "No lesion was given for this case; only radiodense material is reported." in page.text
    assert page.figures == []
