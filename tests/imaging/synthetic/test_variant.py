"""Every negative must show what it imitates, and hold no cement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from imaging.geometry import Grid, Rigid
from imaging.synthetic.acquisition import CtScan, Sampling, acquire_ct, fractions
from imaging.synthetic.phantom import Phantom
from imaging.synthetic.shape import Ellipsoid
from imaging.synthetic.tissue import Tissue
from imaging.synthetic.variant import (
    calcified_arteries,
    enteric_contrast,
    gas_in,
    needle_to,
    sacral_screw,
    sclerotic_metastasis,
    with_bladder_contrast,
)

LESION = Ellipsoid(center_mm=(28.0, 32.0, -24.0), axes_mm=(52.0, 42.0, 48.0))
COARSE = Sampling(
    grid=Grid.from_spacing((30, 64, 80), (5.0, 3.0, 3.0), origin_mm=(-120.0, -80.0, -100.0)),
    body_from_patient=Rigid.identity(),
    fine=(2, 1, 1),
)
VARIANTS: dict[str, tuple[Callable[[Phantom], Phantom], float]] = {
    "enteric contrast": (lambda _: Phantom(inserts=enteric_contrast()), 700),
    "bladder contrast": (with_bladder_contrast, 700),
    "sclerotic metastasis": (lambda _: Phantom(inserts=sclerotic_metastasis()), 900),
    "sacral screw": (lambda _: Phantom(inserts=sacral_screw()), 2500),
    "needle": (lambda _: Phantom(inserts=needle_to(LESION.center_mm)), 1500),
}


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return acquire_ct(Phantom(), CtScan(sampling=COARSE, noise_hu=0.0)).samples


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_dense_where_the_plain_body_is_not(name: str, plain: np.ndarray) -> None:
    change, least_hu = VARIANTS[name]
    image = acquire_ct(change(Phantom()), CtScan(sampling=COARSE, noise_hu=0.0)).samples
    assert ((image > least_hu) & (plain < 500)).sum() >= 8


def test_plaques_are_small_and_on_both_sides() -> None:
    table = np.zeros(256, dtype=np.float32)
    table[32:] = 1
    share = fractions(Phantom(inserts=calcified_arteries()), COARSE, {"share": table})["share"]
    volume_ml = float(share.sum()) * COARSE.grid.voxel_volume_mm3 / 1000
    assert 0.05 < volume_ml < 1.0
    left = float(share[:, :, 40:].sum())
    assert left == pytest.approx(float(share.sum()) / 2, rel=0.3)


def test_gas_makes_air_within_the_lesion_alone() -> None:
    table = np.zeros(256, dtype=np.float32)
    table[32:] = 1
    share = fractions(Phantom(inserts=gas_in(LESION)), COARSE, {"share": table})["share"]
    indices = np.argwhere(share > 0)
    x, y, z = COARSE.grid.points(indices).astype(np.float32).T
    assert len(indices) > 0
    assert (LESION.signed_mm(x, y, z) < 3).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_holds_no_cement(name: str) -> None:
    body = VARIANTS[name][0](Phantom())
    x, y = np.meshgrid(np.arange(-100, 100, 4, dtype=np.float32), np.arange(-80, 100, 4, dtype=np.float32))
    for height in range(-90, 40, 10):
        numbers = body.tissue(x, y, np.full_like(x, height))
        assert not np.isin(numbers, (Tissue.CEMENT, Tissue.GLUE)).any()
