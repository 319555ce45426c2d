"""h00 to h05, and what lies in a study folder beside the images."""

from __future__ import annotations

import copy
import struct
import zipfile
import zlib
from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet

from tests.imaging.dicom.hazards.pixel_cases import coloured
from tests.imaging.dicom.hazards.series import ROOT, each, renamed, write
from tests.imaging.dicom.hazards.table import hazard

DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


@hazard("h00_declared_huge", "error", "DECLARED_SIZE_TOO_LARGE")
def declared_huge(home, plan):
    image = plan.slice(0)
    image.Rows = image.Columns = 65535
    image.NumberOfFrames = 10000
    image.PixelData = bytes(100)
    write([image], home)
    return [plan.truth]


@hazard("h00_millions_of_frames_of_one_pixel", "error", "DECLARED_SIZE_TOO_LARGE", more=True)
def countless_frames(home, plan):
    """A frame costs an index more memory than its one byte costs the file, above all a compressed one."""
    for name, syntax, frames in (("a", RLE, 2**26), ("b", DEFLATED, 15 * 2**20)):
        image = plan.slice(0)
        image.Rows = image.Columns = 1
        image.BitsAllocated = image.BitsStored = 8
        image.HighBit, image.PixelRepresentation, image.NumberOfFrames = 7, 0, frames
        image.PixelData = encapsulate([bytes(64)]) if syntax == RLE else bytes(frames)
        image["PixelData"].VR, image["PixelData"].is_undefined_length = "OB", syntax == RLE
        image.file_meta.TransferSyntaxUID = syntax
        write([image], home / name)
    return [plan.truth]


@hazard("h01_deflate_bomb", "error", "INFLATE_LIMIT")
def deflate_bomb(home, plan):
    image = plan.slice(0)
    del image.PixelData
    image.file_meta.TransferSyntaxUID = DEFLATED
    (path,) = write([image], home)
    raw = path.read_bytes()
    at = 132 + 12 + struct.unpack("<I", raw[140:144])[0]
    machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    inflated = zlib.decompress(raw[at:], -zlib.MAX_WBITS)
    head = b"\xe0\x7f\x10\x00OW\x00\x00" + struct.pack("<I", 2**31)
    block = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # 16 MiB of zeros end on a byte after a full flush, so that the same bytes may follow one another: 768 MiB.
    zeros = block.compress(bytes(2**24)) + block.flush(zlib.Z_FULL_FLUSH)
    begin = machine.compress(inflated + head) + machine.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(raw[:at] + begin + 48 * zeros + machine.flush())
    return [plan.truth]


PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=1+1",
    "{{7*7}}${7*7}",
    "../../../../tmp/pwned",
    "a" * 60,
    "\u202egnp.exe",
)


@hazard("h02_injection_strings", "load")
def injection(home, plan):
    images = each(
        plan.series(),
        SpecificCharacterSet="ISO_IR 192",
        SeriesDescription=PAYLOADS[0],
        StudyDescription=PAYLOADS[1],
        PatientName=PAYLOADS[2],
        PatientComments=PAYLOADS[3],
        PatientID=PAYLOADS[4],
        InstitutionName=PAYLOADS[5],
        ProtocolName=PAYLOADS[6],
    )
    write(images, home)
    return [plan.truth]


@hazard("h02_uids_that_are_paths", "load", more=True)
def paths_as_uids(home, plan):
    write(each(plan.series(), SeriesInstanceUID=PAYLOADS[4], StudyInstanceUID="/etc/passwd"), home)
    return [plan.truth]


@hazard("h03_symlink_loop", "load skip", "LINK_OUTSIDE", ours="skip")
def symlink_loop(home, plan):
    paths = write(plan.series(), home / "series")
    (home / "series" / "loop").symlink_to(home)
    (home / "again").symlink_to(home / "series")
    (home / "one").symlink_to(paths[3])
    outside = home.parent / f"{home.name}-outside"
    (other,) = write([renamed(plan.slice(11, level=50.0), "1.2.3.4")], outside)
    (home / "out").symlink_to(other)
    return [plan.truth]


@hazard("h04_polyglot", "load warn", "PREAMBLE_NOT_ZERO")
def polyglot(home, plan):
    for path in write(plan.series(), home):
        raw = path.read_bytes()
        path.write_bytes(b"MZ" + b"\x90" * 126 + raw[128:])
    return [plan.truth]


@hazard("h05_deep_sequence", "error", "NESTING_TOO_DEEP")
def deep_sequence(home, plan):
    (path,) = write([plan.slice(0)], home)
    raw = path.read_bytes()
    depth = 5000
    begin = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    at = raw.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(raw[:at] + begin * depth + end * depth + raw[at:])
    return [plan.truth]


def beside(*classes, code, files=None):
    """Objects of these SOP classes in the series' own folder."""

    def build(home, plan):
        images = plan.series()
        others = []
        for number, (sop_class, modality) in enumerate(classes):
            other = Dataset()
            other.file_meta = copy.deepcopy(images[0].file_meta)
            for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"):
                setattr(other, keyword, images[0].get(keyword))
            other.StudyDate, other.Modality = "20030117", modality
            other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = sop_class
            other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.8.{number}"
            other.SeriesInstanceUID = f"{ROOT}.7.{number}"
            others.append(other)
        write([*images, *(files(images) if files else []), *others], home)
        return [plan.truth]

    return build


REPORTS = {
    "sr": ("1.2.840.10008.5.1.4.1.1.88.33", "SR"),
    "key_objects": ("1.2.840.10008.5.1.4.1.1.88.59", "KO"),
    "presentation_state": ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
    "real_world_map": ("1.2.840.10008.5.1.4.1.1.67", "RWV"),
    "registration": ("1.2.840.10008.5.1.4.1.1.66.1", "REG"),
    "fiducials": ("1.2.840.10008.5.1.4.1.1.66.2", "FID"),
    "raw_data": ("1.2.840.10008.5.1.4.1.1.66", "MR"),
    "spectroscopy": ("1.2.840.10008.5.1.4.1.1.4.2", "MR"),
    "encapsulated_pdf": ("1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
    "plan": ("1.2.840.10008.5.1.4.1.1.481.5", "RTPLAN"),
    "waveform": ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG"),
    "tractography": ("1.2.840.10008.5.1.4.1.1.66.6", "MR"),
    "surface": ("1.2.840.10008.5.1.4.1.1.66.5", "SEG"),
}
for name, classes in REPORTS.items():
    hazard(f"i00_{name}_inside", "skip", "NOT_AN_IMAGE", more=True)(beside(classes, code="NOT_AN_IMAGE"))
hazard("i01_dose_report_inside", "skip", "DOSE_REPORT", more=True)(
    beside(("1.2.840.10008.5.1.4.1.1.88.67", "SR"), code="DOSE_REPORT")
)
hazard("i02_annotations_inside", "load", more=True)(
    beside(
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
        code="",
    )
)


def inside(code, **values):
    """One more image of the series' own UID and plane that is no slice of it."""

    def build(home, plan):
        images = plan.series()
        other = renamed(coloured(images[5], "1.2.3.5") if values.get("Modality") == "OT" else images[5], "1.2.3.5")
        each([other], **values)
        if "SOPClassUID" in values:
            other.file_meta.MediaStorageSOPClassUID = values["SOPClassUID"]
        write([*images, other], home)
        return [plan.truth]

    return build


CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
hazard("i03_secondary_capture_inside", "skip", "SECONDARY_CAPTURE", more=True)(
    inside("SECONDARY_CAPTURE", SOPClassUID=CAPTURE, ImageType=["DERIVED", "SECONDARY"])
)
hazard("i03_screen_of_the_slices_own_class_inside", "skip", "SECONDARY_CAPTURE", more=True)(
    inside("SECONDARY_CAPTURE", ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
)
hazard("i03_dose_screen_inside", "skip", "DOSE_REPORT", more=True)(
    inside("DOSE_REPORT", SOPClassUID=CAPTURE, ImageType=["DERIVED", "SECONDARY", "DOSE_INFO"])
)
hazard("i03_localizer_in_the_plane_of_the_stack", "skip", "LOCALIZER", more=True)(
    inside("LOCALIZER", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
)


@hazard("i04_other_series_of_every_kind", "skip", "UNSUPPORTED_MODALITY", more=True)
def other_modalities(home, plan):
    """Images that are not measured get a refused row, and disturb nothing."""
    write(plan.series(), home)
    kinds = {
        "PT": "1.2.840.10008.5.1.4.1.1.128",
        "NM": "1.2.840.10008.5.1.4.1.1.20",
        "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    }
    for number, (modality, sop_class) in enumerate(kinds.items()):
        images = plan.series(tag=str(number + 5))[:3]
        each(images, Modality=modality, SOPClassUID=sop_class, SeriesInstanceUID=f"{ROOT}.6.{number}")
        for image in images:
            image.file_meta.MediaStorageSOPClassUID = sop_class
        write(images, home / modality)
    return [plan.truth]


@hazard("i05_dicomdir_beside", "skip load", "DICOMDIR", more=True)
def dicomdir(home, plan):
    files = FileSet()
    for image in each(plan.series(), SeriesNumber=1, StudyID="1", AccessionNumber=""):
        files.add(image)
    files.write(home)
    return [plan.truth]


@hazard("i06_zip", "load", more=True)
def zipped(home, plan):
    paths = write(plan.series(), home)
    with zipfile.ZipFile(home / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(paths):
            archive.write(path, f"a/b{number % 3}/{path.name}")
            path.unlink()
    return [plan.truth]


@hazard("i07_series_without_uid", "load", more=True)
def without_uid(home, plan):
    write(each(plan.series(), SeriesInstanceUID=None), home)
    return [plan.truth]


@hazard("i07_instances_without_uid", "load", more=True)
def without_instance_uid(home, plan):
    for path in write(plan.series(), home):
        raw = path.read_bytes()
        tag = b"\x08\x00\x18\x00UI"
        at = raw.index(tag)
        length = int.from_bytes(raw[at + 6 : at + 8], "little")
        path.write_bytes(raw[:at] + raw[at + 8 + length :])
    return [plan.truth]


@hazard("i08_cut_series_beside_its_whole_sibling", "warn", "INCOMPLETE_SERIES", only="MR", more=True)
def sibling(home, plan):
    """Of two series of one study and plane, the one that ends early."""
    whole = each(plan.series(tag="2"), SeriesInstanceUID=f"{ROOT}.1.2", EchoTime="80")
    write(whole, home / "whole")
    write(plan.series()[:18], home / "cut")
    return [replace(plan.truth, slices=24), replace(plan.truth, slices=24)]
