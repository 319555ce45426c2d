"""A volume while it is filled, slice by slice: int16 until a value does not fit, then float32.

There are two ways to draw a slice. The careful one takes any stored samples. The straight one reads samples from the
file into their place in the volume, looks at their range, and rescales them where they lie; whatever the range does not
prove harmless (foreign bits, padding, values that need another type) is handed to the careful way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.dicom.codestream import is_compressed
from imaging.dicom.file import DEFLATED, DicomFile
from imaging.dicom.pixels import ModalityTransform, PixelFormat, clean_samples
from imaging.dicom.source import open_bytes
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.study.series import SeriesRecord
from imaging.volume.volume import Modality

__all__ = ["Canvas", "lies_straight"]

INT16 = np.iinfo(np.int16)
FARTHEST = float(np.finfo(np.float32).max)
CLIPPED_HU = 3071  # the top of the 12-bit scale with intercept -1024, to which many reconstructions clip
SATURATED_VOXELS = 20  # one maximum is noise; as many at exactly one value are a plateau
HOUNSFIELD_TYPES = {"", "HU"}


def lies_straight(file: DicomFile, layout: PixelFormat) -> bool:
    """Whether the file's samples have the form that they have in a volume: plain 16-bit integers, low bits first."""
    return (
        layout.kind == "integer"
        and layout.bits_allocated == 16
        and layout.high_bit == layout.bits_stored - 1
        and file.is_little_endian
        and sys.byteorder == "little"
        and not is_compressed(file.syntax)
        and file.syntax != DEFLATED
        and file.pixels is not None
        and file.pixels.length is not None
    )


@dataclass(slots=True)
class Canvas:
    """The samples of a volume, and what was met on the way.

    ``valid`` is None until a slice holds padding. ``ranges`` has the lowest and highest valid value of every slice.
    """

    shape: tuple[int, int, int]
    samples: NDArray[Any] = field(init=False)
    valid: BoolArray | None = None
    tops: set[float] = field(default_factory=set)
    rescale_types: set[str] = field(default_factory=set)
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)
    empty: int = 0
    undeclared: int = 0
    rounded: int = 0

    def __post_init__(self) -> None:
        self.samples = np.empty(self.shape, dtype=np.int16)

    def draw(self, index: int, stored: NDArray[Any], transform: ModalityTransform) -> None:
        """Put one slice in its place, whatever its samples are."""
        values = transform.values(stored)
        padded = transform.padded(stored)
        measured = values
        if padded is not None:
            if self.valid is None:
                self.valid = np.ones(self.shape, dtype=bool)
            self.valid[index] = ~padded
            measured = values[~padded]
            values = np.where(padded, 0, values)  # replaced at the end; here they must only not widen the type
        low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 0.0)
        if not (low >= -FARTHEST and high <= FARTHEST):
            raise SeriesRefused("pixel data holds values that are no numbers, or beyond any", code="BAD_NUMBER")
        if self.samples.dtype == np.int16 and not (low >= INT16.min and high <= INT16.max and _is_whole(values)):
            self.samples = self.samples.astype(np.float32)
        self.samples[index] = values
        if measured.size:
            self.ranges[index] = low, high
        self.empty += int(low == high and values.size > 1 and padded is None)

    def draw_straight(
        self, index: int, file: DicomFile, frame: int, layout: PixelFormat, transform: ModalityTransform
    ) -> None:
        """The same for a file that ``lies_straight``, without a copy where the samples' range allows it."""
        if self.samples.dtype != np.int16:
            plane = np.empty(self.shape[1:], dtype=np.int16)
            stored = _read_into(plane, file, frame, layout)
            self.draw(index, clean_samples(stored.view(np.uint16), layout, None), transform)
            return
        plane = self.samples[index]
        stored = _read_into(plane, file, frame, layout)
        low, high = int(stored.min()), int(stored.max())
        is_clean = layout.lowest <= low and high <= layout.largest
        pad = transform.padding
        is_measured = pad is None or high < pad[0] or low > pad[1]
        ends = sorted((low * transform.slope + transform.intercept, high * transform.slope + transform.intercept))
        fits = transform.is_whole and transform.table is None and INT16.min <= ends[0] and ends[1] <= INT16.max
        if not (is_clean and is_measured and fits):
            self.draw(index, clean_samples(stored.copy().view(np.uint16), layout, None), transform)
            return
        # As both ends fit, all do; then arithmetic modulo 2^16 gives them, whatever it passes on the way.
        if transform.slope != 1:
            np.multiply(plane, _wrapped(transform.slope), out=plane)
        if transform.intercept != 0:
            np.add(plane, _wrapped(transform.intercept), out=plane)
        self.ranges[index] = ends[0], ends[1]
        self.empty += int(low == high and plane.size > 1)

    def note(self, transform: ModalityTransform, top: float) -> None:
        """What the header says of a slice's values, and the largest that could be stored."""
        self.tops.add(top)
        self.rescale_types.add(transform.rescale_type)
        self.undeclared += int(not transform.is_declared)

    def note_rounding(self) -> None:
        """A file's frames came out of a codec that rounds."""
        self.rounded += 1

    def finished(self) -> NDArray[Any]:
        """The samples, padding replaced by the smallest valid value."""
        if self.valid is not None and self.ranges:
            lowest = min(low for low, _ in self.ranges.values())
            for plane, valid in zip(self.samples, self.valid, strict=True):
                plane[~valid] = lowest
        return self.samples

    def saturation(self) -> float | None:
        """The value at which the top of the volume is clipped, if it is."""
        if not self.ranges:
            return None
        highest = max(high for _, high in self.ranges.values())
        if highest not in self.tops | {float(CLIPPED_HU)}:
            return None
        at_top = [index for index, (_, high) in self.ranges.items() if high == highest]
        value = self.samples.dtype.type(highest)
        count = sum(int((self.samples[index] == value).sum()) for index in at_top)
        return float(value) if count >= SATURATED_VOXELS else None

    def findings(self, record: SeriesRecord) -> Iterator[Finding]:
        """What the samples themselves tell."""
        if self.empty:
            message = f"{self.empty} slices hold one value throughout"
            yield Finding("EMPTY_SLICE", Severity.INFO, message, record.volume_id)
        if self.rounded and all(finding.code != "LOSSY" for finding in record.findings):
            message = (
                f"{self.rounded} files were compressed with loss, though their headers do not say so; values near "
                "edges are altered"
            )
            yield Finding("LOSSY", Severity.WARNING, message, record.volume_id)
        if record.modality == Modality.CT and self.undeclared:
            slices = len(record.frames)
            message = (
                f"{self.undeclared} of {slices} slices do not say what their samples mean; they are taken for "
                "Hounsfield units"
            )
            # A scanner declares it in all slices or in none; in some only, values may jump from slice to slice.
            severity = Severity.INFO if self.undeclared == slices else Severity.WARNING
            yield Finding("ASSUMED_HU", severity, message, record.volume_id)
        if record.modality == Modality.CT and self.rescale_types - HOUNSFIELD_TYPES:
            message = "the header says that values are not Hounsfield units"
            yield Finding("NOT_HU", Severity.WARNING, message, record.volume_id)


def _read_into(plane: NDArray[np.int16], file: DicomFile, frame: int, layout: PixelFormat) -> NDArray[Any]:
    """Fill a plane with a frame's samples; the plane with the sign that the samples have."""
    offset = file.pixels.offset if file.pixels else 0
    with open_bytes(file.path) as stream:
        stream.seek(offset + frame * plane.nbytes)
        count = stream.readinto(plane.data.cast("B"))  # type: ignore[attr-defined]
    if count != plane.nbytes:
        raise SeriesRefused("the pixel data ends early", code="TRUNCATED_PIXEL_DATA", where=str(file.path))
    return plane if layout.is_signed else plane.view(np.uint16)


def _wrapped(number: float) -> np.int16:
    """The number modulo 2^16."""
    return np.int16((int(number) + 2**15) % 2**16 - 2**15)


def _is_whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
