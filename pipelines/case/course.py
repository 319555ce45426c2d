"""The targets of a case from baseline on, each exam as the criteria count it: measured, absent, in pieces, merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from imaging.lesions.lesion import Lesion, Observation
from imaging.lesions.procedure import LOCAL_THERAPIES, Procedure
from imaging.lesions.timeline import happened_before
from imaging.measurement.change import is_plane_changed
from imaging.measurement.quantity import Quantity
from imaging.response.exact import Size
from imaging.response.reading import FillIn
from imaging.response.recist import TOO_SMALL_MM, Target
from imaging.response.who import product_mm2
from imaging.segmentation import LesionId, Status
from pipelines.case.conclude import Case

__all__ = ["Course", "Sight", "course_of"]

GONE = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one exam tells of one target; None is not known.

    Parameters
    ----------
    long_mm, short_mm, product_mm2, volume_ml, net_ml
        0 where the lesion is gone, or counts in another with which it has merged.
    pieces_mm
        The diameters to add up, where a reader says that it has split.
    merged_into
        The lesion that stands for the whole.
    material
        Whether it holds cement or glue.
    viable_mm, fill_in
        As a reader signed them.
    observation
        The accepted mask's figures; None where only a reader's statement stands.
    """

    long_mm: Size | None = None
    short_mm: Size | None = None
    product_mm2: Size | None = None
    volume_ml: Size | None = None
    net_ml: Size | None = None
    pieces_mm: tuple[float, ...] = ()
    merged_into: str | None = None
    material: bool | None = None
    viable_mm: float | None = None
    fill_in: FillIn | None = None
    observation: Observation | None = None


UNSEEN = Sight()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Course:
    """The targets through the exams that tell something of them.

    Parameters
    ----------
    case
        Whose.
    targets
        In the case's order.
    sights
        By exam and lesion.
    baseline
        The first exam on which every target was measured on an accepted mask.
    visits
        The later ones, in time order.
    """

    case: Case
    targets: tuple[Lesion, ...]
    sights: Mapping[str, Mapping[LesionId, Sight]]
    baseline: str
    visits: tuple[str, ...]

    def sight(self, lesion: Lesion, timepoint: str) -> Sight:
        """Of one lesion on one exam."""
        return self.sights[timepoint][lesion.id]

    def before(self, visit: str) -> tuple[str, ...]:
        """The exams between baseline and that one."""
        return self.visits[: self.visits.index(visit)]

    def days(self, visit: str) -> int | None:
        """From baseline; None where a date is not known."""
        return self.case.days_between(self.baseline, visit)

    def contradicted(self, visit: str) -> tuple[str, ...]:
        """Lesions that a reader calls absent and that have an accepted outline."""
        reading = self.case.reading(visit)
        absent = () if reading is None else reading.absent
        return tuple(lesion for lesion in absent if accepted(self.case, LesionId(lesion), visit) is not None)

    def is_plane_changed(self, lesion: Lesion, timepoint: str) -> bool:
        """Whether the exam's slices cut the lesion otherwise than at baseline."""
        here, then = (self.sight(lesion, exam).observation for exam in (timepoint, self.baseline))
        return here is not None and then is not None and is_plane_changed(then.slice_normal, here.slice_normal)

    def of_another_kind(self, lesion: Lesion, timepoint: str) -> str | None:
        """The role of the image on which the lesion was accepted, where it is another than at baseline."""
        here, then = accepted(self.case, lesion.id, timepoint), self.sight(lesion, self.baseline).observation
        return here.role if here is not None and then is not None and here.role != then.role else None

    def target(self, lesion: Lesion, timepoint: str, among: tuple[Lesion, ...]) -> Target:
        """The lesion as RECIST counts it among the measurable targets."""
        sight = self.sight(lesion, timepoint)
        whole = sight.merged_into if sight.merged_into in {other.id for other in among} else None
        size = sight.short_mm if lesion.eligibility.node else sight.long_mm
        lost = sight.merged_into is not None or self.is_plane_changed(lesion, timepoint)
        return Target(
            lesion=lesion.id,
            size_mm=None if lost or sight.pieces_mm else size,
            node=lesion.eligibility.node,
            organ=lesion.eligibility.organ,
            pieces_mm=() if lost or lesion.eligibility.node else sight.pieces_mm,  # long axes, and a node's are short
            merged_into=whole,
        )

    def prior_therapies(self, lesion: Lesion) -> tuple[Procedure, ...]:
        """Local ones on the lesion, or on none that is named, that may lie before baseline."""
        start = self.case.moments[self.baseline]
        return tuple(p for p in local_therapies(self.case, lesion) if not happened_before(start, p.when))

    def therapies_since(self, lesion: Lesion, visit: str) -> tuple[Procedure, ...]:
        """Local ones that lie after baseline and may lie before the exam."""
        start, end = self.case.moments[self.baseline], self.case.moments[visit]
        return tuple(
            procedure
            for procedure in local_therapies(self.case, lesion)
            if happened_before(start, procedure.when) and not happened_before(end, procedure.when)
        )


def local_therapies(case: Case, lesion: Lesion) -> Iterator[Procedure]:
    for procedure in case.procedures:
        if procedure.kind in LOCAL_THERAPIES and procedure.lesion in (lesion.id, None):
            yield procedure


def course_of(case: Case) -> Course | None:
    """The course of the case's targets; None where there is no target, or no exam that could be a baseline."""
    targets = tuple(lesion for lesion in case.lesions if lesion.kind == "target")
    sights = {exam.id: {lesion.id: sight_of(case, lesion, exam.id) for lesion in targets} for exam in case.timepoints}
    complete = [exam for exam in sights if all(sight.observation is not None for sight in sights[exam].values())]
    if not targets or not complete:
        return None
    order = [exam.id for exam in case.timepoints]
    told = [
        exam
        for exam in order[order.index(complete[0]) + 1 :]
        if case.reading(exam) is not None
        or any(sight != UNSEEN for sight in sights[exam].values())
        or any(accepted(case, lesion.id, exam) is not None for lesion in targets)
    ]
    return Course(case=case, targets=targets, sights=sights, baseline=complete[0], visits=tuple(told))


def sight_of(case: Case, lesion: Lesion, timepoint: str) -> Sight:
    """The accepted mask's figures, after what a reader says of the exam."""
    found = comparable(case, lesion.id, timepoint)
    sight = UNSEEN if found is None else measured(found)
    reading = case.reading(timepoint)
    if reading is None:
        return sight
    whole = reading.merged_into(lesion.id)
    if lesion.id in reading.absent:  # an outline of what is said to be gone: neither counts until the reader decides
        sight = part_of(None, holds_material(case, lesion, timepoint)) if found is None else UNSEEN
    elif lesion.id in reading.too_small:
        sight = replace(sight, long_mm=TOO_SMALL_MM, short_mm=TOO_SMALL_MM, product_mm2=None)
    elif whole is not None:
        sight = part_of(whole, holds_material(case, lesion, timepoint))
    elif any(lesion.id in group for group in reading.merged):
        sight = replace(sight, product_mm2=None)  # the whole's product has no like at an earlier exam
    elif lesion.id in reading.split and found is not None:
        sight = replace(sight, pieces_mm=found.pieces_mm, product_mm2=None)
    return replace(sight, viable_mm=reading.viable_mm.get(lesion.id), fill_in=reading.fill_in.get(lesion.id))


def measured(found: Observation) -> Sight:
    return Sight(
        long_mm=value_of(found.long_axis),
        short_mm=value_of(found.short_axis),
        product_mm2=product_mm2(value_of(found.long_axis), value_of(found.short_axis)),
        volume_ml=value_of(found.volume),
        net_ml=value_of(found.net_volume),
        material=None if found.material is None else found.material.value > 0,
        observation=found,
    )


def part_of(whole: str | None, material: bool | None) -> Sight:  # noqa: FBT001 - as it is known
    """Nothing of its own to measure: gone, or counted in another lesion."""
    product = GONE if whole is None else None
    return Sight(
        long_mm=GONE,
        short_mm=GONE,
        product_mm2=product,
        volume_ml=GONE,
        net_ml=GONE,
        merged_into=whole,
        material=material,
    )


def holds_material(case: Case, lesion: Lesion, timepoint: str) -> bool | None:
    """By what the exam's figures say, else by its history: False only where procedures are told and none injected."""
    seen = case.primary(lesion.id, timepoint)
    if seen is not None and seen.material is not None:
        return seen.material.value > 0
    now = case.moments[timepoint]
    injected = [p for p in case.procedures if p.materials and p.lesion in (lesion.id, None)]
    return None if not case.procedures or any(not happened_before(now, p.when) for p in injected) else False


def comparable(case: Case, lesion: LesionId, timepoint: str) -> Observation | None:
    """The accepted observation, if it is of the kind of image on which the lesion was accepted first."""
    known = (accepted(case, lesion, exam.id) for exam in case.timepoints)
    first = next((observation for observation in known if observation is not None), None)
    here = accepted(case, lesion, timepoint)
    return here if here is not None and first is not None and here.role == first.role else None


def accepted(case: Case, lesion: LesionId, timepoint: str) -> Observation | None:
    """The primary observation, if a reader or its author stands for it and it has figures."""
    observation = case.primary(lesion, timepoint)
    if observation is None or observation.status is not Status.ACCEPTED or observation.volume is None:
        return None
    return observation


def value_of(quantity: Quantity | None) -> float | None:
    return None if quantity is None else quantity.value
