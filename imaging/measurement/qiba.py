"""What QIBA claims about a change of volume on CT, beside our own interval.

Source: QIBA profile "CT Tumor Volume Change", 2022, doi:10.1148/QIBA/20220721. Its text could not be read when this was
written: the coefficients are the known ones, consistent with the printed detectable changes (1.96 · √2 · wCV = 24, 29,
39 %). Check them against the profile before claiming conformance.
"""

from __future__ import annotations

import math
from typing import TypedDict

from imaging.measurement.interval import Z95

__all__ = ["QibaClaims", "qiba_claims", "qiba_wcv"]

PROFILE = "QIBA CT Tumor Volume Change 2022, doi:10.1148/QIBA/20220721"
LARGEST_MM = 100.0
# From this longest in-plane diameter on: within-subject coefficient of variation, and detectable change in per cent.
BANDS = ((50.0, 0.085, 24.0), (35.0, 0.103, 29.0), (10.0, 0.141, 39.0))


class QibaClaims(TypedDict):
    """Both claims, ready for a document.

    ``wcv`` of the two exams; claim 1: the change in per cent that is true with 95 % confidence, by the first exam's
    diameter, and whether the measured one reaches it; claim 2: the 95 % interval of the change; and the same on the
    logarithm, which cannot fall below −100 %. Claim 1 takes both volumes as equal, so the two may disagree.
    """

    profile: str
    wcv: list[float]
    claim_1_detectable_percent: float
    claim_1_exceeded: bool
    claim_2_interval95_ml: list[float]
    claim_2_interval95_percent: list[float]
    log_interval95_percent: list[float]


def qiba_wcv(long_axis_mm: float) -> float | None:
    """The coefficient of variation that QIBA claims for a lesion of that longest diameter; None outside 10–100 mm.

    Examples
    --------
    >>> qiba_wcv(50.0), qiba_wcv(49.9), qiba_wcv(9.9)
    (0.085, 0.103, None)
    """
    band = _band(long_axis_mm)
    return None if band is None else band[1]


def qiba_claims(*, volume_ml: tuple[float, float], long_axis_mm: tuple[float, float]) -> QibaClaims | None:
    """Both claims for a lesion at two CT exams; None where they do not apply.

    That both exams are CT with the same protocol, reader and software, and that the lesion is well delineated, is for
    the caller to know.

    Parameters
    ----------
    volume_ml, long_axis_mm
        At the first and the second exam.

    Examples
    --------
    >>> claims = qiba_claims(volume_ml=(40.0, 30.0), long_axis_mm=(55.0, 50.0))
    >>> [round(bound, 2) for bound in claims["claim_2_interval95_ml"]]
    [-18.33, -1.67]
    >>> claims["claim_1_exceeded"]
    True
    >>> qiba_claims(volume_ml=(0.3, 0.2), long_axis_mm=(8.0, 7.0)) is None
    True
    """
    bands = [_band(diameter) for diameter in long_axis_mm]
    first, second = volume_ml
    if bands[0] is None or bands[1] is None or first <= 0.0 or second <= 0.0:
        return None
    (_, wcv1, detectable), (_, wcv2, _) = bands[0], bands[1]
    change = second - first
    margin = Z95 * math.hypot(first * wcv1, second * wcv2)
    spread = math.exp(Z95 * math.sqrt(math.log1p(wcv1**2) + math.log1p(wcv2**2)))
    ratio = second / first
    return QibaClaims(
        profile=PROFILE,
        wcv=[wcv1, wcv2],
        claim_1_detectable_percent=detectable,
        claim_1_exceeded=abs(100.0 * change / first) >= detectable,
        claim_2_interval95_ml=[change - margin, change + margin],
        claim_2_interval95_percent=[100.0 * (change - margin) / first, 100.0 * (change + margin) / first],
        log_interval95_percent=[100.0 * (ratio / spread - 1.0), 100.0 * (ratio * spread - 1.0)],
    )


def _band(long_axis_mm: float) -> tuple[float, float, float] | None:
    if long_axis_mm > LARGEST_MM:
        return None
    return next((band for band in BANDS if long_axis_mm >= band[0]), None)
