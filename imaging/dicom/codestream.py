"""One frame's compressed bytes, decoded; their own header is read first, so that nothing is allocated on trust.

Only imagecodecs (BSD) decodes. Decoders that are GPL, or that have been seen to crash the process, are not used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from imaging.errors import SeriesRefused

__all__ = ["Codestream", "decode_codestream", "is_compressed", "is_rounded", "split_fragments"]

JPEG_BASELINE, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"}
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_LS = {"1.2.840.10008.1.2.4.80", JPEG_LS_NEAR}
JPEG_2000 = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"}
HTJ2K = {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"}
RLE = "1.2.840.10008.1.2.5"
SUPPORTED = {JPEG_BASELINE, JPEG_EXTENDED, RLE, *JPEG_LOSSLESS, *JPEG_LS, *JPEG_2000, *HTJ2K}
NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
}
FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}  # without a length
END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
CODING_STYLE, WAVELET = b"\xff\x52", 13  # ISO/IEC 15444-1 A.6.1: the marker, and how far behind it the wavelet is named
IRREVERSIBLE = 0


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a compressed image says of itself; ``precision`` is bits a sample."""

    rows: int
    columns: int
    components: int
    precision: int


def is_compressed(syntax: str) -> bool:
    """Whether pixel data of this transfer syntax is encapsulated.

    Raises
    ------
    SeriesRefused
        UNSUPPORTED_TRANSFER_SYNTAX.

    Examples
    --------
    >>> is_compressed("1.2.840.10008.1.2.4.90"), is_compressed("1.2.840.10008.1.2.1")
    (True, False)
    """
    if syntax in SUPPORTED:
        return True
    if syntax in NATIVE:
        return False
    raise SeriesRefused("the transfer syntax is not supported", code="UNSUPPORTED_TRANSFER_SYNTAX", where=syntax)


def split_fragments(data: bytes, frames: int) -> tuple[bytes, ...]:
    r"""The codestream of every frame, its fragments joined (PS3.5 A.4).

    Parameters
    ----------
    data
        Value of an encapsulated pixel data element, beginning with the basic offset table.
    frames
        How many are expected.

    Raises
    ------
    SeriesRefused
        TRUNCATED_PIXEL_DATA, or UNREADABLE_PIXEL_DATA where fragments cannot be told to frames.

    Examples
    --------
    >>> item = b"\xfe\xff\x00\xe0"
    >>> end = b"\xfe\xff\xdd\xe0" + bytes(4)
    >>> data = item + bytes(4) + item + b"\x02\0\0\0ab" + item + b"\x02\0\0\0cd" + end
    >>> split_fragments(data, 2), split_fragments(data, 1)
    ((b'ab', b'cd'), (b'abcd',))
    """
    table, fragments, starts = _items(data)
    if frames == 1:
        return (b"".join(fragments),)
    if len(fragments) == frames:
        return fragments
    offsets = struct.unpack(f"<{len(table) // 4}I", table) if len(table) == 4 * frames else ()
    if not offsets:
        # Without a table a frame begins where a fragment begins with a codestream's first marker.
        offsets = tuple(s for s, f in zip(starts, fragments, strict=True) if f[:2] in (b"\xff\xd8", b"\xff\x4f"))
    if len(offsets) != frames or not set(offsets) <= set(starts):
        code = "TRUNCATED_PIXEL_DATA" if len(fragments) < frames else "UNREADABLE_PIXEL_DATA"
        raise SeriesRefused(f"{len(fragments)} fragments cannot be told to {frames} frames", code=code)
    bounds = [*(starts.index(offset) for offset in offsets), len(fragments)]
    return tuple(b"".join(fragments[a:b]) for a, b in pairwise(bounds))


def decode_codestream(
    data: bytes, syntax: str, plane: tuple[int, int], bits_allocated: int
) -> tuple[NDArray[Any], int | None]:
    """The samples of one frame as the codec gives them, and the codestream's own precision where it has one.

    Parameters
    ----------
    data
        One frame's codestream.
    syntax
        Transfer syntax UID.
    plane
        Rows, columns that the data set declares; checked against the codestream before anything is allocated.
    bits_allocated
        Of the data set.

    Raises
    ------
    SeriesRefused
        UNREADABLE_PIXEL_DATA or DECLARED_SIZE_TOO_LARGE.
    """
    if syntax == RLE:
        return _decoded_rle(data, plane, bits_allocated), None
    stream = _jpeg_2000_header(data) if syntax in JPEG_2000 | HTJ2K else _jpeg_header(data)
    if stream is None:
        raise _unreadable("no codestream of the declared kind")
    if (stream.rows, stream.columns) != plane or stream.components != 1:
        larger = stream.rows * stream.columns > plane[0] * plane[1]
        raise SeriesRefused(
            f"the codestream holds {stream.rows} × {stream.columns} × {stream.components} samples, the header "
            f"declares {plane[0]} × {plane[1]}",
            code="DECLARED_SIZE_TOO_LARGE" if larger else "UNREADABLE_PIXEL_DATA",
        )
    try:
        samples = np.asarray(_decoder(syntax)(data))
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise _unreadable(f"the decoder stops ({type(error).__name__})") from None
    if samples.shape != plane:
        raise _unreadable(f"the decoder gives {samples.shape}")
    return samples, stream.precision


def is_rounded(data: bytes, syntax: str) -> bool:
    """Whether samples come out of a rounding (a DCT, JPEG-LS with an allowed error, the irreversible wavelet).

    Such samples may lie a little beyond the range of what went in. The codestream tells, as far as it can: a transfer
    syntax whose name says "lossless" does not keep an encoder from rounding.
    """
    if syntax in JPEG_2000 | HTJ2K:
        at = data.find(CODING_STYLE, 0, 4096)
        return at >= 0 and data[at + WAVELET : at + WAVELET + 1] == bytes([IRREVERSIBLE])
    if syntax in JPEG_LS:
        # The scan's header ends in NEAR, ILV and the point transform (ISO/IEC 14495-1 C.2.3, one component).
        at = data.find(START_OF_SCAN, 0, 4096)
        return at >= 0 and data[at + 7 : at + 8] not in (b"", b"\0")
    return syntax in (JPEG_BASELINE, JPEG_EXTENDED)


def _items(data: bytes) -> tuple[bytes, tuple[bytes, ...], tuple[int, ...]]:
    """Offset table, fragments, and where each fragment's item begins, counted from the first one."""
    table: bytes | None = None
    fragments: list[bytes] = []
    starts: list[int] = []
    at, first = 0, 0
    while at + 8 <= len(data):
        group, element, length = struct.unpack("<HHI", data[at : at + 8])
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000) or at + 8 + length > len(data):
            raise SeriesRefused("a fragment of pixel data is cut off", code="TRUNCATED_PIXEL_DATA")
        value = data[at + 8 : at + 8 + length]
        if table is None:
            table, first = value, at + 8 + length
        else:
            fragments.append(value)
            starts.append(at - first)
        at += 8 + length
    else:
        if not fragments or not fragments[-1].rstrip(b"\0").endswith(END_OF_IMAGE):
            raise SeriesRefused("the pixel data ends without its delimiter", code="TRUNCATED_PIXEL_DATA")
    if table is None or not fragments:
        raise SeriesRefused("the pixel data holds no fragment", code="TRUNCATED_PIXEL_DATA")
    return table, tuple(fragments), tuple(starts)


def _decoder(syntax: str) -> Any:
    if syntax in JPEG_2000 | HTJ2K:
        return imagecodecs.jpeg2k_decode  # OpenJPEG ≥ 2.5 reads high-throughput code blocks too
    if syntax in JPEG_LS:
        return imagecodecs.jpegls_decode
    if syntax in JPEG_LOSSLESS:
        return imagecodecs.jpegsof3_decode
    return imagecodecs.jpeg8_decode


def _decoded_rle(data: bytes, plane: tuple[int, int], bits_allocated: int) -> NDArray[Any]:
    """PS3.5 G: byte planes, most significant first. Expands at most 64-fold, so its output is bounded by its input."""
    expected, kind = plane[0] * plane[1], f"<u{bits_allocated // 8}"
    try:
        samples = np.frombuffer(imagecodecs.dicomrle_decode(data, kind), kind)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _unreadable(f"the RLE decoder stops ({type(error).__name__})") from None
    if samples.size < expected:
        raise SeriesRefused("run lengths end before the frame is full", code="TRUNCATED_PIXEL_DATA")
    return samples[:expected].reshape(plane)


def _jpeg_header(data: bytes) -> Codestream | None:
    """From the frame header of a JPEG or JPEG-LS codestream (ISO/IEC 10918-1 B.2.2)."""
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAME_HEADERS:
            precision, rows, columns, components = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return Codestream(rows, columns, components, precision)
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _jpeg_2000_header(data: bytes) -> Codestream | None:
    """From the SIZ marker (ISO/IEC 15444-1 A.5.1); a JP2 wrapper around the codestream is passed over."""
    start = 0 if data[:2] == b"\xff\x4f" else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or data[start + 2 : start + 4] != b"\xff\x51" or len(data) < start + 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", data[start + 8 : start + 24])
    components, size = struct.unpack(">HB", data[start + 40 : start + 43])
    return Codestream(bottom - top, right - left, components, (size & 0x7F) + 1)


def _unreadable(message: str) -> SeriesRefused:
    return SeriesRefused(f"the pixel data cannot be decoded: {message}", code="UNREADABLE_PIXEL_DATA")
