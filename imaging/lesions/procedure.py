"""What was done to the patient and how the patient was: the other half of the time axis."""

from __future__ import annotations

from dataclasses import dataclass

from imaging.segmentation.segment import LesionId

__all__ = ["LOCAL_THERAPIES", "ClinicalRecord", "Procedure"]

# What changes a lesion in its place: after it the lesion's size no longer tells what other therapy does.
LOCAL_THERAPIES = frozenset({"embolization", "sacroplasty", "vertebroplasty", "ablation", "radiotherapy", "surgery"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """An intervention.

    Parameters
    ----------
    id
        As the case file names it.
    when
        ISO date or date-time.
    kind
        embolization, sacroplasty, vertebroplasty, ablation, radiotherapy, surgery or other.
    lesion
        The lesion that was treated; None if none is named.
    materials
        (agent, injected mL) of everything that was injected and stays.
    """

    id: str
    when: str
    kind: str
    lesion: LesionId | None = None
    materials: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalRecord:
    """What was noted of the patient on one day: pain on the numeric rating scale, walking, an adverse event."""

    when: str
    pain_nrs: float | None = None
    side: str | None = None
    walking: str | None = None
    event: str | None = None
    grade: int | None = None
