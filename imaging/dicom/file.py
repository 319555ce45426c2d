"""One file, opened within bounds: what is DICOM by content, its header, and where its pixel data lies.

A header scan may meet anything: text, a device, a bomb. So nothing is opened but regular files, a deflated data set is
inflated only up to a limit before the parser sees it (deflate reaches 1000:1, and a parser that inflates by itself has
been measured at 3 GB for 1 MB), and every way in which parsing can fail ends in one coded error.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import config
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import dcmread, read_dataset
from pydicom.tag import BaseTag

from imaging.dicom.elements import Elements
from imaging.dicom.walk import LONG_VRS, PIXEL_DATA, UNDEFINED, VRS, Walked, walk_header
from imaging.errors import InputError, UnreadableFile

__all__ = ["DicomFile", "PixelSpan", "open_dicom", "parser_silenced", "read_pixel_data"]

PREAMBLE = 128
MAGIC = b"DICM"
DEFLATED = "1.2.840.10008.1.2.1.99"
INFLATED_LIMIT = 512 * 2**20  # bytes; the largest header and image that one honest file holds
INFLATED_RATIO = 100  # images deflate 2:1 to 10:1; 100:1 is an empty image or a bomb
INFLATED_ALWAYS = 16 * 2**20  # an empty 2048 × 2048 image may deflate better than 100:1 and harms nobody
HEADER_LIMIT = 64 * 2**20  # of a deflated file, this much is kept for the header; the rest is only counted
WINDOW = 64 * 2**10  # bytes; headers of single slices are 2 to 20 KiB, with vendors' private blocks up to 60
LARGE_WINDOW = 2**20
IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
UNUSUAL_SYNTAXES = {BIG_ENDIAN, "1.2.840.113619.5.2"}  # not little endian throughout
TRANSFER_SYNTAX, MEDIA_CLASS = 0x0010, 0x0002  # elements of group 2

# What parsing of damaged bytes has been seen to raise (60 s of fuzzing pydicom.dcmread: seven types leak).
PARSE_ERRORS = (
    InvalidDicomError, BytesLengthException, ValueError, KeyError, IndexError, TypeError, AttributeError, LookupError,
    NotImplementedError, OverflowError, EOFError, OSError, RuntimeError, struct.error, zlib.error, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelSpan:
    """Where the pixel data's value lies in the file, or in the inflated data set.

    ``length`` is None for encapsulated frames, else what the element declares; ``available`` is what is there;
    ``is_whole`` says whether the file goes on to where the value ends.
    """

    kind: str
    offset: int
    length: int | None
    available: int
    is_whole: bool


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """The header of one file and the whereabouts of its pixel data."""

    path: Path
    elements: Elements
    syntax: str
    is_little_endian: bool
    preamble_is_zero: bool
    pixels: PixelSpan | None
    media_class: str = ""


def open_dicom(path: Path) -> DicomFile:
    """The header of a DICOM file, read up to the pixel data.

    Parameters
    ----------
    path
        A file of any content.

    Raises
    ------
    UnreadableFile
        NOT_A_FILE, EMPTY_FILE, NOT_DICOM, UNREADABLE_FILE, INFLATE_LIMIT or NESTING_TOO_DEEP.

    Examples
    --------
    >>> open_dicom(Path("."))
    Traceback (most recent call last):
    imaging.errors.UnreadableFile: not a regular file
    """
    if not path.is_file():  # a pipe or a device would block or never end
        raise UnreadableFile("not a regular file", code="NOT_A_FILE", where=str(path))
    try:
        with path.open("rb") as stream, parser_silenced():
            return _parsed(path, stream)
    except RecursionError:
        raise UnreadableFile("sequences nested too deep", code="NESTING_TOO_DEEP", where=str(path)) from None
    except InputError:
        raise
    except PARSE_ERRORS as error:
        # The error's own text may quote a value of the file, so only its kind is passed on.
        kind = type(error).__name__
        raise UnreadableFile(f"not readable as DICOM ({kind})", code="UNREADABLE_FILE", where=str(path)) from None


@contextmanager
def parser_silenced() -> Iterator[None]:
    """Keep the parser from remarking on values: its warnings and log lines quote them, a patient's name among them.

    What matters of a value is checked by our own code. Headers are parsed when they are looked into, so the reading of
    elements belongs into this context too.
    """
    before, log = config.settings.reading_validation_mode, logging.getLogger("pydicom")
    was_disabled = log.disabled
    try:
        config.settings.reading_validation_mode = config.IGNORE
        log.disabled = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode = before
        log.disabled = was_disabled


def read_pixel_data(file: DicomFile) -> bytes:
    """The value of the pixel data element as it stands in the file: raw samples, or encapsulated fragments.

    Raises
    ------
    UnreadableFile
        The file vanished, or holds no pixel data.
    """
    if file.pixels is None:
        raise UnreadableFile("no pixel data", code="TRUNCATED_PIXEL_DATA", where=str(file.path))
    try:
        with file.path.open("rb") as stream:
            if file.syntax == DEFLATED:
                stream.seek(_plain_meta(stream.read(WINDOW))[1])
                inflated = _inflate(stream, keep=INFLATED_LIMIT)[0]
                return inflated[file.pixels.offset : file.pixels.offset + file.pixels.available]
            stream.seek(file.pixels.offset)
            return stream.read(file.pixels.available)
    except OSError as error:
        kind = type(error).__name__
        raise UnreadableFile(f"the file cannot be read any more ({kind})", where=str(file.path)) from None


def _parsed(path: Path, stream: BinaryIO) -> DicomFile:
    window = stream.read(WINDOW)
    size = os.fstat(stream.fileno()).st_size
    start = window[: PREAMBLE + 4]
    _require_dicom(start, size, path)
    preamble_is_zero = start[PREAMBLE:] != MAGIC or not any(start[:PREAMBLE])
    meta, begin = _plain_meta(window)
    syntax = _uid(meta.get(TRANSFER_SYNTAX, b""))
    if syntax == DEFLATED:
        stream.seek(begin)
        dataset, pixels = _read_deflated(stream)
        return DicomFile(path, Elements.from_dataset(dataset), DEFLATED, True, preamble_is_zero, pixels)
    walked = _walked(stream, window, begin, syntax, size)
    if walked is None:
        return _parsed_by_pydicom(path, stream, size, preamble_is_zero=preamble_is_zero)
    pixels = None
    if walked.pixel_element is not None:
        stream.seek(walked.pixel_element)
        pixels = _pixel_span(stream, size, is_implicit=syntax == IMPLICIT_LITTLE_ENDIAN, is_little_endian=True)
    media_class = _uid(meta.get(MEDIA_CLASS, b""))
    return DicomFile(path, Elements(walked.elements), syntax, True, preamble_is_zero, pixels, media_class)


def _walked(stream: BinaryIO, window: bytes, begin: int, syntax: str, size: int) -> Walked | None:
    """The header cut apart, if it is plain; seen through a larger window if it does not fit the first."""
    if not syntax or syntax in UNUSUAL_SYNTAXES:
        return None
    is_implicit = syntax == IMPLICIT_LITTLE_ENDIAN
    walked = walk_header(window, begin, is_implicit=is_implicit, file_size=size)
    if walked is None and size > len(window):
        stream.seek(0)
        walked = walk_header(stream.read(LARGE_WINDOW), begin, is_implicit=is_implicit, file_size=size)
    return walked


def _parsed_by_pydicom(path: Path, stream: BinaryIO, size: int, *, preamble_is_zero: bool) -> DicomFile:
    stream.seek(0)
    dataset = dcmread(stream, stop_before_pixels=True, force=True)
    if not len(dataset) and not len(dataset.file_meta):
        raise UnreadableFile("no element can be read", code="NOT_DICOM", where=str(path))
    implicit, little = dataset.original_encoding
    meta = dataset.file_meta
    native = _native_syntax(is_implicit=bool(implicit), is_little_endian=bool(little))
    syntax = str(meta.get("TransferSyntaxUID", "") or native)
    pixels = _pixel_span(stream, size, is_implicit=bool(implicit), is_little_endian=bool(little))
    media_class = str(meta.get("MediaStorageSOPClassUID", "") or "")
    return DicomFile(path, Elements.from_dataset(dataset), syntax, bool(little), preamble_is_zero, pixels, media_class)


def _require_dicom(start: bytes, size: int, path: Path) -> None:
    if not start:
        raise UnreadableFile("the file is empty", code="EMPTY_FILE", where=str(path))
    if start[PREAMBLE:] == MAGIC:
        return
    if not any(start) and size > PREAMBLE:
        # What an interrupted copy or a failing disk leaves behind.
        raise UnreadableFile("the file begins with zeros only", code="UNREADABLE_FILE", where=str(path))
    if not _is_plausible_header(start, size):
        raise UnreadableFile("no DICOM file by its content", code="NOT_DICOM", where=str(path))


def _is_plausible_header(start: bytes, size: int) -> bool:
    """Whether a file without preamble begins with a data element of group 2 or 8 that fits into the file."""
    if len(start) < 16:
        return False
    for order in "<>":
        group, element = struct.unpack(f"{order}HH", start[:4])
        if group not in (0x0002, 0x0008) or element > 0x1000:
            continue
        if start[4:6] in VRS:
            return True
        length = struct.unpack(f"{order}I", start[4:8])[0]
        if order == "<" and length < min(size, 256):  # group 8 begins with short values
            return True
    return False


def _native_syntax(*, is_implicit: bool, is_little_endian: bool) -> str:
    if not is_little_endian:
        return BIG_ENDIAN
    return IMPLICIT_LITTLE_ENDIAN if is_implicit else "1.2.840.10008.1.2.1"


def _plain_meta(window: bytes) -> tuple[dict[int, bytes], int]:
    """The file meta information (always explicit VR little endian) by element number, and where the data set begins.

    Raises
    ------
    ValueError
        It is damaged and names the deflated transfer syntax, which the tolerant parser would inflate without limit.
    """
    at = PREAMBLE + 4 if window[PREAMBLE : PREAMBLE + 4] == MAGIC else 0
    meta: dict[int, bytes] = {}
    while window[at : at + 2] == b"\x02\x00" and at + 12 <= len(window):
        is_long = window[at + 4 : at + 6] in LONG_VRS
        length = struct.unpack_from("<I", window, at + 8)[0] if is_long else struct.unpack_from("<H", window, at + 6)[0]
        value_at = at + (12 if is_long else 8)
        if value_at + length > len(window):
            break
        meta[struct.unpack_from("<H", window, at + 2)[0]] = window[value_at : value_at + length]
        at = value_at + length
    is_whole = window[at : at + 2] != b"\x02\x00"
    if is_whole and TRANSFER_SYNTAX in meta:
        return meta, at
    if DEFLATED.encode() in window:
        raise ValueError("file meta information is damaged")
    return {}, at


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _read_deflated(stream: BinaryIO) -> tuple[Dataset, PixelSpan | None]:
    content, total = _inflate(stream, keep=HEADER_LIMIT)
    inflated = io.BytesIO(content)
    dataset = FileDataset(
        inflated,
        read_dataset(inflated, is_implicit_VR=False, is_little_endian=True, stop_when=_is_pixel_data),
        is_implicit_VR=False,
        is_little_endian=True,
    )
    dataset.set_original_encoding(False, True)
    return dataset, _pixel_span(inflated, total, is_implicit=False, is_little_endian=True)


def _inflate(stream: BinaryIO, *, keep: int) -> tuple[bytes, int]:
    """The first ``keep`` bytes of the inflated rest of the stream, and how long all of it is.

    Raises
    ------
    UnreadableFile
        INFLATE_LIMIT: it would become larger than any honest file.
    """
    deflated = stream.read()
    limit = min(INFLATED_LIMIT, max(INFLATED_RATIO * len(deflated), INFLATED_ALWAYS))
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    kept, total, pending = [], 0, deflated
    while pending and not machine.eof:
        part = machine.decompress(pending, 2**20)
        pending = machine.unconsumed_tail
        if total < keep:
            kept.append(part[: keep - total])
        total += len(part)
        if total > limit:
            raise UnreadableFile(f"{len(deflated)} bytes inflate beyond {limit}", code="INFLATE_LIMIT")
    return b"".join(kept), total


def _is_pixel_data(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) in PIXEL_DATA


def _pixel_span(stream: BinaryIO, size: int, *, is_implicit: bool, is_little_endian: bool) -> PixelSpan | None:
    """The pixel data element at which the parser stopped."""
    order = "<" if is_little_endian else ">"
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element = struct.unpack(f"{order}HH", head[:4])
    kind = PIXEL_DATA.get(group << 16 | element)
    if kind is None:
        return None
    if is_implicit:
        length = struct.unpack(f"{order}I", head[4:])[0]
    elif head[4:6] in LONG_VRS:
        rest = stream.read(4)
        length = struct.unpack(f"{order}I", rest)[0] if len(rest) == 4 else 0
    else:
        length = struct.unpack(f"{order}H", head[6:])[0]
    offset = stream.tell()
    available = max(size - offset, 0)
    if length == UNDEFINED:
        return PixelSpan(kind, offset, None, available, _fragments_are_whole(stream, size, order))
    return PixelSpan(kind, offset, length, min(length, available), length <= available)


def _fragments_are_whole(stream: BinaryIO, size: int, order: str) -> bool:
    """Whether every fragment lies within the file and the sequence of fragments ends; reads the item headers only."""
    while len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack(f"{order}HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return False
        stream.seek(length, 1)
    return False
