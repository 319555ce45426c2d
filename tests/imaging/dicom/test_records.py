"""Every way in which a series has been seen to be irregular, derived from clean slices by one edit each."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import SeriesRefused
from imaging.study import Verdict

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", [20, -35, 12], degrees=True).as_matrix().T[:2].ravel())


def codes(record):
    return {finding.code for finding in record.findings}


def refused(record, code):
    assert record.verdict is Verdict.REFUSED
    assert record.code == code
    assert record.grid is None
    with pytest.raises(SeriesRefused) as caught:
        load_volume(record)
    assert caught.value.code == code


def test_clean_series_is_exact_and_every_voxel_is_at_its_place(slices, assert_true_to_place):
    record = slices.record(slices.clean())
    assert (record.verdict, record.code, record.findings) == (Verdict.EXACT, None, ())
    assert record.grid.shape == (8, 10, 12)
    assert record.grid.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    expected = [[0, 0, 0.7, -20], [0, 0.8, 0, 5], [2.5, 0, 0, -30], [0, 0, 0, 1]]
    np.testing.assert_allclose(record.grid.affine, expected, atol=1e-9)
    assert record.acquired == "2003-01-17T10:15:00.500000"
    volume = load_volume(record)
    assert volume.samples.dtype == np.int16
    assert (volume.role, volume.modality) == ("ct", "CT")
    assert_true_to_place(volume)


@pytest.mark.parametrize("orientation", [SAGITTAL, CORONAL, OBLIQUE, (-1, 0, 0, 0, 1, 0), (0, 1, 0, 1, 0, 0)])
def test_any_orientation_is_placed_and_slices_follow_row_times_column(orientation, slices, assert_true_to_place):
    volume = slices.volume(slices.clean(orientation=orientation))
    assert_true_to_place(volume)
    assert np.linalg.det(volume.grid.affine[:3, [2, 1, 0]]) > 0
    assert volume.grid.is_orthogonal


def test_order_of_files_and_numbers_changes_nothing(slices, tmp_path):
    ordered, shuffled = slices.clean(), slices.clean()
    for number, dataset in enumerate(shuffled):
        dataset.InstanceNumber = len(shuffled) - number
    random.Random(3).shuffle(shuffled)
    first = load_volume(scan([slices.write(ordered, "a")]).volumes[0])
    second = load_volume(scan([slices.write(shuffled, "b")]).volumes[0])
    np.testing.assert_array_equal(first.samples, second.samples)
    np.testing.assert_array_equal(first.grid.affine, second.grid.affine)


def test_missing_instance_numbers_change_nothing(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.InstanceNumber = None
    record = slices.record(datasets)
    assert record.verdict is Verdict.EXACT
    assert_true_to_place(load_volume(record))


@pytest.mark.parametrize("missing", [[1], [4], [2, 3, 4], [1, 5], [6]])
def test_missing_slices_are_refused(missing, slices):
    kept = [dataset for number, dataset in enumerate(slices.clean()) if number not in missing]
    record = slices.record(kept)
    refused(record, "MISSING_SLICES")
    assert f"{len(missing)} slices are missing" in record.findings[0].message


def test_slices_cut_off_at_an_end_are_told_by_the_count(slices, assert_true_to_place):
    datasets = slices.clean(12)
    for dataset in datasets:
        dataset.ImagesInAcquisition = 12
    record = slices.record(datasets[:9])
    assert record.verdict is Verdict.EXACT
    assert [(f.code, f.severity) for f in record.findings] == [("INCOMPLETE_SERIES", "warning")]
    assert_true_to_place(load_volume(record))


def test_every_second_slice_left_out_is_told_by_the_numbers(slices):
    record = slices.record(slices.clean(12)[::2])
    assert [(f.code, f.severity) for f in record.findings] == [("INCOMPLETE_SERIES", "warning")]
    assert record.grid.spacing_mm[0] == pytest.approx(5.0)


def test_every_second_slice_left_out_is_told_by_the_nominal_spacing(slices):
    datasets = slices.clean(12)[::2]
    for number, dataset in enumerate(datasets, start=1):
        dataset.InstanceNumber, dataset.SpacingBetweenSlices = number, 2.5
    assert codes(slices.record(datasets)) == {"INCOMPLETE_SERIES"}


def test_two_images_at_one_position_are_refused(slices):
    datasets = slices.clean()
    extra = copy.deepcopy(datasets[3])
    extra.SOPInstanceUID = extra.file_meta.MediaStorageSOPInstanceUID = "1.2.3.77"
    extra.InstanceNumber = 9
    extra.PixelData = bytes(len(extra.PixelData))
    refused(slices.record([*datasets, extra]), "DUPLICATE_POSITION")


def test_one_uid_with_two_contents_at_one_position_is_refused(slices):
    datasets = slices.clean()
    extra = copy.deepcopy(datasets[3])
    extra.PixelData = bytes(len(extra.PixelData))
    record = slices.record([*datasets, extra])
    refused(record, "DUPLICATE_POSITION")
    assert "DUPLICATE_UID" in codes(record)


@pytest.mark.parametrize("new_uid", [False, True])
def test_copies_are_left_out_once_and_named(new_uid, slices, assert_true_to_place):
    datasets = slices.clean()
    copied = [copy.deepcopy(datasets[2]), copy.deepcopy(datasets[5])]
    if new_uid:
        for number, dataset in enumerate(copied):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    index = slices.scan([*datasets, *copied])
    (record,) = index.volumes
    assert (record.verdict, record.code) == (Verdict.CORRECTED, "DUPLICATE_INSTANCE")
    assert len(record.frames) == 8
    assert [row.code for row in index.skipped] == ["DUPLICATE_INSTANCE"] * 2
    assert_true_to_place(load_volume(record))


def test_a_compressed_copy_is_a_copy(slices, assert_true_to_place):
    datasets = slices.clean()
    copied = copy.deepcopy(datasets[2])
    copied.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    record = slices.record([*datasets, copied])
    assert record.code == "DUPLICATE_INSTANCE"
    assert_true_to_place(load_volume(record))


@pytest.mark.parametrize("tilt_deg", [-30.0, -15.0, -0.5, 0.5, 18.5, 30.0])
def test_gantry_tilt_keeps_its_shear(tilt_deg, slices, assert_true_to_place):
    tilt = np.radians(tilt_deg)
    orientation = (1.0, 0.0, 0.0, 0.0, np.cos(tilt), -np.sin(tilt))
    datasets = slices.clean(16, orientation=orientation, stack_direction=(0.0, 0.0, 1.0), distance=4.0)
    record = slices.record(datasets)
    assert (record.verdict, record.code) == (Verdict.CORRECTED, "GANTRY_TILT")
    assert record.grid.slice_distance_mm == pytest.approx(4.0 * np.cos(tilt), abs=1e-6)
    assert record.grid.voxel_volume_mm3 == pytest.approx(4.0 * np.cos(tilt) * 0.8 * 0.7, rel=1e-6)
    assert f"{abs(tilt_deg):.2f}°" in record.findings[0].message
    assert_true_to_place(load_volume(record))


def test_slices_that_lean_less_than_the_tolerance_stay_exact(slices, assert_true_to_place):
    tilt = np.radians(0.03)
    orientation = (1.0, 0.0, 0.0, 0.0, np.cos(tilt), -np.sin(tilt))
    record = slices.record(slices.clean(orientation=orientation, stack_direction=(0.0, 0.0, 1.0)))
    assert record.verdict is Verdict.EXACT
    assert_true_to_place(load_volume(record), places_mm=0.07)


@pytest.mark.parametrize("tilt_deg", [-0.1, 0.07, 0.3])
@pytest.mark.parametrize("missing", [None, 3])
def test_a_lean_beyond_the_tolerance_is_kept_however_short_the_stack(tilt_deg, missing, slices, assert_true_to_place):
    tilt = np.radians(tilt_deg)
    orientation = (1.0, 0.0, 0.0, 0.0, np.cos(tilt), -np.sin(tilt))
    datasets = slices.clean(16, orientation=orientation, stack_direction=(0.0, 0.0, 1.0), distance=3.0)
    if missing is not None:
        del datasets[missing]
    (record,) = slices.scan(datasets).accepting_gaps().volumes
    assert "GANTRY_TILT" in codes(record)
    assert not np.allclose(record.grid.affine[:3, 0], 3.0 * np.array([0, np.sin(tilt), np.cos(tilt)]), atol=1e-5)
    assert_true_to_place(load_volume(record), places_mm=1e-4)


def test_uneven_spacing_is_refused(slices):
    datasets = slices.clean()
    for dataset in datasets[4:]:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, float(z) + 1.1]
    refused(slices.record(datasets), "NON_UNIFORM_SPACING")


@pytest.mark.parametrize(("shift", "verdict"), [(0.019, Verdict.EXACT), (0.06, Verdict.REFUSED)])
def test_a_gap_is_judged_by_one_percent(shift, verdict, slices):
    datasets = slices.clean(distance=2.5)  # tolerance 0.025 mm
    x, y, z = datasets[-1].ImagePositionPatient
    datasets[-1].ImagePositionPatient = [x, y, f"{float(z) + shift:.4f}"]
    assert slices.record(datasets).verdict is verdict


def test_small_errors_of_one_sign_do_not_add_up_unseen(slices):
    # 60 gaps of 2.49 mm, then 60 of 2.51 mm: each within 1 %, the middle 0.6 mm off.
    heights = np.concatenate([[0.0], np.cumsum([2.49] * 60 + [2.51] * 60)])
    datasets = [slices.slice(np.array([0.0, 0.0, z]), n + 1, rows=2, columns=2) for n, z in enumerate(heights)]
    refused(slices.record(datasets), "NON_UNIFORM_SPACING")


def test_jitter_of_positions_is_tolerated_without_a_word(slices, assert_true_to_place):
    generator = np.random.default_rng(5)
    datasets = slices.clean()
    for dataset in datasets:
        noisy = np.array([float(v) for v in dataset.ImagePositionPatient]) + generator.uniform(-0.01, 0.01, 3)
        dataset.ImagePositionPatient = [f"{value:.4f}" for value in noisy]
    record = slices.record(datasets)
    assert (record.verdict, record.findings) == (Verdict.EXACT, ())
    assert record.grid.is_orthogonal
    assert_true_to_place(load_volume(record), places_mm=0.02)


def test_rounding_of_cosines_is_tolerated_without_a_word(slices, assert_true_to_place):
    generator = np.random.default_rng(6)
    datasets = slices.clean(orientation=OBLIQUE)
    for dataset in datasets:
        noisy = np.array([float(v) for v in dataset.ImageOrientationPatient]) + generator.uniform(-1e-4, 1e-4, 6)
        dataset.ImageOrientationPatient = [f"{value:.6f}" for value in noisy]
    record = slices.record(datasets)
    assert (record.verdict, record.findings) == (Verdict.EXACT, ())
    assert_true_to_place(load_volume(record), places_mm=0.01)


def test_localizers_inside_a_series_are_left_out_and_named(slices, assert_true_to_place):
    scouts = [slices.clean(1, orientation=plane, origin=(0, 0, 0))[0] for plane in (SAGITTAL, CORONAL)]
    for number, dataset in enumerate(scouts):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.InstanceNumber = 20 + number
    index = slices.scan([*slices.clean(), *scouts])
    (record,) = index.volumes
    assert (record.verdict, record.code) == (Verdict.CORRECTED, "MIXED_ORIENTATION")
    assert [row.code for row in index.skipped] == ["MIXED_ORIENTATION"] * 2
    assert_true_to_place(load_volume(record))


def test_two_stacks_of_different_orientation_are_two_volumes(slices, assert_true_to_place):
    other = slices.clean(6, orientation=SAGITTAL)
    for dataset in other:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{dataset.InstanceNumber}"
        dataset.InstanceNumber += 8
    index = slices.scan([*slices.clean(), *other])
    uid = index.volumes[0].series_uid
    assert [v.volume_id for v in index.volumes] == [uid, f"{uid}#2"]
    assert [v.grid.shape[0] for v in index.volumes] == [8, 6]
    for record in index.volumes:
        assert {"MULTIPLE_VOLUMES", "MIXED_ORIENTATION"} <= codes(record)
        assert_true_to_place(load_volume(record))


def test_slice_thickness_is_never_the_spacing(slices):
    datasets = slices.clean()
    assert float(datasets[0].SliceThickness) != 2.5
    record = slices.record(datasets)
    assert record.grid.spacing_mm[0] == pytest.approx(2.5)
    assert record.slice_thickness_mm == 5.0


@pytest.mark.parametrize("which", [[4], range(8)])
@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_a_slice_without_a_place_refuses_the_series(which, keyword, slices):
    datasets = slices.clean()
    for number in which:
        delattr(datasets[number], keyword)
    refused(slices.record(datasets), "MISSING_POSITION")


def test_missing_pixel_spacing_is_refused_even_with_imager_spacing(slices):
    datasets = slices.clean()
    for dataset in datasets:
        del dataset.PixelSpacing
        dataset.ImagerPixelSpacing = ["0.8", "0.7"]
    refused(slices.record(datasets), "MISSING_PIXEL_SPACING")


@pytest.mark.parametrize("which", [[3], [7], range(4, 8)])
def test_mixed_pixel_spacing_never_makes_one_volume(which, slices, assert_true_to_place):
    datasets = slices.clean()
    for number in which:
        datasets[number].PixelSpacing = ["0.9", "0.9"]
        slices.fill(datasets[number])
    index = slices.scan(datasets)
    assert all(v.code == "MIXED_GEOMETRY" for v in index.volumes)
    for record in index.loadable:
        assert_true_to_place(load_volume(record))
        assert len(record.frames) < 8


def test_mixed_matrix_inside_refuses_the_series(slices):
    datasets = slices.clean()
    datasets[3] = slices.clean(rows=9)[3]
    refused(slices.record(datasets), "MIXED_GEOMETRY")


def test_all_slices_at_one_position_are_no_volume(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.ImagePositionPatient = datasets[0].ImagePositionPatient
    refused(slices.record(datasets), "NOT_A_VOLUME")


def test_a_single_slice_is_no_volume(slices):
    refused(slices.record(slices.clean(1)), "NOT_A_VOLUME")


def test_two_slices_are_loaded_with_a_doubt(slices):
    record = slices.record(slices.clean(2))
    assert record.verdict is Verdict.EXACT
    assert codes(record) == {"FEW_SLICES"}


@pytest.mark.parametrize("value", [b"nan", b"inf", b"2,5", b"1e999", b"ZZSECRET", b"1.0.0", b""])
@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing", "ImageOrientationPatient"])
def test_what_is_no_number_refuses_the_series_without_being_quoted(keyword, value, slices):
    home = slices.write(slices.clean())
    for path in sorted(home.iterdir())[:1]:
        _overwrite_first_value(path, keyword, value)
    (record,) = scan([home]).volumes
    refused(record, "BAD_NUMBER")
    assert "ZZSECRET" not in repr(record.findings)


def _overwrite_first_value(path, keyword, value):
    import pydicom

    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(path)
        parts = dataset[keyword].value
        texts = [value.decode(), *(str(part) for part in parts[1:])]
        element = pydicom.dataelem.DataElement(dataset[keyword].tag, "LT", "\\".join(texts))
        dataset[keyword] = element
        dataset.save_as(path)
    raw = path.read_bytes()
    tag = dataset[keyword].tag
    at = raw.index(tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") + b"LT")
    path.write_bytes(raw[: at + 4] + b"DS" + raw[at + 6 :])


def test_negative_or_zero_spacing_is_refused(slices):
    for spacing in (["0", "0.7"], ["-0.8", "0.7"]):
        datasets = slices.clean()
        for dataset in datasets:
            dataset.PixelSpacing = spacing
        refused(slices.record(datasets), "BAD_NUMBER")


def test_an_orientation_that_is_none_is_refused(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.ImageOrientationPatient = [1, 0, 0, 0.5, 0.5, 0]
    refused(slices.record(datasets), "BAD_ORIENTATION")


def _second(slices, change, count=8, start=9):
    """A second set of slices at the same places, changed."""
    others = slices.clean(count)
    for dataset in others:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{dataset.InstanceNumber}"
        dataset.InstanceNumber += start - 1
        stored = np.frombuffer(dataset.PixelData, "<i2") + 500
        dataset.PixelData = stored.astype("<i2").tobytes()
        change(dataset)
    return others


@pytest.mark.parametrize(
    "change",
    [
        lambda d: setattr(d, "AcquisitionNumber", 2),
        lambda d: setattr(d, "EchoTime", 80.0),
        lambda d: setattr(d, "DiffusionBValue", 800.0),
        lambda d: setattr(d, "TemporalPositionIdentifier", 2),
        lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "P", "ND"]),
        lambda d: setattr(d, "ConvolutionKernel", "SHARP"),
        lambda d: setattr(d, "AcquisitionTime", "101600"),
        lambda d: setattr(d, "TriggerTime", 400.0),
    ],
    ids=["acquisition", "echo", "b-value", "time", "image type", "kernel", "moment", "trigger"],
)
def test_volumes_stacked_in_one_series_are_told_apart(change, slices):
    first, second = slices.clean(), _second(slices, change)
    for dataset in first:
        dataset.EchoTime, dataset.DiffusionBValue, dataset.TemporalPositionIdentifier = 10.0, 0.0, 1
        dataset.ConvolutionKernel, dataset.TriggerTime = "SOFT", 0.0
    for dataset, other in zip(first, second, strict=True):
        for keyword in (
            "EchoTime",
            "DiffusionBValue",
            "TemporalPositionIdentifier",
            "ConvolutionKernel",
            "TriggerTime",
        ):
            if keyword not in other:
                setattr(other, keyword, getattr(dataset, keyword))
    mixed = [d for pair in zip(first, second, strict=True) for d in pair]
    index = slices.scan(mixed)
    assert [v.verdict for v in index.volumes] == [Verdict.EXACT] * 2
    assert all("MULTIPLE_VOLUMES" in codes(v) for v in index.volumes)
    one, two = (load_volume(v) for v in index.volumes)
    np.testing.assert_array_equal(one.samples + 500, two.samples)
    np.testing.assert_array_equal(one.grid.affine, two.grid.affine)


def test_volumes_that_nothing_tells_apart_are_refused(slices):
    refused(slices.record([*slices.clean(), *_second(slices, lambda d: None)]), "MULTIPLE_VOLUMES")


def test_a_second_phase_between_the_slices_of_the_first_is_not_interleaved(slices):
    second = _second(slices, lambda d: setattr(d, "TemporalPositionIdentifier", 2))
    first = slices.clean()
    for dataset in first:
        dataset.TemporalPositionIdentifier = 1
    for dataset in second:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, float(z) + 1.25]
    index = slices.scan([*first, *second])
    assert [v.grid.shape[0] for v in index.volumes] == [8, 8]
    assert [v.grid.spacing_mm[0] for v in index.volumes] == pytest.approx([2.5, 2.5])


def test_a_missing_slice_is_never_talked_into_two_short_volumes(slices):
    datasets = slices.clean()
    for dataset in datasets[5:]:
        dataset.AcquisitionNumber = 2
    refused(slices.record([*datasets[:4], *datasets[5:]]), "MISSING_SLICES")


def test_slices_of_differing_echo_time_in_one_stack_carry_a_warning(slices):
    datasets = slices.clean(modality="MR")
    for number, dataset in enumerate(datasets):
        dataset.EchoTime = 10.0 if number < 4 else 80.0
    record = slices.record(datasets)
    assert "MIXED_ACQUISITION" in codes(record)


def test_a_number_for_every_slice_does_not_split_a_volume(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.AcquisitionNumber = dataset.InstanceNumber
        dataset.AcquisitionTime = f"1015{dataset.InstanceNumber:02d}"
    record = slices.record(datasets)
    assert (record.verdict, record.findings) == (Verdict.EXACT, ())
    assert record.acquired == "2003-01-17T10:15:01"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: setattr(d, "PatientID", "P-2"),
        lambda d: setattr(d, "PatientBirthDate", "19500101"),
        lambda d: setattr(d, "PatientSex", "F"),
        lambda d: setattr(d, "StudyInstanceUID", "1.2.3.4"),
        lambda d: setattr(d, "PatientName", "OTHER^PERSON"),
        lambda d: setattr(d, "Modality", "MR"),
    ],
    ids=["id", "birth date", "sex", "study", "name", "modality"],
)
def test_two_patients_under_one_uid_are_both_refused(change, slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.PatientBirthDate = "19490101"
    for dataset in datasets[::2]:
        change(dataset)
    index = slices.scan(datasets)
    assert len(index.volumes) == 2
    for record in index.volumes:
        refused(record, "UID_COLLISION")
    assert len({record.volume_id for record in index.volumes}) == 2


def test_two_spellings_of_a_name_are_one_patient(slices):
    datasets = slices.clean()
    for dataset in datasets[::2]:
        dataset.PatientName = "Zzphi^Marker-Two^A"
    assert slices.record(datasets).verdict is Verdict.EXACT


def test_two_frames_of_reference_are_two_volumes(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets[4:]:
        dataset.FrameOfReferenceUID = "1.2.3.4"
    index = slices.scan(datasets)
    assert [v.grid.shape[0] for v in index.volumes] == [4, 4]
    for record in index.volumes:
        assert (record.verdict, record.code) == (Verdict.CORRECTED, "MULTIPLE_FRAME_OF_REFERENCE")
        assert_true_to_place(load_volume(record))


def test_colour_images_inside_a_series_are_passed_over(slices, assert_true_to_place):
    colour = slices.clean(1)[0]
    colour.SOPInstanceUID = colour.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    colour.InstanceNumber, colour.SamplesPerPixel, colour.PhotometricInterpretation = 9, 3, "RGB"
    colour.PlanarConfiguration, colour.BitsAllocated, colour.BitsStored, colour.HighBit = 0, 8, 8, 7
    colour.PixelRepresentation, colour.PixelData = 0, bytes(10 * 12 * 3)
    colour["PixelData"].VR = "OB"
    index = slices.scan([*slices.clean(), colour])
    (record,) = index.volumes
    assert record.verdict is Verdict.EXACT
    assert codes(record) == {"NOT_AN_IMAGE_SLICE"}
    assert [row.code for row in index.skipped] == ["NOT_AN_IMAGE_SLICE"]
    assert_true_to_place(load_volume(record))


@pytest.mark.parametrize(("which", "verdict"), [(3, Verdict.REFUSED), (7, Verdict.CORRECTED)])
def test_a_truncated_file_is_named_and_never_filled(which, verdict, slices, assert_true_to_place):
    home = slices.write(slices.clean())
    path = sorted(home.iterdir(), key=lambda p: int(p.name))[0]
    by_number = {(place * 7919) % 1009: place for place in range(8)}
    path = next(p for p in home.iterdir() if by_number[int(p.name)] == which)
    path.write_bytes(path.read_bytes()[:-60])
    index = scan([home])
    (record,) = index.volumes
    assert (record.verdict, record.code) == (verdict, "TRUNCATED_PIXEL_DATA")
    assert [(row.path, row.code) for row in index.skipped] == [(path, "TRUNCATED_PIXEL_DATA")]
    if verdict is Verdict.CORRECTED:
        assert_true_to_place(load_volume(record))


def test_series_of_localizers_and_captures_has_a_refused_row(slices):
    localizer = slices.clean(1)[0]
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    index = slices.scan([localizer])
    refused(index.volumes[0], "LOCALIZER")
    assert [row.code for row in index.skipped] == ["LOCALIZER"]


def test_images_of_other_modalities_are_refused_rows(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.Modality, dataset.SOPClassUID = "PT", "1.2.840.10008.5.1.4.1.1.128"
    refused(slices.record(datasets), "UNSUPPORTED_MODALITY")


def test_series_without_a_uid_gets_one_from_its_content(slices, tmp_path):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.SeriesInstanceUID = ""
    first = scan([slices.write(datasets, "a")]).volumes
    second = scan([slices.write(datasets[::-1], "b")]).volumes
    assert first[0].series_uid.startswith("2.25.")
    assert first[0].series_uid == second[0].series_uid
    assert codes(first[0]) == {"MISSING_SERIES_UID"}


def test_enhanced_frames_in_any_order_are_placed(slices, enhanced, assert_true_to_place):
    frames = slices.clean()
    random.Random(4).shuffle(frames)
    record = slices.record([enhanced(frames)])
    assert (record.verdict, record.findings) == (Verdict.EXACT, ())
    assert record.slice_thickness_mm == 5.0
    assert_true_to_place(load_volume(record))


def test_enhanced_rescale_is_per_frame(slices, enhanced, assert_true_to_place):
    frames = slices.clean()
    for number, frame in enumerate(frames):
        frame.RescaleSlope, frame.RescaleIntercept = str(1 + number % 3), str(-1024 - number)
        slices.fill(frame)
    assert_true_to_place(slices.volume([enhanced(frames)]), rounding=2.0)


def test_enhanced_time_points_are_told_apart(slices, enhanced):
    first, second = slices.clean(), slices.clean()
    for early, late in zip(first, second, strict=True):
        early.TemporalPositionIdentifier, late.TemporalPositionIdentifier = 1, 2
    index = slices.scan([enhanced([frame for pair in zip(first, second, strict=True) for frame in pair])])
    assert [v.grid.shape[0] for v in index.volumes] == [8, 8]
    assert all(codes(v) == {"MULTIPLE_VOLUMES"} for v in index.volumes)


def test_enhanced_images_of_one_series_are_told_apart(slices, enhanced):
    images = [enhanced(slices.clean()), enhanced(slices.clean())]
    for number, image in enumerate(images):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        image.PixelData = (np.frombuffer(image.PixelData, "<i2") + number).astype("<i2").tobytes()
        image.InstanceNumber = number + 1
    index = slices.scan(images)
    assert [v.grid.shape[0] for v in index.volumes] == [8, 8]
    first, second = (load_volume(v) for v in index.volumes)
    np.testing.assert_array_equal(first.samples + 1, second.samples)


def test_enhanced_image_with_a_missing_frame_is_refused(slices, enhanced):
    frames = slices.clean()
    refused(slices.record([enhanced([*frames[:3], *frames[4:]])]), "MISSING_SLICES")


def test_enhanced_image_that_describes_too_few_frames_is_refused(slices, enhanced):
    image = enhanced(slices.clean())
    del image.PerFrameFunctionalGroupsSequence[-1]
    refused(slices.record([image]), "FRAME_COUNT_MISMATCH")


@pytest.mark.parametrize("complete", [True, False])
def test_concatenations_are_joined_only_when_whole(complete, slices, enhanced, assert_true_to_place):
    frames = slices.clean()
    parts = [enhanced(frames[:4]), enhanced(frames[4:])]
    for number, part in enumerate(parts, start=1):
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        part.ConcatenationUID, part.InConcatenationNumber, part.InConcatenationTotalNumber = "1.2.9", number, 2
        part.InstanceNumber = number
    record = slices.record(parts if complete else parts[:1])
    if complete:
        assert record.verdict is Verdict.EXACT
        assert_true_to_place(load_volume(record))
    else:
        refused(record, "CONCATENATION")


def test_lossy_compression_is_a_warning(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.LossyImageCompression = "01"
    record = slices.record(datasets)
    assert [(f.code, f.severity) for f in record.findings] == [("LOSSY", "warning")]


def test_findings_hold_no_patient_and_no_free_text(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.SeriesDescription = "ZZFREE text"
        dataset.PatientID = "ZZPHI"
    records = [slices.record(datasets), slices.record([*datasets[:3], *datasets[5:]])]
    for record in records:
        said = repr((record.findings, record.role_reason, record.code))
        assert "ZZ" not in said
