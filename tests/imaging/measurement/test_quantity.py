"""A quantity holds its value, scales as a whole, and an acceptance takes the spread of engines out of its interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.coding import Code
from imaging.measurement.interval import Z95, holding, log_interval95, log_sd_of, widened
from imaging.measurement.quantity import Quantity, ReaderPart, TwoPartError

EXAMPLES = settings(max_examples=60)
sizes = st.floats(0.05, 500.0)
spreads = st.floats(0.001, 0.5)


def proposed(value: float, technical: float, reader: ReaderPart | None) -> Quantity:
    error = TwoPartError(
        technical95=log_interval95(value, technical), technical=(("outline", technical),), reader=reader
    )
    return Quantity.with_error(value, "mL", "voxel sum", error)


@EXAMPLES
@given(sizes, spreads, spreads)
def test_both_parts_add_as_variances_of_the_logarithm(value: float, technical: float, reader: float) -> None:
    quantity = proposed(value, technical, ReaderPart(floor=reader))
    log_sd = math.sqrt(technical**2 + math.log(1 + reader**2))
    assert quantity.interval95 == pytest.approx(log_interval95(value, log_sd), rel=1e-9)
    assert log_sd_of(quantity) == pytest.approx(log_sd, rel=1e-9)


@EXAMPLES
@given(sizes, spreads, st.floats(0.0, 20.0))
def test_a_scaled_quantity_scales_all_its_bounds(value: float, technical: float, factor: float) -> None:
    quantity = proposed(value, technical, ReaderPart(floor=0.1))
    scaled = quantity.scaled(factor)
    assert scaled.value == value * factor
    assert quantity.interval95 is not None and quantity.error is not None and scaled.error is not None
    assert scaled.interval95 == pytest.approx([bound * factor for bound in quantity.interval95], rel=1e-12)
    assert scaled.error.technical95 == pytest.approx([b * factor for b in quantity.error.technical95], rel=1e-12)


def test_a_scaled_quantity_stays_what_it_is() -> None:
    code = Code("YEKZ", "IBSI", "Volume")
    scaled = Quantity(2.0, "mL", "voxel sum", None, code).scaled(3.0)
    assert (scaled.value, scaled.unit, scaled.method, scaled.interval95, scaled.code) == (
        6.0,
        "mL",
        "voxel sum",
        None,
        code,
    )


@pytest.mark.parametrize(
    "reader, source, cv",
    [
        (ReaderPart(floor=0.10), "floor", 0.10),
        (ReaderPart(floor=0.10, engines=0.05), "floor", 0.10),
        (ReaderPart(floor=0.10, engines=0.10), "floor", 0.10),
        (ReaderPart(floor=0.10, engines=0.11), "engines", 0.11),
        (ReaderPart(floor=0.10, engines=0.30, accepted=True), "floor", 0.10),
        (ReaderPart(floor=0.10, engines=0.30, readers=0.20), "readers", 0.20),
        (ReaderPart(floor=0.10, engines=0.30, readers=0.02), "floor", 0.10),
        (ReaderPart(floor=0.10, readers=0.10), "floor", 0.10),
        (ReaderPart(floor=0.10, readers=0.20, accepted=True), "readers", 0.20),
    ],
)
def test_readers_go_before_engines_engines_until_acceptance_and_nothing_below_the_floor(
    reader: ReaderPart, source: str, cv: float
) -> None:
    assert (reader.source, reader.cv) == (source, cv)


def test_an_acceptance_takes_the_engines_out_and_its_withdrawal_brings_them_back() -> None:
    machine = proposed(10.0, 0.05, ReaderPart(floor=0.10, engines=0.40))
    accepted = machine.judged(accepted=True)
    assert accepted.interval95 == pytest.approx(proposed(10.0, 0.05, ReaderPart(floor=0.10)).interval95, rel=1e-12)
    assert "reader 10.0 %" in accepted.method and "engines" not in accepted.method
    assert "spread of engines 40.0 %" in machine.method
    assert "outline 20.0 %" in proposed(1.0, 0.2, None).method
    assert "spread of readers 20.0 %" in proposed(1.0, 0.05, ReaderPart(floor=0.1, readers=0.2)).method
    assert accepted.judged(accepted=False) == machine
    assert accepted.judged(accepted=True) == accepted


def test_without_a_reader_s_part_an_acceptance_changes_nothing() -> None:
    for quantity in (Quantity(1.0, "mL", "voxel sum"), proposed(1.0, 0.05, None)):
        assert quantity.judged(accepted=True) == quantity
    assert "reader not included" in proposed(1.0, 0.05, None).method


def test_a_part_of_a_power_and_of_a_product_keeps_every_source() -> None:
    part = ReaderPart(floor=0.3, engines=0.6, readers=0.9, accepted=True)
    third = part.of_power(1 / 3)
    assert (third.floor, third.engines, third.readers, third.accepted) == pytest.approx((0.1, 0.2, 0.3, True))
    assert ReaderPart(floor=0.3).of_power(2.0) == ReaderPart(floor=0.6)
    product = part.times(ReaderPart(floor=0.4, engines=0.8, readers=1.2))
    assert (product.floor, product.engines, product.readers) == pytest.approx((0.5, 1.0, 1.5))
    assert part.times(ReaderPart(floor=0.4)).engines is None


def test_what_no_reader_outlined_states_each_range_as_a_share() -> None:
    error = TwoPartError.technical_alone((5.0, 15.0), 10.0, ("outline", (8.04, 11.96)), ("registration", (6.08, 13.92)))
    assert error.technical == (("outline", 0.1), ("registration", 0.2))
    assert (error.technical95, error.reader) == ((5.0, 15.0), None)
    assert error.interval95(10.0) == (5.0, 15.0)
    assert TwoPartError.technical_alone((0.0, 1.0), 0.0, ("registration", (0.0, 1.0))).technical == ()
    small = TwoPartError.technical_alone((0.0, 1.0), 0.5, ("registration", (0.0, 1.0))).technical
    assert small == (("registration", pytest.approx(1.0 / Z95, abs=1e-9)),)


def test_an_interval_must_hold_the_value_and_be_finite() -> None:
    for bounds in ((1.1, 2.0), (0.0, 0.9), (0.0, math.inf), (math.nan, 2.0)):
        with pytest.raises(ValueError, match="hold the value"):
            Quantity(1.0, "mL", "voxel sum", bounds)
        with pytest.raises(ValueError, match="hold the value"):
            Quantity(1.0, "mL", "voxel sum", (0.5, 2.0), None, TwoPartError(technical95=bounds, technical=()))
    assert Quantity(1.0, "mL", "voxel sum", (1.0, 1.0)).interval95 == (1.0, 1.0)
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            Quantity(value, "mL", "voxel sum")


def test_numbers_of_any_kind_become_plain_ones() -> None:
    quantity = Quantity(1, "mL", "voxel sum", (0, 2))
    assert [type(x) for x in (quantity.value, *(quantity.interval95 or ()))] == [float] * 3


@EXAMPLES
@given(sizes, spreads, spreads)
def test_an_interval_is_widened_about_its_own_middle(value: float, log_sd: float, cv: float) -> None:
    low, high = widened(log_interval95(value, log_sd), cv)
    assert low * high == pytest.approx(value**2, rel=1e-9)
    assert math.log(high / value) == pytest.approx(Z95 * math.hypot(log_sd, math.sqrt(math.log(1 + cv**2))), rel=1e-9)


def test_an_interval_from_zero_keeps_its_beginning_and_grows_at_its_end() -> None:
    low, high = widened((0.0, 4.0), 0.5)
    assert low == 0.0
    assert high == pytest.approx(2.0 + math.hypot(2.0, Z95 * 0.5 * 2.0), rel=1e-12)
    assert widened((0.0, 0.0), 0.5) == (0.0, 0.0)
    low, high = widened((-1.0, 3.0), 0.5)
    assert (low, high) == pytest.approx((-1.0, 1.0 + math.hypot(2.0, Z95 * 0.5)), rel=1e-12)


def test_an_interval_is_made_to_hold_a_value() -> None:
    assert [holding((1.0, 2.0), value) for value in (0.5, 1.5, 2.5)] == [(0.5, 2.0), (1.0, 2.0), (1.0, 2.5)]


def test_an_interval_that_reaches_zero_has_no_logarithm() -> None:
    assert log_sd_of(Quantity(1.0, "mL", "", (0.0, 2.0))) is None
    assert log_sd_of(Quantity(1.0, "mL", "", (-0.5, 2.0))) is None
    assert log_sd_of(Quantity(1.0, "mL", "")) is None
    assert log_sd_of(Quantity(1.0, "mL", "", (1e-9, 2.0))) is not None
