"""Segmentations written by highdicom, dcmqi and PixelMed are read voxel by voxel where those put them."""

from __future__ import annotations

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from scipy.spatial.transform import Rotation

from imaging.dicom.seg import read_seg
from imaging.dicom.seg_lattice import PlaneMeasures, lattice_of
from imaging.errors import InputError, OsteotraceError, UsageError
from imaging.formats.nifti import read_nifti_masks
from imaging.formats.nrrd import read_nrrd_masks
from imaging.geometry import Grid
from imaging.segmentation.segment import SegmentKind, Status

SHAPE = (7, 12, 10)
SPACING = (3.0, 0.8, 1.1)
TRACKING = "1.2.826.0.1.7"


def source_images(rotation: np.ndarray) -> tuple[list[Dataset], Grid]:
    """A stack of CT headers, by the standard's formula and none of our code."""
    affine = np.eye(4)
    affine[:3, :3] = rotation * SPACING
    affine[:3, 3] = (-40.5, 12.25, -300.0)
    images = []
    for index in range(SHAPE[0]):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{index + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
        image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
        image.StudyDate = image.StudyTime = image.AccessionNumber = image.StudyID = ""
        image.ReferringPhysicianName = image.Manufacturer = ""
        image.SeriesNumber, image.InstanceNumber, image.Modality = 1, index + 1, "CT"
        image.Rows, image.Columns = SHAPE[1:]
        image.ImageOrientationPatient = [float(f"{v:.12f}") for v in [*rotation[:, 2], *rotation[:, 1]]]
        image.ImagePositionPatient = (affine[:3, 3] + index * affine[:3, 0]).round(6).tolist()
        image.PixelSpacing, image.SliceThickness = list(SPACING[1:]), SPACING[0]
        images.append(image)
    return images, Grid(SHAPE, affine)


def description(number: int, label: str, category, meaning) -> highdicom.seg.SegmentDescription:
    return highdicom.seg.SegmentDescription(
        segment_number=number, segment_label=label, segmented_property_category=category,
        segmented_property_type=meaning, algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=TRACKING, tracking_id="L1",
    )  # fmt: skip


LESION = description(1, "left sacrum", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm)
CEMENT = description(2, "Bone cement", codes.SCT.PhysicalObject, codes.SCT.Implant)


def written(folder, pixels, segments=(LESION, CEMENT), *, rotation=None, kind="BINARY", **changes):
    images, grid = source_images(np.eye(3) if rotation is None else rotation)
    seg = highdicom.seg.Segmentation(
        source_images=images, pixel_array=pixels, segmentation_type=kind, segment_descriptions=list(segments),
        series_instance_uid="1.2.3.6", series_number=2, sop_instance_uid="1.2.3.7", instance_number=1,
        manufacturer="x", manufacturer_model_name="x", software_versions="x", device_serial_number="x",
        content_creator_name="Reader^One", **changes,
    )  # fmt: skip
    path = folder / "seg.dcm"
    seg.save_as(path)
    return path, grid


def placed(part, grid: Grid) -> np.ndarray:
    """The part's voxels on another grid, by patient points."""
    whole = np.zeros(grid.shape, bool)
    indices = grid.indices(part.grid.points(np.argwhere(part.mask)))
    assert np.abs(indices - np.rint(indices)).max() < 1e-3
    whole[tuple(np.rint(indices).astype(int).T)] = True
    return whole


def two_masks() -> np.ndarray:
    random = np.random.default_rng(5)
    masks = random.random((2, *SHAPE)) < 0.3
    masks[0, [0, 3, 4]] = False  # empty frames at an end and inside
    masks[1, [1, 2, 3, 5, 6]] = False
    return masks


TURNS = [np.eye(3), *(Rotation.from_euler("zyx", a, degrees=True).as_matrix() for a in ((90, 0, 90), (12, -40, 75)))]


@pytest.mark.parametrize("rotation", TURNS)
def test_overlapping_segments_come_out_voxel_by_voxel(tmp_path, rotation):
    masks = two_masks()
    path, grid = written(tmp_path, np.moveaxis(masks, 0, -1).astype(np.uint8), rotation=rotation)
    parts = read_seg(path)
    assert [np.array_equal(placed(part, grid), mask) for part, mask in zip(parts, masks, strict=True)] == [True, True]
    assert parts[0].grid is parts[1].grid
    assert np.allclose(parts[0].grid.spacing_mm, SPACING, atol=1e-4)
    assert parts[0].findings == ()


def test_what_the_file_says_of_a_segment_is_kept(tmp_path):
    path, _ = written(tmp_path, np.moveaxis(two_masks(), 0, -1).astype(np.uint8))
    lesion, cement = read_seg(path)
    assert (lesion.label, lesion.name, lesion.kind) == (1, "left sacrum", SegmentKind.LESION)
    assert (cement.label, cement.name, cement.kind) == (2, "Bone cement", SegmentKind.CEMENT)
    assert (lesion.tracking_uid, lesion.status, lesion.series_uid) == (TRACKING, Status.ACCEPTED, "1.2.3.4")
    assert lesion.provenance.agent == "Reader^One"


@pytest.mark.parametrize("choice", ["2", "bone CEMENT"])
def test_one_segment_can_be_chosen(tmp_path, choice):
    path, _ = written(tmp_path, np.moveaxis(two_masks(), 0, -1).astype(np.uint8))
    assert [part.label for part in read_seg(path, choice=choice)] == [2]


def test_a_segment_that_is_not_there_is_a_usage_error(tmp_path):
    path, _ = written(tmp_path, np.moveaxis(two_masks(), 0, -1).astype(np.uint8))
    with pytest.raises(UsageError) as refusal:
        read_seg(path, choice="9")
    assert refusal.value.code == "LABEL_NOT_FOUND"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_a_fractional_segment_holds_what_is_at_least_half(tmp_path, syntax):
    parts = np.linspace(0, 1, np.prod(SHAPE)).reshape(SHAPE)
    path, grid = written(
        tmp_path, parts, (LESION,), kind="FRACTIONAL", max_fractional_value=200, transfer_syntax_uid=syntax
    )
    (part,) = read_seg(path)
    stored = np.around(parts * 200)
    assert np.array_equal(placed(part, grid), stored >= 100)
    assert [finding.code for finding in part.findings] == ["FRACTIONAL_SEGMENT"]


def test_a_label_map_gives_one_mask_a_number(tmp_path):
    labels = np.random.default_rng(2).integers(0, 3, SHAPE).astype(np.uint8)
    path, grid = written(tmp_path, labels, kind="LABELMAP")
    assert [np.array_equal(placed(part, grid), labels == part.label) for part in read_seg(path)] == [True, True]


def changed(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def drop(keyword):
    def change(dataset):
        del dataset.SharedFunctionalGroupsSequence[0][keyword]

    return change


def test_a_segment_without_frames_is_empty_and_said_so(tmp_path):
    masks = two_masks()
    masks[1] = False
    path, _ = written(tmp_path, np.moveaxis(masks, 0, -1).astype(np.uint8))
    _, cement = read_seg(path)
    assert not cement.mask.any()
    assert [finding.code for finding in cement.findings] == ["EMPTY_SEGMENT"]


def one_mask_path(folder):
    return written(folder, two_masks()[0].astype(np.uint8), (LESION,))[0]


@pytest.mark.parametrize("keyword", ["PixelMeasuresSequence", "PlaneOrientationSequence"])
def test_frames_without_geometry_are_refused(tmp_path, keyword):
    with pytest.raises(InputError) as refusal:
        read_seg(changed(one_mask_path(tmp_path), drop(keyword)))
    assert refusal.value.code == "NO_GEOMETRY"


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("NumberOfFrames", 3, "BAD_HEADER"),
        ("Rows", 0, "BAD_HEADER"),
        ("Rows", 500, "TRUNCATED_PIXEL_DATA"),
        ("Columns", 60000, "TRUNCATED_PIXEL_DATA"),
        ("SegmentationType", "OTHER", "UNSUPPORTED_DATA_TYPE"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "NOT_SEG"),
    ],
)
def test_headers_that_lie_are_refused_by_code(tmp_path, keyword, value, code):
    path = changed(one_mask_path(tmp_path), lambda dataset: setattr(dataset, keyword, value))
    with pytest.raises(InputError) as refusal:
        read_seg(path)
    assert refusal.value.code == code


@pytest.fixture(scope="module")
def one_mask(tmp_path_factory) -> bytes:
    return one_mask_path(tmp_path_factory.mktemp("whole")).read_bytes()


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, one_mask, data):
    path = tmp_path_factory.mktemp("fuzz") / "seg.dcm"
    content = bytearray(one_mask)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        read_seg(path)
    except OsteotraceError as error:
        assert error.code


AXIAL = [1.0, 0, 0, 0, 1, 0]


def lattice_at(heights, *, spacing=None, thickness=None, orientation=AXIAL, lean=0.0):
    positions = np.array([[lean * height, 0.0, height] for height in heights])
    measures = PlaneMeasures(
        rows=4, columns=5, pixel_spacing=(1.0, 1.0), spacing_between_slices=spacing, slice_thickness=thickness
    )
    return lattice_of(positions, np.tile(orientation, (len(heights), 1)), measures)


@pytest.mark.parametrize(
    ("heights", "declared", "pitch", "slices", "code"),
    [
        ([0, 2, 4], 2.0, 2.0, 3, None),
        ([0, 2, 4], None, 2.0, 3, None),
        ([0, 2, 8], None, 2.0, 5, None),
        ([0, 4, 8], 2.0, 2.0, 5, "SLICE_DISTANCE_UNCERTAIN"),
        ([0, 2, 4], 3.0, 2.0, 3, "SLICE_DISTANCE_CONTRADICTED"),
        ([0, 4, 10], None, 2.0, 6, "SLICE_DISTANCE_UNCERTAIN"),
        ([0, 6], None, 6.0, 2, "SLICE_DISTANCE_UNCERTAIN"),
        ([5], 2.0, 2.0, 1, None),
        ([4, 0, 2, 2, 0], 2.0, 2.0, 3, None),
        ([0, 1.0002, 1.9998, 3], 1.0, 1.0, 4, None),
    ],
)
def test_the_lattice_is_what_positions_and_declaration_agree_on(heights, declared, pitch, slices, code):
    lattice = lattice_at(heights, spacing=declared)
    assert lattice.grid.shape == (slices, 4, 5)
    assert lattice.grid.slice_distance_mm == pytest.approx(pitch)
    assert [finding.code for finding in lattice.findings] == ([code] if code else [])
    found = lattice.grid.points([[index, 0, 0] for index in lattice.slice_of_frame])[:, 2]
    assert np.allclose(found, heights, atol=1e-3)


def test_one_slice_without_spacing_takes_its_thickness_and_says_so():
    lattice = lattice_at([5.0], thickness=3.0)
    assert lattice.grid.slice_distance_mm == 3.0
    assert [finding.code for finding in lattice.findings] == ["SLICE_DISTANCE_ASSUMED"]


def test_leaning_stacks_keep_their_shear():
    grid = lattice_at([0, 2, 6], spacing=2.0, lean=0.3).grid
    assert not grid.is_orthogonal
    assert grid.voxel_volume_mm3 == pytest.approx(2.0)
    assert np.allclose(grid.points([[3, 0, 0]])[0], (1.8, 0, 6))


@pytest.mark.parametrize(
    ("heights", "code"),
    [([0, 1, 2.37], "UNEVEN_SLICES"), ([5.0], "NO_SLICE_DISTANCE"), ([0, 0.02, 900], "UNEVEN_SLICES")],
)
def test_positions_that_make_no_lattice_are_refused(heights, code):
    with pytest.raises(InputError) as refusal:
        lattice_at(heights)
    assert refusal.value.code == code


def test_frames_turned_against_each_other_are_refused():
    measures = PlaneMeasures(rows=4, columns=5, pixel_spacing=(1.0, 1.0), spacing_between_slices=1.0)
    with pytest.raises(InputError) as refusal:
        lattice_of(np.zeros((2, 3)), np.array([AXIAL, [0, 1, 0, 1, 0, 0]]), measures)
    assert refusal.value.code == "INCONSISTENT_ORIENTATION"


@pytest.mark.shared
def test_dcmqi_segmentation_is_its_nrrd_twin_voxel_by_voxel(shared):
    folder = shared / "data/dicom-seg-sr-dcmqi/24x38x3"
    (part,) = read_seg(folder / "seg/label.seg")
    (twin,) = read_nrrd_masks(folder / "nrrd/label.nrrd")
    assert part.grid.matches(twin.grid)
    assert np.array_equal(part.mask, twin.mask)
    assert part.mask.sum() > 300


@pytest.mark.shared
def test_digital_phantom_of_ibsi_has_74_voxels(shared):
    (part,) = read_seg(shared / "data/ibsi1-digital-phantom/dicom/mask/mask.dcm")
    (nifti,) = read_nifti_masks(shared / "data/ibsi1-digital-phantom/nifti/mask/mask.nii.gz")
    assert part.mask.sum() == nifti.mask.sum() == 74
    assert part.grid.spacing_mm == pytest.approx(
        (1.0, 1.0, 1.0)
    )  # as this SEG's header has it; the NIfTI twin has 2 mm


@pytest.mark.shared
def test_a_primary_neoplasm_of_tcia_is_a_lesion_by_its_author(shared):
    (part,) = read_seg(shared / "data/dicom-seg-sr-dcmqi/sr-example/seg.dcm")
    assert (part.kind, part.name, int(part.mask.sum())) == (SegmentKind.LESION, "Neoplasm, Primary", 795)
    assert part.provenance.agent == "User2"
