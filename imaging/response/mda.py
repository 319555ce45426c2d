"""MDA: response of bone metastases, by their products of diameters and by how far they fill with bone.

Two traps of treated bone stand before its rules. Cement in a lytic lesion looks like sclerotic fill-in on CT, so what a
reader says of filling in is of what is not material; and cement and glue extinguish the signal on MR, so a lesion whose
signal is gone where a CT shows material has not responded. Where nobody knows whether it holds material, nothing
that looks like a response counts. And before eight weeks no lesion is called stable.

Source: PMC3863546, table 1 (Hamaoka 2004; Costelloe et al., J Cancer 2010;1:80–92). The −50 % and +25 % of products are
known from it at second hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from imaging.errors import UsageError
from imaging.response.exact import Size, exact_sum
from imaging.response.reading import FillIn, NewLesions
from imaging.response.response import Category, Response
from imaging.response.thresholds import against

__all__ = ["CRITERION", "BoneLesion", "mda_response"]

CRITERION = "MDA bone"
SOURCE = "MDA (Hamaoka 2004, Costelloe 2010), as in PMC3863546, table 1"
PARTIAL = Fraction(50, 100)  # of the baseline sum of products, or less
PROGRESSION = Fraction(125, 100)  # of its nadir, or more
STABLE_DAYS = 56  # eight weeks
UNIT = "mm²"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoneLesion:
    """One lesion on one exam.

    Parameters
    ----------
    product_mm2
        Longest diameter times the greatest across it, of the outer contour with the material in it; 0 where no tumour
        is seen, None not measured.
    material
        Whether CT shows cement or glue in it; None where that is not known.
    fill_in
        How far what is not material has become sclerotic, by a reader; None where not said.
    """

    product_mm2: Size | None
    material: bool | None
    fill_in: FillIn | None = None


def mda_response(
    *,
    baseline: Mapping[str, BoneLesion],
    current: Mapping[str, BoneLesion],
    earlier: Sequence[Mapping[str, BoneLesion]] = (),
    days: int | None,
    new_lesions: NewLesions | None = None,
    scope: str = "target lesions",
) -> Response:
    """The category of the bone lesions of one exam.

    Parameters
    ----------
    baseline, current, earlier
        By lesion. An earlier exam that lost a lesion's signal in what is or may be material makes no nadir: the lesion
        has not shrunk, and is no progression when it is seen again.
    days
        From baseline; None where not known, and then nothing is called stable.
    new_lesions
        A new bone lesion is progression.

    Examples
    --------
    >>> before = {"L1": BoneLesion(product_mm2=800.0, material=False)}
    >>> after = {"L1": BoneLesion(product_mm2=0.0, material=True)}
    >>> response = mda_response(baseline=before, current=after, days=90)
    >>> response.category, response.reasons[0]
    (<Category.NE: 'NE'>, 'L1: its signal is lost where CT shows material, which is no response')
    >>> mda_response(baseline=before, current=before, days=55).reasons[-1]
    'nothing is called stable before 8 weeks'
    """
    strange = {lesion for visit in (current, *earlier) for lesion in visit} - set(baseline)
    if strange:
        raise UsageError(f"lesions are chosen at baseline; {', '.join(sorted(strange))} was not")
    start, now = _sum(baseline, baseline), _sum(current, baseline)
    between = [_sum(visit, baseline) for visit in earlier if not _lost_in_material(visit)]
    nadir = None if start is None else min([start, *(size for size in between if size is not None)])
    category: Category
    reasons: tuple[str, ...]
    if new_lesions is NewLesions.UNEQUIVOCAL:
        category, reasons = Category.PD, ("there are new lesions",)
    elif not start or nadir is None:
        category, reasons = Category.NE, ("there is no lesion with a known product at baseline",)
    elif now is None:
        category, reasons = Category.NE, ("not every lesion was measured",)
    elif now > 0 and now >= nadir * PROGRESSION:
        category, reasons = Category.PD, (against(now, nadir, "nadir", UNIT),)
    else:
        category, reasons = _without_progression(current, against(now, start, "baseline", UNIT), now / start, days)
    return Response(
        criterion=CRITERION,
        category=category,
        scope=scope,
        reasons=reasons,
        inputs={
            "sum_mm2": None if now is None else float(now),
            "baseline_mm2": None if start is None else float(start),
            "nadir_mm2": None if nadir is None else float(nadir),
            "days": days,
            "new_lesions": None if new_lesions is None else str(new_lesions),
            "material": {name: lesion.material for name, lesion in current.items()},
            "fill_in": {name: str(lesion.fill_in) for name, lesion in current.items() if lesion.fill_in is not None},
        },
        source=SOURCE,
    )


def _without_progression(
    current: Mapping[str, BoneLesion], size: str, share: Fraction, days: int | None
) -> tuple[Category, tuple[str, ...]]:
    """``share`` is what is left of the baseline's sum, ``size`` the same for a reader."""
    healed = all(lesion.product_mm2 == 0 or lesion.fill_in is FillIn.COMPLETE for lesion in current.values())
    filling = any(lesion.fill_in in (FillIn.PARTIAL, FillIn.COMPLETE) for lesion in current.values())
    if healed or filling or share <= PARTIAL:
        if doubts := tuple(_doubts(current)):
            return Category.NE, (*doubts, size)
        if healed:
            return Category.CR, ("every lesion is gone or has filled with bone",)
        return Category.PR, (size, *(("a lytic lesion fills with bone outside the material",) if filling else ()))
    if days is None or days < STABLE_DAYS:
        return Category.NE, (size, "nothing is called stable before 8 weeks")
    return Category.SD, (size,)


def _doubts(current: Mapping[str, BoneLesion]) -> Iterator[str]:
    """Why what looks like a response may be material."""
    for name, lesion in current.items():
        if lesion.material is None:
            yield f"{name}: whether it holds material is not known, and material looks like a response"
        elif lesion.material and lesion.product_mm2 == 0:
            yield f"{name}: its signal is lost where CT shows material, which is no response"


def _lost_in_material(visit: Mapping[str, BoneLesion]) -> bool:
    return any(lesion.product_mm2 == 0 and lesion.material is not False for lesion in visit.values())


def _sum(visit: Mapping[str, BoneLesion], baseline: Mapping[str, BoneLesion]) -> Fraction | None:
    return exact_sum(visit[lesion].product_mm2 if lesion in visit else None for lesion in baseline)
