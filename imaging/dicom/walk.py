"""The quick way through a header: its elements cut apart, none of them looked into.

A folder of thousands of slices is read by headers that are all alike: little endian, in order, a few kilobytes. Those
are cut into raw elements here, some ten times faster than by the general parser; whatever is unusual (another byte
order, tags out of order, an unknown VR, a header beyond the window) is left to that parser by returning None. Both ways
must give the same elements; a test compares them on every file that is at hand.

No object is made of an element but a place in the window. The six bytes of tag and VR that begin an element are looked
up as they stand, for the same few hundred begin nearly every element there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

from imaging.dicom.layout import Layout, Place, layout_of
from imaging.errors import UnreadableFile

__all__ = [
    "LONG_VRS",
    "PIXEL_DATA",
    "UNDEFINED",
    "VRS",
    "CutElements",
    "Walked",
    "cut_items",
    "leaves_of",
    "pixel_element",
    "usual_end",
    "walk_header",
]

PIXEL_DATA = {0x7FE00010: "integer", 0x7FE00008: "float", 0x7FE00009: "double"}
UNDEFINED = 0xFFFFFFFF
LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SHORT_VRS = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
VRS = SHORT_VRS | LONG_VRS
NAMES = {vr: vr.decode("ascii") for vr in VRS}
GROUP_ELEMENT, IMPLICIT, LENGTH, SHORT_LENGTH = Struct("<HH"), Struct("<HHI"), Struct("<I"), Struct("<H")
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
FIRST_PIXEL_DATA = min(PIXEL_DATA)
FIRST_DELIMITER = 0xFFFE0000
DEEPEST = 16  # sequences in sequences; the deepest of the standard is 9
MOST_ITEMS = 2**16  # of a sequence; the frames of the longest image are a few ten thousand
MOST_ELEMENTS = 2**20  # of the items of a sequence: sixteen functional groups for each of so many frames
MOST_OF_A_DATA_SET = 2**16  # elements; vendors' headers have a few thousand
MOST_BEGINNINGS = 20_000  # distinct beginnings that are remembered, so that hostile files fill no memory

LAYOUTS = 4  # that are tried, the latest first
_layouts: tuple[Layout, ...] = ()
_beginnings: dict[bytes, tuple[int, bytes | None, bool]] = {}  # by its bytes: tag, VR, whether its length is long


class CutElements(Mapping[int, RawDataElement]):
    """Elements of a window by tag, made when they are asked for: half of a header is never looked at."""

    __slots__ = ("is_implicit", "places", "window")

    def __init__(self, window: bytes, places: dict[int, Place], *, is_implicit: bool) -> None:
        self.window, self.places, self.is_implicit = window, places, is_implicit

    def __getitem__(self, tag: int) -> RawDataElement:
        vr, start, end = self.places[tag]
        name = None if vr is None else NAMES[vr]
        return RawDataElement(BaseTag(tag), name, end - start, self.window[start:end], start, self.is_implicit, True)

    def get(self, tag: int, default: Any = None) -> Any:
        """The element, or the default; most tags that are asked for are absent, so no exception is made of it."""
        return self[tag] if tag in self.places else default

    def __contains__(self, tag: object) -> bool:
        return tag in self.places

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


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

    Raises
    ------
    UnreadableFile
        DECLARED_SIZE_TOO_LARGE: more elements than any honest header has.

    Examples
    --------
    >>> window = b"\x08\x00\x60\x00CS\x02\x00CT"
    >>> walk_header(window, 0, is_implicit=False, file_size=len(window)).elements[0x00080060].value
    b'CT'
    """
    if is_implicit and window[start + 4 : start + 6] in VRS:
        return None  # says implicit, looks explicit
    for layout in _layouts:
        if layout.fits(window, start, is_implicit=is_implicit):
            return Walked(CutElements(window, layout.places, is_implicit=is_implicit), layout.pixel_element)
    try:
        places, at = _cut(window, start, len(window), FIRST_PIXEL_DATA, is_implicit=is_implicit, depth=0)
    except _Unusual:
        return None
    elements = CutElements(window, places, is_implicit=is_implicit)
    tag = _tag(window, at)
    if tag >= FIRST_PIXEL_DATA:
        is_plain = tag in PIXEL_DATA and (is_implicit or window[at + 4 : at + 6] in VRS)
        if is_plain:
            _keep(layout_of(window, start, places, at, is_implicit=is_implicit))
        return Walked(elements, at) if is_plain else None
    return Walked(elements, None) if at == file_size == len(window) else None


def usual_end() -> int:
    """Where the header before ended: how much of the next file is read first."""
    return _layouts[0].end if _layouts else 0


def _keep(layout: Layout | None) -> None:
    global _layouts  # noqa: PLW0603  what is kept changes no result, only how soon it is there
    if layout is not None:
        _layouts = (layout, *_layouts[: LAYOUTS - 1])


def cut_items(elements: CutElements, tag: int) -> list[CutElements] | None:
    """The items of a sequence, cut apart as the header is; None where they are not plain.

    Raises
    ------
    UnreadableFile
        DECLARED_SIZE_TOO_LARGE: more items or elements than any honest sequence has.
    """
    _, at, end = elements.places[tag]
    window, is_implicit = elements.window, elements.is_implicit
    items, count = list[CutElements](), 0
    try:
        while at + 8 <= end:
            if window[at : at + 4] != ITEM:
                return None
            length = LENGTH.unpack_from(window, at + 4)[0]
            at += 8
            stop = end if length == UNDEFINED else at + length
            if stop > end:
                return None
            places, reached = _cut(window, at, stop, FIRST_DELIMITER, is_implicit=is_implicit, depth=0)
            if length == UNDEFINED:
                if window[reached : reached + 4] != ITEM_END:
                    return None
                reached += 8
            elif reached != stop:
                return None
            items.append(CutElements(window, places, is_implicit=is_implicit))
            count += len(places)
            if len(items) > MOST_ITEMS or count > MOST_ELEMENTS:
                raise UnreadableFile("a sequence of endless items", code="DECLARED_SIZE_TOO_LARGE")
            at = reached
    except _Unusual:
        return None
    return items if at == end else None


def leaves_of(elements: CutElements) -> Iterator[tuple[int, bool, bytes | None, int, int]]:
    """Every value that holds no other of known place, in order: top-level tag, whether it lies in a sequence, place.

    Only sequences of undefined length are opened, for what is inside decides where they end.
    """
    window, is_implicit = elements.window, elements.is_implicit
    for tag, (vr, start, end) in dict.items(elements.places):
        if _is_delimited(window, vr, start):
            for place in _leaves_within(window, start, is_implicit=is_implicit):
                yield tag, True, *place
        else:
            yield tag, False, vr, start, end


def pixel_element(elements: CutElements) -> int:
    """Where the element behind the last one begins."""
    *_, (vr, start, end) = dict.values(elements.places)
    return end + 8 if _is_delimited(elements.window, vr, start) else end


def _leaves_within(window: bytes, at: int, *, is_implicit: bool) -> Iterator[Place]:
    while window[at : at + 4] == ITEM:
        length = LENGTH.unpack_from(window, at + 4)[0]
        at += 8
        if length != UNDEFINED:
            yield None, at, at + length
            at += length
            continue
        places, reached = _cut(window, at, len(window), FIRST_DELIMITER, is_implicit=is_implicit, depth=0)
        for vr, start, end in places.values():
            if _is_delimited(window, vr, start):
                yield from _leaves_within(window, start, is_implicit=is_implicit)
            else:
                yield vr, start, end
        at = reached + 8


def _is_delimited(window: bytes, vr: bytes | None, start: int) -> bool:
    """Whether the value that begins here is of undefined length."""
    return (vr is None or vr == b"SQ") and window[start - 4 : start] == b"\xff\xff\xff\xff"


def _cut(
    window: bytes, at: int, end: int, first_foreign: int, *, is_implicit: bool, depth: int
) -> tuple[dict[int, Place], int]:
    """The places of the elements below a tag, and where they stop: before that tag, or at the end."""
    places: dict[int, Place] = {}
    last, width, beginnings, lengths = 0, 4 if is_implicit else 6, _beginnings, LENGTH.unpack_from
    while at + 8 <= end:
        beginning = window[at : at + width]
        known = beginnings.get(beginning)
        tag, vr, is_long = known if known is not None else _learned(beginning)
        if tag <= last:
            raise _Unusual
        if len(places) >= MOST_OF_A_DATA_SET:
            raise UnreadableFile("a header of endless elements", code="DECLARED_SIZE_TOO_LARGE")
        if tag >= first_foreign:
            return places, at
        if vr is None:
            value_at, length = at + 8, lengths(window, at + 4)[0]
        elif is_long:
            if at + 12 > end:
                raise _Unusual
            value_at, length = at + 12, lengths(window, at + 8)[0]
        else:
            value_at, length = at + 8, window[at + 6] | window[at + 7] << 8
        if length != UNDEFINED:
            at = value_end = value_at + length
            if at > end:
                raise _Unusual
        else:
            value_end = _sequence_end(window, value_at, end, vr, is_implicit=is_implicit, depth=depth)
            at, vr = value_end + 8, b"SQ"
        places[tag] = (vr, value_at, value_end)
        last = tag
    return places, at


def _sequence_end(window: bytes, at: int, end: int, vr: bytes | None, *, is_implicit: bool, depth: int) -> int:
    """Where the delimiter of the items that begin here stands."""
    if vr not in (None, b"SQ") or depth > DEEPEST:
        raise _Unusual
    while at + 8 <= end:
        tag = window[at : at + 4]
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise _Unusual
        length = LENGTH.unpack_from(window, at + 4)[0]
        at += 8
        if length != UNDEFINED:
            at += length
            continue
        _, at = _cut(window, at, end, FIRST_DELIMITER, is_implicit=is_implicit, depth=depth + 1)
        if window[at : at + 4] != ITEM_END:
            raise _Unusual
        at += 8
    raise _Unusual


def _learned(beginning: bytes) -> tuple[int, bytes | None, bool]:
    """Tag, VR and form of the length of an element that begins like this."""
    tag = _tag(beginning, 0)
    vr = beginning[4:] or None
    if vr is not None and vr not in VRS and tag < FIRST_DELIMITER:  # these have a length where a VR would stand
        raise _Unusual
    known = (tag, vr, vr in LONG_VRS)
    if tag < FIRST_DELIMITER and len(_beginnings) < MOST_BEGINNINGS:
        _beginnings[beginning] = known
    return known


def _tag(window: bytes, at: int) -> int:
    """The tag that stands here; 0 where the window ends."""
    if at + 4 > len(window):
        return 0
    group, element = GROUP_ELEMENT.unpack_from(window, at)
    return int(group << 16 | element)
