"""What lies round one lesion, exam by exam: distances to canal and foramina, and its part outside bone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipelines.reports.document import visible
from pipelines.reports.table import Cell, Column, Kind, Table, Tone, quantity_cell, text_cell

__all__ = ["known_figures", "surroundings_table"]

BREACHES = {True: "yes", False: "no", None: None}


def surroundings_table(lesion: Mapping[str, Any]) -> Table:
    """One row for each exam on which the lesion is outlined; none where nobody outlined what lies round it."""
    measured = [o for o in lesion["observations"] if o["volume_ml"] is not None]
    told = any(True for observation in measured for _ in known_figures(observation))
    rows = tuple(_row(observation) for observation in measured) if told else ()
    columns = (
        Column("Exam"),
        Column("To the canal", Kind.NUMBER),
        Column("To the nearest foramen", Kind.NUMBER),
        Column("Outside bone", Kind.NUMBER),
        Column("Breach"),
        Column("Not known because"),
    )
    caption = "Surroundings as outlined by a reader; 0 mm is contact or overlap; the second line is the 95 % interval"
    return Table(caption=caption, columns=columns, rows=rows)


def known_figures(observation: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """Name, foramen (else empty) and quantity of each figure, foramina that do not reach the exam included."""
    around = observation.get("surroundings") or {}
    if around.get("canal_mm") is not None:
        yield "canal_mm", "", around["canal_mm"]
    for foramen in around.get("foramina_mm") or ():
        yield "foramen_mm", foramen["name"], foramen["distance_mm"]
    if around.get("extraosseous_ml") is not None:
        yield "extraosseous_ml", "", around["extraosseous_ml"]


def _row(observation: Mapping[str, Any]) -> tuple[Cell, ...]:
    around = observation.get("surroundings") or {}
    tone = Tone.PROVISIONAL if observation["status"] == "proposed" else Tone.PLAIN
    return (
        text_cell(observation["timepoint"]),
        quantity_cell(around.get("canal_mm"), tone=tone),
        _nearest_foramen(around.get("foramina_mm") or (), tone),
        quantity_cell(around.get("extraosseous_ml"), tone=tone),
        text_cell(BREACHES[around.get("breach")]),
        text_cell(around.get("reason")),
    )


def _nearest_foramen(foramina: Sequence[Mapping[str, Any]], tone: Tone) -> Cell:
    """The least distance with the foramen's name; a dash where one of them is unknown, as it may be the nearest."""
    if not foramina or any(row["distance_mm"] is None for row in foramina):
        return quantity_cell(None)
    nearest = min(foramina, key=lambda row: row["distance_mm"]["value"])
    cell = quantity_cell(nearest["distance_mm"], tone=tone)
    touching = sum(row["distance_mm"]["value"] == 0 for row in foramina)
    more = f" and {touching - 1} more" if touching > 1 else ""
    name = visible(f"{nearest['name'].replace('_', ' ')}{more}")
    return replace(cell, text=f"{cell.text} ({name})")
