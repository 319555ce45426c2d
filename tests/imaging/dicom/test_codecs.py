"""Every transfer syntax, decoded by us and by a library that shares no code with our decoder.

Ours is imagecodecs. The second opinions are CharLS by pyjpegls, OpenJPEG by pylibjpeg-openjpeg, pydicom's own reading
of run lengths, byte orders and deflated data, and GDCM within SimpleITK for the JPEG family. What was encoded without
loss must come back bit for bit; with loss, both decoders must say the same.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import openjpeg
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless

from imaging.dicom.assemble import load_volume
from imaging.dicom.file import open_dicom
from imaging.dicom.pixels import stored_frames
from imaging.dicom.scan import scan
from imaging.errors import InputError

JPEG = "1.2.840.10008.1.2.4"
PIXEL_DATA = 0x7FE00010
Encode = Callable[[np.ndarray, int], bytes]
Decode = Callable[[Path], np.ndarray]


def by_pydicom(path: Path) -> np.ndarray:
    return pydicom.dcmread(path).pixel_array


def by_gdcm(path: Path) -> np.ndarray:
    """SimpleITK gives values after the rescale, which is the identity here."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def by_charls(path: Path) -> np.ndarray:
    return np.stack([jpeg_ls.decode(np.frombuffer(frame, np.uint8)) for frame in _codestreams(path)])


def by_openjpeg(path: Path) -> np.ndarray:
    return np.stack([openjpeg.decode(frame) for frame in _codestreams(path)])


def _codestreams(path: Path) -> list[bytes]:
    dataset = pydicom.dcmread(path)
    return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))


@dataclass(frozen=True)
class Codec:
    """How synthetic slices get into a transfer syntax, and who else can get them out.

    ``apart`` is how far two right decoders may be: DCT and the irreversible wavelet are only defined to the last unit.
    """

    name: str
    syntax: str
    encode: Encode
    second: Decode
    depths: tuple[int, ...] = (8, 12, 16)
    signs: tuple[bool, ...] = (False, True)
    is_lossless: bool = True
    apart: int = 0

    def __str__(self) -> str:
        return self.name


def _lossless_jpeg(predictor: int) -> Encode:
    return lambda array, bits: imagecodecs.jpeg8_encode(
        _as_unsigned(array, bits), bitspersample=bits, lossless=True, predictor=predictor
    )


def _as_unsigned(array: np.ndarray, bits: int) -> np.ndarray:
    """The stored bits: the JPEG family knows no sign."""
    return array.view(array.dtype.str.replace("i", "u")) & (2**bits - 1)


def _run_lengths(array: np.ndarray, _bits: int) -> bytes:
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = array.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = array.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = array.itemsize * 8 - 1, int(array.dtype.kind == "i")
    dataset.compress(RLELossless, array, encoding_plugin="pydicom", generate_instance_uid=False)
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


CODECS = [
    Codec(
        "JPEG baseline", f"{JPEG}.50", lambda array, _: imagecodecs.jpeg8_encode(array, level=90), by_gdcm,
        depths=(8,), signs=(False,), is_lossless=False, apart=1,
    ),
    Codec(
        "JPEG extended", f"{JPEG}.51", lambda array, _: imagecodecs.jpeg8_encode(array, level=95, bitspersample=12),
        by_gdcm, depths=(12,), signs=(False,), is_lossless=False, apart=1,
    ),
    *(Codec(f"JPEG lossless 57 predictor {p}", f"{JPEG}.57", _lossless_jpeg(p), by_gdcm) for p in (1, 4, 6, 7)),
    Codec("JPEG lossless 70", f"{JPEG}.70", _lossless_jpeg(1), by_gdcm),
    Codec(
        "JPEG-LS", f"{JPEG}.80", lambda array, bits: jpeg_ls.encode(_as_unsigned(array, bits)).tobytes(), by_charls,
    ),
    Codec(
        "JPEG-LS near", f"{JPEG}.81", lambda array, _: jpeg_ls.encode(array, lossy_error=2).tobytes(), by_charls,
        signs=(False,), is_lossless=False,
    ),
    Codec(
        "JPEG 2000 lossless", f"{JPEG}.90", lambda array, bits: openjpeg.encode(array, bits_stored=bits), by_openjpeg,
    ),
    Codec(
        "JPEG 2000", f"{JPEG}.91",
        lambda array, bits: openjpeg.encode(array, bits_stored=bits, compression_ratios=[4]), by_openjpeg,
        is_lossless=False, apart=1,
    ),
    *(
        Codec(
            f"HTJ2K lossless {syntax}", f"{JPEG}.{syntax}",
            lambda array, _: imagecodecs.htj2k_encode(array, reversible=True), by_openjpeg,
        )
        for syntax in (201, 202)
    ),
    Codec(
        "HTJ2K", f"{JPEG}.203", lambda array, _: imagecodecs.htj2k_encode(array, reversible=False), by_openjpeg,
        is_lossless=False, apart=1,
    ),
    Codec("RLE", RLELossless, _run_lengths, by_pydicom),
]  # fmt: skip
EVERY_DEPTH = [
    pytest.param(codec, bits, is_signed, id=f"{codec}, {bits} bit{' signed' * is_signed}")
    for codec in CODECS
    for bits in codec.depths
    for is_signed in codec.signs
]
NATIVE = {
    "explicit": ("1.2.840.10008.1.2.1", "<"),
    "implicit": ("1.2.840.10008.1.2", "<"),
    "big endian": ("1.2.840.10008.1.2.2", ">"),
    "deflated": ("1.2.840.10008.1.2.1.99", "<"),
}


def _texture(bits: int, *, is_signed: bool, seed: int, shape: tuple[int, int] = (35, 43)) -> np.ndarray:
    """Waves and noise over the whole range, its ends included; odd sizes, so that blocks and words do not fit."""
    generator = np.random.default_rng(seed)
    row, column = np.indices(shape)
    wave = (2 + np.sin(row / 5 + seed) + np.cos(column / 7)) / 4 * (2**bits - 1)
    stored = np.clip(wave + generator.normal(0, 2**bits / 64, shape), 0, 2**bits - 1).astype(np.int64)
    stored[0, :2] = 0, 2**bits - 1
    return (stored - is_signed * 2 ** (bits - 1)).astype(f"{'i' if is_signed else 'u'}{1 if bits == 8 else 2}")


def _slices_of(slices, arrays: Sequence[np.ndarray], bits: int) -> list[Dataset]:
    """Native slices that hold these stored samples, which are their values."""
    datasets = slices.clean(len(arrays), rows=arrays[0].shape[0], columns=arrays[0].shape[1])
    for dataset, array in zip(datasets, arrays, strict=True):
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = array.itemsize * 8, bits, bits - 1
        dataset.PixelRepresentation = int(array.dtype.kind == "i")
        dataset.RescaleIntercept = "0"
        slices.store(dataset, array)
    return datasets


def _compressed(datasets: Sequence[Dataset], codec: Codec, arrays: Sequence[np.ndarray], bits: int) -> None:
    for dataset, array in zip(datasets, arrays, strict=True):
        dataset.file_meta.TransferSyntaxUID = codec.syntax
        dataset.PixelData = encapsulate([codec.encode(array, bits)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True


@pytest.mark.parametrize(("codec", "bits", "is_signed"), EVERY_DEPTH)
def test_two_decoders_and_the_encoder_agree(codec, bits, is_signed, slices):
    arrays = [_texture(bits, is_signed=is_signed, seed=number) for number in range(3)]
    datasets = _slices_of(slices, arrays, bits)
    _compressed(datasets, codec, arrays, bits)
    folder = slices.write(datasets)
    (record,) = scan([folder]).volumes
    volume = load_volume(record)
    for ours, frame, array in zip(volume.samples, record.frames, arrays, strict=True):
        second = _with_sign(codec.second(frame.path), array, bits)
        assert np.abs(second - ours.astype(np.int64)).max() <= codec.apart
        error = np.abs(array.astype(np.int64) - ours)
        assert error.max() == 0 if codec.is_lossless else 0 < error.mean() < 2**bits / 50
    # Known from the transfer syntax or, where both kinds share one, from the codestream.
    assert ("LOSSY" in {finding.code for finding in volume.findings}) is (not codec.is_lossless)


def _with_sign(samples: np.ndarray, like: np.ndarray, bits: int) -> np.ndarray:
    """Bits that a codec without a sign gives back, read with the sign of the header."""
    samples = samples.reshape(like.shape).astype(np.int64)
    if like.dtype.kind == "i":
        sign = 1 << (bits - 1)
        samples = ((samples & (2 * sign - 1)) ^ sign) - sign
    return samples


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_frames_of_one_file_are_decoded_apart(codec, slices, enhanced):
    """Two fragments a frame, found by the offset table; frames in another order than their places."""
    bits = codec.depths[-1]
    arrays = [_texture(bits, is_signed=False, seed=number) for number in (3, 1, 4, 0, 2)]
    image = enhanced(_slices_of(slices, arrays, bits))
    codestreams = [codec.encode(array, bits) for array in arrays]
    pieces = 1 if codec.syntax == RLELossless else 2  # a frame of run lengths is one fragment (PS3.5 A.4.2)
    image.file_meta.TransferSyntaxUID = codec.syntax
    image.PixelData = encapsulate(codestreams, fragments_per_frame=pieces, has_bot=True)
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    folder = slices.write([image])
    volume = load_volume(scan([folder]).choose())
    second = codec.second(next(folder.iterdir()))
    assert volume.samples.shape == (5, 35, 43)
    assert np.abs(second.astype(np.int64) - volume.samples).max() <= codec.apart
    assert codec.is_lossless is bool(np.array_equal(volume.samples, np.stack(arrays)))


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16, 32])
@pytest.mark.parametrize("syntax", NATIVE)
def test_native_samples_are_those_that_pydicom_reads(syntax, bits, is_signed, slices):
    uid, order = NATIVE[syntax]
    if uid.endswith(".2.2") and bits == 8:
        pytest.skip("bytes in words of the other order: refused, see the test below")
    generator = np.random.default_rng(bits)
    lowest = -(2 ** (bits - 1)) if is_signed else 0
    kind = f"{'i' if is_signed else 'u'}{max(bits // 8, 1) if bits != 12 else 2}"
    arrays = [generator.integers(lowest, lowest + 2**bits, (6, 10)).astype(kind) for _ in range(3)]
    datasets = _slices_of(slices, arrays, bits)
    for dataset, array in zip(datasets, arrays, strict=True):
        dataset.file_meta.TransferSyntaxUID = uid
        dataset.PixelData = array.astype(array.dtype.newbyteorder(order)).tobytes()
    folder = _written(datasets, slices.folder / "native", is_implicit=syntax == "implicit", is_little=order == "<")
    (record,) = scan([folder]).volumes
    volume = load_volume(record)
    for ours, frame, array in zip(volume.samples, record.frames, arrays, strict=True):
        np.testing.assert_array_equal(by_pydicom(frame.path), array)
        # Beyond 24 bits float32 rounds; never by more than it must.
        np.testing.assert_array_equal(ours, array if ours.dtype == np.int16 else array.astype(np.float32))


def _written(datasets: Sequence[Dataset], folder: Path, *, is_implicit: bool, is_little: bool) -> Path:
    """pydicom swaps all but the pixel data when it writes in another order than it read."""
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        plain = Dataset(dataset)
        plain.file_meta = dataset.file_meta
        plain.save_as(folder / str(number), implicit_vr=is_implicit, little_endian=is_little, enforce_file_format=True)
    return folder


def test_bytes_in_words_of_the_other_order_are_refused(slices):
    datasets = _slices_of(slices, [_texture(8, is_signed=False, seed=n, shape=(6, 10)) for n in range(3)], 8)
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = NATIVE["big endian"][0]
    folder = _written(datasets, slices.folder / "swapped", is_implicit=False, is_little=False)
    (record,) = scan([folder]).volumes
    assert record.code == "UNSUPPORTED_PIXELS"


@pytest.mark.parametrize(
    ("header_signed", "stream_signed"), [(False, True), (True, False)], ids=["header unsigned", "header signed"]
)
def test_where_header_and_codestream_differ_in_sign_the_bits_count(header_signed, stream_signed, slices):
    """The header says what the bits mean; a codestream's own sign only says how they were packed (PS3.5 8.2.4)."""
    arrays = [_texture(12, is_signed=stream_signed, seed=number) for number in range(3)]
    datasets = _slices_of(slices, arrays, 12)
    _compressed(datasets, next(codec for codec in CODECS if codec.name == "JPEG 2000 lossless"), arrays, 12)
    for dataset in datasets:
        dataset.PixelRepresentation = int(header_signed)
    volume = slices.volume(datasets)
    bits = [array.astype(np.int64) & 0xFFF for array in arrays]
    expected = [(word ^ 0x800) - 0x800 if header_signed else word for word in bits]
    np.testing.assert_array_equal(volume.samples, np.stack(expected))


@pytest.mark.parametrize("is_signed", [False, True])
def test_rounding_never_turns_the_brightest_into_the_darkest(is_signed, slices):
    """An irreversible codestream of 16 bits overshoots the 12 that are stored; its bits alone would wrap around."""
    chequered = np.indices((64, 64)).sum(axis=0) // 5 % 2
    array = (chequered * 4095 - is_signed * 2048).astype("i2" if is_signed else "u2")
    datasets = _slices_of(slices, [array] * 3, 12)
    irreversible = next(codec for codec in CODECS if codec.name == "HTJ2K")
    decoded = imagecodecs.jpeg2k_decode(irreversible.encode(array, 12))
    assert decoded.min() < array.min() or decoded.max() > array.max()  # else there is nothing to see here
    _compressed(datasets, irreversible, [array] * 3, 12)
    error = np.abs(slices.volume(datasets).samples.astype(int) - array)
    assert error.max() <= np.abs(decoded.astype(int) - array).max()


@pytest.mark.parametrize(
    ("declared", "is_packed", "told"),
    [(["12.5"], True, "about 12.5:1"), (["8", "20"], False, "about 20:1"), (None, False, "nobody says")],
)
def test_loss_is_told_with_its_ratio(declared, is_packed, told, slices):
    arrays = [_texture(8, is_signed=False, seed=number) for number in range(3)]
    datasets = _slices_of(slices, arrays, 8)
    if is_packed:
        _compressed(datasets, CODECS[0], arrays, 8)
    for dataset in datasets:
        dataset.LossyImageCompression = "01"
        if declared:
            dataset.LossyImageCompressionRatio = declared
    (message,) = (f.message for f in slices.volume(datasets).findings if f.code == "LOSSY")
    assert told in message


def test_a_ratio_that_nobody_declares_is_counted(slices):
    arrays = [_texture(8, is_signed=False, seed=number) for number in range(3)]
    datasets = _slices_of(slices, arrays, 8)
    _compressed(datasets, CODECS[0], arrays, 8)
    (message,) = (f.message for f in slices.volume(datasets).findings if f.code == "LOSSY")
    ratio = float(message.partition("about ")[2].partition(":")[0])
    smallest = min(len(dataset.PixelData) for dataset in datasets)  # items and delimiter of few bytes included
    assert ratio == pytest.approx(arrays[0].size / smallest, rel=0.05)


@pytest.mark.parametrize("place", ["slice", "private block 11", "enhanced"])
def test_values_are_those_of_the_public_rescale_and_other_scales_are_named(place, slices, enhanced):
    """Of Philips' scales the public one (displayed values) is taken; who wants the other knows that it is there."""
    datasets = slices.clean(modality="MR")
    for dataset in datasets:
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-7"
        slices.fill(dataset)
    expected = slices.volume(datasets).samples
    for dataset in datasets:
        if place == "private block 11":
            dataset.private_block(0x2005, "Somebody else", create=True)
        holder = Dataset() if place == "enhanced" else dataset
        block = holder.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", 0.013)
    if place == "enhanced":
        image = enhanced(datasets)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
        for group in image.PerFrameFunctionalGroupsSequence:
            group.add_new((0x2005, 0x140F), "SQ", [copy.deepcopy(holder)])
        datasets = [image]
    volume = load_volume(scan([slices.write(datasets, "scaled")]).choose())
    np.testing.assert_array_equal(volume.samples, expected)
    (message,) = (f.message for f in volume.findings if f.code == "VALUE_SCALE")
    assert "Philips" in message


def test_a_real_world_value_map_is_named_and_not_applied(slices, assert_true_to_place):
    datasets = slices.clean(modality="MR")
    mapping = Dataset()
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 4095
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.001, 0.0
    for dataset in datasets:
        dataset.RealWorldValueMappingSequence = [mapping]
    volume = slices.volume(datasets)
    assert_true_to_place(volume)
    assert ["real world" in f.message for f in volume.findings if f.code == "VALUE_SCALE"] == [True]


@pytest.mark.parametrize("element", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_samples_are_kept(element, slices):
    kind = "<f4" if element == "FloatPixelData" else "<f8"
    datasets = slices.clean(3, rows=4, columns=5)
    generator = np.random.default_rng(0)
    arrays = [generator.normal(0, 300, (4, 5)).astype(kind) for _ in datasets]
    for dataset, array in zip(datasets, arrays, strict=True):
        del dataset.PixelData, dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.BitsAllocated = array.itemsize * 8
        for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
            delattr(dataset, keyword)
        setattr(dataset, element, array.tobytes())
    volume = slices.volume(datasets)
    np.testing.assert_array_equal(volume.samples, np.stack(arrays).astype(np.float32))


@pytest.mark.parametrize("codec", ["JPEG lossless 70", "RLE", "JPEG 2000 lossless", "JPEG-LS", "HTJ2K lossless 201"])
def test_meaning_is_the_same_in_every_codec(codec, slices):
    """Slope by slice, padding, overlay bits and MONOCHROME1 give the same values native and compressed."""
    chosen = next(c for c in CODECS if c.name == codec)
    arrays = [_texture(12, is_signed=False, seed=number) for number in range(4)]
    for array in arrays:
        array[-4:] = 4095
    native = _slices_of(slices, arrays, 12)
    for number, dataset in enumerate(native):
        dataset.PhotometricInterpretation, dataset.PresentationLUTShape = "MONOCHROME1", "INVERSE"
        dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + number), str(-1000 - number)
        dataset.add_new(0x00280120, "US", 4095)
    packed = copy.deepcopy(native)
    _compressed(packed, chosen, arrays, 12)
    for dataset, array in zip(native, arrays, strict=True):
        slices.store(dataset, array | 0x6000)  # overlay planes 13 and 14, as old consoles burn them in
    one, other = (load_volume(scan([slices.write(d, name)]).choose()) for d, name in ((native, "n"), (packed, "p")))
    np.testing.assert_array_equal(one.samples, other.samples)
    np.testing.assert_array_equal(one.valid, other.valid)
    expected = np.stack([array * float(1 + n) - 1000 - n for n, array in enumerate(arrays)])
    np.testing.assert_array_equal(one.samples[one.valid], expected[one.valid])
    assert not one.valid[:, -4:].any()
    assert one.valid[:, :-4].mean() > 0.9


@pytest.mark.shared
def test_compressed_real_files_are_decoded_alike(shared):
    """Every grey file of the collection that is not plain little endian; colour and bitmaps are refused by name."""
    seconds: dict[str, tuple[Decode, int]] = {
        **dict.fromkeys((f"{JPEG}.50", f"{JPEG}.51"), (by_gdcm, 1)),
        **dict.fromkeys((f"{JPEG}.57", f"{JPEG}.70"), (by_gdcm, 0)),
        **dict.fromkeys((f"{JPEG}.80", f"{JPEG}.81"), (by_charls, 0)),
        **dict.fromkeys((f"{JPEG}.90", f"{JPEG}.91"), (by_openjpeg, 1)),
        **dict.fromkeys((RLELossless, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"), (by_pydicom, 0)),
    }
    seen, wrong = Counter[str](), []
    for path in sorted(p for p in (shared / "data").rglob("*") if p.is_file()):
        try:
            file = open_dicom(path)
            if file.syntax not in seconds or file.pixels is None or seen[file.syntax] >= 12:
                continue
            frames = np.stack(list(stored_frames(file)))
        except InputError as error:
            assert error.code in _REFUSED, (path, error.code)
            continue
        decode, apart = seconds[file.syntax]
        with warnings.catch_warnings(action="ignore"):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if decode is by_gdcm and float(header.get("RescaleSlope", 1)) != 1:
                continue
            offset = float(header.get("RescaleIntercept", 0)) if decode is by_gdcm else 0
            second = decode(path).astype(np.int64) - int(offset)
        seen[file.syntax] += 1
        mask = (1 << header.BitsStored) - 1
        difference = (frames.astype(np.int64) - second.reshape(frames.shape)) & mask
        difference = np.minimum(difference, mask + 1 - difference)  # one of them may have left the sign out
        wrong += [(path.name, int(difference.max()))] if difference.max() > apart else []
    assert wrong == []
    assert {f"{JPEG}.{n}" for n in (51, 70, 80, 81, 90, 91)} | {RLELossless} <= set(seen)


_REFUSED = {
    "NOT_DICOM", "EMPTY_FILE", "UNREADABLE_FILE", "UNSUPPORTED_PIXELS", "TRUNCATED_PIXEL_DATA",
    "DECLARED_SIZE_TOO_LARGE", "UNREADABLE_PIXEL_DATA",
}  # fmt: skip
