from __future__ import annotations

import numpy as np
import pytest

from imaging.synthetic.lattice import MaterialMap, slow_field, texture_at
from imaging.synthetic.phantom import MARROWS, Insert, Lesion, Phantom
from imaging.synthetic.shape import Ellipsoid
from imaging.synthetic.tissue import CONTRASTS, FIRST_INSERT, Contrast, Tissue, lookup, with_radiodensity

SOLID = Ellipsoid(center_mm=(-30.0, 20.0, -12.0), axes_mm=(16.0, 16.0, 16.0))
MATERIAL = MaterialMap(np.full((3, 3, 3), Tissue.CEMENT, dtype=np.uint8), np.array([-31.0, 19.0, -13.0]), 1.0)


def along_x(phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(-50, -10, 0.5, dtype=np.float32)[None, :]
    return x[0], phantom.tissue(x, np.full_like(x, 20), np.full_like(x, -12))[0]


def test_material_lies_over_blood_over_tumour_over_oedema_over_marrow() -> None:
    blood = Ellipsoid(center_mm=SOLID.center_mm, axes_mm=(8.0, 8.0, 8.0))
    lesion = Lesion(id="L1", solid=SOLID, oedema_mm=4.0, blood=blood)
    x, numbers = along_x(Phantom(lesions=(lesion,), materials=(MATERIAL,)))
    away = np.abs(x + 30)
    assert set(numbers[away < 1.4]) == {Tissue.CEMENT}
    assert set(numbers[(away > 1.6) & (away < 3.9)]) == {Tissue.BLOOD}
    assert set(numbers[(away > 4.1) & (away < 7.9)]) == {Tissue.TUMOUR}
    plain = along_x(Phantom())[1]
    rim, marrow = (away > 8.1) & (away < 11.9), np.isin(plain, MARROWS)
    assert (rim & marrow).any() and (rim & ~marrow).any()
    assert set(numbers[rim & marrow]) == {Tissue.OEDEMA}
    assert np.array_equal(numbers[rim & ~marrow], plain[rim & ~marrow])
    assert np.array_equal(numbers[away > 12.5], plain[away > 12.5])


def test_an_insert_lies_over_everything_and_brings_its_contrast() -> None:
    insert = Insert(shape=SOLID, contrast=Contrast(1234, 0, 0, 0, 0, 0))
    body = Phantom(materials=(MATERIAL,), inserts=(insert,))
    x, numbers = along_x(body)
    assert set(numbers[np.abs(x + 30) < 7.9]) == {FIRST_INSERT}
    assert body.all_contrasts()[FIRST_INSERT].hu == 1234


def test_every_tissue_has_a_contrast_whose_fat_is_part_of_its_brightness() -> None:
    assert set(CONTRASTS) == set(Tissue)
    for contrast in CONTRASTS.values():
        assert 0 <= contrast.t1_fat <= contrast.t1


def test_radiodensity_changes_cement_and_glue_alone() -> None:
    changed = lookup(with_radiodensity(CONTRASTS, cement_hu=1500, glue_hu=900), "hu")
    plain = lookup(CONTRASTS, "hu")
    assert set(np.flatnonzero(changed != plain)) == {Tissue.CEMENT, Tissue.GLUE}


def test_texture_has_unit_size_and_belongs_to_the_body() -> None:
    field = slow_field(3)
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, abs=1e-3)
    x, y, z = np.random.default_rng(1).uniform(-100, 100, (3, 500))
    assert np.array_equal(texture_at(field, x, y, z), texture_at(slow_field(3), x, y, z))
