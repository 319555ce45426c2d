"""From pixel data to modality values: stored samples, their sign, and what the header says that they mean.

Values are those before any display: the modality transform is applied, presentation (MONOCHROME1, windows) never is
(PS3.3 C.7.6.3.1.2, C.11.1). Every frame has its own transform; scanners do write series whose slope changes by slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.dicom import tags
from imaging.dicom.codestream import decode_codestream, is_compressed, is_rounded, split_fragments
from imaging.dicom.elements import Elements
from imaging.dicom.file import DicomFile, PixelSpan, read_pixel_data
from imaging.dicom.remembered import Remembered
from imaging.errors import InputError, SeriesRefused

__all__ = [
    "ModalityTransform",
    "PixelFormat",
    "clean_samples",
    "frame_readers",
    "is_rounded_inside",
    "largest_value",
    "modality_transform",
    "pixel_format",
    "require_size",
    "stored_frames",
]

MAX_PLANE = 2**28  # samples of a frame: 16384 × 16384, far above any scanner
MAX_BYTES = 16 * 2**30  # of one file's decoded frames
MAX_FRAMES = 2**16  # of one file; each is a value of its own in an index, whatever its size
COMPRESSION_LIMIT = 2000  # an empty frame compresses at most about 1000:1 in the codecs of DICOM
SMALL_FRAMES = 64 * 2**20  # bytes that may always be allocated
REMEMBERED_TOPS = 8  # transforms; a series has one, or one a slice
FLOAT_KINDS = {"float": "f4", "double": "f8"}
PADDING = {
    "integer": (tags.PIXEL_PADDING_VALUE, tags.PIXEL_PADDING_RANGE_LIMIT),
    "float": (tags.FLOAT_PADDING_VALUE, tags.FLOAT_PADDING_RANGE_LIMIT),
    "double": (tags.DOUBLE_PADDING_VALUE, tags.DOUBLE_PADDING_RANGE_LIMIT),
}


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How samples are stored (PS3.5 8.1.1)."""

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    kind: str = "integer"

    @property
    def native_bytes(self) -> int:
        """Of all frames, uncompressed."""
        return self.rows * self.columns * self.frames * self.bits_allocated // 8

    @property
    def largest(self) -> int:
        """The largest sample that can be stored."""
        return (1 << (self.bits_stored - 1 if self.is_signed else self.bits_stored)) - 1

    @property
    def lowest(self) -> int:
        """The smallest sample that can be stored."""
        return -self.largest - 1 if self.is_signed else 0


@dataclass(frozen=True, slots=True, eq=False)
class ModalityTransform:
    """From one frame's stored samples to values.

    Parameters
    ----------
    slope, intercept
        Rescale; 1 and 0 where absent.
    first, table
        Modality LUT: the stored sample of the first entry, and the values; None where there is none.
    padding
        Lowest and highest stored sample that stand for "nothing measured here", or None.
    rescale_type
        The unit that the header names, in capitals; "" where it names none.
    is_declared
        Whether the header says what samples mean: slope and intercept, or a LUT.
    """

    slope: float = 1.0
    intercept: float = 0.0
    first: int = 0
    table: NDArray[np.int64] | None = None
    padding: tuple[float, float] | None = None
    rescale_type: str = ""
    is_declared: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether whole samples stay whole numbers."""
        return self.table is not None or (self.slope.is_integer() and self.intercept.is_integer())

    def values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """The values: whole numbers (of a type that holds them all) where they are whole, else float64.

        Examples
        --------
        >>> import numpy as np
        >>> ModalityTransform(slope=2.0, intercept=-1024.0).values(np.array([0, 10])).tolist()
        [-1024, -1004]
        """
        if self.table is not None:
            return np.asarray(self.table[np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)])
        if self.is_whole and stored.dtype.kind in "iu":
            if stored.dtype.itemsize <= 2 and abs(self.slope) < 2**14 and abs(self.intercept) < 2**30:
                return np.asarray(stored.astype(np.int32) * np.int32(self.slope) + np.int32(self.intercept))
            reach = max(-int(stored.min()), int(stored.max())) * abs(self.slope) + abs(self.intercept)
            if reach < 2**63:
                return np.asarray(stored.astype(np.int64) * int(self.slope) + int(self.intercept))
        return np.asarray(stored.astype(np.float64) * self.slope + self.intercept)

    def padded(self, stored: NDArray[Any]) -> BoolArray | None:
        """Where nothing was measured; None if nowhere."""
        if self.padding is None:
            return None
        mask = (stored >= self.padding[0]) & (stored <= self.padding[1])
        return np.asarray(mask, dtype=bool) if mask.any() else None


def pixel_format(file: DicomFile) -> PixelFormat:
    """How the file's samples are stored.

    Raises
    ------
    SeriesRefused
        UNSUPPORTED_PIXELS for a layout that no CT or MR image has, DECLARED_SIZE_TOO_LARGE for an impossible size.
    """
    layout = _layout(file.elements)
    if file.pixels is not None and file.pixels.kind != layout.kind:
        layout = replace(layout, kind=file.pixels.kind)
    if not file.is_little_endian and layout.bits_allocated <= 8:  # whose bytes may be swapped in pairs
        raise _unsupported(layout)
    return layout


@Remembered
def _layout(elements: Elements) -> PixelFormat:
    allocated = elements.integer(tags.BITS_ALLOCATED) or 0
    stored = elements.integer(tags.BITS_STORED) or allocated
    high_bit = elements.integer(tags.HIGH_BIT)
    layout = PixelFormat(
        rows=elements.integer(tags.ROWS) or 0,
        columns=elements.integer(tags.COLUMNS) or 0,
        frames=elements.integer(tags.NUMBER_OF_FRAMES) or 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else high_bit,
        is_signed=bool(elements.integer(tags.PIXEL_REPRESENTATION)),
    )
    one_sample = (elements.integer(tags.SAMPLES_PER_PIXEL) or 1) == 1
    fits = 1 <= stored <= allocated and stored - 1 <= layout.high_bit < allocated
    if allocated not in (8, 16, 32, 64) or not fits or not one_sample:
        raise _unsupported(layout)
    if min(layout.rows, layout.columns, layout.frames) < 1:
        raise SeriesRefused("the image declares no rows or columns", code="UNSUPPORTED_PIXELS")
    return layout


def _unsupported(layout: PixelFormat) -> SeriesRefused:
    message = f"pixels of {layout.bits_allocated} bits ({layout.bits_stored} stored) are not supported"
    return SeriesRefused(message, code="UNSUPPORTED_PIXELS")


def require_size(layout: PixelFormat, pixels: PixelSpan | None, syntax: str, where: str) -> None:
    """Raise unless the file can hold the samples that it declares; nothing is allocated before.

    Raises
    ------
    SeriesRefused
        DECLARED_SIZE_TOO_LARGE or TRUNCATED_PIXEL_DATA.
    """
    if layout.rows * layout.columns > MAX_PLANE or layout.native_bytes > MAX_BYTES or layout.frames > MAX_FRAMES:
        raise SeriesRefused(
            f"{layout.frames} frames of {layout.rows} × {layout.columns} are declared, beyond any image",
            code="DECLARED_SIZE_TOO_LARGE",
            where=where,
        )
    if pixels is None:
        raise SeriesRefused("no pixel data", code="TRUNCATED_PIXEL_DATA", where=where)
    available = pixels.available
    if is_compressed(syntax):
        if layout.native_bytes > max(SMALL_FRAMES, COMPRESSION_LIMIT * available):
            raise SeriesRefused(
                f"{layout.native_bytes} bytes are declared, {available} compressed ones are there",
                code="DECLARED_SIZE_TOO_LARGE",
                where=where,
            )
        needed = 0
    else:
        needed = layout.native_bytes
    if available < needed or not pixels.is_whole:
        raise SeriesRefused(
            f"{needed} bytes of pixel data are needed, {available} are there", code="TRUNCATED_PIXEL_DATA", where=where
        )


def stored_frames(file: DicomFile) -> Iterator[NDArray[Any]]:
    """Every frame's stored samples, (rows, columns), with their sign and without what else shares their bits.

    Raises
    ------
    InputError
        Everything that keeps the frames from being read, by code.
    """
    return (read() for read in frame_readers(file))


def frame_readers(file: DicomFile) -> Sequence[Callable[[], NDArray[Any]]]:
    """For every frame a function that gives its stored samples; they may be called in any order and thread.

    Raises
    ------
    InputError
        What keeps all frames from being read; what keeps one, its function raises.
    """
    layout = pixel_format(file)
    require_size(layout, file.pixels, file.syntax, str(file.path))
    data = read_pixel_data(file)
    if is_compressed(file.syntax):
        if file.pixels is None or file.pixels.length is not None:
            raise SeriesRefused("compressed pixel data without fragments", code="UNREADABLE_PIXEL_DATA")
        return [partial(_decoded, stream, file.syntax, layout) for stream in split_fragments(data, layout.frames)]
    if file.pixels is not None and file.pixels.length is None:
        raise SeriesRefused("fragments in an uncompressed transfer syntax", code="UNREADABLE_PIXEL_DATA")
    order = "<" if file.is_little_endian else ">"
    dtype = np.dtype(f"{order}{FLOAT_KINDS.get(layout.kind, f'u{layout.bits_allocated // 8}')}")
    if layout.native_bytes > len(data):
        raise SeriesRefused("the pixel data ends early", code="TRUNCATED_PIXEL_DATA", where=str(file.path))
    return [partial(_native, data, dtype, number, layout) for number in range(layout.frames)]


def _decoded(codestream: bytes, syntax: str, layout: PixelFormat) -> NDArray[Any]:
    plane = (layout.rows, layout.columns)
    samples, precision = decode_codestream(codestream, syntax, plane, layout.bits_allocated)
    if is_rounded(codestream, syntax):
        samples = _within(samples, layout)
    return clean_samples(samples, layout, precision)


def _native(data: bytes, dtype: np.dtype[Any], number: int, layout: PixelFormat) -> NDArray[Any]:
    count = layout.rows * layout.columns
    samples = np.frombuffer(data, dtype, count, number * count * dtype.itemsize).reshape(layout.rows, layout.columns)
    return samples if layout.kind != "integer" else clean_samples(samples, layout, None)


def is_rounded_inside(file: DicomFile) -> bool:
    """Whether the first frame of a compressed file was rounded by its codec, whatever the header says.

    Raises
    ------
    InputError
        The frames cannot be told apart.
    """
    return is_rounded(split_fragments(read_pixel_data(file), pixel_format(file).frames)[0], file.syntax)


def modality_transform(file: DicomFile, frame: int) -> ModalityTransform:
    """What one frame's stored samples mean.

    Raises
    ------
    InputError
        BAD_NUMBER: slope or intercept is no number, or the slope is zero.
    """
    elements = file.elements
    own, shared = _item(elements.items(tags.PER_FRAME_GROUPS), frame), elements.item(tags.SHARED_GROUPS)
    rescale = (own and own.item(tags.PIXEL_VALUE_TRANSFORMATION)) or (
        shared and shared.item(tags.PIXEL_VALUE_TRANSFORMATION)
    )
    if rescale is None and file.is_little_endian and file.pixels is not None and file.pixels.kind == "integer":
        return _classic_transform(elements)
    return _transform(elements, rescale or elements, pixel_format(file), is_little_endian=file.is_little_endian)


@Remembered
def _classic_transform(elements: Elements) -> ModalityTransform:
    """The same for all slices of a series, mostly."""
    return _transform(elements, elements, _layout(elements), is_little_endian=True)


def _transform(
    elements: Elements, rescale: Elements, layout: PixelFormat, *, is_little_endian: bool
) -> ModalityTransform:
    slope, intercept = rescale.decimals(tags.RESCALE_SLOPE), rescale.decimals(tags.RESCALE_INTERCEPT)
    if slope and slope[0] == 0:
        raise InputError("the rescale slope is zero", code="BAD_NUMBER")
    first, table = _modality_lut(elements, layout, is_little_endian=is_little_endian)
    return ModalityTransform(
        slope[0] if slope else 1.0,
        intercept[0] if intercept else 0.0,
        first,
        table,
        _padding(elements, layout),
        rescale.text(tags.RESCALE_TYPE).upper(),
        bool(slope and intercept) or table is not None,
    )


@lru_cache(REMEMBERED_TOPS)
def largest_value(transform: ModalityTransform, layout: PixelFormat) -> float:
    """That of the largest sample that can be stored."""
    return float(transform.values(np.array([layout.largest])).max())


def _within(samples: NDArray[Any], layout: PixelFormat) -> NDArray[Any]:
    """Rounded samples at most at the ends of the stored range: beyond it, their bits would mean the other end."""
    if (samples.dtype.kind == "i") is not layout.is_signed:  # then the range says nothing of them
        return samples
    return np.asarray(np.clip(samples, layout.lowest, layout.largest))


def clean_samples(samples: NDArray[Any], layout: PixelFormat, precision: int | None) -> NDArray[Any]:
    """Only the stored bits, with their sign.

    A codestream has a precision and a sign of its own, which need not be the header's: then the header's sign counts,
    at the narrower of both widths (PS3.5 8.2.4).
    """
    if precision is None:
        shift, width = layout.high_bit - layout.bits_stored + 1, layout.bits_stored
    else:
        shift, width = 0, min(precision, layout.bits_stored)
    if precision is None and layout.bits_stored == layout.bits_allocated:  # every bit counts: nothing to clean
        kind = "i" if layout.is_signed else "u"
        return samples.view(samples.dtype.str.replace("u", kind))
    wide = samples.astype(np.int64) if layout.bits_allocated > 16 else samples.astype(np.int32)
    bits = (wide >> shift) & ((1 << width) - 1) if width < 64 else wide
    if layout.is_signed and width < 64:
        sign = 1 << (width - 1)
        bits = (bits ^ sign) - sign
    return np.asarray(bits)


def _modality_lut(
    elements: Elements, layout: PixelFormat, *, is_little_endian: bool
) -> tuple[int, NDArray[np.int64] | None]:
    """First mapped sample and values of the modality LUT (PS3.3 C.11.1.1)."""
    item = elements.item(tags.MODALITY_LUT)
    if item is None:
        return 0, None
    descriptor = item.decimals(tags.LUT_DESCRIPTOR)
    if len(descriptor) != 3:
        raise InputError("the modality LUT is not described", code="BAD_NUMBER")
    count, first, bits = (int(number) for number in descriptor)
    count = (count & 0xFFFF) or 2**16
    first &= 0xFFFF
    if layout.is_signed and first >= 2**15:
        first -= 2**16
    raw = item.raw(tags.LUT_DATA)
    order = "<" if is_little_endian else ">"
    if len(raw) >= 2 * count:
        table = np.frombuffer(raw, f"{order}u2", count)
    elif bits <= 8 and len(raw) >= count:
        table = np.frombuffer(raw, "u1", count)
    else:
        numbers = item.decimals(tags.LUT_DATA)
        if len(numbers) < count:
            raise InputError("the modality LUT is shorter than it says", code="BAD_NUMBER")
        table = np.asarray(numbers[:count])
    return first, table.astype(np.int64)


def _padding(elements: Elements, layout: PixelFormat) -> tuple[float, float] | None:
    """The stored samples that are padding (PS3.3 C.7.5.1.1.2); they have the sign of the pixels, whatever their VR."""
    value, limit = (elements.decimal(tag) for tag in PADDING[layout.kind])
    if value is None:
        return None
    ends = (value, value if limit is None else limit)
    low, high = sorted(ends if layout.kind != "integer" else (_signed(int(end), layout) for end in ends))
    return low, high


def _signed(value: int, layout: PixelFormat) -> int:
    width = max(layout.bits_allocated, 16) if abs(value) >= 2**16 else 16
    value &= (1 << width) - 1
    if value >> layout.bits_stored == 0:  # written without the bits that only repeat the sign
        width = layout.bits_stored
    if layout.is_signed and value >= 1 << (width - 1):
        return value - (1 << width)
    return value


def _item(items: tuple[Elements, ...], number: int) -> Elements | None:
    return items[number] if number < len(items) else None
