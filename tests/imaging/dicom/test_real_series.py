"""Real series of the shared data folder, against converters and files that share no code with ours."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import InputError
from imaging.study import Verdict

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def index(shared):
    return scan([shared / "data"])


def _reference(path):
    """Values and LPS points of every voxel of a NIfTI file, as SimpleITK reads them."""
    image = sitk.ReadImage(str(path))
    values = sitk.GetArrayFromImage(image)
    if values.ndim == 4:
        values, image = values[0], image[..., 0]
    direction = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return values, direction[:, ::-1], np.array(image.GetOrigin())


def _assert_same_image(volume, path, *, part=False):
    """Every voxel of ours lies at a voxel of the reference, within 0.001 mm, and holds its value.

    A part far from the reference's origin may be off by 0.01 mm: the reference's step is rounded.
    """
    values, steps, origin = _reference(path)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.grid.shape], indexing="ij")).reshape(3, 8).T
    at_corner = (volume.grid.points(corners) - origin) @ np.linalg.inv(steps).T
    np.testing.assert_allclose((at_corner - np.rint(at_corner)) @ steps.T, 0, atol=1e-2 if part else 1e-3)
    to_reference = np.linalg.inv(steps) @ volume.grid.affine[:3, :3]
    start = np.rint(at_corner[0]).astype(int)
    whole = np.rint(to_reference).astype(int)
    np.testing.assert_allclose(to_reference, whole, atol=1e-3)
    indices = np.indices(volume.grid.shape).reshape(3, -1)
    there = whole @ indices + start[:, None]
    assert there.min() >= 0
    assert part or values.size == volume.samples.size
    np.testing.assert_allclose(values[tuple(there)], volume.samples.ravel(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("folder", "reference"),
    [
        ("mr-positions-siemens/HFDR", "mr-positions-siemens/dcm2niix_ref"),
        ("mr-enhanced-siemens-xa30/6_Product_EPI_Sag_Interleaved", "mr-enhanced-siemens-xa30/dcm2niix_ref"),
    ],
)
def test_voxels_lie_where_dcm2niix_puts_them(folder, reference, shared):
    volume = load_volume(scan([shared / "data" / folder]).choose())
    _assert_same_image(volume, next((shared / "data" / reference).glob("*.nii*")))


def test_jpeg_2000_slices_are_those_that_simpleitk_stacks(shared):
    folder = shared / "data" / "ct-j2k-siemens-body" / "dicom"
    volume = load_volume(scan([folder]).choose())
    image = sitk.ReadImage(sorted(str(path) for path in folder.iterdir()))
    samples, ours = sitk.GetArrayFromImage(image), volume.samples
    first = image.TransformIndexToPhysicalPoint((0, 0, 0))
    if abs(first[2] - volume.grid.affine[2, 3]) > 1e-3:  # the files' names run the other way
        samples, first = samples[::-1], image.TransformIndexToPhysicalPoint((0, 0, len(samples) - 1))
    np.testing.assert_array_equal(samples, ours)
    np.testing.assert_allclose(volume.grid.affine[:2, 3], first[:2], atol=1e-3)
    assert volume.grid.slice_distance_mm == pytest.approx(2.0)
    assert scan([folder]).choose().slice_thickness_mm == 3.0


def test_fragmented_jpeg_lossless_slices_lie_in_the_whole_reference(shared):
    folder = shared / "data" / "mr-fragmented-jpegll"
    volume = load_volume(scan([folder / "5001"]).choose())
    assert volume.role == "t1"
    _assert_same_image(volume, folder / "ref_full_96_slices.nii", part=True)


@pytest.mark.parametrize(
    "series",
    [
        "generic/compressed_j2k/001",
        "generic/compressed_jpegls/001",
        "generic/compressed_rle/001",
        "generic/anatomical/002_non_isotropic",
        "ge/anatomical/001",
        "siemens/anatomical/001",
        "hitachi/anatomical/001_implicit",
        "philips_enhanced/anatomical/001",
    ],
)
def test_voxels_lie_where_dicom2nifti_puts_them(series, shared):
    folder = shared / "data" / "vendor-slices-d2n" / series
    volume = load_volume(scan([folder]).choose())
    _assert_same_image(volume, folder.with_name(f"{folder.name}_ground_truth.nii.gz"))


@pytest.mark.parametrize("series", ["002", "012", "019", "024", "035"])
@pytest.mark.parametrize("modality", ["CT", "MR_T1"])
def test_samples_of_sarcoma_images_are_those_that_simpleitk_stacks(series, modality, shared):
    folder = shared / "data" / "sts-sarcoma" / f"STS_{series}" / modality / "image"
    volume = load_volume(scan([folder]).choose())
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(files)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.samples)
    np.testing.assert_allclose(image.GetOrigin(), volume.grid.affine[:3, 3], atol=1e-3)
    np.testing.assert_allclose(image.GetSpacing()[::-1], volume.grid.spacing_mm, atol=1e-4)
    assert volume.role == {"CT": "ct", "MR_T1": "t1"}[modality]


def test_acquisition_comes_before_study_date(shared):
    # In this collection the MR was acquired on an earlier day than its study date says.
    folder = shared / "data" / "sts-sarcoma" / "STS_002" / "MR_T1" / "image"
    (record,) = scan([folder]).volumes
    assert record.acquired == "2006-01-03"
    assert record.acquired < record.study_date


def test_the_other_readers_of_one_phantom_agree(shared):
    folder = shared / "data" / "dicom-seg-sr-dcmqi" / "24x38x3"
    classic = load_volume(scan([folder / "image"]).choose())
    enhanced = load_volume(scan([folder / "multiframe"]).choose())
    np.testing.assert_array_equal(classic.samples, enhanced.samples)
    assert classic.grid.matches(enhanced.grid)


def test_two_stacks_of_a_tilted_head_give_its_true_volume(shared):
    folder = shared / "data" / "ct-tilt-variable-ge"
    truth = json.loads((folder / "truth.json").read_text())
    files = sorted((folder / "GE").iterdir())
    (whole,) = scan([folder / "GE"]).volumes
    assert (whole.verdict, whole.code) == (Verdict.REFUSED, "NON_UNIFORM_SPACING")
    below, above = (load_volume(scan(part).choose()) for part in (files[:14], files[14:]))
    for volume in (below, above):
        codes = {finding.code for finding in volume.findings}
        assert "GANTRY_TILT" in codes
        assert f"{truth['tilt']}" in next(f.message for f in volume.findings if f.code == "GANTRY_TILT")
        np.testing.assert_allclose(volume.grid.slice_normal, truth["normal"], atol=1e-5)
    heights = np.concatenate([_heights(volume) for volume in (below, above)])
    np.testing.assert_allclose(heights, truth["pos_along_normal"], atol=2e-3)
    edges = np.concatenate([[heights[0]], (heights[1:] + heights[:-1]) / 2, [heights[-1]]])
    slabs = np.diff(edges)
    slabs[[0, -1]] *= 2  # the end slices are as thick as the gaps beside them
    pixel = below.grid.spacing_mm[1] * below.grid.spacing_mm[2]
    for threshold in (-200, 100, 300):
        counts = np.concatenate([(v.samples > threshold).sum(axis=(1, 2)) for v in (below, above)])
        volume_ml = float(counts @ slabs) * pixel / 1000
        assert volume_ml == pytest.approx(truth[f"volume_mL_HU>{threshold}"], rel=1e-3)


def _heights(volume):
    return volume.grid.points([[n, 0, 0] for n in range(volume.grid.shape[0])]) @ volume.grid.slice_normal


def test_a_tilted_stack_is_corrected_and_a_gap_refused(shared):
    folder = shared / "data" / "vendor-slices-d2n" / "failing"
    (tilted,) = scan([folder / "gantrytilting"]).volumes
    assert (tilted.verdict, tilted.code) == (Verdict.CORRECTED, "GANTRY_TILT")
    (gap,) = scan([folder / "sliceincrement"]).volumes
    assert (gap.verdict, gap.code) == (Verdict.REFUSED, "MISSING_SLICES")


def test_padding_outside_the_field_of_view_is_not_valid(shared):
    volume = load_volume(scan([shared / "data" / "ct-liver-mets-ge"]).choose())
    # A circle inscribed in the square matrix covers π/4 of it.
    assert volume.valid.mean() == pytest.approx(np.pi / 4, abs=0.005)
    assert volume.samples.min() >= -1024


def test_of_a_philips_study_only_the_axial_stack_is_loadable(shared):
    index = scan([shared / "data" / "ct-philips-study-with-scout"])
    assert [v.code for v in index.volumes if v.verdict is Verdict.REFUSED] == ["LOCALIZER", "SECONDARY_CAPTURE"]
    assert index.choose().grid.shape == (12, 512, 512)


def test_annotations_point_at_their_images(index):
    images = {volume.series_uid for volume in index.volumes}
    found = [a for a in index.annotations if "sts-sarcoma" in str(a.path)]
    assert len(found) == 10
    assert {a.referenced_series_uid for a in found} <= images
    assert {a.modality for a in index.annotations} == {"SEG", "RTSTRUCT"}


def test_every_series_has_a_verdict_and_every_file_a_place(index, shared):
    """Files are counted by pydicom; each is a frame of a volume, an annotation or a coded row."""
    told = defaultdict(set)
    for record in index.volumes:
        for frame in record.frames:
            told[frame.path].add(record.verdict)
    told_paths = set(told) | {row.path for row in index.skipped} | {row.path for row in index.annotations}
    rows = {record.series_uid for record in index.volumes} | {a.series_uid for a in index.annotations}
    for path in sorted((shared / "data").rglob("*")):
        if path.is_dir():
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "Rows"])
        except (pydicom.errors.InvalidDicomError, AttributeError, ValueError, KeyError):
            assert path in told_paths
            continue
        uid = str(header.get("SeriesInstanceUID", ""))
        is_image = "Rows" in header and uid
        assert path in told_paths or uid in rows, path
        assert not is_image or uid in rows, path


def test_every_loadable_volume_loads_and_no_refused_one(index):
    for record in index.volumes:
        if record.verdict is Verdict.REFUSED:
            assert record.code in {finding.code for finding in record.findings}
            continue
        if "sts-sarcoma" in str(record.frames[0].path):
            continue  # loaded above
        volume = load_volume(record)
        assert volume.samples.shape == record.grid.shape
    with pytest.raises(InputError):
        load_volume(next(record for record in index.volumes if record.verdict is Verdict.REFUSED))


def test_two_scans_give_equal_records(shared):
    folder = shared / "data" / "malformed-pydicom"
    first, again = scan([folder]), scan([folder])
    assert [(v.volume_id, v.verdict, v.findings, v.frames) for v in again.volumes] == [
        (v.volume_id, v.verdict, v.findings, v.frames) for v in first.volumes
    ]
    assert (again.skipped, again.annotations) == (first.skipped, first.annotations)
