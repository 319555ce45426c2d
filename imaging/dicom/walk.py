"""The quick way through a header: its elements cut apart, none of them looked into.

A folder of thousands of slices is read by headers that are all alike: little endian, in order, a few kilobytes. Those
are cut into raw elements here, some ten times faster than by the general parser; whatever is unusual (another byte
order, tags out of order, an unknown VR, a header beyond the window) is left to that parser by returning None. Both ways
must give the same elements; a test compares them on every file that is at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

__all__ = ["LONG_VRS", "PIXEL_DATA", "UNDEFINED", "VRS", "CutElements", "Walked", "walk_header"]

PIXEL_DATA = {0x7FE00010: "integer", 0x7FE00008: "float", 0x7FE00009: "double"}
UNDEFINED = 0xFFFFFFFF
LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SHORT_VRS = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
VRS = SHORT_VRS | LONG_VRS
NAMES = {vr: vr.decode("ascii") for vr in VRS}
EXPLICIT, IMPLICIT, LENGTH = Struct("<HH2sH"), Struct("<HHI"), Struct("<I")
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
FIRST_PIXEL_DATA = min(PIXEL_DATA)
DEEPEST = 16  # sequences in sequences; the deepest of the standard is 9


class CutElements(Mapping[int, RawDataElement]):
    """Elements of a window by tag, made when they are asked for: half of a header is never looked at."""

    __slots__ = ("_is_implicit", "_places", "_window")

    def __init__(self, window: bytes, places: dict[int, tuple[bytes | None, int, int]], *, is_implicit: bool) -> None:
        self._window, self._places, self._is_implicit = window, places, is_implicit

    def __getitem__(self, tag: int) -> RawDataElement:
        vr, start, end = self._places[tag]
        name = None if vr is None else NAMES[vr]
        return RawDataElement(BaseTag(tag), name, end - start, self._window[start:end], start, self._is_implicit, True)

    def get(self, tag: int, default: Any = None) -> Any:
        """The element, or the default; most tags that are asked for are absent, so no exception is made of it."""
        return self[tag] if tag in self._places else default

    def __contains__(self, tag: object) -> bool:
        return tag in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """The elements before the pixel data, and where the pixel data element begins (None if there is none)."""

    elements: CutElements
    pixel_element: int | None


class _Unusual(Exception):
    """The general parser must look at it."""


def walk_header(window: bytes, start: int, *, is_implicit: bool, file_size: int) -> Walked | None:
    r"""The elements of a little-endian data set, or None where it is not plain.

    Parameters
    ----------
    window
        The beginning of the file.
    start
        Where the data set begins in it.
    is_implicit
        Whether value representations are left out.
    file_size
        Of the whole file; a header that ends with the window is whole only if the file ends there too.

    Examples
    --------
    >>> window = b"\x08\x00\x60\x00CS\x02\x00CT"
    >>> walk_header(window, 0, is_implicit=False, file_size=len(window)).elements[0x00080060].value
    b'CT'
    """
    if is_implicit and window[start + 4 : start + 6] in VRS:
        return None  # says implicit, looks explicit
    places: dict[int, tuple[bytes | None, int, int]] = {}
    elements = CutElements(window, places, is_implicit=is_implicit)
    at, last, size = start, 0, len(window)
    try:
        while at + 8 <= size:
            tag, vr, value_at, length = _element(window, at, is_implicit=is_implicit)
            if tag <= last:
                return None
            if tag >= FIRST_PIXEL_DATA:
                return Walked(elements, at) if tag in PIXEL_DATA else None
            if length == UNDEFINED:
                value_end = _undefined_end(window, value_at, vr, is_implicit=is_implicit, depth=0)
                at, vr = value_end + 8, b"SQ"
            else:
                at = value_end = value_at + length
                if at > size:
                    return None
            places[tag] = (vr, value_at, value_end)
            last = tag
    except _Unusual:
        return None
    return Walked(elements, None) if at == file_size == size else None


def _element(window: bytes, at: int, *, is_implicit: bool) -> tuple[int, bytes | None, int, int]:
    """Tag, VR (None if implicit), where the value begins, and its length."""
    if is_implicit:
        group, element, length = IMPLICIT.unpack_from(window, at)
        return group << 16 | element, None, at + 8, length
    group, element, vr, length = EXPLICIT.unpack_from(window, at)
    if vr in SHORT_VRS:
        return group << 16 | element, vr, at + 8, length
    if vr not in LONG_VRS or at + 12 > len(window):
        raise _Unusual
    return group << 16 | element, vr, at + 12, LENGTH.unpack_from(window, at + 8)[0]


def _undefined_end(window: bytes, at: int, vr: bytes | None, *, is_implicit: bool, depth: int) -> int:
    """Where the delimiter of a value of undefined length stands."""
    if vr not in (None, b"SQ") or depth > DEEPEST:
        raise _Unusual
    return _sequence_end(window, at, is_implicit=is_implicit, depth=depth)


def _sequence_end(window: bytes, at: int, *, is_implicit: bool, depth: int) -> int:
    """Where the delimiter of the items that begin here stands."""
    while at + 8 <= len(window):
        group, element, length = IMPLICIT.unpack_from(window, at)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise _Unusual
        at += 8
        at = at + length if length != UNDEFINED else _item_end(window, at, is_implicit=is_implicit, depth=depth)
    raise _Unusual


def _item_end(window: bytes, at: int, *, is_implicit: bool, depth: int) -> int:
    """Behind the delimiter of an item of undefined length."""
    while at + 8 <= len(window):
        group, element, _ = IMPLICIT.unpack_from(window, at)
        if group << 16 | element == ITEM_END:
            return at + 8
        _, vr, value_at, length = _element(window, at, is_implicit=is_implicit)
        if length == UNDEFINED:
            at = _undefined_end(window, value_at, vr, is_implicit=is_implicit, depth=depth + 1) + 8
        else:
            at = value_at + length
    raise _Unusual
