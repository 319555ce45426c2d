"""RECIST 1.1: the best overall response, and whether a second exam confirmed it.

Only trials without randomisation whose end point is response ask for confirmation, so both are told. Where the sources
leave it open, ours: only exams that could not be evaluated may lie between a response and the exam that confirms it,
and a partial response after a complete one confirms neither: disease that comes back is for a reader to judge.

Source: Eisenhauer et al., Eur J Cancer 2009;45:228–247, §4.6 and table 3, known from summaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from imaging.response.recist import CRITERION, SOURCE
from imaging.response.response import Category, Response

__all__ = ["Visit", "best_response"]

CONFIRMATION_DAYS = 28  # "no less than 4 weeks"
LEAST_STABLE_DAYS = 42  # "in general not less than 6–8 weeks" from baseline; the protocol's to choose
ORDER = (Category.CR, Category.PR, Category.SD, Category.NON_CR_NON_PD, Category.PD, Category.NE)  # best first
CONTROLLED = (Category.CR, Category.PR, Category.SD)  # what counts as stable at least, where it lasts
STABLE = (Category.SD, Category.NON_CR_NON_PD)
CONFIRMING = {Category.CR: (Category.CR,), Category.PR: (Category.CR, Category.PR)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The overall category of one exam and how many days after baseline it was taken; None where not known."""

    days: int | None
    category: Category


def best_response(visits: Sequence[Visit], *, least_stable_days: int = LEAST_STABLE_DAYS) -> Response:
    """The best category up to progression; stable only counts from the least duration on.

    Parameters
    ----------
    visits
        After baseline, in time order.
    least_stable_days
        From baseline.

    Examples
    --------
    >>> course = [Visit(days=60, category=Category.PR), Visit(days=87, category=Category.PR)]
    >>> response = best_response(course)
    >>> response.category, response.inputs["confirmed"], response.reasons[-1]
    (<Category.PR: 'PR'>, 'SD', 'no exam at least 28 days later confirms it; where the trial asks for that, it is SD')
    >>> best_response([*course, Visit(days=88, category=Category.PR)]).inputs["confirmed"]
    'PR'
    """
    ends = [number for number, visit in enumerate(visits, start=1) if visit.category is Category.PD]
    course = list(visits[: ends[0]] if ends else visits)
    best = _best([v.category for v in course if v.category not in STABLE or _is_long(v, least_stable_days)])
    confirmed = best
    if best in CONFIRMING:
        kept = [c for c in CONFIRMING if any(_confirms(course, i, j, c) for i, j in _pairs(course))]
        lasting = [Category.SD for v in course if v.category in CONTROLLED and _is_long(v, least_stable_days)]
        confirmed = _best([*kept, *lasting, *(v.category for v in course if v.category is Category.PD)])
    return Response(
        criterion=CRITERION,
        category=best,
        scope="best overall",
        reasons=tuple(_reasons(best, confirmed)),
        inputs={
            "confirmed": str(confirmed),
            "days": [visit.days for visit in visits],
            "overall": [str(visit.category) for visit in visits],
        },
        source=f"{SOURCE}, §4.6 and table 3",
    )


def _best(categories: Sequence[Category]) -> Category:
    return min(categories, key=ORDER.index, default=Category.NE)


def _pairs(course: Sequence[Visit]) -> list[tuple[int, int]]:
    return list(combinations(range(len(course)), 2))


def _confirms(course: Sequence[Visit], first: int, second: int, category: Category) -> bool:
    one, other = course[first], course[second]
    if one.days is None or other.days is None or other.days - one.days < CONFIRMATION_DAYS:
        return False
    between = [visit.category for visit in course[first + 1 : second]]
    return (
        one.category is category
        and other.category in CONFIRMING[category]
        and all(word is Category.NE or word in CONFIRMING[category] for word in between)
    )


def _is_long(visit: Visit, least_days: int) -> bool:
    return visit.days is not None and visit.days >= least_days


def _reasons(best: Category, confirmed: Category) -> list[str]:
    reasons = ["the best of the exams up to progression; before the least duration none counts as stable"]
    if best not in CONFIRMING:
        return reasons
    if confirmed is best:
        return [*reasons, f"an exam at least {CONFIRMATION_DAYS} days later confirms it"]
    missing = f"no exam at least {CONFIRMATION_DAYS} days later confirms it"
    return [*reasons, f"{missing}; where the trial asks for that, it is {confirmed}"]
