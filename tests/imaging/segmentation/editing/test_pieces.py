"""Pieces, holes, parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.editing.parts import merged, split_by_plane, without
from imaging.segmentation.editing.pieces import largest_piece, piece_at, without_holes, without_small_pieces

GRID = Grid.from_spacing((5, 7, 6), (3.0, 1.0, 2.0))
masks = st.tuples(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6)).map(
    lambda drawn: np.random.default_rng(drawn[0]).random(GRID.shape) < drawn[1]
)


@given(mask=masks)
def test_the_largest_piece_is_one_piece_of_the_mask_and_none_is_larger(mask: np.ndarray) -> None:
    largest = largest_piece(mask)
    assert not (largest & ~mask).any()
    assert largest.any() == mask.any()
    for voxel in np.argwhere(mask):
        piece = piece_at(mask, GRID, GRID.points([voxel])[0])
        assert piece.sum() <= largest.sum()
        if largest[tuple(voxel)]:
            assert np.array_equal(piece, largest)


@given(mask=masks, least=st.integers(0, 12))
def test_pieces_are_kept_from_the_least_volume_on(mask: np.ndarray, least: int) -> None:
    kept = without_small_pieces(mask, GRID, least_ml=least * GRID.voxel_volume_mm3 / 1000)
    for voxel in np.argwhere(mask):
        assert kept[tuple(voxel)] == (piece_at(mask, GRID, GRID.points([voxel])[0]).sum() >= least)


@given(mask=masks)
def test_filling_holes_adds_only_what_cannot_be_left(mask: np.ndarray) -> None:
    for in_slices in (False, True):
        filled = without_holes(mask, in_slices=in_slices)
        assert not (mask & ~filled).any()
        assert np.array_equal(without_holes(filled, in_slices=in_slices), filled)
    assert not (without_holes(mask) & ~without_holes(mask, in_slices=True)).any()


def test_a_point_outside_names_no_piece() -> None:
    mask = np.ones(GRID.shape, bool)
    assert not piece_at(mask, GRID, (500.0, 0.0, 0.0)).any()
    assert not piece_at(~mask, GRID, (2.0, 2.0, 3.0)).any()


@given(mask=masks, point=st.tuples(*[st.floats(-5, 15)] * 3), normal=st.tuples(*[st.floats(-1, 1)] * 3))
def test_the_sides_of_a_plane_share_the_mask_out(
    mask: np.ndarray, point: tuple[float, ...], normal: tuple[float, ...]
) -> None:
    if not np.any(normal):
        return
    ahead, behind = split_by_plane(mask, GRID, point_lps_mm=point, normal_lps=normal)
    assert not (ahead & behind).any()
    assert np.array_equal(merged(ahead, behind), mask)
    height = (GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - point) @ np.asarray(normal)
    assert np.array_equal(ahead, mask & (height >= 0).reshape(GRID.shape))


@given(mask=masks, material=masks)
def test_what_is_left_without_material_and_the_material_in_it_are_the_mask(
    mask: np.ndarray, material: np.ndarray
) -> None:
    net = without(mask, material)
    assert not (net & material).any()
    assert np.array_equal(merged(net, mask & material), mask)


def test_a_plane_without_a_direction_and_masks_of_two_grids_are_refused() -> None:
    mask = np.ones(GRID.shape, bool)
    with pytest.raises(UsageError, match="normal"):
        split_by_plane(mask, GRID, point_lps_mm=(0, 0, 0), normal_lps=(0, 0, 0))
    with pytest.raises(GeometryError):
        merged(mask, mask[1:])
    with pytest.raises(GeometryError):
        without(mask, mask[:, 1:])


def test_what_is_no_number_is_refused_and_never_an_empty_mask() -> None:
    mask = np.ones(GRID.shape, bool)
    for least in (np.nan, -1.0, np.inf):
        with pytest.raises(UsageError, match="mL"):
            without_small_pieces(mask, GRID, least_ml=least)
    with pytest.raises(UsageError, match="passes through"):
        split_by_plane(mask, GRID, point_lps_mm=(np.nan, 0, 0), normal_lps=(1, 0, 0))
    assert not piece_at(mask, GRID, (np.nan, 0.0, 0.0)).any()


def test_a_mask_of_another_grid_is_refused() -> None:
    other = np.ones((2, 2, 2), bool)
    with pytest.raises(GeometryError, match="does not fill"):
        split_by_plane(other, GRID, point_lps_mm=(0, 0, 0), normal_lps=(1, 0, 0))
    with pytest.raises(GeometryError, match="does not fill"):
        piece_at(other, GRID, (0.0, 0.0, 0.0))
