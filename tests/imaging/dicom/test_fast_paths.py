"""What is quick gives what is careful: headers cut and remembered, and samples read straight into the volume."""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaging.dicom.assemble import load_volume
from imaging.dicom.elements import Elements
from imaging.dicom.file import open_dicom, parser_silenced
from imaging.dicom.frames import read_frames
from imaging.dicom.instance import read_instance
from imaging.dicom.pixels import modality_transform, pixel_format, stored_frames
from imaging.dicom.remembered import Remembered, Watched
from imaging.dicom.scan import scan
from imaging.dicom.walk import CutElements, walk_header
from imaging.errors import InputError


def facts(value):
    """A value's fields, and those of the values in it."""
    if not is_dataclass(value):
        return value
    return {field.name: facts(getattr(value, field.name)) for field in fields(value) if field.name != "instance"}


def outcome(read, *arguments):
    """What a reader gives, or the code with which it refuses."""
    try:
        return read(*arguments)
    except InputError as error:
        return error.code


def assert_headers_agree(path) -> bool:
    """Facts, frames and layout of the header as it is read, and as the general parser leaves it; False if it read."""
    file = open_dicom(path)
    if type(file.elements.parsed) is not CutElements:
        return False
    with warnings.catch_warnings(action="ignore"), parser_silenced():
        careful = replace(file, elements=Elements.from_dataset(pydicom.dcmread(path, stop_before_pixels=True)))
        for _ in range(3):  # read, remembered, and compared with the one before
            quick = replace(file, elements=open_dicom(path).elements)
            one, other = read_instance(quick), read_instance(careful)
            assert facts(one) == facts(other)
            assert outcome(pixel_format, quick) == outcome(pixel_format, careful)
            frames = [outcome(read_frames, file, instance) for file, instance in ((quick, one), (careful, other))]
            assert isinstance(frames[0], str) is isinstance(frames[1], str)
            if not isinstance(frames[0], str):
                assert list(map(facts, frames[0])) == list(map(facts, frames[1]))
    return True


def careful_values(record) -> tuple[np.ndarray, np.ndarray]:
    """Every slice's values as float64, and where they were measured, by the transform's definition alone."""
    values, measured = [], []
    for source in record.frames:
        file = open_dicom(source.path)
        stored = list(stored_frames(file))[source.frame]
        transform = modality_transform(file, source.frame)
        padded = transform.padded(stored)
        values.append(transform.values(stored).astype(np.float64))
        measured.append(np.ones(stored.shape, bool) if padded is None else ~padded)
    return np.stack(values), np.stack(measured)


def assert_samples_agree(record) -> None:
    volume = load_volume(record)
    values, measured = careful_values(record)
    assert np.array_equal(volume.samples[measured], values[measured].astype(volume.samples.dtype))
    if volume.samples.dtype == np.int16:
        assert np.array_equal(values[measured], np.rint(values[measured]))
    valid = np.ones(values.shape, bool) if volume.valid is None else volume.valid
    assert np.array_equal(valid, measured)
    if measured.any():
        assert (volume.samples[~measured] == volume.samples[measured].min()).all()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_integer_format_is_loaded_as_the_careful_way_does(data, slices, tmp_path_factory):
    stored_bits = data.draw(st.sampled_from([8, 10, 12, 15, 16]))
    signed = data.draw(st.booleans())
    shift = data.draw(st.integers(0, 16 - stored_bits))
    slope = data.draw(st.sampled_from(["1", "2", "-1", "0.5", "3", "16384"]))
    intercept = data.draw(st.sampled_from(["0", "-1024", "1", "-32768", "40000", "0.25"]))
    padding = data.draw(st.none() | st.integers(-(2 ** (stored_bits - 1)), 2 ** (stored_bits - 1) - 1))
    dirty = data.draw(st.booleans())
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    datasets = slices.clean(4, rows=5, columns=7)
    for dataset in datasets:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored_bits, stored_bits - 1 + shift, signed
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        if padding is not None:
            dataset.add_new(0x00280120, "SS" if signed else "US", padding if signed else abs(padding))
        width = data.draw(st.integers(1, 16 if dirty else stored_bits))
        bits = generator.integers(0, 2**width, (5, 7)).astype(np.uint16)
        dataset.PixelData = (bits if dirty else bits << shift).astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
    folder = tmp_path_factory.mktemp("any")
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / str(number), enforce_file_format=True)
    (record,) = scan([folder]).volumes
    assert_samples_agree(record)
    assert all(map(assert_headers_agree, sorted(folder.iterdir())))


def test_neighbours_that_differ_in_one_element_are_told_apart(slices):
    """Headers laid out alike, one value changed at a time: nothing remembered of the one may be said of the other."""
    changes = {
        "PatientID": "P-2", "SeriesInstanceUID": "1.2.826.0.1.3680043.10.1000.1.2", "Rows": 11, "KVP": "80",
        "RescaleSlope": "2", "PixelRepresentation": 0, "AcquisitionDate": "20030118",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
    }  # fmt: skip
    datasets = []
    for keyword, value in changes.items():
        changed, again = slices.clean(1)[0], slices.clean(1)[0]
        changed.KVP = again.KVP = "90"
        setattr(changed, keyword, value)
        datasets += [again, changed]
    home = slices.write(datasets)
    seen = set()
    for path in sorted(home.iterdir()):
        assert assert_headers_agree(path)
        file = open_dicom(path)
        (frame,) = read_frames(file, read_instance(file))
        known = sorted(facts(frame.instance).items(), key=str), frame.marks, modality_transform(file, 0).slope
        seen.add(str((known, pixel_format(file))).replace(str(path), ""))
    assert len(seen) == len(changes) + 1


@pytest.mark.shared
def test_on_real_files_quick_and_careful_headers_agree(shared):
    files = [path for path in sorted((shared / "data").rglob("*")) if path.is_file() and path.suffix != ".gz"]
    # Of long series every seventh slice; all of the odd files.
    chosen = [path for n, path in enumerate(files) if "malformed" in str(path) or n % 7 == 0]
    compared = 0
    for path in chosen:
        try:
            compared += assert_headers_agree(path)
        except InputError:
            continue
    assert compared > 150


@pytest.mark.shared
def test_on_real_series_quick_and_careful_samples_agree(shared):
    index = scan([shared / "data" / name for name in (
        "ct-liver-mets-ge", "ct-philips-study-with-scout", "mr-positions-siemens", "vendor-slices-d2n",
        "ibsi1-ct-phantom", "longitudinal-ct-slices", "mr-enhanced-siemens-xa30", "mr-fragmented-jpegll",
    )])  # fmt: skip
    for record in index.loadable:
        if record.acquired_slices is None:
            assert_samples_agree(record)
    assert len(index.loadable) > 8


TEXT = {"modality": b"\x08\x00\x60\x00CS", "maker": b"\x08\x00\x70\x00LO", "station": b"\x08\x00\x10\x10SH"}


def test_who_is_watched_within_a_watch_shows_only_what_it_looks_at():
    outer = Watched({1: (b"CS", 8, 10), 2: (b"CS", 18, 20)})
    inner = Watched(outer)
    assert inner.get(2) == (b"CS", 18, 20)
    assert (list(outer.seen), list(inner.seen)) == ([], [2])


def test_what_looks_at_elements_in_another_order_each_time_is_not_remembered_wrongly():
    modality, maker, station = 0x00080060, 0x00080070, 0x00081010
    orders = iter([(modality, maker), (maker, station), (modality, maker, station)])
    remembered = Remembered(lambda elements: {tag: elements.text(tag) for tag in next(orders)})

    def seen(**values):
        window = b"".join(TEXT[keyword] + b"\x02\x00" + value for keyword, value in values.items())
        return remembered(Elements(walk_header(window, 0, is_implicit=False, file_size=len(window)).elements))

    assert seen(maker=b"AB") == {modality: "", maker: "AB"}
    assert seen(modality=b"CT") == {maker: "", station: ""}
    assert seen(station=b"CT") == {modality: "", maker: "", station: "CT"}
