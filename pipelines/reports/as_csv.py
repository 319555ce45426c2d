"""Every measurement as tidy CSV: one figure a line, for statistics programs and spreadsheets.

A spreadsheet runs a cell that begins like a formula, so text that does is given a leading apostrophe (OWASP, "CSV
Injection"); figures stay plain numbers with all their digits. An unknown figure is an empty cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.reports.document import Document, findings_of, of_gaps, series_entry, timepoint_of, visible
from pipelines.reports.report import Report
from pipelines.reports.surroundings_table import known_figures

__all__ = ["COLUMNS", "Row", "as_csv", "measurement_rows", "rows_as_csv", "safe_text"]

COLUMNS = (
    "case", "lesion", "lesion_name", "timepoint", "date", "days", "series_uid", "role", "observation_method", "status",
    "primary", "reference", "material", "quantity", "value", "low95", "high95", "unit", "method", "findings",
    "criterion", "category", "scope", "reasons", "source",
)  # fmt: skip
OBSERVED = ("volume_ml", "material_ml", "net_volume_ml", "long_axis_mm", "short_axis_mm")
CHANGED = ("volume_percent", "net_volume_percent", "long_axis_percent")
OF_MATERIAL = (
    "volume_ml", "inside_lesion_ml", "fill_fraction", "inside_bone_ml", "neural_ml", "leak_ml", "recovered_fraction",
)  # fmt: skip
FORMULA_STARTS = tuple("=+-@＝＋－＠")  # spreadsheets fold the full-width forms
SKIPPED_BY_SPREADSHEETS = " \t\r\n\xa0\"'`"

Row = dict[str, str]


def as_csv(report: Report) -> str:
    r"""The measurements of the report's case.

    Returns
    -------
    Lines ended by ``\n``, in the order lesion, timepoint, quantity of the document: what was observed, what lies round
    it where that is known (``reference`` names the foramen), how it changed (``reference`` names against what), then
    the materials (``material`` names which; ``cement_volume_ml``, …), then the response categories, each with its
    reasons and source.
    """
    return rows_as_csv(measurement_rows(report.document))


def rows_as_csv(rows: Iterable[Row]) -> str:
    """The rows under one line of column names.

    Examples
    --------
    >>> rows_as_csv([]).startswith("case,lesion,")
    True
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def measurement_rows(document: Document) -> Iterator[Row]:
    """One row for each figure of the case document, by column name; a column that is left out is unknown.

    Examples
    --------
    >>> list(measurement_rows({"lesions": [], "materials": []}))
    []
    """
    for lesion in document["lesions"]:
        for observation in lesion["observations"]:
            yield from _observed(document, lesion, observation)
        for change in lesion["changes"]:
            yield from _changed(document, lesion, change)
    for material in document["materials"]:
        yield from _material(document, material)
    for response in document.get("responses", ()):
        yield {
            **_head(document, None, response["timepoint"]),
            "quantity": "response",
            **{name: safe_text(response.get(name)) for name in ("criterion", "category", "scope", "source")},
            "reasons": safe_text("; ".join(response["reasons"] or ())),
        }


def safe_text(text: object) -> str:
    r"""The text as a cell that no spreadsheet takes for a formula, with line ends as ``\n``.

    Examples
    --------
    >>> safe_text("=1+1"), safe_text(' "@SUM(A1)'), safe_text("left sacrum"), safe_text(None)
    ("'=1+1", '\' "@SUM(A1)', 'left sacrum', '')
    """
    plain = "" if text is None else visible(str(text).replace("\r\n", "\n").replace("\r", "\n"))
    core = plain.lstrip(SKIPPED_BY_SPREADSHEETS)
    return f"'{plain}" if core.startswith(FORMULA_STARTS) or plain.startswith(("\t", "\n")) else plain


def _observed(document: Document, lesion: Mapping[str, Any], observation: Mapping[str, Any]) -> Iterator[Row]:
    entry = series_entry(document, observation["series_uid"])
    head = {
        **_head(document, lesion, observation["timepoint"]),
        "series_uid": safe_text(observation["series_uid"]),
        "role": safe_text(entry.get("role")),
        "observation_method": safe_text(observation["method"]),
        "status": safe_text(observation["status"]),
        "primary": "yes" if observation["primary"] else "no",
        "findings": _codes(findings_of(document, observation)),
    }
    for name in OBSERVED:
        yield {**head, "quantity": name, **_figure(observation[name])}
    for name, foramen, quantity in known_figures(observation):
        yield {**head, "quantity": name, "reference": safe_text(foramen), **_figure(quantity)}
    breach = (observation.get("surroundings") or {}).get("breach")
    if breach is not None:
        yield {**head, "quantity": "breach", "category": "yes" if breach else "no"}


def _changed(document: Document, lesion: Mapping[str, Any], change: Mapping[str, Any]) -> Iterator[Row]:
    ends = {change["timepoint"], change.get("reference_timepoint")}
    rests_on = [finding for o in lesion["observations"] if o["timepoint"] in ends for finding in of_gaps(o["findings"])]
    head = _head(document, lesion, change["timepoint"]) | {
        "reference": safe_text(change["reference"]),
        "findings": _codes([*change.get("findings", ()), *rests_on]),
    }
    for name in CHANGED:
        yield {**head, "quantity": name, **_figure(change[name])}


def _material(document: Document, material: Mapping[str, Any]) -> Iterator[Row]:
    lesion = next((row for row in document["lesions"] if row["id"] == material["lesion"]), None)
    head = {
        **_head(document, lesion, material["timepoint"]),
        "material": safe_text(material["id"]),
        "findings": _codes(material["findings"]),
    }
    for name in OF_MATERIAL:
        yield {**head, "quantity": f"{material['kind']}_{name}", **_figure(material[name])}


def _head(document: Document, lesion: Mapping[str, Any] | None, timepoint_id: str) -> Row:
    timepoint = timepoint_of(document, timepoint_id)
    return {
        "case": safe_text(document["case_id"]),
        "lesion": safe_text(lesion["id"] if lesion else None),
        "lesion_name": safe_text(lesion["name"] if lesion else None),
        "timepoint": safe_text(timepoint_id),
        "date": safe_text(timepoint.get("date")),
        "days": _number(timepoint.get("days")),
    }


def _figure(quantity: Mapping[str, Any] | None) -> Row:
    if quantity is None:
        return {}
    low, high = quantity["interval95"] or (None, None)
    return {
        "value": _number(quantity["value"]),
        "low95": _number(low),
        "high95": _number(high),
        "unit": safe_text(quantity["unit"]),
        "method": safe_text(quantity["method"]),
    }


def _number(number: float | None) -> str:
    return "" if number is None else repr(number)


def _codes(findings: Sequence[Mapping[str, Any]]) -> str:
    return safe_text(";".join(dict.fromkeys(str(finding["code"]) for finding in findings)))
