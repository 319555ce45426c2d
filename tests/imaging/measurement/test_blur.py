"""What blur takes off a diameter: closed forms, and a body that is really blurred."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from imaging.arrays import FloatArray
from imaging.geometry import Grid
from imaging.measurement.blur import lost_to_blur_mm
from imaging.measurement.diameter import Diameter


def spread(semi_axes_mm: tuple[float, float, float]) -> FloatArray:
    return np.diag(np.square(semi_axes_mm)) / 5.0


def along(axis: int, length_mm: float) -> Diameter:
    half = length_mm / 2.0 * np.eye(3)[axis]
    return Diameter(length_mm, (tuple(-half), tuple(half)))


@pytest.mark.parametrize("slice_mm", [2.0, 4.0, 6.0])
def test_a_box_across_slices_takes_off_its_variance_times_the_curvature(slice_mm: float) -> None:
    grid = Grid.from_spacing((4, 4, 4), (slice_mm, 1e-3, 1e-3))
    # Ends of a spheroid's long axis a curve across slices with a/c²; both lose half of c²/12 times that.
    lost = lost_to_blur_mm(along(0, 40.0), spread((20.0, 20.0, 12.0)), grid)
    assert lost == pytest.approx(slice_mm**2 / 12.0 * 20.0 / 12.0**2, rel=1e-4)


def test_the_place_and_the_pose_of_body_and_image_together_do_not_matter() -> None:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    affine = np.eye(4)
    affine[:3, :3] = np.diag([0.7, 0.9, 5.0])[:, ::-1]
    affine[:3, :3] *= np.sign(np.linalg.det(affine[:3, :3]))
    turned = affine.copy()
    turned[:3, :3] = turn @ affine[:3, :3]
    turned[:3, 3] = (100.0, -50.0, 900.0)
    line, form = np.array([9.0, 4.0, 2.0]), spread((12.0, 7.0, 5.0))

    def lost(rotation: FloatArray, grid: Grid) -> float:
        end = rotation @ line
        ends = Diameter(2 * float(np.linalg.norm(line)), (tuple(-end), tuple(end)))
        return lost_to_blur_mm(ends, rotation @ form @ rotation.T, grid)

    upright, tilted = lost(np.eye(3), Grid((4, 4, 4), affine)), lost(turn, Grid((4, 4, 4), turned))
    assert tilted == pytest.approx(upright, rel=1e-9)


def test_a_plate_really_loses_at_its_rim_what_is_told() -> None:
    # A disc of radius 15 and half thickness 6 mm is blurred in the plane of its axis as 1.5 mm pixels would do it.
    step, semi = 0.25, np.array([15.0, 15.0, 6.0])
    sigma = 1.5 * 1.5 / (2 * math.sqrt(2 * math.log(2)))
    axes = [np.arange(-s - 4, s + 4, step) for s in semi]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    depth = (1.0 - np.sqrt((x / semi[0]) ** 2 + (y / semi[1]) ** 2 + (z / semi[2]) ** 2)) * semi.min()
    body = (1 + erf(depth / step)) / 2  # an edge that is soft by less than one step
    blurred = gaussian_filter(body, sigma / step)
    row = blurred[:, len(axes[1]) // 2, len(axes[2]) // 2]
    right = len(row) // 2 + int(np.argmax(row[len(row) // 2 :] < 0.5))
    edge = axes[0][right - 1] + step * (row[right - 1] - 0.5) / (row[right - 1] - row[right])
    pixel = Grid.from_spacing((4, 4, 4), (math.sqrt(12.0) * sigma, 1.5, 1.5))  # as much blur across slices
    told = lost_to_blur_mm(along(0, 30.0), spread((15.0, 15.0, 6.0)), pixel)
    assert 2 * (15.0 - edge) == pytest.approx(told, rel=0.1)


def test_a_mask_on_one_slice_counts_as_one_slice_thick() -> None:
    flat = spread((10.0, 10.0, 0.0))[::-1, ::-1]  # slices along x
    grid = Grid(
        (4, 4, 4), np.array([[8.0, 0, 0, 0], [0, 1e-3, 0, 0], [0, 0, 1e-3, 0], [0, 0, 0, 1.0]]).astype(np.float64)
    )
    assert lost_to_blur_mm(along(1, 20.0), flat, grid) == pytest.approx(8.0**2 / 12.0 * 10.0 / 4.0**2, rel=1e-4)


def test_it_never_takes_more_than_half() -> None:
    needle = spread((30.0, 1.0, 1.0))
    assert lost_to_blur_mm(along(0, 60.0), needle, Grid.from_spacing((4, 4, 4), (4.0, 4.0, 4.0))) == 30.0
