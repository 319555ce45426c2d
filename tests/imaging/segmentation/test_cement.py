"""Cement in a lytic lesion on simulated CT: known volume, blurred, averaged into voxels, noisy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.arrays import BoolArray
from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.geometry.transform import Rigid
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.cement import MaterialFind, find_material
from imaging.synthetic.bone_block import EXTENT_MM, BoneBlock, ellipsoid, fragmented_deposit, ml, tube
from imaging.volume import Modality, Volume

L1 = LesionId("L1")


def compact_cement() -> BoolArray:
    """About 6.6 mL with two fingers of 3.6 mm that leave the body."""
    body = ellipsoid((1, 4, 3), (12.7, 10.5, 10.2))
    return body | tube((1, 4, 3), (0.3, 1, 0.4), 1.8, 15) | tube((1, 4, 3), (0.2, -0.5, 1), 1.8, 15)


def fragmented_cement() -> BoolArray:
    """Eight islands of 0.3-0.9 mL."""
    rng = np.random.default_rng(5)
    centres = [(z, y + 3, x + 2) for z in (-7, 7) for y in (-6, 6) for x in (-6, 6)]
    return np.logical_or.reduce([ellipsoid(c, rng.uniform(4.0, 6.2, 3)) for c in centres])


def total_ml(find: MaterialFind, *kinds: SegmentKind) -> float:
    return sum(piece.volume_ml for piece in find.pieces if not kinds or piece.kind in kinds)


def codes(find: MaterialFind) -> set[str]:
    return {finding.code for piece in find.pieces for finding in piece.findings}


@pytest.fixture(scope="module")
def host() -> BoneBlock:
    return BoneBlock.with_lesion()


@pytest.mark.parametrize("slice_mm", [1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("hu", [2200.0, 5500.0])
def test_compact_cement_is_measured_within_5_percent_and_its_interval_holds_the_truth(host, hu, slice_mm):
    cement = compact_cement()
    volume, lesion = host.painted(cement, hu).scanned(slice_mm=slice_mm)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma-barium",))
    assert total_ml(find, SegmentKind.CEMENT) == pytest.approx(ml(cement), rel=0.05)
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    assert low <= ml(cement) <= high
    assert {piece.lesion for piece in find.pieces} == {L1}
    assert "MATERIAL_SATURATED" not in codes(find)


@pytest.mark.parametrize("hu", [3500.0, 5500.0, 8600.0])
@pytest.mark.parametrize("slice_mm", [1.0, 3.0])
def test_clipped_cement_is_flagged_and_still_within_15_percent(host, hu, slice_mm):
    cement = compact_cement()
    volume, lesion = host.painted(cement, hu).scanned(slice_mm=slice_mm, clip_hu=3071)
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


@pytest.mark.parametrize("slice_mm", [1.5, 5.0])
@pytest.mark.parametrize("cortex_hu", [900.0, 1400.0])
def test_low_barium_cement_against_cortex_is_found_but_marked_as_doubtful(cortex_hu, slice_mm):
    host = BoneBlock.with_lesion(cortex_hu)
    behind = np.broadcast_to(np.arange(host.hu.shape[1])[:, None] > 94, host.hu.shape)
    cement = ellipsoid((0, 0, 0), (28.8, 23.8, 25.8)) & behind
    volume, lesion = host.painted(cement, 1800).scanned(slice_mm=slice_mm)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma",))
    assert "LOW_PLATEAU" in codes(find)
    low, high = find.pieces[0].interval95_ml
    assert low <= ml(cement) <= high
    assert high - low > 0.6 * find.pieces[0].volume_ml


@pytest.mark.parametrize("slice_mm", [0.75, 2.0, 5.0])
def test_low_barium_cement_that_no_bone_touches_needs_no_warning(host, slice_mm):
    cement = ellipsoid((0, 3, 2), (9, 9, 9))
    volume, lesion = host.painted(cement, 1500).scanned(slice_mm=slice_mm)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma",))
    low, high = find.pieces[0].interval95_ml
    assert low <= ml(cement) <= high
    assert high - low < 0.3 * ml(cement)
    assert "LOW_PLATEAU" not in codes(find)


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
    volume, lesion = host.painted(where, hu).scanned(slice_mm=1.0, noise_hu=noise)
    assert find_material(volume, lesion_masks={L1: lesion}).pieces == ()


@pytest.mark.parametrize("clip", [None, 3071])
def test_a_screw_is_metal_and_never_cement(host, clip):
    volume, lesion = host.painted(tube((0, 0, 0), (0.2, 0.1, 1), 3.5, 25), 12900).scanned(slice_mm=1.0, clip_hu=clip)
    find = find_material(volume, lesion_masks={L1: lesion}, agents=("pmma",))
    assert [piece.kind for piece in find.pieces if piece.volume_ml > 0.1] == [SegmentKind.METAL]
    assert total_ml(find, SegmentKind.CEMENT) < 0.05


def test_the_earlier_ct_tells_old_glue_from_new_cement(host):
    glue, cement = ellipsoid((8, 6, 6), (5, 5, 5)), ellipsoid((-8, 0, -2), (7, 7, 7))
    before, _ = host.painted(glue, 5000).scanned(slice_mm=2.0, clip_hu=3071)
    volume, lesion = host.painted(glue, 4000).painted(cement, 5500).scanned(slice_mm=2.0, clip_hu=3071)
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


def test_a_body_that_the_earlier_ct_cuts_in_old_and_new_counts_once(host):
    glue, cement = ellipsoid((5, 3, 6), (6, 6, 6)), ellipsoid((-4, 3, 0), (7, 7, 7))
    before, _ = host.painted(glue, 5500).scanned(slice_mm=1.0, clip_hu=3071)
    volume, lesion = host.painted(glue | cement, 5500).scanned(slice_mm=1.0, clip_hu=3071)
    find = find_material(volume, before=before, lesion_masks={L1: lesion})
    assert {piece.is_new for piece in find.pieces} == {True, False}
    assert total_ml(find) == pytest.approx(ml(glue | cement), rel=0.10)


def test_without_an_earlier_ct_a_clipped_mixture_stays_unclassified(host):
    volume, lesion = host.painted(compact_cement(), 5500).scanned(clip_hu=3071)
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
    volume, lesion = host.painted(left | right, 5500).scanned(clip_hu=3071)
    x = (np.arange(volume.grid.shape[2]) - volume.grid.shape[2] / 2) * volume.grid.spacing_mm[2]
    lesions = {L1: lesion & (x > 2), LesionId("L2"): lesion & (x < 0)}
    find = find_material(volume, lesion_masks=lesions, agents={L1: ("pmma", "nbca"), LesionId("L2"): ("pmma",)})
    assert {(piece.lesion, piece.kind) for piece in find.pieces} == {
        (L1, SegmentKind.UNCLASSIFIED),
        (LesionId("L2"), SegmentKind.CEMENT),
    }


def test_volume_does_not_depend_on_how_the_axes_run(host):
    volume, _ = host.painted(compact_cement(), 2200).scanned(slice_mm=3.0)
    flipped = np.ascontiguousarray(volume.samples[::-1, :, ::-1].transpose(0, 2, 1))
    grid = Grid.from_spacing(flipped.shape, (3.0, volume.grid.spacing_mm[2], volume.grid.spacing_mm[2]))
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


@pytest.mark.parametrize("slice_mm", [0.75, 2.0, 5.0])
@pytest.mark.parametrize("hu", [1500.0, 2200.0])
@pytest.mark.parametrize("blur_mm", [0.7, 1.6])
def test_with_a_ct_from_before_blur_and_thick_slices_cost_fragments_no_volume(host, hu, slice_mm, blur_mm):
    cement = fragmented_deposit(3.0, np.random.default_rng(11))
    volume, lesion = host.painted(cement, hu).scanned(slice_mm=slice_mm, blur_mm=blur_mm)
    before, _ = host.scanned(slice_mm=slice_mm, blur_mm=blur_mm, seed=8)
    shift = Rigid.from_shift((0.3, -0.3, 0.3))
    find = find_material(volume, before=before, before_from_volume=shift, lesion_masks={L1: lesion})
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.03 if slice_mm <= 2 else 0.10)
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    assert low <= ml(cement) <= high
    assert high - low < 0.3 * ml(cement)


def test_parts_of_a_piece_add_up_to_its_volume(host):
    volume, lesion = host.painted(compact_cement(), 2200).scanned(slice_mm=3.0)
    find = find_material(volume, lesion_masks={L1: lesion})
    front = np.broadcast_to(np.arange(find.grid.shape[1])[:, None] < 40, find.grid.shape)
    assert find.part_ml(front) + find.part_ml(~front) == pytest.approx(total_ml(find), rel=1e-12)
    assert 0 < find.part_ml(front) < total_ml(find)


def test_compact_ground_that_may_be_cement_or_bone_is_not_counted_and_not_passed_over_in_silence(host):
    where, hu = NEGATIVES["sclerotic metastasis"]
    volume, lesion = host.painted(where, hu).scanned(slice_mm=1.0)
    assert "MATERIAL_POSSIBLE" in {
        finding.code for finding in find_material(volume, lesion_masks={L1: lesion}).findings
    }
    volume, lesion = host.scanned(slice_mm=1.0)
    assert "MATERIAL_POSSIBLE" not in {f.code for f in find_material(volume, lesion_masks={L1: lesion}).findings}


@pytest.mark.parametrize("hu", [1800.0, 2200.0])
def test_without_bone_in_view_what_may_be_cement_is_counted_only_if_an_earlier_ct_shows_it_to_be_new(host, hu):
    soft = replace(host, hu=np.full_like(host.hu, 45.0))
    cement = ellipsoid((0, 3, 2), (8, 8, 8))
    volume, lesion = soft.painted(cement, hu).scanned(slice_mm=1.0)
    alone = find_material(volume, lesion_masks={L1: lesion})
    assert alone.pieces == ()
    assert "MATERIAL_POSSIBLE" in {finding.code for finding in alone.findings}
    before, _ = soft.scanned(slice_mm=1.0, seed=8)
    find = find_material(volume, before=before, lesion_masks={L1: lesion})
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.05)
    assert "MATERIAL_POSSIBLE" not in {finding.code for finding in find.findings}


@pytest.mark.parametrize("cortex_hu", [900.0, 1150.0])
@pytest.mark.parametrize("off_mm", [0.0, 0.3])
def test_cement_that_lies_along_the_cortex_is_held_by_its_interval_with_a_ct_from_before(cortex_hu, off_mm):
    host = BoneBlock.with_lesion(cortex_hu)
    behind = np.broadcast_to(np.arange(host.hu.shape[1])[:, None] > 94, host.hu.shape)
    cement = ellipsoid((0, 0, 0), (28.8, 23.8, 25.8)) & behind  # up to the cortex; a face half-way through pixels
    volume, lesion = host.painted(cement, 2200).scanned(slice_mm=1.5)
    before, _ = host.scanned(slice_mm=1.5, seed=8)
    shift = Rigid.from_shift((off_mm, off_mm, off_mm))
    find = find_material(volume, before=before, before_from_volume=shift, lesion_masks={L1: lesion})
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    assert low <= ml(cement) <= high
    assert high - low < 0.15 * ml(cement)
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.05)


@pytest.mark.parametrize("as_padding", [False, True])
def test_a_piece_that_the_field_of_view_cuts_says_so(host, as_padding):
    volume, _ = host.painted(ellipsoid((0, 3, 2), (9, 9, 9)), 2500).scanned(slice_mm=1.0)
    count = volume.grid.shape[0] // 2
    if as_padding:
        valid = np.broadcast_to(np.arange(volume.grid.shape[0])[:, None, None] < count, volume.grid.shape)
        cut = replace(volume, samples=np.where(valid, volume.samples, -1024).astype(np.int16), valid=valid)
    else:
        grid = volume.grid.crop((0, 0, 0), (count, *volume.grid.shape[1:]))
        cut = replace(volume, samples=volume.samples[:count], grid=grid)
    assert "MATERIAL_CUT_BY_IMAGE" not in codes(find_material(volume))
    assert "MATERIAL_CUT_BY_IMAGE" in codes(find_material(cut))


def test_an_earlier_ct_that_ends_within_a_piece_hides_no_cement(host):
    cement = ellipsoid((0, 3, 2), (8, 8, 8))
    volume, lesion = host.painted(cement, 1800).scanned(slice_mm=1.0)
    before, _ = host.scanned(slice_mm=1.0, seed=8)
    valid = np.broadcast_to(np.arange(before.grid.shape[2]) < 35, before.grid.shape)
    find = find_material(volume, before=replace(before, valid=valid), lesion_masks={L1: lesion})
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.05)
    assert [piece.is_new for piece in find.pieces] == [None]


@pytest.mark.parametrize("hu", [1800.0, 2200.0])
def test_a_strand_beside_cement_is_material_though_too_thin_for_its_shape_to_say_so(host, hu):
    cement, strand = ellipsoid((0, 3, 2), (7, 7, 7)), tube((0, -29, 0), (1, 0, 0), 1.5, 12)
    volume, lesion = host.painted(cement | strand, hu).scanned(slice_mm=1.0)
    find = find_material(volume, lesion_masks={L1: lesion})
    assert total_ml(find) == pytest.approx(ml(cement | strand), rel=0.05)
    alone, _ = host.painted(strand, hu).scanned(slice_mm=1.0)
    assert find_material(alone, lesion_masks={L1: lesion}).pieces == ()


def test_a_line_no_denser_than_cortex_beside_cement_is_no_material(host):
    cement, line = ellipsoid((0, 3, 2), (7, 7, 7)), tube((0, -29, 0), (1, 0, 0), 1.5, 12)
    volume, lesion = host.painted(line, 1300.0).painted(cement, 2200).scanned(slice_mm=1.0)
    find = find_material(volume, lesion_masks={L1: lesion})
    assert total_ml(find) == pytest.approx(ml(cement), rel=0.05)


CANAL = tube((0, -18.5, 0), (1, 0, 0), 4.0, 40)
THIN = tube((0, -18.5, 0), (1, 0, 0), 1.8, 20)


@pytest.fixture(scope="module")
def canal_host(host) -> BoneBlock:
    return host.painted(tube((0, -18.5, 0), (1, 0, 0), 5.2, 28), 1150.0).painted(CANAL, 20.0)


def on_grid(mask: BoolArray, volume: Volume) -> BoolArray:
    """The lattice point at each voxel's centre."""
    fine_mm = np.array(EXTENT_MM) / mask.shape
    centres = [(np.arange(n) + 0.5) * step for n, step in zip(volume.grid.shape, volume.grid.spacing_mm, strict=True)]
    return mask[np.ix_(*[(axis / fine).astype(int) for axis, fine in zip(centres, fine_mm, strict=True)])]


@pytest.mark.parametrize("hu", [1800.0, 2200.0])
def test_a_strand_in_the_canal_is_no_measure_of_cortex_and_hides_neither_itself_nor_other_cement(canal_host, hu):
    """Cortex has few voxels: those of a strand as dense as cement would raise it until nothing exceeds it."""
    cement = ellipsoid((0, 6, 2), (7, 7, 7))
    volume, lesion = canal_host.painted(cement | THIN, hu).scanned(slice_mm=1.0)
    find = find_material(volume, lesion_masks={L1: lesion}, neural=on_grid(CANAL, volume))
    assert total_ml(find) == pytest.approx(ml(cement | THIN), rel=0.1)
    assert find.part_ml(on_grid(CANAL, volume)) == pytest.approx(ml(THIN), rel=0.25)


@pytest.mark.parametrize(("hu", "pieces"), [(1800.0, 1), (1300.0, 0)])
def test_alone_in_the_canal_a_strand_is_material_if_it_is_denser_than_cortex(canal_host, hu, pieces):
    volume, lesion = canal_host.painted(THIN, hu).scanned(slice_mm=1.0)
    assert len(find_material(volume, lesion_masks={L1: lesion}, neural=on_grid(CANAL, volume)).pieces) == pieces
    assert find_material(volume, lesion_masks={L1: lesion}).pieces == ()


def test_cement_and_glue_of_one_day_are_told_apart_on_an_open_scale(host):
    cement, glue = ellipsoid((-7, 3, -4), (7, 7, 7)), ellipsoid((9, 3, 8), (4.5, 4.5, 4.5))
    volume, lesion = host.painted(cement, 4000).painted(glue, 7500).scanned(slice_mm=1.0)
    both = {"lesion_masks": {L1: lesion}, "agents": ("nbca-lipiodol", "pmma-barium")}
    fresh = find_material(volume, **both, embolic_age_days=0.0)
    assert total_ml(fresh, SegmentKind.CEMENT) == pytest.approx(ml(cement), rel=0.05)
    assert total_ml(fresh, SegmentKind.EMBOLIC) == pytest.approx(ml(glue), rel=0.05)
    assert {piece.kind for piece in find_material(volume, **both).pieces} == {SegmentKind.UNCLASSIFIED}
