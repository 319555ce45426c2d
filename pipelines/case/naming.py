"""Which masks of a finished case a reader's word on identity can be about, and what it may name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imaging.errors import ConflictError, InputError, UsageError
from imaging.lesions.lesion import Observation
from imaging.segmentation import LesionId
from pipelines.case.conclude import Case, Naming, is_pending
from pipelines.case.reviews import StoredReview
from pipelines.case.words import StoredWord

__all__ = ["confirmations", "lesions_named", "new_lesion_id", "require_unchanged", "said_of"]


def said_of(
    case: Case,
    words: Sequence[StoredWord],
    *,
    lesion: str,
    timepoint: str,
    is_lesion: str | None,
    mask_sha256: str | None,
) -> Naming:
    """The word that the mask under ``lesion`` at ``timepoint`` is ``is_lesion``, or where None a lesion of its own.

    Parameters
    ----------
    mask_sha256
        The digest of the mask that was looked at, or its beginning; None if it is the one that is there.

    Raises
    ------
    InputError
        UNKNOWN_LESION, UNKNOWN_TIMEPOINT; NOTHING_TO_LINK: there is no outline; MASK_CHANGED: it is not that one.
    UsageError
        NO_DIGEST: every digest begins with an empty one, as a script writes that found none.
    """
    if mask_sha256 is not None and not mask_sha256.strip():
        raise UsageError("the digest of the mask that was looked at is empty", code="NO_DIGEST")
    require_known(case, words, lesions=(lesion, is_lesion), timepoint=timepoint)
    observation = case.primary(LesionId(lesion), timepoint)
    if observation is None or observation.mask_sha256 is None:
        message = f"{lesion} has no outline of its own at {timepoint}; case.json lists every mask"
        raise InputError(message, code="NOTHING_TO_LINK")
    if mask_sha256 is not None and not observation.mask_sha256.startswith(mask_sha256.lower()):
        message = f"the mask of {lesion} at {timepoint} is now {observation.mask_sha256[:8]}…; look at it again"
        raise InputError(message, code="MASK_CHANGED")
    return naming(observation, None if is_lesion is None else LesionId(is_lesion))


def confirmations(
    case: Case, words: Sequence[StoredWord], *, lesion: str | None, timepoint: str | None
) -> list[Naming]:
    """The words that confirm every proposed link, of one lesion or exam where it is named; there may be none.

    Raises
    ------
    InputError
        UNKNOWN_LESION, UNKNOWN_TIMEPOINT.
    """
    require_known(case, words, lesions=(lesion,), timepoint=timepoint)
    return [
        naming(o, o.lesion)
        for o in case.observations
        if o.primary and o.identity is not None and o.mask_sha256 is not None and not o.identity.settled
        if not is_pending(o)
        if lesion in (None, o.lesion) and timepoint in (None, o.timepoint)
    ]


def naming(observation: Observation, lesion: LesionId | None) -> Naming:
    assert observation.mask_sha256 is not None, "a word is about a mask"
    return Naming(
        lesion=lesion,
        taken_for=observation.lesion,
        timepoint=observation.timepoint,
        mask_sha256=observation.mask_sha256,
    )


def require_known(
    case: Case, words: Sequence[StoredWord], *, lesions: Sequence[str | None], timepoint: str | None
) -> None:
    if timepoint is not None and timepoint not in case.moments:
        raise InputError(
            f"no exam is called {timepoint}; there are {', '.join(case.moments)}", code="UNKNOWN_TIMEPOINT"
        )
    known = lesions_named(case, words)
    for name in lesions:
        if name is not None and name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InputError(f"no lesion is called {name}; there are {there}; --new makes one", code="UNKNOWN_LESION")


def require_unchanged(case: Case, namings: Sequence[Naming], reviews: Sequence[StoredReview]) -> None:
    """Refuse words about masks in place of which a reader has saved others.

    Raises
    ------
    ConflictError
        REVIEW_PENDING: run the case again and look at the mask that stands now.
    """
    saved = {(review.lesion, review.timepoint): review.mask_sha256 for review in reviews if review.segment is not None}
    for said in namings:
        observation = case.primary(said.taken_for, said.timepoint)
        newest = saved.get((said.taken_for, said.timepoint), said.mask_sha256)
        if observation is not None and is_pending(observation) and newest != said.mask_sha256:
            message = f"a reader saved another mask of {said.taken_for} at {said.timepoint}; run the case again"
            raise ConflictError(message, code="REVIEW_PENDING")


def lesions_named(case: Case, words: Sequence[StoredWord]) -> set[LesionId]:
    """The lesions of the case, and those that anybody took a mask for, though no mask may show them now."""
    histories = (o.identity.history for o in case.observations if o.identity is not None)
    return (
        {lesion.id for lesion in case.lesions}
        | {word.lesion for history in histories for word in history}
        | {name for entry in words for name in (entry.word.lesion, entry.taken_for)}
    )


def new_lesion_id(taken: Collection[LesionId]) -> LesionId:
    """An id that nobody has used.

    Examples
    --------
    >>> new_lesion_id({LesionId("L1"), LesionId("L3"), LesionId("sacrum")})
    'L4'
    """
    numbers = [int(name[1:]) for name in taken if name[:1] == "L" and name[1:].isascii() and name[1:].isdigit()]
    return LesionId(f"L{1 + max(numbers, default=0)}")
