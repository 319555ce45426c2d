"""p00 to p14: what the samples mean, how they are stored, and what else lies among them."""

from __future__ import annotations

import copy
import os
from dataclasses import replace

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.imaging.dicom.hazards.geometry_cases import with_text
from tests.imaging.dicom.hazards.series import each, renamed, store, stored, write
from tests.imaging.dicom.hazards.table import hazard

RLE = "1.2.840.10008.1.2.5"
CODECS = {
    "jpeg_lossless": ("1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode),
    "jpeg_lossless_14": ("1.2.840.10008.1.2.4.57", imagecodecs.ljpeg_encode),
    "jpeg_ls": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "jpeg_2000": ("1.2.840.10008.1.2.4.90", lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True)),
    "htj2k": ("1.2.840.10008.1.2.4.201", lambda a: imagecodecs.htj2k_encode(a, reversible=True)),
}


def unsigned(images, bits=12):
    """Stored without a sign, in so many bits."""
    for image in images:
        samples = stored(image)
        image.PixelRepresentation, image.BitsStored, image.HighBit = 0, bits, bits - 1
        store(image, samples)
    return images


def compressed(image, syntax, encode):
    stream = encode(stored(image).astype(np.uint16))
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = encapsulate([bytes(stream)])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True


@hazard("p00_per_slice_rescale", "load")
def per_slice_rescale(home, plan):
    images = plan.series()
    for n, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = str(1 + n % 3), str(-1024 + 7 * n)
        plan.fill(image, n)
    write(images, home)
    return [replace(plan.truth, rounding=2.0)]


@hazard("p00_fractional_rescale", "load", more=True)
def fractional_rescale(home, plan):
    images = plan.series()
    for n, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = f"{0.1 + 0.01 * n:.4f}", f"{-1024.5 - n}"
        plan.fill(image, n)
    write(images, home)
    return [replace(plan.truth, rounding=0.7)]


def padded(value, vr, limit=None):
    def build(home, plan):
        images = plan.series()
        for image in images:
            samples = stored(image)
            samples[:2] = value if limit is None else np.linspace(value, limit, 2 * plan.columns).reshape(2, -1)
            store(image, samples)
            image.add_new(0x00280120, vr, value + (2**16 if vr == "US" else 0))
            if limit is not None:
                image.add_new(0x00280121, vr, limit + (2**16 if vr == "US" else 0))
        write(images, home)
        return [replace(plan.truth, invalid=2 * plan.columns * plan.count)]

    return build


hazard("p01_padding", "load")(padded(-2000, "SS"))
hazard("p01_padding_written_unsigned", "load", more=True)(padded(-2000, "US"))
hazard("p01_padding_range", "load", more=True)(padded(-2900, "SS", -2000))


@hazard("p01_padding_without_the_bits_of_the_sign", "load", more=True)
def padding_of_twelve_bits(home, plan):
    """-2048 in twelve bits is 0x800, and so may the padding value be written."""
    images = each(plan.series(), RescaleSlope="2", RescaleIntercept="-1024", BitsStored=12, HighBit=11)
    for n, image in enumerate(images):
        plan.fill(image, n)
        samples = stored(image)
        samples[:2] = -2048
        store(image, samples & 0xFFF)
        image.add_new(0x00280120, "US", 0x800)
    write(images, home)
    return [replace(plan.truth, rounding=1.5, invalid=2 * plan.columns * plan.count)]


@hazard("p02_overlay_high_bits", "load")
def overlay_high_bits(home, plan):
    images = unsigned(plan.series())
    for image in images:
        samples = stored(image)
        samples[::3] |= 0x3000
        store(image, samples)
    write(images, home)
    return [plan.truth]


@hazard("p03_signed_dirty_bits", "load")
def signed_dirty_bits(home, plan):
    images = each(plan.series(), RescaleSlope="1", RescaleIntercept="0", BitsStored=12, HighBit=11)
    for n, image in enumerate(images):
        image.RescaleIntercept = "900"  # so that stored samples are negative
        plan.fill(image, n)
        image.PixelData = (stored(image).view("<u2") & 0x0FFF | 0xA000).tobytes()
        image["PixelData"].VR = "OW"
    write(images, home)
    return [plan.truth]


@hazard("p03_samples_in_the_upper_bits", "load", more=True)
def upper_bits(home, plan):
    images = unsigned(plan.series())
    for image in images:
        samples = stored(image) << 4 | 0x000F
        image.HighBit = 15
        store(image, samples)
    write(images, home)
    return [plan.truth]


@hazard("p04_monochrome1", "load")
def monochrome1(home, plan):
    write(each(plan.series(), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"), home)
    return [plan.truth]


def coloured(image, uid):
    other = renamed(image, uid)
    other.SamplesPerPixel, other.PhotometricInterpretation, other.PlanarConfiguration = 3, "RGB", 0
    other.BitsAllocated = other.BitsStored = 8
    other.HighBit, other.PixelRepresentation = 7, 0
    other.PixelData = bytes(3 * other.Rows * other.Columns)
    return other


@hazard("p05_rgb_inside", "skip split", "NOT_AN_IMAGE_SLICE")
def rgb_inside(home, plan):
    images = plan.series()
    write([*images, coloured(images[5], "1.2.3.5")], home)
    return [plan.truth]


@hazard("p06_codecs_mixed", "load")
def codecs_mixed(home, plan):
    images = unsigned(plan.series())
    for image, codec in zip(images, ["jpeg_lossless", "jpeg_ls", "jpeg_2000", "jpeg_lossless_14"], strict=False):
        compressed(image, *CODECS[codec])
    images[4].compress(RLE, generate_instance_uid=False)
    images[5].file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    write(images, home)
    return [plan.truth]


def in_codec(codec):
    def build(home, plan):
        images = unsigned(plan.series())
        for image in images:
            compressed(image, *CODECS[codec])
        write(images, home)
        return [plan.truth]

    return build


hazard("p06_jpeg_lossless", "load", more=True)(in_codec("jpeg_lossless"))
hazard("p06_htj2k", "load", more=True)(in_codec("htj2k"))


@hazard("p06_jpeg_xl", "load error", "UNSUPPORTED_TRANSFER_SYNTAX", ours="error", more=True)
def jpeg_xl(home, plan):
    """Too new for the writer, so that its UID is put in place of another of the same length."""
    images = unsigned(plan.series())
    for image in images:
        compressed(image, CODECS["htj2k"][0], lambda a: imagecodecs.jpegxl_encode(a, lossless=True))
    for path in write(images, home):
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.201", b"1.2.840.10008.1.2.4.110"))
    return [plan.truth]


@hazard("p06_lossy_by_name", "warn", "LOSSY", more=True)
def lossy(home, plan):
    write(each(plan.series(), LossyImageCompression="01", LossyImageCompressionRatio="8"), home)
    return [plan.truth]


@hazard("p06_lossy_by_its_ratio_and_method", "warn", "LOSSY", more=True)
def lossy_by_ratio(home, plan):
    write(each(plan.series(), LossyImageCompressionRatio="10", LossyImageCompressionMethod="ISO_10918_1"), home)
    return [plan.truth]


@hazard("p06_lossy_by_a_lone_digit", "warn", "LOSSY", more=True)
def lossy_by_digit(home, plan):
    write(each(plan.series(), LossyImageCompression="1"), home)
    return [plan.truth]


@hazard("p06_not_lossy_in_so_many_words", "load", more=True)
def not_lossy(home, plan):
    write(each(plan.series(), LossyImageCompression="00", LossyImageCompressionRatio="1"), home)
    return [plan.truth]


@hazard("p06_lossy_in_a_lossless_syntax", "warn", "LOSSY", more=True)
def lossy_unsaid(home, plan):
    """Neither the header nor the transfer syntax says what the codestream does."""
    images = unsigned(plan.series())
    for image in images:
        compressed(image, "1.2.840.10008.1.2.4.80", lambda samples: imagecodecs.jpegls_encode(samples, level=2))
    write(images, home)
    return [replace(plan.truth, rounding=3.0)]


@hazard("p07_no_preamble", "load")
def no_preamble(home, plan):
    for path in write(plan.series(), home):
        path.write_bytes(path.read_bytes()[132:])
    return [plan.truth]


@hazard("p07_no_meta_information_implicit", "load", more=True)
def no_meta(home, plan):
    home.mkdir(parents=True, exist_ok=True)
    for n, image in enumerate(plan.series()):
        bare = Dataset(copy.deepcopy(image))
        bare.save_as(home / f"{n}", implicit_vr=True, little_endian=True)
    return [plan.truth]


def cut(which, keep):
    def build(home, plan):
        paths = write(plan.series(), home)
        for number in which:
            raw = paths[number].read_bytes()
            paths[number].write_bytes(raw[: int(len(raw) * keep)])
        lost = sum(number in (0, 23) for number in which)
        return [replace(plan.truth, slices=plan.count - lost)]

    return build


def zeroed(which, *, begin):
    """An interrupted copy: zeros from a share of the file on."""

    def build(home, plan):
        paths = write(plan.series(), home)
        for number in which:
            raw = paths[number].read_bytes()
            at = int(len(raw) * begin)
            paths[number].write_bytes(raw[:at] + bytes(len(raw) - at))
        lost = sum(number in (0, 23) for number in which)
        return [replace(plan.truth, slices=plan.count - lost)]

    return build


hazard("p08_truncated", "skip error", "TRUNCATED_PIXEL_DATA")(cut([23], 0.7))
hazard("p08_truncated_inside", "error", "TRUNCATED_PIXEL_DATA MISSING_SLICES", more=True)(cut([9], 0.7))
hazard("p08_truncated_header", "skip error", "TRUNCATED_PIXEL_DATA", more=True)(cut([23], 0.2))
hazard("p09_zero_filled", "skip error", "UNREADABLE_FILE")(zeroed([23], begin=0))
hazard("p09_zero_filled_inside", "error", "UNREADABLE_FILE MISSING_SLICES", more=True)(zeroed([9], begin=0))


@hazard("p10_junk", "load skip", "NOT_DICOM EMPTY_FILE", ours="skip")
def junk(home, plan):
    write(plan.series(), home)
    (home / "notes.txt").write_text("not an image, though named by a person")
    (home / ".DS_Store").write_bytes(os.urandom(4096))
    (home / "Thumbs.db").write_bytes(b"")
    (home / "picture.dcm").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    return [plan.truth]


@hazard("p10_nested_folders", "load", more=True)
def nested(home, plan):
    for n, image in enumerate(plan.series()):
        write([image], home / f"a{n % 3}" / f"b{n % 5}" / str(n))
    return [plan.truth]


@hazard("p11_charset", "load")
def charset(home, plan):
    images = plan.series()
    sets = {
        "ISO_IR 100": "Müller^Jörg",
        "ISO_IR 192": "山田^太郎",
        "ISO_IR 144": "Иванов^Иван",
    }
    charset, name = list(sets.items())[len(plan.modality) % 3]
    write(each(images, SpecificCharacterSet=charset, PatientName=name), home)
    return [plan.truth]


@hazard("p11_iso_2022", "load", more=True)
def iso_2022(home, plan):
    images = each(plan.series(), SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=")
    write(images, home)
    return [plan.truth]


@hazard("p11_unknown_charset", "load", more=True)
def unknown_charset(home, plan):
    write(plan.series(), home)
    for path in home.iterdir():
        path.write_bytes(path.read_bytes().replace(b"ZZPHI^MARKER", b"\xffZZPHI^M\xe4RK\xff"))
    return [plan.truth]


@hazard("p12_no_rescale", "load")
def no_rescale(home, plan):
    images = each(plan.series(), RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    for n, image in enumerate(images):
        plan.fill(image, n)
    write(images, home)
    return [plan.truth]


@hazard("p12_no_rescale_in_some_slices", "warn", "ASSUMED_HU", only="CT", more=True)
def some_without_rescale(home, plan):
    """Whether the bare samples are right, nothing in the header tells; here they are."""
    images = plan.series()
    for n, image in enumerate(images[::3]):
        each([image], RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
        plan.fill(image, 3 * n)
    write(images, home)
    return [plan.truth]


@hazard("p12_slope_without_intercept_in_some_slices", "warn", "ASSUMED_HU", only="CT", more=True)
def some_without_intercept(home, plan):
    images = plan.series()
    for n, image in enumerate(images[::3]):
        each([image], RescaleIntercept=None)
        plan.fill(image, 3 * n)
    write(images, home)
    return [plan.truth]


@hazard("p12_zero_slope", "error", "BAD_NUMBER", more=True)
def zero_slope(home, plan):
    images = plan.series()
    each(images[9:10], RescaleSlope="0", RescaleIntercept="0")
    write(images, home)
    return [plan.truth]


@hazard("p12_comma_in_rescale", "error warn load", "BAD_NUMBER", only="CT", more=True)
def comma_in_rescale(home, plan):
    images = each(plan.series(), RescaleSlope="1.5", RescaleIntercept="-1024")
    for n, image in enumerate(images):
        plan.fill(image, n)
    write(images, home)
    with_text(home, "RescaleSlope", lambda _: b"1,5")
    return [replace(plan.truth, rounding=1.25)]


@hazard("p13_bits32", "load")
def bits32(home, plan):
    images = each(plan.series(), BitsAllocated=32, BitsStored=32, HighBit=31)
    for n, image in enumerate(images):
        plan.fill(image, n)
    write(images, home)
    return [plan.truth]


def floating(keyword, dtype, padding=None):
    def build(home, plan):
        images = each(plan.series(), RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
        for n, image in enumerate(images):
            values = plan.values(n) + 0.25
            if padding is not None:
                values[:2] = padding[1]
                image.add_new(padding[0], "FL" if dtype == "<f4" else "FD", padding[1])
            del image.PixelData, image.BitsStored, image.HighBit, image.PixelRepresentation
            image.BitsAllocated = np.dtype(dtype).itemsize * 8
            setattr(image, keyword, values.astype(dtype).tobytes())
        write(images, home)
        return [replace(plan.truth, rounding=0.76, invalid=0 if padding is None else 2 * plan.columns * plan.count)]

    return build


hazard("p13_float_padding", "load", more=True, only="MR")(floating("FloatPixelData", "<f4", (0x00280122, -1e30)))
hazard("p13_double_padding", "load", more=True, only="MR")(floating("DoubleFloatPixelData", "<f8", (0x00280123, -1e30)))
hazard("p13_double_beyond_any_value", "error", "BAD_NUMBER", more=True, only="MR")(
    floating("DoubleFloatPixelData", "<f8", (0x00281234, 1e300))
)
hazard("p13_float_pixel_data", "load", more=True, only="MR")(floating("FloatPixelData", "<f4"))
hazard("p13_double_pixel_data", "load", more=True, only="MR")(floating("DoubleFloatPixelData", "<f8"))


@hazard("p14_modality_lut", "load", only="CT")
def modality_lut(home, plan):
    """Stored samples point into a table whose entries are not negative, so that values are HU + 1024."""
    images = each(plan.series(), RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    for n, image in enumerate(images):
        image.PixelRepresentation = 0
        values = plan.values(n) + 1024
        store(image, values // 2 + 10)
        item = Dataset()
        item.add_new(0x00283002, "US", [2048, 10, 16])
        item.ModalityLUTType = "HU"
        item.add_new(0x00283006, "OW", (2 * np.arange(2048)).astype("<u2").tobytes())
        image.ModalityLUTSequence = Sequence([item])
    write(images, home)
    return [replace(plan.truth, body=plan.body.with_level(plan.body.level + 1024), rounding=1.5)]


@hazard("p15_philips_private_scaling", "load", only="MR", more=True)
def philips(home, plan):
    """DV = SV · slope + intercept by the public elements; the private pair says FP, which nobody asked for."""
    images = each(plan.series(), RescaleSlope="2.5", RescaleIntercept="-3", RescaleType="normalized")
    for n, image in enumerate(images):
        plan.fill(image, n)
        block = image.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", 0.0113)
    each(images, Manufacturer="Philips")
    write(images, home)
    return [replace(plan.truth, rounding=1.75)]


@hazard("p15_real_world_value_map", "load", only="MR", more=True)
def real_world(home, plan):
    """A map to real world values beside the rescale does not change the modality values."""
    item = Dataset()
    item.LUTExplanation, item.LUTLabel = "scaled", "S"
    item.add_new(0x00409216, "SS", -1000)
    item.add_new(0x00409211, "SS", 3000)
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 0.01
    write(each(plan.series(), RealWorldValueMappingSequence=[item]), home)
    return [plan.truth]


def in_syntax(syntax):
    def build(home, plan):
        home.mkdir(parents=True, exist_ok=True)
        for n, image in enumerate(plan.series()):
            image.file_meta.TransferSyntaxUID = syntax
            little = syntax != ExplicitVRBigEndian
            if not little:
                image.PixelData = stored(image).astype(">i2").tobytes()
                image["PixelData"].VR = "OW"
            plain = Dataset(image)
            plain.file_meta = image.file_meta
            plain.save_as(home / str(n), implicit_vr=False, little_endian=little, enforce_file_format=True)
        return [plan.truth]

    return build


hazard("p16_big_endian", "load", more=True)(in_syntax(ExplicitVRBigEndian))
hazard("p16_deflated", "load", more=True)(in_syntax(DeflatedExplicitVRLittleEndian))


@hazard("p17_presentation_hides_values", "load", only="CT", more=True)
def presentation(home, plan):
    """Windows, a VOI LUT and a presentation shape are for the display only."""
    item = Dataset()
    item.add_new(0x00283002, "US", [256, 0, 8])
    item.add_new(0x00283006, "OW", bytes(512))
    write(each(plan.series(), WindowCenter="40", WindowWidth="80", VOILUTSequence=[item]), home)
    return [plan.truth]


@hazard("p18_no_pixel_data", "error", "TRUNCATED_PIXEL_DATA MISSING_SLICES", more=True)
def no_pixels(home, plan):
    images = plan.series()
    del images[9].PixelData
    write(images, home)
    return [plan.truth]


@hazard("p19_hounsfield_denied", "warn", "NOT_HU", only="CT", more=True)
def not_hounsfield(home, plan):
    write(each(plan.series(), RescaleType="US"), home)
    return [plan.truth]
