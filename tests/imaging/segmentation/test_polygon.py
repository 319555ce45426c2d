"""Filling polygons by pixel centres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.segmentation.polygon import filled

coordinates = st.floats(-5, 25).map(lambda value: round(value, 2))
polygons = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=12).map(np.array)


def inside_by_definition(polygon, row, column):
    """Count the crossings of a ray to the right, one edge at a time (Franklin's PNPOLY)."""
    odd = False
    for (y0, x0), (y1, x1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (y0 <= row) != (y1 <= row):
            low, high = ((y0, x0), (y1, x1)) if y0 <= y1 else ((y1, x1), (y0, x0))
            at = low[1] + (row - low[0]) / (high[0] - low[0]) * (high[1] - low[1])
            odd ^= column >= at
    return odd


@given(polygons)
def test_every_pixel_is_inside_by_the_definition_of_even_odd(polygon):
    expected = [[inside_by_definition(polygon, row, column) for column in range(20)] for row in range(20)]
    assert np.array_equal(filled(polygon, (20, 20)), expected)


@given(polygons, st.integers(0, 11))
def test_it_does_not_matter_where_a_polygon_begins_or_which_way_round_it_runs(polygon, start):
    turned = np.roll(polygon, start, axis=0)
    assert np.array_equal(filled(polygon, (20, 20)), filled(turned, (20, 20)))
    assert np.array_equal(filled(polygon, (20, 20)), filled(turned[::-1], (20, 20)))


@given(st.floats(1, 18), st.floats(1, 18))
def test_two_halves_make_the_whole_and_share_no_pixel(cut, shift):
    whole = np.array([[0.0, 0.0], [0.0, 19.0], [shift, 19.0], [19.0, 10.0], [19.0, 0.0]])
    left = np.array([[0.0, 0.0], [0.0, cut], [19.0, cut], [19.0, 0.0]])
    both = filled(whole, (20, 20)) & filled(left, (20, 20))
    right = np.array([[0.0, cut], [0.0, 30.0], [19.0, 30.0], [19.0, cut]])
    rest = filled(whole, (20, 20)) & filled(right, (20, 20))
    assert not (both & rest).any()
    assert np.array_equal(both | rest, filled(whole, (20, 20)))


def test_a_disc_has_the_area_of_a_disc():
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    disc = filled(100.3 + 80 * np.column_stack([np.sin(angles), np.cos(angles)]), (200, 200))
    # Gauss' circle problem: the count errs by O(r^(2/3)); 80^(2/3) = 18.6, taken four times.
    assert abs(disc.sum() - np.pi * 80**2) < 75


def test_a_keyhole_contour_leaves_its_hole_open():
    outer = [[0.5, 0.5], [0.5, 9.5], [9.5, 9.5], [9.5, 0.5]]
    hole = [[3.5, 3.5], [6.5, 3.5], [6.5, 6.5], [3.5, 6.5]]
    keyhole = np.array([*outer, outer[0], *hole, hole[0]])
    mask = filled(keyhole, (11, 11))
    assert mask.sum() == 81 - 9
    assert not mask[4:7, 4:7].any()


def test_pixel_edges_enclose_exactly_their_pixels():
    assert filled(np.array([[1.5, 2.5], [1.5, 5.5], [4.5, 5.5], [4.5, 2.5]]), (8, 8)).sum() == 9


def test_what_lies_beyond_the_array_is_cut_off():
    mask = filled(np.array([[-50.0, -50.0], [-50.0, 2.5], [50.0, 2.5], [50.0, -50.0]]), (4, 6))
    assert mask[:, :3].all()
    assert not mask[:, 3:].any()


@pytest.mark.parametrize(
    "polygon", [np.zeros((1, 2)), np.array([[1.0, 1.0], [5.0, 5.0]]), np.full((4, 2), 3.0), np.full((5, 2), 900.0)]
)
def test_a_polygon_without_area_or_far_away_holds_nothing(polygon):
    assert not filled(polygon, (10, 10)).any()
