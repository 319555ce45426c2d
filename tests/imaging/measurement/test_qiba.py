"""QIBA's claims on the vectors that were computed apart from this code."""

from __future__ import annotations

import math

import pytest

from imaging.measurement.interval import Z95
from imaging.measurement.qiba import BANDS, qiba_claims, qiba_wcv

VECTORS = [
    # volumes, diameters, change in mL with interval, linear % interval, log % interval, claim 1
    ((40.0, 30.0), (55.0, 50.0), (-18.33, -1.67), (-45.8, -4.2), (-40.7, -5.1), True),
    ((20.0, 12.0), (40.0, 30.0), (-13.23, -2.78), (-66.1, -13.9), (-57.3, -15.6), True),
    ((10.0, 14.0), (30.0, 33.0), (-0.76, 8.76), (-7.5, 87.5), (-5.1, 106.6), True),
]


@pytest.mark.parametrize("volumes, diameters, ml, percent, log_percent, claim_1", VECTORS)
def test_both_claims_have_the_figures_of_the_vectors(
    volumes: tuple[float, float],
    diameters: tuple[float, float],
    ml: tuple[float, float],
    percent: tuple[float, float],
    log_percent: tuple[float, float],
    claim_1: bool,
) -> None:
    claims = qiba_claims(volume_ml=volumes, long_axis_mm=diameters)
    assert claims is not None
    assert claims["claim_2_interval95_ml"] == pytest.approx(ml, abs=0.006)  # the third is printed a last digit wide
    assert claims["claim_2_interval95_percent"] == pytest.approx(percent, abs=0.051)
    assert claims["log_interval95_percent"] == pytest.approx(log_percent, abs=0.051)
    assert claims["claim_1_exceeded"] is claim_1


@pytest.mark.parametrize("diameter, wcv, detectable", BANDS)
def test_the_detectable_change_is_that_of_its_coefficient(diameter: float, wcv: float, detectable: float) -> None:
    assert round(100 * Z95 * math.sqrt(2) * wcv) == detectable
    assert qiba_wcv(diameter) == wcv


@pytest.mark.parametrize(
    "diameter, wcv",
    [
        (9.99, None),
        (10.0, 0.141),
        (34.9, 0.141),
        (35.0, 0.103),
        (49.9, 0.103),
        (50.0, 0.085),
        (100.0, 0.085),
        (100.1, None),
    ],
)
def test_bands_begin_where_they_are_printed(diameter: float, wcv: float | None) -> None:
    assert qiba_wcv(diameter) == wcv


@pytest.mark.parametrize(
    "volumes, diameters",
    [((1.0, 1.0), (9.0, 12.0)), ((1.0, 1.0), (12.0, 101.0)), ((0.0, 1.0), (12.0, 12.0)), ((1.0, 0.0), (12.0, 12.0))],
)
def test_outside_its_range_nothing_is_claimed(volumes: tuple[float, float], diameters: tuple[float, float]) -> None:
    assert qiba_claims(volume_ml=volumes, long_axis_mm=diameters) is None


@pytest.mark.parametrize("second, exceeded", [(139.0, True), (138.9, False), (61.0, True), (61.1, False)])
def test_a_change_of_exactly_the_detectable_one_is_claimed(second: float, exceeded: bool) -> None:
    claims = qiba_claims(volume_ml=(100.0, second), long_axis_mm=(20.0, 20.0))
    assert claims is not None and claims["claim_1_exceeded"] is exceeded


def test_a_small_volume_is_claimed_as_a_large_one_is() -> None:
    claims = qiba_claims(volume_ml=(0.5, 0.25), long_axis_mm=(12.0, 11.0))
    assert claims is not None
    assert claims["claim_2_interval95_ml"] == pytest.approx(
        [-0.25 + sign * Z95 * 0.141 * math.hypot(0.5, 0.25) for sign in (-1, 1)], rel=1e-12
    )


def test_a_change_below_the_detectable_one_is_not_claimed() -> None:
    claims = qiba_claims(volume_ml=(100.0, 76.5), long_axis_mm=(60.0, 55.0))
    assert claims is not None
    assert claims["claim_1_exceeded"] is False
