"""Simulated CT of cement in a lytic lesion: a 0.4 mm lattice of known volume, blurred, averaged into voxels, noisy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.geometry.transform import Rigid
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.cement import MaterialFind, find_material
from imaging.volume import Modality, Volume

FINE_MM = 0.4
EXTENT_MM = (66.0, 60.0, 60.0)
PIXEL_MM = 0.8
L1 = LesionId("L1")


@dataclass(frozen=True)
class Scene:
    """Tissue on the fine lattice, and how it is scanned."""

    hu: NDArray[np.float32]
    lesion: NDArray[np.bool_]

    def painted(self, where: NDArray[np.bool_], hu: float) -> Scene:
        return replace(self, hu=np.where(where, np.float32(hu), self.hu))

    def scanned(self, *, slice_mm: float = 2.0, clip: float | None = None, noise: float = 12.0, fwhm: float = 1.0):
        """CT with Gaussian blur, box-shaped slices and pixels, white noise, and the lesion's mask."""
        blurred = ndimage.gaussian_filter(self.hu, fwhm / np.sqrt(8 * np.log(2)) / FINE_MM)
        samples = _averaged(blurred, (slice_mm, PIXEL_MM, PIXEL_MM))
        samples = samples + np.random.default_rng(7).normal(0, noise, samples.shape)
        samples = samples if clip is None else np.minimum(samples, clip)
        grid = Grid.from_spacing(samples.shape, (slice_mm, PIXEL_MM, PIXEL_MM))
        lesion = _averaged(self.lesion.astype(np.float32), (slice_mm, PIXEL_MM, PIXEL_MM)) >= 0.5
        return Volume(samples=np.round(samples).astype(np.int16), grid=grid, modality=Modality.CT), lesion


def _averaged(fine: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    out = fine.astype(np.float64)
    for axis, step in enumerate(spacing_mm):
        total = np.concatenate([np.zeros_like(out.take([0], axis)), np.cumsum(out, axis)], axis)
        edges = np.arange(int(out.shape[axis] * FINE_MM / step + 1e-6) + 1) * step / FINE_MM
        low = np.minimum(np.floor(edges + 1e-9).astype(int), out.shape[axis])
        part = (edges - low).reshape([-1 if other == axis else 1 for other in range(3)])
        at = total.take(low, axis) * (1 - part) + total.take(np.minimum(low + 1, out.shape[axis]), axis) * part
        out = np.diff(at, axis=axis) * FINE_MM / step
    return out


def _axes() -> tuple[NDArray[np.float64], ...]:
    counts = [round(extent / FINE_MM) for extent in EXTENT_MM]
    return tuple(
        ((np.arange(n) + 0.5) * FINE_MM - extent / 2).reshape([-1 if axis == other else 1 for other in range(3)])
        for axis, (n, extent) in enumerate(zip(counts, EXTENT_MM, strict=True))
    )


def ellipsoid(centre, radii) -> NDArray[np.bool_]:
    return sum(((a - c) / r) ** 2 for a, c, r in zip(_axes(), centre, radii, strict=True)) <= 1


def tube(centre, direction, radius, half_length) -> NDArray[np.bool_]:
    direction = np.array(direction) / np.linalg.norm(direction)
    offsets = [a - c for a, c in zip(_axes(), centre, strict=True)]
    along = sum(o * d for o, d in zip(offsets, direction, strict=True))
    return (sum(o**2 for o in offsets) - along**2 <= radius**2) & (np.abs(along) <= half_length)


def bone_with_lesion(cortex_hu: float = 1150.0) -> Scene:
    """An ellipsoid of marrow in 1.2 mm of cortex, with a 15.5 mm lytic lesion."""
    hu = np.full([round(extent / FINE_MM) for extent in EXTENT_MM], 55.0, np.float32)
    lesion = ellipsoid((0, 3, 2), (15.5, 15.5, 15.5))
    scene = Scene(hu, lesion).painted(ellipsoid((0, 0, 0), (30, 25, 27)), cortex_hu)
    return scene.painted(ellipsoid((0, 0, 0), (28.8, 23.8, 25.8)), 90.0).painted(lesion, 45.0)


def compact_cement() -> NDArray[np.bool_]:
    """About 6.6 mL with two fingers of 3.6 mm that leave the body."""
    body = ellipsoid((1, 4, 3), (12.7, 10.5, 10.2))
    return body | tube((1, 4, 3), (0.3, 1, 0.4), 1.8, 15) | tube((1, 4, 3), (0.2, -0.5, 1), 1.8, 15)


def fragmented_cement() -> NDArray[np.bool_]:
    """Eight islands of 0.3-0.9 mL."""
    rng = np.random.default_rng(5)
    centres = [(z, y + 3, x + 2) for z in (-7, 7) for y in (-6, 6) for x in (-6, 6)]
    return np.logical_or.reduce([ellipsoid(c, rng.uniform(4.0, 6.2, 3)) for c in centres])


def ml(mask: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(mask) * FINE_MM**3 / 1000)


def total_ml(find: MaterialFind, *kinds: SegmentKind) -> float:
    return sum(piece.volume_ml for piece in find.pieces if not kinds or piece.kind in kinds)


def codes(find: MaterialFind) -> set[str]:
    return {finding.code for piece in find.pieces for finding in piece.findings}


@pytest.fixture(scope="module")
def host() -> Scene:
    return bone_with_lesion()


@pytest.mark.parametrize("slice_mm", [1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("hu", [2200.0, 5500.0])
def test_compact_cement_is_measured_within_15_percent_and_its_interval_holds_the_truth(host, hu, slice_mm):
    cement = compact_cement()
    volume, lesion = host.painted(cement, hu).scanned(slice_mm=slice_mm)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma-barium",))
    assert total_ml(find, SegmentKind.CEMENT) == pytest.approx(ml(cement), rel=0.15)
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    assert low <= ml(cement) <= high
    assert {piece.lesion for piece in find.pieces} == {L1}
    assert "MATERIAL_SATURATED" not in codes(find)


@pytest.mark.parametrize("hu", [3500.0, 5500.0, 8600.0])
@pytest.mark.parametrize("slice_mm", [1.0, 3.0])
def test_clipped_cement_is_flagged_and_still_within_15_percent(host, hu, slice_mm):
    cement = compact_cement()
    volume, lesion = host.painted(cement, hu).scanned(slice_mm=slice_mm, clip=3071)
    find = find_material(volume, lesion_masks={L1: lesion})
    assert find.saturation_hu == 3071
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.15)
    assert sum(piece.interval95_ml[0] for piece in find.pieces) <= ml(cement)
    assert sum(piece.interval95_ml[1] for piece in find.pieces) >= ml(cement)
    assert {"MATERIAL_SATURATED", "MATERIAL_UNCLASSIFIED"} <= codes(find)


@pytest.mark.parametrize("slice_mm", [1.0, 3.0])
def test_fragmented_cement_is_measured_within_15_percent(host, slice_mm):
    cement = fragmented_cement()
    volume, lesion = host.painted(cement, 2200).scanned(slice_mm=slice_mm)
    assert total_ml(find_material(volume, lesion_masks={L1: lesion})) == pytest.approx(ml(cement), rel=0.15)


def test_low_barium_cement_is_found_beside_cortex_but_marked_as_doubtful(host):
    cement = compact_cement()
    volume, lesion = host.painted(cement, 1500).scanned(slice_mm=1.0)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma",))
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.15)
    assert "LOW_PLATEAU" in codes(find)
    low, high = find.pieces[0].interval95_ml
    assert high - low > 0.6 * find.pieces[0].volume_ml


NEGATIVES = {
    "sclerotic metastasis": (ellipsoid((0, 3, 2), (12, 12, 12)), 1400.0),
    "enteric contrast": (tube((0, 28, 0), (0, 0, 1), 6, 24), 1400.0),
    "bladder contrast": (ellipsoid((-25, 25, 0), (14, 14, 20)), 800.0),
    "calcified artery": (
        tube((0, -27.5, -20), (1, 0, 0.1), 2.4, 30) & ~tube((0, -27.5, -20), (1, 0, 0.1), 1.6, 30),
        1300.0,
    ),
    "gas in the lesion": (ellipsoid((0, 3, 2), (5, 5, 5)), -950.0),
}


@pytest.mark.parametrize("name", NEGATIVES)
@pytest.mark.parametrize("noise", [12.0, 30.0])
def test_what_is_no_material_gives_no_piece(host, name, noise):
    where, hu = NEGATIVES[name]
    volume, lesion = host.painted(where, hu).scanned(slice_mm=1.0, noise=noise)
    assert find_material(volume, lesion_masks={L1: lesion}).pieces == ()


@pytest.mark.parametrize("clip", [None, 3071])
def test_a_screw_is_metal_and_never_cement(host, clip):
    volume, lesion = host.painted(tube((0, 0, 0), (0.2, 0.1, 1), 3.5, 25), 12900).scanned(slice_mm=1.0, clip=clip)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma",))
    assert [piece.kind for piece in find.pieces if piece.volume_ml > 0.1] == [SegmentKind.METAL]
    assert total_ml(find, SegmentKind.CEMENT) < 0.05


def test_the_earlier_ct_tells_old_glue_from_new_cement(host):
    glue, cement = ellipsoid((8, 6, 6), (5, 5, 5)), ellipsoid((-8, 0, -2), (7, 7, 7))
    before, _ = host.painted(glue, 5000).scanned(slice_mm=2.0, clip=3071)
    volume, lesion = host.painted(glue, 4000).painted(cement, 5500).scanned(slice_mm=2.0, clip=3071)
    find = find_material(
        volume,
        before=before,
        lesion_masks={L1: lesion},
        agents={L1: ("nbca-lipiodol", "pmma-barium")},
        agents_before={L1: ("nbca-lipiodol",)},
    )
    assert {(piece.kind, piece.is_new) for piece in find.pieces} == {
        (SegmentKind.EMBOLIC, False),
        (SegmentKind.CEMENT, True),
    }
    assert total_ml(find, SegmentKind.CEMENT) == pytest.approx(ml(cement), rel=0.15)
    assert total_ml(find, SegmentKind.EMBOLIC) == pytest.approx(ml(glue), rel=0.15)


def test_without_an_earlier_ct_a_clipped_mixture_stays_unclassified(host):
    volume, lesion = host.painted(compact_cement(), 5500).scanned(clip=3071)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("nbca-lipiodol", "pmma-barium"))
    assert {piece.kind for piece in find.pieces} == {SegmentKind.UNCLASSIFIED}


def test_the_earlier_ct_uncovers_cement_no_denser_than_bone(host):
    cement = ellipsoid((0, 3, 2), (9, 9, 9))
    volume, lesion = host.painted(cement, 1250).scanned(slice_mm=1.0)
    before, _ = host.scanned(slice_mm=1.0)
    shift = Rigid.from_shift((0.3, -0.3, 0.3))  # what registration leaves
    assert find_material(volume, lesion_masks={L1: lesion}).pieces == ()
    find = find_material(volume, before=before, before_from_volume=shift, lesion_masks={L1: lesion}, agents=("pmma",))
    assert total_ml(find, SegmentKind.CEMENT) == pytest.approx(ml(cement), rel=0.15)


def test_each_lesion_has_its_own_history(host):
    left, right = ellipsoid((0, 3, 12), (6, 6, 6)), ellipsoid((0, 3, -10), (6, 6, 6))
    volume, lesion = host.painted(left | right, 5500).scanned(clip=3071)
    x = np.arange(volume.grid.shape[2]) * PIXEL_MM - EXTENT_MM[2] / 2
    lesions = {L1: lesion & (x > 2), LesionId("L2"): lesion & (x < 0)}
    find = find_material(volume, lesion_masks=lesions, agents={L1: ("pmma", "nbca"), LesionId("L2"): ("pmma",)})
    assert {(piece.lesion, piece.kind) for piece in find.pieces} == {
        (L1, SegmentKind.UNCLASSIFIED),
        (LesionId("L2"), SegmentKind.CEMENT),
    }


def test_volume_does_not_depend_on_how_the_axes_run(host):
    volume, _ = host.painted(compact_cement(), 2200).scanned(slice_mm=3.0)
    flipped = np.ascontiguousarray(volume.samples[::-1, :, ::-1].transpose(0, 2, 1))
    grid = Grid.from_spacing(flipped.shape, (3.0, PIXEL_MM, PIXEL_MM))
    turned = Volume(samples=flipped, grid=grid, modality=Modality.CT)
    volumes = [[round(piece.volume_ml, 6) for piece in find_material(v).pieces] for v in (volume, turned)]
    assert volumes[0] == pytest.approx(volumes[1], rel=1e-3)


def test_material_at_the_border_is_said_to_be_cut(host):
    volume, _ = host.painted(compact_cement(), 2500).scanned()
    half = volume.grid.shape[0] // 2
    grid = volume.grid.crop((half, 0, 0), volume.grid.shape)
    assert "MATERIAL_CUT_BY_IMAGE" in codes(find_material(replace(volume, samples=volume.samples[half:], grid=grid)))


def test_padding_is_no_material(host):
    volume, _ = host.scanned()
    samples = volume.samples.copy()
    samples[:5] = 3000
    valid = np.ones(volume.grid.shape, bool)
    valid[:5] = False
    assert find_material(replace(volume, samples=samples, valid=valid)).pieces == ()


def test_mr_is_refused_and_foreign_masks_too(host):
    volume, lesion = host.scanned()
    with pytest.raises(UsageError, match="Hounsfield"):
        find_material(replace(volume, modality=Modality.MR))
    with pytest.raises(GeometryError, match="bone"):
        find_material(volume, bone=lesion[1:])
