"""mRECIST: the diameters of the arterially enhancing, viable part of lesions alone.

Made for hepatocellular carcinoma inside the liver; for bone it is called mRECIST-like, and a reader judges what it is
worth. Without an arterial phase it is not assessable. Cement and iodised oil are dense before any contrast medium and
hide what enhances below them: their voxels are never viable.

Source: Lencioni & Llovet, Semin Liver Dis 2010;30:52–60, as in PMC9747269, table 11. It asks for no 5 mm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.response.exact import Size, exact_sum
from imaging.response.response import Category, Response
from imaging.response.thresholds import Metric, Thresholds, threshold_response

__all__ = ["CRITERION", "mrecist_response", "viable_part"]

CRITERION = "mRECIST-like"
SOURCE = "mRECIST (Lencioni & Llovet 2010), as in PMC9747269, table 11; made for lesions in the liver"
VIABLE = Thresholds(
    criterion=CRITERION,
    metric=Metric.VIABLE,
    partial=Fraction(70, 100),
    progression=Fraction(120, 100),
    source=SOURCE,
)


def viable_part(
    *, arterial: FloatArray, unenhanced: FloatArray, lesion: BoolArray, material: BoolArray, least_enhancement: float
) -> BoolArray:
    """The voxels of a lesion that take up contrast medium in the arterial phase; material never does.

    Parameters
    ----------
    arterial, unenhanced
        The two phases on one grid, (slices, rows, columns), in HU or the MR's units.
    lesion, material
        Outline, and cement, glue or iodised oil in it, on that grid.
    least_enhancement
        By how much a voxel must rise, in the images' units; no published value holds for bone.

    Raises
    ------
    GeometryError
        If the four differ in shape.

    Examples
    --------
    >>> before, after = np.array([[[30.0, 30.0, 3000.0]]]), np.array([[[90.0, 35.0, 3071.0]]])
    >>> lesion, cement = np.ones((1, 1, 3), bool), np.array([[[False, False, True]]])
    >>> viable_part(arterial=after, unenhanced=before, lesion=lesion, material=cement, least_enhancement=20.0).tolist()
    [[[True, False, False]]]
    """
    if len({array.shape for array in (arterial, unenhanced, lesion, material)}) != 1:
        raise GeometryError("both phases, the lesion and the material lie on one grid")
    enhanced = np.subtract(arterial, unenhanced, dtype=np.float64) >= least_enhancement
    return np.asarray(lesion & ~material & enhanced, dtype=np.bool_)


def mrecist_response(
    *,
    baseline: Mapping[str, Size | None],
    current: Mapping[str, Size | None],
    earlier: Sequence[Mapping[str, Size | None]] = (),
    scope: str = "target lesions",
) -> Response:
    """The category of the sum of viable diameters.

    Parameters
    ----------
    baseline, current, earlier
        Longest diameter of the viable part in mm by lesion; 0 where nothing enhances, None (or left out) where there
        was no arterial phase.

    Examples
    --------
    >>> mrecist_response(baseline={"L1": 40.0}, current={"L1": 28.0}).category
    <Category.PR: 'PR'>
    >>> mrecist_response(baseline={"L1": 40.0}, current={}).reasons
    ('not assessable: no viable diameter from an arterial phase of L1',)
    """
    unseen = [lesion for lesion in baseline if baseline[lesion] is None or current.get(lesion) is None]
    if unseen or not baseline:
        lesions = ", ".join(unseen) or "any lesion"
        return Response(
            criterion=CRITERION,
            category=Category.NE,
            scope=scope,
            reasons=(f"not assessable: no viable diameter from an arterial phase of {lesions}",),
            inputs={"viable_mm": None, "baseline_mm": None, "nadir_mm": None},
            source=SOURCE,
        )
    sums = [exact_sum(visit.get(lesion) for lesion in baseline) for visit in (baseline, current, *earlier)]
    return threshold_response(VIABLE, baseline=sums[0], current=sums[1], earlier=sums[2:], scope=scope)
