"""What a reader marks is marked on any grid, and is in the mask or out of it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.geometry import Grid
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.marks import marked_voxels
from imaging.segmentation.prompt import BoxAxes, BoxPrompt, PointPrompt, Prompt, ScribblePrompt
from imaging.volume import Modality, Volume

GRID = Grid.from_spacing((20, 40, 40), (2.0, 1.0, 1.0))
BALL = np.linalg.norm(GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - 20.0, axis=1).reshape(GRID.shape) < 8
IMAGE = Volume(samples=np.where(BALL, 160, 100).astype(np.int16), grid=GRID, modality=Modality.MR)
BOX = BoxPrompt(((12.0, 12.0, 12.0), (28.0, 28.0, 28.0)))


def test_a_marked_ball_has_the_volume_of_a_ball_on_a_sheared_grid() -> None:
    affine = np.array([[0, 0, 1.0, -30], [0.8, 1.0, 0, -40], [3.0, 0, 0, -30], [0, 0, 0, 1]])
    grid = Grid((20, 80, 60), affine)
    marked = marked_voxels([PointPrompt((0, 0, 0), 12.0, -1)], grid, sign=-1)
    # Voxel centres in a ball: the count's error is below the surface's share of a layer, here far below 3 %.
    assert marked.sum() * grid.voxel_volume_mm3 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.03)
    assert not marked_voxels([PointPrompt((0, 0, 0), 12.0, -1)], grid, sign=1).any()


def test_an_excluding_box_and_stroke_mark_what_they_cover() -> None:
    grid = Grid.from_spacing((10, 10, 10), (1.0, 1.0, 1.0))
    box = marked_voxels([BoxPrompt(((2, 3, 4), (5, 5, 4)), sign=-1)], grid, sign=-1)
    assert np.argwhere(box).min(axis=0).tolist() == [4, 3, 2]
    assert box.sum() == 4 * 3 * 1
    stroke = marked_voxels([ScribblePrompt(((0, 0, 0), (0, 0, 9)), sign=-1)], grid, sign=-1)
    assert stroke[:, 0, 0].all()
    assert stroke.sum() == 10


@settings(max_examples=30)
@given(seed=st.integers(0, 999), oblique=st.booleans())
def test_a_box_marks_the_voxels_whose_centres_lie_in_it(seed: int, *, oblique: bool) -> None:
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0] if oblique else np.eye(3)
    halves, centre = random.uniform(1, 30, 3), random.uniform(-5, 45, 3)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = tuple(map(tuple, (centre + (signs * halves) @ turn.T).tolist()))
    box = BoxPrompt(corners, BoxAxes.IMAGE, -1) if oblique else BoxPrompt((corners[0], corners[7]), sign=-1)
    offset = np.abs((GRID.points(np.indices(GRID.shape).reshape(3, -1).T) - centre) @ turn)
    marked = marked_voxels([box], GRID, sign=-1).ravel()
    assert marked[(offset < halves - 1e-6).all(axis=1)].all()
    assert not marked[(offset > halves + 1e-6).any(axis=1)].any()


@pytest.mark.parametrize(
    "prompt",
    [BoxPrompt(((10.0, 10.0, 10.0), (90.0, 90.0, 90.0)), sign=-1), PointPrompt((50.0, 50.0, 50.0), 400.0, -1)],
)
def test_marking_most_of_a_large_image_needs_little_more_than_the_image(prompt: Prompt) -> None:
    grid = Grid.from_spacing((100, 200, 200), (1.0, 0.5, 0.5))
    tracemalloc.start()
    marked = marked_voxels([prompt], grid, sign=-1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert marked.any()
    assert peak < 200e6  # all voxels' places alone, as indices and as points, are 192 MB; several such were held


@pytest.mark.parametrize("x", [26.0, 29.0, 33.0, 38.0])
def test_what_is_marked_as_lesion_is_in_the_mask_wherever_it_lies(x: float) -> None:
    stroke = ScribblePrompt(((x, 16.0, 20.0), (x, 24.0, 20.0)), 1.0)
    proposal = segment_lesion(IMAGE, [BOX, stroke, PointPrompt((x, 20.0, 24.0))])
    marked = marked_voxels([stroke, PointPrompt((x, 20.0, 24.0))], GRID, sign=1)
    assert marked.sum() > 9
    assert proposal.mask[marked].all()
    assert proposal.volume_ml == pytest.approx(proposal.mask.sum() * GRID.voxel_volume_mm3 / 1000)


def codes(*prompts: Prompt) -> set[str]:
    return {finding.code for finding in segment_lesion(IMAGE, [BOX, *prompts]).findings}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mark_beside_the_image_is_said(sign: int) -> None:
    assert "MARK_OUTSIDE_IMAGE" in codes(PointPrompt((900.0, 20.0, 20.0), None, sign))
    assert "MARK_OUTSIDE_IMAGE" in codes(ScribblePrompt(((20.0, 20.0, 20.0), (20.0, 20.0, -5.0)), None, sign))
    assert codes(PointPrompt((39.4, -0.4, 0.0), None, -1)) == set()


def test_marks_that_contradict_each_other_are_said_and_left_out() -> None:
    both = [ScribblePrompt(((16.0, 20.0, 20.0), (24.0, 20.0, 20.0)), 1.0, sign) for sign in (1, -1)]
    assert "MARKS_CONTRADICT" in codes(*both)
    assert not segment_lesion(IMAGE, [BOX, *both]).mask[10, 20, 16:25].any()
