"""NIfTI: other readers find our voxels where we put them, and lying or strange files are refused by code."""

from __future__ import annotations

import gzip
import itertools
import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.errors import GeometryError, InputError, OsteotraceError, UsageError
from imaging.formats.label_map import label_texts_bytes
from imaging.formats.nifti import HEADER, nifti_bytes, read_nifti, read_nifti_masks
from imaging.geometry import Grid
from imaging.segmentation.segment import LesionId, Segment, SegmentKind, Status
from imaging.volume import Modality

SPACING = (4.0, 0.7, 1.3)  # all different, so that no swap of axes goes unseen
SHAPE = (3, 4, 5)
FIDUCIAL_MM = 0.01  # what the header's float32 may cost, and much less than any voxel


def proper_axis_rotations() -> list[np.ndarray]:
    """The 24 turns that bring the axes of a cube onto each other."""
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                turns.append(matrix)
    return turns


def grid_turned(rotation: np.ndarray, shape: tuple[int, int, int] = SHAPE, spacing=SPACING) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = (-113.7, 52.1, -871.4)
    return Grid(shape, affine)


OBLIQUE = [Rotation.from_euler("zyx", angles, degrees=True).as_matrix() for angles in ((10, 20, 30), (-75, 4, 140))]
ORIENTATIONS = proper_axis_rotations() + OBLIQUE
MIRRORED = [rotation * (1.0, 1.0, -1.0) for rotation in ORIENTATIONS[:3]]


def samples_with_fiducial(index: tuple[int, int, int], dtype: str = "int16") -> np.ndarray:
    samples = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)
    samples[index] = 500
    return samples


def header_and_rest(content: bytes) -> tuple[np.ndarray, bytes]:
    plain = gzip.decompress(content)
    return np.frombuffer(plain[:348], HEADER)[0].copy(), plain[348:]


def written(folder, header, rest, name="x.nii"):
    path = folder / name
    path.write_bytes(header.tobytes() + rest)
    return path


@pytest.fixture
def plain():
    grid = grid_turned(np.eye(3))
    return header_and_rest(nifti_bytes(np.arange(60, dtype=np.int16).reshape(SHAPE), grid))


@pytest.mark.parametrize("rotation", ORIENTATIONS + MIRRORED)
def test_nibabel_finds_every_voxel_where_it_was_put(rotation, tmp_path):
    grid, index = grid_turned(rotation), (2, 1, 4)
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(samples_with_fiducial(index), grid))
    image = nibabel.load(path)
    ijk = np.argwhere(np.asarray(image.dataobj) == 500)[0]
    lps = nibabel.affines.apply_affine(image.affine, ijk) * (-1, -1, 1)
    assert np.abs(lps - grid.points([index])[0]).max() <= FIDUCIAL_MM
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 0)
    assert np.allclose(image.header.get_zooms(), SPACING[::-1])


@pytest.mark.parametrize("rotation", ORIENTATIONS)
def test_simpleitk_finds_every_voxel_where_it_was_put(rotation, tmp_path):
    grid, index = grid_turned(rotation), (1, 3, 2)
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(samples_with_fiducial(index), grid))
    image = sitk.ReadImage(str(path))
    lps = image.TransformIndexToPhysicalPoint(index[::-1])
    assert image[index[::-1]] == 500
    assert np.abs(np.array(lps) - grid.points([index])[0]).max() <= FIDUCIAL_MM


@pytest.mark.parametrize("rotation", ORIENTATIONS + MIRRORED)
def test_what_was_written_is_read_again(rotation, tmp_path):
    grid = grid_turned(rotation)
    samples = samples_with_fiducial((0, 1, 2))
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(samples, grid))
    volume = read_nifti(path, Modality.MR)
    assert np.array_equal(volume.samples, samples)
    assert np.abs(volume.grid.corners() - grid.corners()).max() <= FIDUCIAL_MM


@pytest.mark.parametrize("rotation", ORIENTATIONS)
@pytest.mark.parametrize("writer", ["nibabel qform", "simpleitk"])
def test_files_of_other_writers_are_read_where_they_put_the_voxels(rotation, writer, tmp_path):
    grid, index = grid_turned(rotation), (2, 0, 3)
    samples = samples_with_fiducial(index)
    path = tmp_path / "x.nii"
    if writer == "simpleitk":
        image = sitk.GetImageFromArray(samples)
        image.SetSpacing(SPACING[::-1])
        image.SetDirection((grid.affine[:3, :3] / SPACING)[:, ::-1].ravel())
        image.SetOrigin(grid.affine[:3, 3])
        sitk.WriteImage(image, str(path))
    else:
        ras = np.diag([-1, -1, 1, 1]) @ grid.affine[:, [2, 1, 0, 3]]
        image = nibabel.Nifti1Image(samples.transpose(2, 1, 0), None)
        image.header.set_qform(ras, code=1)
        image.header.set_sform(None, code=0)
        nibabel.save(image, path)
    volume = read_nifti(path, Modality.MR)
    assert volume.samples[index] == 500
    assert np.abs(volume.grid.points([index])[0] - grid.points([index])[0]).max() <= FIDUCIAL_MM
    assert volume.findings == ()


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_a_qform_is_understood_as_nibabel_understands_it(angles):
    from imaging.formats.nifti import _qform

    ras = grid_turned(Rotation.from_euler("zyx", angles, degrees=True).as_matrix()).affine
    image = nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    image.header.set_qform(ras, code=1)
    header = np.frombuffer(image.header.binaryblock, HEADER)[0]
    # Near half turns the reference code rounds a scalar part below sqrt(1e-7) to 0, nibabel does not.
    assert np.allclose(_qform(header), image.header.get_qform(), atol=2 * 1e-7**0.5 * max(SPACING))


def test_a_sheared_grid_keeps_its_shear(tmp_path):
    affine = grid_turned(np.eye(3)).affine.copy()
    affine[1, 0] = 1.1
    grid = Grid(SHAPE, affine)
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(np.zeros(SHAPE, np.float32), grid))
    assert np.abs(read_nifti(path, Modality.MR).grid.corners() - grid.corners()).max() <= FIDUCIAL_MM
    expected = np.diag([-1, -1, 1, 1]) @ affine[:, [2, 1, 0, 3]]
    assert np.allclose(nibabel.load(path).affine, expected, atol=1e-4)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_sample_type_and_byte_order_is_read(dtype, order, tmp_path):
    samples = np.arange(60).reshape(SHAPE).astype(np.dtype(dtype).newbyteorder(order))
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(samples.dtype)
    image = nibabel.Nifti1Image(samples.transpose(2, 1, 0), np.diag([1.3, 0.7, 4.0, 1.0]), header)
    path = tmp_path / "x.nii"
    image.to_filename(path)
    assert np.frombuffer(path.read_bytes()[:4], f"{order}i4")[0] == 348
    volume = read_nifti(path, Modality.MR)
    assert np.array_equal(volume.samples, np.arange(60).reshape(SHAPE))
    assert volume.samples.dtype == (np.float32 if dtype.startswith("f") else np.int16)


def test_slope_and_intercept_are_applied(plain, tmp_path):
    header, rest = plain
    header["scl_slope"], header["scl_inter"] = 0.5, -10.0
    volume = read_nifti(written(tmp_path, header, rest), Modality.MR)
    assert np.array_equal(volume.samples.ravel(), np.arange(60) * 0.5 - 10)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_no_slope_means_samples_as_stored(plain, slope, tmp_path):
    header, rest = plain
    header["scl_slope"], header["scl_inter"] = slope, 5.0
    volume = read_nifti(written(tmp_path, header, rest), Modality.MR)
    assert np.array_equal(volume.samples.ravel(), np.arange(60))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_the_same_values_give_the_same_bytes(dtype):
    samples, grid = samples_with_fiducial((0, 0, 0), "uint16").astype(dtype), grid_turned(OBLIQUE[0])
    first = nifti_bytes(samples, grid, description="cement")
    assert first == nifti_bytes(np.asfortranarray(samples), Grid(SHAPE, grid.affine.copy()), description="cement")
    assert first[4:8] == bytes(4)  # no time in the gzip header


def test_metres_and_microns_are_converted(plain, tmp_path):
    header, rest = plain
    header["xyzt_units"] = 1
    header["srow"] = header["srow"] / 1000
    volume = read_nifti(written(tmp_path, header, rest), Modality.MR)
    assert volume.grid.spacing_mm == pytest.approx(SPACING, rel=1e-5)
    assert [finding.code for finding in volume.findings] == ["UNITS_CONVERTED"]


def test_disagreeing_forms_are_found_and_the_sform_wins(plain, tmp_path):
    header, rest = plain
    header["qform_code"] = 1
    header["qoffset"] = (0, 0, 0)
    volume = read_nifti(written(tmp_path, header, rest), Modality.MR)
    assert [finding.code for finding in volume.findings] == ["SFORM_QFORM_DISAGREE"]
    assert np.allclose(volume.grid.points([[0, 0, 0]])[0], (-113.7, 52.1, -871.4))


def test_ct_says_that_hu_were_assumed(plain, tmp_path):
    volume = read_nifti(written(tmp_path, *plain), Modality.CT)
    assert [finding.code for finding in volume.findings] == ["ASSUMED_HU"]


def test_numbers_that_are_none_are_not_valid(tmp_path):
    samples = np.ones(SHAPE, np.float32)
    samples[0, 0, 0], samples[1, 1, 1] = np.nan, np.inf
    path = tmp_path / "x.nii.gz"
    path.write_bytes(nifti_bytes(samples, grid_turned(np.eye(3))))
    volume = read_nifti(path, Modality.MR)
    assert volume.samples[0, 0, 0] == volume.samples[1, 1, 1] == 0
    assert np.argwhere(~volume.valid).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert [finding.code for finding in volume.findings] == ["NON_FINITE_SAMPLES"]


def test_a_fourth_dimension_of_one_is_no_obstacle(plain, tmp_path):
    header, rest = plain
    header["dim"][:5] = (4, 5, 4, 3, 1)
    assert read_nifti(written(tmp_path, header, rest), Modality.MR).grid.shape == SHAPE


def test_one_slice_is_a_volume(plain, tmp_path):
    header, rest = plain
    header["dim"][:4] = (2, 5, 4, 0)
    assert read_nifti(written(tmp_path, header, rest), Modality.MR).grid.shape == (1, 4, 5)


def test_extensions_before_the_samples_are_passed_over(plain, tmp_path):
    header, rest = plain
    header["vox_offset"] = 384
    path = written(tmp_path, header, rest[:4] + bytes(32) + rest[4:])
    assert np.array_equal(read_nifti(path, Modality.MR).samples.ravel(), np.arange(60))


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("sform_code", 0, "NO_GEOMETRY"),
        ("srow", 0.0, "BAD_GEOMETRY"),
        ("srow", np.nan, "BAD_GEOMETRY"),
        ("srow", np.inf, "BAD_GEOMETRY"),
        ("datatype", 128, "UNSUPPORTED_DATA_TYPE"),
        ("datatype", 32, "UNSUPPORTED_DATA_TYPE"),
        ("dim", (4, 5, 4, 3, 2, 1, 1, 1), "NOT_A_VOLUME"),
        ("dim", (5, 5, 4, 3, 1, 3, 1, 1), "NOT_A_VOLUME"),
        ("dim", (3, 5, -4, 3, 1, 1, 1, 1), "BAD_HEADER"),
        ("dim", (0, 5, 4, 3, 1, 1, 1, 1), "BAD_HEADER"),
        ("dim", (99, 5, 4, 3, 1, 1, 1, 1), "BAD_HEADER"),
        ("dim", (3, 50, 40, 30, 1, 1, 1, 1), "TRUNCATED_PIXEL_DATA"),
        ("dim", (3, 32000, 32000, 32000, 1, 1, 1, 1), "DECLARED_SIZE_TOO_LARGE"),
        ("vox_offset", np.nan, "BAD_HEADER"),
        ("vox_offset", 0.0, "BAD_HEADER"),
        ("vox_offset", 1e9, "BAD_HEADER"),
        ("magic", b"ni1", "NIFTI_PAIR"),
        ("magic", b"", "NOT_NIFTI"),
        ("sizeof_hdr", 540, "NIFTI2"),
        ("sizeof_hdr", 7, "NOT_NIFTI"),
    ],
)
def test_strange_files_are_refused_by_code(plain, field, value, code, tmp_path):
    header, rest = plain
    header[field] = value
    with pytest.raises(InputError) as refusal:
        read_nifti(written(tmp_path, header, rest), Modality.MR)
    assert refusal.value.code == code


def test_a_small_compressed_file_that_claims_gigabytes_is_refused_unread(plain, tmp_path):
    header, rest = plain
    header["dim"][:4] = (3, 1000, 1000, 500)
    path = tmp_path / "x.nii.gz"
    path.write_bytes(gzip.compress(header.tobytes() + rest))
    with pytest.raises(InputError) as refusal:
        read_nifti(path, Modality.MR)
    assert refusal.value.code == "DECLARED_SIZE_TOO_LARGE"


@pytest.mark.parametrize(("cut", "code"), [(0, "TRUNCATED_PIXEL_DATA"), (10, "TRUNCATED_PIXEL_DATA")])
def test_a_truncated_compressed_file_is_refused(cut, code, tmp_path):
    noise = np.random.default_rng(1).integers(0, 30000, SHAPE).astype(np.int16)
    content = nifti_bytes(noise, grid_turned(np.eye(3)))
    path = tmp_path / "x.nii.gz"
    path.write_bytes(content[: len(content) - 40 - cut])
    with pytest.raises(InputError) as refusal:
        read_nifti(path, Modality.MR)
    assert refusal.value.code == code


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    content = bytearray(gzip.decompress(nifti_bytes(np.ones(SHAPE, np.uint8), grid_turned(OBLIQUE[0]))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, 351))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "x.nii"
    path.write_bytes(bytes(content))
    try:
        read_nifti_masks(path)
        read_nifti(path, Modality.CT)
    except OsteotraceError as error:
        assert error.code


def test_no_file_is_unreadable(tmp_path):
    for path in (tmp_path / "none.nii", tmp_path):
        with pytest.raises(InputError) as refusal:
            read_nifti(path, Modality.MR)
        assert refusal.value.code == "UNREADABLE_FILE"


def test_samples_of_another_shape_are_not_written():
    with pytest.raises(GeometryError):
        nifti_bytes(np.zeros((1, 2, 3), np.uint8), grid_turned(np.eye(3)))


def test_types_beyond_the_four_are_not_written():
    with pytest.raises(UsageError):
        nifti_bytes(np.zeros(SHAPE, np.float64), grid_turned(np.eye(3)))


def mask_file(folder, labels):
    path = folder / "T1.nii.gz"
    path.write_bytes(nifti_bytes(labels, grid_turned(np.eye(3), labels.shape)))
    return path


def test_each_label_is_a_segment_in_ascending_order(tmp_path):
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, 0, :3], labels[1] = 40000, 7
    parts = read_nifti_masks(mask_file(tmp_path, labels))
    assert [(part.label, part.name, int(part.mask.sum())) for part in parts] == [
        (7, "label 7", 20),
        (40000, "label 40000", 3),
    ]


def test_the_sidecar_gives_back_what_was_known(tmp_path):
    grid = grid_turned(np.eye(3))
    known = Segment(
        mask=np.ones(SHAPE, bool),
        grid=grid,
        label=3,
        name="left sacrum",
        kind=SegmentKind.LESION,
        lesion=LesionId("L1"),
        status=Status.ACCEPTED,
    )
    path = mask_file(tmp_path, np.full(SHAPE, 3, np.uint8))
    (tmp_path / "T1.json").write_bytes(label_texts_bytes([known]))
    (part,) = read_nifti_masks(path)
    assert (part.name, part.kind, part.lesion, part.status) == (known.name, known.kind, known.lesion, known.status)


def test_a_sidecar_of_another_program_is_left_alone(tmp_path):
    path = mask_file(tmp_path, np.ones(SHAPE, np.uint8))
    (tmp_path / "T1.json").write_text(json.dumps({"Modality": "MR", "labels": {"1": "no"}}))
    assert read_nifti_masks(path)[0].name == "label 1"


def test_a_lesion_is_its_own_number_and_every_number_inside_it(tmp_path):
    labels = np.ones(SHAPE, np.uint8)
    labels[0], labels[1, 0], labels[2, 0] = 0, 2, 3
    path = mask_file(tmp_path, labels)
    rows = [
        {"label": 1, "kind": "lesion", "lesion": "L1", "name": "left sacrum", "shared_voxels": 4},
        {"label": 2, "kind": "cement", "material": "M1", "lesion": "L1", "inside": "L1"},
        {"label": 3, "kind": "cement", "material": "M1", "lesion": "L1", "inside": None},
    ]
    (tmp_path / "T1.json").write_text(json.dumps({"schema": "osteotrace.labels/1", "labels": rows}))
    lesion, inner, outer = read_nifti_masks(path)
    assert [int(part.mask.sum()) for part in (lesion, inner, outer)] == [35, 5, 5]
    assert [part.name for part in (lesion, inner, outer)] == ["left sacrum", "cement M1 inside L1", "cement M1 outside"]
    assert [finding.code for finding in lesion.findings] == ["SHARED_VOXELS"]
    assert [int(part.mask.sum()) for part in read_nifti_masks(path, choice="1")] == [35]


def test_a_damaged_sidecar_is_refused(tmp_path):
    path = mask_file(tmp_path, np.ones(SHAPE, np.uint8))
    (tmp_path / "T1.json").write_text('{"schema": "osteotrace.labels/1", "labels": [{"label": "x"}]}')
    with pytest.raises(InputError) as refusal:
        read_nifti_masks(path)
    assert refusal.value.code == "BAD_RECORD"


def test_one_label_can_be_chosen_by_number_or_name(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0], labels[1] = 1, 2
    path = mask_file(tmp_path, labels)
    assert [part.label for part in read_nifti_masks(path, choice="2")] == [2]
    assert [part.label for part in read_nifti_masks(path, choice="LABEL 1")] == [1]
    with pytest.raises(UsageError) as refusal:
        read_nifti_masks(path, choice="3")
    assert refusal.value.code == "LABEL_NOT_FOUND"


@pytest.mark.parametrize("values", [np.linspace(0, 1, 60).astype(np.float32), np.full(60, np.nan, np.float32)])
def test_fractions_are_no_labels(values, tmp_path):
    with pytest.raises(InputError) as refusal:
        read_nifti_masks(mask_file(tmp_path, values.reshape(SHAPE)))
    assert refusal.value.code == "NOT_A_LABEL_MAP"


def test_an_image_is_not_taken_for_a_mask(tmp_path):
    image = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    with pytest.raises(InputError) as refusal:
        read_nifti_masks(mask_file(tmp_path, image))
    assert refusal.value.code == "NOT_A_LABEL_MAP"


def test_an_empty_mask_has_no_segment(tmp_path):
    assert read_nifti_masks(mask_file(tmp_path, np.zeros(SHAPE, np.uint8))) == ()


def test_negative_numbers_are_background_and_said_so(tmp_path):
    labels = np.ones(SHAPE, np.int16)
    labels[0] = -1
    (part,) = read_nifti_masks(mask_file(tmp_path, labels))
    assert part.mask.sum() == 40
    assert [finding.code for finding in part.findings] == ["NEGATIVE_LABELS"]


@pytest.mark.shared
def test_real_images_lie_where_nibabel_sees_them(shared):
    for path in sorted((shared / "data" / "spine-crops").rglob("*.nii.gz")):
        image = nibabel.load(path)
        volume = read_nifti(path, Modality.CT)
        assert np.array_equal(volume.samples, np.asarray(image.dataobj).transpose(2, 1, 0))
        affine = np.diag([-1, -1, 1, 1]) @ image.affine[:, [2, 1, 0, 3]]
        assert np.abs(Grid(volume.grid.shape, affine).corners() - volume.grid.corners()).max() <= FIDUCIAL_MM


@pytest.mark.shared
def test_digital_phantom_of_ibsi_has_74_voxels_of_8_mm3(shared):
    (part,) = read_nifti_masks(shared / "data/ibsi1-digital-phantom/nifti/mask/mask.nii.gz")
    assert part.mask.sum() == 74
    assert part.grid.voxel_volume_mm3 == pytest.approx(8.0)
