from __future__ import annotations

import base64
import itertools
import re

import imagecodecs
import numpy as np
import pytest

from imaging.errors import EmptyMask, GeometryError
from imaging.geometry import Grid
from imaging.segmentation import Segment, SegmentKind, Status
from imaging.volume import Modality, Volume
from pipelines.reports.embed import embedded
from pipelines.reports.figure import CT_WINDOW_HU, WIDTH, Contour, SliceImage, lesion_figure, slice_svg
from pipelines.reports.orientation import facing_of

AXIAL = facing_of(Grid.from_spacing((1, 8, 8), (5.0, 1.0, 1.0)))


def polylines(svg: str) -> list[np.ndarray]:
    texts = re.findall(r'<polyline points="([^"]+)"', svg)
    return [np.array([[float(n) for n in pair.split(",")] for pair in text.split()]) for text in texts]


def pixels(svg: str) -> np.ndarray:
    found = re.search(r"data:image/png;base64,([^\"]+)", svg)
    assert found is not None
    return np.asarray(imagecodecs.png_decode(base64.b64decode(found[1])))


def scene(shape: tuple[int, int, int] = (5, 60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """Samples and a lesion that look different under every flip and exchange of axes."""
    s, r, c = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    samples = (s * 3 + r * 2 + c * 5 % 97).astype(np.float32)
    lesion = (r > 12) & (r < 30) & (c > 20) & (c < 30 + r // 2) & (s >= 1) & (s <= 3)
    lesion[2, 12, 21] = True
    return samples, lesion


def test_the_picture_does_not_depend_on_how_the_axes_run() -> None:
    samples, lesion = scene()
    straight = Grid.from_spacing(samples.shape, (5.0, 1.5, 0.75))
    pictures = set()
    for flip_rows, flip_columns, exchange in itertools.product((False, True), repeat=3):
        affine, a, b = straight.affine.copy(), samples, lesion
        for axis, flip in ((1, flip_rows), (2, flip_columns)):
            if flip:
                affine[:3, 3] += affine[:3, axis] * (samples.shape[axis] - 1)
                affine[:3, axis] *= -1
                a, b = np.flip(a, axis), np.flip(b, axis)
        if exchange:
            affine, a, b = affine[:, [0, 2, 1, 3]], a.swapaxes(1, 2), b.swapaxes(1, 2)
        grid = Grid((a.shape[0], a.shape[1], a.shape[2]), affine)
        volume = Volume(samples=np.ascontiguousarray(a), grid=grid, modality=Modality.MR)
        segment = Segment(mask=np.ascontiguousarray(b), grid=grid, kind=SegmentKind.LESION, name="left")
        svg = lesion_figure(volume, [segment])
        lines = {frozenset(map(tuple, line)) for line in polylines(svg)}
        pictures.add((pixels(svg).tobytes(), frozenset(lines), re.sub(r"<polyline[^>]*>", "", svg)))
    assert len(pictures) == 1


def test_the_patients_left_is_on_the_viewers_right() -> None:
    grid = Grid.from_spacing((1, 100, 200), (5.0, 1.0, 1.0), origin_mm=(100.0, 0.0, 0.0))
    affine = grid.affine.copy()
    affine[:3, 2] *= -1  # columns run to the patient's right, so that column 0 is leftmost in the patient
    grid = Grid(grid.shape, affine)
    samples = np.zeros(grid.shape, np.float32)
    samples[0, 50, 30] = 900.0  # x = +70: far left
    mask = np.zeros(grid.shape, bool)
    mask[0, 20:80, 20:180] = True
    svg = lesion_figure(
        Volume(samples=samples, grid=grid, modality=Modality.CT),
        [Segment(mask=mask, grid=grid, kind=SegmentKind.LESION)],
    )
    shown = pixels(svg)
    brightest = np.unravel_index(int(shown.argmax()), shown.shape)
    assert brightest[1] > shown.shape[1] / 2
    assert re.search(r'<text x="234"[^>]*>L</text>', svg)


def test_the_slice_of_the_largest_area_is_shown_unless_another_is_asked_for() -> None:
    samples, lesion = scene()
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    segment = Segment(mask=lesion, grid=grid, kind=SegmentKind.LESION)
    assert "slice 3 of 5, axial" in lesion_figure(volume, [segment])
    assert "slice 1 of 5, axial" in lesion_figure(volume, [segment], at=0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 1.0), (0.7, 1.3)])
def test_an_outline_runs_along_the_edges_of_its_pixels_in_square_millimetres(spacing: tuple[float, float]) -> None:
    mask = np.zeros((40, 50), bool)
    mask[10:30, 5:45] = True
    image = SliceImage(samples=np.zeros(mask.shape), spacing_mm=spacing, window=(0.0, 1.0), facing=AXIAL)
    contour = Contour(name="left", kind=SegmentKind.LESION, mask=mask)
    halo, line = polylines(slice_svg(image, [contour], title="", caption=""))
    assert np.array_equal(halo, line)
    scale = WIDTH / (50 * spacing[1])
    step_y, step_x = spacing[0] * scale, spacing[1] * scale
    assert np.allclose(line.min(axis=0), [5 * step_x, 10 * step_y], atol=0.006)
    assert np.allclose(line.max(axis=0), [45 * step_x, 30 * step_y], atol=0.006)
    x, y = line[:, 0], line[:, 1]
    area_mm2 = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2 / scale**2
    cut_corners = 4 * 0.5 * 0.25 * spacing[0] * spacing[1]  # marching squares cuts each corner at half a pixel
    assert area_mm2 == pytest.approx(20 * 40 * spacing[0] * spacing[1] - cut_corners, rel=1e-3)


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    image = SliceImage(samples=np.zeros((90, 120)), spacing_mm=(1.0, 0.8), window=(0.0, 1.0), facing=AXIAL)
    svg = slice_svg(image, [], title="", caption="")
    found = re.search(r">(\d+) mm</text>", svg)
    bar = re.search(r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', svg)
    assert found is not None
    assert bar is not None
    assert float(bar[2]) - float(bar[1]) == pytest.approx(int(found[1]) * WIDTH / (120 * 0.8), abs=0.02)


def test_grey_values_are_the_windowed_samples() -> None:
    samples = np.linspace(-2000.0, 3000.0, 64 * 64, dtype=np.float32).reshape(1, 64, 64)
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    mask = np.ones(grid.shape, bool)
    svg = lesion_figure(
        Volume(samples=samples, grid=grid, modality=Modality.CT),
        [Segment(mask=mask, grid=grid, kind=SegmentKind.LESION)],
    )
    low, high = CT_WINDOW_HU
    expected = np.round(np.clip((samples[0].astype(float) - low) / (high - low), 0, 1) * 255)
    assert np.array_equal(pixels(svg), expected)


def test_proposed_outlines_are_dashed_and_confirmed_ones_are_not() -> None:
    samples, lesion = scene()
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    proposed = Segment(mask=lesion, grid=grid, kind=SegmentKind.LESION, name="left")
    assert "stroke-dasharray" in lesion_figure(volume, [proposed])
    assert "left (proposed)" in lesion_figure(volume, [proposed])
    accepted = lesion_figure(volume, [proposed.with_status(Status.ACCEPTED)])
    assert "stroke-dasharray" not in accepted
    assert "(proposed)" not in accepted


def test_words_of_a_figure_are_words() -> None:
    samples, lesion = scene()
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    hostile = '</text><script>alert(1)</script>"onload="x'
    segment = Segment(mask=lesion, grid=grid, kind=SegmentKind.LESION, name=hostile)
    volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    assert "<script" not in embedded(lesion_figure(volume, [segment], title=hostile, caption=hostile))


def test_the_same_input_gives_the_same_text(figures: dict[str, str]) -> None:
    samples, lesion = scene()
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    segment = Segment(mask=lesion, grid=grid, kind=SegmentKind.LESION)
    assert lesion_figure(volume, [segment]) == lesion_figure(volume, [segment])
    assert len({figures["L1-T0"], figures["L1-T2"]}) == 2


def test_a_padded_image_is_windowed_by_what_was_measured() -> None:
    samples, lesion = scene()
    valid = np.ones(samples.shape, bool)
    valid[:, :, :10] = False
    padded = np.where(valid, samples, np.float32(-30000.0)).astype(np.float32)
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    segment = Segment(mask=lesion, grid=grid, kind=SegmentKind.LESION)
    svg = lesion_figure(Volume(samples=padded, grid=grid, modality=Modality.MR, valid=valid), [segment])
    assert pixels(svg)[:, 10:].std() > 30  # the padding does not swallow the grey scale


def test_what_cannot_be_shown_is_refused() -> None:
    samples, lesion = scene()
    grid = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0))
    volume = Volume(samples=samples, grid=grid, modality=Modality.MR)
    with pytest.raises(EmptyMask):
        lesion_figure(volume, [Segment(mask=np.zeros_like(lesion), grid=grid)])
    elsewhere = Grid.from_spacing(samples.shape, (5.0, 1.0, 1.0), origin_mm=(1.0, 0.0, 0.0))
    with pytest.raises(GeometryError):
        lesion_figure(volume, [Segment(mask=lesion, grid=elsewhere)])
