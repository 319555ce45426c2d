"""NRRD: files of other writers are read where those put the voxels, and strange ones are refused by code."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging.errors import GeometryError, InputError, OsteotraceError, UsageError
from imaging.formats.nrrd import displacement_bytes, read_nrrd, read_nrrd_masks
from imaging.geometry import Grid
from imaging.volume import Modality

SHAPE = (3, 4, 5)
SPACING = (4.0, 0.7, 1.3)
FIELDS = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(1.3,0,0) (0,0.7,0) (0,0,4)",
    "endian": "little",
    "encoding": "gzip",
    "space origin": "(-113.7,52.1,-871.4)",
}
SAMPLES = np.arange(60, dtype="<i2")


def nrrd_file(folder, fields=None, texts=None, payload=None, name="x.nrrd"):
    fields = FIELDS | (fields or {})
    lines = ["NRRD0004", "# a comment", *(f"{key}: {value}" for key, value in fields.items() if value is not None)]
    lines += [f"{key}:={value}" for key, value in (texts or {}).items()]
    path = folder / name
    content = gzip.compress(SAMPLES.tobytes()) if payload is None else payload
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + content)
    return path


@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 0, 0), (0, 90, 180), (10, 20, 30), (-75, 4, 140)])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("pixel", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkFloat32, sitk.sitkInt32])
def test_simpleitk_files_are_read_where_it_put_the_voxels(angles, compressed, pixel, tmp_path):
    rotation = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    image = sitk.Cast(sitk.GetImageFromArray(SAMPLES.reshape(SHAPE)), pixel)
    image.SetSpacing(SPACING[::-1])
    image.SetDirection(rotation.ravel())
    image.SetOrigin((-113.7, 52.1, -871.4))
    path = tmp_path / "x.nrrd"
    sitk.WriteImage(image, str(path), useCompression=compressed)
    volume = read_nrrd(path, Modality.MR)
    assert np.array_equal(volume.samples.ravel(), SAMPLES)
    point = image.TransformIndexToPhysicalPoint((4, 1, 2))
    assert np.allclose(volume.grid.points([[2, 1, 4]])[0], point, atol=1e-6)
    assert volume.findings == ()


@pytest.mark.parametrize(
    ("space", "signs"), [("RAS", (-1, -1, 1)), ("left-anterior-superior", (1, -1, 1)), ("LPS", (1, 1, 1))]
)
def test_every_anatomical_space_becomes_lps(space, signs, tmp_path):
    volume = read_nrrd(nrrd_file(tmp_path, {"space": space}), Modality.MR)
    expected = np.array((1.3 * 4 - 113.7, 0.7 * 1 + 52.1, 4.0 * 2 - 871.4)) * signs
    assert np.allclose(volume.grid.points([[2, 1, 4]])[0], expected)


def test_big_endian_samples_are_read(tmp_path):
    path = nrrd_file(tmp_path, {"endian": "big", "encoding": "raw"}, payload=SAMPLES.astype(">i2").tobytes())
    assert np.array_equal(read_nrrd(path, Modality.CT).samples.ravel(), SAMPLES)


def test_a_header_with_dos_line_ends_is_read(tmp_path):
    path = nrrd_file(tmp_path)
    head, _, rest = path.read_bytes().partition(b"\n\n")
    path.write_bytes(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + rest)
    assert np.array_equal(read_nrrd(path, Modality.MR).samples.ravel(), SAMPLES)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"space": None}, "NO_GEOMETRY"),
        ({"space": "scanner-xyz"}, "NO_GEOMETRY"),
        ({"space directions": None}, "NO_GEOMETRY"),
        ({"space directions": "(1,0,0) (0,1,0)"}, "NO_GEOMETRY"),
        ({"space directions": "(1,0) (0,1) (1,1)"}, "NO_GEOMETRY"),
        ({"space directions": "(1,0,0) (0,1,x) (0,0,1)"}, "BAD_HEADER"),
        ({"space directions": "(1,0,0) (0,1,0) (0,0,nan)"}, "BAD_GEOMETRY"),
        ({"space directions": "(1,0,0) (0,1,0) (0,2,0)"}, "BAD_GEOMETRY"),
        ({"space directions": "none (1,0,0) (0,1,0)"}, "NOT_A_VOLUME"),
        ({"space origin": None}, "NO_GEOMETRY"),
        ({"sizes": "5 4 300"}, "TRUNCATED_PIXEL_DATA"),
        ({"sizes": "5 4 100000"}, "DECLARED_SIZE_TOO_LARGE"),
        ({"sizes": "50000 40000 30000"}, "DECLARED_SIZE_TOO_LARGE"),
        ({"sizes": "5 4 -3"}, "BAD_HEADER"),
        ({"sizes": "5 4 x"}, "BAD_HEADER"),
        ({"sizes": "5 12"}, "BAD_HEADER"),
        ({"sizes": "5 12", "dimension": "2"}, "NOT_A_VOLUME"),
        ({"sizes": None}, "BAD_HEADER"),
        ({"type": "block"}, "UNSUPPORTED_DATA_TYPE"),
        ({"type": None}, "UNSUPPORTED_DATA_TYPE"),
        ({"endian": None}, "BAD_HEADER"),
        ({"encoding": "bzip2"}, "NRRD_ENCODING"),
        ({"encoding": "ascii"}, "NRRD_ENCODING"),
        ({"byte skip": "-1"}, "NRRD_ENCODING"),
        ({"data file": "x.raw"}, "NRRD_DETACHED"),
    ],
)
def test_strange_files_are_refused_by_code(fields, code, tmp_path):
    with pytest.raises(InputError) as refusal:
        read_nrrd(nrrd_file(tmp_path, fields), Modality.MR)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("payload", "code"), [(SAMPLES.tobytes(), "DAMAGED_COMPRESSION"), (b"", "TRUNCATED_PIXEL_DATA")]
)
def test_damaged_samples_are_refused(payload, code, tmp_path):
    with pytest.raises(InputError) as refusal:
        read_nrrd(nrrd_file(tmp_path, {"sizes": "1 1 1"} if not payload else {}, payload=payload), Modality.MR)
    assert refusal.value.code in {code, "DECLARED_SIZE_TOO_LARGE"}


def test_a_header_without_end_is_refused(tmp_path):
    path = tmp_path / "x.nrrd"
    path.write_bytes(b"NRRD0004\ntype: short\n")
    with pytest.raises(InputError) as refusal:
        read_nrrd(path, Modality.MR)
    assert refusal.value.code == "BAD_HEADER"


def test_another_kind_of_file_is_no_nrrd(tmp_path):
    path = tmp_path / "x.nrrd"
    path.write_bytes(bytes(400))
    with pytest.raises(InputError) as refusal:
        read_nrrd(path, Modality.MR)
    assert refusal.value.code == "NOT_NRRD"


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    path = nrrd_file(tmp_path_factory.mktemp("fuzz"), {"encoding": "raw"}, payload=SAMPLES.tobytes())
    content = bytearray(path.read_bytes())
    end_of_header = content.index(b"\n\n") + 1
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, end_of_header))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        read_nrrd(path, Modality.CT)
        read_nrrd_masks(path)
    except OsteotraceError as error:
        assert error.code


SLICER = {
    "Segment0_ID": "Segment_1", "Segment0_Name": "left sacrum", "Segment0_LabelValue": "2", "Segment0_Layer": "0",
    "Segment1_ID": "Segment_2", "Segment1_Name": "cement", "Segment1_LabelValue": "1", "Segment1_Layer": "0",
}  # fmt: skip


def test_slicer_segments_carry_their_names(tmp_path):
    labels = np.repeat(np.arange(4, dtype="<i2"), 15)
    path = nrrd_file(tmp_path, texts=SLICER, payload=gzip.compress(labels.tobytes()), name="x.seg.nrrd")
    parts = read_nrrd_masks(path)
    assert [(part.label, part.name) for part in parts] == [(1, "cement"), (2, "left sacrum"), (3, "label 3")]
    assert [int(part.mask.sum()) for part in parts] == [15, 15, 15]
    assert [part.label for part in read_nrrd_masks(path, choice="Cement")] == [1]


def overlapping(folder):
    layers = np.zeros((*SHAPE, 2), "<i2")  # the list axis runs fastest in Slicer's files
    layers[:2, ..., 0], layers[1:, ..., 1] = 1, 1
    texts = SLICER | {"Segment0_LabelValue": "1", "Segment1_LabelValue": "1", "Segment1_Layer": "1"}
    fields = {"dimension": "4", "sizes": "2 5 4 3", "space directions": "none (1.3,0,0) (0,0.7,0) (0,0,4)"}
    return nrrd_file(folder, fields, texts, gzip.compress(layers.tobytes()), name="x.seg.nrrd")


def test_overlapping_segments_come_out_whole(tmp_path):
    left, cement = read_nrrd_masks(overlapping(tmp_path))
    assert (left.label, left.name, cement.label, cement.name) == (1, "left sacrum", 2, "cement")
    assert [int(part.mask[k].sum()) for part in (left, cement) for k in range(3)] == [20, 20, 0, 0, 20, 20]
    assert left.grid.spacing_mm == pytest.approx(SPACING)


def test_overlapping_segments_can_be_chosen_and_missed(tmp_path):
    path = overlapping(tmp_path)
    assert [part.name for part in read_nrrd_masks(path, choice="2")] == ["cement"]
    with pytest.raises(UsageError):
        read_nrrd_masks(path, choice="bone")


def test_layers_are_no_image(tmp_path):
    with pytest.raises(InputError) as refusal:
        read_nrrd(overlapping(tmp_path), Modality.MR)
    assert refusal.value.code == "NOT_A_VOLUME"


@pytest.mark.parametrize("text", [{"Segment1_Layer": "3"}, {"Segment0_LabelValue": "x"}])
def test_impossible_segments_are_refused(text, tmp_path):
    with pytest.raises(InputError) as refusal:
        read_nrrd_masks(nrrd_file(tmp_path, texts=SLICER | text))
    assert refusal.value.code == "BAD_HEADER"


@pytest.mark.shared
@pytest.mark.parametrize(("case", "volume_mm3"), [("brain1", 16412.6587), ("breast1", 132.4258)])
def test_pyradiomics_cases_have_their_published_voxel_volume(shared, case, volume_mm3):
    (part,) = read_nrrd_masks(shared / f"data/pyradiomics-cases/{case}_label.nrrd")
    assert part.mask.sum() * part.grid.voxel_volume_mm3 == pytest.approx(volume_mm3, rel=1e-6)
    image = read_nrrd(shared / f"data/pyradiomics-cases/{case}_image.nrrd", Modality.MR)
    assert image.grid.matches(part.grid)


@pytest.mark.shared
def test_real_images_lie_where_simpleitk_sees_them(shared):
    for path in sorted((shared / "data").rglob("*_image.nrrd")):
        image = sitk.ReadImage(str(path))
        volume = read_nrrd(path, Modality.MR)
        assert np.array_equal(volume.samples, sitk.GetArrayFromImage(image))
        end = [extent - 1 for extent in image.GetSize()]
        assert np.allclose(volume.grid.points([end[::-1]])[0], image.TransformIndexToPhysicalPoint(end), atol=1e-4)


def test_a_displacement_field_moves_points_in_itk_as_it_says(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.0, 0.0, 1.5], [0.0, 2.0, 0.0], [-4.0, 0.0, 0.0]])
    affine[:3, 3] = (-20.0, 7.0, 90.0)
    grid = Grid((3, 4, 5), affine)
    displacement_mm = np.random.default_rng(1).normal(0.0, 3.0, (3, 4, 5, 3))
    path = tmp_path / "field.nrrd"
    path.write_bytes(displacement_bytes(displacement_mm, grid))
    bends = sitk.DisplacementFieldTransform(sitk.ReadImage(path, sitk.sitkVectorFloat64))
    for index in ((1, 2, 3), (2, 1, 0)):
        here = grid.points([index])[0]
        np.testing.assert_allclose(bends.TransformPoint(here), here + displacement_mm[index], atol=1e-4)
    with pytest.raises(GeometryError):
        displacement_bytes(displacement_mm[1:], grid)
