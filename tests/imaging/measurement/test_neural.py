"""What may be said of canal and foramina: a plug in them is never none, their walls are no plug."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.errors import GeometryError
from imaging.geometry import Grid
from imaging.measurement import Quantity
from imaging.measurement.neural import NeuralDoubt, doubt_findings, neural_doubt, neural_quantity
from imaging.segmentation.material_find import MaterialFind
from imaging.segmentation.material_search import LOWEST_PLATEAU_HU, MIN_NEURAL_ML
from imaging.segmentation.piece import equivalent_radius_mm
from imaging.volume import Modality, Volume

FINE_MM, PIXEL_MM, WIDEST_BLUR_MM = 0.2, 0.8, 1.6
SIZE_MM = np.array([30.0, 16.0, 16.0])
CANAL_MM, CORTEX_HU, FLUID_HU = 5.0, 1150.0, 20.0
RADIUS_MM = equivalent_radius_mm(MIN_NEURAL_ML)


def scanned(
    leak: tuple[tuple[float, float, float], float] | None = None,
    *,
    slice_mm: float = 1.0,
    blur_mm: float = WIDEST_BLUR_MM,
    hu: float = LOWEST_PLATEAU_HU,
    canal_mm: float = CANAL_MM,
) -> Volume:
    """A canal along the first axis through solid cortex, and a ball (centre from the middle, radius) in it."""
    axes = [(np.arange(round(size / FINE_MM)) + 0.5) * FINE_MM - size / 2 for size in SIZE_MM]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    fine = np.where(np.broadcast_to(np.hypot(y, x) <= canal_mm, (z.size, y.size, x.size)), FLUID_HU, CORTEX_HU)
    if leak is not None:
        centre, radius = leak
        fine[sum((a - c) ** 2 for a, c in zip((z, y, x), centre, strict=True)) <= radius**2] = hu
    fine = ndimage.gaussian_filter(fine.astype(np.float32), blur_mm / 2.3548 / FINE_MM)
    n = [round(step / FINE_MM) for step in (slice_mm, PIXEL_MM, PIXEL_MM)]
    shape = [size for count, k in zip(fine.shape, n, strict=True) for size in (count // k, k)]
    samples = fine.reshape(shape).mean(axis=(1, 3, 5))
    grid = Grid.from_spacing(samples.shape, (slice_mm, PIXEL_MM, PIXEL_MM))
    return Volume(samples=np.rint(samples).astype(np.int16), grid=grid, modality=Modality.CT)


def outlined(ct: Volume, radius_mm: float = CANAL_MM, aside_mm: float = 0.0) -> BoolArray:
    """The canal as a reader outlines it on the CT."""
    y, x = ((np.arange(n) + 0.5) * PIXEL_MM - size / 2 for n, size in zip(ct.grid.shape[1:], SIZE_MM[1:], strict=True))
    return np.broadcast_to(np.hypot(y[:, None] - aside_mm, x) <= radius_mm, ct.grid.shape).copy()


def nothing(ct: Volume) -> MaterialFind:
    return MaterialFind(grid=ct.grid, labels=np.zeros(ct.grid.shape, np.uint16))


@settings(max_examples=25)
@given(
    slice_mm=st.sampled_from([1.0, 2.0, 3.0, 5.0]),
    along=st.floats(-3, 3),
    off=st.floats(0, CANAL_MM - RADIUS_MM),
    turn=st.floats(0, 2 * np.pi),
)
def test_the_least_dense_cement_of_the_least_told_size_is_never_none_wherever_it_lies(slice_mm, along, off, turn):
    ct = scanned(((along, off * np.cos(turn), off * np.sin(turn)), RADIUS_MM), slice_mm=slice_mm)
    doubt = neural_doubt(ct, nothing(ct), outlined(ct))
    assert doubt.dense_ml >= MIN_NEURAL_ML


@pytest.mark.parametrize("blur_mm", [0.7, WIDEST_BLUR_MM])
@pytest.mark.parametrize("slice_mm", [1.0, 5.0])
@pytest.mark.parametrize(("too_wide_mm", "aside_mm"), [(0.0, 0.0), (PIXEL_MM / 2, 0.0), (0.0, PIXEL_MM)])
def test_the_walls_of_a_clean_canal_are_none_though_its_outline_is_off_by_a_pixel(
    slice_mm, blur_mm, too_wide_mm, aside_mm
):
    ct = scanned(slice_mm=slice_mm, blur_mm=blur_mm)
    assert neural_doubt(ct, nothing(ct), outlined(ct, CANAL_MM + too_wide_mm, aside_mm)) == NeuralDoubt()


def test_what_is_outlined_as_material_is_no_doubt_and_neither_is_its_blur():
    ct = scanned(((0.0, 0.0, 0.0), 3.0), hu=3000)
    find = MaterialFind(grid=ct.grid, labels=(ct.samples >= 1500).astype(np.uint16) * outlined(ct))
    assert find.labels.any()
    assert neural_doubt(ct, nothing(ct), outlined(ct)).dense_ml > 0.1
    assert neural_doubt(ct, find, outlined(ct)) == NeuralDoubt()


def test_bone_within_the_error_of_a_carried_outline_is_no_doubt_and_material_deeper_is():
    clean, filled = scanned(), scanned(((0.0, 0.0, 0.0), 2.0))
    aside = outlined(clean, aside_mm=2.0)
    assert neural_doubt(clean, nothing(clean), aside).dense_ml > 0, "so much bone in an outline of this CT is a doubt"
    assert neural_doubt(clean, nothing(clean), aside, error_mm=2.0) == NeuralDoubt()
    assert neural_doubt(filled, nothing(filled), aside, error_mm=2.0).dense_ml > 0


@pytest.mark.parametrize("filled", [False, True])
def test_a_foramen_that_is_all_border_is_judged_whole(filled):
    ct = scanned(((0.0, 0.0, 0.0), 1.6) if filled else None, canal_mm=2.0, blur_mm=0.7)
    doubt = neural_doubt(ct, nothing(ct), outlined(ct, 2.0), error_mm=2.0)
    assert (doubt.dense_ml > 0) == filled


def test_what_was_not_imaged_is_not_none():
    ct = scanned()
    valid = np.ones(ct.grid.shape, bool)
    valid[:3] = False
    part = Volume(samples=ct.samples, grid=ct.grid, modality=Modality.CT, valid=valid)
    doubt = neural_doubt(part, nothing(part), outlined(part))
    assert doubt.unseen_ml == pytest.approx(np.pi * CANAL_MM**2 * 3 / 1000, rel=0.1)
    assert neural_quantity(Quantity(0.0, "mL", ""), doubt) is None


def test_none_has_a_bound_and_what_is_found_stands_whatever_else_may_lie_there():
    doubt = NeuralDoubt(dense_ml=0.3)
    none, less, much = (Quantity(ml, "mL", "", (0.9 * ml, 1.2 * ml)) for ml in (0.0, 0.01, 0.2))
    assert neural_quantity(none, NeuralDoubt()).interval95 == (0, MIN_NEURAL_ML)
    assert [neural_quantity(q, NeuralDoubt()).value for q in (less, much)] == [0.01, 0.2]
    assert [neural_quantity(q, doubt) for q in (none, less)] == [None, None]
    assert neural_quantity(much, doubt).value == 0.2
    assert neural_quantity(much, doubt).interval95 == pytest.approx((0.18, 0.54))


def test_where_nobody_looked_none_is_not_said():
    assert neural_quantity(Quantity(0.0, "mL", ""), None) is None
    assert [finding.code for finding in doubt_findings(None)] == ["NEURAL_NOT_EXCLUDED"]
    assert doubt_findings(NeuralDoubt()) == ()


def test_a_mask_of_another_grid_is_refused():
    ct = scanned()
    with pytest.raises(GeometryError):
        neural_doubt(ct, nothing(ct), np.ones((2, 2, 2), bool))
