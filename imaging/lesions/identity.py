"""Who is who on the next exam: its masks given to the lesions that are known from the exams before it.

A lesion is known by its newest mask, wherever that was made, so that one which an exam missed is found again later.
Masks that were stored with one Tracking UID are one lesion by their author's word; what is left is matched by place.
An event is told once: a lesion that has gone, or has merged into another, is not gone again on the exam after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imaging.geometry import Rigid
from imaging.lesions.match import Event, EventKind, Matching, match_lesions, points_of
from imaging.provenance import uid_from
from imaging.segmentation.segment import LesionId, Segment

__all__ = ["Known", "identify", "in_place_order", "tracking_uid_of"]

MOST_OUTSIDE = 0.5  # of a lesion's place beyond the image: then its absence says nothing


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Known:
    """A lesion as it was seen last.

    Parameters
    ----------
    lesion
        Who it is.
    segment
        Its newest mask.
    here_from_there
        From that mask's space to the exam in question.
    tracking_uid
        What its masks are stored with; empty where unknown.
    apart
        Whether the exam before shows it as itself: neither gone nor merged into another.
    """

    lesion: LesionId
    segment: Segment
    here_from_there: Rigid
    tracking_uid: str = ""
    apart: bool = True


def identify(known: Sequence[Known], found: Mapping[LesionId, Segment]) -> Matching:
    """Which known lesion each mask is, and what the links leave open.

    Parameters
    ----------
    known
        Lesions from before; their order says nothing.
    found
        The masks of one exam by any names; neither names nor order say anything. Empty ones take no part.

    Returns
    -------
    Matching
        ``a`` are lesions, ``b`` names in ``found``. Nothing is new where nothing was known, and nothing has gone from
        an exam without masks or from beyond its images.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> mask = np.zeros((8, 8, 8), bool); mask[2:5, 2:5, 2:5] = True
    >>> seen = Segment(mask=mask, grid=Grid.from_spacing((8, 8, 8), (2, 2, 2)))
    >>> left = Known(lesion=LesionId("left"), segment=seen, here_from_there=Rigid.identity())
    >>> matching = identify([left], {LesionId("mask 7"): seen})
    >>> [(link.a, link.b, link.basis.value) for link in matching.links], matching.events
    ([('left', 'mask 7', 'overlap')], ())
    """
    if not known or all(segment.bounds is None for segment in found.values()):
        return Matching()
    matching = match_lesions(
        {entry.lesion: entry.segment for entry in known},
        found,
        b_from_a={entry.lesion: entry.here_from_there for entry in known},
        declared=declared_pairs(known, found),
        missed=[entry.lesion for entry in known if not entry.apart],
    )
    apart = {entry.lesion for entry in known if entry.apart}
    beyond = {entry.lesion for entry in known if is_beyond(entry, found.values())}
    whole = {link.b: link.a for link in matching.links}
    events = (told_of(event, apart=apart, beyond=beyond, whole=whole) for event in matching.events)
    return Matching(matching.links, tuple(event for event in events if event is not None))


def told_of(
    event: Event, *, apart: set[LesionId], beyond: set[LesionId], whole: Mapping[LesionId, LesionId]
) -> Event | None:
    """The event with the lesions that it is news of; None where there are none."""
    if event.kind is EventKind.GONE:
        return event if apart.intersection(event.a) - beyond else None
    if event.kind is EventKind.MERGED:
        parts = tuple(name for name in event.a if name in apart or name == whole[event.b[0]])
        return replace(event, a=parts) if len(parts) > 1 else None
    return event


def declared_pairs(known: Sequence[Known], found: Mapping[LesionId, Segment]) -> dict[LesionId, LesionId]:
    """Lesion to mask where exactly one of each has a Tracking UID."""
    pairs = {}
    for entry in known:
        same = [name for name, segment in found.items() if segment.tracking_uid == entry.tracking_uid != ""]
        owners = [other for other in known if other.tracking_uid == entry.tracking_uid]
        if len(same) == 1 == len(owners):
            pairs[entry.lesion] = same[0]
    return pairs


def is_beyond(entry: Known, found: Iterable[Segment]) -> bool:
    """Whether the lesion's place lies outside of the images on which the others were outlined."""
    points = entry.here_from_there.apply(points_of(entry.segment))
    shares = []
    for segment in found:
        index = segment.grid.indices(points)
        within = ((index >= -0.5) & (index <= np.array(segment.grid.shape) - 0.5)).all(axis=1)
        shares.append(float(within.mean()) if len(points) else 0.0)
    return max(shares, default=0.0) < 1 - MOST_OUTSIDE


def in_place_order(found: Mapping[LesionId, Segment]) -> tuple[LesionId, ...]:
    """The names of the masks from head to foot, whatever they are called: the order in which new lesions get numbers.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((8, 8, 8), (2, 2, 2))
    >>> low, high = np.zeros((2, 8, 8, 8), bool)
    >>> low[1, 4, 4] = high[6, 4, 4] = True
    >>> in_place_order({"a": Segment(mask=low, grid=grid), "b": Segment(mask=high, grid=grid)})
    ('b', 'a')
    """

    def place(name: LesionId) -> tuple[float, float, float, str]:
        points = points_of(found[name])
        x, y, z = points.mean(axis=0).round(3).tolist() if len(points) else (0.0, 0.0, 0.0)
        return (-z, -x, y, found[name].sha256)

    return tuple(sorted(found, key=place))


def tracking_uid_of(case_id: str, segment: Segment) -> str:
    """The Tracking UID of a lesion that is met first in this mask: the one it was stored with, else of its content.

    Names, labels and the order of the masks do not change it.
    """
    return segment.tracking_uid or uid_from(case_id, segment.sha256)
