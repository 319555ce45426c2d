"""Every clean real series against readers that share no code with ours, and every odd one against its own truth.

The headers are read a second time by pydicom, slice by slice: they are the judge. SimpleITK, dcm2niix and highdicom
must agree with ours too, in place and in value, but where one of them is known to be wrong or to refuse. What excuses a
peer is a property of the series, never its name:

* SimpleITK keeps no shear, dcm2niix resamples it and highdicom refuses it (GANTRY_TILT);
* dcm2niix takes the step of the slices from two positions in single precision;
* dcm2niix prefers Philips' private scale (2005,100E) unless told not to;
* highdicom refuses series without a frame of reference or class, and codecs that it has no plugin for.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.study import SeriesRecord, Verdict
from imaging.volume import Volume

pytestmark = pytest.mark.shared

PLACE_MM = 1e-3
SAME_VALUE = 2**-22  # float32 holds 24 bits; a product and a sum may each round once in either reader
PHILIPS_SCALE = (0x2005, 0x100E)
REFUSALS = (ValueError, KeyError, AttributeError, RuntimeError, TypeError)  # what highdicom says no with


@dataclass(frozen=True)
class Case:
    """One loadable series of one folder, and the links under which a peer gets exactly its files."""

    name: str
    record: SeriesRecord
    volume: Volume
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    @property
    def is_tilted(self) -> bool:
        return "GANTRY_TILT" in {finding.code for finding in self.record.findings}


@dataclass(frozen=True)
class Lattice:
    """A peer's image: values along the columns of an LPS affine."""

    values: np.ndarray
    affine: np.ndarray


@pytest.fixture(scope="module")
def cases(shared, tmp_path_factory) -> list[Case]:
    """Every series that loads, folder by folder: copies of one series in other codecs are cases of their own."""
    data, found = shared / "data", []
    for folder in sorted({path.parent for path in data.rglob("*") if path.is_file()}):
        for record in scan(sorted(path for path in folder.iterdir() if path.is_file())).loadable:
            links = tmp_path_factory.mktemp("series")
            for number, path in enumerate(dict.fromkeys(frame.path for frame in record.frames)):
                (links / f"{number * 7919 % 1009:04d}.dcm").symlink_to(path)  # names say nothing of the order
            name = f"{folder.relative_to(data)} {record.volume_id[-8:]}"
            found.append(Case(name, record, load_volume(record), links))
    assert len(found) >= 30
    return found


def _corners(volume: Volume) -> np.ndarray:
    return np.array(np.meshgrid(*((0, n - 1) for n in volume.grid.shape), indexing="ij")).reshape(3, 8).T


def _disagreement(volume: Volume, peer: Lattice, place_mm: float) -> str | None:
    """Why the images are not the same set of voxels with the same values; axes may be turned and run backwards."""
    inverse = np.linalg.inv(peer.affine)
    at = (volume.grid.points(_corners(volume)) - peer.affine[:3, 3]) @ inverse[:3, :3].T
    off = np.abs((at - np.rint(at)) @ peer.affine[:3, :3].T).max()
    if off > place_mm:
        return f"corners are {off:.5f} mm apart"
    turn = np.rint(inverse[:3, :3] @ volume.grid.affine[:3, :3]).astype(int)
    there = turn @ np.indices(volume.grid.shape).reshape(3, -1) + np.rint(at[0]).astype(int)[:, None]
    if peer.values.size != volume.samples.size or there.min() < 0 or (there.max(axis=1) >= peer.values.shape).any():
        return f"shapes {volume.samples.shape} and {peer.values.shape} differ"
    return _different_values(volume, peer.values[tuple(there)].reshape(volume.grid.shape))


def _different_values(volume: Volume, values: np.ndarray) -> str | None:
    measured = np.ones(volume.grid.shape, bool) if volume.valid is None else volume.valid
    ours, theirs = volume.samples[measured].astype(np.float64), values[measured].astype(np.float64)
    allowed = 0 if volume.samples.dtype == np.int16 else SAME_VALUE * np.abs(theirs).max()
    apart = np.abs(ours - theirs).max()
    return None if apart <= allowed else f"values are up to {apart:g} apart"


def _headers(case: Case) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Position, step matrix (row and column of the image) and values of each frame, as pydicom reads them."""
    told: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for frame in case.record.frames:
        dataset = pydicom.dcmread(frame.path)
        own = shared = dataset
        if "PerFrameFunctionalGroupsSequence" in dataset:
            own = dataset.PerFrameFunctionalGroupsSequence[frame.frame]
            shared = dataset.SharedFunctionalGroupsSequence[0]
        position = _found(own, shared, "PlanePositionSequence").ImagePositionPatient
        cosines = np.array(_found(own, shared, "PlaneOrientationSequence").ImageOrientationPatient, float)
        spacing = _found(own, shared, "PixelMeasuresSequence").PixelSpacing
        rescale = _found(own, shared, "PixelValueTransformationSequence")
        steps = np.column_stack([cosines[3:] * float(spacing[0]), cosines[:3] * float(spacing[1])])
        slope, intercept = float(rescale.get("RescaleSlope", 1)), float(rescale.get("RescaleIntercept", 0))
        values = _pixels(dataset, frame.frame) * slope + intercept
        told.append((np.array(position, float), steps, values))
    return told


def _pixels(dataset: pydicom.Dataset, frame: int) -> np.ndarray:
    """The frame's stored samples by pydicom, or by GDCM within SimpleITK where pydicom's plugins cannot."""
    try:
        array = dataset.pixel_array
    except (RuntimeError, AttributeError, NotImplementedError):
        image = sitk.ReadImage(str(dataset.filename))
        # SimpleITK gives values, not stored samples: here they must be the same.
        assert (float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))) == (1, 0)
        array = sitk.GetArrayFromImage(image)
    return array.reshape(-1, *array.shape[-2:])[frame].astype(np.float64)


def _found(own: pydicom.Dataset, shared: pydicom.Dataset, macro: str) -> pydicom.Dataset:
    for group in (own, shared):
        if macro in group:
            return group[macro].value[0]
    return own


def test_each_slice_is_where_and_what_its_header_says(cases):
    wrong = []
    for case in cases:
        volume = case.volume
        with warnings.catch_warnings(action="ignore"):  # pydicom's remarks on values that are too long
            told = _headers(case)
        for number, (position, steps, values) in enumerate(told):
            rows, columns = values.shape
            corners = np.array([[0, 0], [rows - 1, 0], [0, columns - 1], [rows - 1, columns - 1]])
            ours = volume.grid.points(np.insert(corners, 0, number, axis=1))
            off = np.abs(ours - (position + corners @ steps.T)).max()
            measured = np.ones(values.shape, bool) if volume.valid is None else volume.valid[number]
            apart = np.abs(values - volume.samples[number])[measured].max(initial=0)
            if off > PLACE_MM or apart > (0 if volume.samples.dtype == np.int16 else SAME_VALUE * np.abs(values).max()):
                wrong.append((case.name, number, off, apart))
    assert wrong == []


def test_simpleitk_agrees(cases):
    said = Counter[str]()
    wrong = []
    for case in cases:
        lattice = _by_simpleitk(case)
        fault = (
            _different_values(case.volume, lattice.values)
            if case.is_tilted  # SimpleITK squares a leaning stack, without a word
            else _disagreement(case.volume, lattice, PLACE_MM)
        )
        said["tilted" if case.is_tilted else "whole"] += 1
        wrong += [(case.name, fault)] if fault else []
    assert wrong == []
    assert said["whole"] >= 28


def _by_simpleitk(case: Case) -> Lattice:
    names = [str(path) for path in case.files]
    if len(names) > 1:
        (series,) = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(case.folder))
        names = list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(case.folder), series))
    image = sitk.ReadImage(names)
    if image.GetDimension() == 4:
        image = image[..., 0]
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return Lattice(sitk.GetArrayFromImage(image), affine)


def test_dcm2niix_agrees(cases, tmp_path):
    wrong, said = [], 0
    for number, case in enumerate(cases):
        if case.is_tilted:
            continue  # resampled: other voxels altogether
        said += 1
        out = tmp_path / str(number)
        out.mkdir()
        lattices = _by_dcm2niix(case, out)
        faults = [_disagreement(case.volume, lattice, _single_precision_mm(case)) for lattice in lattices]
        wrong += [] if faults == [None] else [(case.name, faults)]
    assert wrong == []
    assert said >= 28


def _by_dcm2niix(case: Case, out: Path) -> list[Lattice]:
    with warnings.catch_warnings(action="ignore"):
        has_private_scale = any(e.tag == PHILIPS_SCALE for e in pydicom.dcmread(case.files[0]).iterall())
    scaling = ["-p", "n"] if has_private_scale else []
    command = [dcm2niix.bin, "-z", "n", "-b", "n", *scaling, "-f", "image_%s", "-o", str(out), str(case.folder)]
    subprocess.run(command, check=True, capture_output=True)
    images = [nibabel.load(path) for path in sorted(out.glob("*.nii"))]
    return [Lattice(np.asarray(i.dataobj), np.diag([-1, -1, 1, 1]) @ i.affine) for i in images]


def _single_precision_mm(case: Case) -> float:
    """How far dcm2niix's last slice may drift: its step is the difference of two float32 positions."""
    largest = np.abs(case.volume.grid.points(_corners(case.volume))).max()
    return max(PLACE_MM, float(np.spacing(np.float32(largest))) * (case.volume.grid.shape[0] - 1))


def test_highdicom_agrees_or_refuses(cases):
    wrong, said = [], 0
    for case in cases:
        try:
            with warnings.catch_warnings(action="ignore"):
                lattice = _by_highdicom(case.files)
        except REFUSALS:
            continue  # a refusal is an honest answer; only other voxels are not
        said += 1
        fault = _disagreement(case.volume, lattice, PLACE_MM)
        wrong += [(case.name, fault)] if fault else []
    assert wrong == []
    assert said >= 18


def _by_highdicom(files: Sequence[Path]) -> Lattice:
    datasets = [pydicom.dcmread(path) for path in files]
    # Its default inverts MONOCHROME1, which is display and no value.
    if len(datasets) == 1:
        volume = highdicom.Image.from_dataset(datasets[0]).get_volume(apply_presentation_lut=False)
    else:
        volume = highdicom.get_volume_from_series(datasets, apply_presentation_lut=False)
    return Lattice(volume.array, volume.affine)


def test_clean_real_series_give_no_warning(cases):
    """Warnings that always come are not read; what these series lack (slices cut from the collection) is said."""
    expected = {"INCOMPLETE_SERIES", "FEW_SLICES", "GANTRY_TILT", "NOT_HU"}
    codes = Counter(f.code for case in cases for f in case.volume.findings if f.severity.value != "info")
    assert set(codes) <= expected, codes
    assert codes["NOT_HU"] == 2  # a phantom of zeros and ones, classic and enhanced, whose Rescale Type is US


@pytest.mark.parametrize(
    ("folder", "verdicts"),
    [
        ("ct-tilt-variable-ge/GE", [("refused", "NON_UNIFORM_SPACING")]),
        ("ct-philips-study-with-scout", [("exact", None), ("refused", "LOCALIZER"), ("refused", "SECONDARY_CAPTURE")]),
        ("mr-positions-siemens", [("exact", None)]),
        ("mr-enhanced-siemens-xa30", [("exact", None)]),
        ("mr-fragmented-jpegll", [("exact", None)]),
        ("longitudinal-mr-toshiba", [("exact", None)] * 2),
        ("longitudinal-ct-slices", [("refused", "NOT_A_VOLUME")] * 6),
        ("vendor-slices-d2n/failing/sliceincrement", [("refused", "MISSING_SLICES")]),
        ("vendor-slices-d2n/failing/gantrytilting", [("corrected", "GANTRY_TILT")]),
        ("vendor-slices-d2n/failing/slicecount", [("exact", None)]),  # two slices: FEW_SLICES warns
        ("vendor-slices-d2n/ge/anatomical/001_single_slice", [("refused", "NOT_A_VOLUME")]),
    ],
)
def test_real_folders_end_as_they_must(folder, verdicts, shared):
    index = scan([shared / "data" / folder])
    assert sorted((v.verdict.value, v.code) for v in index.volumes) == verdicts


def test_two_slices_are_loaded_with_a_warning_and_as_their_reference(shared):
    folder = shared / "data" / "vendor-slices-d2n" / "failing" / "slicecount"
    volume = load_volume(scan([folder / "001"]).choose())
    assert "FEW_SLICES" in {finding.code for finding in volume.findings}
    reference = nibabel.load(folder / "001_ground_truth.nii.gz")
    lattice = Lattice(np.asarray(reference.dataobj), np.diag([-1, -1, 1, 1]) @ reference.affine)
    assert _disagreement(volume, lattice, PLACE_MM) is None


def test_dates_of_one_patient_come_in_their_order(shared):
    # SCAN_001 is the later exam: neither folder names nor the order of files say so.
    index = scan([shared / "data" / "longitudinal-mr-toshiba"])
    assert [(v.acquired[:10], "SCAN_002" in str(v.frames[0].path)) for v in index.volumes] == [
        ("1959-12-09", True),
        ("1960-04-13", False),
    ]
    assert len({v.patient for v in index.volumes}) == 1
    assert len({v.frame_of_reference_uid for v in index.volumes}) == 2
    for volume in map(load_volume, index.loadable):
        # Positions win: slices of 6 and 5 mm with a gap of 1 mm each.
        assert volume.grid.slice_distance_mm == pytest.approx(
            {6.0: 7.0, 5.0: 6.0}[next(v.slice_thickness_mm for v in index.volumes if v.series_uid == volume.series_uid)]
        )


def test_single_slices_of_two_dates_are_told_apart_by_date(shared):
    index = scan([shared / "data" / "longitudinal-ct-slices"])
    dates = Counter(v.acquired[:10] for v in index.volumes)
    assert dates == {"1900-12-31": 3, "1901-01-08": 3}


def test_a_gap_in_a_tilted_head_is_told_with_its_places(shared):
    folder = shared / "data" / "ct-tilt-variable-ge"
    truth = json.loads((folder / "truth.json").read_text())
    (record,) = scan([folder / "GE"]).volumes
    gaps = np.diff(truth["pos_along_normal"])
    message = next(finding.message for finding in record.findings if finding.code == record.code)
    assert f"{gaps.min():.3f}" in message
    assert f"{gaps.max():.3f}" in message or f"{gaps.max() - 0.001:.3f}" in message  # truth is rounded to 0.001


def _readable(path: Path, decide: Callable[[pydicom.Dataset], object]) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):
            return decide(pydicom.dcmread(path, force=True))
    except Exception as error:  # noqa: BLE001  whatever a damaged file makes pydicom raise
        return error


def test_every_malformed_file_is_named_and_none_becomes_a_volume_by_mistake(shared):
    """Only the one real stack among pydicom's odd files is loadable; each other file has a row with its reason."""
    folder = shared / "data" / "malformed-pydicom"
    index = scan([folder])
    (stack,) = index.loadable
    assert {frame.path.parent.name for frame in stack.frames} == {"CT5N"}
    told = {f.path for v in index.volumes for f in v.frames} | {row.path for row in index.skipped}
    told |= {row.path for row in index.annotations}
    rows = {v.series_uid for v in index.volumes}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        uid = _readable(path, lambda dataset: str(dataset.get("SeriesInstanceUID", "")))
        assert path in told or uid in rows, path
    assert all(v.verdict is Verdict.REFUSED and v.code for v in index.volumes if v is not stack)
