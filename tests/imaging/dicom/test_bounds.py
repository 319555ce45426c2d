"""What a hostile or an endless folder may cost: every case runs in a process of its own, under limits and a clock.

The memory limit is of address space beyond what the interpreter with its libraries has taken, so a breach is a
MemoryError in the child and a failure here, whatever the machine. Times are bounds against hanging, not benchmarks.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib
from pathlib import Path

import pytest

from imaging.dicom.file import DEFLATED

HEAD = bytes(128) + b"DICM"
ALLOWED = 512 * 2**20  # bytes
SECONDS = 5.0
CHILD = """
import resource, sys, time
from pathlib import Path
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import InputError

taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {allowed}, taken + {allowed}))
start = time.process_time()
index = scan([Path(sys.argv[1])])
codes = [row.code for row in index.skipped] + [record.code for record in index.volumes]
for record in index.loadable:
    try:
        load_volume(record)
    except InputError as error:
        codes.append(error.code)
print(time.process_time() - start, *sorted(set(map(str, codes))))
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits of address space are Linux'")


def outcome(path: Path, allowed: int = ALLOWED) -> tuple[float, set[str]]:
    """Processor seconds and codes of scanning and loading a path under the limit."""
    program = textwrap.dedent(CHILD).format(allowed=allowed)
    child = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    seconds, *codes = child.stdout.split()
    return float(seconds), set(codes)


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    long = vr in (b"OB", b"OW", b"SQ", b"UN")
    return struct.pack("<HH2s", group, number, vr) + (
        struct.pack("<HI", 0, len(value)) if long else struct.pack("<H", len(value))
    ) + value  # fmt: skip


def meta(syntax: str) -> bytes:
    return HEAD + element(2, 0x10, b"UI", syntax.encode())


def image(rows: int, columns: int, frames: int = 1, *, number: int = 0) -> bytes:
    """The header of a CT slice that declares so many samples; its number is its height and ends its UID."""
    return b"".join(
        (
            element(0x08, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2"),
            element(0x08, 0x18, b"UI", b"1.2.3.%d" % number),
            element(0x08, 0x60, b"CS", b"CT"),
            element(0x20, 0x0D, b"UI", b"1.2"),
            element(0x20, 0x0E, b"UI", b"1.2.4"),
            element(0x20, 0x32, b"DS", b"0\\0\\%d" % number),
            element(0x20, 0x37, b"DS", b"1\\0\\0\\0\\1\\0"),
            element(0x28, 0x02, b"US", struct.pack("<H", 1)),
            element(0x28, 0x08, b"IS", str(frames).encode()),
            element(0x28, 0x10, b"US", struct.pack("<H", rows)),
            element(0x28, 0x11, b"US", struct.pack("<H", columns)),
            element(0x28, 0x30, b"DS", b"1\\1"),
            element(0x28, 0x100, b"US", struct.pack("<H", 16)),
            element(0x28, 0x101, b"US", struct.pack("<H", 16)),
            element(0x28, 0x102, b"US", struct.pack("<H", 15)),
            element(0x28, 0x103, b"US", struct.pack("<H", 0)),
        )
    )


def deflate_bomb(before: bytes = b"") -> bytes:
    """A gigabyte of zeros in a private element; each block is flushed, so that one can be repeated."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = machine.compress(struct.pack("<HH2sHI", 8, 0x1140, b"OB", 0, 2**30)) + machine.flush(zlib.Z_FULL_FLUSH)
    block = machine.compress(bytes(2**20)) + machine.flush(zlib.Z_FULL_FLUSH)
    return HEAD + before + element(2, 0x10, b"UI", DEFLATED.encode()) + start + block * 1024 + machine.flush()


def fragments(*streams: bytes) -> bytes:
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(s)) + s for s in (b"", *streams))
    return struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def jpeg_header(marker: int, rows: int, columns: int) -> bytes:
    return (
        b"\xff\xd8" + struct.pack(">BBHBHHB3s", 0xFF, marker, 11, 16, rows, columns, 1, b"\x01\x11\x00") + b"\xff\xd9"
    )


JPEG_LS, JPEG_LOSSLESS, JPEG_2000, RLE = (
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5",
)  # fmt: skip
SIZ = b"\xff\x4f\xff\x51" + struct.pack(">HH8IH3B", 41, 0, 65000, 65000, 0, 0, 65000, 65000, 0, 0, 1, 15, 1, 1)


@pytest.mark.parametrize("before", [b"", element(2, 1, b"OB", bytes(300_000))], ids=["plain", "behind a long element"])
def test_a_megabyte_that_inflates_to_a_gigabyte_costs_neither_time_nor_memory(before, tmp_path):
    bomb = deflate_bomb(before)
    assert len(bomb) < 1.5 * 2**20
    (tmp_path / "bomb").write_bytes(bomb)
    seconds, codes = outcome(tmp_path)
    assert codes <= {"INFLATE_LIMIT", "UNREADABLE_FILE"}
    assert codes
    assert seconds < SECONDS


@pytest.mark.parametrize(
    ("syntax", "pixels"),
    [
        ("1.2.840.10008.1.2.1", element(0x7FE0, 0x10, b"OW", bytes(100))),
        (JPEG_LS, fragments(jpeg_header(0xF7, 65000, 65000))),
        (JPEG_LOSSLESS, fragments(jpeg_header(0xC3, 65000, 65000))),
        (JPEG_2000, fragments(SIZ + bytes(100))),
        (RLE, fragments(struct.pack("<16I", 2, 64, 80, *[0] * 13) + bytes(64))),
    ],
    ids=["native", "jpeg-ls", "jpeg-lossless", "jpeg-2000", "rle"],
)
@pytest.mark.parametrize("frames", [1, 10_000])
def test_sizes_are_checked_before_anything_is_allocated(syntax, pixels, frames, tmp_path):
    for number in range(3):
        (tmp_path / str(number)).write_bytes(meta(syntax) + image(65000, 65000, frames) + pixels)
    seconds, codes = outcome(tmp_path)
    assert "DECLARED_SIZE_TOO_LARGE" in codes
    assert codes <= {"DECLARED_SIZE_TOO_LARGE", "DUPLICATE_INSTANCE"}
    assert seconds < SECONDS


@pytest.mark.parametrize("stream", [jpeg_header(0xF7, 65000, 65000), SIZ + bytes(100)], ids=["jpeg-ls", "jpeg-2000"])
def test_a_codestream_larger_than_its_header_says_is_not_decoded(stream, tmp_path):
    syntax = JPEG_2000 if stream.startswith(b"\xff\x4f") else JPEG_LS
    for number in range(4):
        (tmp_path / str(number)).write_bytes(meta(syntax) + image(16, 16, number=number) + fragments(stream))
    seconds, codes = outcome(tmp_path)
    assert "DECLARED_SIZE_TOO_LARGE" in codes
    assert seconds < SECONDS


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0], ids=["undefined", "defined"])
def test_five_thousand_levels_are_one_code(length, tmp_path):
    opening = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    deep = opening * 5000
    if not length:
        deep = b""
        for _ in range(5000):
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(deep)) + deep
            deep = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, len(item)) + item
    (tmp_path / "deep").write_bytes(meta("1.2.840.10008.1.2.1") + deep)
    seconds, codes = outcome(tmp_path)
    assert codes <= {
        "NESTING_TOO_DEEP",
        "UNREADABLE_FILE",
        "NOT_AN_IMAGE",
        "UNSUPPORTED_MODALITY",
        "TRUNCATED_PIXEL_DATA",
    }
    assert codes
    assert seconds < SECONDS


def test_an_archive_of_zeros_is_not_inflated(tmp_path):
    with zipfile.ZipFile(tmp_path / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}", bytes(60 * 2**20))
    seconds, codes = outcome(tmp_path)
    assert codes == {"ZIP_LIMIT"}
    assert seconds < SECONDS


def test_a_member_that_claims_to_be_dicom_is_inflated_within_bounds(tmp_path):
    content = meta("1.2.840.10008.1.2.1") + struct.pack("<HH2sHI", 8, 0x1140, b"OB", 0, 60 * 2**20) + bytes(60 * 2**20)
    with zipfile.ZipFile(tmp_path / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", content)
    seconds, codes = outcome(tmp_path)
    assert codes <= {"NOT_AN_IMAGE", "UNREADABLE_ZIP", "UNSUPPORTED_MODALITY", "TRUNCATED_PIXEL_DATA"}
    assert codes
    assert seconds < SECONDS


def test_a_million_members_are_refused_by_their_directory(tmp_path):
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, 0, 0, 0, 1, *[0] * 4, 0, 0) + b"a"
    count = 10**6
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) * count, 0, 0)
    (tmp_path / "many.zip").write_bytes(b"PK\x03\x04" + bytes(26) + entry * count + end)
    seconds, codes = outcome(tmp_path)
    assert codes <= {"ZIP_LIMIT", "UNREADABLE_ZIP"}
    assert codes
    assert seconds < SECONDS


def test_the_cost_of_a_folder_grows_with_its_files_and_no_faster(tmp_path):
    """Four times the files may cost at most six times the time: a square law would cost sixteen."""
    note, pixels = b"a note beside the images, sixteen and more bytes long", element(0x7FE0, 0x10, b"OW", bytes(128))
    seconds = {}
    for count in (3000, 12_000):
        home = tmp_path / str(count)
        for number in range(count):
            folder = home / str(number // 500)
            if number % 500 == 0:
                folder.mkdir(parents=True)
            slice_of_ours = meta("1.2.840.10008.1.2.1") + image(8, 8, number=number // 4) + pixels
            (folder / str(number)).write_bytes(note if number % 4 else slice_of_ours)
        seconds[count], codes = outcome(home)
        assert codes == {"NOT_DICOM", "None"}
    assert seconds[12_000] < 6 * seconds[3000] + 1


EXPLICIT = "1.2.840.10008.1.2.1"
EMPTY_ITEM = b"\xfe\xff\x00\xe0" + bytes(4)


def deflated(content: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return meta(DEFLATED) + machine.compress(content) + machine.flush()


def empty_elements(count: int) -> bytes:
    return b"".join(struct.pack("<HH2sH", 0x0100 + 2 * (n >> 16), n & 0xFFFF, b"CS", 0) for n in range(count))


ENDLESS = {
    "items": deflated(image(1, 1, 2) + element(0x5200, 0x9230, b"SQ", EMPTY_ITEM * 1_900_000)),
    "elements": deflated(empty_elements(1_900_000)),
    "elements out of order": meta(EXPLICIT) + element(0x7000, 0x0010, b"LO", b"") + empty_elements(200_000),
    "elements of items": meta(EXPLICIT) + image(1, 1, 2) + element(0x5200, 0x9230, b"SQ", EMPTY_ITEM * 100_000),
}


@pytest.mark.parametrize("endless", ENDLESS)
def test_a_header_without_end_is_not_taken_apart(endless, tmp_path):
    (tmp_path / "x").write_bytes(ENDLESS[endless])
    seconds, codes = outcome(tmp_path)
    assert codes == {"DECLARED_SIZE_TOO_LARGE"}
    assert seconds < SECONDS


def test_a_value_of_gigabytes_before_the_pixel_data_is_not_loaded(tmp_path):
    length = 1800 * 2**20
    header = element(0x0008, 0x0008, b"CS", b"AB") + struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, length)
    with (tmp_path / "x").open("wb") as stream:
        stream.write(meta(EXPLICIT) + header)
        stream.truncate(length + 2**20)
    seconds, codes = outcome(tmp_path)
    assert codes == {"DECLARED_SIZE_TOO_LARGE"}
    assert seconds < SECONDS
