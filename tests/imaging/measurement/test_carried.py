from __future__ import annotations

import numpy as np
import pytest

from imaging.errors import GeometryError
from imaging.finding import Severity
from imaging.geometry import Grid
from imaging.measurement.carried import material_inside
from imaging.measurement.interval import Z95

GRID = Grid.from_spacing((12, 20, 20), (4.0, 1.0, 1.0))


def test_material_well_inside_the_lesion_is_certain_but_for_its_own_interval():
    lesion, share = np.zeros(GRID.shape, bool), np.zeros(GRID.shape)
    lesion[1:11, 2:18, 2:18] = True
    share[5:7, 8:12, 8:12] = 0.5
    inside, finding = material_inside(
        lesion, share, GRID, source_date="2003-01-20", registration_error_mm=2.0, relative_interval=(0.9, 1.2)
    )
    assert inside.value == pytest.approx(2 * 16 * 0.5 * 0.004)
    assert inside.interval95 == pytest.approx((0.9 * inside.value, 1.2 * inside.value))
    assert finding.code == "MATERIAL_CARRIED"
    assert "2003-01-20" in finding.message


def test_at_the_contour_the_registration_error_opens_the_interval():
    lesion, share = np.zeros(GRID.shape, bool), np.zeros(GRID.shape)
    lesion[1:11, 2:18, 2:18] = True
    share[5:7, 8:12, 14:20] = 1.0
    inside, _ = material_inside(lesion, share, GRID, source_date="2003", registration_error_mm=1.0)
    assert inside.value == pytest.approx(2 * 4 * 4 * 0.004)
    assert inside.interval95[0] == pytest.approx(2 * 4 * 3 * 0.004)
    assert inside.interval95[1] == pytest.approx(2 * 4 * 5 * 0.004)
    assert inside.error is not None and inside.error.technical95 == inside.interval95
    parts = dict(inside.error.technical)
    assert parts["registration"] == pytest.approx(0.25 / Z95, rel=1e-6)  # ± a quarter, 95 %
    assert parts["outline of the material"] == 0.0


def test_no_material_is_zero_with_a_reason_to_doubt_only_near_by():
    lesion = np.zeros(GRID.shape, bool)
    lesion[4:8, 5:10, 5:10] = True
    inside, _ = material_inside(lesion, np.zeros(GRID.shape), GRID, source_date="2003", registration_error_mm=3.0)
    assert (inside.value, inside.interval95) == (0.0, (0.0, 0.0))


def test_every_axis_and_both_ways_of_a_shift_count():
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1)):
        lesion, share = np.zeros(GRID.shape, bool), np.zeros(GRID.shape)
        lesion[3:9, 5:15, 5:15] = True
        place = [slice(5, 7), slice(9, 11), slice(9, 11)]
        edge = ((3, 9), (5, 15), (5, 15))[axis][sign > 0]
        place[axis] = slice(edge - 1, edge) if sign > 0 else slice(edge, edge + 1)
        share[tuple(place)] = 1.0
        inside, _ = material_inside(lesion, share, GRID, source_date="2003", registration_error_mm=4.0)
        assert inside.interval95[0] == pytest.approx(0.0, abs=1e-9), (axis, sign)


def test_material_of_the_image_itself_has_no_registration_in_its_error():
    lesion, share = np.zeros(GRID.shape, bool), np.zeros(GRID.shape)
    lesion[1:11, 2:18, 2:18] = True
    share[5:7, 8:12, 14:20] = 1.0
    inside, finding = material_inside(
        lesion, share, GRID, source_date="2003", registration_error_mm=0.0, relative_interval=(1.1, 0.9)
    )
    assert inside.interval95 == (inside.value, inside.value)  # bounds never on the wrong side of the value
    assert [name for name, _ in inside.error.technical] == ["outline of the material"]
    assert (finding.severity, inside.unit) == (Severity.INFO, "mL")


def test_foreign_arrays_are_refused():
    with pytest.raises(GeometryError):
        material_inside(
            np.zeros(GRID.shape, bool), np.zeros((2, 2, 2)), GRID, source_date="", registration_error_mm=1.0
        )
