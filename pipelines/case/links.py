"""How the exams of a case lie to one another: the fewest registrations that join them all, and paths along them.

Magnetic resonance exams form a chain in time, because neighbours look most alike; every CT is joined to the MR nearest
in date. Where there is no MR, the CTs are the chain. A path uses accepted registrations only.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imaging.arrays import BoolArray
from imaging.geometry import Rigid
from imaging.registration.rigid import Registration, register
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from pipelines.case.exams import Exams, Images, ct_of, series_for

__all__ = ["Link", "Links", "Way", "link_exams"]


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
        By volume id, where an image shows what changes from exam to exam (material on CT) and must not steer.
    workers
        Registrations at the same time; each is deterministic by itself, so the number changes nothing.
    """
    pairs = pairs_to_register(exams)
    volumes = [(images.of(fixed.record), images.of(moving.record)) for fixed, moving in pairs]

    def one(number: int) -> Link:
        fixed, moving = pairs[number]
        found = register(
            volumes[number][0],
            volumes[number][1],
            fixed_exclude=excluded.get(fixed.record.volume_id),
            moving_exclude=excluded.get(moving.record.volume_id),
        )
        return Link(fixed, moving, found)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        return Links(tuple(pool.map(one, range(len(pairs)))))
