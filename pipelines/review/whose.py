"""Whose a mask is, as a line of the table tells it, and what a reader says of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imaging.lesions.lesion import Identity, IdentityStatus
from imaging.segmentation import LesionId
from pipelines.case.document import identity_from_record
from pipelines.case.identity import DOUBTFUL

__all__ = ["NEW", "Link", "explained", "identity_of", "link_text"]

NEW = "a new lesion"
MARKS = {
    IdentityStatus.PROPOSED: "○ proposed",
    IdentityStatus.CONFIRMED: "● confirmed",
    IdentityStatus.CORRECTED: "● corrected",
}
BASES = {
    "overlap": "it lies where the lesion lay",
    "declared": "it was stored with the lesion's Tracking UID",
    "followed": "it was outlined from the lesion's earlier mask",
    "placed": "the lesion was first outlined by it",
    "reader": "a reader said so",
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a reader says: the mask shows that lesion; None is a lesion of its own."""

    lesion: LesionId | None


def identity_of(observation: Mapping[str, Any] | None) -> Identity | None:
    """Whose the observation's mask is taken to be; None where there is no mask."""
    return None if observation is None else identity_from_record(observation.get("identity"))


def link_text(identity: Identity | None, lesion: LesionId, said: Link | None) -> str:
    """What stands in the table: how far it is settled whose the mask is, or whose it will be; * is not saved yet.

    An ambiguous link is a proposed one of which somebody should make sure, with its ambiguity.

    Examples
    --------
    >>> from imaging.lesions.lesion import IdentityWord
    >>> from imaging.lesions.match import Basis
    >>> first = IdentityWord(IdentityStatus.PROPOSED, LesionId("L1"))
    >>> seen = Identity(since="T0", basis=Basis.OVERLAP, history=(first,), ambiguity=0.62)
    >>> link_text(seen, LesionId("L1"), None)
    '○ ambiguous 0.62'
    >>> link_text(seen.with_word(LesionId("L2"), by="reader-1"), LesionId("L1"), None)  # until the figures follow
    '→ L2'
    >>> link_text(seen, LesionId("L1"), Link(LesionId("L1"))), link_text(seen, LesionId("L1"), Link(None))
    ('● confirmed *', '→ a new lesion *')
    """
    if said is not None:
        return f"{MARKS[IdentityStatus.CONFIRMED]} *" if said.lesion == lesion else f"→ {said.lesion or NEW} *"
    if identity is None:
        return ""
    if identity.lesion != lesion:
        return f"→ {identity.lesion}"
    if not identity.settled and identity.ambiguity is not None and identity.ambiguity > DOUBTFUL:
        return f"○ ambiguous {identity.ambiguity:.2f}"
    return MARKS[identity.status]


def explained(identity: Identity | None) -> str:
    """Why the mask is taken for its lesion, and who said what of it, in a sentence; empty where there is no mask."""
    if identity is None:
        return ""
    figures = []
    if identity.since is not None and identity.dice is not None and identity.distance_mm is not None:
        figures.append(
            f"against {identity.since}: Dice {identity.dice:.2f}, {identity.distance_mm:.1f} mm apart, "
            f"ambiguity {identity.ambiguity or 0:.2f}"
        )
    said = ", ".join(f"{word.by} {word.lesion}" for word in identity.history)
    return "; ".join([f"link {identity.status}: {BASES[identity.basis]}", *figures, f"said: {said}"])
