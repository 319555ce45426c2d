"""Rows and columns as a value that any format can draw, and the console's table of volumes and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipelines.reports.document import Document, display_name, exam_name, timepoint_of, visible
from pipelines.reports.number import UNKNOWN, change_interval_text, change_text, days_text, interval_text, quantity_text

if TYPE_CHECKING:
    import rich.table

__all__ = [
    "Cell",
    "Column",
    "Kind",
    "Table",
    "Tone",
    "change_cell",
    "quantity_cell",
    "text_cell",
    "volumes_and_changes",
]


class Kind(StrEnum):
    """How a column reads: words to the left, figures to the right."""

    TEXT = "text"
    NUMBER = "number"


class Tone(StrEnum):
    """How loudly a cell speaks."""

    PLAIN = "plain"
    MUTED = "muted"
    PROVISIONAL = "provisional"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading and how it reads."""

    head: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one cell says.

    Parameters
    ----------
    text
        For people.
    detail
        A second, quieter line: the 95 % interval of a figure, the explanation of a word.
    value
        The unrounded figure that ``text`` shows, None for words and for unknown figures.
    method
        How the figure was obtained.
    tone
        How loudly it speaks.
    """

    text: str
    detail: str = ""
    value: float | None = None
    method: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A caption, columns, and rows whose first cell names the row.

    Raises
    ------
    ValueError
        If a row does not fill the columns.

    Examples
    --------
    >>> Table(caption="Volumes", columns=(Column("Lesion"),), rows=((Cell(text="L1"),),)).rows[0][0].text
    'L1'
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row of {self.caption!r} has {len(self.columns)} cells")


def text_cell(text: object, *, detail: str = "", tone: Tone = Tone.PLAIN) -> Cell:
    """Words, or a dash where there are none.

    Examples
    --------
    >>> text_cell(None).text, text_cell("L1").text
    ('—', 'L1')
    """
    shown = UNKNOWN if text is None or text == "" else visible(str(text))
    return Cell(
        text=shown, detail=visible(detail), tone=Tone.MUTED if shown == UNKNOWN and tone is Tone.PLAIN else tone
    )


def quantity_cell(quantity: Mapping[str, Any] | None, *, tone: Tone = Tone.PLAIN) -> Cell:
    """A figure with its interval; a dash where it is unknown.

    Examples
    --------
    >>> quantity_cell({"value": 48.2, "unit": "mL", "method": "voxel sum", "interval95": [42.0, 55.0]}).detail
    '42–55'
    """
    if quantity is None:
        return Cell(text=UNKNOWN, tone=Tone.MUTED)
    return Cell(
        text=quantity_text(quantity),
        detail=interval_text(quantity),
        value=float(quantity["value"]),
        method=visible(quantity["method"]),
        tone=tone,
    )


def change_cell(quantity: Mapping[str, Any] | None, *, tone: Tone = Tone.PLAIN) -> Cell:
    """A change with its sign and its interval; a dash where it is unknown.

    Examples
    --------
    >>> change_cell({"value": 4.26, "unit": "%", "method": "ratio", "interval95": None}).text.replace(" ", " ")
    '+4.3 %'
    """
    if quantity is None:
        return Cell(text=UNKNOWN, tone=Tone.MUTED)
    return Cell(
        text=change_text(quantity),
        detail=change_interval_text(quantity),
        value=float(quantity["value"]),
        method=visible(quantity["method"]),
        tone=tone,
    )


def volumes_and_changes(document: Document) -> rich.table.Table:
    """The case's volumes and changes for a terminal: one line for each lesion, exam and reference.

    Parameters
    ----------
    document
        A parsed ``osteotrace.case/1`` document.

    Examples
    --------
    >>> table = volumes_and_changes({"case_id": "HCC-001", "timepoints": [], "lesions": []})
    >>> str(table.title), table.row_count
    ('HCC-001: volumes and changes', 0)
    """
    from rich.table import Table as ConsoleTable
    from rich.text import Text

    # Everything is a Text: a lesion called "[red]" must stay a word and not become markup.
    table = ConsoleTable(title=Text(f"{visible(str(document['case_id']))}: volumes and changes"), title_style="bold")
    for head in ("Lesion", "Exam", "Day"):
        table.add_column(head)
    for head in ("Gross (95 %)", "Cement/glue", "Non-material", "Change of gross"):
        table.add_column(head, justify="right")
    for head in ("against", "Beyond error", "Status"):
        table.add_column(head)
    for lesion in document["lesions"]:
        for row in _console_rows(document, lesion):
            table.add_row(*(Text(cell) for cell in row))
        table.add_section()
    return table


def _console_rows(document: Document, lesion: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for observation in (o for o in lesion["observations"] if o["primary"]):
        timepoint = timepoint_of(document, observation["timepoint"])
        exam = f"{observation['timepoint']} {exam_name(document, observation['series_uid'])}".strip()
        interval = interval_text(observation["volume_ml"])
        gross = quantity_text(observation["volume_ml"]) + (f" ({interval})" if interval else "")
        head = (
            display_name(lesion),
            visible(exam),
            days_text(timepoint.get("days")),
            gross,
            quantity_text(observation["material_ml"]),
            quantity_text(observation["net_volume_ml"]),
        )
        changes = [c for c in lesion["changes"] if c["timepoint"] == observation["timepoint"]]
        status = visible(observation["status"].replace("_", " "))
        rows.append((*head, *(_console_change(changes[0]) if changes else ("", "", "")), status))
        rows.extend(("", "", "", "", "", "", *_console_change(change), "") for change in changes[1:])
    return rows


def _console_change(change: Mapping[str, Any]) -> tuple[str, str, str]:
    beyond = {True: "yes", False: "no", None: UNKNOWN}[change["exceeds_error"]]
    return change_text(change["volume_percent"]), visible(change["reference"]), beyond
