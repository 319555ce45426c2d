"""The anatomy has the sizes that it was built for."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.synthetic.pelvis import FORAMINA, Pelvis, Sacrum
from imaging.synthetic.tissue import Tissue

STEP_MM = 0.25


def span(values: np.ndarray, inside: np.ndarray) -> float:
    return float(np.ptp(values[inside])) + STEP_MM


def lattice(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[np.ndarray]:
    axes = (np.arange(low, high + STEP_MM / 2, STEP_MM, dtype=np.float32) for low, high in (x, y, z))
    return list(np.broadcast_arrays(*np.meshgrid(*axes, indexing="ij")))


def test_the_sacrum_is_106_wide_at_the_middle_of_its_joints_and_103_high() -> None:
    x, z = np.meshgrid(np.arange(-60, 60, STEP_MM, dtype=np.float32), np.arange(-80, 35, STEP_MM, dtype=np.float32))
    y = Sacrum(x, np.zeros_like(x), z).middle + np.float32(12)
    assert span(x, Sacrum(x, y, z).bone_mm < 0) == pytest.approx(106, abs=2 * STEP_MM)
    x, y, z = lattice((0, 0), (-20, 60), (-80, 35))
    assert span(z, Sacrum(x, y, z).bone_mm < 0) == pytest.approx(103, abs=2 * STEP_MM)


def test_the_canal_is_30_by_14_at_the_promontory() -> None:
    x, y, z = lattice((-20, 20), (5, 45), (28, 28))
    inside = Sacrum(x, y, z).canal_mm() < 0
    assert span(x, inside) == pytest.approx(30, abs=2 * STEP_MM)
    assert span(y, inside) == pytest.approx(14, abs=2 * STEP_MM)


@pytest.mark.parametrize("foramen", FORAMINA, ids=lambda foramen: f"S{foramen.level}")
def test_anterior_foramina_open_at_the_front_with_their_size(foramen) -> None:  # type: ignore[no-untyped-def]
    # a plane 3 mm behind the anterior surface, left side
    x, z = np.meshgrid(np.arange(8, 36, STEP_MM, dtype=np.float32), np.arange(-70, 20, STEP_MM, dtype=np.float32))
    y = Sacrum(x, np.zeros_like(x), z).front + np.float32(3)
    tunnel = Sacrum(x, y, z).anterior_foramen_mm(foramen) < 0
    assert span(x, tunnel) == pytest.approx(foramen.width_mm, abs=2 * STEP_MM)
    assert span(z, tunnel) == pytest.approx(foramen.height_mm, abs=2 * STEP_MM)
    assert x[tunnel].mean() == pytest.approx(foramen.lateral_mm, abs=STEP_MM)
    assert z[tunnel].mean() == pytest.approx(foramen.z_mm, abs=STEP_MM)


def painted(pelvis: Pelvis, height_mm: float) -> np.ndarray:
    x, y, z = lattice((-100, 100), (-60, 90), (height_mm, height_mm))
    numbers = np.zeros((x.shape[0], x.shape[1]), dtype=np.uint8)
    pelvis.paint(numbers, x[..., 0], y[..., 0], z[..., 0])
    return numbers


def test_bones_are_mirrored_about_the_midline() -> None:
    numbers = painted(Pelvis(irradiated_left=False), -10.0)
    cortex = numbers == Tissue.CORTEX
    assert cortex.sum() > 1000
    assert np.array_equal(cortex, cortex[::-1])


def test_only_the_left_marrow_is_irradiated() -> None:
    numbers = painted(Pelvis(), -10.0)
    columns = np.flatnonzero((numbers == Tissue.MARROW_IRRADIATED).any(axis=1))
    assert len(columns) > 0 and columns.min() * STEP_MM - 100 > 0


def test_an_iliums_turn_moves_that_ilium_and_no_sacrum() -> None:
    still, turned = painted(Pelvis(), -10.0), painted(Pelvis(ilium_turn_deg=(1.5, 0.0)), -10.0)
    moved = (still == Tissue.MARROW_ILIUM) != (turned == Tissue.MARROW_ILIUM)
    half = len(still) // 2
    assert moved[half:].any() and not moved[:half].any()
    sacrum = (Tissue.MARROW_BODY, Tissue.MARROW_ALA, Tissue.MARROW_IRRADIATED)
    assert np.array_equal(np.isin(still, sacrum), np.isin(turned, sacrum))
