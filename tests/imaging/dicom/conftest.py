"""Slices whose samples say where they are: every value is a linear function of the voxel's place in the patient.

A volume is right exactly if its samples equal that function at its grid's points, whatever was done to files, order,
orientation, tilt, rescale or compression in between. No code is shared with the loader.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.study import Index, SeriesRecord
from imaging.volume import Volume

CT_IMAGE, MR_IMAGE, ENHANCED_CT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.2.1",
)
ROOT = "1.2.826.0.1.3680043.10.1000"
FIELD = np.array([4.0, 7.0, 11.0])  # value per mm along x, y, z; no two axes alike
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def field(points: np.ndarray) -> np.ndarray:
    """The value that a voxel at an LPS point has."""
    return points @ FIELD


class Slices:
    """Builds classic single-frame slices and reads them back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clean(
        self,
        count: int = 8,
        *,
        rows: int = 10,
        columns: int = 12,
        spacing: tuple[float, float] = (0.8, 0.7),
        distance: float = 2.5,
        orientation: Sequence[float] = AXIAL,
        stack_direction: Sequence[float] | None = None,
        origin: Sequence[float] = (-20.0, 5.0, -30.0),
        modality: str = "CT",
    ) -> list[FileDataset]:
        """Slices of one series, in the order of their position, with instance numbers from 1."""
        normal = np.cross(orientation[:3], orientation[3:])
        direction = normal if stack_direction is None else np.asarray(stack_direction, dtype=float)
        return [
            self.slice(
                np.asarray(origin) + number * distance * direction,
                number + 1,
                rows=rows,
                columns=columns,
                spacing=spacing,
                orientation=orientation,
                modality=modality,
            )
            for number in range(count)
        ]

    def slice(
        self,
        position: np.ndarray,
        number: int,
        *,
        rows: int = 10,
        columns: int = 12,
        spacing: tuple[float, float] = (0.8, 0.7),
        orientation: Sequence[float] = AXIAL,
        modality: str = "CT",
    ) -> FileDataset:
        """One slice at a position."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CT_IMAGE if modality == "CT" else MR_IMAGE
        meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.1.{number}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.StudyDate, dataset.StudyTime = "20030117", "120000"
        dataset.AcquisitionDate, dataset.AcquisitionTime = "20030117", "101500.5"
        dataset.Modality, dataset.Manufacturer = modality, "Tests"
        dataset.PatientName, dataset.PatientID, dataset.PatientSex = "ZZPHI^MARKER", "P-1", "O"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1"
        dataset.FrameOfReferenceUID = f"{ROOT}.9"
        dataset.AcquisitionNumber, dataset.InstanceNumber = 1, number
        dataset.SliceThickness = 5.0  # a lie: twice the distance of the slices
        dataset.ImagePositionPatient = [decimal(value) for value in position]
        dataset.ImageOrientationPatient = [decimal(value) for value in orientation]
        dataset.PixelSpacing = [str(value) for value in spacing]
        dataset.Rows, dataset.Columns = rows, columns
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
        self.fill(dataset)
        return dataset

    def fill(self, dataset: Dataset) -> None:
        """Samples that, rescaled, are the field's values rounded to whole numbers."""
        values = np.rint(field(self.points(dataset)))
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        self.store(dataset, np.rint((values - intercept) / slope))

    @staticmethod
    def store(dataset: Dataset, stored: np.ndarray) -> None:
        kind = "i" if dataset.PixelRepresentation else "u"
        dataset.PixelData = stored.astype(f"<{kind}{dataset.BitsAllocated // 8}").tobytes()
        dataset["PixelData"].VR = "OW"

    @staticmethod
    def points(dataset: Dataset) -> np.ndarray:
        """LPS points (rows, columns, 3) of the slice's voxels, straight from PS3.3 C.7.6.2.1.1."""
        position = np.array([float(v) for v in dataset.ImagePositionPatient])
        cosines = np.array([float(v) for v in dataset.ImageOrientationPatient])
        between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
        row, column = np.meshgrid(np.arange(dataset.Rows), np.arange(dataset.Columns), indexing="ij")
        along_row = column[..., None] * between_columns * cosines[:3]
        along_column = row[..., None] * between_rows * cosines[3:]
        return position + along_row + along_column

    def write(self, datasets: Sequence[Dataset], folder: str = "series") -> Path:
        """Write the slices under names that say nothing of their order."""
        home = self.folder / folder
        home.mkdir(parents=True, exist_ok=True)
        for place, dataset in enumerate(datasets):
            dataset.save_as(home / f"{(place * 7919) % 1009:04d}", enforce_file_format=True)
        return home

    def scan(self, datasets: Sequence[Dataset]) -> Index:
        return scan([self.write(datasets)])

    def record(self, datasets: Sequence[Dataset]) -> SeriesRecord:
        """The one record that the slices give."""
        index = self.scan(datasets)
        assert len(index.volumes) == 1, [(v.code, v.verdict) for v in index.volumes]
        return index.volumes[0]

    def volume(self, datasets: Sequence[Dataset]) -> Volume:
        return load_volume(self.record(datasets))


@pytest.fixture
def slices(tmp_path: Path) -> Slices:
    return Slices(tmp_path)


@pytest.fixture
def assert_true_to_place() -> Callable[..., None]:
    """Checks every sample of a volume against the field at the sample's place."""

    def check(volume: Volume, *, rounding: float = 0.5, places_mm: float = 1e-6) -> None:
        indices = np.stack(np.meshgrid(*(np.arange(n) for n in volume.grid.shape), indexing="ij"), axis=-1)
        expected = field(volume.grid.points(indices.reshape(-1, 3))).reshape(volume.grid.shape)
        error = np.abs(volume.samples - expected)
        if volume.valid is not None:
            error = error[volume.valid]
        # Values are rounded to whole numbers, and a place may be off by what the case says.
        assert error.max() <= rounding + places_mm * np.linalg.norm(FIELD) + 1e-4

    return check


@pytest.fixture
def enhanced(slices: Slices) -> Callable[[Sequence[Dataset]], FileDataset]:
    """Joins classic slices into one enhanced multi-frame CT, each frame with a place and rescale of its own."""

    def join(frames: Sequence[Dataset]) -> FileDataset:
        first = frames[0]
        image = copy.deepcopy(first)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = ENHANCED_CT
        image.NumberOfFrames = len(frames)
        for keyword in (
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "PixelSpacing",
            "RescaleSlope",
            "RescaleIntercept",
            "SliceThickness",
        ):
            delattr(image, keyword)
        measures, plane, shared = Dataset(), Dataset(), Dataset()
        measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
        plane.ImageOrientationPatient = first.ImageOrientationPatient
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
        image.SharedFunctionalGroupsSequence = [shared]
        image.PerFrameFunctionalGroupsSequence = [_frame_groups(frame) for frame in frames]
        image.PixelData = b"".join(frame.PixelData for frame in frames)
        image["PixelData"].VR = "OW"
        return image

    return join


def _frame_groups(frame: Dataset) -> Dataset:
    position, rescale, content, groups = Dataset(), Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = frame.ImagePositionPatient
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = (
        frame.RescaleSlope,
        frame.RescaleIntercept,
        "HU",
    )
    content.FrameAcquisitionNumber = int(frame.AcquisitionNumber)
    if "TemporalPositionIdentifier" in frame:
        content.TemporalPositionIndex = int(frame.TemporalPositionIdentifier)
    groups.PlanePositionSequence, groups.PixelValueTransformationSequence = [position], [rescale]
    groups.FrameContentSequence = [content]
    return groups


def decimal(value: float) -> str:
    """At most 16 characters, as DS demands."""
    return f"{value:.10f}"[:16]
