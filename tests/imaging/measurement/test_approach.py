"""Where a needle is safest: closed forms in a cylinder of tissue with a ball of lesion beside a straight canal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.arrays import BoolArray
from imaging.errors import EmptyMask, GeometryError, InputError
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement.approach import plan_approach
from imaging.measurement.needle_path import CLEARANCE_MM, NEEDLE_RADIUS_MM
from imaging.segmentation.body import body_mask
from imaging.volume import Modality, Volume

SHAPE = (41, 101, 101)
GRID = Grid.from_spacing(SHAPE, (2.0, 1.0, 1.0))
CENTRE = np.array([50.0, 50.0, 40.0])  # LPS
BODY_MM = 46.0
SLACK_MM = np.linalg.norm([1, 1, 2]) / 2
POINTS = GRID.points(np.indices(SHAPE).reshape(3, -1).T) - CENTRE
NOTHING = np.zeros(SHAPE, dtype=bool)


def where(inside: np.ndarray) -> BoolArray:
    return np.asarray(inside.reshape(SHAPE))


def ball(centre: tuple[float, float, float], radius_mm: float) -> BoolArray:
    return where(np.linalg.norm(POINTS - centre, axis=1) <= radius_mm)


def canal(x_mm: float, radius_mm: float) -> BoolArray:
    return where(np.hypot(POINTS[:, 0] - x_mm, POINTS[:, 1]) <= radius_mm)


BODY = where(np.hypot(POINTS[:, 0], POINTS[:, 1]) <= BODY_MM)
CT = Volume(samples=np.where(BODY, 40, -1000).astype(np.int16), grid=GRID, modality=Modality.CT)


def test_far_from_everything_the_target_is_the_middle_of_the_lesion() -> None:
    plan = plan_approach(CT, ball((20, 0, 0), 10), neural=canal(-20, 5), breach=NOTHING)
    np.testing.assert_allclose(plan.target_lps_mm, CENTRE + np.array([20, 0, 0]), atol=1e-9)
    assert plan.edge_mm.value == pytest.approx(10, abs=SLACK_MM)
    assert plan.neural_mm.value == pytest.approx(35, abs=SLACK_MM)
    assert plan.breach_mm is None
    assert plan.ball_to_neural_ml.value == pytest.approx(4 / 3 * np.pi * plan.neural_mm.value**3 / 1000)
    low, high = plan.edge_mm.interval95 or (0, 0)
    assert low <= 10 <= high


def test_a_canal_beside_the_lesion_pushes_the_target_away_until_both_are_equally_far() -> None:
    # A ball of radius R round c and a canal whose wall lies g beyond c: equally far from wall and edge at (R − g)/2.
    plan = plan_approach(CT, ball((20, 0, 0), 12), neural=canal(6, 8), breach=NOTHING)  # the wall 6 mm from the middle
    assert plan.target_lps_mm[0] - CENTRE[0] - 20 == pytest.approx((12 - 6) / 2, abs=SLACK_MM)
    assert plan.neural_mm.value == pytest.approx(plan.edge_mm.value, abs=SLACK_MM)


def test_a_breach_counts_as_a_nerve_does() -> None:
    breach = ball((32, 0, 0), 4)
    plan = plan_approach(CT, ball((20, 0, 0), 12), neural=canal(-30, 5), breach=breach)
    assert plan.breach_mm is not None
    assert plan.target_lps_mm[0] < CENTRE[0] + 20
    assert plan.breach_mm.value == pytest.approx(plan.edge_mm.value, abs=SLACK_MM)


def test_every_way_keeps_its_distance_and_the_shortest_comes_first() -> None:
    neural = canal(0, 6)
    plan = plan_approach(CT, ball((22, 0, 0), 8), neural=neural, breach=NOTHING, bone=ball((30, 0, 0), 6))
    assert 1 < len(plan.paths) <= 5
    lengths = [path.length_mm for path in plan.paths]
    assert lengths == sorted(lengths)
    assert lengths[0] == pytest.approx(BODY_MM - 22, abs=2)  # straight out
    target = np.array(plan.target_lps_mm)
    for path in plan.paths:
        assert path.neural_clearance_mm >= CLEARANCE_MM
        assert np.hypot(*(np.array(path.entry_lps_mm) - CENTRE)[:2]) == pytest.approx(BODY_MM, abs=2)
        line = target + np.linspace(0, 1, 400)[:, None] * (np.array(path.entry_lps_mm) - target)
        beside = np.hypot(line[:, 0] - CENTRE[0], line[:, 1] - CENTRE[1]).min() - 6 - NEEDLE_RADIUS_MM
        assert beside >= path.neural_clearance_mm
    assert plan.paths[0].in_bone_mm == pytest.approx(12, abs=2)


def test_no_way_leads_through_a_canal_that_surrounds_the_lesion() -> None:
    radius = np.linalg.norm(POINTS, axis=1)
    shell = where((radius >= 14) & (radius <= 18))
    plan = plan_approach(CT, ball((0, 0, 0), 8), neural=shell, breach=NOTHING)
    assert plan.paths == ()
    assert [finding.code for finding in plan.findings] == ["NO_SAFE_PATH"]


def test_skin_out_of_view_is_no_way() -> None:
    inside = replace(CT, samples=np.full(SHAPE, 40, np.int16))
    plan = plan_approach(inside, ball((20, 0, 0), 8), neural=canal(-20, 5), breach=NOTHING)
    assert plan.paths == ()
    assert "not in view" in plan.findings[0].message


def test_gas_in_the_body_is_no_skin() -> None:
    gas = where(np.hypot(POINTS[:, 0] - 30, POINTS[:, 1]) <= 6)
    ct = replace(CT, samples=np.where(gas, -950, CT.samples).astype(np.int16))
    assert (body_mask(ct) == body_mask(CT)).all()


def test_nothing_is_planned_before_a_reader_has_confirmed_canal_foramina_and_breaches() -> None:
    lesion = ball((20, 0, 0), 10)
    with pytest.raises(InputError) as refused:
        plan_approach(CT, lesion, neural=None, breach=NOTHING)
    assert refused.value.code == "NEURAL_NOT_CONFIRMED"
    with pytest.raises(InputError) as refused:
        plan_approach(CT, lesion, neural=canal(0, 5), breach=None)
    assert refused.value.code == "BREACHES_NOT_CONFIRMED"
    with pytest.raises(EmptyMask):
        plan_approach(CT, lesion, neural=NOTHING, breach=NOTHING)
    with pytest.raises(GeometryError):
        plan_approach(CT, lesion[1:], neural=canal(0, 5), breach=NOTHING)


def test_what_was_not_imaged_is_no_skin() -> None:
    """A field of view that ends within the body on one side; beyond it values of air, and on research files of 0."""
    valid = where(np.hypot(POINTS[:, 0] - 15, POINTS[:, 1]) <= 25)
    for padding in (-1024, 0):
        samples = np.where(valid, CT.samples, padding).astype(np.int16)
        plan = plan_approach(
            replace(CT, samples=samples, valid=valid), ball((20, 0, 0), 8), neural=canal(-5, 4), breach=NOTHING
        )
        assert plan.paths == ()
        assert "not in view" in plan.findings[0].message


def test_skin_that_is_in_view_beside_padding_is_found() -> None:
    valid = where(np.hypot(POINTS[:, 0] - 30, POINTS[:, 1]) <= 25)
    plan = plan_approach(replace(CT, valid=valid), ball((25, 0, 0), 8), neural=canal(8, 2), breach=NOTHING)
    assert plan.paths[0].length_mm == pytest.approx(BODY_MM - 25, abs=2)
    for path in plan.paths:
        assert np.hypot(*(np.array(path.entry_lps_mm) - CENTRE)[:2]) == pytest.approx(BODY_MM, abs=2)


def test_no_way_crosses_missing_slices_and_the_lesion_counts_by_the_imaged_ones() -> None:
    planes = (*range(24), *range(28, 41))
    shown = tuple(planes.index(plane) if plane in planes else None for plane in range(41))
    heights = tuple(2.0 * plane for plane in planes)
    slices = AcquiredSlices(
        code="MISSING_SLICES", planes=planes, heights_mm=heights, ordinary_mm=2.0, shown=shown, gaps=(23,)
    )
    imaged = np.broadcast_to(slices.imaged[:, None, None], SHAPE)
    samples = np.where(imaged, CT.samples, -1000).astype(np.int16)
    ct = replace(CT, samples=samples, valid=imaged, acquired_slices=slices)
    lesion = ball((20, 0, 0), 8)
    assert (body_mask(ct) == body_mask(CT)).all()
    plan = plan_approach(ct, lesion & imaged, neural=canal(-20, 5), breach=NOTHING)
    assert plan.lesion_ml == pytest.approx(slices.volume_mm3(lesion, pixel_mm2=1.0) / 1000)
    assert plan.paths
    for path in plan.paths:
        assert path.entry_lps_mm[2] < 2.0 * 24
        assert np.hypot(*(np.array(path.entry_lps_mm) - CENTRE)[:2]) == pytest.approx(BODY_MM, abs=2)


def test_a_lesion_drawn_beside_the_patient_is_led_to_by_no_way() -> None:
    plan = plan_approach(
        CT, where(np.linalg.norm(POINTS[:, :2] - [35, 35], axis=1) <= 2), neural=canal(0, 5), breach=NOTHING
    )
    assert plan.paths == ()
    assert [finding.code for finding in plan.findings] == ["NO_SAFE_PATH"]
    assert "outside what the image shows of the patient" in plan.findings[0].message


def test_of_two_legs_the_way_leads_into_the_one_with_the_lesion_and_through_its_own_skin() -> None:
    legs = canal(-25, 15) | canal(25, 12)
    ct = replace(CT, samples=np.where(legs, 40, -1000).astype(np.int16))
    plan = plan_approach(ct, ball((25, 0, 0), 6), neural=canal(-25, 4), breach=NOTHING)
    assert len(plan.paths) == 5
    for path in plan.paths:
        x_mm, y_mm, _ = np.array(path.entry_lps_mm) - CENTRE
        assert np.hypot(x_mm - 25, y_mm) == pytest.approx(12, abs=2)


def test_a_lesion_within_the_canal_has_no_safe_point() -> None:
    plan = plan_approach(CT, ball((0, 0, 0), 6), neural=canal(0, 12), breach=NOTHING)
    assert [finding.code for finding in plan.findings] == ["NO_SAFE_TARGET", "NO_SAFE_PATH"]


@pytest.mark.parametrize("tilt_degrees", [-25.0, 0.0, 25.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_distances_are_true_on_leaning_slices(tilt_degrees: float, side: int) -> None:
    lean = np.radians(tilt_degrees)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [2 * np.sin(lean), 1, 0], [2 * np.cos(lean), 0, 0]]
    grid = Grid(SHAPE, affine)
    points = grid.points(np.indices(SHAPE).reshape(3, -1).T)
    points -= points.mean(axis=0)
    body = where(np.hypot(points[:, 0], points[:, 1]) <= 30)
    neural = where(np.linalg.norm(points - [10, 14, 14 * side], axis=1) <= 4)
    lesion = where(np.linalg.norm(points - [10, 0, 0], axis=1) <= 6)
    ct = Volume(samples=np.where(body, 40, -1000).astype(np.int16), grid=grid, modality=Modality.CT)
    plan = plan_approach(ct, lesion, neural=neural, breach=NOTHING)
    target, nerves = np.array(plan.target_lps_mm), grid.points(np.argwhere(neural))
    low, high = plan.neural_mm.interval95
    at = target - grid.points(np.indices(SHAPE).reshape(3, -1).T).mean(axis=0)
    assert low <= np.linalg.norm(at - [10, 14, 14 * side]) - 4 <= high
    outside = grid.points(np.argwhere(~lesion))
    assert plan.edge_mm.value == pytest.approx(np.linalg.norm(outside - target, axis=1).min(), rel=1e-9)
    for path in plan.paths:
        line = target + np.linspace(0, 1, 200)[:, None] * (np.array(path.entry_lps_mm) - target)
        beside = min(float(np.linalg.norm(nerves - place, axis=1).min()) for place in line)
        assert beside - NEEDLE_RADIUS_MM >= path.neural_clearance_mm


@pytest.mark.parametrize("turned_degrees", [0.0, 30.0, 45.0])
def test_how_well_a_distance_is_known_does_not_depend_on_how_the_image_is_turned(turned_degrees: float) -> None:
    cosine, sine = np.cos(np.radians(turned_degrees)), np.sin(np.radians(turned_degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[cosine, -sine], [sine, cosine]]
    ct = replace(CT, grid=Grid(SHAPE, turn @ GRID.affine))
    low, high = plan_approach(ct, ball((20, 0, 0), 8), neural=canal(-20, 5), breach=NOTHING).neural_mm.interval95 or (
        0,
        0,
    )
    assert (high - low) / 2 == pytest.approx(SLACK_MM)


@pytest.mark.parametrize("spacing_mm", [(1.0, 0.7, 0.7), (5.0, 0.8, 0.8)])
def test_how_much_fits_before_a_nerve_is_not_told_too_large(spacing_mm: tuple[float, float, float]) -> None:
    random = np.random.default_rng(1)
    first, second, third = (int(90 / step) for step in spacing_mm)
    grid = Grid.from_spacing((first, second, third), spacing_mm, origin_mm=(-45.0, -45.0, -45.0))
    points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    body = (np.linalg.norm(points, axis=1) < 42).reshape(grid.shape)
    ct = Volume(samples=np.where(body, 40, -1000).astype(np.int16), grid=grid, modality=Modality.CT)
    shares = []
    for _ in range(6):
        centre, way = random.uniform(-2, 2, 3), random.normal(size=3)
        nerve = centre + 26 * way / np.linalg.norm(way)
        lesion, neural = (
            (np.linalg.norm(points - middle, axis=1) <= 10).reshape(grid.shape) for middle in (centre, nerve)
        )
        plan = plan_approach(ct, lesion, neural=neural, breach=np.zeros(grid.shape, dtype=bool))
        true_mm = np.linalg.norm(plan.target_lps_mm - nerve) - 10
        shares.append(plan.ball_to_neural_ml.value / (4 / 3 * np.pi * true_mm**3 / 1000))
        low, high = plan.neural_mm.interval95 or (0.0, 0.0)
        assert low <= true_mm <= high
    assert np.mean(shares) < 1.0 and max(shares) < 1.05
