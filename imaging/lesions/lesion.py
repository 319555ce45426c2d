"""A lesion as a person through time, and what was seen of it on one exam."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imaging.finding import Finding
from imaging.measurement.quantity import Quantity
from imaging.segmentation.segment import LesionId, Status

__all__ = ["SKELETON", "Eligibility", "Lesion", "Method", "Observation"]

SKELETON = "the skeleton"


class Method(StrEnum):
    """How a mask came to be on its exam."""

    SEGMENTED = "segmented"
    PROPAGATED = "propagated"
    CARRIED = "carried"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """What people say of a lesion at baseline, for criteria that choose which lesions to measure; None: not said.

    Parameters
    ----------
    node
        Whether it is a lymph node: then its short axis counts.
    organ
        Where it lies, for the limit of lesions an organ; the skeleton is one organ.
    appearance
        lytic, mixed or blastic.
    soft_tissue
        Whether its outline is that of an identifiable soft-tissue component (not of a lytic cavity).
    measurable
        A reader's own word.
    progressed_since
        Whether it has progressed since it was irradiated or treated locally.
    """

    node: bool = False
    organ: str = SKELETON
    appearance: str | None = None
    soft_tissue: bool | None = None
    measurable: bool | None = None
    progressed_since: bool | None = None


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
    eligibility
        What was said of it as a target.
    """

    id: LesionId
    name: str
    side: str | None
    kind: str
    tracking_uid: str
    eligibility: Eligibility = Eligibility()


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
    pieces_mm
        The longest in-plane diameter of each separate piece, longest first; empty where there is one.
    slice_mm, slice_normal
        Of the series: the larger of slice thickness and distance, and the unit normal of its slices (LPS).
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
    pieces_mm: tuple[float, ...] = ()
    slice_mm: float | None = None
    slice_normal: tuple[float, float, float] | None = None
    reader: str | None = None
    mask_sha256: str | None = None
    findings: tuple[Finding, ...] = ()
