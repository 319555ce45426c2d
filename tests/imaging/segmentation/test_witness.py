"""The earlier image says which of several borders the contour runs along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.measurement.agreement import overlap_of
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

GRID = Grid.from_spacing((48, 48, 48), (1.5, 1.5, 1.5), origin_mm=(-36, -36, -36))
AWAY_MM = np.linalg.norm(GRID.points(np.indices(GRID.shape).reshape(3, -1).T), axis=1).reshape(GRID.shape)
THEN_MM, NOW_MM, RIM_MM = 12.0, 8.0, 6.0
TUMOUR, OEDEMA, MARROW = 300, 450, 800


def exam(radius_mm: float, seed: int, gain: float = 1.0) -> Volume:
    """A dark tumour in bright marrow; the rim of oedema between them has the sharper border."""
    clean = np.where(radius_mm > AWAY_MM, TUMOUR, np.where(radius_mm + RIM_MM > AWAY_MM, OEDEMA, MARROW))
    noise = np.random.default_rng(seed).normal(0, 60, GRID.shape)
    return Volume(samples=(gain * (clean + noise)).astype(np.float32), grid=GRID, modality=Modality.MR, role="t1")


def dice(mask: BoolArray, radius_mm: float) -> float:
    overlap = overlap_of(Segment(mask=mask, grid=GRID), Segment(mask=radius_mm > AWAY_MM, grid=GRID))
    assert overlap is not None
    return overlap.dice


PRIOR = (AWAY_MM < THEN_MM).astype(np.float32)


@pytest.mark.parametrize("gain", [0.4, 1.0, 3.0])
def test_a_lesion_that_shrank_is_told_from_its_rim_whatever_the_scale_of_the_earlier_image(gain: float) -> None:
    found = segment_lesion(exam(NOW_MM, 1), (), prior=PRIOR, earlier=exam(THEN_MM, 2, gain))
    assert dice(found.mask, NOW_MM) > 0.85


def test_without_contrast_that_changed_the_earlier_image_keeps_the_size() -> None:
    found = segment_lesion(exam(THEN_MM, 1), (), prior=PRIOR, earlier=exam(THEN_MM, 2))
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * THEN_MM**3 / 1000, rel=0.1)


def test_an_image_of_another_role_is_no_witness() -> None:
    other = replace(exam(THEN_MM, 2), role="stir")
    with_other = segment_lesion(exam(NOW_MM, 1), (), prior=PRIOR, earlier=other)
    assert (with_other.mask == segment_lesion(exam(NOW_MM, 1), (), prior=PRIOR).mask).all()


def test_an_earlier_image_that_lies_elsewhere_changes_nothing_but_the_doubt_of_change() -> None:
    beyond = replace(exam(THEN_MM, 2), grid=Grid.from_spacing(GRID.shape, (1.5, 1.5, 1.5), origin_mm=(900, 0, 0)))
    found = segment_lesion(exam(THEN_MM, 1), (), prior=PRIOR, earlier=beyond)
    assert dice(found.mask, THEN_MM) > 0.9


def codes(volume: Volume) -> set[str]:
    return {finding.code for finding in segment_lesion(volume, (), prior=PRIOR, earlier=exam(THEN_MM, 2)).findings}


def test_a_size_that_changed_much_and_a_lesion_small_for_its_slices_are_told() -> None:
    assert "SIZE_CHANGED_MUCH" in codes(exam(NOW_MM, 1))  # 0.3 times the volume
    assert not {"SIZE_CHANGED_MUCH", "SMALL_FOR_ITS_SLICES"} & codes(exam(THEN_MM, 1))
    thick = replace(exam(THEN_MM, 2), samples=exam(THEN_MM, 2).samples[::4], grid=every_fourth_slice())
    found = segment_lesion(exam(THEN_MM, 1), (), prior=PRIOR, earlier=thick)
    assert "SMALL_FOR_ITS_SLICES" in {finding.code for finding in found.findings}


def every_fourth_slice() -> Grid:
    affine = GRID.affine.copy()
    affine[:3, 0] *= 4
    return Grid((GRID.shape[0] // 4, *GRID.shape[1:]), affine)
