"""RECIST 1.1 of a case: which targets may be measured, their sum at each exam, and what a reader's words make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from imaging.lesions.lesion import SKELETON, Lesion
from imaging.response.best import Visit, best_response
from imaging.response.measurable import NodeClass, measurability, node_class
from imaging.response.overall import dated_new_lesions, overall_response
from imaging.response.reading import NewLesions, NonTarget, Reading
from imaging.response.recist import Target, target_response
from imaging.response.response import Category, Response
from pipelines.case.conclude import Case
from pipelines.case.course import Course, accepted

__all__ = ["best_row", "new_lesions_at", "not_evaluable", "overall_rows", "plane_reason", "target_rows"]

Rows = dict[str, Response]  # by exam
OPEN = "overall NE until a reader states non-target lesions, new lesions and coverage"
NO_BASELINE = "a category needs accepted masks: on no exam was every target lesion measured on one"
NON_TARGETS = "there are non-target lesions, and the reading says that there are none: {}"
NOT_NEW = "the reading says that nothing is new, but {} was accepted as a new lesion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Which targets are measurable at baseline; which are not, and of which a reader must say so, with the reason."""

    measurable: tuple[Lesion, ...]
    left_out: Mapping[str, str]
    undecided: Mapping[str, str]

    @classmethod
    def of(cls, course: Course) -> Standing:
        measurable: list[Lesion] = []
        left_out: dict[str, str] = {}
        undecided: dict[str, str] = {}
        for lesion in course.targets:
            sight = course.sight(lesion, course.baseline)
            holds, reason = measurability(
                lesion.eligibility,
                long_axis_mm=sight.long_mm,
                short_axis_mm=sight.short_mm,
                slice_mm=None if sight.observation is None else sight.observation.slice_mm,
                prior_local_therapy=bool(course.prior_therapies(lesion)),
            )
            if holds:
                measurable.append(lesion)
            else:
                (undecided if holds is None else left_out)[lesion.id] = reason
        return cls(measurable=tuple(measurable), left_out=left_out, undecided=undecided)


def target_rows(course: Course) -> Rows:
    """The category of the measurable targets at each exam after baseline."""
    standing = Standing.of(course)
    return {visit: target_row(course, standing, visit) for visit in course.visits}


def target_row(course: Course, standing: Standing, visit: str) -> Response:
    def at(exam: str) -> list[Target]:
        return [course.target(lesion, exam, standing.measurable) for lesion in standing.measurable]

    earlier = [at(exam) for exam in course.before(visit)]
    found = target_response(baseline=at(course.baseline), current=at(visit), earlier=earlier)
    undecided = [f"{lesion}: {reason}" for lesion, reason in standing.undecided.items()]
    if undecided:
        found = not_evaluable(found, *undecided)
    elif changed := plane_reason(course, visit, standing.measurable):
        found = not_evaluable(found, changed)
    notes = [f"{lesion} is no target: {reason}" for lesion, reason in standing.left_out.items()]
    return replace(found, reasons=(*found.reasons, *notes, *cautions(course, standing, visit)))


def not_evaluable(found: Response, *reasons: str) -> Response:
    """The same response without a category, for those reasons."""
    return replace(found, category=Category.NE, reasons=reasons)


def plane_reason(course: Course, visit: str, lesions: tuple[Lesion, ...]) -> str:
    """Why no diameter of the exam compares with baseline; empty where they do."""
    changed = [lesion.id for lesion in lesions if course.is_plane_changed(lesion, visit)]
    where = ", ".join(changed)
    return (
        f"PLANE_CHANGED: slices lean more than 10° from those at baseline, and cut {where} elsewhere" if changed else ""
    )


def cautions(course: Course, standing: Standing, visit: str) -> Iterator[str]:
    """What a reader of the category must know."""
    if course.case.reading(visit) is None:
        yield OPEN
    unsaid = [
        lesion.id
        for lesion in standing.measurable
        if lesion.eligibility.organ == SKELETON and not lesion.eligibility.node
        if lesion.eligibility.soft_tissue is None and lesion.eligibility.measurable is None
    ]
    if unsaid:
        told = ", ".join(unsaid)
        yield f"bone is measured by its soft-tissue component alone; that it is what was outlined is not said: {told}"
    for lesion in standing.measurable:
        if since := course.therapies_since(lesion, visit):
            told = ", ".join(f"{procedure.id} {procedure.kind}" for procedure in since)
            yield f"{lesion.id} was treated locally after baseline ({told}): what its size tells, a reader decides"
        if lesion.eligibility.node and course.sight(lesion, visit).pieces_mm:
            yield f"{lesion.id} is a node that has split: its pieces count by their short axes, which are not measured"
        if kind := course.of_another_kind(lesion, visit):
            yield f"{lesion.id} was outlined on {kind}, which is another kind of image than at baseline: not measured"
    for name in course.contradicted(visit):
        yield f"{name} is said to be absent and has an accepted outline: neither counts"
    for name in new_outlines(course.case, visit):
        yield f"{name} is outlined, accepted and called new"


def new_outlines(case: Case, visit: str) -> list[str]:
    return [
        lesion.id for lesion in case.lesions if lesion.kind == "new" and accepted(case, lesion.id, visit) is not None
    ]


# --- overall --------------------------------------------------------------------------------------------------------


def new_lesions_at(case: Case) -> Mapping[str, NewLesions | None]:
    """What readers said of new lesions at each exam, confirmed ones dated at first sight."""
    exams = [exam.id for exam in case.timepoints]
    readings = [case.reading(exam) for exam in exams]
    said = dated_new_lesions([None if reading is None else reading.new_lesions for reading in readings])
    return dict(zip(exams, said, strict=True))


def overall_rows(case: Case, course: Course | None, targets: Rows) -> Rows:
    """The overall category of each exam after baseline that a reader signed."""
    others: list[str] = [lesion.id for lesion in case.lesions if lesion.kind == "non-target"]
    if course is not None:
        standing = Standing.of(course)
        others += [
            lesion.id for lesion in course.targets if lesion.id in standing.left_out and not normal(course, lesion)
        ]
        measured = bool(standing.measurable or standing.undecided)
        return {
            visit: overall_row(case, reading, targets[visit].category if measured else None, others)
            for visit in course.visits
            if (reading := case.reading(visit)) is not None
        }
    signed = [reading for exam in case.timepoints[1:] if (reading := case.reading(exam.id)) is not None]
    if any(lesion.kind == "target" for lesion in case.lesions):
        return {reading.timepoint: without_baseline() for reading in signed}
    return {reading.timepoint: overall_row(case, reading, None, others) for reading in signed}


def normal(course: Course, lesion: Lesion) -> bool:
    """Whether it is a node that was too small at baseline to be disease: then it is no non-target lesion either."""
    short = course.sight(lesion, course.baseline).short_mm
    return lesion.eligibility.node and short is not None and node_class(short) is NodeClass.NORMAL


def overall_row(case: Case, reading: Reading, target: Category | None, others: list[str]) -> Response:
    """What the reading makes of the targets; a statement that the case contradicts is none."""
    visit = reading.timepoint
    new, non_target = new_lesions_at(case)[visit], reading.non_target
    doubts = []
    if non_target is NonTarget.NONE and others:
        non_target = None
        doubts.append(NON_TARGETS.format(", ".join(others)))
    if new is NewLesions.NONE and (outlined := new_outlines(case, visit)):
        new = None
        doubts.append(NOT_NEW.format(", ".join(outlined)))
    found = overall_response(target=target, non_target=non_target, new_lesions=new, coverage=reading.coverage)
    return replace(found, reasons=(*found.reasons, *doubts, f"signed by {reading.reader}"))


def without_baseline() -> Response:
    found = overall_response(target=Category.NE, non_target=None, new_lesions=None, coverage=None)
    return not_evaluable(found, NO_BASELINE)


def best_row(case: Case, course: Course | None, overall: Rows) -> tuple[str, Response] | None:
    """The best overall response, at the last exam that a reader signed; where none signed, an exam is not evaluable."""
    if not overall:
        return None
    order = [exam.id for exam in case.timepoints]
    baseline, last = order[0] if course is None else course.baseline, list(overall)[-1]
    visits = [
        Visit(
            days=case.days_between(baseline, exam),
            category=overall[exam].category if exam in overall else Category.NE,
        )
        for exam in order[order.index(baseline) + 1 : order.index(last) + 1]
    ]
    return last, best_response(visits)
