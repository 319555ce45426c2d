from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from imaging.errors import GeometryError
from imaging.geometry import Grid
from pipelines.reports.orientation import facing_of


def grid_of(slice_step: list[float], row_step: list[float], column_step: list[float]) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = np.array([slice_step, row_step, column_step]).T
    return Grid((4, 6, 8), affine)


def turned(axis: int, degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = np.eye(3)
    first, second = [n for n in range(3) if n != axis]
    rotation[first, first] = rotation[second, second] = c
    rotation[first, second], rotation[second, first] = -s, s
    return rotation


@pytest.mark.parametrize(
    ("plane", "normal", "letters"), [("axial", 2, "RLAP"), ("coronal", 1, "RLHF"), ("sagittal", 0, "APHF")]
)
def test_each_plane_is_shown_one_way_however_the_axes_run(plane: str, normal: int, letters: str) -> None:
    others = [n for n in range(3) if n != normal]
    for (a, b), signs in itertools.product((others, others[::-1]), itertools.product((1, -1), repeat=3)):
        steps = [list(sign * np.eye(3)[axis]) for sign, axis in zip(signs, (normal, a, b), strict=True)]
        facing = facing_of(grid_of(*steps))
        assert facing.plane == plane
        assert facing.left + facing.right + facing.top + facing.bottom == letters


def test_an_oblique_slice_says_so_and_names_both_directions() -> None:
    tilted = turned(0, 24.0)
    facing = facing_of(grid_of(*(list(tilted[:, n]) for n in (2, 1, 0))))
    assert facing.plane == "oblique axial (24°)"
    assert (facing.left, facing.right) == ("R", "L")
    assert {len(facing.top), len(facing.bottom)} == {2}
    assert facing.top[0] == "A"


def test_a_nearly_straight_slice_is_called_straight() -> None:
    tilted = turned(0, 1.0)
    assert facing_of(grid_of(*(list(tilted[:, n]) for n in (2, 1, 0)))).plane == "axial"


def test_leaning_slices_are_shown_but_a_bent_slice_is_refused() -> None:
    assert facing_of(grid_of([0, 1, 4], [0, 1, 0], [1, 0, 0])).plane == "axial"
    with pytest.raises(GeometryError, match="right angles"):
        facing_of(grid_of([0, 0, 4], [0.2, 1, 0], [1, 0, 0]))
