"""Laws of stacking: the grid puts every slice where its position says, whatever the order and the orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.dicom.geometry import stack_slices
from imaging.errors import SeriesRefused

rotations = st.tuples(*[st.floats(-180, 180)] * 3).map(
    lambda angles: Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
)
spacings = st.floats(0.1, 6.0)
counts = st.integers(2, 20)
origins = st.tuples(*[st.floats(-1000, 1000)] * 3).map(np.array)


def _stack(rotation, count, distance, origin, tilt=0.0, pixel=(0.8, 0.7)):
    along_row, along_column, normal = rotation.T
    direction = normal + np.tan(np.radians(tilt)) * along_column
    positions = origin + np.arange(count)[:, None] * distance * direction
    orientations = np.tile(np.concatenate([along_row, along_column]), (count, 1))
    return positions, orientations, pixel


@given(rotations, counts, spacings, origins, st.randoms())
def test_every_slice_starts_where_its_position_says(rotation, count, distance, origin, random):
    positions, orientations, pixel = _stack(rotation, count, distance, origin)
    order = list(range(count))
    random.shuffle(order)
    stack = stack_slices(positions[order], orientations[order], pixel, (5, 6))
    starts = stack.grid.points([[n, 0, 0] for n in range(count)])
    np.testing.assert_allclose(starts, positions[order][list(stack.order)], atol=1e-6)
    np.testing.assert_allclose(starts, positions, atol=1e-6)  # along row direction × column direction
    assert stack.grid.is_orthogonal
    assert not stack.is_tilted
    assert stack.grid.spacing_mm == pytest.approx((distance, *pixel))


@given(rotations, st.integers(6, 20), st.floats(1.0, 6.0), st.floats(1.0, 30.0), st.sampled_from([-1, 1]))
def test_tilt_is_kept_as_shear(rotation, count, distance, tilt, sign):
    positions, orientations, pixel = _stack(rotation, count, distance, np.zeros(3), sign * tilt)
    stack = stack_slices(positions, orientations, pixel, (5, 6))
    assert stack.is_tilted
    assert stack.tilt_deg == pytest.approx(tilt)
    assert stack.grid.voxel_volume_mm3 == pytest.approx(distance * 0.8 * 0.7)
    np.testing.assert_allclose(stack.grid.points([[n, 0, 0] for n in range(count)]), positions, atol=1e-6)


@given(rotations, st.integers(4, 20), spacings, st.data())
def test_leaving_out_inner_slices_is_never_unseen(rotation, count, distance, data):
    positions, orientations, pixel = _stack(rotation, count, distance, np.zeros(3))
    inner = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=count - 3))
    kept = [n for n in range(count) if n not in inner]
    steps = np.diff(kept)
    if len(set(steps)) == 1:
        return  # every second, third … slice: evenly spaced, told by numbers only
    with pytest.raises(SeriesRefused) as caught:
        stack_slices(positions[kept], orientations[kept], pixel, (5, 6))
    assert caught.value.code in {"MISSING_SLICES", "NON_UNIFORM_SPACING"}
    if steps.min() == 1:
        assert caught.value.code == "MISSING_SLICES"
        assert str(caught.value).startswith(f"{len(inner)} slices are missing")


@given(rotations, counts, spacings, st.data())
def test_a_repeated_position_is_never_unseen(rotation, count, distance, data):
    positions, orientations, pixel = _stack(rotation, count, distance, np.zeros(3))
    again = data.draw(st.integers(0, count - 1))
    with pytest.raises(SeriesRefused) as caught:
        stack_slices(
            np.vstack([positions, positions[again]]), np.vstack([orientations, orientations[0]]), pixel, (5, 6)
        )
    assert caught.value.code == "DUPLICATE_POSITION"


def test_slices_shifted_within_their_plane_are_refused():
    positions, orientations, pixel = _stack(np.eye(3), 8, 2.5, np.zeros(3))
    positions[4:, 0] += 3.0
    with pytest.raises(SeriesRefused) as caught:
        stack_slices(positions, orientations, pixel, (5, 6))
    assert caught.value.code == "MIXED_GEOMETRY"


def test_a_stack_that_slides_more_than_any_gantry_is_refused():
    positions, orientations, pixel = _stack(np.eye(3), 8, 2.5, np.zeros(3), tilt=60.0)
    with pytest.raises(SeriesRefused) as caught:
        stack_slices(positions, orientations, pixel, (5, 6))
    assert caught.value.code == "MIXED_GEOMETRY"


def test_pixel_spacing_is_first_between_rows_then_between_columns():
    stack = stack_slices([[0, 0, 0], [0, 0, 5]], [[1, 0, 0, 0, 1, 0]] * 2, (0.9, 0.6), (4, 4))
    np.testing.assert_allclose(stack.grid.points([[0, 1, 0]]), [[0, 0.9, 0]])
    np.testing.assert_allclose(stack.grid.points([[0, 0, 1]]), [[0.6, 0, 0]])
