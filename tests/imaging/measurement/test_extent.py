"""The voxels of a mask: laws of counting, and what a mask does not show is not a number."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from imaging.errors import EmptyMask
from imaging.geometry import Grid
from imaging.measurement.extent import MM3_PER_ML, Extent, component_count, principal_axes
from imaging.segmentation.segment import Segment

EXAMPLES = settings(max_examples=60)
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)).filter(np.any)
spacings = st.tuples(*[st.floats(0.2, 8.0)] * 3)


def extent_of(mask: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Extent:
    return Extent.of(Segment(mask=mask, grid=Grid.from_spacing(mask.shape, spacing)))


def test_an_empty_mask_cannot_be_measured() -> None:
    segment = Segment(mask=np.zeros((3, 3, 3), dtype=bool), grid=Grid.from_spacing((3, 3, 3), (1, 1, 1)), label=7)
    with pytest.raises(EmptyMask) as raised:
        Extent.of(segment)
    assert raised.value.where == "#7"


@EXAMPLES
@given(masks, spacings)
def test_volume_is_the_count_times_the_determinant(mask: np.ndarray, spacing: tuple[float, float, float]) -> None:
    extent = extent_of(mask, spacing)
    assert extent.volume_mm3 == np.count_nonzero(mask) * extent.grid.voxel_volume_mm3
    assert extent.grid.voxel_volume_mm3 == pytest.approx(np.prod(spacing), rel=1e-14)


@pytest.mark.parametrize("spacing", [(3.0, 1.0, 1.0), (5.0, 0.5, 0.5), (1.25, 0.75, 0.75)])
def test_voxels_of_exact_spacing_have_an_exact_volume(spacing: tuple[float, float, float]) -> None:
    assert extent_of(np.ones((10, 10, 10), dtype=bool), spacing).volume_mm3 == 1000 * np.prod(spacing)


@EXAMPLES
@given(masks, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3), st.tuples(*[st.integers(0, 3)] * 6))
def test_volume_is_bit_equal_under_flips_permutations_padding_and_order_in_memory(
    mask: np.ndarray, axes: list[int], flips: tuple[bool, ...], margins: tuple[int, ...]
) -> None:
    spacing = (2.5, 0.7, 1.3)
    turned = np.flip(mask.transpose(axes), [i for i, flip in enumerate(flips) if flip])
    turned = np.asfortranarray(np.pad(turned, [margins[:2], margins[2:4], margins[4:]]))
    assert extent_of(turned, tuple(spacing[a] for a in axes)).volume_mm3 == extent_of(mask, spacing).volume_mm3


@EXAMPLES
@given(masks)
def test_volumes_add_up(mask: np.ndarray) -> None:
    other = np.roll(mask, (1, 1, 1), (0, 1, 2)) | np.flip(mask)

    def count(voxels: np.ndarray) -> int:
        return extent_of(voxels).voxel_count if voxels.any() else 0

    assert count(mask) + count(other) == count(mask | other) + count(mask & other)
    assert count(mask) == sum(count(mask[i : i + 1]) for i in range(len(mask)))


@EXAMPLES
@given(masks, st.integers(0, 2), st.floats(0.1, 10.0))
def test_stretching_an_axis_stretches_volume_and_centroid(mask: np.ndarray, axis: int, factor: float) -> None:
    spacing = [2.0, 0.8, 1.1]
    before = extent_of(mask, tuple(spacing))
    spacing[axis] *= factor
    after = extent_of(mask, tuple(spacing))
    assert after.volume_mm3 == pytest.approx(before.volume_mm3 * factor, rel=1e-12)
    component = 2 - axis  # slices go along z, rows along y, columns along x
    assert after.centroid_lps_mm[component] == pytest.approx(before.centroid_lps_mm[component] * factor, abs=1e-9)


@EXAMPLES
@given(masks, st.integers(0, 2**31), st.tuples(*[st.floats(-500, 500)] * 3))
def test_moving_the_patient_changes_no_size(mask: np.ndarray, seed: int, shift: tuple[float, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.1, 0.2, 0.8], [0.3, 0.7, -0.1], [2.0, 0.0, 0.1]])  # oblique and sheared
    motion = np.eye(4)
    motion[:3, :3] = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    motion[:3, 3] = shift
    here = Extent.of(Segment(mask=mask, grid=Grid(mask.shape, affine)))
    there = Extent.of(Segment(mask=mask, grid=Grid(mask.shape, motion @ affine)))
    assert there.volume_mm3 == pytest.approx(here.volume_mm3, rel=1e-9)
    for name in ("major_mm", "minor_mm", "least_mm"):
        lengths = [getattr(principal_axes(extent), name) for extent in (here, there)]
        assert lengths[0] is lengths[1] is None or lengths[0] == pytest.approx(lengths[1], rel=1e-6, abs=1e-9)
    moved = motion[:3, :3] @ here.centroid_lps_mm + motion[:3, 3]
    assert np.allclose(there.centroid_lps_mm, moved, atol=1e-9)


def test_the_axes_of_a_box_have_their_closed_form() -> None:
    axes = principal_axes(extent_of(np.ones((4, 6, 10), dtype=bool), (2.0, 1.0, 0.5)))
    n = 4 * 6 * 10  # variance of k equidistant centres: h² (k² − 1) / 12, here with n − 1
    lengths = sorted((4 * h * ((k**2 - 1) / 12 * n / (n - 1)) ** 0.5 for k, h in ((4, 2.0), (6, 1.0), (10, 0.5))))
    assert [axes.least_mm, axes.minor_mm, axes.major_mm] == pytest.approx(lengths, rel=1e-12)
    assert axes.elongation == pytest.approx(lengths[1] / lengths[2], rel=1e-12)
    assert axes.flatness == pytest.approx(lengths[0] / lengths[2], rel=1e-12)


def test_what_the_voxel_centres_do_not_span_is_none() -> None:
    one, line, plane = np.ones((1, 1, 1), bool), np.eye(4, dtype=bool)[None], np.ones((1, 3, 4), bool)
    assert principal_axes(extent_of(one)).major_mm is None
    assert principal_axes(extent_of(line)).minor_mm is None
    assert principal_axes(extent_of(line)).elongation is None
    diagonal_plane = np.eye(5, dtype=bool)[:, :, None] & np.ones((1, 1, 5), bool)
    for flat in (plane, diagonal_plane):
        axes = principal_axes(extent_of(flat, (3.1, 0.7, 0.3)))
        assert axes.minor_mm is not None and axes.elongation is not None
        assert axes.least_mm is None and axes.flatness is None


@pytest.mark.parametrize("way", [w for w in product((-1, 0, 1, 2), repeat=3) if any(w)])
def test_centres_on_a_line_span_one_axis_and_on_a_plane_two_whatever_their_direction(way: tuple[int, int, int]) -> None:
    line = np.zeros((12, 12, 12), bool)
    steps = np.array(way)
    start = np.where(steps < 0, 6, 1)
    for k in range(4):
        line[tuple(start + k * steps)] = True
    axes = principal_axes(extent_of(line, (2.0, 0.7, 1.1)))
    # Four equidistant centres: variance h² (4² − 1) / 12 with n, here with n − 1.
    assert axes.major_mm == pytest.approx(4 * np.linalg.norm(steps * (2.0, 0.7, 1.1)) * (15 / 12 * 4 / 3) ** 0.5)
    assert axes.minor_mm is None and axes.least_mm is None
    other = np.roll(line, 1, axis=int(np.argmin(np.abs(steps))))
    if np.linalg.matrix_rank(np.argwhere(line | other) - np.argwhere(line)[0]) == 2:
        flat = principal_axes(extent_of(line | other, (2.0, 0.7, 1.1)))
        assert flat.minor_mm is not None and flat.least_mm is None


def test_a_millilitre_is_a_thousand_cubic_millimetres() -> None:
    assert MM3_PER_ML == 1000.0


def test_voxels_that_touch_by_a_corner_are_one_piece_and_gaps_make_two() -> None:
    corner = np.zeros((2, 2, 2), bool)
    corner[0, 0, 0] = corner[1, 1, 1] = True
    gap = np.zeros((1, 1, 3), bool)
    gap[0, 0, [0, 2]] = True
    assert component_count(extent_of(corner)) == 1
    assert component_count(extent_of(gap)) == 2


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_a_mask_at_any_face_of_the_grid_touches_the_edge(axis: int, end: int) -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[2, 3, 3] = True
    assert not extent_of(mask.copy()).touches_edge
    np.moveaxis(mask, axis, 0)[end, 2, 2] = True
    assert extent_of(mask).touches_edge


@EXAMPLES
@given(masks, st.tuples(*[st.integers(0, 3)] * 6))
def test_the_box_of_an_extent_is_where_its_mask_lies_in_the_whole(mask: np.ndarray, margins: tuple[int, ...]) -> None:
    whole = np.pad(mask, [margins[:2], margins[2:4], margins[4:]])
    extent = extent_of(whole)
    assert np.array_equal(whole[extent.box], extent.mask)
    assert extent.voxel_count == np.count_nonzero(whole)
    assert extent.slice_count == np.ptp(np.flatnonzero(whole.any(axis=(1, 2)))) + 1


@EXAMPLES
@given(masks)
def test_a_mask_spans_as_many_axes_as_its_centres_do(mask: np.ndarray) -> None:
    at = np.argwhere(mask)
    axes = principal_axes(extent_of(mask, (2.0, 0.7, 1.1)))
    spanned = sum(length is not None for length in (axes.major_mm, axes.minor_mm, axes.least_mm))
    assert spanned == np.linalg.matrix_rank(at - at[0])


@EXAMPLES
@given(masks)
def test_the_centroid_is_the_mean_of_the_voxel_centres_on_a_sheared_grid(mask: np.ndarray) -> None:
    affine = np.array([[0.1, 0.2, 0.8, 5.0], [0.3, 0.7, -0.1, 9.0], [2.0, 0.0, 0.1, -700.0], [0, 0, 0, 1]])
    grid = Grid(mask.shape, affine)
    extent = Extent.of(Segment(mask=mask, grid=grid))
    assert extent.centroid_lps_mm == pytest.approx(tuple(grid.points(np.argwhere(mask)).mean(axis=0)), abs=1e-9)
