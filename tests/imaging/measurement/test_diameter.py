"""Diameters: as long as a search over every pair of outline points, at right angles, the same however images lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation
from skimage.measure import find_contours, marching_cubes

from imaging.geometry import Grid
from imaging.measurement.diameter import InPlaneAxes, in_plane_axes, max_diameter_3d
from imaging.measurement.extent import Extent
from imaging.segmentation.segment import Segment

EXAMPLES = settings(max_examples=60)
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)).filter(np.any)
SHEARED = np.array([[0.1, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [2.0, 0.0, 0.1, -700.0], [0, 0, 0, 1]])


def extent_of(mask: np.ndarray, grid: Grid | None = None) -> Extent:
    return Extent.of(Segment(mask=mask, grid=grid or Grid.from_spacing(mask.shape, (2.5, 0.7, 1.3))))


def axes_of(mask: np.ndarray, spacing: tuple[float, float, float]) -> InPlaneAxes:
    return in_plane_axes(extent_of(mask, Grid.from_spacing(mask.shape, spacing)))


def ellipse(spacing: float, semi: tuple[float, float], angle_deg: float, shift: tuple[float, float]) -> np.ndarray:
    """One slice with an ellipse (mm) turned by an angle, its centre ``shift`` pixels off the middle pixel."""
    side = math.ceil(max(semi) / spacing) + 3
    row, column = (np.indices((2 * side + 1, 2 * side + 1)) - side - np.array(shift)[:, None, None]) * spacing
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return (((c * row + s * column) / semi[0]) ** 2 + ((c * column - s * row) / semi[1]) ** 2 <= 1.0)[None]


@EXAMPLES
@given(masks)
def test_the_3d_diameter_is_the_longest_pair_of_mesh_vertices(mask: np.ndarray) -> None:
    vertices, _, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
    brute = pdist(vertices.astype(np.float64) @ SHEARED[:3, :3].T).max()
    found = max_diameter_3d(extent_of(mask, Grid(mask.shape, SHEARED)))
    assert found.length_mm == pytest.approx(brute, abs=1e-6)
    assert math.dist(*found.ends_lps_mm) == pytest.approx(brute, abs=1e-6)


@EXAMPLES
@given(masks)
def test_the_long_axis_is_the_longest_pair_within_one_piece_on_one_slice(mask: np.ndarray) -> None:
    brute = 0.0
    for layer in mask:
        pieces, count = ndimage.label(layer, structure=np.ones((3, 3)))
        for piece in range(1, count + 1):
            outlines = find_contours(np.pad(pieces == piece, 1).astype(float), 0.5, fully_connected="high")
            brute = max(brute, pdist(np.concatenate(outlines) @ SHEARED[:3, 1:3].T).max())
    found = in_plane_axes(extent_of(mask, Grid(mask.shape, SHEARED)))
    assert found.long.length_mm == pytest.approx(brute, abs=1e-6)
    assert math.dist(*found.long.ends_lps_mm) == pytest.approx(brute, abs=1e-6)


@EXAMPLES
@given(masks)
def test_the_short_axis_is_at_right_angles_on_the_same_slice_and_no_longer(mask: np.ndarray) -> None:
    grid = Grid(mask.shape, SHEARED)
    found = in_plane_axes(extent_of(mask, grid))
    long, short = (np.subtract(*axis.ends_lps_mm) for axis in (found.long, found.short))
    assert abs(long @ short) <= math.sin(math.radians(0.5)) * np.linalg.norm(long) * np.linalg.norm(short)
    assert found.short.length_mm == pytest.approx(np.linalg.norm(short), abs=1e-6)
    assert 0.0 < found.short.length_mm <= found.long.length_mm * (1 + 1e-9)
    for end in (*found.long.ends_lps_mm, *found.short.ends_lps_mm):
        assert grid.indices([end])[0, 0] == pytest.approx(found.slice_index, abs=1e-6)


@EXAMPLES
@given(masks, st.tuples(*[st.booleans()] * 3), st.booleans())
def test_reading_the_image_the_other_way_round_changes_no_axis(mask: np.ndarray, flips: tuple, swap: bool) -> None:
    spacing = (2.5, 0.7, 1.3)
    turned = np.flip(mask, [i for i, flip in enumerate(flips) if flip])
    if swap:
        turned, other = turned.swapaxes(1, 2), (spacing[0], spacing[2], spacing[1])
    here, there = axes_of(mask, spacing), axes_of(turned, other if swap else spacing)
    assert there.long.length_mm == pytest.approx(here.long.length_mm, abs=1e-9)
    assert there.short.length_mm == pytest.approx(here.short.length_mm, abs=1e-6)


@EXAMPLES
@given(masks, st.integers(0, 2**31))
def test_moving_the_patient_moves_the_ends_along(mask: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = Rotation.random(rng=random).as_matrix(), random.uniform(-500, 500, 3)
    here = in_plane_axes(extent_of(mask, Grid(mask.shape, SHEARED)))
    there = in_plane_axes(extent_of(mask, Grid(mask.shape, motion @ SHEARED)))
    assert there.long.length_mm == pytest.approx(here.long.length_mm, rel=1e-9)
    assert there.short.length_mm == pytest.approx(here.short.length_mm, rel=1e-6)


@settings(max_examples=50)
@given(st.sampled_from([0.5, 0.7, 1.0, 2.0]), st.floats(0, 180), st.tuples(*[st.floats(-0.5, 0.5)] * 2))
def test_an_ellipse_has_its_axes_within_one_pixel(pixel: float, angle: float, shift: tuple[float, float]) -> None:
    found = axes_of(ellipse(pixel, (20.0, 12.0), angle, shift), (5.0, pixel, pixel))
    assert found.long.length_mm == pytest.approx(40.0, abs=pixel)
    # The outline runs half a pixel from its centres, counted along rows and columns. The short axis is the ellipse's
    # chord at right angles to the long axis that was found, which may be turned a little.
    unit = np.subtract(*found.short.ends_lps_mm)[:2] / found.short.length_mm
    turn = math.radians(angle)
    along, across = unit @ [math.sin(turn), math.cos(turn)], unit @ [math.cos(turn), -math.sin(turn)]
    chord = 2.0 / math.hypot(along / 20.0, across / 12.0)
    assert chord == pytest.approx(24.0, abs=pixel)
    assert found.short.length_mm == pytest.approx(chord, abs=pixel * np.abs(unit).sum())


def test_pieces_on_one_slice_are_measured_each_by_itself() -> None:
    mask = np.zeros((1, 5, 20), bool)
    mask[0, 2, 1:5] = mask[0, 2, 10:16] = True
    assert axes_of(mask, (1.0, 1.0, 1.0)).long.length_mm == 6.0


def test_pixels_that_touch_by_a_corner_are_one_piece() -> None:
    found = axes_of(np.eye(5, dtype=bool)[None], (1.0, 1.0, 1.0))
    assert found.long.length_mm == pytest.approx(math.hypot(4.0, 5.0))  # from a side's middle to the far side's


def test_the_slice_with_the_longest_axis_is_told_as_it_counts_in_the_whole_grid() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[3:7, 4, 4] = mask[5, 4, 2:7] = True
    grid = Grid.from_spacing(mask.shape, (3.0, 1.0, 1.0), origin_mm=(-4.0, 10.0, 100.0))
    found = in_plane_axes(extent_of(mask, grid))
    assert found.slice_index == 5
    assert found.long.ends_lps_mm == ((-2.5, 14.0, 115.0), (2.5, 14.0, 115.0))


def test_among_equal_long_axes_the_one_with_the_longest_perpendicular_is_told() -> None:
    mask = np.zeros((3, 7, 7), bool)
    mask[0, 3, 1:6] = True
    mask[2, 3, 1:6] = mask[2, 2:5, 3] = True
    found = axes_of(mask, (1.0, 1.0, 1.0))
    assert (found.slice_index, found.long.length_mm, found.short.length_mm) == (2, 5.0, 3.0)


def test_the_perpendicular_of_a_crescent_does_not_span_what_lies_outside_it() -> None:
    row, column = np.indices((41, 41)) - 20
    distance = np.hypot(row, column)
    crescent = ((distance <= 18) & (distance >= 13) & (row < 0))[None]
    found = axes_of(crescent, (1.0, 1.0, 1.0))
    # The horns are 36 mm apart and the bow is 18 mm high, but no cut through it is longer than √(18² − 13²) = 12.4 mm.
    assert found.long.length_mm == pytest.approx(36.0, abs=1.0)
    assert found.short.length_mm == pytest.approx(12.4, abs=2.0)  # a pixel at either end


def test_a_hole_is_part_of_the_axis_that_runs_over_it() -> None:
    row, column = np.indices((31, 31)) - 15
    distance = np.hypot(row, column)
    ring, disc = ((distance <= 12) & (distance > 6))[None], (distance <= 12)[None]
    spacing = (1.0, 1.0, 1.0)
    assert axes_of(ring, spacing).short.length_mm == axes_of(disc, spacing).short.length_mm


def test_many_far_points_take_the_way_over_the_hull_to_the_same_diameter() -> None:
    points = np.indices((47, 47, 47)) - 23
    ball = (points**2).sum(axis=0) <= 21.4**2
    found = max_diameter_3d(extent_of(ball, Grid.from_spacing(ball.shape, (1.0, 1.0, 1.0))))
    vertices, _, _, _ = marching_cubes(np.pad(ball, 1).astype(np.float32), 0.5)
    outer = vertices[np.linalg.norm(vertices - 24, axis=1) > 20.5].astype(np.float64)
    assert found.length_mm == pytest.approx(pdist(outer).max(), abs=1e-9)


@pytest.mark.parametrize("angle", range(0, 180, 15))
def test_a_line_at_any_angle_is_longer_than_a_shorter_one_across_it(angle: int) -> None:
    mask = np.zeros((2, 81, 81), bool)
    for layer, (turn, half) in enumerate(((angle + 90, 27.0), (angle, 30.0))):
        along = np.linspace(-half, half, 400)[:, None] * (math.cos(math.radians(turn)), math.sin(math.radians(turn)))
        row, column = np.rint(along + 40).astype(int).T
        mask[layer, row, column] = True
    found = axes_of(mask, (5.0, 1.0, 1.0))
    assert found.slice_index == 1
    assert found.long.length_mm == pytest.approx(60.0, abs=2.0)  # half a pixel at either end, and as much by rounding


def test_both_axes_of_a_cross_end_on_its_outline() -> None:
    mask = np.zeros((3, 9, 12), bool)
    mask[1, 4, 2:10] = mask[1, 2:7, 5] = True
    grid = Grid.from_spacing(mask.shape, (5.0, 2.0, 1.5), origin_mm=(10.0, 20.0, 30.0))
    found = in_plane_axes(extent_of(mask, grid))
    assert (found.long.length_mm, found.short.length_mm, found.product_mm2) == (12.0, 10.0, 120.0)
    assert np.allclose(found.long.ends_lps_mm, [(10 + 1.5 * 1.5, 28, 35), (10 + 9.5 * 1.5, 28, 35)])
    assert np.allclose(sorted(found.short.ends_lps_mm), [(10 + 5 * 1.5, 23, 35), (10 + 5 * 1.5, 33, 35)])


def test_a_line_between_two_calipers_is_not_lost_to_a_shorter_one_along_a_caliper() -> None:
    mask = np.zeros((2, 100, 70), bool)
    row, column = np.rint(np.linspace((0, 0), (9, 61), 200)).astype(int).T
    mask[0, row + 4, column + 4] = True  # 61 columns and 9 rows of 0.69 mm: 5.8° off, half of the calipers' angle
    mask[1, 4:94, 30] = True  # 90 rows: 62.1 mm, wider along its caliper than the other along any
    found = axes_of(mask, (5.0, 0.69, 1.0))
    assert (found.slice_index, found.long.length_mm) == (0, pytest.approx(math.hypot(62.0, 9 * 0.69)))
