"""One lesion of a cohort in four figures: where it began, its smallest, where it is, and its best change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.reports.document import Document

__all__ = ["Course", "courses_of"]

Observation = Mapping[str, Any]
MEASURED = ("proposed", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A lesion through the exams that compare with its baseline.

    Parameters
    ----------
    case, lesion, name
        Whose and which.
    baseline, nadir, last
        Observations of the case document; None where nothing was measured. The nadir may be the baseline.
    best, latest
        Changes of gross volume against the baseline in per cent; None where no later exam compares.
    provisional
        Whether the best change rests on a contour that no reader confirmed.
    """

    case: str
    lesion: str
    name: str
    baseline: Observation | None
    nadir: Observation | None
    last: Observation | None
    best: Mapping[str, Any] | None
    latest: Mapping[str, Any] | None
    provisional: bool


def courses_of(document: Document) -> list[Course]:
    """The courses of a case's lesions, in the document's order."""
    return [course_of(document, lesion) for lesion in document["lesions"]]


def course_of(document: Document, lesion: Mapping[str, Any]) -> Course:
    """The course of one lesion.

    Examples
    --------
    >>> lesion = {"id": "L1", "name": "left", "observations": [], "changes": []}
    >>> course_of({"case_id": "C1", "timepoints": []}, lesion).baseline is None
    True
    """
    order = [timepoint["id"] for timepoint in document["timepoints"]]
    measured = {
        o["timepoint"]: o
        for o in lesion["observations"]
        if o["primary"] and o["volume_ml"] is not None and o["status"] in MEASURED
    }
    changes = [
        change
        for change in lesion["changes"]
        if change["reference"] == "baseline"
        and change["volume_percent"] is not None
        and {change["timepoint"], change["reference_timepoint"]} <= set(measured)
    ]
    first = changes[0]["reference_timepoint"] if changes else next((t for t in order if t in measured), None)
    compared = [] if first is None else [measured[first], *(measured[change["timepoint"]] for change in changes)]
    best = min(changes, key=lambda change: float(change["volume_percent"]["value"]), default=None)
    return Course(
        case=str(document["case_id"]),
        lesion=str(lesion["id"]),
        name=str(lesion["name"]),
        baseline=compared[0] if compared else None,
        nadir=min(compared, key=volume_ml, default=None),
        last=max(compared, key=lambda observation: order.index(observation["timepoint"]), default=None),
        best=best and best["volume_percent"],
        latest=changes[-1]["volume_percent"] if changes else None,
        provisional=best is not None and is_provisional([measured[best["timepoint"]], compared[0]]),
    )


def volume_ml(observation: Observation) -> float:
    return float(observation["volume_ml"]["value"])


def is_provisional(observations: Sequence[Observation]) -> bool:
    return any(observation["status"] == "proposed" for observation in observations)
