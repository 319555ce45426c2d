"""A volume by shares of voxels: exact without noise, closer than counting on thick slices, silent where it must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement import partial_volume as module
from imaging.measurement.extent import Extent
from imaging.measurement.partial_volume import PartialVolume, partial_volume
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

FINE = 5  # samples along each axis of a voxel that the phantom is drawn with


def image_of(samples: np.ndarray, grid: Grid, **more: object) -> Volume:
    return Volume(samples=samples.astype(np.float32), grid=grid, modality=Modality.CT, **more)  # type: ignore[arg-type]


def ball(
    diameter: float,
    spacing: tuple[float, float, float],
    random: np.random.Generator,
    *,
    noise: float = 0.0,
    contrast: float = 150.0,
    blur_mm: float = 0.6,
) -> tuple[Segment, Volume, float]:
    """A blurred ball anywhere between the voxels, outlined at half its contrast; and its true volume in mm³."""
    margin = (3, 9, 9)
    shape = tuple(math.ceil(diameter / step) + 2 * m for step, m in zip(spacing, margin, strict=True))
    middle = [(n - 1) / 2 + random.uniform(-0.5, 0.5) for n in shape]
    z, y, x = (
        (((np.arange(n * FINE) + 0.5) / FINE - 0.5 - c) * step) ** 2
        for n, c, step in zip(shape, middle, spacing, strict=True)
    )
    inside = z[:, None, None] + y[None, :, None] + x[None, None, :] <= diameter**2 / 4
    blocks = inside.reshape(shape[0], FINE, shape[1], FINE, shape[2], FINE)
    shown = ndimage.gaussian_filter(blocks.mean(axis=(1, 3, 5)), [blur_mm / step for step in spacing])
    grid = Grid.from_spacing(shape, spacing)
    samples = 50.0 + contrast * shown + random.normal(0.0, noise, shape)
    return Segment(mask=shown >= 0.5, grid=grid), image_of(samples, grid), math.pi * diameter**3 / 6


def block(**levels: float) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Samples and mask of a block of 8 × 12 × 12 voxels in a larger image, and their grid."""
    grid = Grid.from_spacing((14, 30, 30), (1.0, 1.0, 1.0))
    samples, mask = np.full(grid.shape, levels.get("outside", 0.0)), np.zeros(grid.shape, bool)
    mask[3:11, 9:21, 9:21] = True
    samples[mask] = levels.get("inside", 100.0)
    return samples, mask, grid


def shares(samples: np.ndarray, mask: np.ndarray, grid: Grid, **more: object) -> PartialVolume:
    return partial_volume(Extent.of(Segment(mask=mask, grid=grid)), image_of(samples, grid, **more), where="#7")


@pytest.mark.parametrize("slices, diameter", [(5.0, 10.0), (5.0, 15.0), (3.0, 8.0), (2.5, 9.0)])
def test_on_slices_thicker_than_a_quarter_of_a_ball_shares_are_closer_than_counting(slices: float, diameter: float):
    random = np.random.default_rng(5)
    errors = []
    for _ in range(12):
        segment, image, truth = ball(diameter, (slices, 0.7, 0.7), random, noise=15.0)
        extent = Extent.of(segment)
        found = partial_volume(extent, image).volume_mm3
        assert found is not None
        errors.append((found / truth - 1, extent.volume_mm3 / truth - 1))
    by_shares, by_voxels = np.sqrt(np.mean(np.square(errors), axis=0))
    assert by_shares < 0.6 * by_voxels
    assert abs(np.mean(errors, axis=0)[0]) < 0.03


@pytest.mark.parametrize("share", [1.3, 1.5, 1.7, 1.9])
def test_a_ball_that_fills_none_of_its_thick_slices_has_no_figure_that_is_far_too_large(share: float) -> None:
    random = np.random.default_rng(13)
    errors = []
    for _ in range(12):
        segment, image, truth = ball(6.5 * share, (6.5, 0.5, 0.5), random)
        found = partial_volume(Extent.of(segment), image).volume_mm3
        if found is not None:
            errors.append(found / truth - 1)
    # 1 ÷ 0.9 is 11 % and the blur 3 %; by the brightness of slices that it half fills it would be 35 %.
    assert max(errors, default=0.0) < 0.14


@pytest.mark.parametrize(
    ("count", "pixels", "told"), [(1, 197, True), (1, 196, False), (2, 275, True), (2, 274, False)]
)
def test_how_wide_a_lesion_of_one_or_two_slices_must_be(count: int, pixels: int, told: bool) -> None:
    # Discs of 1.6 and of 2.24 squared slice distances of squared width, π/4 times 250 and 350 mm².
    grid = Grid.from_spacing((6, 50, 50), (12.5, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[2, 15:35, 15:35].flat[:pixels] = True
    mask[2 : 2 + count] = mask[2]
    samples[mask] = 100.0
    assert (shares(samples, mask, grid).finding is None) is told


@pytest.mark.parametrize("contrast", [150.0, -150.0])
def test_without_noise_a_blurred_ball_has_its_volume_whether_bright_or_dark(contrast: float) -> None:
    random = np.random.default_rng(6)
    for slices in (1.0, 2.5):
        segment, image, truth = ball(14.0, (slices, 0.7, 0.7), random, contrast=contrast)
        mask = segment.mask if contrast > 0 else ndimage.binary_opening(segment.mask)
        found = partial_volume(Extent.of(Segment(mask=mask, grid=segment.grid)), image).volume_mm3
        assert found == pytest.approx(truth, rel=0.005)


def test_noise_alone_adds_nothing_on_average() -> None:
    random = np.random.default_rng(7)
    samples, mask, grid = block()
    found = [shares(samples + random.normal(0, 15, grid.shape), mask, grid).volume_mm3 for _ in range(30)]
    # The border has 2,000 voxels of 0.15 each, so one figure is good to 7 voxels beside the levels' own error.
    assert np.mean(found) == pytest.approx(8 * 12 * 12, abs=0.01 * 8 * 12 * 12)


def test_each_share_counts_with_the_brightness_of_its_voxel() -> None:
    samples, mask, grid = block(inside=100.0, outside=20.0)
    samples[5, 15, 9] = 60.0  # half, within the mask
    samples[5, 15, 22] = 40.0  # a quarter, two pixels outside
    samples[5, 15, 23] = 60.0  # three pixels outside: no part of it
    samples[1, 15, 15] = 36.0  # a fifth, two slices outside
    assert shares(samples, mask, grid).volume_mm3 == pytest.approx(8 * 12 * 12 - 0.5 + 0.25 + 0.2)


def test_a_voxel_in_the_core_counts_whatever_it_shows() -> None:
    samples, mask, grid = block()
    samples[7, 15, 15] = -500.0
    assert shares(samples, mask, grid).volume_mm3 == 8 * 12 * 12


def test_a_sheared_grid_has_its_own_voxel_volume() -> None:
    samples, mask, grid = block()
    affine = np.array([[0.1, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [0.8, 0.0, 0.1, -700.0], [0, 0, 0, 1]])
    sheared = Grid(grid.shape, affine)
    assert shares(samples, mask, sheared).volume_mm3 == pytest.approx(8 * 12 * 12 * sheared.voxel_volume_mm3)


def test_the_reach_across_slices_is_as_far_as_in_plane_and_a_slice_at_least() -> None:
    table = ((0.5, 1.0, 4), (1.0, 1.0, 2), (1.9, 1.0, 1), (6.0, 1.0, 1), (0.5, 0.5, 2), (1.0, 0.5, 1), (1.0, 2.0, 4))
    for slices, pixel, expected in table:
        grid = Grid.from_spacing((1, 1, 1), (slices, pixel, pixel))
        extent = Extent.of(Segment(mask=np.ones((1, 1, 1), bool), grid=grid))
        assert module._reach(extent) == (expected, 2, 2)


def test_on_two_slices_the_fuller_one_tells_the_lesion_s_brightness() -> None:
    grid = Grid.from_spacing((6, 30, 30), (5.0, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[2:4, 9:21, 9:21] = True
    samples[2, 9:21, 9:21], samples[3, 9:21, 9:21] = 100.0, 70.0
    assert shares(samples, mask, grid).volume_mm3 == pytest.approx(1.7 * 144 * 5)
    assert shares(200.0 - samples, mask, grid).volume_mm3 == pytest.approx(1.7 * 144 * 5)  # dark in bright tissue


@pytest.mark.parametrize(
    "change, reason",
    [
        ("edge", "leaves the image"),
        ("first slice", "leaves the image"),
        ("padding", "not imaged everywhere"),
        ("gap", "missing or uneven"),
        ("small", "too few"),
        ("no contrast", "too low"),
        ("noise", "too low"),
        ("two tissues", "differs by"),
    ],
)
def test_where_it_cannot_be_told_there_is_a_reason_and_no_number(change: str, reason: str) -> None:
    samples, mask, grid = block()
    more: dict = {}
    random = np.random.default_rng(8)
    match change:
        case "edge":
            samples, mask = np.roll(samples, 5, axis=2), np.roll(mask, 5, axis=2)  # four columns are left, not five
        case "first slice":
            samples, mask = np.roll(samples, -2, axis=0), np.roll(mask, -2, axis=0)
        case "padding":
            more["valid"] = np.ones(grid.shape, bool)
            more["valid"][7, 4, 15] = False  # five rows above the mask
        case "gap":
            planes = tuple(k for k in range(14) if k != 12)
            shown = tuple(None if k == 12 else planes.index(k) for k in range(14))
            more["acquired_slices"] = AcquiredSlices(
                code="MISSING_SLICES",
                planes=planes,
                heights_mm=tuple(float(k) for k in planes),
                ordinary_mm=1.0,
                shown=shown,
                gaps=(11,),
            )
        case "small":
            mask[:] = False
            mask[6:9, 14:18, 14:18] = True
        case "no contrast":
            samples[:] = 50.0
        case "noise":
            samples += random.normal(0, 40, grid.shape)
        case "two tissues":
            samples[:, :9] = 60.0
    found = shares(samples, mask, grid, **more)
    assert found.volume_mm3 is None
    assert found.finding is not None
    assert (found.finding.code, found.finding.where) == ("PARTIAL_VOLUME_NOT_ASSESSABLE", "#7")
    assert reason in found.finding.message


@pytest.mark.parametrize("change", ["edge", "first slice", "padding"])
def test_one_voxel_farther_from_what_hides_it_the_figure_is_there(change: str) -> None:
    samples, mask, grid = block()
    more: dict = {}
    match change:
        case "edge":
            samples, mask = np.roll(samples, 4, axis=2), np.roll(mask, 4, axis=2)
        case "first slice":
            samples, mask = np.roll(samples, -1, axis=0), np.roll(mask, -1, axis=0)
        case "padding":
            more["valid"] = np.ones(grid.shape, bool)
            more["valid"][7, 3, 15] = False
    assert shares(samples, mask, grid, **more).volume_mm3 == 8 * 12 * 12


@pytest.mark.parametrize("noise, told", [(0.2, True), (0.3, False)])
def test_the_limit_of_noise_is_a_quarter_of_the_contrast(noise: float, told: bool) -> None:
    samples, mask, grid = block()
    samples += 100.0 * np.random.default_rng(9).normal(0, noise, grid.shape)
    assert (shares(samples, mask, grid).volume_mm3 is not None) is told


@pytest.mark.parametrize("level, told", [(31.0, True), (35.0, False)])
def test_the_limit_of_structure_is_a_third_of_the_contrast_on_one_side(level: float, told: bool) -> None:
    samples, mask, grid = block()
    samples[:, :, :9] = level  # a range of r counts as a standard deviation of r ÷ (2 · 1.645)
    assert (shares(samples, mask, grid).volume_mm3 is not None) is told


def test_a_share_is_clipped_three_standard_deviations_of_noise_beyond_all_and_nothing() -> None:
    samples, mask, grid = block(inside=160.0, outside=60.0)
    samples += np.random.default_rng(10).normal(0, 5, grid.shape)
    before = shares(samples, mask, grid).volume_mm3
    for value, moved in ((10_000.0, 1.0), (-10_000.0, 0.0)):
        other = samples.copy()
        other[5, 15, 22] = value  # two pixels outside the mask
        change = shares(other, mask, grid).volume_mm3 - before
        beyond = change - moved + (samples[5, 15, 22] - 60.0) / 100.0
        # Three times the noise of 0.05, on the side of the value; noise and levels are known to a tenth.
        assert beyond == pytest.approx(math.copysign(0.15, value), abs=0.03)


@pytest.mark.parametrize("side, told", [(6, True), (5, False)])
def test_eight_voxels_away_from_the_border_are_enough(side: int, told: bool) -> None:
    grid = Grid.from_spacing((14, 30, 30), (1.0, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[4 : 4 + side, 12 : 12 + side, 12 : 12 + side] = True  # its core is (side − 4)³, on a slice (side − 4)²
    samples[mask] = 100.0
    assert (shares(samples, mask, grid).volume_mm3 is not None) is told


def test_exactly_eight_voxels_of_core_tell_the_brightness_not_the_slices() -> None:
    grid = Grid.from_spacing((16, 30, 30), (1.0, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[4:10, 10:16, 10:16] = True
    samples[mask] = 100.0
    mask[4, 8:18, 8:18], samples[4, 8:18, 8:18] = True, 120.0  # a brighter, wider plate at the end
    found = shares(samples, mask, grid)
    assert found.volume_mm3 == pytest.approx(100 + 5 * 36, rel=0.01)  # by the plate's brightness it would be 250


def test_one_thick_slice_on_either_side_is_neighbourhood_enough() -> None:
    grid = Grid.from_spacing((6, 30, 30), (5.0, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[1:5, 9:21, 9:21] = True
    samples[mask] = 100.0
    assert shares(samples, mask, grid).volume_mm3 == 4 * 144 * 5.0


def test_the_noise_is_that_of_the_ring_whatever_lies_beside_it() -> None:
    random = np.random.default_rng(11)
    ring = np.zeros((4, 40, 60), bool)
    ring[:, :, 10:14] = ring[:, :, 40:44] = True
    samples = np.where(ring, random.normal(0.0, 7.0, ring.shape), random.normal(0.0, 500.0, ring.shape))
    assert module._noise(samples, ring) == pytest.approx(7.0, rel=0.15)


@pytest.mark.parametrize("share, told", [(0.03, True), (0.07, False)])
def test_tissue_that_fills_a_twentieth_of_the_ring_counts(share: float, told: bool) -> None:
    samples, mask, grid = block()
    ring = module._zones(mask, (2, 2, 2)).ring
    rows = np.argwhere(ring)
    chosen = rows[np.random.default_rng(12).permutation(len(rows))[: round(2 * share * len(rows))]]
    samples[tuple(chosen[::2].T)], samples[tuple(chosen[1::2].T)] = 60.0, -60.0  # as many darker as brighter
    assert (shares(samples, mask, grid).volume_mm3 is not None) is told


def test_the_background_is_seen_on_the_slices_of_the_border_and_on_no_others() -> None:
    _, mask, _ = block()
    ring = module._zones(mask, (2, 2, 2)).ring
    assert sorted({int(k) for k in np.argwhere(ring)[:, 0]}) == list(range(1, 13))
    assert np.count_nonzero(ring[7]) == 22**2 - 16**2  # three pixels wide, beyond two of the border


def test_at_the_very_limit_of_noise_or_structure_nothing_is_told() -> None:
    one_sd = np.array([-1.645] * 10 + [0.0] * 80 + [1.645] * 10)
    assert module._unclear(one_sd, 10.0, 0.0) and not module._unclear(one_sd, 10.1, 0.0)
    still = np.zeros(100)
    assert module._unclear(still, 10.0, 2.5) and not module._unclear(still, 10.1, 2.5)


@pytest.mark.parametrize("width, told", [(8, True), (7, False)])
def test_eight_pixels_of_one_slice_are_enough_where_there_is_no_core(width: int, told: bool) -> None:
    grid = Grid.from_spacing((6, 30, 30), (5.0, 1.0, 1.0))
    samples, mask = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    mask[2:4, 10:16, 10 : 10 + width] = True  # away from the border lie 2 × (width − 4) pixels
    samples[mask] = 100.0
    assert (shares(samples, mask, grid).volume_mm3 is not None) is told
