"""Cement, glue and metal on each CT: the figures, and what they do and do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from imaging.measurement.leak import EXTRAOSSEOUS_TUMOUR
from pipelines.reports.document import Document, timepoint_of, visible
from pipelines.reports.number import NBSP, days_text
from pipelines.reports.remarks import codes_text
from pipelines.reports.table import Cell, Column, Kind, Table, Tone, quantity_cell, text_cell
from pipelines.reports.wording import fill_sentence, recovery_sentence

__all__ = ["material_sentences", "materials_table"]

NOT_EXCLUDED = "cannot be excluded"
IN_NERVE, IN_TUMOUR, BEYOND = "In canal or foramina", "In tumour outside bone", "Outside lesion and bone"


def materials_table(document: Document) -> Table:
    """One row for each radiodense material on each CT."""
    rows = tuple(
        (
            text_cell(f"{row['timepoint']} · {row['id']}", detail=_day_detail(document, row["timepoint"])),
            text_cell(
                ("glue" if row["kind"] == "embolic" else row["kind"]),
                detail="saturated on CT" if row["saturated"] else "",
            ),
            text_cell(row["lesion"], detail=str(row["side"] or "")),
            quantity_cell(row["volume_ml"]),
            quantity_cell(row["inside_lesion_ml"]),
            quantity_cell(row["fill_fraction"]),
            quantity_cell(row["inside_bone_ml"]),
            _neural_cell(row),
            quantity_cell(row["leak_ml"]),
            text_cell(_injected_text(row["injected"])),
            _recovered_cell(row),
            text_cell(codes_text(row["findings"])),
        )
        for row in document["materials"]
    )
    columns = (
        Column("CT"),
        Column("Material"),
        Column("Lesion"),
        Column("Volume", Kind.NUMBER),
        Column("In lesion", Kind.NUMBER),
        Column("Of lesion", Kind.NUMBER),
        Column("In bone outside lesion", Kind.NUMBER),
        Column("Canal, foramina", Kind.NUMBER),
        Column("Leaked", Kind.NUMBER),
        Column("Injected"),
        Column("Imaged of injected", Kind.NUMBER),
        Column("Findings"),
    )
    return Table(
        caption="Cement, glue and metal on CT; the second line is the 95 % interval", columns=columns, rows=rows
    )


def material_sentences(document: Document) -> tuple[str, ...]:
    """For each material what its figures do and do not say, and where it left the bone."""
    sentences = []
    for row in document["materials"]:
        name = "glue" if row["kind"] == "embolic" else row["kind"]
        place = f"{row['timepoint']} {name}" + (f", {row['lesion']}" if row["lesion"] else ", beside no lesion")
        leaks = [_neural_sentence(row), _leak_sentence(row["leaks"])]
        parts = [_sentence(recovery_sentence(row)), fill_sentence(row), *leaks]
        text = " ".join(part for part in parts if part)
        if text:
            sentences.append(visible(f"{place}: {text}"))
    return tuple(sentences)


def _day_detail(document: Document, timepoint_id: str) -> str:
    days = timepoint_of(document, timepoint_id).get("days")
    return "" if days is None else f"day {days_text(days)}"


def _injected_text(injected: Sequence[Mapping[str, Any]]) -> str:
    return " + ".join(
        f"{'?' if row.get('ml') is None else format(row['ml'], 'g')}{NBSP}mL {row.get('agent') or ''}".strip()
        + (f" ({row['procedure']})" if row.get("procedure") else "")
        for row in injected
    )


def _recovered_cell(row: Mapping[str, Any]) -> Cell:
    if row["kind"] == "embolic" and row["injected"]:
        return text_cell("not interpretable", tone=Tone.MUTED)
    return quantity_cell(row["recovered_fraction"])


def _in_doubt(row: Mapping[str, Any]) -> bool:
    return any(finding["code"] == "NEURAL_NOT_EXCLUDED" for finding in row["findings"])


def _neural_cell(row: Mapping[str, Any]) -> Cell:
    """A dash where canal and foramina are not modelled; in words where they are and none cannot be said."""
    if row["neural_ml"] is None and _in_doubt(row):
        return text_cell(NOT_EXCLUDED, tone=Tone.WARNING)
    cell, told = quantity_cell(row["neural_ml"]), row["neural_ml"]
    if told is None or told["value"] > 0 or told["interval95"] is None:
        return cell
    return replace(cell, detail=f"0–{told['interval95'][1]:.2g}")  # a tenth of a mL, as others end in, is no bound here


def _neural_sentence(row: Mapping[str, Any]) -> str:
    if not _in_doubt(row):
        return ""
    return f"{'More material' if row['neural_ml'] else 'Material'} in canal and foramina {NOT_EXCLUDED}."


def _leak_sentence(leaks: Sequence[Mapping[str, Any]]) -> str:
    told: dict[str, list[str]] = {IN_NERVE: [], IN_TUMOUR: [], BEYOND: []}
    for leak in leaks:
        in_tumour = leak.get("compartment") == EXTRAOSSEOUS_TUMOUR
        told[IN_NERVE if leak.get("neural") else IN_TUMOUR if in_tumour else BEYOND].append(_leak_text(leak))
    return " ".join(f"{where}: {'; '.join(parts)}." for where, parts in told.items() if parts)


def _leak_text(leak: Mapping[str, Any]) -> str:
    volume, distance = _number(leak.get("volume_ml")), _number(leak.get("distance_mm"))
    size = "" if volume is None else f" {volume:.2f}{NBSP}mL"
    away = "" if distance is None or leak.get("neural") else f", {distance:.1f}{NBSP}mm from canal or foramen"
    place = str(leak.get("compartment") or "unnamed").replace("_", " ")
    return f"{'' if place == EXTRAOSSEOUS_TUMOUR else place}{size}{away}".strip()


def _number(figure: object) -> float | None:
    """The value of a plain number or of a quantity."""
    if isinstance(figure, Mapping):
        figure = figure.get("value")
    return float(figure) if isinstance(figure, (int, float)) else None


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""
