"""A record's slices, read into one volume of modality values.

Frames are read in the order of the record's grid. What the scan promised is checked again, because files change between
a scan and a load. Hounsfield units are kept as int16 where every value is whole and fits, else as float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.dicom import tags
from imaging.dicom.file import PARSE_ERRORS, DicomFile, open_dicom, parser_silenced
from imaging.dicom.pixels import ModalityTransform, modality_transform, pixel_format, stored_frames
from imaging.errors import InputError, SeriesRefused, UnreadableFile
from imaging.finding import Finding, Severity
from imaging.geometry.acquired import AcquiredSlices
from imaging.study.series import FrameSource, SeriesRecord, Verdict
from imaging.volume.volume import Modality, Volume

__all__ = ["load_volume"]

INT16 = np.iinfo(np.int16)
CLIPPED_HU = 3071  # the top of the 12-bit scale with intercept -1024, to which many reconstructions clip
SATURATED_VOXELS = 20  # one maximum is noise; as many at exactly one value are a plateau
HOUNSFIELD_TYPES = {"", "HU"}
MAX_VOLUME_BYTES = 16 * 2**30


def load_volume(record: SeriesRecord) -> Volume:
    """The volume that a scan's record describes.

    Parameters
    ----------
    record
        Exact or corrected.

    Returns
    -------
    Volume
        CT in HU, MR in the scanner's values; never inverted, windowed or resampled. Where the header declares padding,
        ``valid`` is False and the sample is the smallest valid value of the volume, so that padding is never the
        darkest thing in an image nor a lesion; the same holds for planes of a stack with gaps that were not imaged.
        ``saturation_hu`` is set where at least 20 voxels of a CT sit at exactly its maximum, and that maximum is the
        top of what was stored or the 12-bit clip of 3071 HU.

    Raises
    ------
    SeriesRefused
        The record is refused, or its pixel data cannot be read; the code says why.
    UnreadableFile
        A file vanished or changed since the scan.
    """
    if record.verdict is Verdict.REFUSED or record.grid is None:
        raise SeriesRefused(
            f"the series was refused ({record.code}) and cannot be loaded", code=record.code, where=record.volume_id
        )
    if int(np.prod(record.grid.shape)) * 4 > MAX_VOLUME_BYTES:
        raise SeriesRefused("the volume is beyond any image", code="DECLARED_SIZE_TOO_LARGE", where=record.volume_id)
    canvas = _Canvas((len(record.frames), *record.grid.shape[1:]))
    for path, places in _by_file(record.frames).items():
        try:
            with parser_silenced():
                for index, stored, transform, top in _values(path, places, record):
                    canvas.draw(index, stored, transform, top)
        except UnreadableFile:
            raise
        except InputError as error:
            raise SeriesRefused(str(error), code=error.code, where=error.where or str(path)) from None
        except PARSE_ERRORS as error:
            raise UnreadableFile(f"not readable as DICOM ({type(error).__name__})", where=str(path)) from None
    samples, valid = canvas.finished(), canvas.valid
    saturation = canvas.saturation() if record.modality == Modality.CT else None
    if record.acquired_slices is not None:
        samples, valid = _on_planes(samples, valid, record.acquired_slices)
    return Volume(
        samples=samples,
        grid=record.grid,
        modality=Modality(record.modality),
        role=record.role or "",
        series_uid=record.series_uid,
        frame_of_reference_uid=record.frame_of_reference_uid,
        valid=valid,
        saturation_hu=saturation,
        findings=(*_remarks(record), *canvas.findings(record)),
        acquired_slices=record.acquired_slices,
    )


def _remarks(record: SeriesRecord) -> Iterator[Finding]:
    """What the scan found, but for gaps: they touch only what reaches one, and the measurement says so there."""
    gaps = record.acquired_slices.code if record.acquired_slices is not None else None
    return (finding for finding in record.findings if finding.code != gaps)


def _on_planes(
    slices: NDArray[Any], valid: BoolArray | None, acquired: AcquiredSlices
) -> tuple[NDArray[Any], BoolArray | None]:
    """The slices on the grid's planes; where nothing was imaged, not valid and the smallest valid value."""
    known = acquired.spread(np.ones(slices.shape, dtype=bool) if valid is None else valid)
    samples = acquired.spread(slices)
    lowest = slices.min()  # padding within the slices holds it already
    for plane, number in enumerate(acquired.shown):
        if number is None:
            samples[plane] = lowest
    return samples, known


@dataclass(slots=True)
class _Canvas:
    """The volume while it is filled: int16 until a value does not fit."""

    shape: tuple[int, int, int]
    samples: NDArray[Any] = field(init=False)
    valid: BoolArray | None = None
    tops: set[float] = field(default_factory=set)
    rescale_types: set[str] = field(default_factory=set)
    empty: int = 0
    undeclared: int = 0

    def __post_init__(self) -> None:
        self.samples = np.empty(self.shape, dtype=np.int16)

    def draw(self, index: int, stored: NDArray[Any], transform: ModalityTransform, top: float) -> None:
        """Put one slice in its place."""
        values = transform.values(stored)
        padded = transform.padded(stored)
        if padded is not None:
            if self.valid is None:
                self.valid = np.ones(self.shape, dtype=bool)
            self.valid[index] = ~padded
            values = np.where(padded, 0, values)  # replaced at the end; here they must only not widen the type
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise SeriesRefused("pixel data holds values that are no numbers", code="BAD_NUMBER")
        if self.samples.dtype == np.int16 and not (low >= INT16.min and high <= INT16.max and _is_whole(values)):
            self.samples = self.samples.astype(np.float32)
        self.samples[index] = values
        self.tops.add(top)
        self.rescale_types.add(transform.rescale_type)
        self.undeclared += int(not transform.is_declared)
        self.empty += int(low == high and values.size > 1 and padded is None)

    def finished(self) -> NDArray[Any]:
        """The samples, padding replaced by the smallest valid value."""
        if self.valid is not None and self.valid.any():
            self.samples[~self.valid] = self.samples[self.valid].min()
        return self.samples

    def saturation(self) -> float | None:
        """The value at which the top of the volume is clipped, if it is."""
        highest = float(self.samples.max())
        if highest not in self.tops | {float(CLIPPED_HU)}:
            return None
        return highest if int((self.samples == highest).sum()) >= SATURATED_VOXELS else None

    def findings(self, record: SeriesRecord) -> Iterator[Finding]:
        """What the samples themselves tell."""
        if self.empty:
            message = f"{self.empty} slices hold one value throughout"
            yield Finding("EMPTY_SLICE", Severity.INFO, message, record.volume_id)
        if record.modality == Modality.CT and self.undeclared:
            message = (
                f"{self.undeclared} slices do not say what their samples mean; they are taken for Hounsfield units"
            )
            yield Finding("ASSUMED_HU", Severity.INFO, message, record.volume_id)
        if record.modality == Modality.CT and self.rescale_types - HOUNSFIELD_TYPES:
            message = "the header says that values are not Hounsfield units"
            yield Finding("NOT_HU", Severity.WARNING, message, record.volume_id)


def _values(
    path: Path, places: dict[int, tuple[int, FrameSource]], record: SeriesRecord
) -> Iterator[tuple[int, NDArray[Any], ModalityTransform, float]]:
    """Slice index, stored samples, their transform and the largest value that can be stored, of one file's frames."""
    file = open_dicom(path)
    _require_unchanged(file, places, record)
    layout = pixel_format(file)
    for number, stored in enumerate(stored_frames(file)):
        if number not in places:
            continue
        transform = modality_transform(file, number)
        top = float(transform.values(np.array([layout.largest])).max())
        yield places[number][0], stored, transform, top


def _require_unchanged(file: DicomFile, places: dict[int, tuple[int, FrameSource]], record: SeriesRecord) -> None:
    elements = file.elements
    plane = (elements.integer(tags.ROWS), elements.integer(tags.COLUMNS))
    uid = elements.text(tags.SOP_INSTANCE_UID)
    frames = elements.integer(tags.NUMBER_OF_FRAMES) or 1
    same = all(source.instance_uid == uid for _, source in places.values()) and max(places) < frames
    if not same or record.grid is None or plane != record.grid.shape[1:]:
        raise UnreadableFile("the file changed since it was scanned", code="CHANGED_FILE", where=str(file.path))


def _by_file(sources: tuple[FrameSource, ...]) -> dict[Path, dict[int, tuple[int, FrameSource]]]:
    """For every file: which of its frames go to which slice."""
    places: dict[Path, dict[int, tuple[int, FrameSource]]] = defaultdict(dict)
    for index, source in enumerate(sources):
        places[source.path][source.frame] = (index, source)
    return places


def _is_whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
