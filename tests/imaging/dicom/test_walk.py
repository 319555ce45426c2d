"""The quick way through a header gives what the general parser gives, or gives way to it."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from imaging.dicom.elements import Elements
from imaging.dicom.file import open_dicom
from imaging.dicom.walk import CutElements, walk_header
from imaging.errors import InputError


def _assert_same(path):
    """Tags, raw values and sequences equal those that pydicom reads."""
    quick = open_dicom(path)
    if not isinstance(quick.elements.parsed, CutElements):
        return False
    with warnings.catch_warnings(action="ignore"):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        slow = Elements.from_dataset(dataset)
        assert set(quick.elements.parsed) == set(slow.parsed)
        for tag in slow.parsed:
            _assert_same_element(quick.elements, slow, tag)
    return True


def _assert_same_element(quick, slow, tag):
    items = slow.items(tag)
    assert len(quick.items(tag)) == len(items)
    for one, other in list(zip(quick.items(tag), items, strict=True))[:2]:
        assert set(one.parsed) == set(other.parsed)
        for inner in other.parsed:
            _assert_same_element(one, other, inner)
    if not items:
        # pydicom interprets the character set at once, so its bytes are gone.
        assert (quick.texts if tag == 0x00080005 else quick.raw)(tag) == (
            slow.texts if tag == 0x00080005 else slow.raw
        )(tag)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
def test_plain_headers_are_walked_and_equal_the_parsers(implicit, undefined, slices):
    (dataset,) = slices.clean(1)
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.PatientComments = "T-1", "x" * 301
    outer.ConceptNameCodeSequence = [inner, inner]
    outer["ConceptNameCodeSequence"].is_undefined_length = undefined
    inner.is_undefined_length_sequence_item = undefined
    dataset.RequestAttributesSequence = [outer]
    dataset["RequestAttributesSequence"].is_undefined_length = undefined
    outer.is_undefined_length_sequence_item = undefined
    dataset.add_new(0x00091010, "OB", bytes(100))
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    (path,) = slices.write([dataset]).iterdir()
    assert _assert_same(path)


def test_headers_beyond_the_first_window_are_walked(slices):
    (dataset,) = slices.clean(1)
    dataset.add_new(0x00091010, "OB", bytes(200_000))
    (path,) = slices.write([dataset]).iterdir()
    assert _assert_same(path)


def test_headers_beyond_every_window_go_to_the_parser(slices):
    (dataset,) = slices.clean(1)
    dataset.add_new(0x00091010, "OB", bytes(2_000_000))
    (path,) = slices.write([dataset]).iterdir()
    assert not _assert_same(path)
    assert open_dicom(path).pixels.is_whole


@pytest.mark.parametrize(
    "window",
    [
        b"\x08\x00\x60\x00CS\x02\x00CT\x08\x00\x16\x00UI\x02\x001\x00",  # out of order
        b"\x08\x00\x60\x00XX\x02\x00CT",  # unknown VR
        b"\x08\x00\x60\x00CS\x20\x00CT",  # beyond the end
        b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\x08\x00",  # a sequence without items
        b"\x09\x00\x10\x10UN\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\xdd\xe0" + bytes(4),  # unknown of undefined length
        b"\x08\x00",
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(window):
    assert walk_header(window, 0, is_implicit=False, file_size=len(window)) is None


def test_a_window_that_ends_before_the_file_is_not_the_whole_header():
    window = b"\x08\x00\x60\x00CS\x02\x00CT"
    assert walk_header(window, 0, is_implicit=False, file_size=len(window)) is not None
    assert walk_header(window, 0, is_implicit=False, file_size=len(window) + 1) is None


def test_deep_sequences_are_left_to_the_parser():
    deep = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    assert walk_header(deep, 0, is_implicit=False, file_size=len(deep)) is None


def test_random_bytes_never_raise():
    generator = np.random.default_rng(2)
    for length in range(200):
        window = b"\x08\x00\x60\x00CS\x02\x00CT" + generator.bytes(length)
        for implicit in (False, True):
            walk_header(window, 0, is_implicit=implicit, file_size=len(window))


@pytest.mark.shared
def test_on_real_files_both_ways_give_the_same(shared):
    files = [path for path in sorted((shared / "data").rglob("*")) if path.is_file()]
    # Of long series every 25th slice; all of the odd files.
    chosen = [path for n, path in enumerate(files) if "malformed" in str(path) or n % 25 == 0]
    walked = 0
    for path in chosen:
        try:
            walked += _assert_same(path)
        except InputError:
            continue
    assert walked > 80
