"""Which mask on one exam is which on another: an optimal assignment by overlap, with how sure it is.

Two masks are compared where they are, each on its own grid: the voxel centres of one are moved into the other's space
and looked up there. What lies inside the other counts by the smaller of the two volumes, so that a lesion that shrank
to a tenth inside its old outline is still itself; how far apart the centres are decides between neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid, Rigid
from imaging.segmentation.segment import LesionId, Segment

__all__ = [
    "MOST_INSIDE",
    "Basis",
    "Event",
    "EventKind",
    "Link",
    "Matching",
    "match_lesions",
    "points_of",
    "share_inside",
]

REGISTRATION_MM = 5.0  # how far an accepted registration may be off: small lesions need not overlap to be the same
MOST_COST = 0.9  # a pair that costs more is two lesions: no overlap and centres nearly a radius apart
MISSED_COST = 0.25  # half of what a pair costs that overlaps in full and lies a radius apart
SURE = 1e6  # what a declared pair is cheaper by: more than all others together
NEARBY_MM = 2.0  # what lies no farther out than this may lie inside: an accepted registration is rarely off by more
MOST_INSIDE = 0.5  # of a lesion's volume inside another makes it a part of that: merged or split off


class EventKind(StrEnum):
    """What happened to lesions between two exams, beyond growing and shrinking."""

    NEW = "new"
    GONE = "gone"
    MERGED = "merged"
    SPLIT = "split"


class Basis(StrEnum):
    """Why two masks are taken for one lesion."""

    OVERLAP = "overlap"  # they lie in one place after registration
    DECLARED = "declared"  # both were stored with one Tracking UID
    FOLLOWED = "followed"  # one was outlined from the other
    PLACED = "placed"  # somebody drew it or said where it is, and nothing before it was the same
    READER = "reader"  # a reader said so of this very mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two masks that are one lesion.

    Parameters
    ----------
    a, b
        The lesion's name on either exam.
    cost
        0 (same place) … 1 (strangers).
    dice
        Overlap of the two volumes after registration.
    distance_mm
        Between the centroids after registration.
    ambiguity
        The best other partner's likeness relative to this one's: 0 = no other in question, 1 = a toss-up.
    basis
        What the link rests on.
    """

    a: LesionId
    b: LesionId
    cost: float
    dice: float
    distance_mm: float
    ambiguity: float
    basis: Basis = Basis.OVERLAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a link cannot say; merged: several of ``a`` in one of ``b``; split: the other way round."""

    kind: EventKind
    a: tuple[LesionId, ...] = ()
    b: tuple[LesionId, ...] = ()


@dataclass(frozen=True, slots=True)
class Matching:
    """All links and events between two exams, in the order of names."""

    links: tuple[Link, ...] = ()
    events: tuple[Event, ...] = ()


def match_lesions(
    a: Mapping[LesionId, Segment],
    b: Mapping[LesionId, Segment],
    *,
    b_from_a: Rigid | Mapping[LesionId, Rigid],
    declared: Mapping[LesionId, LesionId] | None = None,
    missed: Collection[LesionId] = (),
) -> Matching:
    """The cheapest one-to-one assignment of masks on one exam to masks on another.

    Parameters
    ----------
    a, b
        Masks by name, each on its own grid. Empty masks take no part.
    b_from_a
        An accepted transform between the exams' patient spaces; by the name in ``a`` where those masks were made on
        several exams.
    declared
        Pairs, name in ``a`` to name in ``b``, that are one lesion wherever they lie.
    missed
        Names in ``a`` that the newest exam did not show: of two equal partners the other is the likelier.

    Returns
    -------
    Matching
        A lesion that lies by half its volume in another exam's lesion, which is linked to a third, is merged into it
        (or split from it) and is neither gone nor new.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Grid.from_spacing((8, 8, 8), (2, 2, 2))
    >>> mask = np.zeros((8, 8, 8), bool); mask[2:5, 2:5, 2:5] = True
    >>> before, after = ({LesionId(name): Segment(mask=mask, grid=grid)} for name in ("GTV MR", "GTV CT"))
    >>> match_lesions(before, after, b_from_a=Rigid.identity()).links[0].cost
    0.0
    """
    first = [Body.of(name, a[name]) for name in sorted(a) if a[name].bounds is not None]
    second = [Body.of(name, b[name]) for name in sorted(b) if b[name].bounds is not None]
    moves = {one.name: b_from_a if isinstance(b_from_a, Rigid) else b_from_a[one.name] for one in first}
    pairs = [[Pair.of(one, two, moves[one.name]) for two in second] for one in first]
    if not first or not second:
        return Matching((), events_of(pairs, first, second, []))
    costs = np.array([[pair.cost for pair in row] for row in pairs])
    said = np.array([[(declared or {}).get(one.name) == two.name for two in second] for one in first])
    late = np.array([[MISSED_COST * (one.name in missed)] for one in first])
    rows, columns = linear_sum_assignment(costs + late - SURE * said)
    joined = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if said[i, j] or costs[i, j] <= MOST_COST]
    links = tuple(
        Link(
            a=first[i].name,
            b=second[j].name,
            cost=pairs[i][j].cost,
            dice=pairs[i][j].dice,
            distance_mm=pairs[i][j].distance_mm,
            ambiguity=0.0 if said[i, j] else ambiguity(costs, i, j),
            basis=Basis.DECLARED if said[i, j] else Basis.OVERLAP,
        )
        for i, j in joined
    )
    return Matching(links, events_of(pairs, first, second, joined))


@dataclass(frozen=True, eq=False)
class Body:
    """A mask as the points that it fills."""

    name: LesionId
    mask: BoolArray
    grid: Grid
    points: FloatArray
    volume_mm3: float

    @classmethod
    def of(cls, name: LesionId, segment: Segment) -> Body:
        points = points_of(segment)
        return cls(name, segment.mask, segment.grid, points, len(points) * segment.grid.voxel_volume_mm3)

    @property
    def radius_mm(self) -> float:
        """Of the ball with this volume."""
        return float(np.cbrt(self.volume_mm3 * 3.0 / (4.0 * np.pi)))

    @cached_property
    def surroundings(self) -> tuple[FloatArray, BoolArray]:
        """The mask and what is nearby, cut out, and the index where the cut begins."""
        voxels = np.rint(self.grid.indices(self.points)).astype(int)
        margin = np.ceil(NEARBY_MM / np.array(self.grid.spacing_mm)).astype(int) + 1
        first = voxels.min(axis=0) - margin
        cut = np.zeros(voxels.max(axis=0) + margin + 1 - first, dtype=bool)
        cut[tuple((voxels - first).T)] = True
        away_mm = ndimage.distance_transform_edt(~cut, sampling=self.grid.spacing_mm)
        return first.astype(np.float64), np.asarray(away_mm <= NEARBY_MM, dtype=bool)

    def share_of(self, points: FloatArray) -> float:
        """Which fraction of the points (n, 3) lies in the mask."""
        return share_in(self.mask, self.grid.indices(points))

    def share_near(self, points: FloatArray) -> float:
        """Which fraction of the points (n, 3) lies in the mask or nearby."""
        first, nearby = self.surroundings
        return share_in(nearby, self.grid.indices(points) - first)


def share_inside(one: Segment, other: Segment, other_from_one: Rigid) -> float:
    """Which share of one lesion lies in another's outline, or no farther out than a registration errs; 0 if empty.

    Examples
    --------
    >>> mask = np.zeros((8, 8, 8), bool); mask[2:5, 2:5, 2:5] = True
    >>> segment = Segment(mask=mask, grid=Grid.from_spacing((8, 8, 8), (4, 4, 4)))
    >>> share_inside(segment, segment, Rigid.identity()), share_inside(segment, segment, Rigid.from_shift((12, 0, 0)))
    (1.0, 0.0)
    """
    if one.bounds is None or other.bounds is None:
        return 0.0
    return Body.of(LesionId(""), other).share_near(other_from_one.apply(points_of(one)))


def points_of(segment: Segment) -> FloatArray:
    """The centres of its voxels, (n, 3) LPS mm."""
    if segment.bounds is None:
        return np.empty((0, 3))
    start = [side.start for side in segment.bounds]
    return segment.grid.points(np.argwhere(segment.mask[segment.bounds]) + start)


def share_in(mask: BoolArray, indices: FloatArray) -> float:
    nodes = np.rint(indices).astype(np.int64)
    inside = ((nodes >= 0) & (nodes < np.array(mask.shape))).all(axis=1)
    return float(mask[tuple(nodes[inside].T)].sum() / len(nodes))


@dataclass(frozen=True, slots=True)
class Pair:
    """How two masks lie to one another: the share of each in or near the other, their overlap and distance."""

    a_near_b: float
    b_near_a: float
    dice: float
    distance_mm: float
    cost: float

    @classmethod
    def of(cls, a: Body, b: Body, b_from_a: Rigid) -> Pair:
        moved, back = b_from_a.apply(a.points), b_from_a.inverse().apply(b.points)
        distance = float(np.linalg.norm(moved.mean(axis=0) - b.points.mean(axis=0)))
        a_in_b, b_in_a = b.share_of(moved), a.share_of(back)
        common = (a_in_b * a.volume_mm3 + b_in_a * b.volume_mm3) / 2.0  # the two differ by how the lattices lie
        inside = min(common / min(a.volume_mm3, b.volume_mm3), 1.0)
        near = max(0.0, 1.0 - distance / (max(a.radius_mm, b.radius_mm) + REGISTRATION_MM))
        dice = 2.0 * common / (a.volume_mm3 + b.volume_mm3)
        return cls(b.share_near(moved), a.share_near(back), dice, distance, 1.0 - (inside + near) / 2.0)


def ambiguity(costs: FloatArray, i: int, j: int) -> float:
    """The best other partner's likeness (1 − cost) relative to that of the pair itself, at most 1."""
    others = np.concatenate([np.delete(costs[i], j), np.delete(costs[:, j], i)])
    if others.size == 0 or costs[i, j] >= 1.0:
        return 0.0
    return float(min(max(1.0 - others.min(), 0.0) / (1.0 - costs[i, j]), 1.0))


def events_of(
    pairs: list[list[Pair]], first: list[Body], second: list[Body], joined: list[tuple[int, int]]
) -> tuple[Event, ...]:
    """What the links leave open."""
    to_b, to_a = dict(joined), {j: i for i, j in joined}
    merged: dict[int, list[int]] = {}
    split: dict[int, list[int]] = {}
    events: list[Event] = []
    for i, one in enumerate(first):
        if i not in to_b:
            inside = [(pairs[i][j].a_near_b, j) for j in to_a if pairs[i][j].a_near_b >= MOST_INSIDE]
            if inside:
                merged.setdefault(max(inside)[1], []).append(i)
            else:
                events.append(Event(kind=EventKind.GONE, a=(one.name,)))
    for j, two in enumerate(second):
        if j not in to_a:
            inside = [(pairs[i][j].b_near_a, i) for i in to_b if pairs[i][j].b_near_a >= MOST_INSIDE]
            if inside:
                split.setdefault(max(inside)[1], []).append(j)
            else:
                events.append(Event(kind=EventKind.NEW, b=(two.name,)))
    for j, parts in merged.items():
        names = sorted(first[i].name for i in (to_a[j], *parts))
        events.append(Event(kind=EventKind.MERGED, a=tuple(names), b=(second[j].name,)))
    for i, parts in split.items():
        names = sorted(second[j].name for j in (to_b[i], *parts))
        events.append(Event(kind=EventKind.SPLIT, a=(first[i].name,), b=tuple(names)))
    return tuple(events)
