"""IMAGE and MASK arguments are understood by content, and doubtful ones are refused by code."""

from __future__ import annotations

import subprocess
import sys

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from imaging.errors import AmbiguousSeries, InputError, NoReferenceImage, OsteotraceError
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid
from imaging.segmentation import Status
from imaging.volume import Modality
from pipelines.sources import open_image, open_masks

SHAPE = (4, 10, 12)
CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4"}
GRID = Grid.from_spacing(SHAPE, (3.0, 0.8, 0.8), origin_mm=(-4.0, -3.0, 100.0))
FRAME = "1.2.3.99"


def new_file(path, sop_class: str, instance: str) -> FileDataset:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(instance)
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance
    dataset.PatientID, dataset.StudyInstanceUID = "P", "1.2.3"
    return dataset


def series(folder, uid="1.2.3.4", modality="CT", frame=FRAME) -> None:
    """One axial stack whose samples are their slice number."""
    for index in range(SHAPE[0]):
        path = folder / f"{modality}{index}.dcm"
        image = new_file(path, CLASSES[modality], f"{uid}.{index + 1}")
        image.SeriesInstanceUID, image.FrameOfReferenceUID, image.Modality = uid, frame, modality
        image.StudyDate = image.SeriesDate = "20030106"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.Rows, image.Columns, image.SamplesPerPixel = SHAPE[1], SHAPE[2], 1
        image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 1
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelSpacing, image.SliceThickness = [0.8, 0.8], 3
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [-4.0, -3.0, 100.0 + 3 * index]
        image.RescaleSlope, image.RescaleIntercept, image.InstanceNumber = 1, 0, index + 1
        image.PixelData = np.full(SHAPE[1:], index, "<i2").tobytes()
        image.save_as(path)


def contours(path, uid="1.2.3.4", frame=FRAME):
    """Two ROIs on the second slice: 4 × 4 and 2 × 2 pixels."""
    rt = new_file(path, "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3.50")
    rt.Modality, rt.SeriesInstanceUID = "RTSTRUCT", "1.2.3.51"
    reference, study, drawn_on = Dataset(), Dataset(), Dataset()
    drawn_on.SeriesInstanceUID = uid
    study.RTReferencedSeriesSequence = [drawn_on]
    reference.FrameOfReferenceUID, reference.RTReferencedStudySequence = frame, [study]
    rt.ReferencedFrameOfReferenceSequence = [reference]
    rt.StructureSetROISequence, rt.ROIContourSequence, rt.RTROIObservationsSequence = [], [], []
    for number, size in ((1, 4), (2, 2)):
        roi, drawn, contour = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, f"GTV {size}", frame
        corners = [(1, 1.5, 2.5), (1, 1.5, 2.5 + size), (1, 1.5 + size, 2.5 + size), (1, 1.5 + size, 2.5)]
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
        contour.ContourData = [f"{value:.4f}" for value in GRID.points(corners).ravel()]
        drawn.ReferencedROINumber, drawn.ContourSequence = number, [contour]
        rt.StructureSetROISequence.append(roi)
        rt.ROIContourSequence.append(drawn)
    rt.save_as(path)
    return path


@pytest.fixture
def study(tmp_path):
    series(tmp_path / "exam" / "image")
    contours(tmp_path / "exam" / "RS.dcm")
    return tmp_path / "exam"


def label_file(path, labels=None, grid=GRID):
    array = np.ones(grid.shape, np.uint8) if labels is None else labels
    path.write_bytes(nifti_bytes(array, grid))
    return path


def code_of(call) -> str:
    with pytest.raises(OsteotraceError) as refusal:
        call()
    return refusal.value.code


def test_a_dicom_folder_with_image_and_contours_is_one_image(study):
    volume = open_image([study])
    assert volume.modality is Modality.CT
    assert volume.samples[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert volume.grid.matches(GRID)


def test_a_list_of_files_is_an_image(study):
    assert open_image(sorted((study / "image").iterdir())).grid.matches(GRID)


def test_two_volumes_need_a_choice(study):
    series(study / "mr", "1.2.3.5", "MR")
    with pytest.raises(AmbiguousSeries, match=r"1\.2\.3\.5"):
        open_image([study])
    assert open_image([study], series="1.2.3.5").modality is Modality.MR
    assert open_image([study], modality="ct").modality is Modality.CT
    assert code_of(lambda: open_image([study], series="9.9")) == "SERIES_NOT_FOUND"


def test_research_files_take_the_modality_that_is_said(tmp_path):
    path = label_file(tmp_path / "image")  # the name does not matter
    assert [f.code for f in open_image([path], modality="ct").findings] == ["ASSUMED_HU"]
    assert open_image([path], modality="MR").findings == ()
    unknown = open_image([path])
    assert (unknown.modality, [f.code for f in unknown.findings]) == (Modality.MR, ["MODALITY_ASSUMED"])


def test_calls_that_make_no_sense_are_usage_errors(tmp_path, study):
    path = label_file(tmp_path / "a.nii.gz")
    assert code_of(lambda: open_image([path], modality="pet")) == "BAD_MODALITY"
    assert code_of(lambda: open_image([tmp_path / "none"])) == "FILE_NOT_FOUND"
    assert code_of(lambda: open_image([])) == "FILE_NOT_FOUND"
    assert code_of(lambda: open_image([path, study])) == "SEVERAL_IMAGES"
    assert code_of(lambda: open_masks(str(tmp_path / "none.nii.gz#1"))) == "FILE_NOT_FOUND"
    assert code_of(lambda: open_masks(f"{path}#7")) == "LABEL_NOT_FOUND"


@pytest.mark.parametrize("content", [b"", b"text", bytes(2000)])
def test_a_file_of_another_kind_is_no_image_and_no_mask(tmp_path, content):
    path = tmp_path / "x.nii"
    path.write_bytes(content)
    for call in (lambda: open_image([path]), lambda: open_masks(str(path))):
        with pytest.raises(InputError):
            call()


def test_an_empty_folder_is_no_image_and_no_mask(tmp_path):
    assert code_of(lambda: open_image([tmp_path])) == "NO_IMAGE"
    assert code_of(lambda: open_masks(str(tmp_path))) == "NO_MASK"


def test_contours_find_their_image_below_their_folder(study):
    parts = open_masks(str(study / "RS.dcm"))
    assert [(part.label, int(part.mask[1].sum())) for part in parts] == [(1, 16), (2, 4)]
    assert parts[0].status is Status.ACCEPTED


def test_contours_find_their_image_in_a_neighbouring_folder(study):
    path = contours(study / "contours" / "RS.dcm")
    (study / "RS.dcm").unlink()
    assert open_masks(str(path))[0].mask.sum() == 16


def test_a_folder_with_one_annotation_is_a_mask(study):
    assert [part.label for part in open_masks(f"{study}#GTV 2")] == [2]


def test_a_folder_with_two_annotations_needs_a_choice(study):
    contours(study / "RS2.dcm")
    assert code_of(lambda: open_masks(str(study))) == "AMBIGUOUS_MASK"


def test_contours_without_their_image_are_refused(tmp_path):
    path = contours(tmp_path / "alone" / "deep" / "RS.dcm")
    with pytest.raises(NoReferenceImage):
        open_masks(str(path))


def test_contours_far_from_their_image_take_the_one_that_is_given(study, tmp_path):
    path = contours(tmp_path / "elsewhere" / "deep" / "RS.dcm")
    assert code_of(lambda: open_masks(str(path))) == "NO_REFERENCE_IMAGE"
    assert open_masks(str(path), image=[study / "image"])[0].mask.sum() == 16


def test_contours_go_onto_another_series_of_their_frame_and_say_so(study):
    path = contours(study / "RS.dcm", uid="8.8.8")
    part = open_masks(str(path))[0]
    assert part.mask.sum() == 16
    assert [finding.code for finding in part.findings] == ["OTHER_REFERENCE_SERIES"]


@pytest.mark.parametrize("given", [True, False])
def test_contours_of_another_frame_are_refused(study, given):
    path = contours(study / "RS.dcm", uid="8.8.8", frame="8.8.9")
    with pytest.raises(NoReferenceImage):
        open_masks(str(path), image=[study / "image"] if given else None)


def test_contours_of_a_refused_image_are_refused(study):
    (study / "image" / "CT1.dcm").unlink()
    with pytest.raises(NoReferenceImage, match="MISSING_SLICES"):
        open_masks(str(study / "RS.dcm"))


def test_contours_may_be_put_on_a_research_image(study, tmp_path):
    part = open_masks(str(study / "RS.dcm"), image=[label_file(tmp_path / "ct.nii.gz")])[0]
    assert part.mask[1].sum() == 16
    assert [finding.code for finding in part.findings] == ["FRAME_OF_REFERENCE_UNKNOWN"]


def test_a_mask_stored_the_other_way_round_comes_back_on_the_images_grid(study, tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3] = 1
    affine = GRID.affine.copy()
    affine[:3, 3] = GRID.points([[3, 9, 0]])[0]
    affine[:3, :2] *= -1
    path = label_file(tmp_path / "m.nii.gz", labels[::-1, ::-1], Grid(SHAPE, affine))
    (part,) = open_masks(str(path), image=[study])
    assert np.argwhere(part.mask).tolist() == [[1, 2, 3]]
    assert part.grid.matches(GRID)
    (alone,) = open_masks(str(path))
    assert np.argwhere(alone.mask).tolist() == [[2, 7, 3]]


def test_a_mask_of_other_voxels_stays_on_its_grid(study, tmp_path):
    finer = Grid.from_spacing(SHAPE, (1.0, 0.4, 0.4))
    (part,) = open_masks(str(label_file(tmp_path / "m.nii.gz", grid=finer)), image=[study])
    assert part.grid.matches(finer)


def segmentation(path, image_folder):
    """Two of the four slices hold something; highdicom leaves the empty frames out."""
    images = [pydicom.dcmread(file) for file in sorted(image_folder.iterdir())]
    for image in images:  # what highdicom copies from its source
        image.PatientName = image.PatientBirthDate = image.PatientSex = image.StudyTime = ""
        image.AccessionNumber = image.StudyID = image.ReferringPhysicianName = ""
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 2, 3] = 1
    lesion = highdicom.seg.SegmentDescription(
        1, "L1", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm, "MANUAL"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    highdicom.seg.Segmentation(
        images, mask, "BINARY", [lesion], "1.2.3.60", 2, "1.2.3.61", 1, "x", "x", "x", "x"
    ).save_as(path)
    return path


@pytest.mark.parametrize("place", ["SEG.dcm", "seg/SEG.dcm"])
def test_a_segmentation_finds_its_image_beside_it(study, place):
    (part,) = open_masks(str(segmentation(study / place, study / "image")))
    assert part.grid.matches(GRID)
    assert np.argwhere(part.mask).tolist() == [[1, 2, 3], [2, 2, 3]]


def test_a_segmentation_alone_ends_where_its_frames_end(study, tmp_path):
    path = segmentation(tmp_path / "elsewhere" / "deep" / "SEG.dcm", study / "image")
    (alone,) = open_masks(str(path))
    assert alone.grid.shape == (2, *SHAPE[1:])
    (part,) = open_masks(str(path), image=[study])
    assert part.grid.matches(GRID)


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({}, []),
        ({"uid": "8.8.8"}, ["OTHER_REFERENCE_SERIES"]),
        ({"uid": "8.8.8", "frame": ""}, ["FRAME_OF_REFERENCE_UNKNOWN"]),
    ],
)
def test_a_segmentation_says_where_the_given_image_is_not_its_own(study, tmp_path, given, codes):
    path = segmentation(tmp_path / "elsewhere" / "deep" / "SEG.dcm", study / "image")
    series(tmp_path / "given", **given)
    (part,) = open_masks(str(path), image=[tmp_path / "given"])
    assert [finding.code for finding in part.findings if finding.code != "EMPTY_SLICE"] == codes
    assert part.grid.matches(GRID)


def test_a_segmentation_of_another_frame_of_reference_is_refused_on_the_same_grid(study, tmp_path):
    path = segmentation(study / "SEG.dcm", study / "image")
    series(tmp_path / "stranger", uid="8.8.8", frame="8.8.9")
    assert open_image([tmp_path / "stranger"]).grid.matches(GRID)
    assert code_of(lambda: open_masks(str(path), image=[tmp_path / "stranger"])) == "NO_REFERENCE_IMAGE"


def test_a_name_with_a_hash_is_found_before_a_choice(tmp_path):
    path = label_file(tmp_path / "case#2")
    assert [part.label for part in open_masks(path)] == [1]
    assert [part.label for part in open_masks(f"{path}#1")] == [1]


def test_importing_the_module_loads_no_reader():
    program = (
        "import sys, pipelines.sources; "
        "print([m for m in ('pydicom', 'SimpleITK', 'scipy', 'skimage', 'imagecodecs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.shared
def test_a_tcia_annotation_lands_on_its_images_slices(shared):
    folder = shared / "data/dicom-seg-sr-dcmqi/24x38x3"
    (part,) = open_masks(str(folder / "seg/label.seg"), image=[folder / "image"])
    assert part.grid.matches(open_image([folder / "image"]).grid)
    assert part.mask.sum() == 315


@pytest.mark.shared
def test_sarcoma_masks_of_both_kinds_agree_on_the_ct(shared):
    folder = shared / "data/sts-sarcoma/STS_012"
    (drawn,) = open_masks(str(folder / "CT/RS.dcm"))
    (stored,) = open_masks(str(folder / "CT_mask.nii.gz"), image=[folder / "CT"])
    assert stored.grid.matches(drawn.grid)
    assert np.array_equal(stored.mask, drawn.mask)
