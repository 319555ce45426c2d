"""A volume as classic CT or MR image objects, one file a slice, losslessly compressed.

Only what is known is written: nothing comes from a clock, and every UID derives from the series' own UID and the
slice's number, so the same volume and header always give the same bytes.

Source: DICOM PS3.3 A.3 (CT Image), A.4 (MR Image), C.7.6.2 (Image Plane), C.8.2.1, C.8.3.1; PS3.5 A.4.3 (JPEG-LS).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, MRImageStorage

from imaging.errors import UsageError
from imaging.geometry import Grid
from imaging.provenance import uid_from
from imaging.volume.volume import Modality, Volume

__all__ = ["CtHeader", "MrHeader", "Patient", "SeriesHeader", "StoredScale", "dicom_slice", "series_files"]

IMPLEMENTATION_UID = uid_from("osteotrace", "implementation")
IMPLEMENTATION_NAME = "OSTEOTRACE"
CT_FLOOR_HU = -1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who was imaged; dates as YYYYMMDD."""

    name: str
    id: str
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScale:
    """How samples become stored values: ``sample = stored + intercept`` in ``bits`` unsigned bits."""

    intercept: int = 0
    bits: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CtHeader:
    """What a CT image says about its acquisition."""

    kvp: float = 120.0
    kernel: str = ""
    reconstruction_diameter_mm: float | None = None
    gantry_tilt_deg: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MrHeader:
    """What an MR image says about its acquisition; times in ms.

    ``phase_encoding`` is ROW or COL, the direction of the phase encoding in the image.
    """

    scanning_sequence: tuple[str, ...] = ("SE",)
    sequence_variant: tuple[str, ...] = ("SK",)
    scan_options: tuple[str, ...] = ()
    repetition_ms: float = 500.0
    echo_ms: float = 10.0
    inversion_ms: float | None = None
    echo_train: int = 1
    field_tesla: float = 1.5
    phase_encoding: str = "ROW"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """All that a series says beside its samples and their place.

    Parameters
    ----------
    patient
        Who.
    study_uid, study_description, study_id
        The exam.
    series_number, series_description, body_part, patient_position
        The series; the position is one of HFS, HFP, FFS, FFP …
    study_start, acquired
        When the exam and this series began; local time of the scanner.
    thickness_mm
        Slice thickness, which may differ from the distance of slices; None = that distance.
    scale
        How samples are stored.
    technique
        CT or MR specifics; must match the volume's modality.
    comments
        Image comments.
    """

    patient: Patient
    study_uid: str
    study_start: datetime
    acquired: datetime
    technique: CtHeader | MrHeader
    study_description: str = ""
    study_id: str = "1"
    series_number: int = 1
    series_description: str = ""
    body_part: str = "PELVIS"
    patient_position: str = "HFS"
    thickness_mm: float | None = None
    scale: StoredScale = field(default_factory=StoredScale)
    comments: str = ""


def series_files(volume: Volume, *, header: SeriesHeader) -> tuple[tuple[str, bytes], ...]:
    """One DICOM file for every slice as (name, content), ``IM0001.dcm`` …, in slice order.

    Parameters
    ----------
    volume
        int16 samples; needs a series UID and a frame of reference UID. Its grid must not be sheared.
    header
        What the series says beside its samples.

    Raises
    ------
    UsageError
        The volume cannot be said in a classic image object: no UIDs, samples that are not integers or do not fit the
        stored scale, a sheared grid, or a header of the other modality.

    Examples
    --------
    >>> grid = Grid.from_spacing((2, 4, 4), (5.0, 1.0, 1.0))
    >>> volume = Volume(samples=np.zeros((2, 4, 4), np.int16), grid=grid, modality=Modality.CT, series_uid="1.2.3",
    ...                 frame_of_reference_uid="1.2.4")
    >>> start = datetime(2003, 1, 6, 9)
    >>> header = SeriesHeader(patient=Patient(name="A^B", id="1"), study_uid="1.2", study_start=start, acquired=start,
    ...                       technique=CtHeader(), scale=StoredScale(intercept=-1024))
    >>> [name for name, _ in series_files(volume, header=header)]
    ['IM0001.dcm', 'IM0002.dcm']
    """
    refuse_unsayable(volume, header)
    return tuple(
        (f"IM{index + 1:04d}.dcm", encoded(dicom_slice(volume, index, header=header)))
        for index in range(volume.grid.shape[0])
    )


def encoded(image: Dataset) -> bytes:
    content = BytesIO()
    image.save_as(content, enforce_file_format=True)
    return content.getvalue()


def refuse_unsayable(volume: Volume, header: SeriesHeader) -> None:
    wanted = Modality.CT if isinstance(header.technique, CtHeader) else Modality.MR
    if volume.modality is not wanted:
        raise UsageError(f"a {volume.modality} volume got a header of {wanted}")
    if not (volume.series_uid and volume.frame_of_reference_uid):
        raise UsageError("a DICOM series needs a series UID and a frame of reference UID")
    if volume.samples.dtype != np.int16:
        raise UsageError(f"samples are stored as integers; got {volume.samples.dtype}")
    if not volume.grid.is_orthogonal:
        raise UsageError("the slices of this grid lean; a sheared volume is not written")
    low, high = int(volume.samples.min()), int(volume.samples.max())
    top = header.scale.intercept + 2**header.scale.bits - 1
    if low < header.scale.intercept or high > top:
        raise UsageError(f"samples {low} to {high} do not fit the stored scale {header.scale.intercept} to {top}")


def dicom_slice(volume: Volume, index: int, *, header: SeriesHeader) -> Dataset:
    """One slice as a data set with its file meta information, ready to be saved."""
    image = Dataset()
    image.file_meta = file_meta(volume, index)
    add_identity(image, volume, index, header)
    add_plane(image, volume.grid, index, header)
    if isinstance(header.technique, CtHeader):
        add_ct(image, header.technique, header.scale)
    else:
        add_mr(image, header.technique, volume.grid)
    stored = (volume.samples[index].astype(np.int32) - header.scale.intercept).astype(np.uint16)
    add_pixels(image, stored, header)
    return image


def file_meta(volume: Volume, index: int) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if volume.modality is Modality.CT else MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(instance_uid(volume, index))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    return meta


def instance_uid(volume: Volume, index: int) -> str:
    return uid_from(volume.series_uid, "instance", str(index))


def add_identity(image: Dataset, volume: Volume, index: int, header: SeriesHeader) -> None:
    """Patient, study, series, equipment, and the instance's own identity."""
    meta = image.file_meta
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = meta.MediaStorageSOPClassUID
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyDate = header.study_start.strftime("%Y%m%d")
    image.StudyTime = header.study_start.strftime("%H%M%S")
    image.SeriesDate = image.AcquisitionDate = image.ContentDate = header.acquired.strftime("%Y%m%d")
    image.SeriesTime = image.AcquisitionTime = image.ContentTime = header.acquired.strftime("%H%M%S")
    image.AccessionNumber = ""
    image.Modality = str(volume.modality)
    image.Manufacturer = "osteotrace"
    image.ManufacturerModelName = "digital phantom"
    image.DeviceSerialNumber = "0"
    image.SoftwareVersions = "1"
    image.ReferringPhysicianName = ""
    image.StudyDescription = header.study_description
    image.SeriesDescription = header.series_description
    image.PatientName = header.patient.name
    image.PatientID = header.patient.id
    image.PatientBirthDate = header.patient.birth_date
    image.PatientSex = header.patient.sex
    image.BodyPartExamined = header.body_part
    image.StudyInstanceUID = header.study_uid
    image.SeriesInstanceUID = volume.series_uid
    image.StudyID = header.study_id
    image.SeriesNumber = header.series_number
    image.AcquisitionNumber = 1
    image.InstanceNumber = index + 1
    image.PatientPosition = header.patient_position
    image.FrameOfReferenceUID = volume.frame_of_reference_uid
    image.PositionReferenceIndicator = ""
    image.ImagesInAcquisition = volume.grid.shape[0]
    if header.comments:
        image.ImageComments = header.comments


def add_plane(image: Dataset, grid: Grid, index: int, header: SeriesHeader) -> None:
    """Where the slice lies (PS3.3 C.7.6.2): the position is the centre of the first pixel."""
    along_columns = grid.affine[:3, 2] / grid.spacing_mm[2]
    along_rows = grid.affine[:3, 1] / grid.spacing_mm[1]
    image.ImagePositionPatient = [decimal(v) for v in grid.points([[index, 0, 0]])[0]]
    image.ImageOrientationPatient = [decimal(v) for v in (*along_columns, *along_rows)]
    image.PixelSpacing = [decimal(grid.spacing_mm[1]), decimal(grid.spacing_mm[2])]
    image.SliceThickness = decimal(header.thickness_mm or grid.slice_distance_mm)
    image.SpacingBetweenSlices = decimal(grid.slice_distance_mm)
    image.SliceLocation = decimal(float(grid.points([[index, 0, 0]])[0] @ grid.slice_normal))


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2), without a negative zero."""
    for digits in range(12, 2, -1):
        text = f"{value + 0.0:.{digits}f}".rstrip("0").rstrip(".")
        if len(text) <= 16:
            return "0" if text in ("-0", "") else text
    raise UsageError(f"{value} does not fit a decimal string")


def add_ct(image: Dataset, technique: CtHeader, scale: StoredScale) -> None:
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.KVP = decimal(technique.kvp)
    image.ConvolutionKernel = technique.kernel
    image.GantryDetectorTilt = decimal(technique.gantry_tilt_deg)
    if technique.reconstruction_diameter_mm is not None:
        image.ReconstructionDiameter = decimal(technique.reconstruction_diameter_mm)
    image.RescaleIntercept = str(scale.intercept)
    image.RescaleSlope = "1"
    image.RescaleType = "HU"
    image.WindowCenter = ["40", "400"]
    image.WindowWidth = ["400", "2000"]
    image.WindowCenterWidthExplanation = ["SOFT", "BONE"]


def add_mr(image: Dataset, technique: MrHeader, grid: Grid) -> None:
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE" if technique.inversion_ms is None else "IR"]
    image.ScanningSequence = list(technique.scanning_sequence)
    image.SequenceVariant = list(technique.sequence_variant)
    image.ScanOptions = list(technique.scan_options) or ""
    image.MRAcquisitionType = "2D"
    image.RepetitionTime = decimal(technique.repetition_ms)
    image.EchoTime = decimal(technique.echo_ms)
    if technique.inversion_ms is not None:
        image.InversionTime = decimal(technique.inversion_ms)
    image.EchoTrainLength = technique.echo_train
    image.NumberOfAverages = "1"
    image.EchoNumbers = 1
    image.FlipAngle = "90"
    image.MagneticFieldStrength = decimal(technique.field_tesla)
    image.ImagedNucleus = "1H"
    image.InPlanePhaseEncodingDirection = technique.phase_encoding
    rows, columns = grid.shape[1], grid.shape[2]
    lines = [0, columns, rows, 0] if technique.phase_encoding == "ROW" else [rows, 0, 0, columns]
    image.AcquisitionMatrix = lines


def add_pixels(image: Dataset, stored: NDArray[np.uint16], header: SeriesHeader) -> None:
    """The stored values, compressed by JPEG-LS without loss; the instance keeps its UID."""
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated = 16
    image.BitsStored = header.scale.bits
    image.HighBit = header.scale.bits - 1
    image.PixelRepresentation = 0
    image.LossyImageCompression = "00"
    image.PixelData = stored.astype("<u2").tobytes()
    image.compress(JPEGLSLossless, generate_instance_uid=False)
