from __future__ import annotations

import pytest

from imaging.geometry import Rigid
from imaging.synthetic.chord import axial_diameters, surface_points
from imaging.synthetic.sacroplasty.exam import pose
from imaging.synthetic.shape import Ellipsoid, in_plane_turn


@pytest.mark.parametrize("angle_deg", [0.0, 33.0, 90.0])
def test_axial_diameters_of_an_ellipsoid_are_its_in_plane_axes_however_turned(angle_deg: float) -> None:
    solid = Ellipsoid(center_mm=(7.0, 8.0, 9.0), axes_mm=(40.0, 24.0, 60.0), turn=in_plane_turn(angle_deg))
    long_axis, short_axis = axial_diameters(solid, Rigid.from_shift((100.0, 50.0, -20.0)))
    # the widest plane is met to half a millimetre: 40 · (1 − √(1 − (0.5/30)²)) = 0.006
    assert long_axis == pytest.approx(40, abs=0.02)
    assert short_axis == pytest.approx(24, abs=0.02)


def test_a_tilted_patient_is_cut_by_the_scanners_planes() -> None:
    solid = Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(30.0, 30.0, 60.0))
    long_axis, short_axis = axial_diameters(solid, pose((90.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    assert long_axis == pytest.approx(60, abs=0.05)
    assert short_axis == pytest.approx(30, abs=0.05)


def test_surface_points_lie_on_the_surface() -> None:
    solid = Ellipsoid(center_mm=(1.0, 2.0, 3.0), axes_mm=(20.0, 10.0, 16.0))
    points = surface_points(solid, Rigid.identity())
    unit = (points - (1, 2, 3)) / (10, 5, 8)
    assert (unit**2).sum(axis=1) == pytest.approx(1.0, abs=1e-4)
