"""A lesion from prompts and from an earlier mask, on balls whose volume is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.errors import EmptyMask, GeometryError, UsageError
from imaging.geometry import Grid
from imaging.provenance import array_sha256
from imaging.segmentation.catalogue import segmenter
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prompt import BoxPrompt, DiameterPrompt, MaskPrompt, PointPrompt, Prompt, ScribblePrompt
from imaging.volume import Modality, Volume

CENTRE = np.array([4.0, -6.0, 30.0])
RADIUS = 14.0
NOISE = 25.0  # the contrast is 60


def axial(shape: tuple[int, int, int] = (24, 60, 60), spacing: tuple[float, float, float] = (3.0, 1.3, 1.3)) -> Grid:
    origin = CENTRE[::-1] - (np.array(shape) - 1) / 2 * spacing + 0.3  # the centre lies between voxels
    return Grid.from_spacing(shape, spacing, origin_mm=origin[::-1])


def points_of(grid: Grid) -> NDArray[np.float64]:
    return grid.points(np.indices(grid.shape).reshape(3, -1).T)


def ball(grid: Grid, radius: float = RADIUS) -> BoolArray:
    return (np.linalg.norm(points_of(grid) - CENTRE, axis=1) <= radius).reshape(grid.shape)


def scene(grid: Grid, inside: BoolArray, seed: int = 0) -> Volume:
    samples = np.where(inside, 160.0, 100.0) + np.random.default_rng(seed).normal(0, NOISE, grid.shape)
    return Volume(samples=samples.astype(np.float32), grid=grid, modality=Modality.MR)


def dice(one: BoolArray, two: BoolArray) -> float:
    return float(2 * (one & two).sum() / (one.sum() + two.sum()))


def around(offsets: list[list[float]]) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in CENTRE + np.array(offsets))


BOX = BoxPrompt(around([[-RADIUS] * 3, [RADIUS] * 3]))
ENDS = [[-RADIUS, 0, 0], [RADIUS, 0, 0], [0, -RADIUS, 0], [0, RADIUS, 0], [0, 0, -RADIUS], [0, 0, RADIUS]]


@pytest.mark.parametrize(
    "prompt",
    [
        BOX,
        BoxPrompt(around([[-RADIUS, -RADIUS, 0], [RADIUS, RADIUS, 0]])),
        DiameterPrompt(around(ENDS[:2])),
        DiameterPrompt(around(ENDS[:4])),
        DiameterPrompt(around(ENDS)),
        PointPrompt(around([[1, 1, 0]])[0], radius_mm=RADIUS),
        ScribblePrompt(around([[0.8 * x for x in end] for end in ENDS])),
    ],
    ids=["box", "box in one slice", "line", "line and short axis", "three diameters", "point with radius", "strokes"],
)
def test_every_kind_of_prompt_finds_a_ball_in_noise(prompt: Prompt) -> None:
    grid = axial()
    truth = ball(grid)
    proposal = segment_lesion(scene(grid, truth), [prompt])
    assert dice(proposal.mask, truth) >= 0.9
    assert proposal.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.10)
    assert proposal.volume_low_ml <= proposal.volume_ml <= proposal.volume_high_ml


@pytest.mark.parametrize("growth", [0.85, 1.0, 1.4, 1.9])
def test_an_earlier_mask_is_followed_to_the_size_of_today(growth: float) -> None:
    grid = axial()
    today = ball(grid)
    proposal = segment_lesion(scene(grid, today), [], prior=ball(grid, RADIUS / growth).astype(np.float32))
    assert dice(proposal.mask, today) >= 0.9
    assert proposal.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.10)


def test_a_mask_prompt_keeps_the_size_of_its_mask() -> None:
    grid = axial()
    flat = replace(scene(grid, ball(grid)), samples=np.full(grid.shape, 100, np.int16))
    own = ball(grid, 10.0)
    proposal = segment_lesion(flat, [MaskPrompt("own.nii.gz")], prior=own.astype(np.float32))
    assert dice(proposal.mask, own) >= 0.95


def test_growth_does_not_run_on_into_an_oedema_rim() -> None:
    grid = axial()
    today = ball(grid, 11.0)
    image = scene(grid, today)
    rim = ball(grid, 17.0) & ~today
    samples = np.where(rim, image.samples - 30, image.samples)  # a rim as far from the lesion as from the marrow
    samples = np.where(ball(grid, 17.0), samples, samples - 60)
    proposal = segment_lesion(
        replace(image, samples=samples.astype(np.float32)), [], prior=ball(grid, 10.0).astype(np.float32)
    )
    assert proposal.volume_ml == pytest.approx(4 / 3 * np.pi * 11.0**3 / 1000, rel=0.20)


def test_a_dark_void_inside_the_earlier_contour_is_lesion() -> None:
    grid = axial()
    today = ball(grid)
    image = scene(grid, today)
    void = (np.linalg.norm(points_of(grid) - CENTRE - [4, 0, 0], axis=1) <= 6).reshape(grid.shape)
    samples = np.where(void, 5, image.samples).astype(np.float32)
    proposal = segment_lesion(replace(image, samples=samples), [], prior=today.astype(np.float32), include=void)
    assert proposal.mask[void].mean() > 0.99
    assert dice(proposal.mask, today) >= 0.9


def test_a_companion_shows_what_the_image_itself_cannot() -> None:
    grid = axial()
    inside = ball(grid)
    east = points_of(grid)[:, 0].reshape(grid.shape) - CENTRE[0]
    bleeding = inside & (east > RADIUS / 3)
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 5, (2, *grid.shape))
    # On the image the bleeding is as bright as the surroundings, on the companion lesion and bleeding stand out.
    image = np.where(inside & ~bleeding, 60.0, 150.0) + noise[0]
    other = np.where(inside, 200.0, 30.0) + noise[1]
    volume = Volume(samples=image.astype(np.float32), grid=grid, modality=Modality.MR)
    companion = Volume(samples=other.astype(np.float32), grid=grid, modality=Modality.MR)
    prompt = PointPrompt(around([[0.0, 0.0, 0.0]])[0], radius_mm=RADIUS * 0.9)
    alone = segment_lesion(volume, [prompt]).mask
    together = segment_lesion(volume, [prompt], companion=companion).mask
    assert dice(together, inside) > 0.9
    assert (together & bleeding).sum() > (alone & bleeding).sum()


def test_nothing_that_is_excluded_is_in_the_mask() -> None:
    grid = axial()
    truth = ball(grid)
    exclude = (points_of(grid)[:, 0] > CENTRE[0] + 5).reshape(grid.shape)
    proposal = segment_lesion(scene(grid, truth), [BOX], exclude=exclude)
    assert not (proposal.mask & exclude).any()
    assert dice(proposal.mask, truth & ~exclude) >= 0.85


def test_a_negative_stroke_takes_its_voxels_out() -> None:
    grid = axial()
    stroke = ScribblePrompt(around([[0, -8, 0], [0, 8, 0]]), radius_mm=2, sign=-1)
    proposal = segment_lesion(scene(grid, ball(grid)), [BOX, stroke])
    removed = np.rint(grid.indices(np.array(stroke.points))).astype(int)
    assert not proposal.mask[tuple(removed.T)].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_storing_the_image_the_other_way_round_gives_the_same_lesion(axis: int) -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    affine = grid.affine.copy()
    affine[:3, 3] = grid.points([[n - 1 if k == axis else 0 for k, n in enumerate(grid.shape)]])[0]
    affine[:3, axis] *= -1
    flipped = replace(image, samples=np.flip(image.samples, axis).copy(), grid=Grid(grid.shape, affine))
    one, other = segment_lesion(image, [BOX]), segment_lesion(flipped, [BOX])
    # The working grid is centred on the prompt, so both see the same samples; only ties and rounding may differ.
    assert dice(one.mask, np.flip(other.mask, axis)) > 0.99


def test_moving_patient_and_prompt_together_moves_the_lesion() -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    shift = np.array([100.0, -37.5, 412.25])
    affine = grid.affine.copy()
    affine[:3, 3] += shift
    moved_box = BoxPrompt(tuple((x + 100.0, y - 37.5, z + 412.25) for x, y, z in BOX.corners))
    moved = segment_lesion(replace(image, grid=Grid(grid.shape, affine)), [moved_box])
    assert dice(segment_lesion(image, [BOX]).mask, moved.mask) > 0.99


def test_a_tilted_and_turned_grid_keeps_the_volume() -> None:
    turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    steps = turn @ np.array([[0, 0, 1.3], [0.9, 1.3, 0], [3.0, 0, 0]])  # slices lean by 17°
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = CENTRE - steps @ [11.7, 29.6, 29.4]
    grid = Grid((24, 60, 60), affine)
    truth = ball(grid)
    proposal = segment_lesion(scene(grid, truth), [BOX])
    assert dice(proposal.mask, truth) >= 0.9
    assert proposal.volume_ml == pytest.approx(4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.10)


@pytest.mark.parametrize("exponent", [-100, -30, 40])
def test_the_unit_of_mr_changes_nothing(exponent: int) -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    scaled = replace(image, samples=np.ldexp(image.samples, exponent))  # a power of two: no rounding
    one, other = segment_lesion(image, [BOX]), segment_lesion(scaled, [BOX])
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.findings == other.findings


def test_two_runs_give_the_same_bytes() -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    one, two = (segmenter("agreement").segment(image, [BOX]) for _ in range(2))
    assert array_sha256(one.probability) == array_sha256(two.probability)
    assert array_sha256(one.mask) == array_sha256(two.mask)


def test_a_prompt_beside_the_image_is_refused() -> None:
    grid = axial()
    with pytest.raises(UsageError) as refusal:
        segment_lesion(scene(grid, ball(grid)), [PointPrompt((400.0, 0.0, 0.0), 10)])
    assert refusal.value.code == "PROMPT_OUTSIDE_IMAGE"


def test_an_earlier_mask_that_is_not_on_this_image_is_refused() -> None:
    grid = axial()
    with pytest.raises(EmptyMask):
        segment_lesion(scene(grid, ball(grid)), [], prior=np.zeros(grid.shape, np.float32))
    with pytest.raises(GeometryError):
        segment_lesion(scene(grid, ball(grid)), [], prior=np.ones((2, 2, 2), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 255.0])
def test_an_earlier_mask_that_is_no_probability_is_refused(value: float) -> None:
    grid = axial()
    for prior in (np.where(ball(grid), value, 0.0), np.where(ball(grid), 1.0, value)):
        with pytest.raises(UsageError) as refusal:
            segment_lesion(scene(grid, ball(grid)), [], prior=prior.astype(np.float32))
        assert refusal.value.code == "BAD_PRIOR"


def test_a_lesion_cut_by_the_image_is_flagged() -> None:
    grid = axial()
    half = scene(grid, ball(grid))
    cut = replace(half, samples=half.samples[:, :, :30].copy(), grid=grid.crop((0, 0, 0), (24, 60, 30)))
    codes = {finding.code for finding in segment_lesion(cut, [BOX]).findings}
    assert "TOUCHES_EDGE" in codes
    assert "TOUCHES_EDGE" not in {finding.code for finding in segment_lesion(half, [BOX]).findings}


def test_a_box_round_two_small_lesions_is_flagged_where_it_takes_what_is_between_for_lesion() -> None:
    grid = axial()
    place = points_of(grid) - CENTRE
    two = np.minimum(*(np.linalg.norm(place - [x, 0, 0], axis=1) for x in (-9.0, 9.0))).reshape(grid.shape) <= 6
    box = BoxPrompt(around([[-15, -14, -14], [15, 14, 14]]))
    proposal = segment_lesion(scene(grid, two), [box])
    assert dice(proposal.mask, two) < 0.6
    assert "LOOKS_LIKE_SURROUNDINGS" in {finding.code for finding in proposal.findings}
    assert segment_lesion(scene(grid, ball(grid)), [BOX]).findings == ()


@pytest.mark.parametrize(("hu", "said"), [(1900.0, False), (2600.0, True)])
def test_what_is_denser_than_any_bone_in_a_ct_lesion_is_said(hu: float, *, said: bool) -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    samples = np.where(ball(grid, 6.0), hu, image.samples).astype(np.float32)
    proposal = segment_lesion(replace(image, samples=samples, modality=Modality.CT), [BOX])
    assert ("MATERIAL_INSIDE" in {finding.code for finding in proposal.findings}) == said


def test_an_image_without_contrast_is_flagged_and_gives_the_prompt() -> None:
    grid = axial()
    nothing = scene(grid, np.zeros(grid.shape, dtype=bool))
    proposal = segment_lesion(nothing, [BOX])
    assert "LOW_CONTRAST" in {finding.code for finding in proposal.findings}
    assert dice(proposal.mask, ball(grid, 0.95 * RADIUS)) > 0.8


def test_a_volume_is_the_less_sure_the_less_the_reader_drew_and_surest_after_a_mask() -> None:
    grid = axial()
    image = scene(grid, ball(grid))
    box, line, point = (
        segment_lesion(image, [prompt])
        for prompt in (BOX, DiameterPrompt(around(ENDS[:2])), PointPrompt(around([[0, 0, 0]])[0], radius_mm=RADIUS))
    )
    followed = segment_lesion(image, [], prior=ball(grid).astype(np.float32))
    assert box.findings == followed.findings == () and line.findings, "a warning stands where the depth was assumed"
    assert followed.volume_wcv < 0.20 <= box.volume_wcv < 0.60 <= min(line.volume_wcv, point.volume_wcv)
