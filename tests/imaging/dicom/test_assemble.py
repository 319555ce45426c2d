"""Values: whatever the storage, the samples are the modality's, with their sign, unit and padding."""

from __future__ import annotations

import copy
from dataclasses import replace

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from imaging.dicom.assemble import load_volume
from imaging.dicom.pixels import ModalityTransform
from imaging.dicom.scan import scan
from imaging.errors import SeriesRefused, UnreadableFile
from imaging.study import Verdict

PIXEL_DATA = 0x7FE00010


def test_rescale_is_applied_slice_by_slice(slices, assert_true_to_place):
    datasets = slices.clean()
    for number, dataset in enumerate(datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + number % 3), str(-1024 - 10 * number)
        slices.fill(dataset)
    volume = slices.volume(datasets)
    assert volume.samples.dtype == np.int16
    assert_true_to_place(volume, rounding=2.0)


def test_a_fractional_slope_gives_float32(slices, assert_true_to_place):
    datasets = slices.clean()
    datasets[5].RescaleSlope = "0.3"
    slices.fill(datasets[5])
    volume = slices.volume(datasets)
    assert volume.samples.dtype == np.float32
    assert_true_to_place(volume, rounding=0.5 + 0.3 / 2)


def test_values_beyond_int16_give_float32(slices):
    datasets = slices.clean()
    datasets[0].RescaleIntercept = "40000"
    volume = slices.volume(datasets)
    assert volume.samples.dtype == np.float32
    assert volume.samples.max() > np.iinfo(np.int16).max


def test_monochrome1_is_never_inverted(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PresentationLUTShape = "INVERSE"
    assert_true_to_place(slices.volume(datasets))


@pytest.mark.parametrize("vr", ["US", "SS"])
@pytest.mark.parametrize("limit", [None, -1995])
def test_padding_is_invalid_and_never_the_darkest(vr, limit, slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        stored = np.frombuffer(dataset.PixelData, "<i2").copy()
        stored[:24] = -2000
        if limit:
            stored[5] = limit - 2
        slices.store(dataset, stored)
        wrap = 2**16 if vr == "US" else 0  # a sign that the VR does not know, as some writers have it
        dataset.add_new(0x00280120, vr, -2000 + wrap)
        if limit:
            dataset.add_new(0x00280121, vr, limit + wrap)
    volume = slices.volume(datasets)
    assert not volume.valid[:, :2].any()
    assert volume.valid[:, 2:].all()
    assert volume.samples[~volume.valid] == pytest.approx(float(volume.samples[volume.valid].min()))
    assert_true_to_place(volume)


def test_without_padding_everything_is_valid(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.add_new(0x00280120, "SS", -32768)
    assert slices.volume(datasets).valid is None


def test_overlays_in_high_bits_are_masked(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        stored = np.frombuffer(dataset.PixelData, "<i2").astype("<u2")
        assert stored.max() < 4096
        stored[::3] |= 0x3000
        slices.store(dataset, stored)
    assert_true_to_place(slices.volume(datasets))


def test_signed_samples_with_dirty_bits_keep_their_sign(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit, dataset.RescaleIntercept = 12, 11, "0"
        stored = np.rint(slices.points(dataset) @ np.array([4.0, 7.0, 11.0])).astype("<i2")
        assert stored.min() < 0
        assert np.abs(stored).max() < 2048
        slices.store(dataset, stored.view("<u2") & 0x0FFF | 0xA000)
    volume = slices.volume(datasets)
    assert volume.samples.min() < 0
    assert_true_to_place(volume)


def test_samples_may_sit_above_the_lowest_bits(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 15, 0
        stored = np.frombuffer(dataset.PixelData, "<i2").astype("<u2") << 4
        slices.store(dataset, stored | 0x000F)
    assert_true_to_place(slices.volume(datasets))


@pytest.mark.parametrize("bits", [8, 32])
def test_other_depths_are_read(bits, slices, assert_true_to_place):
    datasets = slices.clean(3, rows=4, columns=5, origin=(0.0, 0.0, 0.0))
    for dataset in datasets:
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(bits == 32)
        dataset.RescaleIntercept = "0"
        slices.fill(dataset)
    assert_true_to_place(slices.volume(datasets))


def test_missing_rescale_means_that_samples_are_values(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        del dataset.RescaleSlope, dataset.RescaleIntercept
        slices.fill(dataset)
    volume = slices.volume(datasets)
    assert_true_to_place(volume)
    assert [(finding.code, finding.severity) for finding in volume.findings] == [("ASSUMED_HU", "info")]


def test_zero_slope_is_refused(slices):
    datasets = slices.clean()
    datasets[2].RescaleSlope = "0"
    record = slices.record(datasets)
    with pytest.raises(SeriesRefused, match="slope") as caught:
        load_volume(record)
    assert caught.value.code == "BAD_NUMBER"


@pytest.mark.parametrize("first", [0, -300])
def test_modality_lut_is_applied(first, slices):
    table = (np.arange(700) ** 2 // 40).astype("<u2")
    datasets = slices.clean(modality="MR")
    stored = []
    for number, dataset in enumerate(datasets):
        del dataset.RescaleSlope, dataset.RescaleIntercept
        samples = (np.arange(120).reshape(10, 12) * 6 + number + first - 5).astype("<i2")  # some below, some above
        stored.append(samples)
        slices.store(dataset, samples)
        lut = Dataset()
        lut.add_new(0x00283002, "SS", [700, first, 16])
        lut.ModalityLUTType = "US"
        lut.add_new(0x00283006, "OW", table.tobytes())
        dataset.ModalityLUTSequence = [lut]
    volume = slices.volume(datasets)
    expected = table[np.clip(np.array(stored) - first, 0, 699)]
    np.testing.assert_array_equal(volume.samples, expected)


def _encapsulated(dataset, syntax, codestreams):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(codestreams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


CODECS = {
    "jpeg 2000": ("1.2.840.10008.1.2.4.90", lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True)),
    "jpeg-ls": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "jpeg lossless": ("1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_codecs_give_back_what_was_stored(codec, signed, slices, assert_true_to_place):
    syntax, encode = CODECS[codec]
    datasets = slices.clean()
    for dataset in datasets:
        dataset.PixelRepresentation = int(signed)
        if signed:
            dataset.RescaleIntercept = "0"  # so that samples are negative
        slices.fill(dataset)
        samples = np.frombuffer(dataset.PixelData, "<u2").reshape(10, 12)
        _encapsulated(dataset, syntax, [encode(samples)])
    volume = slices.volume(datasets)
    assert volume.samples.min() < 0
    assert_true_to_place(volume)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", ImplicitVRLittleEndian])
def test_run_lengths_and_implicit_headers_are_read(syntax, slices, assert_true_to_place):
    datasets = slices.clean(rows=3, columns=5)
    for dataset in datasets:
        if syntax == "1.2.840.10008.1.2.5":
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
    assert_true_to_place(slices.volume(datasets))


def test_slices_of_different_codecs_make_one_volume(slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset, (syntax, encode) in zip(datasets, CODECS.values(), strict=False):
        _encapsulated(dataset, syntax, [encode(np.frombuffer(dataset.PixelData, "<u2").reshape(10, 12))])
    assert_true_to_place(slices.volume(datasets))


def test_fragments_are_joined_to_frames(slices, enhanced, assert_true_to_place):
    frames = slices.clean()
    image = enhanced(frames)
    syntax, encode = CODECS["jpeg 2000"]
    streams = [encode(np.frombuffer(frame.PixelData, "<u2").reshape(10, 12)) for frame in frames]
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = encapsulate(streams, fragments_per_frame=2)
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    assert_true_to_place(slices.volume([image]))


def test_a_codestream_larger_than_declared_is_not_decoded(slices):
    datasets = slices.clean()
    syntax, encode = CODECS["jpeg 2000"]
    _encapsulated(datasets[3], syntax, [encode(np.zeros((500, 500), np.uint16))])
    record = slices.record(datasets)
    with pytest.raises(SeriesRefused) as caught:
        load_volume(record)
    assert caught.value.code == "DECLARED_SIZE_TOO_LARGE"


def test_damaged_codestreams_are_refused(slices):
    datasets = slices.clean()
    syntax, encode = CODECS["jpeg-ls"]
    stream = encode(np.frombuffer(datasets[3].PixelData, "<u2").reshape(10, 12))
    _encapsulated(datasets[3], syntax, [stream[:40] + bytes(len(stream) - 42) + stream[-2:]])
    record = slices.record(datasets)
    with pytest.raises(SeriesRefused) as caught:
        load_volume(record)
    assert caught.value.code == "UNREADABLE_PIXEL_DATA"


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_big_endian_and_deflated_files_are_read(syntax, slices, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    home = slices.folder / "coded"
    home.mkdir()
    for number, dataset in enumerate(datasets):
        plain = Dataset(dataset)
        plain.file_meta = dataset.file_meta
        little = syntax != ExplicitVRBigEndian
        plain.save_as(home / str(number), implicit_vr=False, little_endian=little, enforce_file_format=True)
    (record,) = scan([home]).volumes
    assert record.verdict is Verdict.EXACT
    assert_true_to_place(load_volume(record))


def test_files_without_preamble_are_read(slices, assert_true_to_place):
    home = slices.write(slices.clean())
    for path in home.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    (record,) = scan([home]).volumes
    assert_true_to_place(load_volume(record))


def test_files_without_meta_information_are_read(slices, assert_true_to_place):
    datasets = slices.clean()
    home = slices.folder / "bare"
    home.mkdir()
    for number, dataset in enumerate(datasets):
        bare = copy.deepcopy(dataset)
        plain = Dataset(bare)
        plain.save_as(home / str(number), implicit_vr=True, little_endian=True)
    (record,) = scan([home]).volumes
    assert_true_to_place(load_volume(record))


def test_float_pixel_data_is_read(slices, assert_true_to_place):
    datasets = slices.clean(modality="MR")
    for dataset in datasets:
        values = slices.points(dataset) @ np.array([4.0, 7.0, 11.0])
        del dataset.PixelData, dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.BitsAllocated = 32
        del dataset.BitsStored, dataset.HighBit
        dataset.FloatPixelData = values.astype("<f4").tobytes()
    volume = slices.volume(datasets)
    assert volume.samples.dtype == np.float32
    assert_true_to_place(volume, rounding=1e-3)


@pytest.mark.parametrize(("count", "saturation"), [(20, 3071.0), (19, None)])
def test_a_plateau_at_the_top_of_the_scale_is_saturation(count, saturation, slices):
    datasets = slices.clean()
    stored = np.frombuffer(datasets[4].PixelData, "<i2").copy()
    stored[:count] = 3071 + 1024
    slices.store(datasets[4], stored)
    assert slices.volume(datasets).saturation_hu == saturation


def test_a_plateau_at_the_largest_stored_value_is_saturation(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 13, 12, 0
    stored = np.frombuffer(datasets[4].PixelData, "<i2").copy()
    stored[:30] = 2**13 - 1
    slices.store(datasets[4], stored)
    assert slices.volume(datasets).saturation_hu == 2**13 - 1 - 1024


def test_a_plateau_below_the_maximum_is_no_saturation(slices):
    datasets = slices.clean()
    stored = np.frombuffer(datasets[4].PixelData, "<i2").copy()
    stored[:30], stored[31] = 3071 + 1024, 3500 + 1024
    slices.store(datasets[4], stored)
    assert slices.volume(datasets).saturation_hu is None


def test_mr_knows_no_saturation(slices):
    datasets = slices.clean(modality="MR")
    slices.store(datasets[4], np.full(120, 4095))
    assert slices.volume(datasets).saturation_hu is None


def test_values_that_are_no_hounsfield_units_are_named(slices):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.RescaleType = "US"
    assert "NOT_HU" in {finding.code for finding in slices.volume(datasets).findings}


def test_a_file_that_vanished_or_changed_is_refused(slices):
    datasets = slices.clean()
    record = slices.record(datasets)
    path = record.frames[3].path
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(UnreadableFile):
        load_volume(record)
    other = pydicom.dcmread(record.frames[4].path)
    other.SOPInstanceUID = "1.2.3"
    other.save_as(path)
    with pytest.raises(UnreadableFile) as caught:
        load_volume(record)
    assert caught.value.code == "CHANGED_FILE"
    path.write_bytes(kept[:-10])
    with pytest.raises(SeriesRefused) as refused:
        load_volume(record)
    assert refused.value.code == "TRUNCATED_PIXEL_DATA"


def test_loading_twice_gives_the_same_bytes(slices):
    record = slices.record(slices.clean())
    first, second = load_volume(record), load_volume(replace(record))
    assert first.samples.tobytes() == second.samples.tobytes()
    assert not first.samples.flags.writeable


def test_a_slope_beyond_whole_numbers_does_not_wrap():
    transform = ModalityTransform(slope=1e18, intercept=-1.0)
    assert transform.values(np.array([-20, 0, 20], dtype=np.int64)).tolist() == [-2e19, -1.0, 2e19]
