"""One reader's sitting at one case: what is looked at, what was painted, what was said, and how it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imaging.errors import ConflictError, EmptyMask, InputError
from imaging.lesions.lesion import Identity
from imaging.provenance import Provenance, array_sha256
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from pipelines.case.conclude import Naming, Word
from pipelines.case.document import read_document
from pipelines.case.reviews import StoredReview, read_reviews
from pipelines.case.words import read_words
from pipelines.follow_up import judge_masks, name_masks
from pipelines.review.behind import (
    Place,
    blocked,
    masks_on,
    observation_at,
    told_behind,
    torn_places,
    words_ahead,
)
from pipelines.review.drafts import Draft, drop_draft, read_drafts, write_draft
from pipelines.review.sheet import Sheet
from pipelines.review.views import View, read_views
from pipelines.review.whose import Link, identity_of
from pipelines.run_log import Run
from pipelines.workspace import CaseFolder

__all__ = ["Row", "Session"]

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the lesion table.

    Parameters
    ----------
    volume_ml, interval95_ml
        Gross volume; of an edited mask its voxels, without an interval until the case was computed anew.
    status
        As it will be saved.
    identity, link
        Whose the mask is taken to be, and what the reader says of that and has not saved.
    edited, judged, unsaved
        Whether the mask differs from the one on disk; whether it or the verdict on it does; whether anything does.
    blocked
        Why it cannot be accepted; empty if it can.
    """

    place: Place
    volume_ml: float | None
    interval95_ml: tuple[float, float] | None
    status: Status
    identity: Identity | None
    link: Link | None
    edited: bool
    judged: bool
    unsaved: bool
    blocked: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word that is not saved yet, and the digest of the mask about which it was said: it holds for no other."""

    status: Status
    mask_sha256: str


@dataclass(frozen=True, slots=True)
class LinkSaid:
    """A word on whose a mask is that is not saved yet, and the digest of that mask."""

    link: Link
    mask_sha256: str


class Session:
    """The state of a sitting; knows nothing of windows.

    Parameters
    ----------
    target
        The case folder; only ``review/`` and ``drafts/`` in it are written to, and what follows from a saved word.
    run
        How the case was made: where its study lies.
    reader
        Who says what is said.
    """

    def __init__(self, target: CaseFolder, run: Run, *, reader: str) -> None:
        self.target, self.run, self.reader = target, run, reader
        self.views: tuple[View, ...] = read_views(target, run)
        self.document: Document = read_document(target)
        self.numbers = {
            lesion: number for number, lesion in enumerate(self.lesions, start=1)
        }  # of the labels; it grows
        self.sheets: dict[tuple[str, str], Sheet] = {}
        self.verdicts: dict[Place, Verdict] = {}
        self.links: dict[Place, LinkSaid] = {}
        self.revisions, self.said = self.stored_revisions(), self.stored_words()
        self.ahead: dict[Place, StoredReview] = {}
        self.torn: set[Place] = set()
        self.behind = False  # whether figures on disk are behind what was saved
        self.compare()
        self.drafted: set[Place] = set()  # whose drafts are this sitting's to take away
        self.restored = self.restore_drafts()

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def lesions(self) -> list[LesionId]:
        """In the order of the document."""
        return [LesionId(row["id"]) for row in self.document["lesions"]]

    def name(self, lesion: LesionId) -> str:
        """The lesion's id and what people call it."""
        (row,) = [row for row in self.document["lesions"] if row["id"] == lesion]
        return lesion if row["name"] in ("", lesion) else f"{lesion} {row['name']}"

    def observation(self, place: Place) -> Document | None:
        """The primary observation of the place."""
        return observation_at(self.document, place)

    def view_of(self, place: Place) -> View | None:
        """The view on which the reader outlines the place, else the one on which it is measured, else the first."""
        here = [view for view in self.views if view.timepoint == place.timepoint]
        observation = self.observation(place)
        word = self.ahead.get(place)
        series = word.series_uid if word else observation and observation["series_uid"]
        measured = [view for view in here if view.record.volume_id == series]
        return next(iter(self.painted_views(place) or measured or here), None)

    def painted_views(self, place: Place) -> list[View]:
        """The exam's views on which the reader changed the lesion and has not saved it."""
        painted = (view for view in self.views if view.timepoint == place.timepoint and view.key in self.sheets)
        return [view for view in painted if self.sheets[view.key].edited(place.lesion)]

    def sheet(self, view: View) -> Sheet:
        """The view's masks under the brush, made when they are first asked for."""
        if view.key not in self.sheets:
            if view.record.grid is None:
                raise InputError("a refused series cannot be painted on")
            self.sheets[view.key] = Sheet.of(view.record.grid, self.numbers, masks_on(view, self.ahead))
        return self.sheets[view.key]

    def rows(self) -> Iterator[Row]:
        """The lesion table: every lesion on every exam."""
        for lesion in self.lesions:
            for exam in self.document["timepoints"]:
                place = Place(lesion, exam["id"])
                observation = self.observation(place)
                if observation is not None:
                    yield self.row(place, observation)

    def row(self, place: Place, observation: Document) -> Row:
        edited = self.edited(place)
        ahead = edited or place in self.ahead or place in self.torn  # of the figures on disk
        volume = observation["volume_ml"]
        verdict, link = self.verdict(place), self.link(place)
        return Row(
            place=place,
            volume_ml=self.painted_ml(place) if ahead else volume and volume["value"],
            interval95_ml=None if ahead or not volume or not volume["interval95"] else tuple(volume["interval95"]),
            status=verdict or self.undecided(place, observation),
            identity=identity_of(observation),
            link=link,
            edited=edited,
            judged=edited or verdict is not None,
            unsaved=edited or verdict is not None or link is not None,
            blocked="" if ahead else blocked(observation),
        )

    def undecided(self, place: Place, observation: Document) -> Status:
        """Where the mask stands without a word that is not saved."""
        if self.edited(place):
            return Status.PROPOSED
        return self.ahead[place].status if place in self.ahead else Status(observation["status"])

    def edited(self, place: Place) -> bool:
        """Whether the reader changed the mask and has not saved it."""
        return bool(self.painted_views(place))

    def painted_ml(self, place: Place) -> float | None:
        view = self.view_of(place)
        return None if view is None else self.sheet(view).volume_ml(place.lesion)

    @property
    def unsaved(self) -> list[Place]:
        """What would be lost without a save, were there no drafts."""
        return [row.place for row in self.rows() if row.unsaved]

    # --- what the reader does --------------------------------------------------------------------------------------

    def accept(self, place: Place) -> None:
        """Say that the mask is right, as it stands now.

        Raises
        ------
        InputError
            LATERALITY_CONFLICT, or NOTHING_TO_ACCEPT where there is no mask of the lesion's own.
        """
        observation = self.observation(place)
        row = None if observation is None else self.row(place, observation)
        if row is None or row.volume_ml is None or row.volume_ml == 0:
            raise InputError(f"{place.lesion} has no outline of its own at {place.timepoint}", code="NOTHING_TO_ACCEPT")
        if row.blocked:
            raise InputError(row.blocked, code="LATERALITY_CONFLICT")
        self.say(place, Status.ACCEPTED)

    def reject(self, place: Place) -> None:
        """Say that the mask is wrong: it is kept, without figures that count, and no later exam is followed from it.

        Raises
        ------
        InputError
            NOTHING_TO_REJECT.
        """
        view = self.view_of(place)
        observation = self.observation(place)
        if view is None or observation is None or observation["volume_ml"] is None:
            raise InputError(f"{place.lesion} has no outline of its own at {place.timepoint}", code="NOTHING_TO_REJECT")
        self.say(place, Status.REJECTED)

    def say(self, place: Place, status: Status) -> None:
        observation = self.observation(place)
        if observation is not None and self.undecided(place, observation) is status and not self.edited(place):
            self.verdicts.pop(place, None)  # that is how it stands on disk
        else:
            self.verdicts[place] = Verdict(status, self.digest(place))

    def verdict(self, place: Place) -> Status | None:
        """The word on the mask as it is now; a stroke or an undo after the word makes it void."""
        verdict = self.verdicts.get(place)
        return verdict.status if verdict is not None and verdict.mask_sha256 == self.digest(place) else None

    def say_whose(self, place: Place, lesion: LesionId | None) -> None:
        """Say that the mask, as it stands now, shows that lesion; None is a lesion of its own.

        Raises
        ------
        InputError
            NOTHING_TO_LINK.
        """
        observation = self.observation(place)
        row = None if observation is None else self.row(place, observation)
        if row is None or not row.volume_ml:
            raise InputError(f"{place.lesion} has no outline of its own at {place.timepoint}", code="NOTHING_TO_LINK")
        identity = row.identity
        if identity is not None and identity.settled and identity.lesion == lesion and not row.edited:
            self.links.pop(place, None)  # that is how it stands on disk
        else:
            self.links[place] = LinkSaid(Link(lesion), self.digest(place))

    def link(self, place: Place) -> Link | None:
        """The word on whose the mask is as it is now; a stroke or an undo after the word makes it void."""
        said = self.links.get(place)
        return said.link if said is not None and said.mask_sha256 == self.digest(place) else None

    def whose(self, place: Place) -> LesionId | None:
        """Whose the mask is by the newest word, saved or not; None is a lesion of its own."""
        link, observation = self.link(place), self.observation(place)
        identity = identity_of(observation)
        return link.lesion if link is not None else place.lesion if identity is None else identity.lesion

    def digest(self, place: Place) -> str:
        view = self.view_of(place)
        return "" if view is None else array_sha256(self.sheet(view).mask(place.lesion))

    def withdraw(self, place: Place) -> None:
        """Take back what was said and not saved."""
        self.verdicts.pop(place, None)
        self.links.pop(place, None)

    def keep_drafts(self) -> None:
        """Put what is painted or said and not saved where a crash cannot take it.

        Raises
        ------
        InputError
            OUTPUT_NOT_WRITABLE.
        """
        for view in self.views:
            sheet = self.sheets.get(view.key)
            for lesion in self.lesions if sheet is not None else ():
                place = Place(lesion, view.timepoint)
                if self.view_of(place) is view and sheet is not None:
                    self.keep_draft(place, view, sheet)

    def keep_draft(self, place: Place, view: View, sheet: Sheet) -> None:
        verdict, link = self.verdict(place), self.link(place)
        if not sheet.edited(place.lesion) and verdict is None and link is None:
            if place in self.drafted:
                drop_draft(self.target, place.lesion, place.timepoint)
                self.drafted.discard(place)
            return
        draft = Draft(
            lesion=place.lesion,
            timepoint=place.timepoint,
            series_uid=view.record.volume_id,
            reader=self.reader,
            revision=self.revisions.get(place, 0),
            verdict=verdict,
            link=link,
            mask=sheet.mask(place.lesion),
        )
        write_draft(self.target, draft, sheet.grid)
        self.drafted.add(place)

    def restore_drafts(self) -> list[Place]:
        """Bring back what an earlier sitting painted or said and did not save; where that was.

        A draft without its series or its lesion stays on disk. One that is older than the newest word on its mask goes
        over that word only as another reader's would: :meth:`save` tells of it first.
        """
        restored = []
        for draft in read_drafts(self.target):
            place = Place(draft.lesion, draft.timepoint)
            view = next((v for v in self.views if v.key == (draft.timepoint, draft.series_uid)), None)
            if view is None or draft.lesion not in self.lesions or draft.mask.shape != self.sheet(view).grid.shape:
                continue
            self.sheet(view).put(draft.lesion, draft.mask)
            if draft.verdict is not None:
                self.verdicts[place] = Verdict(draft.verdict, self.digest(place))
            if draft.link is not None and draft.link.lesion in (None, *self.lesions):
                self.links[place] = LinkSaid(draft.link, self.digest(place))
            self.revisions[place] = draft.revision
            self.drafted.add(place)
            restored.append(place)
        return restored

    # --- keeping it ------------------------------------------------------------------------------------------------

    def words(self) -> list[Word]:
        """What there is to save of outlines and verdicts.

        Raises
        ------
        EmptyMask
            A mask was erased altogether: that is a rejection, or a lesion that is gone, and the reader says which.
        InputError
            TWO_OUTLINES: a lesion was painted on two series of one exam, and only one of them can be measured.
        """
        rows = [row for row in self.rows() if row.judged]
        return [Word(timepoint=row.place.timepoint, segment=self.segment(row), status=row.status) for row in rows]

    def namings(self) -> list[Naming]:
        """What there is to save of whose masks are.

        Raises
        ------
        InputError
            As :meth:`words`.
        """
        return [self.naming(row, row.link) for row in self.rows() if row.link is not None]

    def naming(self, row: Row, link: Link) -> Naming:
        segment = self.segment(row)
        return Naming(
            lesion=link.lesion,
            taken_for=row.place.lesion,
            timepoint=row.place.timepoint,
            mask_sha256=segment.sha256,
            segment=segment,
        )

    def segment(self, row: Row) -> Segment:
        """The mask of the row as the reader left it."""
        view = self.view_of(row.place)
        if view is None:
            raise InputError(f"{row.place.timepoint} has no series to save a mask on")
        if len(self.painted_views(row.place)) > 1:
            where = f"{row.place.lesion} was painted on two series of {row.place.timepoint}"
            raise InputError(f"{where}: undo the strokes on one of them", code="TWO_OUTLINES")
        sheet = self.sheet(view)
        mask = sheet.mask(row.place.lesion)
        if row.status is Status.REJECTED and not mask.any():
            mask = sheet.saved.get(row.place.lesion, mask)  # what is rejected is what was there
        if not mask.any():
            raise EmptyMask(f"nothing is left of {row.place.lesion} at {row.place.timepoint}: undo, or reject it")
        return Segment(
            mask=mask,
            grid=sheet.grid,
            kind=SegmentKind.LESION,
            lesion=row.place.lesion,
            status=row.status,
            provenance=Provenance(self.reader),
            series_uid=view.record.volume_id,
        )

    def save(self) -> int:
        """Keep every unsaved word as a revision; of how many masks there were some.

        Nothing is written over: where another reader saved in the meantime, both revisions stay and the newer counts.

        Raises
        ------
        EmptyMask
            See :meth:`words`; nothing was saved.
        ConflictError
            REVIEWED_MEANWHILE: somebody else saved a word on the same mask since it was opened here; nothing was saved.
            The next try saves over it.
        """
        words, namings = self.words(), self.namings()
        stored, said = self.stored_revisions(), self.stored_words()
        overtaken = [place for place in map(place_of, words) if stored.get(place, 0) != self.revisions.get(place, 0)]
        overtaken += [
            Place(n.taken_for, n.timepoint) for n in namings if said.get(n.mask_sha256) != self.said.get(n.mask_sha256)
        ]
        if overtaken:
            self.revisions |= {place: stored[place] for place in overtaken if place in stored}
            self.said = said
            names = ", ".join(f"{place.lesion} at {place.timepoint}" for place in overtaken)
            raise ConflictError(
                f"somebody else saved {names} since it was opened here; save again to let your word follow theirs",
                code="REVIEWED_MEANWHILE",
            )
        if words:
            self.document, behind = judge_masks(self.target, words, reader=self.reader)
            self.behind = self.behind or behind
        if namings:
            self.document, behind = name_masks(self.target, namings, reader=self.reader)
            self.behind = self.behind or behind
            self.said = self.stored_words()
        places = dict.fromkeys([*map(place_of, words), *(Place(n.taken_for, n.timepoint) for n in namings)])
        if places:
            self.settle(list(places))
        return len(places)

    def settle(self, places: Sequence[Place]) -> None:
        """What was saved is no longer a change."""
        for place in places:
            self.verdicts.pop(place, None)
            self.links.pop(place, None)
            drop_draft(self.target, place.lesion, place.timepoint)
        for sheet in self.sheets.values():
            sheet.settle()
        reviews = read_reviews(self.target)
        now = revisions_in(reviews)
        # Of what was saved here alone: what others saved was not seen yet.
        self.revisions |= {place: now[place] for place in places if place in now}
        self.ahead = words_ahead(self.document, self.views, reviews, read_words(self.target))

    def compare(self) -> None:
        """Find out which figures on disk are behind what was saved."""
        self.ahead = words_ahead(self.document, self.views, read_reviews(self.target), read_words(self.target))
        self.torn = torn_places(self.document, self.views)
        self.behind = bool(self.ahead or self.torn) or told_behind(self.document)

    def stored_revisions(self) -> dict[Place, int]:
        return revisions_in(read_reviews(self.target))

    def stored_words(self) -> dict[str, int]:
        """By the digest of a mask: the number of the newest word on whose it is."""
        return {entry.word.mask_sha256: entry.number for entry in read_words(self.target)}

    def reload(self) -> None:
        """Take the results of a new computation; what is painted and not saved stays."""
        self.document = read_document(self.target)
        self.views = read_views(self.target, self.run)
        unseen = {place: self.revisions.get(place, 0) for place in self.unsaved}  # the mask on the screen stays
        self.revisions = self.stored_revisions() | unseen
        if not self.links:
            self.said = self.stored_words()
        for lesion in self.lesions:
            self.numbers.setdefault(lesion, 1 + max(self.numbers.values(), default=0))
        self.compare()
        for view in self.views:
            if view.key in self.sheets:
                self.sheets[view.key].replaced(masks_on(view, self.ahead))


def revisions_in(reviews: Sequence[StoredReview]) -> dict[Place, int]:
    return {Place(review.lesion, review.timepoint): review.revision for review in reviews}


def place_of(word: Word) -> Place:
    return Place(LesionId(word.segment.lesion or ""), word.timepoint)
