from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from pipelines.reports.table import Cell, Column, Table, volumes_and_changes

Document = dict[str, Any]


def printed(document: Document) -> str:
    page = io.StringIO()
    Console(file=page, width=200, color_system=None).print(volumes_and_changes(document))
    return page.getvalue().replace("\u00a0", " ")


def test_a_row_does_not_miss_a_cell() -> None:
    with pytest.raises(ValueError, match="1 cells"):
        Table(caption="x", columns=(Column("a"),), rows=((Cell(text="1"), Cell(text="2")),))


def test_the_console_shows_each_volume_change_and_status(document: Document) -> None:
    lines = printed(document).splitlines()
    (baseline,) = [line for line in lines if "Left sacrum" in line and "T0" in line]
    assert "55.3 mL (49–61)" in baseline
    assert "accepted" in baseline
    last = next(n for n, line in enumerate(lines) if "Left sacrum" in line and "T4" in line)
    assert "−18.6 %" in lines[last]
    assert "proposed" in lines[last]
    assert "nadir" in lines[last + 1]
    (unseen,) = [line for line in lines if "Left sacrum" in line and "T1 CT" in line]
    assert "not assessable" in unseen
    assert "0.0" not in unseen


def test_names_are_neither_markup_nor_control_sequences(document: Document) -> None:
    document["case_id"] = document["lesions"][0]["name"] = "[red]x[/red]\x1b[2J"
    text = printed(document)
    assert text.count("[red]x[/red]") >= 2
    assert "\x1b" not in text


def test_importing_the_table_loads_no_console_library() -> None:
    code = "import sys, pipelines.reports.table; print(sorted({'rich', 'skimage', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
