"""Categories from volumes, at the thresholds that RECIST's diameters have on a ball. They are not RECIST.

A diameter at 0.7 of its baseline is a volume at 0.7³ = 0.343 (−65.7 %), one at 1.2 of its nadir a volume at 1.2³ =
1.728 (+72.8 %). Progression also needs 5 mm more of the ball's diameter, as RECIST asks of its sum: a lesion of 0.5 mL
would otherwise progress with less than 2 mm.

Source: thresholds as in the tables of volumetric criteria (AJNR), computed exactly; the 5 mm are RECIST 1.1's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from imaging.response.exact import exact
from imaging.response.response import Category, Response

__all__ = ["CRITERION", "ball_diameter_mm", "volumetric_response"]

CRITERION = "sphere volume"
SOURCE = "RECIST 1.1's diameter thresholds cubed: 0.7³ and 1.2³"
PARTIAL = Fraction(7, 10) ** 3
PROGRESSION = Fraction(12, 10) ** 3
PROGRESSION_MM = 5.0
SAME_MM = 1e-9  # diameters of balls are irrational; closer than this they are equal


def ball_diameter_mm(volume_ml: float) -> float:
    """Diameter of the ball of that volume.

    Examples
    --------
    >>> round(ball_diameter_mm(4.18879), 3)
    20.0
    """
    return math.cbrt(6000.0 * volume_ml / math.pi)


def volumetric_response(
    *,
    baseline_ml: float | None,
    current_ml: float | None,
    earlier_ml: Sequence[float | None] = (),
    scope: str = "one lesion",
    progression_mm: float = PROGRESSION_MM,
) -> Response:
    """The category of a volume, or of a sum of volumes, against its baseline and its nadir.

    Parameters
    ----------
    baseline_ml, current_ml
        0 where the lesion is gone, None where it was not measured or not accepted.
    earlier_ml
        The timepoints between; unknown ones give no nadir.
    scope
        What the volumes are of.
    progression_mm
        By how much the diameter of a ball of that volume must have grown as well.

    Raises
    ------
    UsageError
        If a volume is negative.

    Examples
    --------
    >>> volumetric_response(baseline_ml=100.0, current_ml=34.3).category
    <Category.PR: 'PR'>
    >>> volumetric_response(baseline_ml=100.0, earlier_ml=[50.0], current_ml=86.4).category
    <Category.PD: 'PD'>
    """
    nadir_ml = None if baseline_ml is None else min([baseline_ml, *(v for v in earlier_ml if v is not None)])
    category, reason = _category(baseline_ml, nadir_ml, current_ml, progression_mm)
    return Response(
        criterion=CRITERION,
        category=category,
        scope=scope,
        reasons=(reason,),
        inputs={"volume_ml": current_ml, "baseline_ml": baseline_ml, "nadir_ml": nadir_ml},
        source=SOURCE,
    )


def _category(
    baseline_ml: float | None, nadir_ml: float | None, current_ml: float | None, progression_mm: float
) -> tuple[Category, str]:
    if baseline_ml is None or nadir_ml is None or current_ml is None:
        missing = "the baseline" if baseline_ml is None else "the current"
        return Category.NE, f"{missing} volume is not known or not accepted"
    now, start, nadir = exact(current_ml), exact(baseline_ml), exact(nadir_ml)
    if start == 0:
        return Category.NE, "there was no volume at baseline"
    if now == 0:
        return Category.CR, "there is no volume left"
    grown_mm = ball_diameter_mm(current_ml) - ball_diameter_mm(nadir_ml)
    if now >= nadir * PROGRESSION and grown_mm >= progression_mm - SAME_MM:
        return Category.PD, f"{_against(now, nadir, 'nadir')}, {grown_mm:.1f} mm more of a ball's diameter"
    if now <= start * PARTIAL:
        return Category.PR, _against(now, start, "baseline")
    return Category.SD, f"{_against(now, start, 'baseline')}; {_against(now, nadir, 'nadir')}"


def _against(now: Fraction, then: Fraction, name: str) -> str:
    if then == 0:
        return f"{float(now):.2f} mL against a {name} of 0 mL"
    percent = f"{float(100 * (now / then - 1)):+.2f}".replace("-", "−")
    return f"{percent} % against the {name} of {float(then):.2f} mL"
