"""Folders that benchmarks read: synthetic, seeded, with headers as long as scanners write them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

CT_IMAGE, MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ROOT = "1.2.826.0.1.3680043.10.1000.7"
ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda plane: imagecodecs.jpeg2k_encode(plane, reversible=True, codecformat="j2k"),
    JPEGLosslessSV1: lambda plane: imagecodecs.ljpeg_encode(plane, bitspersample=16),
}
# Elements that a scanner writes and nobody here reads, with the lengths that real CT and MR slices have.
FILLER = {
    "InstitutionName": "University Hospital of Somewhere", "StationName": "CT93421", "StudyDescription": "PELVIS",
    "ManufacturerModelName": "Definition AS+", "ReferringPhysicianName": "NOBODY^NAMED", "AccessionNumber": "A123456",
    "InstitutionAddress": "Street 1, 12345 Town", "PatientAge": "055Y", "PatientWeight": "78", "PatientPosition": "HFS",
    "BodyPartExamined": "PELVIS", "KVP": "120", "DataCollectionDiameter": "500", "SoftwareVersions": "VA48A",
    "ReconstructionDiameter": "380", "DistanceSourceToDetector": "1085.6", "DistanceSourceToPatient": "595",
    "GantryDetectorTilt": "0", "TableHeight": "143", "RotationDirection": "CW", "ExposureTime": "500",
    "XRayTubeCurrent": "260", "Exposure": "108", "FilterType": "FLAT", "GeneratorPower": "31", "FocalSpots": "1.2",
    "ConvolutionKernel": "B30f", "StudyID": "1", "PositionReferenceIndicator": "SN", "WindowCenter": ["40", "300"],
    "WindowWidth": ["400", "1500"], "WindowCenterWidthExplanation": ["WINDOW1", "WINDOW2"],
    "RequestedProcedureDescription": "CT pelvis", "PerformedProcedureStepStartDate": "20030117",
    "PerformedProcedureStepStartTime": "101000", "PerformedProcedureStepID": "A123", "DeviceSerialNumber": "73211",
    "DateOfLastCalibration": "20030110", "TimeOfLastCalibration": "080000", "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2", "ScanOptions": "AXIAL", "ProtocolName": "Pelvis routine",
    "ImageComments": "", "PatientComments": "", "AdditionalPatientHistory": "", "OperatorsName": "NOBODY^ELSE",
    "SpacingBetweenSlices": "2.5", "SliceThickness": "2.5", "TableSpeed": 48.0, "TotalCollimationWidth": 19.2,
}  # fmt: skip


def header(series: int, number: int, shape: tuple[int, int], modality: str, syntax: str, private: int) -> FileDataset:
    """One slice's header; ``private`` bytes of vendor blocks before the image."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT_IMAGE if modality == "CT" else MR_IMAGE
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = f"{ROOT}.{series}.{number}", syntax
    meta.ImplementationClassUID, meta.ImplementationVersionName = f"{ROOT}.0", "BENCHMARK"
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    for keyword, value in FILLER.items():
        setattr(dataset, keyword, value)
    dataset.SpecificCharacterSet, dataset.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    for moment in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{moment}Date", "20030117")
        setattr(dataset, f"{moment}Time", f"1015{number % 60:02d}.{number:06d}")
    dataset.Modality, dataset.Manufacturer, dataset.SeriesDescription = modality, "Benchmark", f"Series {series}"
    dataset.PatientName, dataset.PatientID, dataset.PatientSex = "BENCH^MARK", "B-1", "O"
    dataset.PatientBirthDate, dataset.StudyInstanceUID = "19500101", f"{ROOT}.1"
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = f"{ROOT}.{series}", f"{ROOT}.9"
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = series, 1, number
    dataset.ImagePositionPatient = ["-190.2", "-187.3", f"{-412.5 + 2.5 * number:.1f}"]
    dataset.ImageOrientationPatient, dataset.PixelSpacing = ["1", "0", "0", "0", "1", "0"], ["0.742188", "0.742188"]
    dataset.SliceLocation = f"{-412.5 + 2.5 * number:.1f}"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    if modality == "CT":
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    else:
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "SE", "SK", "2D"
        dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle, dataset.MagneticFieldStrength = 500, 12, 90, "1.5"
        dataset.EchoTrainLength, dataset.PixelBandwidth, dataset.NumberOfAverages = 3, "150", "2"
        dataset.ImagingFrequency, dataset.ImagedNucleus, dataset.EchoNumbers = "63.6", "1H", 1
    source, purpose = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "121322", "DCM", "Source of image"
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = dataset.SOPClassUID, f"{ROOT}.8.{number}"
    source.PurposeOfReferenceCodeSequence = [purpose]
    dataset.ReferencedImageSequence = [source, copy.deepcopy(source)]
    block = dataset.private_block(0x0029, "BENCH HEADER", create=True)
    for element in range(16):
        block.add_new(element, "LO", f"private value {element}")
    if private:
        block.add_new(0x20, "OB", bytes(private))
    return dataset


def phantom(number: int, shape: tuple[int, int]) -> np.ndarray:
    """A slice of Hounsfield units with edges and noise, so that codecs have work to do."""
    row, column = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    body = np.where(row**2 + column**2 / 1.4 < 0.5, 40, -1000)
    bone = np.where((row - 0.3) ** 2 + (column - 0.002 * number) ** 2 < 0.02, 900, 0)
    noise = np.random.default_rng(number).normal(0, 12, shape)
    return np.rint(body + bone + noise).astype("<i2")


def write_slices(
    folder: Path, count: int, shape: tuple[int, int], *, series: int, modality: str = "CT",
    syntax: str = ExplicitVRLittleEndian, private: int = 0,
) -> None:  # fmt: skip
    """A series of slices as a scanner would export it."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        dataset, plane = header(series, number, shape, modality, syntax, private), phantom(number, shape)
        if syntax in ENCODERS:
            # The codecs know no sign: the same bits are stored, as PS3.5 8.2 has it.
            dataset.PixelRepresentation, dataset.RescaleIntercept = 0, "-1024"
            dataset.PixelData = encapsulate([ENCODERS[syntax]((plane + 1024).clip(0).astype(np.uint16))])
            dataset["PixelData"].is_undefined_length = True
        else:
            dataset.PixelData = plane.astype(">i2" if syntax == ExplicitVRBigEndian else "<i2").tobytes()
        dataset["PixelData"].VR = "OW" if syntax not in ENCODERS else "OB"
        if syntax == RLELossless:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.set_original_encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
        dataset.save_as(folder / f"IM{number:05d}", enforce_file_format=True)


def write_mixed(folder: Path, scale: int = 1) -> int:
    """A study folder of 1,030 × ``scale`` mixed files; how many there are."""
    shape = (64, 64)
    for part in range(scale):
        home, first = folder / f"study{part}", 100 * part
        write_slices(home / "ct", 400, shape, series=first + 2)
        write_slices(home / "ct-implicit", 200, shape, series=first + 3, syntax=ImplicitVRLittleEndian)
        write_slices(home / "mr", 150, shape, series=first + 4, modality="MR")
        write_slices(home / "mr-private", 100, shape, series=first + 5, modality="MR", private=30_000)
        write_slices(home / "ct-ls", 100, shape, series=first + 6, syntax=JPEGLSLossless)
        write_slices(home / "ct-rle", 30, shape, series=first + 7, syntax=RLELossless)
        write_slices(home / "ct-big", 10, shape, series=first + 8, syntax=ExplicitVRBigEndian)
        write_slices(home / "ct-deflated", 10, shape, series=first + 9, syntax=DeflatedExplicitVRLittleEndian)
        (home / "notes").mkdir()
        for number in range(30):
            (home / "notes" / f"{number}.txt").write_text("a note beside the images\n" * number)
    return 1030 * scale
