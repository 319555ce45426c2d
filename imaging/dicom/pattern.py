"""Headers that agree in all that decides what is made of them, though not in every byte or length.

A header is a chain of values, each behind bytes that say what it is and how long: tag, VR and length, and where
sequences of undefined length open and close. Two headers make one pattern if these bytes agree, and so do the values
that somebody looked at. Of all other values, those are free that were seen to differ, and with them the lengths of
text. A header is compared with a pattern in a few steps, from one free length to the next.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container
from typing import NamedTuple

from imaging.dicom.file_meta import MAGIC, META_READ, PREAMBLE, meta_places
from imaging.dicom.layout import Place
from imaging.dicom.own import OWN_TAGS
from imaging.dicom.walk import LONG_VRS, CutElements, leaves_of, pixel_element

__all__ = ["Freedom", "Header", "Pattern", "Seen", "freedom", "header_of"]

EVEN_SIZED = {b"AT", b"DA", b"FD", b"FL", b"SL", b"SS", b"UL", b"US"}  # VRs of one size, whatever the value
MOST_VALUES = 2048  # of a header; beyond, a comparison would take as long as reading
LENGTH = struct.Struct("<I")


class Value(NamedTuple):
    """What is behind ``opening``: all bytes since the value before, without the length of ``width`` bytes.

    ``content`` is what it must be, None where it is free. The tag is 0 in the file meta and within sequences.
    """

    opening: bytes
    width: int
    content: bytes | None
    tag: int
    vr: bytes | None


class Header(NamedTuple):
    """One header as a chain of values, and what they are; ``ending`` begins the pixel data."""

    values: tuple[Value, ...]
    ending: bytes
    is_implicit: bool
    first: int  # value of the data set, whose length must not look like a VR
    contents: tuple[bytes, ...]


class Seen(NamedTuple):
    """Where the elements that are read anew stand in a header of a pattern, and where its pixel data begins."""

    places: dict[int, Place]
    pixel_element: int


def header_of(cut: CutElements, looked_at: Container[int]) -> Header | None:
    """The header of a file with preamble that ends in pixel data; None where it is none, or too long.

    Parameters
    ----------
    cut
        Its elements, cut out of a window that begins with the file.
    looked_at
        Tags of the elements on which depends what is made of it.
    """
    window = cut.window
    meta, _ = meta_places(window)
    if window[PREAMBLE : PREAMBLE + 4] != MAGIC or not meta or not len(cut):
        return None
    found: list[tuple[int, bytes | None, int, int, bool]] = [
        (0, vr, start, end, element in META_READ) for element, vr, start, end in meta
    ]
    for tag, is_inside, vr, start, end in leaves_of(cut):
        if is_inside and tag in OWN_TAGS:
            return None
        found.append((0 if is_inside else tag, vr, start, end, tag in looked_at))
    if len(found) > MOST_VALUES:
        return None
    values, at = list[Value](), 0
    for tag, vr, start, end, counts in found:
        width = 2 if vr is not None and vr not in LONG_VRS else 4
        values.append(Value(window[at : start - width], width, window[start:end] if counts else None, tag, vr))
        at = end
    ending = window[at : pixel_element(cut) + (4 if cut.is_implicit else 6)]
    return Header(
        tuple(values), ending, cut.is_implicit, len(meta), tuple([window[start:end] for _, _, start, end, _ in found])
    )


# The bytes up to a free length: how they are cut out, what they must be, how many they are, the own elements among
# them by where they stand, and then whether the length is a short one, and the tag (0 if nobody reads it) and VR.
_Known = tuple[int, bytes | None, int, int]
_Step = tuple[
    Callable[[bytes, int], tuple[bytes, ...]], tuple[bytes, ...], int, tuple[_Known, ...], bool, int, bytes | None
]


class Freedom(NamedTuple):
    """Which values of a pattern may have any length, and which any content."""

    lengths: frozenset[int] = frozenset()
    contents: frozenset[int] = frozenset()


class Pattern:
    """Headers that agree, and what is free among them."""

    def __init__(self, header: Header, free: Freedom) -> None:
        self.is_implicit = header.is_implicit
        self._header, self._free = header, free
        self._steps = list[_Step]()
        self.size, writer = 0, _Writer()
        for number, (value, content) in enumerate(zip(header.values, header.contents, strict=True)):
            length = len(content)
            self.size += len(value.opening) + value.width + length
            writer.put(value.opening)
            if number in free.lengths:
                self._steps.append(writer.step(value))
                writer = _Writer()
                continue
            writer.put(length.to_bytes(value.width, "little"))
            if value.tag in OWN_TAGS:
                writer.known.append((value.tag, value.vr, writer.at, writer.at + length))
            if number in free.contents:
                writer.skip(length)
            else:
                writer.put(content)
        writer.put(header.ending)
        self._last = writer.step(header.values[-1])
        self._pixel_element = writer.at - (4 if header.is_implicit else 6)

    def joined(self, header: Header) -> Pattern | None:
        """The pattern of these headers and another one; None if it differs in more than free values."""
        more = freedom(self._header, header)
        if more is None:
            return None
        free = Freedom(self._free.lengths | more.lengths, self._free.contents | more.contents)
        return Pattern(header, free)

    def seen_in(self, window: bytes) -> Seen | None:
        """Whether a file that begins like this is one of them, and where it differs."""
        at, places = 0, dict[int, Place]()
        try:
            for cut, contents, size, known, is_short, own, own_vr in self._steps:
                if cut(window, at) != contents:
                    return None
                for tag, vr, start, end in known:
                    places[tag] = vr, at + start, at + end
                at += size
                if is_short:
                    length = window[at] | window[at + 1] << 8
                    at += 2
                else:
                    length = LENGTH.unpack_from(window, at)[0]
                    at += 4
                if own:
                    places[own] = own_vr, at, at + length
                at += length
            cut, contents, _, known, *_ = self._last
            if cut(window, at) != contents:
                return None
        except (struct.error, IndexError):  # the header goes on beyond the window
            return None
        for tag, vr, start, end in known:
            places[tag] = vr, at + start, at + end
        return Seen(places, at + self._pixel_element)


def freedom(one: Header, other: Header) -> Freedom | None:
    """What differs between two headers that make a pattern; None if they make none.

    Text that differs among neighbours is going to differ in length sooner or later, so its length is free at once, and
    so are lengths of groups.
    """
    if one[:4] != other[:4]:
        return None
    pairs = enumerate(zip(one.values, one.contents, other.contents, strict=True))
    differing = {number: value.vr not in EVEN_SIZED or len(a) != len(b) for number, (value, a, b) in pairs if a != b}
    lengths = frozenset(number for number, is_free in differing.items() if is_free)
    counts = {number for number, value in enumerate(one.values) if value.vr == b"UL" and value.content is None}
    return None if one.first in lengths else Freedom(lengths, frozenset(differing) | counts)


class _Writer:
    """Puts a step together."""

    def __init__(self) -> None:
        self.at, self.known = 0, list[tuple[int, bytes | None, int, int]]()
        self._format, self._contents, self._pending = ["<"], list[bytes](), b""

    def put(self, content: bytes) -> None:
        self._pending += content
        self.at += len(content)

    def skip(self, length: int) -> None:
        self._flush()
        self._format.append(f"{length}x")
        self.at += length

    def step(self, value: Value) -> _Step:
        self._flush()
        cut = struct.Struct("".join(self._format))
        own = value.tag if value.tag in OWN_TAGS else 0
        return cut.unpack_from, tuple(self._contents), cut.size, tuple(self.known), value.width == 2, own, value.vr

    def _flush(self) -> None:
        if self._pending:
            self._format.append(f"{len(self._pending)}s")
            self._contents.append(self._pending)
            self._pending = b""
