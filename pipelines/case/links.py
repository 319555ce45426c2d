"""How the exams of a case lie to one another: the fewest registrations that join them all, and paths along them.

Magnetic resonance exams form a chain in time, because neighbours look most alike; every CT is joined to the MR nearest
in date. Where there is no MR, the CTs are the chain. A path uses accepted registrations only. Where one was rejected,
exams on either side of it are tried next, so that one useless image does not part the exams before it from those after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations

from imaging.arrays import BoolArray
from imaging.errors import UsageError
from imaging.geometry import Rigid
from imaging.registration.rigid import Registration, register
from imaging.segmentation.ellipsoid import voxels_in
from imaging.segmentation.prior import ellipsoid_from_prompts, gives_size
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import Exams, Images, ct_of, series_for
from pipelines.case_file import LesionEntry

__all__ = ["Link", "Links", "Way", "changing", "link_exams"]

LESION_TIMES = 1.2  # of a prompt's ellipsoid: a hand is off by millimetres, and a lesion's border changes with it
DETOURS = 2  # tried for each rejected registration: a patient who was imaged in two places must not cost them all


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One image of one exam."""

    timepoint: Timepoint
    record: SeriesRecord


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A registration of two exams, accepted or not."""

    fixed: Node
    moving: Node
    registration: Registration


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """to_from_of between two series, and over how many registrations it leads."""

    transform: Rigid
    registrations: int


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """All registrations of a case."""

    links: tuple[Link, ...]

    def path(self, to: SeriesRecord, of: SeriesRecord) -> Rigid | None:
        """to_from_of, along accepted registrations; None where no chain of them joins the two series."""
        way = self.way(to, of)
        return None if way is None else way.transform

    def way(self, to: SeriesRecord, of: SeriesRecord) -> Way | None:
        """The same with the number of registrations, each of which may be off by itself."""
        reached = {of.volume_id: Way(Rigid.identity(), 0)}
        waiting = [of]
        while waiting:
            here = waiting.pop(0)
            so_far = reached[here.volume_id]
            if here.volume_id == to.volume_id or same_frame(here, to):
                return so_far
            for there, there_from_here in self.neighbours(here):
                if there.volume_id not in reached:
                    reached[there.volume_id] = Way(there_from_here @ so_far.transform, so_far.registrations + 1)
                    waiting.append(there)
        return None

    def claim(self, to: SeriesRecord, of: SeriesRecord) -> Rigid | None:
        """The identity, where both series state one frame of reference: a claim that the images did not confirm.

        Good enough to tell whose a contour is that somebody drew in that frame; never to propose a mask.
        """
        shared = to.frame_of_reference_uid != "" and to.frame_of_reference_uid == of.frame_of_reference_uid
        return Rigid.identity() if shared else None

    def neighbours(self, here: SeriesRecord) -> list[tuple[SeriesRecord, Rigid]]:
        steps = []
        for link in self.links:
            if not link.registration.accepted:
                continue
            fixed_from_moving = link.registration.fixed_from_moving
            if link.moving.record.volume_id == here.volume_id or same_frame(link.moving.record, here):
                steps.append((link.fixed.record, fixed_from_moving))
            if link.fixed.record.volume_id == here.volume_id or same_frame(link.fixed.record, here):
                steps.append((link.moving.record, fixed_from_moving.inverse()))
        return steps


def same_frame(a: SeriesRecord, b: SeriesRecord) -> bool:
    """Series of one study and one frame of reference: the scanner itself says that their positions compare.

    Across studies a shared frame is a claim, which the registration tests like any other.
    """
    return (
        a.study_uid == b.study_uid
        and a.acquired is not None
        and b.acquired is not None
        and (
            a.acquired[:10] == b.acquired[:10]
            and a.modality == b.modality
            and a.frame_of_reference_uid != ""
            and a.frame_of_reference_uid == b.frame_of_reference_uid
        )
    )


def pairs_to_register(exams: Exams) -> list[tuple[Node, Node]]:
    """(fixed, moving) of every registration that the case needs, the later exam being fixed."""
    anchors = [Node(t, record) for t in exams.timepoints if (record := series_for(t)) is not None]
    chain = [node for node in anchors if node.record.role != "ct"]
    if not chain:
        return list(zip(anchors[1:], anchors[:-1], strict=True))
    pairs = list(zip(chain[1:], chain[:-1], strict=True))
    for timepoint in exams.timepoints:
        record = ct_of(timepoint)
        if record is not None:
            nearest = min(chain, key=lambda node: days_between(node.timepoint, timepoint))
            pairs.append((Node(timepoint, record), nearest))
    return pairs


def days_between(a: Timepoint, b: Timepoint) -> float:
    """Days from one exam to the other; infinitely many if one has no date."""
    return float("inf") if a.days is None or b.days is None else abs(a.days - b.days)


def link_exams(exams: Exams, images: Images, *, excluded: Mapping[str, BoolArray], workers: int = 2) -> Links:
    """Register what must be registered.

    Parameters
    ----------
    excluded
        By volume id, where an image shows what changes from exam to exam and must not steer: see :func:`changing`.
    workers
        Registrations at the same time; each is deterministic by itself, so the number changes nothing.
    """

    def joined(pair: tuple[Node, Node]) -> Link:
        fixed, moving = pair
        found = register(
            images.of(fixed.record),
            images.of(moving.record),
            fixed_exclude=excluded.get(fixed.record.volume_id),
            moving_exclude=excluded.get(moving.record.volume_id),
        )
        return Link(fixed, moving, found)

    pairs = pairs_to_register(exams)
    for record in (node.record for pair in pairs for node in pair):
        images.of(record)  # decoded once, before several threads ask for it
    with ThreadPoolExecutor(max_workers=workers) as pool:
        links = list(pool.map(joined, pairs))
    for _ in range(DETOURS * sum(not link.registration.accepted for link in links)):
        detour = next_detour(links)
        if detour is None:
            break
        links.append(joined(detour))
    return Links(tuple(links))


def next_detour(links: Sequence[Link]) -> tuple[Node, Node] | None:
    """(fixed, moving) of the likeliest pair that was not tried and that no path joins; None where there is none.

    Exams that were rejected more than once go last, and those nearer in date first. CT is fixed, or else the later one.
    """
    nodes = {node.record.volume_id: node for link in links for node in (link.moving, link.fixed)}
    tried = {frozenset((link.fixed.record.volume_id, link.moving.record.volume_id)) for link in links}
    rejections = Counter(
        node.record.volume_id for link in links if not link.registration.accepted for node in (link.fixed, link.moving)
    )
    known = Links(tuple(links))

    def cost(pair: tuple[str, str]) -> tuple[int, float, tuple[str, str]]:
        one, two = pair
        doubted = max(rejections[one] - 1, 0) + max(rejections[two] - 1, 0)
        return doubted, days_between(nodes[one].timepoint, nodes[two].timepoint), pair

    open_pairs = [
        (one, two)
        for one, two in combinations(sorted(nodes), 2)
        if frozenset((one, two)) not in tried and known.path(nodes[two].record, nodes[one].record) is None
    ]
    if not open_pairs:
        return None
    moving, fixed = sorted((nodes[name] for name in min(open_pairs, key=cost)), key=as_fixed)
    return fixed, moving


def as_fixed(node: Node) -> tuple[bool, float]:
    days = node.timepoint.days
    return node.record.role == "ct", float("inf") if days is None else days


def changing(exams: Exams, lesions: Sequence[LesionEntry], material: Mapping[str, BoolArray]) -> dict[str, BoolArray]:
    """By volume id, what a registration must not look at: material, and lesions where a reader's prompts have them.

    One image of a pair is enough: a point that is left out there is compared with nothing.
    """
    out = dict(material)
    for lesion in lesions:
        placed = [(exams.named(prompt.timepoint).id, prompt.prompt) for prompt in lesion.prompts]
        for timepoint in exams.timepoints:
            prompts = [prompt for name, prompt in placed if name == timepoint.id]
            record = series_for(timepoint)
            if record is None or record.grid is None or not gives_size(prompts):
                continue
            with suppress(UsageError):  # a prompt that cannot be is told of in the row of its lesion
                solid = ellipsoid_from_prompts(prompts)[0].scaled(LESION_TIMES)
                inside = voxels_in(solid, record.grid)
                out[record.volume_id] = inside | out.get(record.volume_id, inside)
    return out
