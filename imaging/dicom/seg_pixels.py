"""The stored frames of a segmentation, as an array of small numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.dicom.codestream import decode_codestream, is_compressed, split_fragments
from imaging.dicom.file import DicomFile, read_pixel_data
from imaging.errors import InputError

__all__ = ["stored_frames"]

MAX_SAMPLES = 2**31  # 8192 frames of 512 × 512: more than 16 structures of a whole body


def stored_frames(file: DicomFile, shape: tuple[int, int, int], bits_allocated: int) -> NDArray[Any]:
    """All frames' numbers, (frames, rows, columns), uint8 or uint16.

    Bits are packed without padding between frames, the first in the lowest bit (PS3.5 8.1.1).

    Raises
    ------
    InputError
        DECLARED_SIZE_TOO_LARGE, TRUNCATED_PIXEL_DATA, UNSUPPORTED_DATA_TYPE, or what the decoder refuses.
    """
    where = file.path.name
    samples = math.prod(shape)
    if samples > MAX_SAMPLES:
        raise InputError(f"{samples} samples are declared", code="DECLARED_SIZE_TOO_LARGE", where=where)
    if bits_allocated not in (1, 8, 16):
        raise InputError(f"{bits_allocated} bits a sample", code="UNSUPPORTED_DATA_TYPE", where=where)
    if is_compressed(file.syntax):
        streams = split_fragments(read_pixel_data(file), shape[0])
        return np.stack([decode_codestream(s, file.syntax, shape[1:], bits_allocated)[0] for s in streams])
    expected = math.ceil(samples * bits_allocated / 8)
    content = read_pixel_data(file) if file.pixels is not None and file.pixels.available >= expected else b""
    if len(content) < expected:
        raise InputError(
            f"{expected} bytes of frames are declared and fewer are there", code="TRUNCATED_PIXEL_DATA", where=where
        )
    if bits_allocated == 1:
        packed = np.frombuffer(content, dtype=np.uint8, count=expected)
        return np.unpackbits(packed, count=samples, bitorder="little").reshape(shape)
    order = "<" if file.is_little_endian else ">"
    return np.frombuffer(content, dtype=f"{order}u{bits_allocated // 8}", count=samples).reshape(shape)
