"""What the damage is done to: small synthetic files of every kind, and small real ones where there are any.

Synthetic seeds are made here, so the repository holds no corpus; real ones are read from the shared folder and never
copied into it. A DICOM seed is one file of a series whose other files stay whole.
"""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import openjpeg
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid

__all__ = ["MARKER", "Seed", "real_seeds", "synthetic_seeds"]

MARKER = "ZZPHI"  # stands in every name; no message may hold it
ROOT = "1.2.826.0.1.3680043.10.1000.7"
JPEG = "1.2.840.10008.1.2.4"
LARGEST_REAL = {"dicom": 60_000, "nifti": 40_000, "nrrd": 40_000}  # bytes; many small inputs find more than few large
ROWS, COLUMNS, SLICES = 33, 34, 3  # OpenJPEG's encoder wants 32 at least


@dataclass(frozen=True)
class Seed:
    """One input that is right as it is; ``others`` are the files beside it."""

    target: str
    name: str
    content: bytes
    others: tuple[bytes, ...] = ()


def synthetic_seeds() -> Iterator[Seed]:
    """Seeds for every target, the same ones every time."""
    yield from _dicom_seeds()
    yield from _archive_seeds()
    yield from _nifti_seeds()
    yield from _nrrd_seeds()
    yield Seed("case file", "all tables", CASE_FILE)
    yield Seed("prompts", "all kinds", PROMPTS)


def real_seeds(folder: Path) -> Iterator[Seed]:
    """Small files of the shared data folder; none where it is absent."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            target = _target_of(path)
            if target and path.stat().st_size <= LARGEST_REAL[target]:
                yield Seed(target, str(path.relative_to(folder)), path.read_bytes())


def _target_of(path: Path) -> str | None:
    if path.name.endswith((".nii", ".nii.gz")):
        return "nifti"
    if path.suffix == ".nrrd":
        return "nrrd"
    with path.open("rb") as stream:
        start = stream.read(132)
    return "dicom" if start[128:] == b"DICM" or "malformed" in str(path) else None


def _slice(number: int, *, modality: str = "CT") -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1." + ("2" if modality == "CT" else "4"))
    meta.MediaStorageSOPInstanceUID = UID(f"{ROOT}.1.1.{number}")
    meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SpecificCharacterSet = "ISO_IR 192"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.StudyDate, image.SeriesDate, image.AcquisitionDate = "20030117", "20030117", "20030117"
    image.AcquisitionTime, image.ContentTime = "101500.5", "101501"
    image.Modality, image.Manufacturer, image.SeriesDescription = modality, f"{MARKER} Ltd", f"axial {MARKER}"
    image.PatientName, image.PatientID = f"{MARKER}^A", f"{MARKER}1"
    image.PatientBirthDate, image.PatientSex = "19500101", "O"
    image.SliceThickness, image.ConvolutionKernel, image.ImagesInAcquisition = "5", "B30f", SLICES
    if modality == "MR":
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions = "SE", "SK", ""
        image.RepetitionTime, image.EchoTime, image.InversionTime, image.FlipAngle = "500", "12", "0", "90"
        image.DiffusionBValue = 0.0
    image.StudyInstanceUID, image.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1"
    image.AcquisitionNumber, image.InstanceNumber = 1, number + 1
    image.ImagePositionPatient, image.ImageOrientationPatient = [-20, 5, -30 + 2.5 * number], [1, 0, 0, 0, 1, 0]
    image.FrameOfReferenceUID = f"{ROOT}.9"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns, image.PixelSpacing = ROWS, COLUMNS, ["0.8", "0.7"]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelPaddingValue = 4095
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "-1024", "1", "HU"
    image.PixelData = _samples(number).tobytes()
    image["PixelData"].VR = "OW"
    return image


def _samples(number: int) -> np.ndarray:
    row, column = np.indices((ROWS, COLUMNS))
    samples = (1000 + 30 * row + 20 * column + 100 * number).astype("<u2")
    samples[:2] = 4095
    return samples


def _dicom_seeds() -> Iterator[Seed]:
    for modality in ("CT", "MR"):
        whole = [_slice(number, modality=modality) for number in range(SLICES)]
        others = tuple(_file(image) for image in whole[1:])
        yield Seed("dicom", f"{modality} explicit", _file(whole[0]), others)
        yield Seed("dicom", f"{modality} implicit", _file(whole[0], syntax="1.2.840.10008.1.2"), others)
    whole = [_slice(number) for number in range(SLICES)]
    others = tuple(_file(image) for image in whole[1:])
    yield Seed("dicom", "no preamble", _file(whole[0])[132:], others)
    yield Seed("dicom", "big endian", _file(whole[0], syntax="1.2.840.10008.1.2.2"), others)
    yield Seed("dicom", "deflated", _file(whole[0], syntax="1.2.840.10008.1.2.1.99"), others)
    for syntax, codestream in _codestreams(_samples(0)):
        image = copy.deepcopy(whole[0])
        image.file_meta.TransferSyntaxUID = UID(syntax)
        image.PixelData = encapsulate([codestream])
        image["PixelData"].VR = "OB"
        image["PixelData"].is_undefined_length = True
        yield Seed("dicom", f"syntax {syntax}", _file(image), others)
    with_table = copy.deepcopy(whole[0])
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [16, 990, 16], "HU"
    table.LUTData = np.arange(16, dtype="<u2").tobytes()
    table["LUTData"].VR = "OW"
    with_table.ModalityLUTSequence = [table]
    yield Seed("dicom", "modality LUT", _file(with_table), others)
    yield Seed("dicom", "enhanced", _file(_enhanced(whole)))


def _codestreams(samples: np.ndarray) -> Iterator[tuple[str, bytes]]:
    yield f"{JPEG}.51", imagecodecs.jpeg8_encode(samples, level=90, bitspersample=12)
    yield f"{JPEG}.57", imagecodecs.jpeg8_encode(samples, bitspersample=12, lossless=True, predictor=6)
    yield f"{JPEG}.70", imagecodecs.jpeg8_encode(samples, bitspersample=12, lossless=True, predictor=1)
    yield f"{JPEG}.80", jpeg_ls.encode(samples).tobytes()
    yield f"{JPEG}.90", openjpeg.encode(samples, bits_stored=12)
    yield f"{JPEG}.201", imagecodecs.htj2k_encode(samples, reversible=True)
    yield "1.2.840.10008.1.2.5", _run_lengths(samples)


def _run_lengths(samples: np.ndarray) -> bytes:
    """Two segments of literal runs (PS3.5 G): high bytes, low bytes."""
    planes = [(samples >> shift).astype(np.uint8).tobytes() for shift in (8, 0)]
    packed = [
        b"".join(bytes([len(part) - 1]) + part for part in (p[at : at + 128] for at in range(0, len(p), 128)))
        for p in planes
    ]
    packed = [piece + b"\0" * (len(piece) % 2) for piece in packed]
    header = np.zeros(16, "<u4")
    header[:3] = 2, 64, 64 + len(packed[0])
    return header.tobytes() + b"".join(packed)


def _enhanced(frames: list[FileDataset]) -> FileDataset:
    image = copy.deepcopy(frames[0])
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2.1")
    image.NumberOfFrames = len(frames)
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept",
    ):  # fmt: skip
        delattr(image, keyword)
    measures, plane, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = frames[0].PixelSpacing, "5"
    plane.ImageOrientationPatient = frames[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    image.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, frame in enumerate(frames):
        position, rescale, content, group = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = frame.ImagePositionPatient
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", str(-1024 - number), "HU"
        content.FrameAcquisitionNumber, content.StackID, content.DimensionIndexValues = 1, "1", [1, number + 1]
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [rescale]
        group.FrameContentSequence = [content]
        groups.append(group)
    image.PerFrameFunctionalGroupsSequence = groups
    image.PixelData = b"".join(frame.PixelData for frame in frames)
    image["PixelData"].VR = "OW"
    return image


def _file(image: FileDataset, *, syntax: str | None = None) -> bytes:
    """The file's bytes, converted where another syntax is asked for."""
    plain = Dataset(copy.deepcopy(image))
    plain.file_meta = copy.deepcopy(image.file_meta)
    if syntax:
        plain.file_meta.TransferSyntaxUID = UID(syntax)
    is_little = syntax != "1.2.840.10008.1.2.2"
    if not is_little:
        plain.PixelData = np.frombuffer(plain.PixelData, "<u2").astype(">u2").tobytes()
    stream = io.BytesIO()
    plain.save_as(stream, implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=is_little, enforce_file_format=True)
    return stream.getvalue()


def _archive_seeds() -> Iterator[Seed]:
    """Slices in a zip archive, stored and deflated, and slices beside a file that is none."""
    whole = [_file(_slice(number)) for number in range(SLICES)]
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for number, content in enumerate((*whole, b"nothing")):
                archive.writestr(zipfile.ZipInfo(f"{MARKER}/{number}.dcm"), content, method)
        yield Seed("archive", name, stream.getvalue())


def _nifti_seeds() -> Iterator[Seed]:
    grid = Grid.from_spacing((3, 4, 5), (2.5, 0.8, 0.7), origin_mm=(1.0, -2.0, 3.0))
    labels = np.indices((3, 4, 5)).sum(axis=0).astype(np.uint8) % 4
    packed = nifti_bytes(labels, grid)
    yield Seed("nifti", "labels", packed)
    yield Seed("nifti", "plain", imagecodecs.gzip_decode(packed))
    yield Seed("nifti", "float", nifti_bytes(labels.astype(np.float32) * 0.3, grid))


def _nrrd_seeds() -> Iterator[Seed]:
    header = (
        "NRRD0004\n# {comment}\ntype: {kind}\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 4 3\n"
        "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)\nkinds: domain domain domain\nendian: little\n"
        "encoding: {encoding}\nspace origin: (1,-2,3)\nSegment0_ID:=Segment_1\nSegment0_Name:=cyst\n"
        "Segment0_LabelValue:=1\nSegment0_Layer:=0\n\n"
    )
    labels = np.indices((3, 4, 5)).sum(axis=0).astype("<i2") % 4
    raw = header.format(kind="short", encoding="raw", comment="plain").encode() + labels.tobytes()
    packed = header.format(kind="uint8", encoding="gzip", comment="packed").encode()
    yield Seed("nrrd", "raw", raw)
    yield Seed("nrrd", "gzip", packed + imagecodecs.gzip_encode(labels.astype(np.uint8).tobytes()))
    layers = header.replace("dimension: 3", "dimension: 4").replace("sizes: 5", "sizes: 2 5")
    layers = layers.replace("space directions: ", "space directions: none ").replace("kinds: ", "kinds: list ")
    both = np.stack([labels == 1, labels > 1], axis=-1).astype(np.uint8)
    yield Seed("nrrd", "layers", layers.format(kind="uint8", encoding="raw", comment="").encode() + both.tobytes())


CASE_FILE = f"""
[case]
id = "HCC-001"
[[lesion]]
id = "L1"
name = "{MARKER} sacrum"
side = "left"
kind = "target"
  [[lesion.prompt]]
  timepoint = "T0"
  kind = "box"
  points_lps_mm = [[8.0, -20.0, -110.0], [52.0, 24.0, -66.0]]
  sign = 1
  [[lesion.prompt]]
  timepoint = 2003-01-06
  series = "1.2.3"
  kind = "point"
  points_lps_mm = [8.0, -20.0, -110.0]
  radius_mm = 12
  [[lesion.review]]
  timepoint = "T0"
  status = "accepted"
  reader = "reader-1"
  mask_sha256 = "{"ab" * 32}"
[[procedure]]
id = "P2"
when = 2003-01-17T10:30:00
kind = "sacroplasty"
lesion = "L1"
materials = [{{agent = "pmma-barium", injected_ml = 7.0}}, {{agent = "nbca-lipiodol", injected_ml = 2}}]
[[clinical]]
when = 2003-01-27
pain_nrs = 0
side = "left"
walking = "unaided"
event = "fever"
grade = 2
[[series]]
uid = "1.2.3"
role = "t1"
[[structure]]
kind = "foramen"
name = "S1 left foramen"
timepoint = 2003-01-06
series = "1.2.3"
mask = "anatomy.nii.gz#3"
reader = "reader-1"
""".encode()
PROMPTS = json.dumps(
    {
        "schema": "osteotrace.prompt/1",
        "prompts": [
            {"kind": "point", "points_lps_mm": [[1, 2.5, 3]], "radius_mm": 8, "sign": -1},
            {"kind": "diameter", "points_lps_mm": [[0, 0, 0], [10, 0, 0], [5, -4, 0], [5, 4, 0]]},
            {"kind": "box", "points_lps_mm": [[8.0, -20.0, -110.0], [52.0, 24.0, -66.0]], "axes": "patient"},
            {"kind": "scribble", "points_lps_mm": [[1, 2, 3], [2, 3, 4]], "radius_mm": 1.5},
            {"kind": "mask", "path": "mask.nii.gz#1"},
        ],
    },
    indent=1,
).encode()
SHARED = Path(os.environ.get("OSTEOTRACE_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
