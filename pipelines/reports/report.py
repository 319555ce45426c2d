"""The report of one case as a value: sentences, tables and figures, ready for any format.

Everything a format shows is decided here; :mod:`as_html`, :mod:`as_csv` and :mod:`as_json` only write it down. A report
names the case by its id alone and holds no patient name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.reports.case_tables import (
    findings_table,
    provenance_table,
    registrations_table,
    responses_table,
    timeline_table,
)
from pipelines.reports.document import (
    Document,
    display_name,
    exam_name,
    short_uids,
    timepoint_of,
    visible,
)
from pipelines.reports.lead import lead_sentence
from pipelines.reports.lesion_tables import changes_table, measurements_table
from pipelines.reports.material_tables import material_sentences, materials_table
from pipelines.reports.number import days_text
from pipelines.reports.surroundings_table import surroundings_table
from pipelines.reports.table import Table
from pipelines.reports.wording import RESEARCH_ONLY, status_text

__all__ = ["Figure", "LesionPart", "Report", "report_from"]

RECIST_SCOPE_NOTE = (
    "RECIST from the lesions measured here covers target lesions only; the overall response is NE until a reader signs "
    "statements on non-target lesions, new lesions and coverage."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing (SVG made by us) with its caption."""

    key: str
    svg: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionPart:
    """What the report says of one lesion.

    Parameters
    ----------
    id, name, kind, side
        Its identity in the case.
    lead
        The sentence that a hurried reader reads.
    provisional
        Whether any of its figures rests on a contour that no reader confirmed.
    """

    id: str
    name: str
    kind: str
    side: str
    lead: str
    provisional: bool
    measurements: Table
    changes: Table
    surroundings: Table
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A case's report; ``document`` is the case document that it was made from, unchanged."""

    document: Document
    case_id: str
    summary: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    lesions: tuple[LesionPart, ...]
    trajectory: Figure | None
    timeline: Table
    materials: Table
    material_notes: tuple[str, ...]
    responses: Table
    response_note: str
    registrations: Table
    findings: Table
    provenance: Table
    further_figures: tuple[Figure, ...]


def report_from(case: Document, figures: Mapping[str, str]) -> Report:
    """The report of a case.

    Parameters
    ----------
    case
        A parsed ``osteotrace.case/1`` document.
    figures
        SVG text by key: ``"L1-T0"`` is lesion L1 at timepoint T0 (a suffix ``-2`` names further ones), ``"trajectory"``
        the plot over time; figures of other keys are shown last.

    Examples
    --------
    >>> empty = {name: [] for name in ("timepoints", "procedures", "clinical", "lesions", "materials", "responses",
    ...     "registrations", "findings", "outputs")}
    >>> report = report_from({"schema": "osteotrace.case/1", "case_id": "HCC-001", "provenance": {}, **empty}, {})
    >>> report.case_id, report.notices[-1]
    ('HCC-001', 'No lesion was given for this case; only radiodense material is reported.')
    """
    uids = short_uids(case)
    parts = tuple(_lesion_part(case, lesion, figures, uids) for lesion in case["lesions"])
    shown = {figure.key for part in parts for figure in part.figures} | {"trajectory"}
    return Report(
        document=case,
        case_id=visible(str(case["case_id"] or "unnamed case")),
        summary=_summary(case),
        notices=_notices(case),
        lesions=parts,
        trajectory=Figure(key="trajectory", svg=figures["trajectory"], caption="") if "trajectory" in figures else None,
        timeline=timeline_table(case),
        materials=materials_table(case),
        material_notes=material_sentences(case),
        responses=responses_table(case),
        response_note=_response_note(case),
        registrations=registrations_table(case),
        findings=findings_table(case, uids),
        provenance=provenance_table(case, uids),
        further_figures=tuple(
            Figure(key=key, svg=svg, caption=visible(key)) for key, svg in figures.items() if key not in shown
        ),
    )


def _lesion_part(
    case: Document, lesion: Mapping[str, Any], figures: Mapping[str, str], uids: Mapping[str, str]
) -> LesionPart:
    return LesionPart(
        id=visible(lesion["id"]),
        name=display_name(lesion),
        kind=visible(lesion["kind"] or ""),
        side=visible(lesion["side"] or ""),
        lead=lead_sentence(case, lesion),
        provisional=any(o["status"] == "proposed" for o in lesion["observations"]),
        measurements=measurements_table(case, lesion, uids),
        changes=changes_table(case, lesion),
        surroundings=surroundings_table(lesion),
        figures=tuple(
            Figure(key=key, svg=figures[key], caption=_figure_caption(case, lesion, timepoint["id"]))
            for timepoint in case["timepoints"]
            for key in _figure_keys(lesion["id"], timepoint["id"], figures)
        ),
    )


def _figure_keys(lesion_id: str, timepoint_id: str, figures: Mapping[str, str]) -> list[str]:
    stem = f"{lesion_id}-{timepoint_id}"
    return [key for key in figures if key == stem or key.startswith(f"{stem}-")]


def _figure_caption(case: Document, lesion: Mapping[str, Any], timepoint_id: str) -> str:
    observation = next((o for o in lesion["observations"] if o["timepoint"] == timepoint_id and o["primary"]), None)
    days = timepoint_of(case, timepoint_id).get("days")
    words = [visible(timepoint_id), "" if days is None else f"day {days_text(days)}"]
    if observation is not None:
        words += [exam_name(case, observation["series_uid"]), status_text(observation)]
    return " · ".join(word for word in words if word)


def _summary(case: Document) -> tuple[tuple[str, str], ...]:
    dates = sorted(t["date"] for t in case["timepoints"] if t["date"])
    span = "" if not dates else dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    facts = (
        ("Exams", f"{len(case['timepoints'])}" + (f" ({span})" if span else "")),
        ("Lesions", str(len(case["lesions"]))),
        ("Procedures", str(len(case["procedures"]))),
        ("Confirmed", _confirmed_text(case)),
        ("Findings", _findings_text(case)),
    )
    return tuple((name, visible(text)) for name, text in facts)


def _contours(case: Document) -> list[str]:
    statuses = [o["status"] for lesion in case["lesions"] for o in lesion["observations"]]
    return [status for status in statuses if status in ("proposed", "accepted")]


def _confirmed_text(case: Document) -> str:
    contours = _contours(case)
    return f"{contours.count('accepted')} of {len(contours)} contours" if contours else "no contour"


def _findings_text(case: Document) -> str:
    severities = [row[1].text for row in findings_table(case, {}).rows]
    counts = ((severities.count(word), word) for word in ("error", "warning", "info"))
    words = [
        f"{count} {'note' if word == 'info' else word}{'s' if count != 1 else ''}" for count, word in counts if count
    ]
    return ", ".join(words) or "none"


def _notices(case: Document) -> tuple[str, ...]:
    notices = [RESEARCH_ONLY]
    proposed = _contours(case).count("proposed")
    if proposed:
        notices.append(
            "Figures from contours that no reader has confirmed are provisional: they are marked with a hollow circle "
            "(○) and give no response category."
        )
    if not case["lesions"]:
        notices.append("No lesion was given for this case; only radiodense material is reported.")
    return tuple(notices)


def _response_note(case: Document) -> str:
    recist = [row for row in case["responses"] if str(row["criterion"]).startswith("RECIST")]
    if recist and not any(str(row["scope"] or "").startswith("overall") for row in recist):
        return RECIST_SCOPE_NOTE
    if not case["responses"]:
        proposed = _contours(case).count("proposed")
        return (
            f"No category: {proposed} of the contours are proposed and not confirmed by a reader."
            if proposed
            else "No category could be given."
        )
    return ""
