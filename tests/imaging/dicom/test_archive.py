"""Zip archives and DICOMDIR: read where they lie, within bounds, and never beyond their folder."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from imaging.dicom.archive import open_member
from imaging.dicom.archive_directory import MOST_MEMBERS, read_directory
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import UnreadableFile
from imaging.study.series import Verdict


def zipped(path: Path, contents: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def series(slices, folder="series") -> dict[str, bytes]:
    return {f"study/{path.name}": path.read_bytes() for path in slices.write(slices.clean(), folder).iterdir()}


def codes(index) -> dict[str, str]:
    return {row.path.name: row.code for row in index.skipped}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_zipped_series_is_the_series(method, is_named, slices, tmp_path, assert_true_to_place):
    contents = series(slices)
    home = tmp_path / "zipped"
    home.mkdir()
    path = zipped(home / "export", contents, method)
    index = scan([path if is_named else home])
    (record,) = index.volumes
    assert (record.verdict, index.skipped) == (Verdict.EXACT, ())
    volume = load_volume(record)
    assert_true_to_place(volume)
    assert np.array_equal(volume.samples, load_volume(scan([tmp_path / "series"]).volumes[0]).samples)
    assert list(home.iterdir()) == [path]


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_members_that_only_the_general_parser_reads_are_read(syntax, slices, tmp_path, assert_true_to_place):
    datasets = slices.clean()
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.set_original_encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    contents = {path.name: path.read_bytes() for path in slices.write(datasets).iterdir()}
    (record,) = scan([zipped(tmp_path / "x.zip", contents)]).volumes
    assert record.verdict is Verdict.EXACT
    assert_true_to_place(load_volume(record))


def test_copies_in_a_folder_and_its_zip_are_one_series(slices, tmp_path):
    contents = series(slices)
    zipped(tmp_path / "series" / "again.zip", contents)
    (record,) = scan([tmp_path / "series"]).volumes
    assert (record.code, len(record.frames)) == ("DUPLICATE_INSTANCE", 8)


@pytest.mark.parametrize(
    "name",
    ["../../../../tmp/pwned", "/etc/passwd", "C:\\x", "..\\..\\evil", "a//b", "a/./b", "a" * 2000, "a\nb", ".."],
)
def test_names_that_lead_elsewhere_are_never_joined_to_a_path(name, slices, tmp_path):
    path = zipped(tmp_path / "x.zip", {"fine": next(iter(series(slices).values())), name: b"DICM" * 100})
    index = scan([path])
    assert codes(index) == {"#2": "UNSAFE_NAME"}
    assert len(index.volumes) == 1


def test_nothing_within_an_archive_is_opened_twice_or_deeper(slices, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x", b"x")
    contents = {**series(slices), "deep.zip": inner.getvalue(), "notes.txt": b"text that is no image at all"}
    index = scan([zipped(tmp_path / "x.zip", contents)])
    assert codes(index) == {"deep.zip": "NESTED_ZIP", "notes.txt": "NOT_DICOM"}
    assert index.volumes[0].verdict is Verdict.EXACT


def test_a_name_used_twice_is_read_once(slices, tmp_path):
    contents = series(slices)
    path = zipped(tmp_path / "x.zip", contents)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(next(iter(contents)), b"another")
    index = scan([path])
    assert codes(index) == {"#9": "DUPLICATE_MEMBER"}
    assert index.volumes[0].verdict is Verdict.EXACT


def test_encrypted_and_unknown_members_are_named(slices, tmp_path):
    path = zipped(tmp_path / "x.zip", {"secret": b"x" * 300, "bzip": b"x" * 300}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    first, second = (at for at in range(len(content)) if content[at : at + 4] == b"PK\x01\x02")
    content[first + 8] |= 1
    content[second + 10] = 12
    path.write_bytes(content)
    assert codes(scan([path])) == {"secret": "ENCRYPTED_MEMBER", "bzip": "UNSUPPORTED_ZIP_METHOD"}


@pytest.mark.parametrize("size", [65 * 2**20, 2**31])
def test_a_member_that_inflates_without_measure_is_not_inflated(size, tmp_path):
    path = zipped(tmp_path / "bomb.zip", {"bomb": b"\0" * 2**20})
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02") + 24
    path.write_bytes(content[:at] + struct.pack("<L", size) + content[at + 4 :])
    assert codes(scan([path])) == {"bomb.zip": "ZIP_LIMIT"}


@pytest.mark.parametrize("declared", [5000, 20_000])
def test_a_member_of_another_size_than_declared_is_damaged(declared, slices, tmp_path):
    first = next(iter(series(slices).values())) + bytes(8000)
    path = zipped(tmp_path / "x.zip", {"a": first})
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02") + 24
    path.write_bytes(content[:at] + struct.pack("<L", declared) + content[at + 4 :])
    with pytest.raises(UnreadableFile) as caught, open_member(path, "a") as stream:
        stream.read()
    assert caught.value.code == "UNREADABLE_ZIP"


def test_a_flipped_bit_of_a_member_is_found_at_the_latest_when_it_is_loaded(slices, tmp_path):
    home = slices.write(slices.clean(3, rows=400, columns=400))
    contents = {path.name: path.read_bytes() for path in home.iterdir()}
    path = zipped(tmp_path / "x.zip", contents, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"\xe0\x7f\x10\x00OW") + 300_000] ^= 1
    path.write_bytes(content)
    (record,) = scan([path]).volumes
    with pytest.raises(UnreadableFile) as caught:
        load_volume(record)
    assert caught.value.code == "UNREADABLE_ZIP"


def test_any_cut_of_an_archive_ends_in_a_code(slices, tmp_path):
    content = zipped(tmp_path / "whole.zip", series(slices)).read_bytes()
    generator = np.random.default_rng(5)
    for number in range(60):
        path = tmp_path / f"{number}.zip"
        damaged = bytearray(content[: int(generator.integers(4, len(content)))] if number % 2 else content)
        for _ in range(number % 5):
            damaged[int(generator.integers(4, len(damaged)))] = int(generator.integers(256))
        path.write_bytes(damaged)
        index = scan([path])
        for record in index.loadable:
            try:
                load_volume(record)
            except UnreadableFile as error:
                assert error.code == "UNREADABLE_ZIP"


def test_more_members_than_a_patient_has_slices_are_refused(tmp_path):
    path = tmp_path / "many.zip"
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, 0, 0, 0, 1, *[0] * 4, 0, 0) + b"a"
    count = MOST_MEMBERS + 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65, 65, len(entry) * count, 0, 0)  # the count lies
    path.write_bytes(entry * count + end)
    with pytest.raises(UnreadableFile) as caught:
        read_directory(path)
    assert caught.value.code == "ZIP_LIMIT"


def test_members_that_share_their_bytes_are_refused(slices, tmp_path):
    path = zipped(tmp_path / "x.zip", {"a": np.random.default_rng(0).bytes(5000), "b": b"y"})
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    content[second + 16 : second + 28] = content[first + 16 : first + 28]
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    path.write_bytes(content)
    assert codes(scan([path])) == {"x.zip": "ZIP_LIMIT"}


def test_archives_beyond_four_gigabytes_are_read_by_their_wide_fields(slices, tmp_path):
    contents = series(slices)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, content in contents.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert {member.size for member in read_directory(tmp_path / "x.zip").members} == set(map(len, contents.values()))


def directory(path: Path, references: list[list[str]]) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    records = []
    for steps in references:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.add_new(0x00041500, "LO", steps)  # any text, as an attacker would
        records.append(record)
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.DirectoryRecordSequence = records
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_directory_that_is_named_stands_for_its_files(slices, tmp_path):
    home = slices.write(slices.clean(), "cd/IMAGES")
    slices.write(slices.clean(3), "cd/OTHER")
    outside = slices.write(slices.clean(2), "outside")
    (home / "LINK").symlink_to(next(outside.iterdir()))
    names = [["IMAGES", path.name] for path in home.iterdir()]
    names += [["..", "outside", "0000"], ["/etc/passwd"], ["GONE", "X"], ["IMAGES\\..", "X"]]
    index = scan([directory(tmp_path / "cd" / "DICOMDIR", names)])
    (record,) = index.volumes
    assert (record.verdict, len(record.frames)) == (Verdict.EXACT, 8)
    assert sorted((row.path.name, row.code) for row in index.skipped) == [
        ("DICOMDIR", "DICOMDIR"),
        ("DICOMDIR", "UNSAFE_NAME"),
        ("DICOMDIR", "UNSAFE_NAME"),
        ("DICOMDIR", "UNSAFE_NAME"),
        ("LINK", "LINK_OUTSIDE"),
        ("X", "NOT_A_FILE"),
    ]


def test_a_directory_in_a_folder_is_one_more_file(slices, tmp_path):
    slices.write(slices.clean(), "cd/IMAGES")
    outside = slices.write(slices.clean(2), "outside")
    directory(tmp_path / "cd" / "DICOMDIR", [["..", "outside", next(outside.iterdir()).name]])
    index = scan([tmp_path / "cd"])
    assert (codes(index), len(index.volumes[0].frames)) == ({"DICOMDIR": "DICOMDIR"}, 8)
