"""Published reference values: the two IBSI phantoms and pyradiomics' own baseline, on their data."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest

from imaging.formats.nifti import read_nifti, read_nifti_masks
from imaging.formats.nrrd import read_nrrd, read_nrrd_masks
from imaging.measurement.extent import Extent, component_count
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.segmentation.segment import Segment
from imaging.volume import Modality, Volume

# Value and tolerance of IBSI 1; Source: IBSI reference values, digital phantom and CT configuration A (no
# interpolation), compared after rounding to three significant digits as IBSI does.
DIGITAL_PHANTOM = {
    "volume_voxels_ml": (0.592, 0.004),
    "volume_mesh_ml": (0.556, 0.004),
    "surface_mm2": (388, 3),
    "sphericity": (0.843, 0.005),
    "diameter_3d_mm": (13.1, 0.1),
    "axis_major_mm": (11.4, 0.1),
    "axis_minor_mm": (9.31, 0.06),
    "axis_least_mm": (8.54, 0.05),
    "elongation": (0.816, 0.005),
    "flatness": (0.749, 0.005),
}
CT_PHANTOM = {
    "volume_voxels_ml": (359, 5),
    "volume_mesh_ml": (358, 5),
    "surface_mm2": (35700, 300),
    "sphericity": (0.683, 0.001),
    "diameter_3d_mm": (125, 1),
    "axis_major_mm": (92.7, 0.4),
    "axis_minor_mm": (81.5, 0.4),
    "axis_least_mm": (70.1, 0.3),
    "elongation": (0.879, 0.001),
    "flatness": (0.756, 0.001),
}


def digital_phantom(shared: Path) -> SegmentMeasurement:
    folder = shared / "data" / "ibsi1-digital-phantom" / "nifti"
    (segment,) = read_nifti_masks(next((folder / "mask").glob("*.nii.gz")))
    return measure_segment(segment, volume=read_nifti(next((folder / "image").glob("*.nii.gz")), Modality.CT))


def ct_phantom_mask(shared: Path) -> Segment:
    (segment,) = read_nifti_masks(shared / "data" / "ibsi1-ct-phantom" / "nifti" / "mask" / "mask.nii.gz")
    return segment


def assert_within(measured: SegmentMeasurement, reference: dict[str, tuple[float, float]]) -> None:
    for name, (value, tolerance) in reference.items():
        found = float(f"{getattr(measured, name).value:.3g}")
        assert abs(found - value) <= tolerance * (1 + 1e-9), f"{name}: {found} against {value} ± {tolerance}"


@pytest.mark.shared
def test_the_digital_phantom_has_ibsis_shape(shared: Path) -> None:
    assert_within(digital_phantom(shared), DIGITAL_PHANTOM)


@pytest.mark.shared
def test_the_digital_phantom_has_ibsis_intensities(shared: Path) -> None:
    intensity = digital_phantom(shared).intensity
    assert intensity is not None
    found = {name: float(f"{quantity.value:.3g}") for name, quantity in intensity.items()}
    assert found == {"mean": 2.15, "sd": 1.75, "min": 1, "median": 1, "max": 6, "p10": 1, "p90": 4}
    assert float(f"{intensity['sd'].value ** 2:.3g}") == 3.05  # IBSI variance ECT3


@pytest.mark.shared
def test_the_ct_phantom_has_ibsis_shape_and_voxels(shared: Path) -> None:
    measured = measure_segment(ct_phantom_mask(shared))
    assert_within(measured, CT_PHANTOM)
    spacing_product = 0.977**2 * 3  # as this file has it
    assert measured.volume_ml.value == pytest.approx(125256 * spacing_product / 1000, rel=1e-6)


@pytest.mark.shared
def test_the_ct_phantom_has_ibsis_intensities_before_resegmentation(shared: Path) -> None:
    segment = ct_phantom_mask(shared)
    files = [pydicom.dcmread(file) for file in (shared / "data" / "ibsi1-ct-phantom" / "dicom" / "image").glob("*.dcm")]
    files.sort(key=lambda file: segment.grid.indices([file.ImagePositionPatient])[0, 0])
    samples = np.stack([file.pixel_array * file.RescaleSlope + file.RescaleIntercept for file in files])
    volume = Volume(samples=samples.astype(np.float32), grid=segment.grid, modality=Modality.CT)
    intensity = measure_segment(segment, volume=volume).intensity
    assert intensity is not None
    assert float(f"{intensity['mean'].value:.3g}") == -46.9
    assert (intensity["min"].value, intensity["max"].value) == (-1000, 723)


# Where definitions agree. pyradiomics divides the covariance by n, so its axes are ours × √((n − 1) / n); its meshes
# are those of the classic table, ours resolve ambiguous cubes, so that surfaces of ragged masks differ a little.
@pytest.mark.shared
@pytest.mark.parametrize("case", ["brain1", "breast1"])
def test_pyradiomics_baseline_is_reproduced_where_definitions_agree(shared: Path, case: str) -> None:
    folder = shared / "data" / "pyradiomics-cases"
    with (folder / "baseline_shape.csv").open(encoding="utf-8") as file:
        baseline = {row["featureName"]: row[case] for row in csv.DictReader(file)}

    def expected(feature: str) -> float:
        return float(baseline[f"original_shape_{feature}"])

    (segment,) = (s for s in read_nrrd_masks(folder / f"{case}_label.nrrd") if s.label == 1)
    image = read_nrrd(folder / f"{case}_image.nrrd", Modality.MR)
    measured = measure_segment(segment, volume=image)
    voxels = int(baseline["diagnostics_Mask-original_VoxelNum"])
    ddof = ((voxels - 1) / voxels) ** 0.5
    assert 1000 * measured.volume_ml.value == pytest.approx(expected("VoxelVolume"), rel=1e-9)
    for ours, theirs in (("major", "MajorAxisLength"), ("minor", "MinorAxisLength"), ("least", "LeastAxisLength")):
        assert getattr(measured, f"axis_{ours}_mm").value * ddof == pytest.approx(expected(theirs), rel=1e-6)
    assert measured.elongation is not None and measured.flatness is not None
    assert measured.elongation.value == pytest.approx(expected("Elongation"), rel=1e-6)
    assert measured.flatness.value == pytest.approx(expected("Flatness"), rel=1e-6)
    assert measured.diameter_3d_mm.value == pytest.approx(expected("Maximum3DDiameter"), rel=1e-6)
    across_pieces = expected("Maximum2DDiameterSlice")  # pyradiomics measures from piece to piece, we within one
    if component_count(Extent.of(segment)) == 1:
        assert measured.long_axis_mm.value == pytest.approx(across_pieces, rel=1e-6)
    else:
        assert measured.long_axis_mm.value < across_pieces
    assert 1000 * measured.volume_mesh_ml.value == pytest.approx(expected("MeshVolume"), rel=2e-3)
    assert measured.surface_mm2.value == pytest.approx(expected("SurfaceArea"), rel=1e-2)
