from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.errors import GeometryError, UsageError
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement import Quantity
from imaging.measurement.leak import NamedPlaces
from imaging.measurement.material import recovered_fraction, relate_material
from imaging.measurement.neural import NeuralDoubt
from imaging.measurement.structure import Structure
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.cement import MaterialFind, MaterialPiece

L1, L2 = LesionId("L1"), LesionId("L2")
GRID = Grid.from_spacing((10, 40, 80), (2.0, 1.0, 1.0), origin_mm=(-40.0, -20.0, 0.0))
VOXEL_ML = 0.002


def block(z: slice, y: slice, x: slice) -> np.ndarray:
    mask = np.zeros(GRID.shape, bool)
    mask[z, y, x] = True
    return mask


def found(*pieces: tuple[np.ndarray, LesionId | None, SegmentKind], saturated: bool = False) -> MaterialFind:
    labels = np.zeros(GRID.shape, np.uint16)
    values = []
    for label, (mask, lesion, kind) in enumerate(pieces, start=1):
        labels[mask] = label
        volume = float(mask.sum() * VOXEL_ML)
        values.append(
            MaterialPiece(
                label=label,
                kind=kind,
                confidence=0.9,
                reason="",
                lesion=lesion,
                plateau_hu=2500.0,
                background_hu=45.0,
                saturated=saturated,
                is_new=None,
                volume_ml=volume,
                interval95_ml=(0.9 * volume, 1.2 * volume),
                method="half-maximum",
                sweep=((800.0, volume),),
                centroid_lps_mm=tuple(GRID.points([np.argwhere(mask).mean(axis=0)])[0].tolist()),
            )
        )
    return MaterialFind(grid=GRID, labels=labels, pieces=tuple(values))


CEMENT = block(slice(2, 8), slice(10, 20), slice(50, 66))
LESION = block(slice(1, 9), slice(8, 22), slice(46, 60))
BONE = block(slice(0, 10), slice(5, 25), slice(42, 62))


def test_a_row_holds_the_parts_in_lesion_bone_and_beyond():
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE)
    assert (row.id, row.kind, row.lesion) == ("M1", SegmentKind.CEMENT, L1)
    assert row.volume_ml.value == pytest.approx(6 * 10 * 16 * VOXEL_ML)
    assert row.inside_lesion_ml.value == pytest.approx(6 * 10 * 10 * VOXEL_ML)
    assert row.fill_fraction.value == pytest.approx(600 / (8 * 14 * 14))
    assert row.inside_bone_ml.value == pytest.approx(6 * 10 * 2 * VOXEL_ML)
    assert row.leak_ml.value == pytest.approx(6 * 10 * 3 * VOXEL_ML)  # x 62..65 but the first millimetre
    assert [leak.compartment for leak in row.leaks] == ["unspecified"]
    for quantity in (row.volume_ml, row.inside_lesion_ml, row.inside_bone_ml, row.leaks[0].volume_ml):
        assert quantity.interval95 == pytest.approx((0.9 * quantity.value, 1.2 * quantity.value))
    # The lesion under it may be outlined a third larger or smaller: 95 % of a coefficient of variation of 0.15.
    share, reader = row.fill_fraction.value, np.exp(1.96 * np.sqrt(np.log1p(0.15**2)))
    assert row.fill_fraction.interval95 == pytest.approx((0.9 * share / reader, 1.2 * share * reader), rel=1e-4)


def test_no_lesion_is_more_than_full():
    (row,) = relate_material(found((LESION, L1, SegmentKind.CEMENT)), lesions={L1: LESION})
    assert row.fill_fraction.value == 1.0 and row.fill_fraction.interval95[1] == 1.0


def test_what_lies_in_the_canal_does_not_lie_in_the_bone_mask_that_swallowed_it():
    canal = block(slice(0, 10), slice(10, 20), slice(60, 64))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, neural=canal)
    assert row.inside_bone_ml.value == 0.0  # but for the lesion, what of it lies in bone lies in the canal
    assert row.neural_ml.value == pytest.approx(6 * 10 * 4 * VOXEL_ML)


def test_a_volume_that_is_no_voxel_sum_is_shared_out_whole():
    """Blur moves a small piece's outline inward and none of its mass: here a fifth more than its voxels."""
    find = found((CEMENT, L1, SegmentKind.CEMENT))
    amount = 1.2 * find.pieces[0].volume_ml
    heavier = replace(find.pieces[0], volume_ml=amount, interval95_ml=(0.9 * amount, 1.1 * amount))
    plain, more = (
        relate_material(given, lesions={L1: LESION}, bone=BONE)[0] for given in (find, replace(find, pieces=(heavier,)))
    )
    for name in ("volume_ml", "inside_lesion_ml", "inside_bone_ml", "leak_ml"):
        assert getattr(more, name).value == pytest.approx(1.2 * getattr(plain, name).value)
    assert more.leaks[0].volume_ml.value == pytest.approx(1.2 * plain.leaks[0].volume_ml.value)


def test_a_piece_on_planes_that_were_not_imaged_has_no_volume_and_no_part_of_one():
    planes = (0, 1, 2, 3, 6, 7, 8, 9)
    slices = AcquiredSlices(
        code="MISSING_SLICES",
        planes=planes,
        heights_mm=tuple(2.0 * plane for plane in planes),
        ordinary_mm=2.0,
        shown=(0, 1, 2, 3, None, None, 4, 5, 6, 7),
        gaps=(3,),
    )
    unseen = block(slice(4, 6), slice(10, 20), slice(30, 40))
    find = found((CEMENT, L1, SegmentKind.CEMENT), (unseen, L1, SegmentKind.CEMENT))
    nothing = replace(find.pieces[1], volume_ml=0.0, interval95_ml=(0.0, 0.1))
    find = replace(find, pieces=(find.pieces[0], nothing), slices=slices)
    assert find.part_ml(np.ones(GRID.shape, bool)) == pytest.approx(find.pieces[0].volume_ml)
    (row,) = relate_material(find, lesions={L1: LESION})
    assert row.volume_ml.value == pytest.approx(find.pieces[0].volume_ml)


def test_the_unknown_is_none_and_said():
    (row,) = relate_material(found((CEMENT, None, SegmentKind.CEMENT)))
    assert (row.lesion, row.side, row.leaks) == (None, None, ())
    assert [row.inside_lesion_ml, row.fill_fraction, row.inside_bone_ml, row.neural_ml, row.leak_ml] == [None] * 5
    assert {finding.code for finding in row.findings} == {"NO_BONE_MASK", "NO_NEURAL_MODEL"}


def test_neural_material_counts_undilated_and_even_inside_bone():
    canal = block(slice(0, 10), slice(10, 14), slice(60, 70))
    (row,) = relate_material(
        found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE | canal, neural=canal
    )
    assert row.neural_ml.value == pytest.approx(6 * 4 * 6 * VOXEL_ML)
    assert row.leaks[0].distance_mm.value == 0


def test_bone_that_swallowed_the_canal_hides_no_leak_in_it():
    canal = block(slice(0, 10), slice(8, 22), slice(62, 76))
    strand = block(slice(2, 8), slice(13, 17), slice(66, 70))
    material = found((CEMENT & LESION, L1, SegmentKind.CEMENT), (strand, L1, SegmentKind.CEMENT))
    (row,) = relate_material(material, lesions={L1: LESION}, bone=BONE | canal, neural=canal)
    assert [(leak.compartment, leak.volume_ml.value) for leak in row.leaks] == [
        ("canal_or_foramen", pytest.approx(6 * 4 * 4 * VOXEL_ML))
    ]


FORAMEN = block(slice(0, 10), slice(10, 14), slice(58, 64))
PRESACRAL = block(slice(0, 10), slice(0, 40), slice(64, 80))


def place(name: str, mask: np.ndarray, error_mm: float = 0.0) -> Structure:
    return Structure(name=name, mask=mask, grid=GRID, error_mm=error_mm)


def test_named_places_tell_what_is_neural_and_where_the_rest_leaked():
    named = NamedPlaces(nerves=(place("S1 left", FORAMEN),), others=(place("presacral", PRESACRAL),))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, named=named)
    # in the foramen with no exemption for lesion and bone; beyond both and the foramen: x 63 and up
    assert [(leak.compartment, leak.neural) for leak in row.leaks] == [("S1 left", True), ("presacral", False)]
    assert row.neural_ml.value == row.leaks[0].volume_ml.value == pytest.approx(6 * 4 * 6 * VOXEL_ML)
    assert row.leak_ml.value == row.leaks[1].volume_ml.value == pytest.approx(6 * (10 * 3 - 4) * VOXEL_ML)
    assert [leak.distance_mm.value for leak in row.leaks] == [0.0, pytest.approx(1.0)]


@pytest.mark.parametrize("error_mm", [0.0, 2.0])
def test_a_leak_s_distance_to_a_nerve_holds_the_borders_and_the_registration(error_mm: float):
    # Cement to x 65 and a nerve from x 70, borders 4 mm apart; carried, 2 mm less or more.
    nerve = block(slice(0, 10), slice(10, 20), slice(70, 74))
    named = NamedPlaces(nerves=(place("S1 left", nerve, error_mm),))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, named=named)
    (leak,) = row.leaks
    low, high = leak.distance_mm.interval95
    assert leak.distance_mm.value == pytest.approx(5.0)
    assert low <= 4.0 - error_mm and 4.0 + error_mm <= high
    assert low == pytest.approx(5.0 - np.sqrt(1 + 1 + 4) - error_mm)


def test_a_place_that_holds_half_of_a_leak_does_not_name_it():
    half = block(slice(0, 10), slice(0, 15), slice(63, 66))
    named = NamedPlaces(others=(place("disc", half),))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, named=named)
    assert [(leak.compartment, leak.distance_mm) for leak in row.leaks] == [("unspecified", None)]
    assert row.neural_ml is None
    assert "NO_NEURAL_MODEL" in {finding.code for finding in row.findings}


def test_small_parts_in_a_foramen_are_in_the_neural_volume_alone():
    speck = block(slice(2, 4), slice(10, 12), slice(58, 60))  # 0.016 mL
    named = NamedPlaces(nerves=(place("S1 left", speck),))
    (row,) = relate_material(
        found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, named=named, doubt=NeuralDoubt()
    )
    assert row.neural_ml.value == pytest.approx(0.016)
    assert row.neural_ml.interval95 == (0, 0.02), "too little to be told from none"
    assert not any(leak.neural for leak in row.leaks)


@pytest.mark.parametrize("overlapping", [False, True])
def test_what_lies_in_two_nerves_and_in_neither_by_enough_is_told_once(overlapping: bool):
    # 0.016 mL in either, one strand of 0.032 mL; or 0.04 mL, of which 0.024 mL lie in both
    canal = block(slice(2, 4), slice(10, 12), slice(56, 60 if overlapping else 58))
    foramen = block(slice(2, 4), slice(10, 12), slice(57 if overlapping else 58, 60 if not overlapping else 61))
    named = NamedPlaces(nerves=(place("canal", canal), place("S1 left", foramen)))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE, named=named)
    (told,) = [leak for leak in row.leaks if leak.neural]
    assert told.compartment == "canal"
    assert told.volume_ml.value == pytest.approx(0.032)
    assert row.neural_ml.value == pytest.approx(0.04 if overlapping else 0.032)


def test_a_carried_foramen_may_hold_what_a_shift_by_its_error_brings_into_it():
    rows = [
        relate_material(
            found((CEMENT, L1, SegmentKind.CEMENT)),
            bone=BONE,
            named=NamedPlaces(nerves=(place("S1 left", FORAMEN, error_mm),)),
        )[0]
        for error_mm in (0.0, 2.0)
    ]
    here, carried = (row.neural_ml for row in rows)
    assert carried.value == here.value
    # 2 mm towards y − : two of its four rows leave the cement; 2 mm either way in x and z: it stays within
    assert carried.interval95 == pytest.approx((here.interval95[0] / 2, here.interval95[1]))


def test_small_leaks_stay_in_the_upper_bound_only():
    speck = block(slice(2, 4), slice(30, 32), slice(50, 53))  # 0.024 mL
    (row,) = relate_material(
        found((CEMENT & BONE, L1, SegmentKind.CEMENT), (speck, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=BONE
    )
    assert row.leaks == ()
    assert row.leak_ml.value == 0
    assert row.leak_ml.interval95 == pytest.approx((0, 1.2 * 0.024))


LEAKED = block(slice(2, 8), slice(10, 20), slice(62, 70))  # beyond bone and lesion; its first millimetre is no leak


@pytest.mark.parametrize(
    ("disc_to", "neural", "compartment"),
    [
        (70, False, "disc"),
        (68, False, "disc"),
        (64, False, "unspecified"),  # most lies nowhere that was given
        (64, True, "canal_or_foramen"),
        (70, True, "disc"),  # a name says more than canal or foramen
        (62, True, "canal_or_foramen"),
    ],
)
def test_a_leak_is_named_by_what_holds_most_of_it(disc_to, neural, compartment):
    disc = block(slice(0, 10), slice(8, 22), slice(62, disc_to))
    elsewhere = block(slice(0, 10), slice(0, 4), slice(62, 70))
    canal = block(slice(0, 10), slice(8, 22), slice(62, 70)) if neural else None
    (row,) = relate_material(
        found((CEMENT & BONE | LEAKED, L1, SegmentKind.CEMENT)),
        lesions={L1: LESION},
        bone=BONE,
        neural=canal,
        compartments={"elsewhere": elsewhere, "disc": disc},
    )
    assert [leak.compartment for leak in row.leaks] == [compartment]
    assert row.leak_ml.value == pytest.approx(6 * 10 * 7 * VOXEL_ML)


def test_material_in_a_tumour_outside_bone_is_listed_by_that_name_and_is_no_leak():
    tumour = LESION | block(slice(1, 9), slice(8, 22), slice(60, 75))
    (row,) = relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), lesions={L1: tumour}, bone=BONE)
    assert row.leak_ml.value == 0
    assert [leak.compartment for leak in row.leaks] == ["within extraosseous tumour"]
    assert row.leaks[0].volume_ml.value == pytest.approx(6 * 10 * 3 * VOXEL_ML)


def test_material_in_a_hole_that_the_lesion_ate_into_bone_is_not_outside_bone():
    around = block(slice(1, 9), slice(3, 27), slice(40, 70)) & ~block(slice(1, 9), slice(8, 27), slice(46, 60))
    cement = block(slice(3, 7), slice(11, 19), slice(49, 57))  # nothing is left of the wall behind it
    (row,) = relate_material(found((cement, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=around)
    assert row.leaks == ()


@pytest.mark.parametrize("bone", [np.zeros(GRID.shape, bool), block(slice(4, 5), slice(5, 25), slice(42, 62))])
def test_without_bone_enough_nothing_is_said_to_lie_outside_it(bone):
    (row,) = relate_material(found((CEMENT & LESION, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=bone)
    assert row.leaks == ()


def test_a_lesion_with_no_bone_about_it_lies_outside_bone():
    far = block(slice(0, 10), slice(0, 40), slice(0, 10))
    (row,) = relate_material(found((CEMENT & LESION, L1, SegmentKind.CEMENT)), lesions={L1: LESION}, bone=far)
    assert [leak.compartment for leak in row.leaks] == ["within extraosseous tumour"]


def test_there_is_one_row_for_each_kind_and_lesion():
    right = block(slice(2, 5), slice(10, 15), slice(10, 15))
    glue = block(slice(2, 4), slice(20, 22), slice(52, 54))
    rows = relate_material(
        found(
            (glue, L1, SegmentKind.EMBOLIC),
            (CEMENT, L1, SegmentKind.CEMENT),
            (right, L2, SegmentKind.CEMENT),
            (block(slice(8, 10), slice(0, 2), slice(0, 9)), None, SegmentKind.UNCLASSIFIED),
        ),
        midline_x_mm=0.0,
    )
    assert [(row.id, row.lesion, row.kind.value, row.side) for row in rows] == [
        ("M1", L1, "cement", "left"),
        ("M2", L1, "embolic", "left"),
        ("M3", L2, "cement", "right"),
        ("M4", None, "unclassified", "right"),
    ]


def test_material_across_the_midline_has_no_side():
    (row,) = relate_material(
        found((block(slice(2, 5), slice(10, 15), slice(36, 46)), None, SegmentKind.CEMENT)), midline_x_mm=0.0
    )
    assert row.side is None


def test_no_pieces_no_rows():
    assert relate_material(MaterialFind(grid=GRID, labels=np.zeros(GRID.shape, np.uint16))) == ()


def test_foreign_masks_are_refused():
    with pytest.raises(GeometryError, match="bone"):
        relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), bone=BONE[1:])
    with pytest.raises(GeometryError, match="disc"):
        relate_material(found((CEMENT, L1, SegmentKind.CEMENT)), compartments={"disc": BONE[1:]})


def test_recovery_carries_the_error_of_image_and_syringe():
    share = recovered_fraction(Quantity(6.4, "mL", "voxel sum", (6.0, 6.8)), 7.0)
    assert share.value == pytest.approx(6.4 / 7)
    assert share.interval95 == pytest.approx((6.0 / 7.5, 6.8 / 6.5))
    assert recovered_fraction(Quantity(0.3, "mL", "voxel sum"), 0.4).interval95 is None
    with pytest.raises(UsageError):
        recovered_fraction(Quantity(0.3, "mL", "voxel sum"), 0.0)
