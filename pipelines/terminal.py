"""What people see of a command: results and remarks, a case's table, a batch's rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.documents import Document

__all__ = ["Speaker", "quantity_text", "say_findings", "series_line", "show_batch", "show_case"]

FILE_WIDTH = 160  # columns of a table that goes into a file or a pipe


class Speaker:
    """What people see: nothing with -q, results and remarks by default, steps with -v.

    Results go to stdout, unless that belongs to the JSON document.
    """

    level = 0
    stdout_is_taken = False

    @classmethod
    def say(cls, text: str) -> None:
        if cls.level >= 0:
            click.echo(text, err=cls.stdout_is_taken)

    @classmethod
    def detail(cls, text: str) -> None:
        if cls.level > 0:
            click.echo(text, err=True)


def series_line(row: Document) -> str:
    shape = "×".join(map(str, row["shape"])) if row["shape"] else "—"
    return (
        f"{row['verdict']:<9} {row['modality']:<2} {row['role'] or '—':<5} {row['acquired'] or 'undated':<19} "
        f"{shape:<12} {row['volume_id'][-24:]} {row['code'] or ''}"
    )


def show_batch(document: Document) -> None:
    """Every row that is not whole, what would be done, and the sum."""
    for row in document["cases"]:
        if row["code"]:
            names = f" [{', '.join(row['folders'])}]" if "folders" in row else ""
            Speaker.say(f"{row['status']:<7} {row['case']}{names} {row['code']}: {row['message']}")
    for case in document.get("planned", ()):
        Speaker.say(f"to do   {case}")
    say_findings(document["findings"])
    counts = document["counts"]
    rest = ", ".join(f"{counts[name]} {name}" for name in ("done", "partial", "refused", "failed", "resumed"))
    Speaker.say(f"{counts['cases']} cases: {rest}")


def show_case(document: Document, folder: Path) -> None:
    """The table that a person reads first, and where the report lies."""
    if Speaker.level < 0:
        return
    from rich.console import Console

    from pipelines.reports.table import volumes_and_changes

    console = Console(stderr=Speaker.stdout_is_taken)
    if not console.is_terminal:
        console = Console(stderr=Speaker.stdout_is_taken, width=FILE_WIDTH)
    console.print(volumes_and_changes(document))
    Speaker.say(f"report: {folder / 'report.html'}")


def quantity_text(quantity: Document | None) -> str:
    """A figure and its interval, as a person reads them.

    Examples
    --------
    >>> quantity_text({"value": 12.34, "unit": "mL", "method": "", "interval95": [11.8, 12.9]})
    '12.3 mL (95 % 11.8 to 12.9)'
    >>> quantity_text(None)
    '—'
    """
    if quantity is None:
        return "—"
    bounds = quantity["interval95"]
    interval = "" if bounds is None else f" (95 % {bounds[0]:.3g} to {bounds[1]:.3g})"
    return f"{quantity['value']:.3g} {quantity['unit']}{interval}"


def say_findings(findings: list[Document]) -> None:
    for finding in findings:
        Speaker.say(f"  {finding['severity']}: {finding['code']}: {finding['message']}")
