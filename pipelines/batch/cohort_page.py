"""The cohort on one page: what became of every case, and of every lesion in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.batch.batch_document import Row, is_partial
from pipelines.batch.course import Course
from pipelines.batch.outcome import End
from pipelines.batch.waterfall import waterfall_svg
from pipelines.reports.document import visible
from pipelines.reports.page import page
from pipelines.reports.table import Cell, Column, Kind, Table, Tone, change_cell, quantity_cell, text_cell
from pipelines.reports.wording import RESEARCH_ONLY

__all__ = ["CaseLine", "cohort_page"]

ENDS = {End.DONE: Tone.PLAIN, End.REFUSED: Tone.WARNING, End.FAILED: Tone.ERROR}
PROVISIONAL = (
    "Figures from contours that no reader has confirmed are provisional: they are marked with a hollow circle (○), and "
    "their bars are hollow."
)
LESION_COLUMNS = (
    Column("Case"),
    Column("Lesion"),
    Column("Baseline", Kind.NUMBER),
    Column("Nadir", Kind.NUMBER),
    Column("Last", Kind.NUMBER),
    Column("Best change", Kind.NUMBER),
    Column("Last change", Kind.NUMBER),
)
CASE_COLUMNS = (
    Column("Case"),
    Column("Status"),
    Column("Exams", Kind.NUMBER),
    Column("Lesions", Kind.NUMBER),
    Column("Findings", Kind.NUMBER),
    Column("Why"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """A case in the table of cases; the counts are None where the case is not done."""

    row: Row
    exams: int | None = None
    lesions: int | None = None


def cohort_page(cases: Sequence[CaseLine], courses: Sequence[Course]) -> str:
    """The page; the same cases always give the same text.

    Examples
    --------
    >>> "no lesion has a change to show" in cohort_page([], [])
    True
    """
    return page(
        "pipelines.batch",
        "cohort.html.j2",
        summary=summary(cases, courses),
        notices=[RESEARCH_ONLY, *([PROVISIONAL] if any(is_proposed(course) for course in courses) else [])],
        waterfall=waterfall_svg(courses),
        lesions=lesion_table(courses),
        cases=case_table(cases),
    )


def summary(cases: Sequence[CaseLine], courses: Sequence[Course]) -> list[tuple[str, str]]:
    ends = Counter(case.row.outcome.end for case in cases)
    facts = [("Cases", len(cases)), *((str(end).capitalize(), ends[end]) for end in End)]
    partial = sum(is_partial(case.row.outcome) for case in cases)
    return [(name, str(count)) for name, count in (*facts, ("Of them partial", partial), ("Lesions", len(courses)))]


def is_proposed(course: Course) -> bool:
    return any(o is not None and o["status"] == "proposed" for o in (course.baseline, course.nadir, course.last))


def lesion_table(courses: Sequence[Course]) -> Table:
    """Volumes at baseline, nadir and last comparable exam, with interval and status."""
    rows = [
        (
            text_cell(course.case),
            text_cell(course.lesion, detail=course.name if course.name != course.lesion else ""),
            *(volume_cell(observation) for observation in (course.baseline, course.nadir, course.last)),
            change_cell(course.best, tone=tone_of(provisional=course.provisional)),
            change_cell(course.latest, tone=tone_of(provisional=is_proposed(course))),
        )
        for course in courses
    ]
    caption = "Gross volumes; the second line is exam, status and 95 % interval"
    return Table(caption=caption, columns=LESION_COLUMNS, rows=tuple(rows))


def tone_of(*, provisional: bool) -> Tone:
    return Tone.PROVISIONAL if provisional else Tone.PLAIN


def volume_cell(observation: Mapping[str, Any] | None) -> Cell:
    if observation is None:
        return text_cell(None)
    figure = quantity_cell(observation["volume_ml"], tone=tone_of(provisional=observation["status"] == "proposed"))
    words = (str(observation["timepoint"]), str(observation["status"]), figure.detail)
    return Cell(
        text=figure.text,
        detail=visible(" · ".join(word for word in words if word)),
        value=figure.value,
        method=figure.method,
        tone=figure.tone,
    )


def case_table(cases: Sequence[CaseLine]) -> Table:
    rows = [
        (
            text_cell(case.row.case),
            text_cell(status_text(case.row), tone=tone_of_row(case.row)),
            *(text_cell(count) for count in (case.exams, case.lesions, case.row.outcome.findings)),
            text_cell(case.row.outcome.code, detail=case.row.outcome.message),
        )
        for case in cases
    ]
    return Table(caption="Every folder of the batch", columns=CASE_COLUMNS, rows=tuple(rows))


def status_text(row: Row) -> str:
    return "done, partial" if is_partial(row.outcome) else str(row.outcome.end)


def tone_of_row(row: Row) -> Tone:
    return Tone.WARNING if is_partial(row.outcome) else ENDS[row.outcome.end]
