"""The file meta information: always explicit VR little endian, before the data set (PS3.10 7.1)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from imaging.dicom.walk import LONG_VRS

__all__ = [
    "MAGIC",
    "MEDIA_CLASS",
    "META_GROUP",
    "META_READ",
    "PREAMBLE",
    "TRANSFER_SYNTAX",
    "meta_places",
    "plain_meta",
]

PREAMBLE = 128
MAGIC = b"DICM"
META_GROUP = b"\x02\x00"
META_ELEMENT, META_LENGTH = Struct("<HH2sH"), Struct("<I")
TRANSFER_SYNTAX, MEDIA_CLASS = 0x0010, 0x0002  # elements of group 2
META_READ = frozenset((TRANSFER_SYNTAX, MEDIA_CLASS))  # nobody gets to see another one


class MetaPlace(NamedTuple):
    """An element of group 2: its VR, and where its value begins and ends."""

    element: int
    vr: bytes
    start: int
    end: int


def plain_meta(window: bytes) -> tuple[dict[int, bytes], int]:
    """Values of META_READ by element number, and where the data set begins.

    Nothing is given where the information is damaged, does not fit the window, or names no transfer syntax.
    """
    places, at = meta_places(window)
    meta = {place.element: window[place.start : place.end] for place in places if place.element in META_READ}
    return (meta, at) if TRANSFER_SYNTAX in meta else ({}, at)


def meta_places(window: bytes) -> tuple[list[MetaPlace], int]:
    """Every element of the file meta information and where it ends; none where it is damaged or does not fit."""
    at = PREAMBLE + 4 if window[PREAMBLE : PREAMBLE + 4] == MAGIC else 0
    places: list[MetaPlace] = []
    while window[at : at + 2] == META_GROUP and at + 12 <= len(window):
        _, element, vr, length = META_ELEMENT.unpack_from(window, at)
        value_at = at + 8
        if vr in LONG_VRS:
            value_at, length = at + 12, META_LENGTH.unpack_from(window, at + 8)[0]
        if value_at + length > len(window):
            return [], at
        at = value_at + length
        places.append(MetaPlace(element, vr, value_at, at))
    return (places, at) if window[at : at + 2] != META_GROUP else ([], at)
