"""Categories from volumes, at the thresholds that RECIST's diameters have on a ball. They are not RECIST.

A diameter at 0.7 of its baseline is a volume at 0.7³ = 0.343 (−65.7 %), one at 1.2 of its nadir a volume at 1.2³ =
1.728 (+72.8 %). Progression also needs 5 mm more of the ball's diameter, as RECIST asks of its sum: a lesion of 0.5 mL
would otherwise progress with less than 2 mm.

Source: thresholds as in the tables of volumetric criteria (AJNR), computed exactly; the 5 mm are RECIST 1.1's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from imaging.response.exact import Size, exact
from imaging.response.response import Response
from imaging.response.thresholds import Metric, Thresholds, threshold_response

__all__ = ["CRITERION", "PARTIAL", "PROGRESSION", "SPHERE", "volumetric_response"]

CRITERION = "sphere volume"
PARTIAL = Fraction(7, 10) ** 3
PROGRESSION = Fraction(12, 10) ** 3
PROGRESSION_MM = 5.0
SPHERE = Thresholds(
    criterion=CRITERION,
    metric=Metric.VOLUME,
    partial=PARTIAL,
    progression=PROGRESSION,
    least_ball_growth_mm=exact(PROGRESSION_MM),
    source="RECIST 1.1's diameter thresholds cubed: 0.7³ and 1.2³, and 5 mm",
)


def volumetric_response(
    *,
    baseline_ml: Size | None,
    current_ml: Size | None,
    earlier_ml: Sequence[Size | None] = (),
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
    thresholds = replace(SPHERE, least_ball_growth_mm=exact(progression_mm))
    return threshold_response(thresholds, baseline=baseline_ml, current=current_ml, earlier=earlier_ml, scope=scope)
