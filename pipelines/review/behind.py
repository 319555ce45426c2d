"""Which figures on disk are behind what readers saved, and which masks a reader is shown then.

A saved word is on disk at once; the figures that follow take a computation, which may fail or be killed. Until it has
been done, a sitting shows the saved word and its mask, never the figures from before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imaging.arrays import BoolArray
from imaging.segmentation import LesionId
from pipelines.case.conclude import REVIEW_PENDING
from pipelines.case.reviews import StoredReview
from pipelines.case.words import StoredWord, newest_words
from pipelines.review.views import View

__all__ = ["Place", "blocked", "masks_on", "observation_at", "told_behind", "torn_places", "words_ahead"]

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A lesion on an exam: what a row of the table, a key and a word of the reader are about."""

    lesion: LesionId
    timepoint: str


def observation_at(document: Document, place: Place) -> dict[str, Any] | None:
    """The primary observation of the place."""
    for lesion in document["lesions"]:
        for row in lesion["observations"]:
            if row["primary"] and (lesion["id"], row["timepoint"]) == (place.lesion, place.timepoint):
                return dict(row)
    return None


def blocked(observation: Document) -> str:
    """Why the machine's or the stored mask cannot be accepted; empty if it can."""
    conflicts = [f["message"] for f in observation["findings"] if f["code"] == "LATERALITY_CONFLICT"]
    return next(iter(conflicts), "")


def words_ahead(
    document: Document, views: Sequence[View], reviews: Sequence[StoredReview], links: Sequence[StoredWord] = ()
) -> dict[Place, StoredReview]:
    """The saved words on masks that the case's figures have not followed yet.

    Parameters
    ----------
    links
        What readers said of whose masks are: one that was given to another lesion is looked for there.
    """
    ahead = {}
    grids = {view.key: view.record.grid for view in views}
    for review in reviews:
        place = Place(review.lesion, review.timepoint)
        observation, grid = observation_at(document, place), grids.get((review.timepoint, review.series_uid))
        if observation is None or grid is None or review.segment is None:
            continue
        measured = observation["mask_sha256"] == review.mask_sha256
        followed = measured and (observation["status"] == review.status or bool(blocked(observation)))
        word = newest_words((entry.word for entry in links), review.timepoint).get(review.mask_sha256)
        if word is not None and word.lesion != review.lesion:
            followed = followed or not is_behind(observation)
        if not followed and review.segment.grid.shape == grid.shape:
            ahead[place] = review
    return ahead


def told_behind(document: Document) -> bool:
    """Whether the document itself says that figures in it are behind."""
    return any(is_behind(row) for lesion in document["lesions"] for row in lesion["observations"])


def is_behind(observation: Document) -> bool:
    """Whether its figures are from before a reader's word."""
    return any(finding["code"] == REVIEW_PENDING for finding in observation["findings"])


def torn_places(document: Document, views: Sequence[View]) -> set[Place]:
    """Where the stored mask is not the one behind the figure: a run was killed while it wrote."""
    torn = set()
    stored = {(view.key, lesion): segment.sha256 for view in views for lesion, segment in view.lesions.items()}
    for lesion in document["lesions"]:
        for row in lesion["observations"]:
            key = ((row["timepoint"], row["series_uid"]), LesionId(lesion["id"]))
            if row["primary"] and row["mask_sha256"] is not None and stored.get(key) != row["mask_sha256"]:
                torn.add(Place(LesionId(lesion["id"]), row["timepoint"]))
    return torn


def masks_on(view: View, ahead: Mapping[Place, StoredReview]) -> dict[LesionId, BoolArray]:
    """The view's masks as readers left them: a word that is ahead of the figures goes before them."""
    masks = {lesion: segment.mask for lesion, segment in view.lesions.items()}
    for place, review in ahead.items():
        if place.timepoint == view.timepoint and review.segment is not None:
            masks.pop(place.lesion, None)
            if review.series_uid == view.record.volume_id:
                masks[place.lesion] = review.segment.mask
    return masks
