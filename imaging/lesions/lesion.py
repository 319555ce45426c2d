"""A lesion as a person through time, and what was seen of it on one exam."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from imaging.finding import Finding
from imaging.lesions.match import Basis
from imaging.lesions.surroundings import UNKNOWN, Surroundings
from imaging.measurement.quantity import Quantity
from imaging.segmentation.segment import LesionId, Status

__all__ = [
    "SKELETON",
    "Eligibility",
    "Identity",
    "IdentityStatus",
    "IdentityWord",
    "Lesion",
    "Method",
    "Observation",
]

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


class IdentityStatus(StrEnum):
    """How far it is settled that a mask shows the lesion that it is given to."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class IdentityWord:
    """What somebody said of a mask: which lesion it is; ``by`` is the machine where nobody is named."""

    status: IdentityStatus
    lesion: LesionId
    by: str = "osteotrace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Why a mask is taken for its lesion, and what was said of it, the first word first.

    Parameters
    ----------
    since
        The exam with the mask that it was compared with; None where the lesion is seen for the first time.
    basis
        What the link rests on.
    cost, ambiguity, dice, distance_mm
        As in :class:`imaging.lesions.match.Link`; None where no registration lets the two be compared.
    history
        At least one word; nothing is taken away from it.

    Examples
    --------
    >>> said = (IdentityWord(IdentityStatus.PROPOSED, LesionId("L1")),)
    >>> seen = Identity(since="T0", basis=Basis.FOLLOWED, history=said)
    >>> seen.with_word(LesionId("L1"), by="reader-1").status.value
    'confirmed'
    >>> said = seen.with_word(LesionId("L2"), by="reader-1")
    >>> said.status.value, said.lesion, said.settled
    ('corrected', 'L2', True)
    >>> said.given(LesionId("L3")).status.value  # another mask was said to be L2 since
    'proposed'
    """

    since: str | None
    basis: Basis
    history: tuple[IdentityWord, ...]
    cost: float | None = None
    ambiguity: float | None = None
    dice: float | None = None
    distance_mm: float | None = None

    @property
    def status(self) -> IdentityStatus:
        """The newest word's."""
        return self.history[-1].status

    @property
    def lesion(self) -> LesionId:
        """Whose the mask is by the newest word."""
        return self.history[-1].lesion

    @property
    def settled(self) -> bool:
        """Whether a reader has said whose the mask is."""
        return self.status is not IdentityStatus.PROPOSED

    def given(self, lesion: LesionId) -> Identity:
        """The same where the mask stands under that lesion: if nobody said so last, the machine proposes it."""
        if lesion == self.lesion:
            return self
        return replace(self, history=(*self.history, IdentityWord(IdentityStatus.PROPOSED, lesion)))

    def with_word(self, lesion: LesionId, *, by: str) -> Identity:
        """The same after a reader's word: a confirmation, or a correction of what was said last."""
        last = self.history[-1]
        status = last.status if last.status is IdentityStatus.CORRECTED else IdentityStatus.CONFIRMED
        word = IdentityWord(status if lesion == last.lesion else IdentityStatus.CORRECTED, lesion, by)
        return self if word == last else replace(self, history=(*self.history, word))


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
    identity
        Why the mask is taken for this lesion; None where there is no mask.
    surroundings
        What lies round it.
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
    identity: Identity | None = None
    surroundings: Surroundings = UNKNOWN
    findings: tuple[Finding, ...] = ()
