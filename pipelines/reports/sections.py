"""The tables of a report, each from the part of the case document that it shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imaging.provenance import sha256_hex
from pipelines.reports.document import (
    UID,
    Document,
    day_of,
    exam_name,
    seen_after,
    series_entry,
    timepoint_of,
    visible,
)
from pipelines.reports.number import MINUS, NBSP, days_text
from pipelines.reports.remarks import remarks_of
from pipelines.reports.table import Cell, Column, Kind, Table, Tone, change_cell, quantity_cell, text_cell
from pipelines.reports.wording import (
    beyond_error_text,
    fill_sentence,
    procedure_text,
    recovery_sentence,
    reference_text,
    status_text,
)

__all__ = [
    "changes_table",
    "findings_table",
    "material_sentences",
    "materials_table",
    "measurements_table",
    "provenance_table",
    "registrations_table",
    "responses_table",
    "timeline_table",
]

SHOWN_DIGEST = 12  # hexadecimal digits: enough to compare two reports by eye
STATUS_TONES = {"proposed": Tone.PROVISIONAL, "rejected": Tone.WARNING, "not_assessable": Tone.MUTED}
RANKS = {"exam": 0, "procedure": 1, "exam after": 2, "clinical": 3}  # within one day
UNIT_ENDINGS = {"_mm": f"{NBSP}mm", "_deg": "°"}  # of names in a registration's evidence
SEVERITY_TONES = {"error": Tone.ERROR, "warning": Tone.WARNING}
MATERIAL_NAMES = {"cement": "cement", "embolic": "glue", "metal": "metal", "unclassified": "unclassified"}


def measurements_table(document: Document, lesion: Mapping[str, Any], uids: Mapping[str, str]) -> Table:
    """One row for each exam (and series) on which the lesion was looked at."""
    rows = []
    for observation in lesion["observations"]:
        timepoint = timepoint_of(document, observation["timepoint"])
        tone = STATUS_TONES.get(observation["status"], Tone.PLAIN)
        measured = tone if observation["status"] == "proposed" else Tone.PLAIN
        rows.append(
            (
                text_cell(observation["timepoint"], detail=str(timepoint.get("date") or "")),
                text_cell(days_text(timepoint.get("days"))),
                text_cell(
                    exam_name(document, observation["series_uid"]),
                    detail=_series_detail(observation, uids),
                ),
                quantity_cell(observation["volume_ml"], tone=measured),
                quantity_cell(observation["material_ml"], tone=measured),
                quantity_cell(observation["net_volume_ml"], tone=measured),
                quantity_cell(observation["long_axis_mm"], tone=measured),
                quantity_cell(observation["short_axis_mm"], tone=measured),
                text_cell(status_text(observation), detail=str(observation["method"] or ""), tone=tone),
                text_cell(_codes(_carried_findings(document, observation))),
            )
        )
    columns = (
        Column("Exam"),
        Column("Day", Kind.NUMBER),
        Column("Series"),
        Column("Gross volume", Kind.NUMBER),
        Column("Cement/glue in it", Kind.NUMBER),
        Column("Non-material", Kind.NUMBER),
        Column("Long axis", Kind.NUMBER),
        Column("Short axis", Kind.NUMBER),
        Column("Status"),
        Column("Findings"),
    )
    return Table(caption="Measurements; the second line is the 95 % interval", columns=columns, rows=tuple(rows))


def changes_table(document: Document, lesion: Mapping[str, Any]) -> Table:
    """One row for each exam and reference."""
    rows = []
    for change in lesion["changes"]:
        tone = Tone.PROVISIONAL if _rests_on_proposal(lesion, change) else Tone.PLAIN
        rows.append(
            (
                text_cell(change["timepoint"]),
                text_cell(reference_text(document, change["reference"])),
                change_cell(change["volume_percent"], tone=tone),
                change_cell(change["net_volume_percent"], tone=tone),
                change_cell(change["long_axis_percent"], tone=tone),
                text_cell(beyond_error_text(change["exceeds_error"])),
            )
        )
    columns = (
        Column("Exam"),
        Column("Against"),
        Column("Gross volume", Kind.NUMBER),
        Column("Non-material", Kind.NUMBER),
        Column("Long axis", Kind.NUMBER),
        Column("Exceeds measurement error"),
    )
    return Table(caption="Change; the second line is the 95 % interval", columns=columns, rows=tuple(rows))


def materials_table(document: Document) -> Table:
    """One row for each radiodense material on each CT."""
    rows = tuple(
        (
            text_cell(f"{row['timepoint']} · {row['id']}", detail=_day_detail(document, row["timepoint"])),
            text_cell(
                MATERIAL_NAMES.get(row["kind"], row["kind"]), detail="saturated on CT" if row["saturated"] else ""
            ),
            text_cell(row["lesion"], detail=str(row["side"] or "")),
            quantity_cell(row["volume_ml"]),
            quantity_cell(row["inside_lesion_ml"]),
            quantity_cell(row["fill_fraction"]),
            quantity_cell(row["inside_bone_ml"]),
            quantity_cell(row["neural_ml"]),
            quantity_cell(row["leak_ml"]),
            text_cell(_injected_text(row["injected"])),
            _recovered_cell(row),
            text_cell(_codes(row["findings"])),
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
        Column("In bone", Kind.NUMBER),
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
        name = MATERIAL_NAMES.get(row["kind"], row["kind"])
        place = f"{row['timepoint']} {name}" + (f", {row['lesion']}" if row["lesion"] else ", beside no lesion")
        parts = [_sentence(recovery_sentence(row)), fill_sentence(row), _leak_sentence(row["leaks"])]
        text = " ".join(part for part in parts if part)
        if text:
            sentences.append(visible(f"{place}: {text}"))
    return tuple(sentences)


def responses_table(document: Document) -> Table:
    """One row for each exam and criterion."""
    rows = tuple(
        (
            text_cell(row["timepoint"]),
            text_cell(row["criterion"]),
            text_cell(row["category"]),
            text_cell(_scope_text(document, row)),
            text_cell("; ".join(str(reason) for reason in row["reasons"] or ())),
        )
        for row in document["responses"]
    )
    columns = (Column("Exam"), Column("Criterion"), Column("Category"), Column("Scope"), Column("Reasons"))
    return Table(caption="Response categories", columns=columns, rows=rows)


def registrations_table(document: Document) -> Table:
    """One row for each pair of exams that were laid over one another."""
    rows = tuple(
        (
            text_cell(_pair_text(row)),
            text_cell(row.get("verdict"), tone=Tone.WARNING if row.get("verdict") == "rejected" else Tone.PLAIN),
            text_cell(_evidence_text(row.get("evidence") or {})),
            text_cell(_codes(row.get("findings") or ())),
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
            text_cell(_shortened(remark.message, uids)),
            text_cell(_shortened(remark.where, named), detail=_shortened("; ".join(remark.places), uids)),
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
            f"{_shortened(uid, uids)}{f' ({name})' if name else ''}, sha256 {str(source.get('sha256'))[:SHOWN_DIGEST]}"
        )
        rows.append(("Input series", text))
    cells = tuple((text_cell(name), text_cell(text)) for name, text in rows)
    return Table(caption="Origin of the figures", columns=(Column("What"), Column("Value")), rows=cells)


def _carried_findings(document: Document, observation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The observation's own findings and those of the series that it was made on."""
    return [*observation["findings"], *(series_entry(document, observation["series_uid"]).get("findings") or ())]


def _rests_on_proposal(lesion: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Whether the exam or its reference is proposed; for baseline the reference is the first measured exam."""
    measured = [o for o in lesion["observations"] if o["primary"] and o["volume_ml"] is not None]
    ends = {change["timepoint"], change.get("reference_timepoint")}
    if change["reference"] == "baseline" and measured:
        ends.add(measured[0]["timepoint"])
    return any(observation["status"] == "proposed" for observation in measured if observation["timepoint"] in ends)


def _codes(findings: Sequence[Mapping[str, Any]]) -> str:
    ranked = sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding["severity"]))
    return ", ".join(dict.fromkeys(str(finding["code"]) for finding in ranked))


def _series_detail(observation: Mapping[str, Any], uids: Mapping[str, str]) -> str:
    uid = str(observation["series_uid"] or "")
    return _shortened(uid, uids) + ("" if observation["primary"] else " (secondary)")


def _series_uid(entry: object) -> str:
    """A series is listed as its record, or as its UID alone."""
    return str(entry.get("series_uid") or "") if isinstance(entry, Mapping) else str(entry)


def _exam_of(document: Document, uid: str) -> str:
    """`` (T1 CT)`` for a series of the document, nothing for any other UID."""
    for timepoint in document["timepoints"]:
        if series_entry({"timepoints": [timepoint]}, uid):
            return f" ({timepoint['id']} {exam_name(document, uid)})"
    return ""


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


def _leak_sentence(leaks: Sequence[Mapping[str, Any]]) -> str:
    if not leaks:
        return ""
    places = []
    for leak in leaks:
        volume, distance = _number(leak.get("volume_ml")), _number(leak.get("distance_mm"))
        size = "" if volume is None else f" {volume:.2f}{NBSP}mL"
        away = "" if distance is None else f", {distance:.1f}{NBSP}mm from canal or foramen"
        places.append(f"{str(leak.get('compartment') or 'unnamed').replace('_', ' ')}{size}{away}")
    return f"Outside lesion and bone: {'; '.join(places)}."


def _number(figure: object) -> float | None:
    """The value of a plain number or of a quantity."""
    if isinstance(figure, Mapping):
        figure = figure.get("value")
    return float(figure) if isinstance(figure, (int, float)) else None


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


def _shortened(text: str, uids: Mapping[str, str]) -> str:
    return UID.sub(lambda found: uids.get(found[0], found[0]), text)


def _digest(parameters: object) -> str:
    if isinstance(parameters, str):
        return parameters[:SHOWN_DIGEST]
    canonical = json.dumps(parameters, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return sha256_hex(canonical.encode())[:SHOWN_DIGEST]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""
