"""Contours become the voxels that they enclose, and what is irregular is said."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

from imaging.dicom.rtstruct import read_rtstruct
from imaging.errors import InputError, NoReferenceImage, OsteotraceError, UsageError
from imaging.finding import Finding, Severity
from imaging.formats.nifti import read_nifti_masks
from imaging.geometry import Grid
from imaging.segmentation.segment import SegmentKind, Status
from imaging.study.series import PatientId, SeriesRecord, SeriesUid, Verdict

SERIES, FRAME = "1.2.3.4", "1.2.3.5"
SHAPE, SPACING = (6, 20, 24), (3.0, 0.9, 1.2)
SQUARE = [[2.5, 3.5], [2.5, 9.5], [7.5, 9.5], [7.5, 3.5]]  # row, column: 5 × 6 pixels
HOLE = [[3.5, 4.5], [3.5, 6.5], [5.5, 6.5], [5.5, 4.5]]  # 2 × 2 pixels


def turned_grid(*, shear: float = 0.0) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("zyx", (20, -35, 70), degrees=True).as_matrix() * SPACING
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = (-31.0, 12.0, -410.0)
    return Grid(SHAPE, affine)


def record(grid: Grid | None, **changes) -> SeriesRecord:
    known = {
        "patient": PatientId("P"), "study_uid": "1.2", "series_uid": SeriesUid(SERIES), "volume_id": SERIES,
        "modality": "CT", "verdict": Verdict.EXACT, "frame_of_reference_uid": FRAME, "grid": grid,
    }  # fmt: skip
    return SeriesRecord(**(known | changes))


def contour(grid: Grid, slice_index: float, polygon, kind: str = "CLOSED_PLANAR") -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    indices = np.column_stack([np.full(len(polygon), slice_index), polygon])
    points = grid.points(indices)
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{value:.6g}"[:16] for value in points.round(4).ravel()]
    return item


def rtstruct(folder, rois: dict[str, list[Dataset]], *, series=SERIES, frame=FRAME, **texts):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.3")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3.9")
    dataset = FileDataset(str(folder), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.Modality = meta.MediaStorageSOPClassUID, "RTSTRUCT"
    reference, study, drawn_on = Dataset(), Dataset(), Dataset()
    drawn_on.SeriesInstanceUID = series
    study.RTReferencedSeriesSequence = [drawn_on]
    reference.RTReferencedStudySequence = [study]
    if frame:
        reference.FrameOfReferenceUID = frame
    dataset.ReferencedFrameOfReferenceSequence = [reference]
    dataset.StructureSetROISequence, dataset.ROIContourSequence, dataset.RTROIObservationsSequence = [], [], []
    for number, (name, contours) in enumerate(rois.items(), 11):
        roi, drawn, observation = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame or ""
        drawn.ReferencedROINumber, drawn.ContourSequence = number, contours
        observation.ObservationNumber, observation.ReferencedROINumber = number, number
        observation.RTROIInterpretedType = "GTV" if name.startswith("GTV") else "ORGAN"
        observation.ROIInterpreter = ""
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observation)
    for keyword, value in texts.items():
        setattr(dataset, keyword, value)
    path = folder / "RS.dcm"
    dataset.save_as(path)
    return path


def codes(segment) -> list[str]:
    return [finding.code for finding in segment.findings]


@pytest.mark.parametrize("shear", [0.0, 0.4])
def test_contours_fill_the_pixels_inside_them_on_oblique_and_sheared_grids(tmp_path, shear):
    grid = turned_grid(shear=shear)
    path = rtstruct(tmp_path, {"GTV left": [contour(grid, k, SQUARE) for k in (1, 2, 3)]})
    (part,) = read_rtstruct(path, record(grid))
    expected = np.zeros(SHAPE, bool)
    expected[1:4, 3:8, 4:10] = True
    assert np.array_equal(part.mask, expected)
    assert (part.label, part.name, part.kind, part.status) == (11, "GTV left", SegmentKind.LESION, Status.ACCEPTED)
    assert (part.series_uid, part.grid is grid, part.findings) == (SERIES, True, ())


def test_a_contour_within_another_is_a_hole(tmp_path):
    grid = turned_grid()
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE), contour(grid, 2, HOLE)]}), record(grid))
    assert part.mask.sum() == 30 - 4
    assert codes(part) == []


def test_each_roi_is_a_segment_and_points_and_lines_are_none(tmp_path):
    grid = turned_grid()
    rois = {
        "isocentre": [contour(grid, 2, SQUARE[:1], "POINT")],
        "a": [contour(grid, 2, SQUARE)],
        "line": [contour(grid, 2, SQUARE, "OPEN_PLANAR")],
        "b": [contour(grid, 0, HOLE, "CLOSEDPLANAR_XOR")],
    }
    parts = read_rtstruct(rtstruct(tmp_path, rois), record(grid))
    assert [(part.label, part.name, int(part.mask.sum())) for part in parts] == [(12, "a", 30), (14, "b", 4)]
    assert parts[0].kind is SegmentKind.UNKNOWN


@pytest.mark.parametrize(
    ("texts", "author"),
    [
        ({}, "RTSTRUCT author unknown"),
        ({"OperatorsName": "op"}, "op"),
        ({"OperatorsName": "op", "ReviewerName": "rev"}, "rev"),
    ],
)
def test_the_author_is_named(tmp_path, texts, author):
    grid = turned_grid()
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)]}, **texts), record(grid))
    assert part.provenance.agent == author


def test_a_contour_drawn_twice_counts_once(tmp_path):
    grid = turned_grid()
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)] * 2}), record(grid))
    assert part.mask.sum() == 30
    assert codes(part) == ["CONTOUR_REPEATED"]


def test_contours_that_cross_are_reported(tmp_path):
    grid = turned_grid()
    moved = (np.array(SQUARE) + 2).tolist()
    (part,) = read_rtstruct(
        rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE), contour(grid, 2, moved)]}), record(grid)
    )
    assert codes(part) == ["CONTOURS_CROSS"]


def test_planes_closer_than_the_slices_do_not_erase_each_other(tmp_path):
    grid = turned_grid()
    drawn = [contour(grid, position, SQUARE) for position in (1.6, 1.8, 2.0, 2.2, 2.4)]
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": drawn}), record(grid))
    assert part.mask.sum() == part.mask[2].sum() == 30
    assert codes(part) == ["CONTOUR_OFF_SLICE", "CONTOURS_SHARE_SLICE"]


def test_planes_wider_than_the_slices_are_reported_as_gaps(tmp_path):
    grid = turned_grid()
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": [contour(grid, k, SQUARE) for k in (0, 2, 4)]}), record(grid))
    assert codes(part) == ["CONTOUR_GAP"]
    assert "2 slices" in part.findings[0].message


def test_contours_beyond_the_image_are_left_out_and_said_so(tmp_path):
    grid = turned_grid()
    drawn = [contour(grid, k, SQUARE) for k in (4, 5, 6, 7)]
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": drawn}), record(grid))
    assert part.mask.sum() == 60
    assert codes(part) == ["CONTOUR_OFF_SLICE"]


def test_a_contour_that_leaves_the_slice_is_cut_and_said_so(tmp_path):
    grid = turned_grid()
    (part,) = read_rtstruct(rtstruct(tmp_path, {"a": [contour(grid, 2, np.array(SQUARE) - (0, 6))]}), record(grid))
    assert codes(part) == ["CONTOUR_OUTSIDE_IMAGE"]
    assert part.mask.sum() == 5 * 4


def test_contours_drawn_across_the_slices_are_not_assessable(tmp_path):
    grid = turned_grid()
    across = contour(grid, 2, SQUARE)
    across.ContourData = [f"{v:.6g}" for v in grid.points([[0, 3, 4], [0, 9, 4], [4, 9, 4], [4, 3, 4]]).ravel()]
    rois = {"a": [across], "b": [contour(grid, 2, SQUARE)]}
    first, second = read_rtstruct(rtstruct(tmp_path, rois), record(grid))
    assert (first.status, first.findings[0].severity) == (Status.NOT_ASSESSABLE, Severity.ERROR)
    assert not first.mask.any()
    assert second.mask.sum() == 30


def refused(path, image) -> str:
    with pytest.raises(InputError) as refusal:
        read_rtstruct(path, image)
    return refusal.value.code


def test_no_contour_in_the_image_is_an_error(tmp_path):
    grid = turned_grid()
    assert refused(rtstruct(tmp_path, {"a": [contour(grid, 30, SQUARE)]}), record(grid)) == "CONTOUR_OFF_SLICE"


def test_a_structure_set_without_contours_is_an_error(tmp_path):
    grid = turned_grid()
    assert refused(rtstruct(tmp_path, {"a": []}), record(grid)) == "NO_CONTOURS"


def test_a_list_that_is_no_points_is_an_error(tmp_path):
    grid = turned_grid()
    broken = contour(grid, 2, SQUARE)
    broken.ContourData = ["1", "2", "3", "4"]
    assert refused(rtstruct(tmp_path, {"a": [broken]}), record(grid)) == "BAD_CONTOUR"


def test_another_frame_of_reference_is_no_reference_image(tmp_path):
    grid = turned_grid()
    path = rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)]})
    other = record(grid, series_uid=SeriesUid("9.9"), frame_of_reference_uid="9.8")
    with pytest.raises(NoReferenceImage):
        read_rtstruct(path, other)


def test_another_series_of_the_same_frame_is_noted(tmp_path):
    grid = turned_grid()
    path = rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)]})
    (part,) = read_rtstruct(path, record(grid, series_uid=SeriesUid("9.9")))
    assert [(f.code, f.severity) for f in part.findings] == [("OTHER_REFERENCE_SERIES", Severity.INFO)]


def test_an_unknown_frame_is_a_warning(tmp_path):
    grid = turned_grid()
    path = rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)]}, frame=None, series="8.8")
    (part,) = read_rtstruct(path, record(grid))
    assert codes(part) == ["FRAME_OF_REFERENCE_UNKNOWN"]


def test_a_refused_image_is_no_reference_image(tmp_path):
    path = rtstruct(tmp_path, {"a": [contour(turned_grid(), 2, SQUARE)]})
    why = (Finding("MISSING_SLICES", Severity.ERROR, "12 of 24"),)
    with pytest.raises(NoReferenceImage, match="MISSING_SLICES"):
        read_rtstruct(path, record(None, verdict=Verdict.REFUSED, code="MISSING_SLICES", findings=why))


def test_another_kind_of_file_is_no_rtstruct(tmp_path):
    path = tmp_path / "x"
    path.write_text("no")
    assert refused(path, record(turned_grid())) == "NOT_DICOM"


def test_one_roi_can_be_chosen_by_number_or_name(tmp_path):
    grid = turned_grid()
    path = rtstruct(tmp_path, {"a": [contour(grid, 2, SQUARE)], "GTV left": [contour(grid, 3, HOLE)]})
    assert [part.label for part in read_rtstruct(path, record(grid), choice="11")] == [11]
    assert [part.label for part in read_rtstruct(path, record(grid), choice="gtv LEFT")] == [12]
    with pytest.raises(UsageError) as refusal:
        read_rtstruct(path, record(grid), choice="13")
    assert refusal.value.code == "LABEL_NOT_FOUND"


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    grid = turned_grid()
    path = rtstruct(tmp_path_factory.mktemp("fuzz"), {"a": [contour(grid, 2, SQUARE)]})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        read_rtstruct(path, record(grid))
    except OsteotraceError as error:
        assert error.code


def record_of(folder) -> SeriesRecord:
    """The regular stack in a folder, by positions alone: independent of our own scan."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
    along, down = np.reshape(headers[0].ImageOrientationPatient, (2, 3)).astype(float)
    headers.sort(key=lambda header: np.cross(along, down) @ np.array(header.ImagePositionPatient, float))
    first, last = (np.array(header.ImagePositionPatient, float) for header in (headers[0], headers[-1]))
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / (len(headers) - 1)
    affine[:3, 1] = down * float(headers[0].PixelSpacing[0])
    affine[:3, 2] = along * float(headers[0].PixelSpacing[1])
    affine[:3, 3] = first
    grid = Grid((len(headers), headers[0].Rows, headers[0].Columns), affine)
    return record(
        grid,
        series_uid=SeriesUid(headers[0].SeriesInstanceUID),
        frame_of_reference_uid=headers[0].FrameOfReferenceUID,
    )


def dice_at_the_same_places(one, other) -> float:
    """Overlap of two masks whose grids count the same voxels in different order."""
    moved = np.zeros_like(one.mask)
    moved[tuple(np.rint(one.grid.indices(other.grid.points(np.argwhere(other.mask)))).astype(int).T)] = True
    return 2 * np.count_nonzero(one.mask & moved) / (one.mask.sum() + moved.sum())


@pytest.mark.shared
@pytest.mark.parametrize("patient", ["STS_002", "STS_012", "STS_019", "STS_024", "STS_035"])
@pytest.mark.parametrize("image", ["CT", "MR_T1"])
def test_sarcoma_contours_have_the_published_volume(shared, patient, image):
    folder = shared / "data/sts-sarcoma"
    truth = json.loads((folder / "truth.json").read_text())[f"{patient}/{image}_mask.nii.gz"]
    (part,) = read_rtstruct(folder / patient / image / "RS.dcm", record_of(folder / patient / image / "image"))
    assert part.mask.sum() * part.grid.voxel_volume_mm3 / 1000 == pytest.approx(truth["mask_mL"], rel=1e-3)
    assert part.kind is SegmentKind.LESION
    assert part.findings == ()
    (published,) = read_nifti_masks(folder / patient / f"{image}_mask.nii.gz")
    assert dice_at_the_same_places(part, published) > 0.999


@pytest.mark.shared
def test_ibsi_phantom_contours_are_the_published_mask_voxel_by_voxel(shared):
    folder = shared / "data/ibsi1-ct-phantom"
    (part,) = read_rtstruct(folder / "dicom/mask/DCM_RS_00060.dcm", record_of(folder / "dicom/image"))
    (published,) = read_nifti_masks(next((folder / "nifti/mask").glob("*.nii.gz")))
    assert part.mask.sum() == 125256
    assert dice_at_the_same_places(part, published) == 1.0
