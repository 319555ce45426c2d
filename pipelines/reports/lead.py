"""The sentence that opens a report for each lesion: the latest measured state, and what cannot be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.reports.document import (
    Document,
    day_of,
    display_name,
    exam_name,
    primary_observation,
    seen_after,
    timepoint_of,
    visible,
)
from pipelines.reports.number import NBSP, about_text, change_text, days_text, interval_text, quantity_text
from pipelines.reports.wording import MEASURED, elapsed_text, standing_sentence, status_text

__all__ = ["lead_sentence"]

NON_MATERIAL = "Non-material volume (tumour, necrosis, blood, fibrosis not separable)"
PROCEDURE_NOUNS = {"sacroplasty": "cement", "vertebroplasty": "cement", "embolization": "embolisation"}


def lead_sentence(document: Document, lesion: Mapping[str, Any]) -> str:
    """The latest measured state of one lesion in words, with what came after it and what it rests on.

    Parameters
    ----------
    document
        A parsed ``osteotrace.case/1`` document.
    lesion
        One of its lesions.

    Examples
    --------
    >>> volume = {"value": 48.2, "unit": "mL", "method": "voxel sum", "interval95": [42.0, 55.0]}
    >>> seen = {"timepoint": "T0", "series_uid": "1.2", "primary": True, "status": "accepted", "method": "segmented",
    ...     "volume_ml": volume, "material_ml": None, "net_volume_ml": None, "findings": []}
    >>> lesion = {"id": "L1", "name": "left sacrum", "observations": [seen], "changes": []}
    >>> series = {"series_uid": "1.2", "modality": "MR", "role": "t1"}
    >>> case = {"timepoints": [{"id": "T0", "days": 0, "series": [series]}], "procedures": [], "materials": []}
    >>> lead_sentence(case, lesion).replace(NBSP, " ")
    'Left sacrum, MR T1, day 0: gross 48.2 mL (95 % 42–55). Confirmed by a reader.'
    """
    order = [str(timepoint["id"]) for timepoint in document["timepoints"]]
    seen = [o for o in (primary_observation(lesion, t) for t in order) if o is not None]
    # A carried contour is an older one moved: it is no new measurement.
    measured = [o for o in seen if o["volume_ml"] is not None and o["status"] in MEASURED and o["method"] != "carried"]
    if measured:
        parts = list(_measured_parts(document, lesion, measured[-1]))
    else:
        reason = "no volume could be measured" if seen else "not observed at any exam"
        parts = [f"{display_name(lesion)}: {reason}."]
    later = seen[seen.index(measured[-1]) + 1 :] if measured else seen
    parts.extend(_unmeasured_part(document, observation) for observation in later)
    return " ".join(parts)


def _measured_parts(document: Document, lesion: Mapping[str, Any], latest: Mapping[str, Any]) -> Iterator[str]:
    exam = exam_name(document, latest["series_uid"])
    moment = _moment_text(document, lesion, latest["timepoint"])
    place = ", ".join(word for word in (display_name(lesion), exam, moment) if word)
    interval = interval_text(latest["volume_ml"])
    figure = quantity_text(latest["volume_ml"]) + (f" (95{NBSP}% {interval})" if interval else " (no error estimate)")
    change = _leading_change(lesion, latest["timepoint"])
    yield f"{place}: gross {figure}{f'; {_change_clause(change)}' if change else ''}."
    material, net = latest["material_ml"], latest["net_volume_ml"]
    if material is not None and material["value"] > 0:
        yield f"Includes about {about_text(material)} cement/glue."
    elif material is None and _treated_with_material(document, lesion, latest["timepoint"]):
        yield "Cement/glue inside was not measured, so the gross volume may include it."
    if net is not None and (material is None or material["value"] > 0):
        yield f"{NON_MATERIAL}: {quantity_text(net)}."
    if latest["method"] == "propagated":
        yield "Outlined with an earlier exam's contour as its start."
    yield standing_sentence(latest)


def _unmeasured_part(document: Document, observation: Mapping[str, Any]) -> str:
    exam = exam_name(document, observation["series_uid"])
    days = timepoint_of(document, observation["timepoint"]).get("days")
    where = ", ".join(word for word in (exam, f"day{NBSP}{days_text(days)}" if days is not None else "") if word)
    place = visible(observation["timepoint"] + (f" ({where})" if where else ""))
    if observation["method"] == "carried" and observation["status"] in MEASURED:
        return f"{place}: contour carried there by registration, not a new measurement."
    return f"{place}: {status_text(observation)}{_reason(observation)}."


def _reason(observation: Mapping[str, Any]) -> str:
    """Why there is no figure: the observation's own doubts, else all its findings, else what the status means."""
    doubts = [finding for finding in observation["findings"] if finding["severity"] != "info"]
    messages = [visible(str(finding["message"])).rstrip(".") for finding in doubts or observation["findings"]]
    if messages:
        return f" — {'; '.join(messages)}"
    if observation["status"] == "not_assessable":
        return " — the lesion's edge cannot be told on this image"
    return "; volume unknown" if observation["status"] in MEASURED else ""


def _leading_change(lesion: Mapping[str, Any], timepoint_id: str) -> Mapping[str, Any] | None:
    """The change that matters most: against the latest procedure, else baseline, previous exam, nadir."""
    known = [c for c in lesion["changes"] if c["timepoint"] == timepoint_id and c["volume_percent"] is not None]
    references: dict[str, Mapping[str, Any]] = {str(change["reference"]): change for change in known}
    before_procedures = [name for name in references if name.startswith("pre-procedure")]
    for name in (*before_procedures[-1:], "baseline", "previous", "nadir"):
        if name in references:
            return references[name]
    return None


def _change_clause(change: Mapping[str, Any]) -> str:
    reference = str(change["reference"]).split(":")[0]
    against = {"nadir": "the nadir", "previous": "the previous exam"}.get(reference, reference)
    percent = change_text(change["volume_percent"], decimals=0)
    beyond = {True: "beyond measurement error", False: "within measurement error"}.get(
        change["exceeds_error"], "measurement error unknown"
    )
    return f"{percent} against {visible(against)}, {beyond}"


def _moment_text(document: Document, lesion: Mapping[str, Any], timepoint_id: str) -> str:
    """How long after the lesion's last procedure the exam was made, else its day."""
    days = timepoint_of(document, timepoint_id).get("days")
    if days is None:
        return visible(timepoint_id)
    before = sorted(_procedures_before(document, lesion, timepoint_id, float(days)), key=lambda pair: pair[0])
    if not before:
        return f"day{NBSP}{days_text(days)}"
    day, procedure = before[-1]
    noun = PROCEDURE_NOUNS.get(procedure["kind"], visible(str(procedure["kind"])))
    noun = f"procedure {visible(str(procedure['id']))}" if noun == "other" else noun
    elapsed = float(days) - day
    return f"{elapsed_text(elapsed)} after {noun}" if elapsed >= 1 else f"after {noun} on the same day"


def _procedures_before(
    document: Document, lesion: Mapping[str, Any], timepoint_id: str, days: float
) -> Iterator[tuple[float, Mapping[str, Any]]]:
    for procedure in document["procedures"]:
        day = day_of(document, procedure)
        if procedure.get("lesion") not in (lesion["id"], None) or day is None:
            continue
        if day < days or (day == days and seen_after(document, timepoint_id, procedure)):
            yield day, procedure


def _treated_with_material(document: Document, lesion: Mapping[str, Any], timepoint_id: str) -> bool:
    days = timepoint_of(document, timepoint_id).get("days")
    return days is not None and any(
        procedure.get("materials") or procedure["kind"] in PROCEDURE_NOUNS
        for _, procedure in _procedures_before(document, lesion, timepoint_id, float(days))
    )
