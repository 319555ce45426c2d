"""What the criteria say of a case: a row for each exam after baseline and each criterion that applies.

Only accepted masks and what readers signed give a category. Targets that RECIST does not let be measured are left out
of its sum and named; where a reader must decide first, there is none.

A site's criterion on net volume has its own baseline, the first exam from which on every target held the material that
it holds now: taking 3 mL of cement off an unchanged lesion is no response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from imaging.lesions.lesion import SKELETON, Lesion
from imaging.response.exact import Size, exact_sum
from imaging.response.mda import BoneLesion, mda_response
from imaging.response.mrecist import mrecist_response
from imaging.response.reading import NewLesions
from imaging.response.response import Response
from imaging.response.thresholds import Metric, Thresholds, threshold_response
from imaging.response.volumetric import SPHERE
from imaging.response.who import who_response
from pipelines.case.conclude import Case
from pipelines.case.course import Course, Sight, course_of
from pipelines.case.recist_rows import best_row, new_lesions_at, not_evaluable, overall_rows, plane_reason, target_rows

__all__ = ["responses"]

TARGETS = "target lesions"
LATE_BASELINE = "baseline is {}, the first exam on which every target was measured on an accepted mask"
NET_FROM = "net volume counts from {} on, the first exam with the material inside"
NET_FROM_NONE = "net volume has no baseline: no earlier exam is known to hold the same material"
UNDATED = "UNKNOWN_DATE: the exam has no date, so that it may lie before baseline"
Rows = dict[str, Response]  # by exam
SIZES: Mapping[Metric, Callable[[Sight], Size | None]] = {
    Metric.VOLUME: lambda sight: sight.volume_ml,
    Metric.NET_VOLUME: lambda sight: sight.net_ml,
    Metric.LONG_AXIS: lambda sight: exact_sum(sight.pieces_mm) if sight.pieces_mm else sight.long_mm,
    Metric.PRODUCT: lambda sight: sight.product_mm2,
    Metric.VIABLE: lambda sight: sight.viable_mm,
}


def responses(case: Case) -> tuple[tuple[str, Response], ...]:
    """(timepoint, category): each exam after baseline by all criteria, the best overall response last.

    Baseline is the first exam on which every target was measured on an accepted mask; where that is not the case's
    first one, every row says so. Only exams with an accepted mask of at least one target, or with a reading, give rows:
    where nothing was accepted there is no category, and where a part was, or on another kind of image than at baseline,
    the rules themselves say NE.
    """
    course = course_of(case)
    targets = {} if course is None else in_time(case, target_rows(course))
    overall = in_time(case, overall_rows(case, course, targets))
    best = best_row(case, course, overall)
    rows: list[tuple[str, Response]] = []
    for visit in overall if course is None else course.visits:
        rows += [(visit, part[visit]) for part in (targets, overall) if visit in part]
        found = () if course is None else others(course, visit)
        rows += [(visit, in_time(case, {visit: response})[visit]) for response in found]
    rows += [] if best is None else [best]
    told: tuple[str, ...] = ()
    if course is not None and course.baseline != case.timepoints[0].id:
        told = (LATE_BASELINE.format(course.baseline),)
    return tuple((visit, replace(row, reasons=(*row.reasons, *told))) for visit, row in rows)


def in_time(case: Case, rows: Rows) -> Rows:
    """The rows by exam, without a category where the exam has no date."""
    return {exam: row if case.moments[exam] else not_evaluable(row, UNDATED) for exam, row in rows.items()}


def others(course: Course, visit: str) -> Iterator[Response]:
    """All criteria but RECIST."""
    yield products(course, visit)
    yield viable(course, visit)
    if bones := tuple(lesion for lesion in course.targets if lesion.eligibility.organ == SKELETON):
        yield bone(course, visit, bones)
    for thresholds in (SPHERE, *course.case.criteria):
        yield by_thresholds(course, visit, thresholds)


def products(course: Course, visit: str) -> Response:
    baseline, current, *earlier = (by_lesion(course, exam, Metric.PRODUCT) for exam in exams(course, visit))
    new = new_lesions_at(course.case)[visit]
    found = who_response(baseline=baseline, current=current, earlier=earlier, new_lesions=new)
    return in_one_plane(course, visit, found, course.targets)


def viable(course: Course, visit: str) -> Response:
    baseline, current, *earlier = (by_lesion(course, exam, Metric.VIABLE) for exam in exams(course, visit))
    return mrecist_response(baseline=baseline, current=current, earlier=earlier)


def bone(course: Course, visit: str, lesions: tuple[Lesion, ...]) -> Response:
    baseline, current, *earlier = (
        {str(lesion.id): bone_lesion(course, lesion, exam) for lesion in lesions} for exam in exams(course, visit)
    )
    found = mda_response(
        baseline=baseline,
        current=current,
        earlier=earlier,
        days=course.days(visit),
        new_lesions=new_lesions_at(course.case)[visit],
    )
    return in_one_plane(course, visit, found, lesions)


def bone_lesion(course: Course, lesion: Lesion, exam: str) -> BoneLesion:
    sight = course.sight(lesion, exam)
    product = size_of(course, lesion, exam, Metric.PRODUCT)
    return BoneLesion(product_mm2=product, material=sight.material, fill_in=sight.fill_in)


def by_thresholds(course: Course, visit: str, thresholds: Thresholds) -> Response:
    if thresholds.metric is Metric.NET_VOLUME:
        return by_net_volume(course, visit, thresholds)
    baseline, current, *earlier = (total(course, exam, thresholds.metric) for exam in exams(course, visit))
    found = threshold_response(thresholds, baseline=baseline, current=current, earlier=earlier, scope=TARGETS)
    return found if thresholds.metric.is_volume else in_one_plane(course, visit, found, course.targets)


def by_net_volume(course: Course, visit: str, thresholds: Thresholds) -> Response:
    before = (course.baseline, *course.before(visit))
    sums = {exam: total(course, exam, Metric.NET_VOLUME) for exam in before if holds_alike(course, exam, visit)}
    known = [exam for exam in sums if sums[exam] is not None]
    baseline, *earlier = [sums[exam] for exam in known] or [None]
    current = total(course, visit, Metric.NET_VOLUME)
    found = threshold_response(thresholds, baseline=baseline, current=current, earlier=earlier, scope=TARGETS)
    told = NET_FROM.format(known[0]) if known else NET_FROM_NONE
    return found if known[:1] == [course.baseline] else replace(found, reasons=(*found.reasons, told))


def holds_alike(course: Course, exam: str, visit: str) -> bool:
    """Whether no target that may hold material on the visit was without it on the exam."""
    pairs = ((course.sight(lesion, exam).material, course.sight(lesion, visit).material) for lesion in course.targets)
    return all(then is not False or now is False for then, now in pairs)


def total(course: Course, exam: str, metric: Metric) -> Size | None:
    return exact_sum(by_lesion(course, exam, metric).values())


def in_one_plane(course: Course, visit: str, found: Response, lesions: tuple[Lesion, ...]) -> Response:
    """No category of diameters that do not compare; new lesions are progression whatever the slices."""
    changed = plane_reason(course, visit, lesions)
    by_new = "new_lesions" in found.inputs and new_lesions_at(course.case)[visit] is NewLesions.UNEQUIVOCAL
    return not_evaluable(found, changed) if changed and not by_new else found


def exams(course: Course, visit: str) -> tuple[str, ...]:
    """Baseline, the exam itself, and those between."""
    return (course.baseline, visit, *course.before(visit))


def by_lesion(course: Course, exam: str, metric: Metric) -> dict[str, Size | None]:
    return {lesion.id: size_of(course, lesion, exam, metric) for lesion in course.targets}


def size_of(course: Course, lesion: Lesion, exam: str, metric: Metric) -> Size | None:
    """What the lesion adds to a sum; a diameter on slices that lean otherwise than at baseline is none."""
    is_diameter = metric in (Metric.LONG_AXIS, Metric.PRODUCT)
    return None if is_diameter and course.is_plane_changed(lesion, exam) else SIZES[metric](course.sight(lesion, exam))
