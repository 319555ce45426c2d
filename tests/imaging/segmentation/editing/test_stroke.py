"""The brush paints what lies within its radius, on any grid, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.editing.stroke import Stroke, erased, painted, painted_in_range, swept
from imaging.volume import Modality, Volume

SHAPE = (6, 9, 8)
places = st.tuples(*[st.floats(-4.0, 14.0)] * 3)
strokes = st.builds(Stroke, st.lists(places, min_size=1, max_size=3).map(tuple), st.floats(0.3, 5.0))
masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random(SHAPE) < 0.4)


def sheared() -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = [[0.1, 0.2, 1.1], [0.9, 1.2, -0.1], [2.5, 0.1, 0.0]]
    return Grid(SHAPE, affine)


GRIDS = (Grid.from_spacing(SHAPE, (2.5, 0.8, 1.1)), sheared())


def touched(stroke: Stroke, grid: Grid) -> np.ndarray:
    window, inside = swept(stroke, grid)
    result = np.zeros(grid.shape, bool)
    result[window] = inside
    return result


@pytest.mark.parametrize("grid", GRIDS, ids=["straight", "sheared"])
@given(stroke=strokes)
def test_every_voxel_within_the_radius_is_swept_and_of_others_only_those_on_the_line(
    grid: Grid, stroke: Stroke
) -> None:
    centres = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    line = [np.asarray(point) for point in stroke.points_lps_mm]
    steps = [start + (end - start) * share for start, end in pairwise(line) for share in np.linspace(0, 1, 200)]
    distance = np.min([np.linalg.norm(centres - point, axis=1) for point in [line[0], *steps]], axis=0).reshape(
        grid.shape
    )
    found = touched(stroke, grid)
    coarse = max([np.linalg.norm(end - start) / 199 for start, end in pairwise(line)], default=0.0)
    assert found[distance <= stroke.radius_mm - coarse - 1e-6].all()
    beyond = found & (distance > stroke.radius_mm + coarse + 1e-6)
    half_diagonal = np.abs(grid.affine[:3, :3]).sum() / 2
    assert (distance[beyond] <= half_diagonal + coarse).all()


@given(mask=masks, stroke=strokes)
def test_painting_adds_the_stroke_and_erasing_takes_it_away_and_nothing_else(mask: np.ndarray, stroke: Stroke) -> None:
    grid = GRIDS[0]
    before, reach = mask.copy(), touched(stroke, grid)
    assert np.array_equal(painted(mask, stroke, grid), mask | reach)
    assert np.array_equal(erased(mask, stroke, grid), mask & ~reach)
    assert np.array_equal(mask, before)


@given(mask=masks, stroke=strokes, low=st.integers(0, 60))
def test_a_range_limits_what_is_painted(mask: np.ndarray, stroke: Stroke, low: int) -> None:
    grid = GRIDS[0]
    samples = np.random.default_rng(low).integers(0, 100, SHAPE).astype(np.int16)
    valid = samples != 37
    volume = Volume(samples=samples, grid=grid, modality=Modality.CT, valid=valid)
    allowed = (samples >= low) & (samples <= low + 20) & valid
    found = painted_in_range(mask, stroke, volume, low=low, high=low + 20)
    assert np.array_equal(found, mask | (touched(stroke, grid) & allowed))


def test_a_fine_brush_paints_on_thick_slices() -> None:
    grid = Grid.from_spacing((3, 5, 5), (8.0, 2.0, 2.0))
    assert np.argwhere(touched(Stroke(((4.3, 3.2, 11.0),), radius_mm=0.4), grid)).tolist() == [[1, 2, 2]]


def test_a_stroke_beside_the_image_changes_nothing() -> None:
    grid = GRIDS[0]
    assert not touched(Stroke(((500.0, 0.0, 0.0), (600.0, 0.0, 0.0)), radius_mm=3.0), grid).any()


@pytest.mark.parametrize("radius", [0.0, -1.0, np.inf, np.nan])
def test_a_brush_without_a_radius_is_refused(radius: float) -> None:
    with pytest.raises(UsageError, match="radius"):
        Stroke(((0.0, 0.0, 0.0),), radius)


@pytest.mark.parametrize("points", [(), ((np.nan, 0.0, 0.0),), ((1.0, 2.0),)])
def test_a_stroke_without_a_place_is_refused(points: tuple[tuple[float, float, float], ...]) -> None:
    with pytest.raises(UsageError, match="point"):
        Stroke(points, 1.0)


@pytest.mark.parametrize(("low", "high"), [(5.0, 4.0), (np.nan, 4.0), (0.0, np.nan)])
def test_a_range_that_holds_nothing_is_refused(low: float, high: float) -> None:
    volume = Volume(samples=np.zeros(SHAPE, np.int16), grid=GRIDS[0], modality=Modality.CT)
    with pytest.raises(UsageError, match="range"):
        painted_in_range(np.zeros(SHAPE, bool), Stroke(((0.0, 0.0, 0.0),), 1.0), volume, low=low, high=high)


def test_a_mask_of_another_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match="does not fill"):
        painted(np.zeros((2, 2, 2), bool), Stroke(((0.0, 0.0, 0.0),), 1.0), GRIDS[0])
