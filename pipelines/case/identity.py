"""Whose each mask of an exam is, what speaks for it, and what became of lesions.

All of it is proposed until a reader has spoken. A reader's word on a mask goes before what an earlier run called it,
that before the Tracking UID it was stored with, and that before its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from imaging.finding import Finding, Severity
from imaging.geometry import Rigid
from imaging.lesions.identity import Known, identify, in_place_order
from imaging.lesions.lesion import Identity, IdentityStatus, IdentityWord
from imaging.lesions.match import Basis, Event, EventKind, Link, Matching, points_of
from imaging.segmentation import LesionId, Segment
from imaging.study import SeriesRecord
from pipelines.case.links import Links
from pipelines.case_file import LinkWord

__all__ = [
    "Calling",
    "LesionEvent",
    "Remembered",
    "Seen",
    "doubts_of",
    "event_findings",
    "identities",
    "lesion_events",
    "news_of",
    "owners",
    "shared_outlines",
    "uncompared",
]

DOUBTFUL = 0.5  # another partner half as likely as the one chosen: somebody should look
SHARED = 0.5  # of the smaller of two outlines inside the other: they have met, or one ran into the other
CLAIMED = "matched to its earlier mask by the shared frame of reference, which the images did not confirm"
SAYINGS = {
    EventKind.NEW: "{now} lies where no lesion was known",
    EventKind.GONE: "{before} is not among the masks of this exam although the image shows its place",
    EventKind.MERGED: "{before} lie in one outline here, {now}",
    EventKind.SPLIT: "{before} lies in several outlines here: {now}",
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Seen:
    """A lesion's newest mask before the exam in question.

    ``apart``: whether the exam before shows it as itself.
    """

    lesion: LesionId
    tracking_uid: str
    timepoint: str
    record: SeriesRecord
    segment: Segment
    apart: bool = True

    def known(self, here_from_there: Rigid) -> Known:
        return Known(
            lesion=self.lesion,
            segment=self.segment,
            here_from_there=here_from_there,
            tracking_uid=self.tracking_uid,
            apart=self.apart,
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """Whose an earlier run found a mask to be, and why; without a Tracking UID if no mask shows that lesion now."""

    lesion: LesionId
    tracking_uid: str
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionEvent:
    """What became of lesions between the exams before and this one; proposed, and a reader's to judge."""

    timepoint: str
    kind: EventKind
    before: tuple[LesionId, ...]
    now: tuple[LesionId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """Whose a mask is taken to be, and what is doubtful about that."""

    lesion: LesionId
    basis: Basis
    findings: tuple[Finding, ...] = ()


def owners(
    found: Mapping[LesionId, Segment], record: SeriesRecord, seen: Sequence[Seen], links: Links
) -> tuple[dict[LesionId, Calling], Matching]:
    """Name in ``found`` → whose it is; what matches nobody is not in it. And all that the matching says."""
    known, claimed, unreached = [], set(), []
    for entry in seen:
        here_from_there = links.path(record, entry.record)
        if here_from_there is None:
            here_from_there = links.claim(record, entry.record)
            claimed.add(entry.lesion)
        if here_from_there is None:
            unreached.append(entry)
        else:
            known.append(entry.known(here_from_there))
    said = {
        name: Calling(lesion=entry.lesion, basis=Basis.DECLARED)
        for entry in unreached
        for name, segment in found.items()
        if segment.tracking_uid == entry.tracking_uid != ""
    }
    rest = {name: segment for name, segment in found.items() if name not in said}
    matching = identify(known, rest)
    for link in matching.links:
        doubt = Finding("SHARED_FRAME_UNVERIFIED", Severity.WARNING, CLAIMED, record.series_uid)
        said[link.b] = Calling(lesion=link.a, basis=link.basis, findings=(doubt,) if link.a in claimed else ())
    return said, matching


def uncompared(
    before: Sequence[Seen], record: SeriesRecord, links: Links, settled: Collection[LesionId]
) -> tuple[Finding, ...]:
    """What to tell of a mask that seems new where some lesions from before could not be laid over its image.

    Parameters
    ----------
    before
        The lesions that earlier exams showed.
    settled
        Those of them whose mask here is known anyhow.
    """
    lost = [
        entry
        for entry in before
        if entry.lesion not in settled
        and links.path(record, entry.record) is None
        and links.claim(record, entry.record) is None
    ]
    if not lost:
        return ()
    message = (
        f"no accepted registration leads here from {listed(sorted({entry.timepoint for entry in lost}))}: this may be "
        f"{' or '.join(entry.lesion for entry in lost)}, and not a lesion of its own; a reader has to say which"
    )
    return (Finding("IDENTITY_UNKNOWN", Severity.WARNING, message, record.series_uid),)


def news_of(
    found: Mapping[LesionId, Segment],
    spoken: Mapping[LesionId, LinkWord],
    *,
    met: Mapping[LesionId, str],
    record: SeriesRecord,
    before: Sequence[Seen],
    links: Links,
) -> tuple[Event, ...]:
    """What became of the lesions of the exams before, with what readers said of the masks taken as given.

    Parameters
    ----------
    met
        The Tracking UIDs of the lesions that were seen before.
    """
    taken = {met[word.lesion] for word in spoken.values() if word.lesion in met}
    named: dict[LesionId, Segment] = {}
    first: dict[LesionId, LesionId] = {}  # by lesion that readers named: a second mask of it is no news
    for name in in_place_order(found):
        segment = found[name]
        if name not in spoken:
            named[name] = segment.with_tracking_uid("") if segment.tracking_uid in taken else segment
        elif first.setdefault(spoken[name].lesion, name) == name and spoken[name].lesion in met:
            named[name] = segment.with_tracking_uid(met[spoken[name].lesion])
    fresh = (Event(kind=EventKind.NEW, b=(name,)) for lesion, name in sorted(first.items()) if lesion not in met)
    return (*owners(named, record, before, links)[1].events, *fresh)


def doubts_of(identity: Identity, rival: LesionId | None, where: str) -> tuple[Finding, ...]:
    """What a reader should look at before believing whose the mask is; nothing more once one has said so.

    ``rival``: the lesion that it would be by its place alone.
    """
    if identity.settled:
        return ()
    doubts = []
    if identity.history[0].lesion != identity.lesion:
        message = f"it was taken for {identity.history[0].lesion}, which a reader said another mask to be: confirm it"
        doubts.append(Finding("IDENTITY_DISPLACED", Severity.WARNING, message, where))
    if rival is not None:
        message = f"where it lies it would rather be {rival}: confirm which one this is"
        doubts.append(Finding("IDENTITY_DISPUTED", Severity.WARNING, message, where))
    if identity.ambiguity is not None and identity.ambiguity > DOUBTFUL:
        message = f"another lesion is nearly as likely (ambiguity {identity.ambiguity:.2f}): confirm which one this is"
        doubts.append(Finding("IDENTITY_AMBIGUOUS", Severity.WARNING, message, where))
    if identity.basis is Basis.DECLARED and identity.since is not None and identity.cost is None:
        message = f"known by its Tracking UID alone: its place does not confirm that it is that of {identity.since}"
        doubts.append(Finding("IDENTITY_UNVERIFIED", Severity.WARNING, message, where))
    return tuple(doubts)


def identities(
    masks: Mapping[LesionId, tuple[SeriesRecord, Segment]],
    bases: Mapping[LesionId, tuple[Basis, LesionId | None]],
    seen: Sequence[Seen],
    links: Links,
    words: Mapping[LesionId, Sequence[LinkWord]],
) -> dict[LesionId, tuple[Identity, LesionId | None]]:
    """By lesion: why its mask is taken for it, with the figures of the match wherever the two can be compared.

    And the lesion that the mask would be by its place alone, if that is another one.

    Parameters
    ----------
    masks
        One exam's, as they were given to lesions.
    bases
        What each rests on, and the lesion that the machine took it for where a reader says otherwise.
    words
        What readers said of each mask, whosever they said it is; all of it is history.
    """
    found: dict[LesionId, tuple[Identity, LesionId | None]] = {}
    links_on = {
        record.volume_id: links_by_place(
            {name: other for name, (where, other) in masks.items() if where.volume_id == record.volume_id},
            record,
            seen,
            links,
        )
        for record, _ in masks.values()
    }
    for lesion, (record, _) in masks.items():
        link = next((link for link in links_on[record.volume_id] if link.b == lesion), None)
        rival = None if link is None or link.a == lesion else link.a
        link = link if rival is None else None
        basis, taken_for = bases[lesion]
        first = IdentityWord(IdentityStatus.PROPOSED, taken_for or lesion)
        before = next((entry.timepoint for entry in seen if entry.lesion == lesion), None)
        identity = Identity(since=before, basis=basis, history=(first,))
        if link is not None:
            identity = replace(
                identity,
                cost=round(link.cost, 4),
                ambiguity=round(link.ambiguity, 4),
                dice=round(link.dice, 4),
                distance_mm=round(link.distance_mm, 3),
            )
        for word in words[lesion]:
            identity = identity.with_word(word.lesion, by=word.reader)
        identity = identity.given(lesion)
        found[lesion] = (replace(identity, basis=Basis.READER) if identity.settled else identity), rival
    return found


def links_by_place(
    found: Mapping[LesionId, Segment], record: SeriesRecord, seen: Sequence[Seen], links: Links
) -> tuple[Link, ...]:
    """The lesions seen before and the masks on a series that place alone would join."""
    known = [
        replace(entry.known(here_from_there), tracking_uid="")
        for entry in seen
        if (here_from_there := links.path(record, entry.record) or links.claim(record, entry.record)) is not None
    ]
    return identify(known, found).links


def lesion_events(
    timepoint: str, events: Sequence[Event], names: Mapping[LesionId, LesionId]
) -> tuple[LesionEvent, ...]:
    """The matching's events in the names of lesions."""
    return tuple(
        LesionEvent(timepoint=timepoint, kind=event.kind, before=event.a, now=tuple(sorted(names[b] for b in event.b)))
        for event in events
    )


def event_findings(events: Sequence[LesionEvent]) -> tuple[Finding, ...]:
    """The events in words, for the report."""
    return tuple(
        Finding(
            f"LESION_{event.kind.name}",
            Severity.WARNING,
            f"{event.timepoint}: {SAYINGS[event.kind].format(before=listed(event.before), now=listed(event.now))}; "
            "proposed by the software, a reader's to confirm",
            event.timepoint,
        )
        for event in events
    )


def listed(lesions: Sequence[str]) -> str:
    return ", ".join(lesions)


def shared_outlines(masks: Mapping[LesionId, tuple[SeriesRecord, Segment]]) -> tuple[tuple[LesionId, LesionId], ...]:
    """Pairs of lesions whose outlines on one series lie in one another by half of the smaller or more."""
    names = sorted(masks)
    pairs = []
    for number, one in enumerate(names):
        for two in names[number + 1 :]:
            (record, a), (other, b) = masks[one], masks[two]
            if record.volume_id != other.volume_id or a.mask.shape != b.mask.shape:
                continue
            smaller = min(len(points_of(a)), len(points_of(b)))
            if smaller and float((a.mask & b.mask).sum()) >= SHARED * smaller:
                pairs.append((one, two))
    return tuple(pairs)
