"""What a CT shows is held against what was injected."""

from __future__ import annotations

import pytest

from imaging.lesions.procedure import Procedure
from imaging.measurement.material import MaterialMeasurement
from imaging.measurement.quantity import Quantity
from imaging.segmentation import LesionId, SegmentKind
from pipelines.case.account import beyond_injected, injected_rows, recovered, unsure_of
from pipelines.case.history import History

L1 = LesionId("L1")


def seen(ml: float, kind: SegmentKind = SegmentKind.CEMENT, lesion: LesionId | None = L1) -> MaterialMeasurement:
    volume = Quantity(ml, "mL", "voxel sum", (0.9 * ml, 1.1 * ml))
    return MaterialMeasurement(
        id="M1", kind=kind, lesion=lesion, side=None, volume_ml=volume, saturated=False, pieces=()
    )


def history(*injected_ml: float, known: bool = True, lesion: LesionId | None = L1) -> History:
    procedures = tuple(
        Procedure(id=f"P{n}", when="2003-01-10", kind="sacroplasty", lesion=lesion, materials=(("pmma", ml),))
        for n, ml in enumerate(injected_ml)
    )
    return History(procedures=procedures, known=known)


@pytest.mark.parametrize(
    ("row", "before", "told"),
    [
        (seen(11.0), history(2.0), True),
        (seen(11.0), history(2.0, 9.0), False),
        (seen(3.0), history(2.5), False),  # the syringe is read to half a millilitre
        (seen(3.0), history(), True),
        (seen(11.0), history(2.0, known=False), False),
        (seen(11.0), history(11.0, lesion=None), False),
        (seen(11.0), history(11.0, lesion=LesionId("L2")), True),
        (seen(11.0, SegmentKind.METAL), history(2.0), False),
        (seen(11.0, lesion=None), history(2.0), False),
    ],
)
def test_more_than_was_injected_is_told(row: MaterialMeasurement, before: History, told: bool) -> None:
    codes = [finding.code for finding in beyond_injected(before, row, injected_rows(before, row))]
    assert codes == ["MORE_THAN_INJECTED"] * told


L2 = LesionId("L2")
UNDIVIDED = history(7.0, lesion=None)


@pytest.mark.parametrize(
    ("rows", "before", "share"),
    [
        ([seen(6.3)], history(7.0), 0.9),
        ([seen(6.3, SegmentKind.UNCLASSIFIED)], history(7.0), 0.9),
        ([seen(6.3), seen(3.0, lesion=L2), seen(0.1, lesion=None)], history(7.0), 0.9),
        ([seen(6.3), seen(0.2, SegmentKind.METAL)], history(7.0), 0.9),
        ([seen(0.2, SegmentKind.METAL)], history(7.0), None),  # a screw is no cement
        ([seen(0.2, SegmentKind.EMBOLIC)], history(7.0), None),
        ([seen(5.0), seen(1.3, SegmentKind.UNCLASSIFIED)], history(7.0), None),  # neither is all of it
        ([seen(1.3, SegmentKind.UNCLASSIFIED), seen(5.0)], history(7.0), None),
        ([seen(6.3)], history(7.0, known=False), None),  # another injection may lie before this CT
        ([seen(6.3)], UNDIVIDED, 0.9),
        ([seen(6.3), seen(3.0, lesion=L2)], UNDIVIDED, None),  # 7 mL went into both
        ([seen(6.3), seen(3.0, lesion=None)], UNDIVIDED, None),
        ([seen(6.3)], history(), None),
        ([seen(6.3)], history(0.0), None),
        ([seen(6.3, lesion=None)], UNDIVIDED, None),
    ],
)
def test_a_recovered_fraction_is_that_of_all_cement_and_of_what_surely_was_injected(
    rows: list[MaterialMeasurement], before: History, share: float | None
) -> None:
    fraction = recovered(before, rows[0], rows)
    assert (None if fraction is None else fraction.value) == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("rows", "before", "told"),
    [
        ([seen(6.3)], history(7.0), False),
        ([seen(6.3)], history(7.0, known=False), True),
        ([seen(6.3)], history(known=False), False),
        ([seen(6.3), seen(3.0, lesion=L2)], UNDIVIDED, True),
        ([seen(6.3), seen(3.0, SegmentKind.METAL, lesion=None)], UNDIVIDED, False),
        ([seen(6.3, SegmentKind.METAL), seen(3.0, lesion=L2)], UNDIVIDED, False),
    ],
)
def test_where_it_is_not_sure_what_was_injected_it_is_told(
    rows: list[MaterialMeasurement], before: History, told: bool
) -> None:
    assert [finding.code for finding in unsure_of(before, rows[0], rows)] == ["INJECTED_NOT_CERTAIN"] * told
