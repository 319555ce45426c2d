"""What vendors wrote before the standard had an element for it: diffusion weighting, mosaics, a scale of their own.

Source: vendors' DICOM conformance statements (Siemens MR Header 0019,xx0C; GE GEMS_PARM_01 0043,xx39; Philips Imaging
DD 001 2001,xx03, MR Imaging DD 001 2005,xx0E), as collected in dcm2niix' vendor notes.
"""

from __future__ import annotations

import struct

from imaging.dicom.elements import Elements

__all__ = ["has_private_scale", "images_in_mosaic", "private_b_value", "private_element"]

BLOCKS = range(0x10, 0x20)  # where creators reserve their elements; scanners use the first ones
SIEMENS, SIEMENS_B_VALUE, SIEMENS_IMAGES_IN_MOSAIC = "SIEMENS MR HEADER", 0x0C, 0x0A
GE, GE_B_VALUE = "GEMS_PARM_01", 0x39
PHILIPS, PHILIPS_B_VALUE = "Philips Imaging DD 001", 0x03
PHILIPS_MR, PHILIPS_SCALE_SLOPE, PHILIPS_FRAME = "Philips MR Imaging DD 001", 0x0E, 0x2005140F
FLOAT = struct.Struct("<f")  # what Philips writes; representations are left out in little endian alone
MOST_B = 50_000  # s/mm²; beyond any scanner's gradients
GE_OFFSET = 100_000  # newer software adds a multiple of it, which means nothing for the weighting


def private_b_value(elements: Elements) -> float | None:
    """The b-value, s/mm², by a vendor's private element; None where there is none.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "IS", ["1000000800", "8", "0", "0"])
    >>> private_b_value(Elements.from_dataset(dataset))
    800.0
    """
    for group, creator, element in ((0x0019, SIEMENS, SIEMENS_B_VALUE), (0x2001, PHILIPS, PHILIPS_B_VALUE)):
        tag = private_element(elements, group, creator, element)
        value = None if tag is None else _decimal(elements, tag)
        if value is not None:
            return value
    tag = private_element(elements, 0x0043, GE, GE_B_VALUE)
    value = elements.decimal(tag) if tag is not None else None
    return None if value is None else value % GE_OFFSET


def _decimal(elements: Elements, tag: int) -> float | None:
    """The number, also where an archive has rewritten the file without the representations of private elements."""
    value, raw = elements.decimal(tag), elements.raw(tag)
    if value is not None or len(raw) != FLOAT.size:
        return value
    (number,) = FLOAT.unpack(raw)
    return float(number) if 0 <= number <= MOST_B else None


def images_in_mosaic(elements: Elements) -> int | None:
    """How many slices are tiled in the one plane of a Siemens mosaic; None where the header tells of none."""
    tag = private_element(elements, 0x0019, SIEMENS, SIEMENS_IMAGES_IN_MOSAIC)
    return elements.integer(tag) if tag is not None else None


def has_private_scale(elements: Elements) -> bool:
    """Whether Philips' scale from stored samples to floating-point signal is there; values rest on the public one.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.private_block(0x2005, PHILIPS_MR, create=True).add_new(0x0E, "FL", 0.02)
    >>> has_private_scale(Elements.from_dataset(dataset))
    True
    """
    places = (elements, elements.item(PHILIPS_FRAME))  # of enhanced frames it lies one sequence deeper
    tags = ((place, private_element(place, 0x2005, PHILIPS_MR, PHILIPS_SCALE_SLOPE)) for place in places if place)
    return any(tag is not None and place.holds(tag) for place, tag in tags)


def private_element(elements: Elements, group: int, creator: str, element: int) -> int | None:
    """The tag of a creator's element, in whichever block of the group it was reserved (PS3.5 7.8.1)."""
    for block in BLOCKS:
        reserved = elements.text(group << 16 | block)
        if not reserved:
            return None
        if reserved == creator:
            return group << 16 | block << 8 | element
    return None
