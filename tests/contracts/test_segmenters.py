"""What every segmenter promises, whoever trained it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.errors import EmptyMask, GeometryError, UsageError
from imaging.geometry import Grid
from imaging.segmentation.backend import ALL_PROMPTS, Segmenter
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import BoxPrompt, DiameterPrompt, MaskPrompt, PointPrompt, Prompt, ScribblePrompt
from imaging.volume import Modality, Volume
from tests.contracts.conftest import BRIGHT, DARK

RADIUS = 9.0
CENTRE = np.array([5.0, -7.0, 40.0])
SHAPE, SPACING = (16, 36, 36), (2.5, 1.1, 1.1)
BESIDE = (1.5, -2.0, 3.0)  # voxels that the ball lies off the grid's middle: a mirrored axis would show


def grid_named(name: str) -> Grid:
    """The same voxels, axial, turned about an oblique axis, or leaning as behind a tilted gantry."""
    steps = np.zeros((3, 3))
    steps[2, 0], steps[1, 1], steps[0, 2] = SPACING
    if name == "oblique":
        angle, axis = np.deg2rad(25.0), np.array([[0, -0.6, 0.48], [0.6, 0, -0.64], [-0.48, 0.64, 0]])
        turn = np.eye(3) + np.sin(angle) * axis + (1 - np.cos(angle)) * axis @ axis  # Rodrigues' formula
        steps = turn @ steps
    if name == "sheared":
        steps[1, 0] = 0.6
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = CENTRE - steps @ ((np.array(SHAPE) - 1) / 2 + BESIDE)
    return Grid(SHAPE, affine)


def ball(grid: Grid, radius: float = RADIUS) -> BoolArray:
    points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    return (np.linalg.norm(points - CENTRE, axis=1) <= radius).reshape(grid.shape)


def scene(grid: Grid, modality: Modality = Modality.MR) -> Volume:
    noise = np.random.default_rng(4).normal(0, 4, grid.shape)
    return Volume(samples=(np.where(ball(grid), BRIGHT, DARK) + noise).astype(np.float32), grid=grid, modality=modality)


def at(*offset: float) -> tuple[float, float, float]:
    x, y, z = CENTRE + np.array(offset)
    return (float(x), float(y), float(z))


BOX = BoxPrompt((at(-RADIUS, -RADIUS, -RADIUS), at(RADIUS, RADIUS, RADIUS)))
DRAWN: dict[str, Prompt] = {
    "box": BOX,
    "point": PointPrompt(at(0, 0, 0), RADIUS),
    "diameter": DiameterPrompt((at(-RADIUS, 0, 0), at(RADIUS, 0, 0), at(0, -RADIUS, 0), at(0, RADIUS, 0))),
    "scribble": ScribblePrompt((at(-8, 0, 0), at(8, 0, 0), at(0, 8, 0), at(0, -8, 0), at(0, 0, 7), at(0, 0, -7))),
    "mask": MaskPrompt("earlier.nii.gz"),
}


def dice(one: BoolArray, two: BoolArray) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def spread(proposal: LesionProposal) -> NDArray[np.float32]:
    """The probability on every voxel of the image; it lies on a part of the image's own grid."""
    start = np.rint(proposal.grid.indices([proposal.probability_grid.points([[0, 0, 0]])[0]])[0]).astype(int)
    stop = start + np.array(proposal.probability.shape)
    assert proposal.grid.crop(start.tolist(), stop.tolist()).matches(proposal.probability_grid)
    whole = np.zeros(proposal.grid.shape, dtype=np.float32)
    whole[tuple(map(slice, start, stop))] = proposal.probability
    return whole


class TestSegmenter:
    def test_it_says_what_it_is_and_under_which_terms(self, engine: Segmenter) -> None:
        mine = engine.capabilities()
        assert mine.name
        assert mine.version
        assert mine.code_licence
        assert mine.device
        assert set() < mine.prompts <= ALL_PROMPTS
        assert mine.modalities
        assert (mine.weights == "") == (mine.weights_licence is None)

    @pytest.mark.parametrize("name", ["axial", "oblique", "sheared"])
    def test_it_finds_a_ball_on_any_grid_and_its_probability_agrees_with_its_mask(
        self, engine: Segmenter, name: str
    ) -> None:
        grid = grid_named(name)
        proposal = engine.segment(scene(grid), [BOX])
        assert proposal.mask.shape == grid.shape
        assert proposal.grid.matches(grid)
        assert dice(proposal.mask, ball(grid)) > 0.85
        probability = spread(proposal)
        assert 0 <= probability.min() <= probability.max() <= 1
        np.testing.assert_array_equal(probability >= 0.5, proposal.mask)
        assert proposal.volume_ml == pytest.approx(proposal.mask.sum() * grid.voxel_volume_mm3 / 1000)
        assert proposal.volume_low_ml <= proposal.volume_ml <= proposal.volume_high_ml
        assert proposal.backend == engine.capabilities().name

    def test_the_same_question_has_the_same_answer(self, engine: Segmenter) -> None:
        volume = scene(grid_named("oblique"))
        one, two = (engine.segment(volume, [BOX]) for _ in range(2))
        np.testing.assert_array_equal(one.mask, two.mask)
        np.testing.assert_array_equal(one.probability, two.probability)
        assert one.findings == two.findings

    @pytest.mark.parametrize("kind", sorted(ALL_PROMPTS))
    def test_it_takes_each_prompt_that_it_claims_and_refuses_the_others(self, engine: Segmenter, kind: str) -> None:
        grid = grid_named("axial")
        prior = ball(grid).astype(np.float32) if kind == "mask" else None
        if kind in engine.capabilities().prompts:
            proposal = engine.segment(scene(grid), [DRAWN[kind]], prior=prior)
            assert dice(proposal.mask, ball(grid)) > 0.7
        else:
            with pytest.raises(UsageError, match=kind) as refusal:
                engine.segment(scene(grid), [DRAWN[kind]], prior=prior)
            assert refusal.value.code == "PROMPT_NOT_UNDERSTOOD"

    def test_it_never_enters_what_was_ruled_out(self, engine: Segmenter) -> None:
        grid = grid_named("axial")
        exclude = ball(grid) & (np.indices(grid.shape)[2] > 20)
        proposal = engine.segment(
            scene(grid), [BOX, BoxPrompt((at(-9, -9, -9), at(-5, 9, 9)), sign=-1)], exclude=exclude
        )
        places = grid.points(np.argwhere(proposal.mask))
        assert proposal.mask.any()
        assert not (proposal.mask & exclude).any()
        assert places[:, 0].min() > CENTRE[0] - 5
        assert spread(proposal)[exclude].max() == 0

    def test_it_says_so_where_known_material_lies_in_the_lesion(self, engine: Segmenter) -> None:
        grid = grid_named("axial")
        for radius, said in ((4.0, True), (0.0, False)):
            proposal = engine.segment(scene(grid), [BOX], include=ball(grid, radius))
            assert ("MATERIAL_INSIDE" in {finding.code for finding in proposal.findings}) == said

    def test_an_earlier_mask_is_a_prior_or_is_refused(self, engine: Segmenter) -> None:
        grid = grid_named("axial")
        prior = ball(grid).astype(np.float32)
        if "mask" not in engine.capabilities().prompts:
            with pytest.raises(UsageError, match="mask"):
                engine.segment(scene(grid), [], prior=prior)
            return
        assert dice(engine.segment(scene(grid), [], prior=prior).mask, ball(grid)) > 0.85
        with pytest.raises(EmptyMask):
            engine.segment(scene(grid), [], prior=np.zeros_like(prior))

    def test_it_refuses_an_image_that_it_was_not_made_for(self, engine: Segmenter) -> None:
        for modality in set(Modality) - engine.capabilities().modalities:
            with pytest.raises(UsageError, match=modality) as refusal:
                engine.segment(scene(grid_named("axial"), modality), [BOX])
            assert refusal.value.code == "MODALITY_NOT_UNDERSTOOD"

    def test_it_refuses_what_makes_no_question(self, engine: Segmenter) -> None:
        volume = scene(grid_named("axial"))
        for prompts, code in (([], "NO_PROMPT"), ([PointPrompt(at(900, 0, 0), 9.0)], "PROMPT_OUTSIDE_IMAGE")):
            with pytest.raises(UsageError) as refusal:
                engine.segment(volume, prompts)
            assert refusal.value.code == code
        with pytest.raises(GeometryError, match="exclude"):
            engine.segment(volume, [BOX], exclude=np.zeros((2, 2, 2), dtype=bool))

    def test_the_licence_of_weights_is_said_with_each_proposal_and_recorded(self, engine: Segmenter) -> None:
        mine = engine.capabilities()
        proposal = engine.segment(scene(grid_named("axial")), [BOX])
        said = [finding.message for finding in proposal.findings if finding.code == "WEIGHTS_LICENCE"]
        if mine.weights_licence is None:
            assert said == []
            assert mine.provenance().parameters == {}
        else:
            assert len(said) == 1
            assert mine.weights_licence in said[0]
            assert mine.provenance().parameters == {"weights": mine.weights, "licence": mine.weights_licence}

    def test_it_says_so_where_the_lesion_leaves_the_image(self, engine: Segmenter) -> None:
        volume = scene(grid_named("axial"))
        half = ((0, 0, 0), (8, 36, 36))
        cut = replace(volume, samples=volume.samples[:8].copy(), grid=volume.grid.crop(*half))
        box = BoxPrompt((at(-RADIUS, -RADIUS, -RADIUS), at(RADIUS, RADIUS, -1.5)))
        assert "TOUCHES_EDGE" in {finding.code for finding in engine.segment(cut, [box]).findings}
