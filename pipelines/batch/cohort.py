"""All done cases together: one tidy table as CSV and Parquet, and one page. No clock: any batch gives the same bytes.

Only cases that are done today count. An older case.json in the folder of a case that is refused now, or has failed, is
no result of what lies in ROOT.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.batch.batch_document import Row
from pipelines.batch.cohort_page import CaseLine, cohort_page
from pipelines.batch.course import Course, courses_of
from pipelines.batch.outcome import End
from pipelines.case.document import read_document
from pipelines.reports.as_csv import COLUMNS, measurement_rows, rows_as_csv
from pipelines.reports.as_csv import Row as Figure
from pipelines.workspace import CaseFolder, atomic_write

__all__ = ["write_cohort"]

NUMBERS = ("days", "value", "low95", "high95")


def write_cohort(workspace: Path, rows: Iterable[Row]) -> None:
    """Write cohort.csv, cohort.parquet and cohort.html from the case.json of every done case, in order of their ids.

    Raises
    ------
    RecordError
        A case.json is gone or damaged since.
    InputError
        OUTPUT_NOT_WRITABLE.
    """
    text = io.StringIO()
    text.write(rows_as_csv([]))
    tables = [table_of([])]
    courses: list[Course] = []
    cases: list[CaseLine] = []
    for row in sorted(rows, key=lambda row: (row.case, row.folders)):
        if row.outcome.end is not End.DONE:
            cases.append(CaseLine(row=row))
            continue
        document = read_document(CaseFolder(workspace / row.case))
        figures = list(measurement_rows(document))
        text.write(rows_as_csv(figures).partition("\n")[2])
        tables.append(table_of(figures))
        courses += courses_of(document)
        cases.append(CaseLine(row=row, exams=len(document["timepoints"]), lesions=len(document["lesions"])))
    atomic_write(workspace / "cohort.csv", text.getvalue().encode())
    atomic_write(workspace / "cohort.parquet", as_parquet(tables))
    atomic_write(workspace / "cohort.html", cohort_page(cases, courses).encode())


def table_of(figures: Sequence[Figure]) -> pa.Table:
    """The rows of the CSV with typed columns: figures as numbers, ``primary`` as truth, an empty cell as null.

    Examples
    --------
    >>> table = table_of([{"case": "C1", "value": "1.5"}])
    >>> table.column("value").to_pylist(), table.column("unit").to_pylist()
    ([1.5], [None])
    """
    return pa.table({name: column(name, (figure.get(name, "") for figure in figures)) for name in COLUMNS})


def column(name: str, cells: Iterator[str]) -> pa.Array:
    if name in NUMBERS:
        return pa.array([float(cell) if cell else None for cell in cells], pa.float64())
    if name == "primary":
        return pa.array([cell == "yes" if cell else None for cell in cells], pa.bool_())
    return pa.array([cell or None for cell in cells], pa.string())


def as_parquet(tables: Sequence[pa.Table]) -> bytes:
    """The tables under one another as a Parquet file; however the rows are dealt out to them, the bytes are the same.

    Examples
    --------
    >>> one, two = table_of([{"case": "C1"}]), table_of([{"case": "C2"}])
    >>> as_parquet([one, two]) == as_parquet([pa.concat_tables([one, two])])
    True
    """
    file = io.BytesIO()
    pq.write_table(pa.concat_tables(tables).combine_chunks(), file, compression="zstd")
    return file.getvalue()
