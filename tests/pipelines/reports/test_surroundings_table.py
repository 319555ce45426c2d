from __future__ import annotations

from copy import deepcopy
from typing import Any

from pipelines.reports.as_html import as_html
from pipelines.reports.number import UNKNOWN
from pipelines.reports.report import report_from
from pipelines.reports.surroundings_table import surroundings_table

Document = dict[str, Any]


def distance(value: float) -> dict[str, Any]:
    return {"value": value, "unit": "mm", "method": "borders", "interval95": [max(value - 2.0, 0.0), value + 2.0]}


def with_surroundings(document: Document, foramina: list[dict[str, Any]]) -> Document:
    told = deepcopy(document)
    told["lesions"][0]["observations"][0]["surroundings"] = {
        "canal_mm": distance(12.0),
        "foramina_mm": foramina,
        "extraosseous_ml": None,
        "breach": None,
        "reason": "no bone was outlined as it was",
    }
    return told


def row_of(document: Document) -> list[str]:
    return [cell.text.replace("\xa0", " ") for cell in surroundings_table(document["lesions"][0]).rows[0]]


def test_the_nearest_foramen_stands_with_its_name(document: Document) -> None:
    near = [
        {"name": "S1_left", "distance_mm": distance(7.0), "reason": None},
        {"name": "S2_left", "distance_mm": distance(3.5), "reason": None},
    ]
    assert row_of(with_surroundings(document, near)) == [
        "T0", "12.0 mm", "3.5 mm (S2 left)", UNKNOWN, UNKNOWN, "no bone was outlined as it was",
    ]  # fmt: skip


def test_several_foramina_that_are_touched_are_counted(document: Document) -> None:
    touched = [{"name": f"S{n} left", "distance_mm": distance(0.0), "reason": None} for n in (1, 2, 3)]
    assert row_of(with_surroundings(document, touched))[2].endswith("(S1 left and 2 more)")


def test_where_one_foramen_is_unknown_none_is_the_nearest(document: Document) -> None:
    half = [
        {"name": "S1 left", "distance_mm": distance(7.0), "reason": None},
        {"name": "S2 left", "distance_mm": None, "reason": "no accepted registration leads here from T0"},
    ]
    assert row_of(with_surroundings(document, half))[2] == UNKNOWN


def test_the_table_stands_in_the_page_only_where_somebody_outlined_the_anatomy(document: Document) -> None:
    assert surroundings_table(document["lesions"][0]).rows == ()
    assert "To the canal" not in as_html(report_from(document, {}))
    assert "To the canal" in as_html(report_from(with_surroundings(document, []), {}))
