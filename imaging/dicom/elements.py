"""Values out of a data set, read strictly: a number that is none is an error, never a zero and never a traceback.

Only raw bytes are looked at. What a library makes of a damaged value (an exception that quotes it, a warning, a guess)
never comes into play, so no tag's text can slip into a message.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from imaging.dicom.walk import NAMES, CutElements, cut_items
from imaging.errors import InputError

__all__ = ["Elements"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ONE_NUMBER = rb" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *"
PLAIN_NUMBERS = re.compile(ONE_NUMBER + rb"(\\" + ONE_NUMBER + rb")*")  # with no other padding than blanks
DECIMAL_VRS = {b"DS", b"IS"}
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
BINARY_VRS = {vr.encode("ascii") for vr in BINARY}
SPECIFIC_CHARACTER_SET = 0x00080005
# These separate values and name components; a change of character set ends there (PS3.5 6.1.2.5.3).
TEXT_DELIMITERS = {0x5C, 0x5E, 0x3D, 0x0A, 0x0C, 0x0D, 0x09}
PADDING = " \0\t\r\n"
# Values that are remembered: the slices of a series repeat nearly all of theirs, so each is interpreted once.
REMEMBERED = 4096
LONGEST_SEQUENCE = 4 * 2**20  # bytes that the general parser is given: functional groups of some thousand frames
LONGEST_REMEMBERED = 256  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """The elements of one data set or sequence item, by tag, as the parser leaves them.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.PixelSpacing, dataset.Rows = ["0.7", "0.7"], 512
    >>> elements = Elements.from_dataset(dataset)
    >>> elements.decimals(0x00280030), elements.integer(0x00280010), elements.text(0x00080060)
    ((0.7, 0.7), 512, '')
    """

    parsed: Mapping[int, Any]
    _items: dict[int, tuple[Elements, ...]] = field(default_factory=dict, init=False, repr=False)  # parsed once

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> Elements:
        """The elements of a data set, none of them interpreted."""
        return cls({int(tag): dataset.get_item(tag) for tag in dataset.keys()})  # noqa: SIM118  iterating would parse

    def holds(self, tag: int) -> bool:
        """Whether the element is there, though perhaps empty."""
        return tag in self.parsed

    def text(self, tag: int) -> str:
        """All of the element as text, without its padding; "" where absent."""
        if type(self.parsed) is CutElements:  # as nearly always
            place = self.parsed.places.get(tag)
            if place is None:
                return ""
            value = self.parsed.window[place[1] : place[2]]
            if value.isascii() and b"\x1b" not in value and b"\\" not in value:
                return value.decode("ascii").strip(PADDING)
        return "\\".join(self.texts(tag))

    def texts(self, tag: int) -> tuple[str, ...]:
        """Each value as text without its padding; () where absent or empty."""
        value = self._value(tag)
        if not value:
            return ()
        if isinstance(value, bytes):
            if value.isascii() and len(value) <= LONGEST_REMEMBERED and b"\x1b" not in value:
                return _ascii_texts(value)
            value = self._decoded(value)
        return _stripped(value.split("\\") if isinstance(value, str) else _sequence(value))

    def decimals(self, tag: int) -> tuple[float, ...]:
        """Every value as a finite number; () where absent or empty.

        Raises
        ------
        InputError
            BAD_NUMBER: a value is not a finite number (a decimal comma, NaN, a word).
        """
        if type(self.parsed) is CutElements:
            place = self.parsed.places.get(tag)
            if place is None:
                return ()
            vr, start, end = place
            value = self.parsed.window[start:end]
            is_plain = vr in BINARY_VRS or (value.isascii() and b"\x1b" not in value)
            if is_plain and end - start <= LONGEST_REMEMBERED:
                return _cut_decimals(tag, vr, value)
        element = self.parsed.get(tag)
        if element is None:
            return ()
        if isinstance(element, RawDataElement):
            order = "<" if element.is_little_endian else ">"
            numbers = _binary(tag, element.VR, element.value, order) or tuple(
                _number(part, tag) for part in self.texts(tag)
            )
        else:
            numbers = tuple(_number(str(part), tag) for part in _sequence(element.value))
        return _finite(numbers, tag)

    def decimal(self, tag: int) -> float | None:
        """The first value as a number; None where absent, empty or not a number."""
        parsed = self.parsed
        if type(parsed) is CutElements:
            place = parsed.places.get(tag)
            if place is None:
                return None  # as most are
            value = parsed.window[place[1] : place[2]]
            if len(value) <= LONGEST_REMEMBERED and value.isascii() and b"\x1b" not in value:
                return _cut_decimal(tag, place[0], value)
        elif tag not in parsed:
            return None
        try:
            numbers = self.decimals(tag)
        except InputError:
            return None
        return numbers[0] if numbers else None

    def integer(self, tag: int) -> int | None:
        """The first value as a whole number; None where absent or not one."""
        number = self.decimal(tag)
        return int(number) if number is not None and number == int(number) else None

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence; () where absent, empty or not a sequence."""
        if tag not in self._items:
            self._items[tag] = self._parsed_items(tag)
        return self._items[tag]

    def item(self, tag: int) -> Elements | None:
        """The first item of a sequence."""
        return next(iter(self.items(tag)), None)

    def raw(self, tag: int) -> bytes:
        """The bytes of an element that holds binary data; b"" where absent."""
        value = self._value(tag)
        return value if isinstance(value, bytes) else b""

    def _parsed_items(self, tag: int) -> tuple[Elements, ...]:
        if type(self.parsed) is CutElements and _is_sequence(self.parsed, tag):
            items = cut_items(self.parsed, tag)
            if items is not None:
                return tuple(map(Elements, items))
        element = self.parsed.get(tag)
        if element is None:
            return ()
        if isinstance(element, RawDataElement) and len(element.value or b"") > LONGEST_SEQUENCE:
            raise InputError("a sequence beyond any header", code="DECLARED_SIZE_TOO_LARGE")
        value = Dataset({element.tag: element})[tag].value if isinstance(element, RawDataElement) else element.value
        if value is None or isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            return ()
        return tuple(Elements.from_dataset(item) for item in value if isinstance(item, Dataset))

    def _value(self, tag: int) -> Any:
        if type(self.parsed) is CutElements:
            place = self.parsed.places.get(tag)
            return None if place is None else self.parsed.window[place[1] : place[2]]
        element = self.parsed.get(tag)
        return None if element is None else element.value

    def _decoded(self, value: bytes) -> str:
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")  # long, else it would be remembered
        names = self.texts(SPECIFIC_CHARACTER_SET) or ("ISO_IR 6",)
        try:
            return str(decode_bytes(value, convert_encodings(list(names)), TEXT_DELIMITERS))
        except (LookupError, UnicodeError):
            return value.decode("latin-1")


@lru_cache(REMEMBERED)
def _ascii_texts(value: bytes) -> tuple[str, ...]:
    return _stripped(value.decode("ascii").split("\\"))


@lru_cache(REMEMBERED)
def _cut_decimals(tag: int, vr: bytes | None, value: bytes) -> tuple[float, ...]:
    """The numbers of an element that the walker cut out, whose text (if it is text) is ASCII."""
    if not value:
        return ()
    if (vr or _dictionary_vr(tag).encode("ascii")) in DECIMAL_VRS and PLAIN_NUMBERS.fullmatch(value):
        return _finite(value.decode("ascii").split("\\"), tag)  # what the lines below give, sooner
    numbers = _binary(tag, None if vr is None else NAMES[vr], value, "<")
    return _finite(numbers or tuple(_number(part, tag) for part in _ascii_texts(value)), tag)


@lru_cache(REMEMBERED)
def _cut_decimal(tag: int, vr: bytes | None, value: bytes) -> float | None:
    """The first of them; None where there is none, or any is no number."""
    try:
        numbers = _cut_decimals(tag, vr, value)
    except InputError:
        return None
    return numbers[0] if numbers else None


def _stripped(values: Sequence[Any]) -> tuple[str, ...]:
    stripped = tuple([str(part).strip(PADDING) for part in values])
    return () if stripped == ("",) else stripped


def _finite(numbers: Sequence[float | str], tag: int) -> tuple[float, ...]:
    finite = tuple(map(float, numbers))
    if not all(map(math.isfinite, finite)):
        raise _bad_number(tag)
    return finite


def _is_sequence(elements: CutElements, tag: int) -> bool:
    place = elements.places.get(tag)
    return place is not None and (place[0] or _dictionary_vr(tag).encode("ascii")) == b"SQ"


def _binary(tag: int, vr: str | None, value: Any, order: str) -> tuple[float, ...]:
    """The numbers of an element with a binary representation; () for text."""
    if not vr or vr == "UN":
        vr = _dictionary_vr(tag)
    # "US or SS" and the like: the caller knows the sign (PixelRepresentation) and undoes ours.
    code = BINARY.get(vr[:2])
    if code is None or not value:
        return ()
    size = struct.calcsize(code)
    if len(value) % size:
        raise _bad_number(tag)
    return struct.unpack(f"{order}{len(value) // size}{code}", value)


def _sequence(value: Any) -> tuple[Any, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str | bytes | int | float) or not hasattr(value, "__iter__"):
        return (value,)
    return tuple(value)


def _number(text: str, tag: int) -> float:
    stripped = text.strip(PADDING)
    if not NUMBER.fullmatch(stripped):
        raise _bad_number(tag)
    return float(stripped)


def _bad_number(tag: int) -> InputError:
    name = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return InputError(f"{name} holds a value that is no finite number", code="BAD_NUMBER", where=name)


@lru_cache(REMEMBERED)
def _dictionary_vr(tag: int) -> str:
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"
