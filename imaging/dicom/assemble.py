"""A record's slices, read into one volume of modality values.

Frames are read in the order of the record's grid. What the scan promised is checked again, because files change between
a scan and a load. Hounsfield units are kept as int16 where every value is whole and fits, else as float32.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.dicom import tags
from imaging.dicom.canvas import Canvas, lies_straight
from imaging.dicom.codestream import is_compressed
from imaging.dicom.file import PARSE_ERRORS, DicomFile, open_dicom, parser_silenced
from imaging.dicom.pixels import (
    ModalityTransform,
    frame_readers,
    is_rounded_inside,
    largest_value,
    modality_transform,
    pixel_format,
    require_size,
)
from imaging.errors import InputError, SeriesRefused, UnreadableFile
from imaging.finding import Finding
from imaging.geometry.acquired import AcquiredSlices
from imaging.study.series import FrameSource, SeriesRecord, Verdict
from imaging.volume.volume import Modality, Volume

__all__ = ["load_volume"]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DECODED_AHEAD = 2 * CORES  # frames: every core has its next one, and memory stays bounded
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
    canvas = Canvas((len(record.frames), *record.grid.shape[1:]))
    _draw(canvas, record)
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


def _draw(canvas: Canvas, record: SeriesRecord) -> None:
    """Every file's frames in their places; compressed ones are decoded beside one another, on all cores."""
    with parser_silenced(), ThreadPoolExecutor(CORES) as pool:
        waiting = deque[_Decoding]()
        try:
            for path, places in _by_file(record.frames).items():
                with _named(path):
                    for decoding in _drawn_or_decoding(canvas, path, places, record, pool):
                        waiting.append(decoding)
                        while len(waiting) > DECODED_AHEAD:
                            _finish(canvas, waiting.popleft())
            while waiting:
                _finish(canvas, waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


class _Decoding(NamedTuple):
    """A frame on its way."""

    path: Path
    place: int
    transform: ModalityTransform
    samples: Future[NDArray[Any]]


def _drawn_or_decoding(
    canvas: Canvas, path: Path, places: dict[int, tuple[int, FrameSource]], record: SeriesRecord, pool: Executor
) -> Iterator[_Decoding]:
    """Draw the frames of a file that need no decoder, and hand the others to one."""
    file = open_dicom(path)
    _require_unchanged(file, places, record)
    layout = pixel_format(file)
    require_size(layout, file.pixels, file.syntax, str(file.path))
    is_straight, needs_decoder = lies_straight(file, layout), is_compressed(file.syntax)
    readers = () if is_straight else frame_readers(file)
    if needs_decoder and is_rounded_inside(file):
        canvas.note_rounding()
    for frame, (index, _) in sorted(places.items()):
        transform = modality_transform(file, frame)
        canvas.note(transform, largest_value(transform, layout))
        if is_straight:
            canvas.draw_straight(index, file, frame, layout, transform)
        elif needs_decoder:
            yield _Decoding(path, index, transform, pool.submit(readers[frame]))
        else:
            canvas.draw(index, readers[frame](), transform)


def _finish(canvas: Canvas, decoding: _Decoding) -> None:
    with _named(decoding.path):
        canvas.draw(decoding.place, decoding.samples.result(), decoding.transform)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file ends in an error of ours that names it."""
    try:
        yield
    except UnreadableFile:
        raise
    except InputError as error:
        raise SeriesRefused(str(error), code=error.code, where=error.where or str(path)) from None
    except PARSE_ERRORS as error:
        raise UnreadableFile(f"not readable as DICOM ({type(error).__name__})", where=str(path)) from None


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
