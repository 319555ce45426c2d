"""g00 to g23: where slices lie, or do not say."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from tests.imaging.dicom.hazards.series import decimal, each, renamed, write
from tests.imaging.dicom.hazards.table import hazard

SAGITTAL = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
OBLIQUE = Rotation.from_euler("xyz", [20, -35, 12], degrees=True).as_matrix()


def turned(cosines):
    return np.stack([*cosines, np.cross(*cosines)], axis=1)


@hazard("g00_clean", "load")
def clean(home, plan):
    write(plan.series(), home)
    return [plan.truth]


@hazard("g01_order_reversed", "load")
def order_reversed(home, plan):
    images = plan.series()
    for number, image in enumerate(reversed(images), start=1):
        image.InstanceNumber = number
    random.Random(5).shuffle(images)
    write(images, home)
    return [plan.truth]


@hazard("g02_no_instance_number", "load")
def no_instance_number(home, plan):
    write(each(plan.series(), InstanceNumber=None), home)
    return [plan.truth]


def without(numbers, **values):
    def build(home, plan):
        write([i for n, i in enumerate(each(plan.series(), **values)) if n not in numbers], home)
        return [plan.truth]

    return build


hazard("g03_missing_one", "error warn", "MISSING_SLICES")(without({9}))
hazard("g04_missing_five", "error warn", "MISSING_SLICES")(without({8, 9, 10, 11, 12}))
hazard("g05_missing_end", "warn error", "INCOMPLETE_SERIES")(without(range(18, 24), ImagesInAcquisition=24))
hazard("g05_missing_start_by_number", "warn error", "INCOMPLETE_SERIES", more=True)(without(range(6)))


@hazard("g06_duplicate_position", "error warn", "DUPLICATE_POSITION")
def duplicate_position(home, plan):
    images = plan.series()
    write([*images, plan.slice(9, number=25, level=70.0)], home)
    return [plan.truth]


@hazard("g07_duplicate_files", "load warn skip", "DUPLICATE_INSTANCE", ours="skip")
def duplicate_files(home, plan):
    images = plan.series()
    write(images, home)
    write(images[3:9], home / "copy")
    return [plan.truth]


@hazard("g07_duplicate_under_other_uids", "load warn skip", "DUPLICATE_INSTANCE", ours="skip", more=True)
def duplicate_other_uids(home, plan):
    images = plan.series()
    write([*images, *(renamed(image, f"1.2.3.{n}") for n, image in enumerate(images[3:9]))], home)
    return [plan.truth]


@hazard("g08_gantry_tilt", "warn load", "GANTRY_TILT", only="CT", tilt_deg=15.0)
def gantry_tilt(home, plan):
    write(plan.series(), home)
    return [plan.truth]


hazard("g08_gantry_tilt_negative", "warn", "GANTRY_TILT", only="CT", tilt_deg=-27.5, more=True)(gantry_tilt)


@hazard("g09_non_uniform", "error warn", "NON_UNIFORM_SPACING")
def non_uniform(home, plan):
    heights = [n if n < 12 else 12 + (n - 12) * 0.7 for n in range(plan.count)]
    write([plan.slice(height, number=n + 1) for n, height in enumerate(heights)], home)
    return [plan.truth]


@hazard("g09_one_slice_off_its_place", "error warn", "NON_UNIFORM_SPACING", more=True)
def one_off(home, plan):
    write([plan.slice(n + (0.3 if n == 11 else 0), number=n + 1) for n in range(plan.count)], home)
    return [plan.truth]


@hazard("g10_jitter", "load")
def jitter(home, plan):
    generator = np.random.default_rng(7)
    images = plan.series()
    for image in images:
        noisy = np.array([float(v) for v in image.ImagePositionPatient]) + generator.uniform(-0.01, 0.01, 3)
        image.ImagePositionPatient = [decimal(v, 4) for v in noisy]
    write(images, home)
    return [replace(plan.truth, places_mm=0.02)]


@hazard("g11_iop_rounding", "load", turn=OBLIQUE)
def iop_rounding(home, plan):
    generator = np.random.default_rng(8)
    images = plan.series()
    for image in images:
        noisy = plan.cosines.ravel() + generator.uniform(-1e-4, 1e-4, 6)
        image.ImageOrientationPatient = [decimal(v, 6) for v in noisy]
    write(images, home)
    return [replace(plan.truth, places_mm=0.01)]


@hazard("g12_localizers_inside", "skip split", "MIXED_ORIENTATION")
def localizers_inside(home, plan):
    write([*plan.series(), *localizers(plan)], home)
    return [plan.truth]


@hazard("g12_named_localizers_inside", "skip split", "LOCALIZER", more=True)
def named_localizers_inside(home, plan):
    write([*plan.series(), *each(localizers(plan), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])], home)
    return [plan.truth]


def localizers(plan):
    """One sagittal and one coronal image of the same matrix."""
    images = []
    for number, cosines in enumerate([SAGITTAL, np.array([[1.0, 0, 0], [0, 0, -1.0]])]):
        other = replace(plan, turn=turned(cosines), count=1)
        image = renamed(other.slice(0), f"1.2.3.9.{number}")
        image.InstanceNumber = 25 + number
        images.append(image)
    return images


hazard("g13_sagittal", "load", turn=turned(SAGITTAL))(clean)
hazard("g14_oblique", "load", turn=OBLIQUE)(clean)
hazard("g14_coronal", "load", turn=turned(np.array([[1.0, 0, 0], [0, 0, -1.0]])), more=True)(clean)
hazard("g14_prone_feet_first", "load", turn=turned(np.array([[0.0, -1, 0], [-1, 0, 0]])), more=True)(clean)


@hazard("g15_lying_thickness", "load")
def lying_thickness(home, plan):
    write(each(plan.series(), SliceThickness="5", SliceLocation="17"), home)
    return [plan.truth]


@hazard("g15_lying_spacing_between_slices", "load", only="MR", more=True)
def lying_spacing(home, plan):
    write(each(plan.series(), SpacingBetweenSlices="3.3", TableHeight="99"), home)
    return [plan.truth]


def placeless(which, *keywords):
    def build(home, plan):
        images = plan.series()
        for number in which:
            for keyword in keywords:
                delattr(images[number], keyword)
        write(images, home)
        lost = sum(number in (0, plan.count - 1) for number in which)
        return [replace(plan.truth, slices=plan.count - lost)]

    return build


hazard("g16_missing_ipp_one", "skip error", "MISSING_POSITION")(placeless([23], "ImagePositionPatient"))
hazard("g16_missing_ipp_inside", "error skip", "MISSING_POSITION", more=True)(placeless([9], "ImagePositionPatient"))
hazard("g16_missing_iop_inside", "error", "MISSING_POSITION", more=True)(placeless([9], "ImageOrientationPatient"))
hazard("g17_missing_ipp_all", "error warn", "MISSING_POSITION")(
    placeless(range(24), "ImagePositionPatient", "ImageOrientationPatient")
)
hazard("g18_missing_spacing", "error", "MISSING_PIXEL_SPACING")(placeless(range(24), "PixelSpacing"))


@hazard("g18_imager_spacing_only", "error", "MISSING_PIXEL_SPACING", more=True)
def imager_spacing_only(home, plan):
    write(each(plan.series(), PixelSpacing=None, ImagerPixelSpacing=["1.7", "1.6"]), home)
    return [plan.truth]


@hazard("g19_mixed_pixel_spacing", "split error", "MIXED_GEOMETRY")
def mixed_pixel_spacing(home, plan):
    finer = replace(plan, spacing=(1.5, 1.45))
    images = [*plan.series(), *finer.series(tag="2", first=25)]
    write(images, home)
    return [plan.truth, finer.truth]


@hazard("g19_mixed_pixel_spacing_inside", "error split", "MIXED_GEOMETRY MISSING_SLICES", more=True)
def mixed_pixel_spacing_inside(home, plan):
    finer = replace(plan, spacing=(1.5, 1.45))
    write([(finer if n in (7, 8) else plan).slice(n) for n in range(plan.count)], home)
    return [plan.truth]


@hazard("g20_mixed_matrix", "skip error split", "MIXED_GEOMETRY")
def mixed_matrix(home, plan):
    other = replace(plan, rows=40, columns=40)
    write([*plan.series(), other.slice(11, number=25)], home)
    return [plan.truth]


@hazard("g20_mixed_matrix_inside", "error split", "MIXED_GEOMETRY MISSING_SLICES", more=True)
def mixed_matrix_inside(home, plan):
    other = replace(plan, rows=40, columns=40)
    write([(other if n == 11 else plan).slice(n) for n in range(plan.count)], home)
    return [plan.truth]


@hazard("g21_same_position", "error", "NOT_A_VOLUME")
def same_position(home, plan):
    images = plan.series()
    write(each(images, ImagePositionPatient=images[0].ImagePositionPatient), home)
    return [plan.truth]


def with_text(home, keyword, change, which=None):
    """Change a DS element's text on disk, where no writer would let it pass; length kept by blanks."""
    for number, path in enumerate(sorted(home.iterdir())):
        if which is not None and number not in which:
            continue
        raw = path.read_bytes()
        at = raw.index(TAGS[keyword] + b"DS") + 8
        length = int.from_bytes(raw[at - 2 : at], "little")
        text = change(raw[at : at + length].strip())
        text += b" " * (len(text) % 2)
        path.write_bytes(raw[: at - 2] + len(text).to_bytes(2, "little") + text + raw[at + length :])


TAGS = {
    "ImagePositionPatient": b"\x20\x00\x32\x00",
    "PixelSpacing": b"\x28\x00\x30\x00",
    "RescaleSlope": b"\x28\x00\x53\x10",
    "RescaleIntercept": b"\x28\x00\x52\x10",
}


@hazard("g22_nan_ipp", "error", "BAD_NUMBER")
def nan_ipp(home, plan):
    write(plan.series(), home)
    with_text(home, "ImagePositionPatient", lambda text: re.sub(rb"[^\\]+$", b"NaN", text), which=[9])
    return [plan.truth]


@hazard("g23_comma_decimal", "warn load error", "BAD_NUMBER")
def comma_decimal(home, plan):
    write(plan.series(), home)
    with_text(home, "PixelSpacing", lambda text: b"\\".join(p[:5] for p in text.replace(b".", b",").split(b"\\")))
    return [plan.truth]


@hazard("g23_comma_that_may_mean_thousands", "error", "BAD_NUMBER", more=True)
def comma_thousands(home, plan):
    write(plan.series(), home)
    with_text(home, "ImagePositionPatient", lambda text: re.sub(rb"[^\\]+$", b"-1,250", text), which=[9])
    return [plan.truth]


@hazard("g24_slices_shifted_in_their_plane", "error", "MIXED_GEOMETRY", more=True)
def shifted(home, plan):
    moved = replace(plan, center=(plan.center[0] + 6.0, *plan.center[1:]))
    write([(moved if n % 5 == 3 else plan).slice(n) for n in range(plan.count)], home)
    return [plan.truth]


@hazard("g25_every_second_slice", "warn error", "INCOMPLETE_SERIES", more=True)
def every_second(home, plan):
    write(plan.series()[::2], home)
    return [replace(plan.truth, slices=12)]


@hazard("g26_two_stations_of_the_table", "error split", "MISSING_SLICES", more=True)
def stations(home, plan):
    write([*plan.series(), *(plan.slice(n) for n in range(40, 60))], home)
    return [plan.truth]


@hazard("g27_overlapping_stations", "error split", "DUPLICATE_POSITION", more=True)
def overlapping(home, plan):
    images = [*plan.series(), *(renamed(plan.slice(n, number=n + 7, level=30.0), f"1.2.3.{n}") for n in range(20, 30))]
    write(images, home)
    return [plan.truth]


@hazard("g28_orientation_not_orthogonal", "error", "BAD_ORIENTATION", more=True)
def not_orthogonal(home, plan):
    write(each(plan.series(), ImageOrientationPatient=["1", "0", "0", "0.6", "0.8", "0"]), home)
    return [plan.truth]


@hazard("g29_negative_pixel_spacing", "error", "BAD_NUMBER", more=True)
def negative_spacing(home, plan):
    write(each(plan.series(), PixelSpacing=["-1.7", "1.6"]), home)
    return [plan.truth]


@hazard("g30_single_slice", "error", "NOT_A_VOLUME", more=True)
def single(home, plan):
    write(plan.series()[:1], home)
    return [plan.truth]


@hazard("g31_position_of_two_numbers", "error", "BAD_NUMBER", more=True)
def two_numbers(home, plan):
    write(plan.series(), home)
    with_text(home, "ImagePositionPatient", lambda text: text.rsplit(b"\\", 1)[0], which=[4])
    return [plan.truth]


@hazard("g32_slowly_growing_gaps", "error", "NON_UNIFORM_SPACING", more=True)
def growing(home, plan):
    # each gap is within a percent of the next, the middle of the stack is far off
    heights = np.concatenate([[0.0], np.cumsum(np.linspace(0.94, 1.06, plan.count - 1))])
    write([plan.slice(height, number=n + 1) for n, height in enumerate(heights)], home)
    return [plan.truth]


@hazard("g40_every_slice_in_a_plane_of_its_own", "error", "MIXED_ORIENTATION", more=True, count=140)
def turned_slices(home, plan):
    """No series has so many planes; that each is compared with all others is not waited for."""
    images = plan.series()
    for n, image in enumerate(images):
        turn = np.radians(0.5 * n)
        image.ImageOrientationPatient = [
            decimal(v) for v in (np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0)
        ]
    write(images, home)
    return [plan.truth]
