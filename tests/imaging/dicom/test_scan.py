"""The door: what is recognised, what is refused, and what never happens whatever a folder holds."""

from __future__ import annotations

import copy
import os
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from pydicom.dataset import Dataset

from imaging.dicom.assemble import load_volume
from imaging.dicom.file import open_dicom
from imaging.dicom.scan import scan
from imaging.study import Index, Verdict

META_DEFLATED = b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"


def test_nothing_gives_an_empty_index(tmp_path):
    assert scan([]) == Index()
    assert scan([tmp_path]) == Index()


def test_junk_is_named_and_disturbs_nothing(slices, tmp_path, assert_true_to_place):
    home = slices.write(slices.clean())
    (home / "readme.dcm").write_text("no DICOM at all, whatever the name says; long enough to hold a preamble " * 5)
    (home / "empty.dcm").touch()
    (home / "zeros.dcm").write_bytes(bytes(5000))
    (home / "random").write_bytes(np.random.default_rng(1).bytes(3000))
    (home / "short").write_bytes(b"\x08\0\x05\0CS")
    os.mkfifo(home / "pipe")
    index = scan([tmp_path])
    assert {row.path.name: row.code for row in index.skipped} == {
        "readme.dcm": "NOT_DICOM",
        "empty.dcm": "EMPTY_FILE",
        "zeros.dcm": "UNREADABLE_FILE",
        "random": "NOT_DICOM",
        "short": "NOT_DICOM",
        "pipe": "NOT_A_FILE",
    }
    assert_true_to_place(load_volume(index.choose()))


def test_a_path_that_is_not_there_is_named(tmp_path):
    assert [row.code for row in scan([tmp_path / "absent"]).skipped] == ["NOT_A_FILE"]


def test_files_named_twice_count_once(slices):
    home = slices.write(slices.clean())
    files = sorted(home.iterdir())
    index = scan([home, home.parent, *files])
    (record,) = index.volumes
    assert (record.verdict, record.findings) == (Verdict.EXACT, ())


def test_a_list_of_files_is_a_series(slices):
    files = sorted(slices.write(slices.clean()).iterdir())
    assert scan(files).volumes[0].grid.shape[0] == 8


def test_links_never_lead_out_or_round(slices, tmp_path):
    home = slices.write(slices.clean(), "case/series")
    outside = slices.write(slices.clean(2), "elsewhere")
    (home / "loop").symlink_to(tmp_path / "case", target_is_directory=True)
    (home / "self").symlink_to(home, target_is_directory=True)
    (home / "away").symlink_to(outside, target_is_directory=True)
    (home / "stolen").symlink_to(next(outside.iterdir()))
    (home / "copy").symlink_to(sorted(home.iterdir())[0])
    (home / "dangling").symlink_to(home / "nothing")
    (home / "round").symlink_to(home / "round")
    index = scan([tmp_path / "case"])
    (record,) = index.volumes
    assert (record.verdict, len(record.frames)) == (Verdict.EXACT, 8)
    codes = {row.path.name: row.code for row in index.skipped}
    assert codes == {"away": "LINK_OUTSIDE", "stolen": "LINK_OUTSIDE", "dangling": "NOT_A_FILE", "round": "NOT_A_FILE"}


def test_order_of_paths_changes_nothing(slices, tmp_path):
    one = slices.write(slices.clean(), "one")
    datasets = slices.clean(5)
    for dataset in datasets:
        dataset.SeriesInstanceUID = "1.2.3"
    two = slices.write(datasets, "two")
    forward, backward = scan([one, two]), scan([two, one])
    assert [v.volume_id for v in forward.volumes] == [v.volume_id for v in backward.volumes]
    assert [v.frames for v in forward.volumes] == [v.frames for v in backward.volumes]
    assert forward.skipped == backward.skipped


def test_foreign_preamble_is_noted(slices):
    home = slices.write(slices.clean())
    for path in home.iterdir():
        path.write_bytes(b"MZ" + bytes(126) + path.read_bytes()[128:])
    (record,) = scan([home]).volumes
    assert [(f.code, f.severity) for f in record.findings] == [("PREAMBLE_NOT_ZERO", "info")]


def _limited(seconds, megabytes, work):
    """Run work and check its time and the growth of peak memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    result = work()
    assert time.monotonic() - start < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < megabytes
    return result


@pytest.mark.parametrize("preamble", [bytes(128) + b"DICM", b""])
def test_a_deflate_bomb_is_not_inflated(preamble, tmp_path):
    machine = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    element = b"\x08\0\x05\0UT\0\0" + struct.pack("<I", 2**30)
    bomb = machine.compress(element) + b"".join(machine.compress(bytes(2**20)) for _ in range(64)) + machine.flush()
    path = tmp_path / "bomb"
    path.write_bytes(preamble + META_DEFLATED + bomb)
    index = _limited(5, 200, lambda: scan([tmp_path]))
    assert [row.code for row in index.skipped] == ["INFLATE_LIMIT"]


def test_damaged_meta_information_is_no_way_around_the_limit(tmp_path):
    damaged = b"\x02\0\x01\0OB\0\0" + struct.pack("<I", 2**31) + META_DEFLATED + zlib.compress(bytes(10**6))[2:]
    (tmp_path / "bomb").write_bytes(bytes(128) + b"DICM" + damaged)
    assert [row.code for row in scan([tmp_path]).skipped] == ["UNREADABLE_FILE"]


def test_deep_nesting_is_refused(tmp_path):
    head = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    meta = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    (tmp_path / "deep").write_bytes(bytes(128) + b"DICM" + meta + head * 5000)
    index = _limited(5, 200, lambda: scan([tmp_path]))
    assert [row.code for row in index.skipped] == ["NESTING_TOO_DEEP"]


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.4.90"])
def test_declared_size_allocates_nothing(syntax, slices):
    (dataset,) = slices.clean(1)
    dataset.Rows = dataset.Columns = 65535
    dataset.NumberOfFrames = 10000
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x02\0\0\0ab"
        dataset["PixelData"].is_undefined_length = True
    index = _limited(5, 200, lambda: slices.scan([dataset]))
    assert index.volumes[0].code == "DECLARED_SIZE_TOO_LARGE"
    assert [row.code for row in index.skipped] == ["DECLARED_SIZE_TOO_LARGE"]


def test_any_cut_and_any_flipped_bytes_end_in_a_code(slices):
    """400 damaged files: each is a slice or a coded row, and no other exception leaves the scan."""
    generator = np.random.default_rng(11)
    home = slices.write(slices.clean(1))
    (path,) = home.iterdir()
    whole = path.read_bytes()
    known = set()
    for number in range(400):
        damaged = bytearray(whole if number % 2 else whole[: generator.integers(1, len(whole))])
        for _ in range(number % 7):
            damaged[generator.integers(len(damaged))] = generator.integers(256)
        path.write_bytes(bytes(damaged))
        index = scan([home])
        assert len(index.volumes) + len(index.skipped) + len(index.annotations) >= 1
        known |= {row.code for row in index.skipped} | {row.code for row in index.volumes}
    assert {"NOT_A_VOLUME", "TRUNCATED_PIXEL_DATA"} <= known


def test_annotations_name_their_series_and_author(slices, tmp_path):
    (dataset,) = slices.clean(1)
    seg, contours = copy.deepcopy(dataset), copy.deepcopy(dataset)
    seg.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    seg.Modality, seg.ContentCreatorName, seg.SeriesInstanceUID = "SEG", "Doe^Jane", "1.2.3.5"
    reference = Dataset()
    reference.SeriesInstanceUID = "1.2.3.4"
    seg.ReferencedSeriesSequence = [reference]
    contours.SOPClassUID, contours.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"
    contours.OperatorsName, contours.SeriesInstanceUID = "Roe^Max", "1.2.3.6"
    del contours.PixelData, contours.FrameOfReferenceUID
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = "1.2.3.7"
    study.RTReferencedSeriesSequence = [series]
    frame.RTReferencedStudySequence, frame.FrameOfReferenceUID = [study], "1.2.3.8"
    contours.ReferencedFrameOfReferenceSequence = [frame]
    index = slices.scan([seg, contours])
    rows = [(a.modality, a.referenced_series_uid, a.author, a.frame_of_reference_uid) for a in index.annotations]
    assert rows == [
        ("SEG", "1.2.3.4", "Doe Jane", dataset.FrameOfReferenceUID),
        ("RTSTRUCT", "1.2.3.7", "Roe Max", "1.2.3.8"),
    ]
    assert index.volumes == ()


def test_nothing_that_a_header_holds_is_warned_of_or_logged(slices, caplog):
    home = slices.write(slices.clean())
    uid, date = b"1.2.826.0.1.3680043.10.1000.9", b"20030117"
    for path in home.iterdir():
        path.write_bytes(path.read_bytes().replace(uid, b"ZZPHI".ljust(len(uid))).replace(date, b"ZZPHI---"))
    caplog.set_level("DEBUG")
    volume = load_volume(scan([home]).choose())
    assert volume.frame_of_reference_uid == "ZZPHI"
    assert "ZZPHI" not in caplog.text


def test_input_is_never_written_to(slices):
    home = slices.write(slices.clean())
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.iterdir()}
    home.chmod(0o555)
    try:
        load_volume(scan([home]).choose())
    finally:
        home.chmod(0o755)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.iterdir()} == before


def test_open_dicom_reads_no_pixels(slices):
    home = slices.write(slices.clean(1))
    (path,) = home.iterdir()
    file = open_dicom(path)
    assert (file.pixels.length, file.pixels.is_whole) == (240, True)
    assert not file.elements.holds(0x7FE00010)
