"""Clean classic series of the phantom, as data sets that a hazard then spoils by one edit."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.imaging.dicom.hazards.phantom import Body, Truth

CT_IMAGE, MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ROOT = "1.2.826.0.1.3680043.10.1000.7"
MR_LEVEL = 200.0  # so that no value is negative
PLANES: dict[object, list[np.ndarray]] = {}  # the same clean slices begin nearly every case


@dataclass(frozen=True)
class Plan:
    """How the phantom is imaged. ``turn`` holds row direction, column direction and normal as columns."""

    modality: str = "CT"
    count: int = 24
    rows: int = 32
    columns: int = 36
    spacing: tuple[float, float] = (1.7, 1.6)
    distance: float = 2.5
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))
    tilt_deg: float = 0.0
    center: tuple[float, float, float] = (-11.0, 23.0, -140.0)
    decimals: int = 10

    @property
    def body(self) -> Body:
        return Body(self.turn, self.center, MR_LEVEL if self.modality == "MR" else 0.0)

    @property
    def truth(self) -> Truth:
        # Half of a direction's last decimal, over the field of view, in each of three coordinates.
        reach_mm = max(self.rows * self.spacing[0], self.columns * self.spacing[1])
        places_mm = 10.0**-self.decimals * reach_mm * 3**0.5 if self.decimals < 10 else 0.0
        return Truth(self.body, self.count, places_mm=places_mm)

    @property
    def cosines(self) -> np.ndarray:
        """Direction of a row, then of a column."""
        tilt = np.radians(self.tilt_deg)
        return np.stack([self.turn[:, 0], np.cos(tilt) * self.turn[:, 1] - np.sin(tilt) * self.turn[:, 2]])

    def position(self, index: float) -> np.ndarray:
        """Centre of a slice's first voxel."""
        row, column = self.cosines
        middle = np.asarray(self.center) + (index - (self.count - 1) / 2) * self.distance * self.turn[:, 2]
        half_row, half_column = (self.columns - 1) / 2 * self.spacing[1], (self.rows - 1) / 2 * self.spacing[0]
        return middle - half_row * row - half_column * column

    def points(self, index: float) -> np.ndarray:
        """(rows, columns, 3) LPS points of a slice, straight from PS3.3 C.7.6.2.1.1."""
        row, column = self.cosines
        j, i = np.meshgrid(np.arange(self.rows), np.arange(self.columns), indexing="ij")
        along_row = i[..., None] * self.spacing[1] * row
        return self.position(index) + along_row + j[..., None] * self.spacing[0] * column

    def values(self, index: float, level: float = 0.0) -> np.ndarray:
        """Whole values of a slice."""
        key = (self.rows, self.columns, *self.spacing, self.distance, self.tilt_deg, self.count, index)
        planes = PLANES.setdefault((key, self.turn.tobytes(), self.center), [])
        if not planes:
            planes.append(np.rint(self.body.with_level(0.0).values(self.points(index))))
        return planes[0] + self.body.level + level

    def slice(self, index: float, *, number: int | None = None, tag: str = "1", level: float = 0.0) -> FileDataset:
        """One slice; ``tag`` makes its instance UID, ``level`` is added to every value."""
        number = int(index) + 1 if number is None else number
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CT_IMAGE if self.modality == "CT" else MR_IMAGE
        meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.1.{tag}.{number}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if self.modality == "CT" else "M"]
        image.StudyDate, image.StudyTime = "20030117", "120000"
        image.SeriesDate, image.SeriesTime = "20030117", "101400"
        image.AcquisitionDate, image.AcquisitionTime = "20030117", "101500"
        image.ContentDate, image.ContentTime = "20030117", f"1020{number % 60:02d}"
        image.Modality, image.Manufacturer = self.modality, "Tests"
        image.SeriesDescription = "ZZPHI^MARKER free text"
        image.PatientName, image.PatientID = "ZZPHI^MARKER", "ZZPHI-1"
        image.PatientBirthDate, image.PatientSex = "19500102", "F"
        image.StudyInstanceUID, image.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1"
        image.FrameOfReferenceUID = f"{ROOT}.9"
        image.AcquisitionNumber, image.InstanceNumber = 1, number
        image.SliceThickness = "2.5"
        if self.modality == "MR":
            image.ScanningSequence, image.SequenceVariant = "SE", "SK"
            image.RepetitionTime, image.EchoTime, image.EchoNumbers = "500", "12", 1
        else:
            image.KVP, image.ConvolutionKernel = "120", "B30f"
        self.place(image, index)
        image.Rows, image.Columns = self.rows, self.columns
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        if self.modality == "CT":
            image.RescaleSlope, image.RescaleIntercept, image.RescaleType = "1", "-1024", "HU"
        self.fill(image, index, level)
        return image

    def place(self, image: Dataset, index: float) -> None:
        image.ImagePositionPatient = [decimal(v, self.decimals) for v in self.position(index)]
        image.ImageOrientationPatient = [decimal(v, self.decimals) for v in self.cosines.ravel()]
        image.PixelSpacing = [decimal(v, self.decimals) for v in self.spacing]

    def fill(self, image: Dataset, index: float, level: float = 0.0) -> None:
        """Store the slice's values by the image's own rescale and representation."""
        slope, intercept = float(image.get("RescaleSlope", 1)), float(image.get("RescaleIntercept", 0))
        store(image, np.rint((self.values(index, level) - intercept) / slope))

    def series(self, *, tag: str = "1", level: float = 0.0, first: int = 1) -> list[FileDataset]:
        """Every slice, in the order of position, numbered from ``first``."""
        return [self.slice(i, number=first + i, tag=tag, level=level) for i in range(self.count)]

    def __or__(self, changes: dict[str, object]) -> Plan:
        return replace(self, **changes)


def store(image: Dataset, stored: np.ndarray) -> None:
    kind = "i" if image.PixelRepresentation else "u"
    image.PixelData = stored.astype(f"<{kind}{image.BitsAllocated // 8}").tobytes()
    image["PixelData"].VR = "OW"


def stored(image: Dataset) -> np.ndarray:
    kind = "i" if image.PixelRepresentation else "u"
    plane = np.frombuffer(image.PixelData, f"<{kind}{image.BitsAllocated // 8}")
    return plane.reshape(-1, image.Columns).copy()


def renamed(image: FileDataset, uid: str) -> FileDataset:
    """A copy with another instance UID."""
    other = copy.deepcopy(image)
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = uid
    return other


def write(images: Iterable[Dataset], folder: Path, prefix: str = "") -> list[Path]:
    """Files under names that say nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, image in enumerate(images):
        path = folder / f"{prefix}{(place * 7919) % 1009:04d}"
        image.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def decimal(value: float, decimals: int = 10) -> str:
    """At most 16 characters, as DS demands."""
    return f"{value + 0.0:.{decimals}f}"[:16]


def each(images: Sequence[Dataset], **values: object) -> list[Dataset]:
    """The images, every one with these elements set; None takes the element away."""
    for image in images:
        for keyword, value in values.items():
            if value is not None:
                setattr(image, keyword, value)
            elif keyword in image:
                delattr(image, keyword)
    return list(images)
