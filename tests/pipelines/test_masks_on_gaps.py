"""Contours and masks that were drawn on slices with gaps have the volume of those slices, each with its own extent."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from imaging.dicom.assemble import load_volume
from imaging.dicom.rtstruct import read_rtstruct
from imaging.dicom.scan import scan
from imaging.errors import InputError
from imaging.measurement.measure import measure_segment
from imaging.segmentation.segment import Segment
from imaging.study import SeriesRecord
from pipelines.case.imported import read_seg_on
from tests.imaging.dicom.hazards.series import ROOT, Plan, decimal, write
from tests.imaging.dicom.test_rtstruct import rtstruct

PLAN = Plan(modality="CT")
MISSING, COMMON, ODD = [0, 2.5, 5, 10, 12.5, 15, 17.5], [0, 2.5, 5, 7.5, 12.5, 17.5, 22.5], [0, 2.5, 5.3, 7.5, 10.4, 13]
ROWS, COLUMNS = slice(8, 18), slice(10, 22)
PIXELS = 10 * 12


def imaged(heights: list[float]) -> list[Any]:
    """A slice at every height above the first."""
    images = []
    for number, height in enumerate(heights):
        image = PLAN.slice(0, number=number + 1)
        image.ImagePositionPatient = [decimal(v) for v in place(height)]
        image.AccessionNumber = image.ReferringPhysicianName = image.StudyID = ""
        images.append(image)
    return images


def place(height: float) -> np.ndarray:
    return np.asarray(PLAN.position(0) + height * PLAN.turn[:, 2])


def gapped(images: list[Any], home: Path) -> SeriesRecord:
    write(images, home)
    (record,) = scan([home]).accepting_gaps().loadable
    return record


def drawn(heights: list[float]) -> list[Dataset]:
    """A rectangle in each slice but the first and the last, by its corners in the patient."""
    row, column = PLAN.cosines
    corners = [(r, c) for r, c in ((7.5, 9.5), (7.5, 21.5), (17.5, 21.5), (17.5, 9.5))]
    contours = []
    for height in heights[1:-1]:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
        points = [place(height) + c * PLAN.spacing[1] * row + r * PLAN.spacing[0] * column for r, c in corners]
        contour.ContourData = [decimal(v) for v in np.ravel(points)]
        contours.append(contour)
    return contours


def painted(images: list[Any], path: Path) -> Path:
    """The same as a DICOM segmentation by another writer."""
    pixels = np.zeros((len(images), PLAN.rows, PLAN.columns), np.uint8)
    pixels[1:-1, ROWS, COLUMNS] = 1
    about = highdicom.seg.SegmentDescription(
        segment_number=1, segment_label="L1",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the patient's name, which is a test's marker
        highdicom.seg.Segmentation(
            source_images=images, pixel_array=pixels, segmentation_type="BINARY", segment_descriptions=[about],
            series_instance_uid="1.2.3.6", series_number=2, sop_instance_uid="1.2.3.7", instance_number=1,
            manufacturer="x", manufacturer_model_name="x", software_versions="x", device_serial_number="x",
        ).save_as(path)  # fmt: skip
    return path


def true_ml(heights: list[float]) -> float:
    """Each slice reaches halfway to its neighbours."""
    middles = np.convolve(heights, [0.5, 0.5], "valid")
    return float(PIXELS * PLAN.spacing[0] * PLAN.spacing[1] * (middles[-1] - middles[0]) / 1000)


def measured_ml(segment: Segment, record: SeriesRecord) -> float:
    measured = measure_segment(segment, volume=load_volume(record))
    assert record.code in {finding.code for finding in measured.findings}
    return measured.volume_ml.value


@pytest.mark.parametrize("heights", [MISSING, COMMON, ODD], ids=["missing", "common measure", "odd"])
def test_contours_on_uneven_slices_count_with_the_slices_extent(heights: list[float], tmp_path: Path) -> None:
    record = gapped(imaged(heights), tmp_path / "study")
    path = rtstruct(tmp_path, {"GTV": drawn(heights)}, series=f"{ROOT}.1.1", frame=f"{ROOT}.9")
    (segment,) = read_rtstruct(path, record)
    assert measured_ml(segment, record) == pytest.approx(true_ml(heights), rel=1e-3)


@pytest.mark.parametrize("heights", [MISSING, COMMON], ids=["missing", "common measure"])
def test_a_mask_on_uneven_slices_counts_with_the_slices_extent(heights: list[float], tmp_path: Path) -> None:
    images = imaged(heights)
    record = gapped(images, tmp_path / "study")
    (segment,) = read_seg_on(painted(images, tmp_path / "seg.dcm"), record)
    assert measured_ml(segment, record) == pytest.approx(true_ml(heights), rel=1e-6)


def test_a_mask_on_slices_without_a_common_measure_is_refused_by_name(tmp_path: Path) -> None:
    images = imaged(ODD)
    record = gapped(images, tmp_path / "study")
    with pytest.raises(InputError) as refusal:
        read_seg_on(painted(images, tmp_path / "seg.dcm"), record)
    assert refusal.value.code == "UNEVEN_SLICES"
