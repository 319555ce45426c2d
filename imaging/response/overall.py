"""RECIST 1.1: the overall category of a timepoint, once a reader has signed what the target lesions do not show.

Source: Eisenhauer et al., Eur J Cancer 2009;45:228–247, tables 1 and 2, and the EORTC's clarifications on equivocal new
lesions. The tables were taken from summaries; the paper's own text could not be read when this was written. That
missing coverage leaves the overall category open is our reading of "not all evaluated".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imaging.response.reading import NewLesions, NonTarget
from imaging.response.recist import CRITERION, SOURCE
from imaging.response.response import Category, Response

__all__ = ["dated_new_lesions", "overall_response"]

CR, PR, SD, PD, NE, NON = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE, Category.NON_CR_NON_PD

# (target, non-target) → overall, without new lesions and without progression of either; None: no target at baseline.
TABLE: Mapping[tuple[Category | None, NonTarget], Category] = {
    (CR, NonTarget.CR): CR,
    (CR, NonTarget.NONE): CR,
    (CR, NonTarget.NON_CR_NON_PD): PR,
    (CR, NonTarget.NE): PR,
    **{(target, other): target for target in (PR, SD, NE) for other in NonTarget},
    (None, NonTarget.CR): CR,
    (None, NonTarget.NON_CR_NON_PD): NON,
    (None, NonTarget.NE): NE,
    (None, NonTarget.NONE): NE,
}


def overall_response(
    *,
    target: Category | None,
    non_target: NonTarget | None,
    new_lesions: NewLesions | None,
    coverage: bool | None,
) -> Response:
    """The overall category of a timepoint.

    Progression is progression whatever else was not said or seen. Otherwise the reader must have said all three.

    Parameters
    ----------
    target
        Of the target lesions; None if there were none at baseline.
    non_target, new_lesions, coverage
        As a :class:`imaging.response.reading.Reading` has them; None as long as no reader has said so: one region does
        not show them. Equivocal new lesions leave the category as it is until they are confirmed.

    Examples
    --------
    >>> signed = {"new_lesions": NewLesions.NONE, "coverage": True}
    >>> overall_response(target=Category.PR, non_target=NonTarget.NE, **signed).category
    <Category.PR: 'PR'>
    >>> unsigned = overall_response(target=Category.PR, non_target=None, new_lesions=None, coverage=None)
    >>> unsigned.category, unsigned.reasons[0]
    (<Category.NE: 'NE'>, 'no reader has said: non-target lesions, new lesions, coverage')
    """
    category, reason = _overall(target, non_target, new_lesions, coverage)
    unsure = new_lesions is NewLesions.EQUIVOCAL and category is not PD
    equivocal = "equivocal new lesions: if they are confirmed, progression is dated here"
    return Response(
        criterion=CRITERION,
        category=category,
        scope="overall",
        reasons=(reason, *((equivocal,) if unsure else ())),
        inputs={
            "target": None if target is None else str(target),
            "non_target": None if non_target is None else str(non_target),
            "new_lesions": None if new_lesions is None else str(new_lesions),
            "coverage": coverage,
        },
        source=f"{SOURCE}, tables 1 and 2",
    )


def dated_new_lesions(said: Sequence[NewLesions | None]) -> tuple[NewLesions | None, ...]:
    """What was said of new lesions at each exam, in time order, with confirmed ones dated at first sight.

    Equivocal lesions that a later exam shows unequivocally were there from the first of the equivocal exams on; those
    that were said to be gone in between were not. An exam of which nothing was said interrupts nothing.

    Examples
    --------
    >>> none, equivocal, unequivocal = NewLesions
    >>> [str(word) for word in dated_new_lesions([none, equivocal, unequivocal])]
    ['none', 'unequivocal', 'unequivocal']
    """
    dated = list(said)
    confirmed = False
    for number in reversed(range(len(said))):
        match said[number]:
            case NewLesions.UNEQUIVOCAL:
                confirmed = True
            case NewLesions.NONE:
                confirmed = False
            case NewLesions.EQUIVOCAL if confirmed:
                dated[number] = NewLesions.UNEQUIVOCAL
    return tuple(dated)


def _overall(
    target: Category | None,
    non_target: NonTarget | None,
    new_lesions: NewLesions | None,
    coverage: bool | None,  # noqa: FBT001 - True, False or not said
) -> tuple[Category, str]:
    progressing = {
        "there are new lesions": new_lesions is NewLesions.UNEQUIVOCAL,
        "the target lesions progress": target is PD,
        "the non-target lesions progress": non_target is NonTarget.PD,
    }
    words = {"non-target lesions": non_target, "new lesions": new_lesions, "coverage": coverage}
    unsaid = [name for name, word in words.items() if word is None]
    if any(progressing.values()):
        return PD, "; ".join(reason for reason, holds in progressing.items() if holds)
    if non_target is None or unsaid:
        return NE, f"no reader has said: {', '.join(unsaid)}"
    if not coverage:
        return NE, "not everything was imaged in which disease is looked for"
    category = TABLE[target, non_target]
    if target is None:
        return category, "there are no target lesions; the non-target lesions decide"
    if category is not target:
        return category, "the target lesions are gone, the non-target lesions are not, or not all were seen"
    return category, "the target lesions decide"
