"""Deflated data sets, inflated within bounds before any parser sees them.

Deflate reaches 1000:1, and a parser that inflates by itself has been measured at 3 GB for 1 MB.
"""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO, cast

from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset

from imaging.dicom.bounded import HEADER_LIMIT, BoundedReader
from imaging.dicom.elements import Elements
from imaging.dicom.span import PixelSpan, is_pixel_data, pixel_span
from imaging.dicom.walk import walk_header
from imaging.errors import UnreadableFile

__all__ = ["INFLATED_LIMIT", "inflate", "read_deflated"]

INFLATED_LIMIT = 512 * 2**20  # bytes; the largest header and image that one honest file holds
INFLATED_RATIO = 100  # images deflate 2:1 to 10:1; 100:1 is an empty image or a bomb
INFLATED_ALWAYS = 16 * 2**20  # an empty 2048 × 2048 image may deflate better than 100:1 and harms nobody


def read_deflated(stream: BinaryIO) -> tuple[Elements, PixelSpan | None]:
    """The header of a deflated data set, and where its pixel data lies in what it inflates to."""
    content, total = inflate(stream, keep=HEADER_LIMIT)  # the rest is only counted
    inflated: BinaryIO = io.BytesIO(content)
    walked = walk_header(content, 0, is_implicit=False, file_size=total)
    if walked is not None:
        elements = Elements(walked.elements)
        inflated.seek(total if walked.pixel_element is None else walked.pixel_element)
    else:
        inflated = cast(BinaryIO, BoundedReader(io.BytesIO(content)))
        parsed = read_dataset(inflated, is_implicit_VR=False, is_little_endian=True, stop_when=is_pixel_data)
        dataset = FileDataset(inflated, parsed, is_implicit_VR=False, is_little_endian=True)
        dataset.set_original_encoding(False, True)
        elements = Elements.from_dataset(dataset)
    return elements, pixel_span(inflated, total, is_implicit=False, is_little_endian=True)


def inflate(stream: BinaryIO, *, keep: int) -> tuple[bytes, int]:
    """The first ``keep`` bytes of the inflated rest of the stream, and how long all of it is.

    Raises
    ------
    UnreadableFile
        INFLATE_LIMIT: it would become larger than any honest file.
    """
    deflated = stream.read()
    limit = min(INFLATED_LIMIT, max(INFLATED_RATIO * len(deflated), INFLATED_ALWAYS))
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    kept, total, pending = [], 0, deflated
    while pending and not machine.eof:
        part = machine.decompress(pending, 2**20)
        pending = machine.unconsumed_tail
        if total < keep:
            kept.append(part[: keep - total])
        total += len(part)
        if total > limit:
            raise UnreadableFile(f"{len(deflated)} bytes inflate beyond {limit}", code="INFLATE_LIMIT")
    return b"".join(kept), total
