"""Every threshold of every criterion: on it, just below, just above, with nothing left, and with something missing.

One table for each rule: what is given, and the category. Sizes are decimals as a report prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from imaging.response.best import Visit, best_response
from imaging.response.mda import BoneLesion, mda_response
from imaging.response.mrecist import mrecist_response
from imaging.response.own import own_criterion
from imaging.response.reading import FillIn, NewLesions
from imaging.response.recist import TOO_SMALL_MM, Target, target_response
from imaging.response.response import Category
from imaging.response.thresholds import threshold_response
from imaging.response.volumetric import volumetric_response
from imaging.response.who import who_response

CR, PR, SD, PD, NE, NON = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE, Category.NON_CR_NON_PD
Size = float | None


def recist(baseline: Size, *later: Size) -> Category:
    *earlier, current = ([Target(lesion="L1", size_mm=size)] for size in later)
    return target_response(baseline=[Target(lesion="L1", size_mm=baseline)], earlier=earlier, current=current).category


RECIST = [
    (100, 70, PR),
    (100, 70.01, SD),
    (100, 69.99, PR),
    (100, 100, SD),
    (100, 119.99, SD),
    (100, 120, PD),
    (100, 120.01, PD),
    (20, 24.9, SD),  # +24.5 % but +4.9 mm
    (20, 24.99, SD),
    (20, 25, PD),
    (24.9, 29.9, PD),  # +20.08 % and exactly +5 mm
    (25, 29.99, SD),
    (25, 30, PD),  # exactly both
    (26, 31, SD),  # +5 mm but +19.2 %
    (26, 31.19, SD),
    (26, 31.2, PD),
    (100, 20, 24.9, PR),  # no progression, and still 75 % below the baseline
    (100, 20, 25, PD),
    (100, 50, 61, PD),  # −39 % against the baseline, but +22 % and +11 mm against the nadir
    (100, 50, 59.99, PR),  # +19.98 % against the nadir: the baseline decides
    (100, 50, 60, PD),
    (10.1, 7.07, PR),  # exactly −30 %, which binary fractions miss
    (10.7, 7.49, PR),
    (10.7, 7.4901, SD),
    (33.3, 39.96, PD),  # exactly +20 %
    (33.3, 39.9599, SD),
    (100, 0, CR),
    (100, 0, 0, CR),
    (100, 0, 4.99, PR),  # back, but less than 5 mm
    (100, 0, 5, PD),  # of a nadir of nothing
    (100, TOO_SMALL_MM, PR),
    (10, TOO_SMALL_MM, PR),
    (7, TOO_SMALL_MM, SD),
    (100, 130, 105, SD),  # the nadir stays the baseline
    (100, 130, 120, PD),
    (100, 40, 90, 48, PD),  # the nadir is the smallest of all, not the last
    (100, 40, 90, 47.99, PR),
    (100, None, 120, PD),
    (100, None, 70, PR),
    (100, None, NE),
    (None, 70, NE),
    (0, 70, NE),
    (0, 0, NE),
]


def sums(*visits: Sequence[Size], nodes: Sequence[int] = ()) -> Category:
    baseline, *earlier, current = (
        [Target(lesion=f"L{n}", size_mm=size, node=n in nodes) for n, size in enumerate(visit)] for visit in visits
    )
    return target_response(baseline=baseline, earlier=earlier, current=current).category


SUMS = [
    ((40, 30, 30), (28, 21, 21), PR),
    ((40, 30, 30), (28, 21, 21.01), SD),
    ((0.1, 0.2, 9.7), (0.12, 0.24, 14.64), PD),  # sums as decimals
    ((30, 20), (0, 9.9), PR),
    ((30, 20), (None, 20), NE),
    ((30, 20), (None, 59.99), NE),
    ((30, 20), (None, 60), PD),  # what was measured alone is 20 % and more above the whole nadir
    ((30, 20), (None, None), NE),
    ((30, 20), (None, 0), NE),  # gone as far as seen is not gone
    ((50, 50), (20, None), (35, 40), SD),  # an incomplete exam makes no nadir
    ((50, 50), (30, 20), (30, 30), PD),
    ((30, 20, 10, 15, 25), (30, 20, 10, 15, 25), SD),  # five are the most
    ((30, 20, 10, 15, 25, 12), (0, 0, 0, 0, 0, 0), NE),
]

NODES = [  # the second is a lymph node
    ((30, 20), (0, 9.99), CR),  # a node below 10 mm is normal, the sum need not be zero
    ((30, 20), (0, 10), PR),
    ((30, 20), (0.1, 9.9), PR),
    ((30, 20), (0, 0), CR),
    ((30, 20), (0, 5), (0, 9.9), CR),  # grown, and still normal
    ((30, 20), (0, 5), (0, 10), PD),
    ((30, 20), (0, 5.01), (0, 10), PR),
    ((30, 20), (0, None), NE),
]


def who(*visits: Sequence[Size]) -> Category:
    baseline, *earlier, current = ({f"L{n}": size for n, size in enumerate(visit)} for visit in visits)
    return who_response(baseline=baseline, earlier=earlier, current=current).category


WHO = [
    ((1000,), (500,), PR),
    ((1000,), (500.01,), SD),
    ((1000,), (499.99,), PR),
    ((1000,), (1000,), SD),
    ((1000,), (1249.99,), SD),
    ((1000,), (1250,), PD),
    ((10.1,), (12.625,), PD),
    ((10.1,), (12.6249,), SD),
    ((10.1,), (5.05,), PR),
    ((1000,), (400,), (500,), PD),
    ((1000,), (400,), (499.99,), PR),
    ((1000,), (0,), CR),
    ((1000,), (0,), (0,), CR),
    ((1000,), (0,), (0.01,), PD),  # what was gone is back
    ((800, 200), (300, 250), PD),  # one lesion is enough, though the sum has nearly halved
    ((800, 200), (300, 249.99), SD),
    ((800, 200), (300, 200), PR),
    ((800, 200), (0, 0), CR),
    ((800, 200), (0, None), NE),
    ((800, 200), (None, 250), PD),
    ((800, 200), (400, None), (400, 100), PR),
    ((800, 200), (400, None), (500, 100), PD),  # each lesion has its own nadir
    ((800, None), (400, 100), NE),
    ((0,), (0,), NE),
    ((), (), NE),
]


def sphere(baseline: Size, *later: Size) -> Category:
    *earlier, current = later
    return volumetric_response(baseline_ml=baseline, earlier_ml=earlier, current_ml=current).category


SPHERE = [
    (100, 34.3, PR),
    (100, 34.31, SD),
    (100, 34.2999, PR),
    (10.1, 3.4643, PR),  # exactly 0.343
    (10.1, 3.46431, SD),
    (100, 172.8, PD),
    (100, 172.79, SD),
    (100, 100, SD),
    (100, 50, 86.4, PD),
    (100, 50, 86.39, SD),
    (100, 30, 51.84, PD),  # −48 % against the baseline, but 1.728 of the nadir
    (100, 20, 34.3, PR),  # 1.715 of the nadir
    (100, 20, 34.56, PD),
    (100, 0, CR),
    (100, 0, 0.05, PR),  # back, but as a ball of 4.6 mm
    (100, 0, 0.0654, PR),  # 4.999 mm
    (100, 0, 0.0655, PD),  # 5.001 mm
    (1, 1.728, SD),  # a ball that grew from 12.4 to 14.9 mm: less than 5 mm
    (1, 2.7616, SD),  # by 4.9999 mm
    (1, 2.7617, PD),  # by 5.0001 mm
    (100, None, 34.3, PR),
    (100, None, NE),
    (None, 34.3, NE),
    (0, 34.3, NE),
    (0, 0, NE),
]


def viable(*visits: Sequence[Size]) -> Category:
    baseline, *earlier, current = ({f"L{n}": size for n, size in enumerate(visit)} for visit in visits)
    return mrecist_response(baseline=baseline, earlier=earlier, current=current).category


MRECIST = [
    ((40,), (28,), PR),
    ((40,), (28.01,), SD),
    ((40,), (47.99,), SD),
    ((40,), (48,), PD),
    ((5,), (6,), PD),  # it asks for no 5 mm
    ((40,), (0,), CR),  # nothing enhances
    ((40,), (0,), (1,), PD),
    ((40,), (20,), (24,), PD),
    ((40,), (20,), (23.99,), PR),
    ((40,), (None,), (28,), PR),
    ((40,), (None,), NE),
    ((None,), (28,), NE),
    ((40, 10), (20, None), NE),
    ((40, 10), (30, 5), PR),
    ((0,), (5,), NE),
    ((), (), NE),
]


def bone(
    days: int | None, *visits: Size, material: bool | None = False, fill: FillIn | None = None, new: Any = None
) -> Category:
    baseline, *earlier = ({"L1": BoneLesion(product_mm2=size, material=False)} for size in visits[:-1])
    current = {"L1": BoneLesion(product_mm2=visits[-1], material=material, fill_in=fill)}
    return mda_response(baseline=baseline, earlier=earlier, current=current, days=days, new_lesions=new).category


MDA = [
    ((56, 1000, 1000), {}, SD),
    ((55, 1000, 1000), {}, NE),  # nothing is stable before eight weeks
    ((None, 1000, 1000), {}, NE),
    ((56, 1000, 500), {}, PR),
    ((56, 1000, 500.01), {}, SD),
    ((30, 1000, 500), {}, PR),  # a response or progression needs no eight weeks
    ((30, 1000, 1250), {}, PD),
    ((56, 1000, 1249.99), {}, SD),
    ((56, 1000, 400, 500), {}, PD),
    ((56, 1000, 400, 499.99), {}, PR),
    ((56, 1000, None, 500), {}, PR),
    ((56, 1000, 0), {}, CR),
    ((56, 1000, 0, 0), {}, CR),
    ((56, 1000, 0, 1), {}, PD),
    ((56, 1000, 1000), {"fill": FillIn.PARTIAL}, PR),
    ((56, 1000, 1000), {"fill": FillIn.COMPLETE}, CR),
    ((56, 1000, 1000), {"fill": FillIn.NONE}, SD),
    ((56, 1000, 1250), {"fill": FillIn.COMPLETE}, PD),
    ((56, 1000, 0), {"material": True}, NE),  # its signal is lost where CT shows material
    ((56, 1000, 0), {"material": None}, NE),
    ((56, 1000, 500), {"material": True}, PR),  # of the outer contour, material and all
    ((56, 1000, 500), {"material": None}, NE),
    ((56, 1000, 1000), {"material": None, "fill": FillIn.PARTIAL}, NE),
    ((56, 1000, 1000), {"material": True, "fill": FillIn.COMPLETE}, CR),  # what is not cement has filled with bone
    ((56, 1000, 1000), {"material": None}, SD),
    ((56, 1000, 1250), {"material": None}, PD),
    ((56, 1000, 500), {"new": NewLesions.UNEQUIVOCAL}, PD),
    ((56, 1000, None), {"new": NewLesions.UNEQUIVOCAL}, PD),
    ((56, 1000, 500), {"new": NewLesions.EQUIVOCAL}, PR),
    ((56, 1000, None), {}, NE),
    ((56, None, 500), {}, NE),
    ((56, 0, 0), {}, NE),
]

LUNG = {"name": "lung", "metric": "volume_ml", "pr": "-0.35", "pd": "0.55", "source": "Cancer Imaging 2015"}
LONG = LUNG | {"metric": "long_axis_mm", "pr": "-0.1", "pd": "0.2"}


def own(table: dict[str, Any], baseline: Size, *later: Size) -> Category:
    *earlier, current = later
    criterion = own_criterion(table)
    return threshold_response(criterion, baseline=baseline, earlier=earlier, current=current, scope="").category


OWN = [
    (LUNG, 10, 6.5, PR),
    (LUNG, 10, 6.51, SD),
    (LUNG, 10, 15.5, PD),
    (LUNG, 10, 15.49, SD),
    (LUNG, 10, 0, CR),
    (LUNG, 10, 0, 0.001, PD),
    (LUNG, 10, None, NE),
    (LUNG, None, 10, NE),
    (LUNG, 0, 10, NE),
    (LUNG | {"pd": "0.01"}, 10, 10.1, PD),  # no growth is asked for where none is written
    (LONG | {"pd": "0.01"}, 10, 10.1, PD),
    (LUNG | {"least_growth_ml": "6"}, 10, 15.99, SD),
    (LUNG | {"least_growth_ml": "6"}, 10, 16, PD),
    (LUNG | {"least_growth_mm": "5"}, 10, 15.5, SD),  # as balls, from 26.7 to 30.9 mm
    (LUNG | {"least_growth_mm": "4"}, 10, 15.5, PD),
    (LUNG | {"least_growth_mm": "4", "least_growth_ml": "6"}, 10, 15.5, SD),
    (LONG, 10, 9, PR),
    (LONG, 10, 9.01, SD),
    (LONG, 10, 12, PD),
    (LONG | {"least_growth_mm": "2.1"}, 10, 12, SD),
    (LONG | {"least_growth_mm": "2.1"}, 10, 12.1, PD),
    (LUNG | {"metric": "who_product_mm2"}, 10, 15.5, PD),
]


def best(*course: tuple[int | None, Category]) -> tuple[Category, str]:
    response = best_response([Visit(days=days, category=category) for days, category in course])
    return response.category, response.inputs["confirmed"]


BEST = [
    ((), (NE, "NE")),
    (((42, SD),), (SD, "SD")),
    (((41, SD),), (NE, "NE")),
    (((41, SD), (80, PD)), (PD, "PD")),
    (((None, SD),), (NE, "NE")),
    (((30, PR),), (PR, "NE")),
    (((42, PR),), (PR, "SD")),
    (((42, PR), (69, PR)), (PR, "SD")),
    (((42, PR), (70, PR)), (PR, "PR")),
    (((42, PR), (None, PR)), (PR, "SD")),
    (((42, PR), (70, CR)), (CR, "PR")),
    (((42, PR), (70, CR), (98, CR)), (CR, "CR")),
    (((42, CR), (69, CR)), (CR, "SD")),
    (((42, CR), (70, CR)), (CR, "CR")),
    (((42, CR), (70, PR)), (CR, "SD")),  # what comes back after a complete response confirms neither
    (((42, PR), (70, NE), (98, PR)), (PR, "PR")),
    (((42, PR), (56, NE), (69, PR)), (PR, "SD")),
    (((42, PR), (70, SD), (98, PR)), (PR, "SD")),
    (((42, CR), (70, NE), (98, CR)), (CR, "CR")),
    (((42, PR), (70, PD)), (PR, "SD")),
    (((30, PR), (58, PD)), (PR, "PD")),
    (((30, PR), (58, PR)), (PR, "PR")),
    (((30, PD), (58, CR), (98, CR)), (PD, "PD")),  # nothing counts after progression
    (((42, SD), (70, PR), (98, PR)), (PR, "PR")),
    (((42, NE), (70, NE)), (NE, "NE")),
    (((42, NE), (70, SD)), (SD, "SD")),
    (((42, NON),), (NON, "non-CR/non-PD")),
    (((41, NON),), (NE, "NE")),
    (((42, NON), (70, PD)), (NON, "non-CR/non-PD")),
]

TABLES: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "RECIST": (recist, RECIST),
    "RECIST sums": (sums, SUMS),
    "RECIST nodes": (lambda *visits: sums(*visits, nodes=(1,)), NODES),
    "WHO": (who, WHO),
    "sphere": (sphere, SPHERE),
    "mRECIST": (viable, MRECIST),
    "MDA": (lambda given, more: bone(*given, **more), MDA),
    "own": (own, OWN),
    "best overall": (lambda course: best(*course), BEST),
}


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        pytest.param(rule, row[:-1], row[-1], id=f"{name} {row[:-1]}")
        for name, (rule, rows) in TABLES.items()
        for row in rows
    ],
)
def test_vector(rule: Callable[..., Any], given: tuple[Any, ...], expected: object) -> None:
    assert rule(*given) == expected
