"""Where the pixel data of a file lies, and whether all of it is there; found without reading it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from pydicom.tag import BaseTag

from imaging.dicom.walk import LONG_VRS, PIXEL_DATA, UNDEFINED

__all__ = ["PixelSpan", "is_pixel_data", "pixel_span", "plain_span"]

REMEMBERED = 256  # spans; the slices of a series have a few
MOST_FRAGMENTS = 2**20  # far more frames than a file of 4 GiB holds; each costs a read


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


def is_pixel_data(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    """Whether the parser stops here."""
    return int(tag) in PIXEL_DATA


def pixel_span(stream: BinaryIO, size: int, *, is_implicit: bool, is_little_endian: bool) -> PixelSpan | None:
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


def plain_span(window: bytes, at: int, size: int, *, is_implicit: bool) -> PixelSpan | None:
    """The same of native samples (OB or OW) in little endian, if the element begins in the window; else None."""
    head = window[at : at + (8 if is_implicit else 12)]
    return _span_of(head, at, size, is_implicit=is_implicit)


@lru_cache(REMEMBERED)
def _span_of(head: bytes, at: int, size: int, *, is_implicit: bool) -> PixelSpan | None:
    """Of an element that begins like this."""
    if len(head) < (8 if is_implicit else 12) or not (is_implicit or head[4:6] in (b"OW", b"OB")):
        return None
    length = int.from_bytes(head[-4:], "little")
    if length == UNDEFINED:
        return None
    offset = at + len(head)
    available = size - offset
    tag = int.from_bytes(head[:2], "little") << 16 | int.from_bytes(head[2:4], "little")
    return PixelSpan(PIXEL_DATA[tag], offset, length, min(length, available), length <= available)


def _fragments_are_whole(stream: BinaryIO, size: int, order: str) -> bool:
    """Whether every fragment lies within the file and the sequence of fragments ends; reads the item headers only."""
    for _ in range(MOST_FRAGMENTS):
        head = stream.read(8)
        if len(head) < 8:
            return False
        group, element, length = struct.unpack(f"{order}HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return False
        stream.seek(length, 1)
    return False
