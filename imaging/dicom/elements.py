"""Values out of a data set, read strictly: a number that is none is an error, never a zero and never a traceback.

Only raw bytes are looked at. What a library makes of a damaged value (an exception that quotes it, a warning, a guess)
never comes into play, so no tag's text can slip into a message.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from imaging.errors import InputError

__all__ = ["Elements"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
SPECIFIC_CHARACTER_SET = 0x00080005
# These separate values and name components; a change of character set ends there (PS3.5 6.1.2.5.3).
TEXT_DELIMITERS = {0x5C, 0x5E, 0x3D, 0x0A, 0x0C, 0x0D, 0x09}


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """The elements of one data set or sequence item.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.PixelSpacing, dataset.Rows = ["0.7", "0.7"], 512
    >>> elements = Elements(dataset)
    >>> elements.decimals(0x00280030), elements.integer(0x00280010), elements.text(0x00080060)
    ((0.7, 0.7), 512, '')
    """

    dataset: Dataset

    def holds(self, tag: int) -> bool:
        """Whether the element is there, though perhaps empty."""
        return tag in self.dataset

    def text(self, tag: int) -> str:
        """All of the element as text, without its padding; "" where absent."""
        return "\\".join(self.texts(tag))

    def texts(self, tag: int) -> tuple[str, ...]:
        """Each value as text without its padding; () where absent or empty."""
        value = self._value(tag)
        if isinstance(value, bytes):
            value = self._decoded(value)
        if value is None:
            return ()
        values = value.split("\\") if isinstance(value, str) else _sequence(value)
        stripped = tuple(str(part).strip(" \0\t\r\n") for part in values)
        return () if stripped in ((), ("",)) else stripped

    def decimals(self, tag: int) -> tuple[float, ...]:
        """Every value as a finite number; () where absent or empty.

        Raises
        ------
        InputError
            BAD_NUMBER: a value is not a finite number (a decimal comma, NaN, a word).
        """
        if tag not in self.dataset:
            return ()
        element: Any = self.dataset.get_item(tag)
        numbers: tuple[Any, ...]
        if isinstance(element, RawDataElement):
            numbers = self._binary(element) or self._textual(tag)
        else:
            numbers = tuple(_number(str(part), tag) for part in _sequence(element.value))
        if not all(math.isfinite(number) for number in numbers):
            raise _bad_number(tag)
        return tuple(float(number) for number in numbers)

    def decimal(self, tag: int) -> float | None:
        """The first value as a number; None where absent, empty or not a number."""
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
        if tag not in self.dataset:
            return ()
        value = self.dataset[tag].value
        return tuple(Elements(item) for item in value or () if isinstance(item, Dataset))

    def item(self, tag: int) -> Elements | None:
        """The first item of a sequence."""
        return next(iter(self.items(tag)), None)

    def raw(self, tag: int) -> bytes:
        """The bytes of an element that holds binary data; b"" where absent."""
        value = self._value(tag)
        return value if isinstance(value, bytes) else b""

    def _value(self, tag: int) -> Any:
        return self.dataset.get_item(tag).value if tag in self.dataset else None

    def _textual(self, tag: int) -> tuple[float, ...]:
        return tuple(_number(part, tag) for part in self.texts(tag))

    def _binary(self, element: RawDataElement) -> tuple[Any, ...]:
        vr = element.VR
        if vr is None or vr not in BINARY:
            vr = _dictionary_vr(element.tag) if vr in (None, "UN") else vr
        # "US or SS" and the like: the caller knows the sign (PixelRepresentation) and undoes ours.
        code = BINARY.get("US" if vr.startswith("US") else vr)
        value = element.value or b""
        if code is None or not value:
            return ()
        size = struct.calcsize(code)
        if len(value) % size:
            raise _bad_number(int(element.tag))
        order = "<" if element.is_little_endian else ">"
        return struct.unpack(f"{order}{len(value) // size}{code}", value)

    def _decoded(self, value: bytes) -> str:
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        names = self.texts(SPECIFIC_CHARACTER_SET) or ("ISO_IR 6",)
        try:
            return str(decode_bytes(value, convert_encodings(list(names)), TEXT_DELIMITERS))
        except (LookupError, UnicodeError):
            return value.decode("latin-1")


def _sequence(value: Any) -> tuple[Any, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str | bytes | int | float) or not hasattr(value, "__iter__"):
        return (value,)
    return tuple(value)


def _number(text: str, tag: int) -> float:
    stripped = text.strip(" \0\t\r\n")
    if not NUMBER.fullmatch(stripped):
        raise _bad_number(tag)
    return float(stripped)


def _bad_number(tag: int) -> InputError:
    name = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return InputError(f"{name} holds a value that is no finite number", code="BAD_NUMBER", where=name)


def _dictionary_vr(tag: int) -> str:
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"
