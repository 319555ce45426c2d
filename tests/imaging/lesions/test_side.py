"""Left and right, told by the body in the image."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.geometry import Grid
from imaging.lesions.side import side_of
from imaging.volume import Modality, Volume


def scene(modality: Modality, affine_sign: int, columns: slice = slice(10, 90)) -> tuple[Volume, Grid]:
    affine = Grid.from_spacing((3, 10, 100), (5.0, 4.0, 4.0), origin_mm=(-200.0, 0.0, 0.0)).affine.copy()
    if affine_sign < 0:  # the columns run to the patient's right
        affine[0, 2], affine[0, 3] = -4.0, 200.0
    grid = Grid((3, 10, 100), affine)
    samples = np.full(grid.shape, -1000 if modality is Modality.CT else 2, np.int16)
    samples[:, :, columns] = 40 if modality is Modality.CT else 300
    return Volume(samples=samples, grid=grid, modality=modality), grid


@pytest.mark.parametrize("modality", Modality)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("x_mm", "side"), [(60.0, "left"), (-60.0, "right"), (4.0, None)])
def test_positive_x_is_the_patients_left_whichever_way_the_columns_run(
    modality: Modality, sign: int, x_mm: float, side: str | None
) -> None:
    volume, grid = scene(modality, sign)
    mask = np.zeros(grid.shape, bool)
    index = np.rint(grid.indices([[x_mm, 20.0, 5.0]])[0]).astype(int)
    mask[tuple(index)] = True
    assert side_of(mask, volume) == side


def test_an_image_that_cuts_one_side_of_the_body_gives_no_answer() -> None:
    volume, grid = scene(Modality.CT, 1, slice(40, 100))
    mask = np.zeros(grid.shape, bool)
    mask[1, 5, 80] = True
    assert side_of(mask, volume) is None


def test_nothing_is_on_no_side() -> None:
    volume, grid = scene(Modality.CT, 1, slice(40, 100))
    assert side_of(np.zeros(grid.shape, bool), volume) is None
