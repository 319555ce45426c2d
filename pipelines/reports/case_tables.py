"""What concerns the case as a whole: responses, registrations, the time axis, findings and origin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imaging.provenance import sha256_hex
from pipelines.reports.document import Document, day_of, exam_name, seen_after, series_entry, shortened
from pipelines.reports.number import MINUS, NBSP, days_text
from pipelines.reports.remarks import codes_text, remarks_of
from pipelines.reports.table import Cell, Column, Kind, Table, Tone, text_cell
from pipelines.reports.wording import procedure_text

__all__ = ["findings_table", "provenance_table", "registrations_table", "responses_table", "timeline_table"]

SHOWN_DIGEST = 12  # hexadecimal digits: enough to compare two reports by eye
RANKS = {"exam": 0, "procedure": 1, "exam after": 2, "clinical": 3}  # within one day
UNIT_ENDINGS = {"_mm": f"{NBSP}mm", "_deg": "°"}  # of names in a registration's evidence
SEVERITY_TONES = {"error": Tone.ERROR, "warning": Tone.WARNING}


def responses_table(document: Document) -> Table:
    """One row for each exam and criterion, with the reasons and where the criterion is published."""
    rows = tuple(
        (
            text_cell(row["timepoint"]),
            text_cell(row["criterion"]),
            text_cell(row["category"]),
            text_cell(_scope_text(document, row)),
            _reasons_cell((*(row["reasons"] or ("",)), *((f"source: {row['source']}",) if row.get("source") else ()))),
        )
        for row in document["responses"]
    )
    heads = ("Exam", "Criterion", "Category", "Scope", "Reasons")
    columns = tuple(Column(head) for head in heads)
    return Table(caption="Response categories", columns=columns, rows=rows)


def registrations_table(document: Document) -> Table:
    """One row for each pair of exams that were laid over one another."""
    rows = tuple(
        (
            text_cell(_pair_text(row)),
            text_cell(row.get("verdict"), tone=Tone.WARNING if row.get("verdict") == "rejected" else Tone.PLAIN),
            text_cell(_evidence_text(row.get("evidence") or {})),
            text_cell(codes_text(row.get("findings") or ())),
        )
        for row in document["registrations"]
    )
    columns = (Column("Exams"), Column("Verdict"), Column("Evidence"), Column("Findings"))
    return Table(caption="Registration of exams to one another", columns=columns, rows=rows)


def timeline_table(document: Document) -> Table:
    """Exams, procedures and clinical entries on one time axis; what is not dated comes last."""
    events: list[tuple[float | None, int, str, str, str]] = []
    for timepoint in document["timepoints"]:
        names = [exam_name(document, _series_uid(entry)) for entry in timepoint["series"] or ()]
        text = f"{timepoint['id']}: {', '.join(dict.fromkeys(name for name in names if name)) or 'imaging'}"
        after = any(
            seen_after(document, timepoint["id"], procedure)
            for procedure in document["procedures"]
            if timepoint["days"] is not None and day_of(document, procedure) == timepoint["days"]
        )
        rank = RANKS["exam after"] if after else RANKS["exam"]
        events.append((timepoint["days"], rank, str(timepoint["date"] or ""), "exam", text))
    for procedure in document["procedures"]:
        day, rank = day_of(document, procedure), RANKS["procedure"]
        events.append((day, rank, _when_text(procedure), "procedure", procedure_text(procedure)))
    for entry in document["clinical"]:
        day, rank = day_of(document, entry), RANKS["clinical"]
        events.append((day, rank, _when_text(entry), "clinical", _clinical_text(entry)))
    events.sort(key=lambda event: (event[0] is None, event[0] or 0.0, *event[1:3]))
    rows = tuple(
        (text_cell(days_text(day)), text_cell(when), text_cell(kind), text_cell(text))
        for day, _, when, kind, text in events
    )
    columns = (Column("Day", Kind.NUMBER), Column("Date"), Column("Kind"), Column("What"))
    return Table(caption="Exams, procedures and clinical record", columns=columns, rows=rows)


def findings_table(document: Document, uids: Mapping[str, str]) -> Table:
    """Every finding of the document once; a series is named by its exam as well."""
    named = {uid: f"{short}{_exam_of(document, uid)}" for uid, short in uids.items()}
    rows = tuple(
        (
            text_cell(remark.code),
            text_cell(remark.severity, tone=SEVERITY_TONES.get(remark.severity, Tone.PLAIN)),
            text_cell(shortened(remark.message, uids)),
            text_cell(shortened(remark.where, named), detail=shortened("; ".join(remark.places), uids)),
        )
        for remark in remarks_of(document)
    )
    columns = (Column("Code"), Column("Severity"), Column("What was found"), Column("Where"))
    return Table(caption="Findings", columns=columns, rows=rows)


def provenance_table(document: Document, uids: Mapping[str, str]) -> Table:
    """What made the figures, told what, from which series."""
    origin = document["provenance"]
    parameters = origin.get("parameters")
    rows = [
        ("Software", _software_text(origin.get("software"))),
        ("Parameters", f"sha256 {_digest(parameters)}" if parameters is not None else ""),
        ("Newest image", str(origin.get("created") or "")),
        ("Schema", str(document.get("schema") or "")),
    ]
    for source in origin.get("inputs") or ():
        uid = str(source.get("series_uid") or "")
        name = exam_name(document, uid)
        text = (
            f"{shortened(uid, uids)}{f' ({name})' if name else ''}, sha256 {str(source.get('sha256'))[:SHOWN_DIGEST]}"
        )
        rows.append(("Input series", text))
    cells = tuple((text_cell(name), text_cell(text)) for name, text in rows)
    return Table(caption="Origin of the figures", columns=(Column("What"), Column("Value")), rows=cells)


def _series_uid(entry: object) -> str:
    """A series is listed as its record, or as its UID alone."""
    return str(entry.get("series_uid") or "") if isinstance(entry, Mapping) else str(entry)


def _exam_of(document: Document, uid: str) -> str:
    """`` (T1 CT)`` for a series of the document, nothing for any other UID."""
    for timepoint in document["timepoints"]:
        if series_entry({"timepoints": [timepoint]}, uid):
            return f" ({timepoint['id']} {exam_name(document, uid)})"
    return ""


def _scope_text(document: Document, row: Mapping[str, Any]) -> str:
    """What the category covers; RECIST of target lesions leaves the overall response open unless a row closes it."""
    scope = str(row["scope"] or "")
    if not str(row["criterion"]).startswith("RECIST") or "target" not in scope or "overall" in scope:
        return scope
    overall = [
        other
        for other in document["responses"]
        if other["timepoint"] == row["timepoint"] and str(other["scope"] or "").startswith("overall")
    ]
    return scope if overall else f"{scope}{'' if 'only' in scope else ' only'}; overall NE"


def _reasons_cell(reasons: Sequence[str]) -> Cell:
    """The deciding reason, and below it what else a reader must know."""
    return text_cell(reasons[0] if reasons else "", detail="; ".join(reasons[1:]))


def _pair_text(row: Mapping[str, Any]) -> str:
    fixed, moving = row.get("fixed"), row.get("moving")
    return f"{moving or '?'} onto {fixed or '?'}"


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    words = []
    for name, value in evidence.items():
        unit = next((unit for ending, unit in UNIT_ENDINGS.items() if name.endswith(ending)), "")
        plain = name.removesuffix("_mm").removesuffix("_deg").replace("_", " ")
        words.append(f"{plain} {_value_text(value)}{unit if value is not None else ''}")
    return "; ".join(words)


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:.4g}".replace("-", MINUS)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value_text(inner) for inner in value)
    return "—" if value is None else str(value)


def _software_text(software: object) -> str:
    if isinstance(software, Mapping) and {"name", "version"} <= software.keys():
        others = {name: value for name, value in software.items() if name not in ("name", "version")}
        return f"{software['name']} {software['version']}" + (f", {_value_text(others)}" if others else "")
    return _value_text(software)


def _when_text(event: Mapping[str, Any]) -> str:
    return str(event.get("when") or event.get("date") or "").replace("T", " ")


def _clinical_text(entry: Mapping[str, Any]) -> str:
    words = []
    if entry.get("pain_nrs") is not None:
        words.append(f"pain {entry['pain_nrs']:g}/10")
    if entry.get("side"):
        words.append(f"{entry['side']} side")
    if entry.get("walking"):
        words.append(f"walking: {entry['walking']}")
    if entry.get("event"):
        grade = f" (grade {entry['grade']})" if entry.get("grade") is not None else ""
        words.append(f"{entry['event']}{grade}")
    if entry.get("note"):
        words.append(str(entry["note"]))
    return ", ".join(words)


def _digest(parameters: object) -> str:
    if isinstance(parameters, str):
        return parameters[:SHOWN_DIGEST]
    canonical = json.dumps(parameters, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return sha256_hex(canonical.encode())[:SHOWN_DIGEST]
