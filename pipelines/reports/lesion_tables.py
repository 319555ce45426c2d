"""What was measured of one lesion, exam by exam, and how it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.reports.document import Document, exam_name, findings_of, shortened, timepoint_of
from pipelines.reports.number import days_text
from pipelines.reports.remarks import codes_text
from pipelines.reports.table import Column, Kind, Table, Tone, change_cell, quantity_cell, text_cell
from pipelines.reports.wording import beyond_error_text, link_text, reference_text, status_text

__all__ = ["changes_table", "measurements_table"]

STATUS_TONES = {"proposed": Tone.PROVISIONAL, "rejected": Tone.WARNING, "not_assessable": Tone.MUTED}


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
                text_cell(status_text(observation), detail=_made_text(observation, lesion["id"]), tone=tone),
                text_cell(codes_text(findings_of(document, observation))),
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


def _rests_on_proposal(lesion: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Whether the exam or its reference is proposed; for baseline the reference is the first measured exam."""
    measured = [o for o in lesion["observations"] if o["primary"] and o["volume_ml"] is not None]
    ends = {change["timepoint"], change.get("reference_timepoint")}
    if change["reference"] == "baseline" and measured:
        ends.add(measured[0]["timepoint"])
    return any(observation["status"] == "proposed" for observation in measured if observation["timepoint"] in ends)


def _made_text(observation: Mapping[str, Any], lesion: str) -> str:
    """How the mask came to be, and how far it is settled whose it is."""
    return " · ".join(text for text in (str(observation["method"] or ""), link_text(observation, lesion)) if text)


def _series_detail(observation: Mapping[str, Any], uids: Mapping[str, str]) -> str:
    uid = str(observation["series_uid"] or "")
    return shortened(uid, uids) + ("" if observation["primary"] else " (secondary)")
