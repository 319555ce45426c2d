"""Pieces that a CT's scale has clipped: plates and balls of known volume, blurred, averaged over voxels, clipped."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import special

from imaging.segmentation.cement import MaterialFind, find_material
from imaging.segmentation.clipped import BLURS_MM, FWHM_PER_SIGMA, ClippedEdge, clipped_volumes, read_edge, readable_hu
from imaging.synthetic.bone_block import BoneBlock, fragmented_deposit, ml

CLIP_HU, FOOT_HU = 3071.0, 45.0
PLATE_MM = 8.05  # its faces fall at changing places within the voxels


def plate(hu: float, blur_mm: float, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """A tilted plate across a cube of 24 mm, averaged over four points along each side of a voxel, then clipped."""
    axes = [(np.arange(4 * round(24 / step)) + 0.5) * step / 4 - 12 for step in spacing_mm]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    depth = PLATE_MM / 2 - np.abs(0.36 * z + 0.48 * y + 0.8 * x)
    share = special.ndtr(depth / (blur_mm / FWHM_PER_SIGMA))
    n, m, k = (len(axis) // 4 for axis in axes)
    mean = share.reshape(n, 4, m, 4, k, 4).mean(axis=(1, 3, 5))
    return np.minimum(FOOT_HU + (hu - FOOT_HU) * mean, CLIP_HU).astype(np.float32)


def edge_of(samples: np.ndarray, spacing_mm: tuple[float, float, float]) -> ClippedEdge:
    whole = np.ones(samples.shape, bool)
    return read_edge(samples, np.full(samples.shape, FOOT_HU), whole, spacing_mm=spacing_mm, clip_hu=CLIP_HU)


@cache
def plate_ml() -> float:
    """By counting points in 0.1 mm steps: 0.1 mm of a face of 24 mm × 30 mm is 0.07 mL, evenly spread over places."""
    at = (np.arange(240) + 0.5) / 10 - 12
    z, y, x = np.meshgrid(at, at, at, indexing="ij", sparse=True)
    return float(np.count_nonzero(np.abs(0.36 * z + 0.48 * y + 0.8 * x) < PLATE_MM / 2)) / 1e6


@pytest.mark.parametrize("spacing_mm", [(0.75, 0.8, 0.8), (3.0, 0.8, 0.8)])
@pytest.mark.parametrize("hu", [3500.0, 5500.0, 8000.0])
@pytest.mark.parametrize("blur_mm", [0.8, 1.5])
def test_the_true_blur_and_plateau_of_a_plate_are_likely_and_mean_its_volume(spacing_mm, hu, blur_mm):
    edge = edge_of(plate(hu, blur_mm, spacing_mm), spacing_mm)
    true = np.argmin(abs(BLURS_MM - blur_mm)), np.argmin(abs(edge.plateaus_hu - hu))
    assert edge.log_likelihood.max() - edge.log_likelihood[true] < 1.92
    assert edge.volume_ml[true] == pytest.approx(plate_ml(), rel=0.03)  # the grid's step in plateau: 3 %
    (found,) = clipped_volumes([edge])
    assert found.low_ml <= plate_ml() <= found.high_ml
    assert found.high_ml - found.low_ml < 0.3 * plate_ml()


def test_what_a_long_edge_says_of_the_blur_narrows_a_short_one():
    spacing = (0.75, 0.8, 0.8)
    long = edge_of(plate(3300.0, 1.4, spacing), spacing)
    short = edge_of(plate(3300.0, 1.4, spacing)[:3, :12], spacing)
    (alone,) = clipped_volumes([short])
    _, beside = clipped_volumes([long, short])
    assert beside.high_ml - beside.low_ml < 0.8 * (alone.high_ml - alone.low_ml)


def test_without_a_readable_voxel_there_is_still_a_volume_and_a_range():
    spacing = (0.75, 0.8, 0.8)
    samples = np.full((9, 9, 9), FOOT_HU, np.float32)
    samples[3:6, 3:6, 3:6] = CLIP_HU
    near = samples == CLIP_HU  # as a neighbour on every side leaves it
    edge = read_edge(samples, np.full(samples.shape, FOOT_HU), near, spacing_mm=spacing, clip_hu=CLIP_HU)
    (found,) = clipped_volumes([edge])
    assert np.isfinite(edge.log_likelihood).all()
    assert 0 <= found.low_ml < found.volume_ml < found.high_ml


def test_an_edge_sharper_than_any_blur_leaves_the_surface_its_slack():
    z, y, x = np.ogrid[-10:10, -12:12, -12:12]
    ball = z**2 + y**2 + x**2 < 36
    edge = edge_of(np.where(ball, CLIP_HU, FOOT_HU).astype(np.float32), (1.0, 1.0, 1.0))
    (found,) = clipped_volumes([edge])
    surface_mm2, sharpest_mm = 4 * np.pi * 36, BLURS_MM[0] / FWHM_PER_SIGMA
    assert found.high_ml - found.low_ml > 2 * 0.1 * surface_mm2 * sharpest_mm / 1000
    assert found.low_ml < ball.sum() / 1000 < found.high_ml


@pytest.mark.parametrize("clip_hu", [1023.0, 1400.0, 3071.0, 30710.0])
def test_whatever_the_scale_s_top_its_levels_rise_and_stay_below_it(clip_hu):
    levels = readable_hu(clip_hu)
    assert (np.diff(levels) > 0).all()
    assert levels[0] > 0
    assert levels[-1] < clip_hu


def test_the_denser_a_plate_is_the_less_of_it_explains_an_edge():
    edge = edge_of(plate(5500.0, 1.0, (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0))
    assert all(low < high for low, high in pairwise(edge.plateaus_hu))
    assert (np.diff(edge.volume_ml, axis=1) < 0).all()


def bounds(find: MaterialFind) -> tuple[float, float]:
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    return low, high


@pytest.mark.parametrize(("hu", "slice_mm", "blur_mm"), [(3500.0, 0.75, 1.4), (3500.0, 2.0, 1.0), (8600.0, 2.0, 0.8)])
def test_clipped_fragments_are_measured_within_10_percent_and_held_by_a_narrow_interval(hu, slice_mm, blur_mm):
    cement = fragmented_deposit(3.0, np.random.default_rng(11))
    host = BoneBlock.with_lesion().painted(cement, hu)
    volume, _ = host.scanned(slice_mm=slice_mm, blur_mm=blur_mm, clip_hu=CLIP_HU)
    find = find_material(volume)
    low, high = bounds(find)
    assert sum(piece.volume_ml for piece in find.pieces) == pytest.approx(ml(cement), rel=0.10)
    assert low <= ml(cement) <= high
    assert high - low < 0.4 * ml(cement)
