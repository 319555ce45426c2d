"""One file, opened within bounds: what is DICOM by content, its header, and where its pixel data lies.

A header scan may meet anything: text, a device, a bomb. So nothing is opened but regular files, a deflated data set is
inflated only up to a limit before the parser sees it (deflate reaches 1000:1, and a parser that inflates by itself has
been measured at 3 GB for 1 MB), and every way in which parsing can fail ends in one coded error.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import dcmread

from imaging.dicom.archive_directory import is_archive
from imaging.dicom.bounded import BoundedReader
from imaging.dicom.elements import Elements
from imaging.dicom.file_meta import MAGIC, MEDIA_CLASS, META_GROUP, PREAMBLE, TRANSFER_SYNTAX, plain_meta
from imaging.dicom.inflate import INFLATED_LIMIT, inflate, read_deflated
from imaging.dicom.source import open_bytes, size_of
from imaging.dicom.span import PixelSpan, pixel_span, plain_span
from imaging.dicom.walk import VRS, Walked, usual_end, walk_header
from imaging.errors import InputError, UnreadableFile

__all__ = [
    "ARCHIVE",
    "DEFLATED",
    "PARSE_ERRORS",
    "DicomFile",
    "PixelSpan",
    "open_dicom",
    "parser_silenced",
    "read_pixel_data",
]

ARCHIVE = "ZIP_ARCHIVE"
NO_PREAMBLE = bytes(PREAMBLE)
DEFLATED = "1.2.840.10008.1.2.1.99"
# Bytes of the beginning that are read, one after the other until the header fits: headers of single slices are 2 to
# 12 KiB, with vendors' private blocks up to 100; of multi-frame files a few hundred.
WINDOWS = (12 * 2**10, 128 * 2**10, 2**20)
IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
UNUSUAL_SYNTAXES = {BIG_ENDIAN, "1.2.840.113619.5.2"}  # not little endian throughout

SILENCE = [("ignore", None, Warning, None, 0)]  # the filter that simplefilter("ignore") sets

# What parsing of damaged bytes has been seen to raise (60 s of fuzzing pydicom.dcmread: seven types leak).
PARSE_ERRORS = (
    InvalidDicomError, BytesLengthException, ValueError, KeyError, IndexError, TypeError, AttributeError, LookupError,
    NotImplementedError, OverflowError, EOFError, OSError, RuntimeError, struct.error, zlib.error, MemoryError,
)  # fmt: skip


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
    try:
        with open_bytes(path) as stream, parser_silenced():
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
    if log.disabled and before == config.IGNORE and warnings.filters[:1] == SILENCE:
        yield  # within another one
        return
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
        with open_bytes(file.path) as stream:
            if file.syntax == DEFLATED:
                stream.seek(plain_meta(stream.read(WINDOWS[-1]))[1])
                inflated = inflate(stream, keep=INFLATED_LIMIT)[0]
                return inflated[file.pixels.offset : file.pixels.offset + file.pixels.available]
            stream.seek(file.pixels.offset)
            return stream.read(file.pixels.available)
    except UnreadableFile:
        raise
    except OSError as error:
        kind = type(error).__name__
        raise UnreadableFile(f"the file cannot be read any more ({kind})", where=str(file.path)) from None


def _parsed(path: Path, stream: BinaryIO) -> DicomFile:
    size = size_of(stream)
    window = stream.read(max(WINDOWS[0], min(usual_end(), WINDOWS[1])))
    start = window[: PREAMBLE + 4]
    _require_dicom(start, size, path)
    preamble_is_zero = start[PREAMBLE:] != MAGIC or start[:PREAMBLE] == NO_PREAMBLE
    meta, begin = plain_meta(window)
    if not meta and META_GROUP in (window[PREAMBLE + 4 : PREAMBLE + 6], window[:2]):
        _require_no_deflate(stream)
    syntax = _uid(meta.get(TRANSFER_SYNTAX, b""))
    if syntax == DEFLATED:
        stream.seek(begin)
        elements, pixels = read_deflated(stream)
        return DicomFile(path, elements, DEFLATED, True, preamble_is_zero, pixels)
    walked = _walked(stream, window, begin, syntax, size)
    if walked is None:
        return _parsed_by_pydicom(path, stream, size, preamble_is_zero=preamble_is_zero)
    pixels = None
    if walked.pixel_element is not None:
        is_implicit, at = syntax == IMPLICIT_LITTLE_ENDIAN, walked.pixel_element
        pixels = plain_span(window, at, size, is_implicit=is_implicit)
        if pixels is None:
            stream.seek(at)
            pixels = pixel_span(stream, size, is_implicit=is_implicit, is_little_endian=True)
    media_class = _uid(meta.get(MEDIA_CLASS, b""))
    return DicomFile(path, Elements(walked.elements), syntax, True, preamble_is_zero, pixels, media_class)


def _walked(stream: BinaryIO, window: bytes, begin: int, syntax: str, size: int) -> Walked | None:
    """The header cut apart, if it is plain; seen through a larger window if it does not fit the first."""
    if not syntax or syntax in UNUSUAL_SYNTAXES:
        return None
    is_implicit = syntax == IMPLICIT_LITTLE_ENDIAN
    walked = walk_header(window, begin, is_implicit=is_implicit, file_size=size)
    for larger in WINDOWS[1:]:
        if walked is not None or size <= len(window):
            return walked
        if larger <= len(window):
            continue
        window += stream.read(larger - len(window))
        walked = walk_header(window, begin, is_implicit=is_implicit, file_size=size)
    return walked


def _parsed_by_pydicom(path: Path, stream: BinaryIO, size: int, *, preamble_is_zero: bool) -> DicomFile:
    stream.seek(0)
    buffered = cast(BinaryIO, BoundedReader(cast(io.RawIOBase, stream)))
    dataset = dcmread(buffered, stop_before_pixels=True, force=True)
    if not len(dataset) and not len(dataset.file_meta):
        raise UnreadableFile("no element can be read", code="NOT_DICOM", where=str(path))
    implicit, little = dataset.original_encoding
    meta = dataset.file_meta
    native = _native_syntax(is_implicit=bool(implicit), is_little_endian=bool(little))
    syntax = str(meta.get("TransferSyntaxUID", "") or native)
    pixels = pixel_span(buffered, size, is_implicit=bool(implicit), is_little_endian=bool(little))
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
    if is_archive(start):
        raise UnreadableFile("a zip archive; its members are read by a scan", code=ARCHIVE, where=str(path))
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


def _require_no_deflate(stream: BinaryIO) -> None:
    """Raise if a file whose meta information is damaged may be deflated: the tolerant parser inflates without limit."""
    stream.seek(0)
    name, before = DEFLATED.encode("ascii"), b""
    while part := stream.read(WINDOWS[-1]):
        if name in before + part:
            raise ValueError("file meta information is damaged")
        before = part[-len(name) :]


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")
