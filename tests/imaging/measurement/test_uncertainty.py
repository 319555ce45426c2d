"""The stated error of a volume is the one that voxels make: measured floors, simulation, each part by its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.geometry import Grid
from imaging.measurement.diameter import Diameter, in_plane_axes
from imaging.measurement.extent import Extent
from imaging.measurement.interval import Z95
from imaging.measurement.quantity import ReaderPart
from imaging.measurement.surface import surface_of
from imaging.measurement.uncertainty import ErrorBudget, Line, ReaderVariability, diameter_error, volume_error
from imaging.segmentation.segment import Segment
from imaging.volume import Modality

THIN, MIDDLE, THICK = (1.0, 1.0, 1.0), (2.5, 0.7, 0.7), (5.0, 0.7, 0.7)
# Standard deviation in per cent of the counted volume of a ball, 150 random positions (measured apart from this code).
FLOORS = {
    (10.0, THIN): 1.0,
    (10.0, MIDDLE): 2.7,
    (10.0, THICK): 11.0,
    (20.0, THIN): 0.27,
    (20.0, MIDDLE): 0.73,
    (20.0, THICK): 2.7,
    (30.0, THIN): 0.11,
    (30.0, MIDDLE): 0.31,
    (30.0, THICK): 1.1,
    (50.0, THIN): 0.04,
    (50.0, MIDDLE): 0.12,
    (50.0, THICK): 0.43,
}


def grid_of(spacing: tuple[float, float, float]) -> Grid:
    return Grid.from_spacing((50, 50, 50), spacing)


def ball_error(diameter: float, spacing: tuple[float, float, float]) -> ErrorBudget:
    volume, area = math.pi * diameter**3 / 6, math.pi * diameter**2
    return volume_error(volume_mm3=volume, area_mm2=area, grid=grid_of(spacing), reader=None)


def ellipsoid(semi: np.ndarray, turn: np.ndarray, spacing: tuple[float, float, float], shift: np.ndarray) -> Segment:
    """An ellipsoid (mm, any pose) whose centre lies ``shift`` voxels off the middle voxel: centres inside belong."""
    reach = np.ceil(np.sqrt(np.diag(turn @ np.diag(semi**2) @ turn.T)) / spacing).astype(int) + 1
    shape = tuple(2 * reach + 1)
    points = (np.indices(shape).reshape(3, -1).T - reach - shift) * spacing
    inside = (((points @ turn) / semi) ** 2).sum(axis=1) <= 1.0
    return Segment(mask=inside.reshape(shape), grid=Grid.from_spacing(shape, spacing))


@pytest.mark.parametrize("diameter, spacing", FLOORS)
def test_the_grid_part_explains_the_measured_floor(diameter: float, spacing: tuple[float, float, float]) -> None:
    # These radii are whole numbers of 1, 2.5 and 5 mm steps: there a ball varies √2 times as much as the mean over
    # sizes, which the model gives, as long as one direction rules the sum; on cubic voxels several do.
    ratio = FLOORS[diameter, spacing] / (100 * ball_error(diameter, spacing).grid)
    assert 1.0 < ratio < 1.1 * math.sqrt(2.0)


@pytest.mark.parametrize("spacing", [THIN, MIDDLE, THICK])
def test_the_grid_part_covers_the_counted_volume_of_ellipsoids_in_any_pose(spacing: tuple[float, float, float]) -> None:
    random = np.random.default_rng(20030117)
    trials, covered, bias = 200, 0, []
    for _ in range(trials):
        semi = random.uniform(8.0, 16.0) * np.exp(random.uniform(-0.35, 0.35, 3))
        turn = Rotation.random(rng=random).as_matrix()
        truth = 4 / 3 * np.pi * semi.prod()
        extent = Extent.of(ellipsoid(semi, turn, spacing, random.uniform(-0.5, 0.5, 3)))
        area = surface_of(extent).area_mm2
        budget = volume_error(volume_mm3=extent.volume_mm3, area_mm2=area, grid=extent.grid, reader=None)
        log_ratio = math.log(extent.volume_mm3 / truth)
        covered += abs(log_ratio) <= Z95 * math.sqrt(math.log1p(budget.grid**2))
        bias.append(log_ratio)
    # 92–98 % wanted; the binomial spread of 200 trials at 95 % is 1.5 %, so a right model stays inside 90.5–99.5 %.
    assert 0.905 <= covered / trials <= 0.995
    assert abs(np.mean(bias)) <= 0.005


def test_the_grid_part_of_cubic_voxels_is_kendall_s() -> None:
    # Σ' |n|⁻⁴ over whole numbers in space is 16.532, so var V = 0.0667 S h⁴; the sum is cut off at 8, which is < 5 %.
    error = ball_error(20.0, THIN).grid * math.pi * 20**3 / 6
    expected = math.sqrt(16.5323 / (8 * math.pi**3) * math.pi * 20**2)
    assert 0.95 * expected < error < expected


def test_the_sum_over_the_dual_lattice_takes_every_point_within_its_reach_once() -> None:
    # Steps that differ and are not square to each other; the dual basis from cross products instead of an inverse.
    steps = np.array([[0.0, 0.1, 0.9], [0.3, 1.1, 0.0], [3.0, 0.0, 0.2]])
    s, r, c = steps.T
    dual = np.array([np.cross(r, c), np.cross(c, s), np.cross(s, r)]) / np.dot(s, np.cross(r, c))
    reach = range(-8, 9)
    total = sum(
        float(np.sum((np.array([i, j, k]) @ dual) ** 2)) ** -2
        for i in reach
        for j in reach
        for k in reach
        if (i, j, k) != (0, 0, 0)
    )
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, (50.0, -70.0, 90.0)
    budget = volume_error(volume_mm3=4000.0, area_mm2=1200.0, grid=Grid((9, 9, 9), affine), reader=None)
    assert (budget.grid * 4000.0) ** 2 == pytest.approx(1200.0 / (8 * math.pi**3) * total, rel=1e-9)


def test_the_grid_part_is_the_same_however_the_image_lies() -> None:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec([0.3, -0.8, 0.5]).as_matrix()
    here = grid_of(THICK)
    there = Grid(here.shape, turn @ here.affine)
    budgets = [
        volume_error(volume_mm3=4000, area_mm2=1200, grid=g, reader=ReaderPart(floor=0.1)) for g in (here, there)
    ]
    assert budgets[0].grid == pytest.approx(budgets[1].grid, rel=1e-12)
    assert budgets[0].outline == pytest.approx(budgets[1].outline, rel=1e-12)


def test_the_outline_part_is_half_a_pixel_of_surface_at_95_percent() -> None:
    assert Z95 * ball_error(20.0, THICK).outline == pytest.approx(0.5 * 0.7 * 6 / 20, rel=1e-12)  # δ·S/V, S/V = 6/d


def test_the_reader_s_part_alone_gives_the_interval_of_its_coefficient() -> None:
    low, high = ErrorBudget(grid=0.0, outline=0.0, reader=ReaderPart(floor=0.10)).interval95(100.0)
    assert high == pytest.approx(100 * math.exp(1.96 * math.sqrt(math.log(1.01))), rel=1e-12)
    assert low * high == pytest.approx(100.0**2, rel=1e-12)


def test_reader_floors_are_those_of_the_kind_of_image() -> None:
    floors = ReaderVariability()
    assert floors.floor(Modality.CT, cemented=False) == floors.floor(Modality.CT, cemented=True) == 0.10
    assert floors.floor(Modality.MR, cemented=False) == 0.15
    assert floors.floor(Modality.MR, cemented=True) == 0.20


FIRST = ErrorBudget(grid=0.03, outline=0.06, reader=ReaderPart(floor=0.3), gaps=0.12, bias=0.15)
SECOND = ErrorBudget(grid=0.04, outline=0.01, reader=ReaderPart(floor=0.4), gaps=0.05, bias=0.20)


def parts(budget: ErrorBudget) -> tuple[float, ...]:
    assert budget.reader is not None
    return budget.grid, budget.outline, budget.reader.floor, budget.gaps, budget.bias


def test_every_part_of_a_root_is_its_share() -> None:
    assert parts(FIRST.divided(3.0)) == pytest.approx((0.01, 0.02, 0.1, 0.04, 0.05), rel=1e-12)
    assert ErrorBudget(grid=0.03, outline=0.06).divided(3.0).reader is None


def test_of_a_product_the_outline_adds_up_and_the_rest_adds_as_variances() -> None:
    assert parts(FIRST.times(SECOND)) == pytest.approx((0.05, 0.07, 0.5, 0.13, 0.32), rel=1e-12)  # 1 − 0.85 · 0.80
    assert FIRST.times(ErrorBudget(grid=0.0, outline=0.0)).reader is None
    assert ErrorBudget(grid=0.0, outline=0.0).times(FIRST).reader is None


def test_a_bias_moves_the_interval_and_the_interval_still_holds_the_value() -> None:
    wide, narrow = ErrorBudget(grid=0.1, outline=0.0, bias=0.05), ErrorBudget(grid=0.01, outline=0.0, bias=0.05)
    spread = math.exp(Z95 * math.sqrt(math.log(1.01)))
    assert wide.technical95(100.0) == pytest.approx((95.0 / spread, 95.0 * spread), rel=1e-12)
    assert narrow.technical95(100.0)[1] == 100.0
    assert narrow.technical95(100.0)[0] < 95.0
    assert ErrorBudget(grid=0.01, outline=0.0, bias=-0.05).technical95(100.0)[0] == 100.0


def test_gaps_are_named_only_where_there_are_some() -> None:
    bridged = ErrorBudget(grid=0.1, outline=0.2).with_gaps(0.3)
    assert bridged.of(1.0).technical == (
        ("voxel grid", 0.1),
        ("outline", 0.2),
        ("gaps between slices", pytest.approx(0.3 / math.sqrt(3.0), rel=1e-12)),
    )
    assert [name for name, _ in ErrorBudget(grid=0.1, outline=0.2).of(1.0).technical] == ["voxel grid", "outline"]
    expected = math.sqrt(math.log(1 + 0.1**2) + math.log(1 + 0.2**2) + math.log(1 + 0.3**2 / 3))
    assert bridged.technical_log_sd == pytest.approx(expected, rel=1e-12)


def line(length: float) -> Diameter:
    return Diameter(length, ((0.0, 0.0, 0.0), (length, 0.0, 0.0)))


def test_a_ct_diameter_varies_by_a_third_of_the_volume_and_an_mr_diameter_by_no_less_than_readers_do() -> None:
    arguments = {"grid": grid_of(MIDDLE), "slice_count": 8, "blur_mm": 0.0}
    longest = Line.LONGEST_ON_SLICES
    part = ReaderPart(floor=0.12, engines=0.24, readers=0.36)
    ct = diameter_error(line(20.0), longest, **arguments, reader=part, modality=Modality.CT).reader
    mr = diameter_error(line(20.0), longest, **arguments, reader=ReaderPart(floor=0.15), modality=Modality.MR).reader
    large = diameter_error(line(60.0), longest, **arguments, reader=ReaderPart(floor=0.15), modality=Modality.MR).reader
    assert ct is not None and mr is not None and large is not None
    assert (ct.floor, ct.engines, ct.readers) == pytest.approx((0.04, 0.08, 0.12), rel=1e-12)
    assert Z95 * math.sqrt(2) * mr.cv * 20.0 == pytest.approx(5.0, rel=1e-12)
    assert large.cv == pytest.approx(0.05, rel=1e-12)


def error_of(length: Diameter, which: Line, slice_count: int = 8, blur_mm: float = 0.0) -> ErrorBudget:
    return diameter_error(
        length, which, grid=grid_of(THICK), slice_count=slice_count, blur_mm=blur_mm, reader=None, modality=None
    )


def test_a_longest_diameter_is_half_a_step_too_long_and_one_at_a_given_place_is_not() -> None:
    up, aslant = Diameter(30.0, ((0.0, 0.0, 0.0), (0.0, 0.0, 30.0))), Diameter(50.0, ((0, 0, 0), (30.0, 0.0, 40.0)))
    assert error_of(up, Line.LONGEST).bias * 30.0 == pytest.approx(5.0 / 2, rel=1e-12)
    assert error_of(up, Line.LONGEST).grid * 30.0 == pytest.approx(5.0 / math.sqrt(6), rel=1e-12)
    assert error_of(aslant, Line.LONGEST).bias * 50.0 == pytest.approx(0.8 * 5.0 / 2, rel=1e-12)
    missed = 30.0 * 5.0**2 / (24 * 20.0**2)  # eight slices of 5 mm: half a height of 20 mm
    assert error_of(line(30.0), Line.LONGEST_ON_SLICES).bias * 30.0 == pytest.approx(0.7 / 2 - missed, rel=1e-12)
    assert error_of(line(30.0), Line.PERPENDICULAR).bias * 30.0 == pytest.approx(-missed, rel=1e-12)


def test_a_diameter_knows_the_steps_along_it_wherever_the_image_lies() -> None:
    affine = Grid.from_spacing((50, 50, 50), (5.0, 0.6, 0.9)).affine.copy()
    affine[:3, 3] = (1000.0, -2000.0, 3000.0)
    grid = Grid((50, 50, 50), affine)

    def error(which: Line, *end: float) -> ErrorBudget:
        length = Diameter(30.0, ((0.0, 0.0, 0.0), (end[0], end[1], end[2])))
        return diameter_error(length, which, grid=grid, slice_count=1000, blur_mm=0.0, reader=None, modality=None)

    for which, end, step in (
        (Line.LONGEST_ON_SLICES, (30.0, 0.0, 0.0), 0.9),
        (Line.LONGEST_ON_SLICES, (0.0, -30.0, 0.0), 0.6),
        (Line.LONGEST_ON_SLICES, (18.0, 24.0, 0.0), 0.54),  # 0.6 · 0.9 along columns, 0.8 · 0.6 along rows
        (Line.PERPENDICULAR, (0.0, 30.0, 0.0), 0.6),
        (Line.LONGEST, (0.0, 0.0, 30.0), 5.0),
        (Line.LONGEST, (30.0, 0.0, 0.0), 0.9),
        (Line.LONGEST, (0.0, 30.0, 0.0), 0.6),
    ):
        found = error(which, *end)
        assert found.grid * 30.0 == pytest.approx(step / math.sqrt(6.0), rel=1e-4), (which, end)
        assert found.outline * 30.0 * Z95 == pytest.approx(math.sqrt(0.6 * 0.9), rel=1e-12)  # half a pixel at each end


def test_on_slices_of_a_tilted_gantry_only_the_steps_within_the_slice_count() -> None:
    affine = Grid.from_spacing((50, 50, 50), (5.0, 0.6, 0.9)).affine.copy()
    affine[1, 0] = 2.0  # every slice lies 2 mm farther back
    upright = Diameter(30.0, ((0.0, 0.0, 0.0), (0.0, 30.0, 0.0)))
    for which, step in ((Line.LONGEST_ON_SLICES, 0.6), (Line.PERPENDICULAR, 0.6), (Line.LONGEST, 2.0)):
        grid = Grid((50, 50, 50), affine)
        found = diameter_error(upright, which, grid=grid, slice_count=1000, blur_mm=0.0, reader=None, modality=None)
        assert found.grid * 30.0 == pytest.approx(step / math.sqrt(6.0), rel=1e-4), which


def test_the_spread_of_what_is_missed_is_that_of_the_square_of_an_even_height() -> None:
    # z even in ± c/2, missed L z²/2H²: second moment L²c⁴/320H⁴, mean m = Lc²/24H²; with H = n c/2 and n slices.
    error = error_of(line(30.0), Line.PERPENDICULAR, 2)
    assert (error.grid * 30.0) ** 2 - 0.7**2 / 6 == pytest.approx(30.0**2 * (1 / 320 - 1 / 576), rel=1e-9)


def test_a_loss_by_blur_is_even_from_nothing_to_its_most() -> None:
    for which in Line:
        sharp, blurred = (error_of(line(30.0), which, blur_mm=blur_mm) for blur_mm in (0.0, 1.2))
        assert (sharp.bias - blurred.bias) * 30.0 == pytest.approx(0.6, rel=1e-9)
        assert (blurred.grid**2 - sharp.grid**2) * 30.0**2 == pytest.approx(1.2**2 / 12, rel=1e-9)


def test_what_a_diameter_misses_between_slices_is_that_of_an_ellipsoid() -> None:
    # Sections at heights spread evenly over ± c/2 of an ellipsoid of half height H: the formula is the second order.
    half_height, length, slices = 20.0, 30.0, 8
    heights = (np.arange(10_000) + 0.5) / 10_000 * 5.0 - 2.5
    short = length * (1.0 - np.sqrt(1.0 - (heights / half_height) ** 2))
    error = error_of(Diameter(length, ((0.0, 0.0, 0.0), (length, 0.0, 0.0))), Line.PERPENDICULAR, slices)
    assert -error.bias * length == pytest.approx(short.mean(), rel=0.01)
    spread = math.sqrt((error.grid * length) ** 2 - 0.7**2 / 6)
    assert spread == pytest.approx(short.std(), rel=0.02)


def test_the_in_plane_diameters_of_balls_lie_in_their_technical_interval() -> None:
    random = np.random.default_rng(7)
    trials, covered = 120, 0
    for _ in range(trials):
        radius = random.uniform(6.0, 15.0)
        segment = ellipsoid(np.full(3, radius), np.eye(3), MIDDLE, random.uniform(-0.5, 0.5, 3))
        found = in_plane_axes(Extent.of(segment)).long
        slices = int(segment.mask.any(axis=(1, 2)).sum())
        budget = diameter_error(
            found,
            Line.LONGEST_ON_SLICES,
            grid=segment.grid,
            slice_count=slices,
            blur_mm=0.0,
            reader=None,
            modality=None,
        )
        low, high = budget.interval95(found.length_mm)
        covered += low <= 2 * radius <= high
    assert covered / trials >= 0.92  # wider than the grid's error alone by the outline's half pixel
