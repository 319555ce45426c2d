from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.as_csv import COLUMNS, as_csv, safe_text
from pipelines.reports.report import report_from

Document = dict[str, Any]
NUMERIC = ("days", "value", "low95", "high95")
HOSTILE = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    ' =1"',
    '"=1',
    "'=1",
    "＝1+1",
    'a\r\nb,"c"',
)


def rows_of(document: Document) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(report_from(document, {})), newline="")))


def test_every_figure_of_the_document_is_a_row_with_all_its_digits(document: Document) -> None:
    rows = rows_of(document)
    for lesion in document["lesions"]:
        for observation in lesion["observations"]:
            for name in ("volume_ml", "material_ml", "net_volume_ml", "long_axis_mm", "short_axis_mm"):
                (row,) = [
                    r for r in rows
                    if (r["lesion"], r["timepoint"], r["quantity"]) == (lesion["id"], observation["timepoint"], name)
                ]  # fmt: skip
                quantity = observation[name]
                if quantity is None:
                    assert row["value"] == row["low95"] == row["high95"] == row["unit"] == ""
                else:
                    assert float(row["value"]) == quantity["value"]
                    assert [float(row["low95"]), float(row["high95"])] == quantity["interval95"]
                    assert row["unit"] == quantity["unit"]


def test_changes_and_materials_follow_with_their_reference_and_id(document: Document) -> None:
    rows = rows_of(document)
    (change,) = [r for r in rows if r["lesion"] == "L1" and r["timepoint"] == "T4" and r["reference"] == "nadir"
                 and r["quantity"] == "volume_percent"]  # fmt: skip
    assert change["value"] == "-6.62"
    (cement,) = [r for r in rows if r["material"] == "M1" and r["timepoint"] == "T1"
                 and r["quantity"] == "cement_volume_ml"]  # fmt: skip
    assert (cement["lesion"], cement["value"], cement["findings"]) == ("L1", "6.4133", "CT_SATURATED")


def test_a_row_carries_the_findings_of_its_observation_and_series(document: Document) -> None:
    (row,) = [r for r in rows_of(document) if (r["lesion"], r["timepoint"], r["quantity"]) == ("L1", "T1", "volume_ml")]
    assert row["findings"] == "LESION_NOT_VISIBLE;GANTRY_TILT"
    assert (row["status"], row["value"]) == ("not_assessable", "")


def test_a_row_of_a_change_carries_the_findings_of_the_change(document: Document) -> None:
    change = document["lesions"][0]["changes"][0]
    change["findings"] = [{"code": "PLANE_CHANGED", "severity": "warning", "message": "", "where": ""}]
    told = [row["findings"] for row in rows_of(document) if row["reference"] == change["reference"]]
    assert "PLANE_CHANGED" in told


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_is_a_formula_and_no_text_breaks_a_record(document: Document, payload: str) -> None:
    count = len(rows_of(document))
    document["case_id"] = document["lesions"][0]["name"] = payload
    document["lesions"][0]["observations"][0]["volume_ml"]["method"] = payload
    rows = rows_of(document)
    assert len(rows) == count
    for row in rows:
        assert None not in row
        for name in COLUMNS:
            if name in NUMERIC:
                assert row[name] == "" or float(row[name]) is not None
            else:
                assert row[name].lstrip(' \t\n\r"')[:1] not in tuple("=+-@＝＋－＠")


@given(st.text())
def test_a_safe_text_never_begins_like_a_formula(text: str) -> None:
    safe = safe_text(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe_text(safe) == safe or safe.startswith("'")
    assert "\r" not in safe


def test_lines_end_with_a_bare_newline_and_come_in_one_order(document: Document) -> None:
    text = as_csv(report_from(document, {}))
    assert "\r" not in text
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert text == as_csv(report_from(document, {}))


def test_distances_are_rows_that_name_their_foramen_and_nothing_unknown_is_one(document: Document) -> None:
    (plain,) = [row for row in rows_of(document) if row["quantity"] == "volume_ml" and row["lesion"] == "L1"][:1]
    assert not [row for row in rows_of(document) if row["quantity"] in ("canal_mm", "foramen_mm", "breach")]
    distance = {"value": 3.5, "unit": "mm", "method": "borders", "interval95": [1.0, 6.0]}
    around = {
        "canal_mm": None,
        "foramina_mm": [
            {"name": "S1 left", "distance_mm": distance, "reason": None},
            {"name": "S2 left", "distance_mm": None, "reason": "no accepted registration leads here"},
        ],
        "extraosseous_ml": None,
        "breach": True,
        "reason": "no canal was outlined",
    }
    lesion, *others = document["lesions"]
    first, *later = lesion["observations"]
    told = {**lesion, "observations": [{**first, "surroundings": around}, *later]}
    rows = rows_of({**document, "lesions": [told, *others]})
    foramina = [row for row in rows if row["quantity"] == "foramen_mm"]
    assert [(row["reference"], row["value"], row["low95"]) for row in foramina] == [
        ("S1 left", "3.5", "1.0"),
        ("S2 left", "", ""),
    ]
    assert [row["category"] for row in rows if row["quantity"] == "breach"] == ["yes"]
    assert {row["timepoint"] for row in foramina} == {plain["timepoint"]}
    assert not [row for row in rows if row["quantity"] in ("canal_mm", "extraosseous_ml")]
