from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.dicom.write import CtHeader, MrHeader, Patient, SeriesHeader, StoredScale, decimal, series_files
from imaging.errors import UsageError
from imaging.geometry import Grid
from imaging.volume.volume import Modality, Volume

START = datetime(2003, 1, 6, 9, 20)
CT = SeriesHeader(
    patient=Patient(name="Synthetic^Test", id="T-1", birth_date="19260601", sex="M"),
    study_uid="2.25.5",
    study_start=START,
    acquired=START,
    technique=CtHeader(kernel="B30s"),
    scale=StoredScale(intercept=-1024),
)
MR = replace(CT, technique=MrHeader(), scale=StoredScale())
EXTENDED = replace(CT, scale=StoredScale(intercept=-8192, bits=16))
TURN = np.array([[0.0, 0.6, 0.8], [0.0, -0.8, 0.6], [-1.0, 0.0, 0.0]])  # exact in decimal, right-handed or not


def grid(shape: tuple[int, int, int] = (3, 7, 5)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = TURN * (2.5, 0.75, 0.6875)
    affine[:3, 3] = (-12.125, 3.0, 1004.5)
    return Grid(shape, affine)


def volume(modality: Modality = Modality.CT, low: int = -1024, high: int = 3071) -> Volume:
    samples = np.random.default_rng(2).integers(low, high, (3, 7, 5), endpoint=True).astype(np.int16)
    samples[0, 0, :2] = low, high
    return Volume(samples=samples, grid=grid(), modality=modality, series_uid="2.25.7", frame_of_reference_uid="2.25.8")


CASES = [
    (volume(), CT),
    (volume(high=8191), EXTENDED),
    (volume(Modality.MR, 0, 4095), MR),
    (
        volume(Modality.MR, 0, 4095),
        replace(MR, technique=MrHeader(scanning_sequence=("SE", "IR"), inversion_ms=150.0, phase_encoding="COL")),
    ),
]


@pytest.mark.parametrize(("written", "header"), CASES)
def test_another_reader_gets_samples_and_places_back(written: Volume, header: SeriesHeader) -> None:
    for index, (_, content) in enumerate(series_files(written, header=header)):
        image = pydicom.dcmread(BytesIO(content))
        slope = float(getattr(image, "RescaleSlope", 1))
        samples = image.pixel_array.astype(float) * slope + float(getattr(image, "RescaleIntercept", 0))
        assert np.array_equal(samples, written.samples[index])
        position = np.array(image.ImagePositionPatient, dtype=float)
        along_columns, along_rows = np.array(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
        row_step, column_step = (float(value) for value in image.PixelSpacing)
        corner = position + 6 * row_step * along_rows + 4 * column_step * along_columns
        assert corner == pytest.approx(written.grid.points([[index, 6, 4]])[0], abs=1e-9)


@pytest.mark.parametrize(("written", "header"), CASES)
def test_the_validator_finds_no_error(written: Volume, header: SeriesHeader, tmp_path: Path) -> None:
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    for name, content in series_files(written, header=header):
        (tmp_path / name).write_bytes(content)
        done = subprocess.run([validator, str(tmp_path / name)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr, done.stderr
        assert done.returncode == 0


def test_the_same_volume_gives_the_same_bytes_and_unique_instances() -> None:
    one, again = (dict(series_files(volume(), header=CT)) for _ in range(2))
    assert one == again
    uids = {pydicom.dcmread(BytesIO(content)).SOPInstanceUID for content in one.values()}
    assert len(uids) == 3


def test_what_a_classic_object_cannot_say_is_refused() -> None:
    leaning = grid().affine.copy()
    leaning[:3, 0] += leaning[:3, 1]
    sheared = replace(volume(), grid=Grid((3, 7, 5), leaning))
    floating = replace(volume(), samples=volume().samples.astype(np.float32))
    for bad, header, words in [
        (volume(), MR, "header of MR"),
        (replace(volume(), series_uid=""), CT, "series UID"),
        (volume(high=4000), CT, "do not fit"),
        (sheared, CT, "lean"),
        (floating, CT, "integers"),
    ]:
        with pytest.raises(UsageError, match=words):
            series_files(bad, header=header)


@given(st.floats(-99999, 99999))
@settings(max_examples=300)
def test_decimal_strings_are_short_and_close(value: float) -> None:
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, abs=1e-8)
    assert text != "-0"
