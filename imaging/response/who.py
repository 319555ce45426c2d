"""WHO: categories from the sum of products, longest diameter times the greatest one across it, of target lesions.

A complete or partial response is to be confirmed after four weeks; that is for the reader of several rows.

Source: the criteria's table in PMC2755245 (T3), after Miller et al., Cancer 1981;47:207–214, whose own text could not
be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from imaging.errors import UsageError
from imaging.response.exact import Size, exact, exact_sum
from imaging.response.reading import NewLesions
from imaging.response.response import Category, Response
from imaging.response.thresholds import against

__all__ = ["CRITERION", "product_mm2", "who_response"]

CRITERION = "WHO"
SOURCE = "WHO criteria as in PMC2755245, table 3 (Miller 1981, Cancer 47:207–214)"
PARTIAL = Fraction(50, 100)  # of the baseline sum, or less
PROGRESSION = Fraction(125, 100)  # of any one lesion's smallest product, or more
UNIT = "mm²"


def product_mm2(long_axis_mm: Size | None, short_axis_mm: Size | None) -> Fraction | None:
    """The product of the two diameters, exactly; None where one is not known.

    Examples
    --------
    >>> product_mm2(1.1, 1.1), product_mm2(1.1, None)
    (Fraction(121, 100), None)
    """
    return None if long_axis_mm is None or short_axis_mm is None else exact(long_axis_mm) * exact(short_axis_mm)


def who_response(
    *,
    baseline: Mapping[str, Size | None],
    current: Mapping[str, Size | None],
    earlier: Sequence[Mapping[str, Size | None]] = (),
    new_lesions: NewLesions | None = None,
    scope: str = "target lesions",
) -> Response:
    """The category of the products of lesions against their baseline and their nadirs.

    One lesion that is 25 % above its own smallest product is progression, whatever the sum does, and so is a new one.

    Parameters
    ----------
    baseline, current, earlier
        Products in mm² by lesion, 0 where it is gone, None (or left out) where it was not measured.
    new_lesions
        What a reader says of them; only unequivocal ones are progression.

    Raises
    ------
    UsageError
        If there is a lesion that was not there at baseline, or a product is negative.

    Examples
    --------
    >>> who_response(baseline={"L1": 800.0, "L2": 200.0}, current={"L1": 400.0, "L2": 100.0}).category
    <Category.PR: 'PR'>
    >>> response = who_response(baseline={"L1": 800.0, "L2": 200.0}, current={"L1": 200.0, "L2": 250.0})
    >>> response.category, response.reasons
    (<Category.PD: 'PD'>, ('L2: +25.00 % against the nadir of 200.00 mm²',))
    """
    strange = {lesion for visit in (current, *earlier) for lesion in visit} - set(baseline)
    if strange:
        raise UsageError(f"target lesions are chosen at baseline; {', '.join(sorted(strange))} was not")
    now = exact_sum(current.get(lesion) for lesion in baseline)
    start = exact_sum(baseline.values())
    nadirs = {lesion: _nadir(lesion, (baseline, *earlier)) for lesion in baseline}
    grown = list(_grown(current, nadirs))
    category, reasons = _judge(start, now, grown)
    if new_lesions is NewLesions.UNEQUIVOCAL:
        category, reasons = Category.PD, ("there are new lesions", *grown)
    return Response(
        criterion=CRITERION,
        category=category,
        scope=scope,
        reasons=reasons,
        inputs={
            "sum_mm2": None if now is None else float(now),
            "baseline_mm2": None if start is None else float(start),
            "products_mm2": {lesion: _plain(current.get(lesion)) for lesion in baseline},
            "nadirs_mm2": {lesion: _plain(nadir) for lesion, nadir in nadirs.items()},
            "new_lesions": None if new_lesions is None else str(new_lesions),
        },
        source=SOURCE,
    )


def _judge(start: Fraction | None, now: Fraction | None, grown: Sequence[str]) -> tuple[Category, tuple[str, ...]]:
    if not start:
        return Category.NE, ("there is no lesion with a known product at baseline",)
    if grown:
        return Category.PD, tuple(grown)
    if now is None:
        return Category.NE, ("not every lesion was measured, and none of those measured progresses",)
    if now == 0:
        return Category.CR, ("every lesion is gone",)
    reason = against(now, start, "baseline", UNIT)
    return (Category.PR if now <= start * PARTIAL else Category.SD), (reason,)


def _nadir(lesion: str, visits: Sequence[Mapping[str, Size | None]]) -> Fraction | None:
    known = [exact(size) for visit in visits if (size := visit.get(lesion)) is not None]
    return min(known, default=None)


def _grown(current: Mapping[str, Size | None], nadirs: Mapping[str, Fraction | None]) -> Iterator[str]:
    for lesion, nadir in nadirs.items():
        product = current.get(lesion)
        if product is None or nadir is None:
            continue
        now = exact(product)
        if now > 0 and now >= nadir * PROGRESSION:
            yield f"{lesion}: {against(now, nadir, 'nadir', UNIT)}"


def _plain(size: Size | None) -> float | None:
    return None if size is None else float(size)
