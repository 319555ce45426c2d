"""What a CT shows is held against what was injected."""

from __future__ import annotations

import pytest

from imaging.lesions.procedure import Procedure
from imaging.measurement.material import MaterialMeasurement
from imaging.measurement.quantity import Quantity
from imaging.segmentation import LesionId, SegmentKind
from pipelines.case.account import beyond_injected, injected_rows
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
