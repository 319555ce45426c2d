from __future__ import annotations

import numpy as np
import pytest

from imaging.arrays import BoolArray
from imaging.errors import UsageError
from imaging.synthetic.material import LATTICE_STEP_MM, Compartment, bloomed, fill
from imaging.synthetic.shape import Ellipsoid, Plane
from imaging.synthetic.tissue import Tissue

BALL = Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(6.0, 6.0, 6.0))
CELL_ML = LATTICE_STEP_MM**3 / 1000


def everywhere(x: Plane, y: Plane, z: Plane) -> BoolArray:
    return np.asarray(np.isfinite(x + y + z))


def right_half(x: Plane, y: Plane, z: Plane) -> BoolArray:
    return np.asarray((x < 0) & np.isfinite(x + y + z))


def compartment(volume_ml: float, number: Tissue = Tissue.CEMENT, **other: object) -> Compartment:
    settings = {"name": "lesion", "region": everywhere, "sources": (BALL,)} | other
    return Compartment(number=number, volume_ml=volume_ml, **settings)  # type: ignore[arg-type]


def test_a_compartment_holds_its_volume_to_one_cell() -> None:
    material, (mask,) = fill([compartment(0.731)], low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    assert material.volume_ml(Tissue.CEMENT) == pytest.approx(0.731, abs=CELL_ML)
    assert int(mask.sum()) == int((material.numbers == Tissue.CEMENT).sum())


def test_compartments_share_no_cell_and_keep_to_their_region() -> None:
    asked = [compartment(0.3, region=right_half), compartment(0.4, Tissue.GLUE)]
    material, masks = fill(asked, low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    assert not (masks[0] & masks[1]).any()
    x, _, _ = material.points()
    assert (np.broadcast_to(x, masks[0].shape)[masks[0]] < 0).all()


def test_voids_leave_the_volume_and_spread_the_material() -> None:
    solid, (full,) = fill([compartment(0.5)], low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    _, (holed,) = fill([compartment(0.5, void_fraction=0.08)], low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    assert full.sum() == holed.sum()
    x, y, z = solid.points()
    away = np.sqrt(x * x + y * y + z * z)
    assert away[holed].max() > away[full].max()
    inner = away < 0.9 * away[full].max()
    assert (holed & inner).sum() / inner.sum() == pytest.approx(0.92, abs=0.04)


def test_a_region_that_is_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match="lattice cells"):
        fill([compartment(50.0)], low_mm=(-5, -5, -5), high_mm=(5, 5, 5), seed=1)


def test_blooming_adds_a_shell_and_touches_no_material() -> None:
    material, _ = fill([compartment(0.4)], low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    wide = bloomed(material, 0.8)
    assert np.array_equal(wide.numbers == Tissue.CEMENT, material.numbers == Tissue.CEMENT)
    radius = np.cbrt(0.4 * 1000 * 3 / (4 * np.pi))
    shell_ml = 4 / 3 * np.pi * ((radius + 0.8) ** 3 - radius**3) / 1000
    assert wide.volume_ml(Tissue.BLOOMING) == pytest.approx(shell_ml, rel=0.2)  # cells are half as thick as the shell
    assert bloomed(material, 0.0) is material


def test_a_map_is_sampled_at_the_nearest_cell_and_is_empty_outside() -> None:
    material, _ = fill([compartment(0.4)], low_mm=(-9, -9, -9), high_mm=(9, 9, 9), seed=1)
    x = np.array([[0.0, 0.19, 40.0]], dtype=np.float32)
    found = material.at(x, np.zeros_like(x), np.zeros_like(x))
    assert found.tolist() == [[Tissue.CEMENT, Tissue.CEMENT, 0]]
