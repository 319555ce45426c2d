"""m00 to m04 and all else that stacks several volumes, or several patients, in one series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.imaging.dicom.hazards.series import ROOT, each, write
from tests.imaging.dicom.hazards.table import hazard


def stacked(*changes):
    """One volume for each set of elements, at the same places, under one series UID."""

    def build(home, plan):
        stacks, truths = [], []
        for number, change in enumerate(changes):
            level = 60.0 * number
            images = plan.series(tag=str(number + 1), level=level, first=1 + number * plan.count)
            stacks.append(change(images))
            truths.append(replace(plan.truth, body=plan.body.with_level(plan.body.level + level)))
        images = [image for group in zip(*stacks, strict=True) for image in group]
        write(images, home)
        return truths

    return build


def all_with(**values):
    return lambda images: each(images, **values)


def private(creator, element, vr, value):
    """A private element of a vendor, in group 0019, 0043 or 2001."""

    def change(images):
        for image in images:
            block = image.private_block(element[0], creator, create=True)
            block.add_new(element[1], vr, value)
        return images

    return change


def implicit(change):
    """The same in files that leave representations out, as archives rewrite them: of private elements, none knows."""

    def changed(images):
        for image in change(images):
            image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        return images

    return changed


def several(name, *changes, only="", more=True, accepted="split error", ours="split"):
    hazard(name, accepted, "MULTIPLE_VOLUMES", only=only, more=more, ours=ours)(stacked(*changes))


several(
    "m00_two_phases",
    all_with(AcquisitionNumber=1, AcquisitionTime="101500"),
    all_with(AcquisitionNumber=2, AcquisitionTime="101600"),
    more=False,
)
several("m01_two_echoes", all_with(EchoTime="12"), all_with(EchoTime="80", EchoNumbers=2), only="MR", more=False)
several(
    "m02_b_values",
    all_with(DiffusionBValue=0.0),
    all_with(DiffusionBValue=400.0),
    all_with(DiffusionBValue=800.0),
    only="MR",
    more=False,
)


@hazard("m03_two_patients_one_uid", "split error", "UID_COLLISION")
def two_patients(home, plan):
    other = plan.series(tag="2", level=60.0)
    each(other, PatientID="ZZPHI-2", PatientName="ZZOTHER^PERSON", PatientBirthDate="19600102", PatientSex="M")
    write([image for pair in zip(plan.series(), other, strict=True) for image in pair], home)
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m03_two_patients_alternate_slices", "error", "UID_COLLISION", more=True)
def alternate_patients(home, plan):
    images = plan.series()
    each(images[1::2], PatientID="ZZPHI-2", PatientName="ZZOTHER^PERSON")
    each(images[4:8], PatientID="ZZPHI-3", PatientName="ZZTHIRD^PERSON")
    write(images, home)
    return [plan.truth]


@hazard("m03_two_patients_one_id_one_uid", "error", "UID_COLLISION PATIENT_CONTRADICTED", more=True)
def one_id(home, plan):
    other = each(plan.series(tag="2", level=60.0), PatientBirthDate="19600102", PatientSex="M")
    write([*plan.series(), *other], home)
    return [plan.truth]


@hazard("m03_same_patient_id_two_studies_one_series_uid", "error", "UID_COLLISION", more=True)
def two_studies(home, plan):
    write([*plan.series(), *each(plan.series(tag="2", level=60.0), StudyInstanceUID=f"{ROOT}.2")], home)
    return [plan.truth]


@hazard("m04_two_frames_of_reference", "split load error", "MULTIPLE_FRAME_OF_REFERENCE")
def two_frames_of_reference(home, plan):
    other = each(plan.series(tag="2", level=60.0, first=25), FrameOfReferenceUID=f"{ROOT}.10")
    write([*plan.series(), *other], home)
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m04_one_slice_without_frame_of_reference", "warn", "MULTIPLE_FRAME_OF_REFERENCE", more=True)
def no_frame_of_reference(home, plan):
    images = plan.series()
    each(images[11:12], FrameOfReferenceUID="")
    write(images, home)
    return [plan.truth]


@hazard("m04_volume_without_frame_of_reference_on_another", "split", "MULTIPLE_FRAME_OF_REFERENCE", more=True)
def unnamed_space(home, plan):
    """At the same places; joined they would be no volume."""
    other = each(plan.series(tag="2", level=60.0, first=25), FrameOfReferenceUID=None)
    write([*plan.series(), *other], home)
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m05_one_patient_id_two_birth_dates", "split", "PATIENT_CONTRADICTED", more=True)
def birth_dates(home, plan):
    other = plan.series(tag="2", level=60.0)
    each(other, PatientBirthDate="19600102", SeriesInstanceUID=f"{ROOT}.1.2", StudyInstanceUID=f"{ROOT}.2")
    write([*plan.series()], home)
    write(other, home / "other")
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m05_one_patient_id_two_sexes", "split", "PATIENT_CONTRADICTED", more=True)
def sexes(home, plan):
    other = plan.series(tag="2", level=60.0)
    each(other, PatientSex="M", SeriesInstanceUID=f"{ROOT}.1.2")
    write([*plan.series()], home)
    write(other, home / "other")
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m05_one_patient_id_two_names", "split", "PATIENT_CONTRADICTED", more=True)
def names(home, plan):
    other = plan.series(tag="2", level=60.0)
    each(other, PatientName="ROE^JANE", PatientBirthDate=None, PatientSex=None)
    each(other, SeriesInstanceUID=f"{ROOT}.1.2", StudyInstanceUID=f"{ROOT}.2")
    write([*plan.series()], home)
    write(other, home / "other")
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m05_one_patient_id_two_spellings", "split", more=True)
def spellings(home, plan):
    """A married name, and the given name in small letters: no doubt is cast on either."""
    other = plan.series(tag="2", level=60.0)
    each(other, PatientName="Roe, marker", SeriesInstanceUID=f"{ROOT}.1.2", StudyInstanceUID=f"{ROOT}.2")
    write([*plan.series()], home)
    write(other, home / "other")
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m05_two_of_a_family_under_one_uid", "error", "UID_COLLISION", more=True)
def family(home, plan):
    images = plan.series()
    each(images[1::2], PatientName="ZZPHI^JOHN")
    write(images, home)
    return [plan.truth]


@hazard("m05_name_written_more_or_less_completely", "load", more=True)
def initials(home, plan):
    images = plan.series()
    each(images[1::3], PatientName="Zzphi^Marker^A")
    each(images[2::3], PatientName="")
    write(images, home)
    return [plan.truth]


def kind(*values):
    return all_with(ImageType=["ORIGINAL", "PRIMARY", *values])


several(
    "m10_dixon_in_opposed_fat_water",
    kind("M", "IN_PHASE"),
    kind("M", "OPP_PHASE"),
    kind("M", "FAT"),
    kind("M", "WATER"),
    only="MR",
)
several(
    "m10_dixon_siemens",
    kind("M", "DIXON", "IN"),
    kind("M", "DIXON", "OPP"),
    kind("M", "DIXON", "F"),
    kind("M", "DIXON", "W"),
    only="MR",
)
several("m10_dixon_by_protocol_of_ge", kind("OTHER", "IP"), kind("OTHER", "OP"), only="MR")
several("m11_magnitude_and_phase", kind("M", "ND"), kind("P", "ND"), only="MR")
several("m11_real_and_imaginary", kind("R"), kind("I"), only="MR")
several("m12_cardiac_triggers", *(all_with(TriggerTime=str(time), CardiacNumberOfImages=3) for time in (0, 300, 600)))
several("m13_dual_energy_kvp", all_with(KVP="80"), all_with(KVP="140"), only="CT")
several("m13_dual_energy_kernel", all_with(ConvolutionKernel="B30f"), all_with(ConvolutionKernel="D30f"), only="CT")
several("m13_virtual_monoenergetic", kind("AXIAL", "MONO_40KEV"), kind("AXIAL", "MONO_190KEV"), only="CT")
several("m14_two_kernels", all_with(ConvolutionKernel="B30f"), all_with(ConvolutionKernel="B70f"), only="CT")
several(
    "m14_kernels_of_two_values",
    all_with(ConvolutionKernel=["Br40", "3"]),
    all_with(ConvolutionKernel=["Br64", "3"]),
    only="CT",
)
several("m15_temporal_positions", *(all_with(TemporalPositionIdentifier=n) for n in (1, 2, 3)))
several("m15_content_times", all_with(ContentTime="102000"), all_with(ContentTime="102130"))
several("m16_inversion_times", all_with(InversionTime="150"), all_with(InversionTime="900"), only="MR")
several("m17_flip_angles", all_with(FlipAngle="5"), all_with(FlipAngle="26"), only="MR")
several("m17_repetition_times", all_with(RepetitionTime="500"), all_with(RepetitionTime="3000"), only="MR")
several("m18_stack_ids", all_with(StackID="1"), all_with(StackID="2"))
several("m19_window_of_contrast", all_with(ContrastBolusAgent=None), all_with(ContrastBolusAgent="agent"))
several("m20_nothing_tells_apart", all_with(), all_with(), accepted="error", ours="error")
several(
    "m21_siemens_private_b_values",
    private("SIEMENS MR HEADER", (0x0019, 0x0C), "IS", "50"),
    private("SIEMENS MR HEADER", (0x0019, 0x0C), "IS", "800"),
    only="MR",
)
several(
    "m21_ge_private_b_values",
    private("GEMS_PARM_01", (0x0043, 0x39), "IS", ["1000000050", "8", "0", "0"]),
    private("GEMS_PARM_01", (0x0043, 0x39), "IS", ["1000000800", "8", "0", "0"]),
    only="MR",
)
several(
    "m21_philips_private_b_values",
    private("Philips Imaging DD 001", (0x2001, 0x03), "FL", 0.0),
    private("Philips Imaging DD 001", (0x2001, 0x03), "FL", 600.0),
    only="MR",
)
several(
    "m21_philips_private_b_values_in_implicit_vr",
    implicit(private("Philips Imaging DD 001", (0x2001, 0x03), "FL", 0.0)),
    implicit(private("Philips Imaging DD 001", (0x2001, 0x03), "FL", 600.0)),
    only="MR",
)
several(
    "m21_diffusion_directions",
    all_with(DiffusionBValue=800.0, DiffusionGradientOrientation=[1.0, 0.0, 0.0]),
    all_with(DiffusionBValue=800.0, DiffusionGradientOrientation=[0.0, 1.0, 0.0]),
    all_with(DiffusionBValue=800.0, DiffusionGradientOrientation=[0.0, 0.0, 1.0]),
    only="MR",
)
several(
    "m22_acquisition_numbers_and_kernels",
    all_with(AcquisitionNumber=1, ConvolutionKernel="B30f"),
    all_with(AcquisitionNumber=2, ConvolutionKernel="B30f"),
    all_with(AcquisitionNumber=1, ConvolutionKernel="B70f"),
    all_with(AcquisitionNumber=2, ConvolutionKernel="B70f"),
    only="CT",
)


@hazard("m23_second_phase_between_the_slices", "split error", "MULTIPLE_VOLUMES", more=True)
def between(home, plan):
    """Together evenly spaced, at half the distance."""
    other = replace(plan, center=tuple(np.asarray(plan.center) + plan.turn[:, 2] * plan.distance / 2))
    second = [other.slice(n, number=25 + n, tag="2", level=60.0) for n in range(plan.count)]
    for n, image in enumerate(second):  # the body does not move with the slices
        place = n + 0.5
        plan.fill(image, place, 60.0)
    changes = {"AcquisitionNumber": 2, "TemporalPositionIdentifier": 2, "EchoTime": "80", "ConvolutionKernel": "B70f"}
    first = each(plan.series(), TemporalPositionIdentifier=1)
    write([*first, *each(second, **changes)], home)
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m24_phase_with_a_missing_slice", "error split", "DUPLICATE_POSITION", more=True, ours="error")
def incomplete_phase(home, plan):
    second = each(plan.series(tag="2", level=60.0, first=25), AcquisitionNumber=2)
    write([*plan.series(), *(image for n, image in enumerate(second) if n != 11)], home)
    return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


@hazard("m25_mosaic", "error", "UNSUPPORTED_MOSAIC", only="MR", more=True)
def mosaic(home, plan):
    """Siemens' functional and diffusion images: all slices tiled in one plane, which has one position."""
    images = each(plan.series()[:6], ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], Manufacturer="SIEMENS")
    write(images, home)
    return [plan.truth]


@hazard("m25_mosaic_by_private_count", "error", "UNSUPPORTED_MOSAIC", only="MR", more=True)
def mosaic_private(home, plan):
    change = private("SIEMENS MR HEADER", (0x0019, 0x0A), "US", 24)
    write(change(each(plan.series()[:6], Manufacturer="SIEMENS")), home)
    return [plan.truth]


def alternating(name, keyword, *values, only=""):
    """One acquisition, of which every second slice writes a number a little otherwise."""

    @hazard(f"m26_{name}", "load", only=only, more=True)
    def build(home, plan):
        images = plan.series()
        for image, value in zip(images, values * len(images), strict=False):
            setattr(image, keyword, value)
        write(images, home)
        return [plan.truth]


alternating("echo_time_either_side_of_rounding", "EchoTime", "8.948", "8.952", only="MR")
alternating("inversion_time_either_side_of_rounding", "InversionTime", "160.0499", "160.0501", only="MR")
alternating("b_value_either_side_of_rounding", "DiffusionBValue", 49.4999, 50.5, only="MR")
alternating("voltage_with_an_error_of_computing", "KVP", "120", "120.0001", only="CT")
alternating("repetition_triggered_by_breath", "RepetitionTime", "3012", "3290", "3105.5", "3012", only="MR")


def other_between(name, *, only="", **changes):
    """Two acquisitions, the slices of the one between those of the other; together they are evenly spaced."""

    @hazard(f"m27_{name}_between_the_slices", "split", "MULTIPLE_VOLUMES", only=only, more=True)
    def build(home, plan):
        second = [plan.slice(n + 0.5, number=25 + n, tag="2", level=60.0) for n in range(plan.count)]
        write([*plan.series(), *each(second, **changes)], home)
        return [plan.truth, replace(plan.truth, body=plan.body.with_level(plan.body.level + 60))]


other_between("contrast_agent", ContrastBolusAgent="GADO")
other_between("flip_angle", FlipAngle="30", only="MR")
other_between("repetition_time", RepetitionTime="3000", only="MR")


def every_second(name, code="MIXED_ACQUISITION", *, outcome="warn", only="", **changes):
    """Every second slice says something that one acquisition cannot say of some of its slices."""

    @hazard(f"m28_{name}_of_every_second_slice", outcome, code, only=only, more=True)
    def build(home, plan):
        images = plan.series()
        each(images[1::2], **changes)
        write(images, home)
        return [plan.truth]


every_second("acquisition_number", AcquisitionNumber=2)
every_second("trigger_time", TriggerTime="300")
every_second("series_number", SeriesNumber=99)
every_second("day", AcquisitionDate="20030118")
every_second("slice_thickness", SliceThickness="9")
every_second("scanner", StationName="X", DeviceSerialNumber="7")
every_second("filter", FilterType="X", only="CT")
every_second("position_on_the_table", PatientPosition="FFS")
every_second("age", PatientAge="012Y")
every_second("issuer_of_the_id", IssuerOfPatientID="OTHER HOSPITAL")


@hazard("m28_two_issuers_of_one_patient_id", "error", "UID_COLLISION", more=True)
def issuers(home, plan):
    images = each(plan.series(), IssuerOfPatientID="ONE HOSPITAL")
    write([*images[::2], *each(images[1::2], IssuerOfPatientID="OTHER HOSPITAL")], home)
    return [plan.truth]


def one_by_one(name, keyword, values, only=""):
    """An element that counts slices or parts of a scan, or follows the pulse: no alarm is raised."""

    @hazard(f"m29_{name}", "load", only=only, more=True)
    def build(home, plan):
        images = plan.series()
        for n, image in enumerate(images):
            setattr(image, keyword, values(n))
        write(images, home)
        return [plan.truth]


one_by_one("temporal_position_counts_slices", "TemporalPositionIdentifier", lambda n: n + 1)
one_by_one("inversion_time_of_each_slice", "InversionTime", lambda n: str(100 + 10 * n), only="MR")
one_by_one("repetition_time_of_each_breath", "RepetitionTime", lambda n: str(1000 + 700 * (7 * n % 24)), only="MR")
one_by_one("acquisition_number_counts_slices", "AcquisitionNumber", lambda n: n + 1)
one_by_one("acquisition_number_of_each_turn", "AcquisitionNumber", lambda n: n // 8)
one_by_one("trigger_time_of_two_packages", "TriggerTime", lambda n: str(n // 2 * 40))
one_by_one("scan_across_midnight", "AcquisitionDateTime", lambda n: f"200301{17 + n % 2}{235959 * (1 - n % 2):06d}")
