"""Intensities are those of the samples under the mask, and of no padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.geometry import Grid
from imaging.measurement.extent import Extent
from imaging.measurement.intensity import intensity_of
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

GRID = Grid.from_spacing((3, 4, 5), (2.0, 1.0, 1.0))
SAMPLES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def extent_of(mask: np.ndarray) -> Extent:
    return Extent.of(Segment(mask=mask, grid=GRID))


def test_statistics_are_of_the_masked_samples_wherever_the_mask_lies() -> None:
    mask = (SAMPLES >= 21) & (SAMPLES <= 31)  # starts and ends inside rows, crosses a slice
    found = intensity_of(extent_of(mask), Volume(samples=SAMPLES, grid=GRID, modality=Modality.CT))
    assert found is not None
    values = {name: quantity.value for name, quantity in found.items()}
    assert values == pytest.approx(
        {"mean": 26, "sd": 10**0.5, "min": 21, "median": 26, "max": 31, "p10": 22, "p90": 30}, rel=1e-12
    )


def test_padding_is_left_out() -> None:
    mask = SAMPLES < 10
    image = Volume(samples=SAMPLES, grid=GRID, modality=Modality.MR, valid=SAMPLES >= 8)
    found = intensity_of(extent_of(mask), image)
    assert found is not None
    assert (found["min"].value, found["max"].value, found["mean"].unit) == (8, 9, "[arb'U]")


def test_a_mask_on_padding_alone_has_no_intensity() -> None:
    image = Volume(samples=SAMPLES, grid=GRID, modality=Modality.MR, valid=SAMPLES >= 30)
    assert intensity_of(extent_of(SAMPLES < 10), image) is None


@settings(max_examples=100)
@given(
    hnp.arrays(np.int16, st.integers(1, 40))
    | hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e4, 1e4, width=32))
)
def test_percentiles_lie_linearly_between_samples_as_everywhere(samples: np.ndarray) -> None:
    grid = Grid.from_spacing((1, 1, len(samples)), (1.0, 1.0, 1.0))
    image = Volume(samples=samples[None, None], grid=grid, modality=Modality.CT)
    found = intensity_of(Extent.of(Segment(mask=np.ones(grid.shape, bool), grid=grid)), image)
    assert found is not None
    wide = samples.astype(np.float64)
    expected = {"mean": wide.mean(), "sd": wide.std(), "min": wide.min(), "max": wide.max()}
    expected |= {name: np.percentile(wide, q) for name, q in (("p10", 10), ("median", 50), ("p90", 90))}
    assert {name: quantity.value for name, quantity in found.items()} == pytest.approx(expected, rel=1e-9, abs=1e-6)
