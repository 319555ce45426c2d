"""A lesion as a person through time, and what was seen of it on one exam."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imaging.finding import Finding
from imaging.measurement.quantity import Quantity
from imaging.segmentation.segment import LesionId, Status

__all__ = ["Lesion", "Method", "Observation"]


class Method(StrEnum):
    """How a mask came to be on its exam."""

    SEGMENTED = "segmented"
    PROPAGATED = "propagated"
    CARRIED = "carried"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One tumour through all exams.

    Parameters
    ----------
    id, name, side
        As the case file names it; the side is left, right, midline or None.
    kind
        Its role in the trial: target, non-target or new.
    tracking_uid
        DICOM Tracking UID, the same in every exam and every re-run.
    """

    id: LesionId
    name: str
    side: str | None
    kind: str
    tracking_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one exam tells of one lesion; unknown figures are None, and the findings say why.

    Parameters
    ----------
    series_uid, role
        The measured series (its volume id) and the role by which it compares with others.
    primary
        Exactly one observation of a lesion and timepoint is.
    volume, material, net_volume
        Gross volume inside the outer contour, material inside that contour, and what is left of it, in mL.
    mask_sha256
        Digest of the mask that was measured.
    """

    lesion: LesionId
    timepoint: str
    series_uid: str | None
    role: str | None
    primary: bool
    status: Status
    method: Method
    volume: Quantity | None = None
    material: Quantity | None = None
    net_volume: Quantity | None = None
    long_axis: Quantity | None = None
    short_axis: Quantity | None = None
    reader: str | None = None
    mask_sha256: str | None = None
    findings: tuple[Finding, ...] = ()
