"""Files that are alike, read by what they do not share.

Most files of a folder are slices that agree with the one before in everything but a few elements of their own
(:mod:`imaging.dicom.own`). A file is read with care, and what was looked at in its header is written down. If the
header of the next one agrees in all of that, and is built alike, then what was made of the one holds for the other;
what is each file's own, and whether its pixel data is all there, is read in each of them by the same functions.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from imaging.dicom import tags
from imaging.dicom.candidate import Candidate
from imaging.dicom.elements import Elements
from imaging.dicom.facts import Facts
from imaging.dicom.file import DEFLATED, WINDOWS, DicomFile, open_dicom
from imaging.dicom.frames import Look, classic_frame, read_look
from imaging.dicom.instance import Instance
from imaging.dicom.kind import Kind
from imaging.dicom.own import read_own
from imaging.dicom.pattern import Header, Pattern, Seen, freedom, header_of
from imaging.dicom.pixels import PixelFormat, pixel_format, require_size
from imaging.dicom.remembered import Watched
from imaging.dicom.row import Row, read_row
from imaging.dicom.source import FLAGS
from imaging.dicom.span import PixelSpan, pixel_span, plain_span
from imaging.dicom.walk import CutElements
from imaging.errors import InputError

__all__ = ["Alike"]

MOST_KINDS = 8  # of files that are known at a time, the latest first: echoes, phases, series whose files are mingled
ROOM = 64  # bytes behind the header that are read with it: the next one may be longer, and the pixel data's own length


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """What was made of files that are alike; a slice has a look and a layout."""

    facts: Facts
    kind: Kind
    code: str
    look: Look | None
    layout: PixelFormat | None


class Alike:
    """Reads files, one after the other, and remembers the kinds of the last ones."""

    def __init__(self) -> None:
        self._known: list[tuple[Pattern, _Outcome]] = []
        self._latest: Header | None = None
        self._enough = 0  # bytes that hold the header of any file that is known

    def row(self, path: Path) -> Row:
        """What one file is; the same as :func:`imaging.dicom.row.read_row` gives."""
        if self._known:
            row = self._quick_row(path)
            if row is not None:
                return row
        return self._careful_row(path)

    def _quick_row(self, path: Path) -> Candidate | None:
        try:
            descriptor = os.open(path, FLAGS)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            window = os.read(descriptor, self._enough)
            for number, (pattern, outcome) in enumerate(self._known):
                seen = pattern.seen_in(window)
                if seen is not None:
                    if number:
                        self._known.insert(0, self._known.pop(number))
                    pixels = _pixels(window, seen, descriptor, status.st_size, is_implicit=pattern.is_implicit)
                    own = Elements(CutElements(window, seen.places, is_implicit=pattern.is_implicit))
                    return None if pixels is None else _candidate(path, outcome, own, pixels)
        except (OSError, InputError):
            return None  # whatever is wrong with it, the careful way says so
        finally:
            os.close(descriptor)
        return None

    def _careful_row(self, path: Path) -> Row:
        opened = list[tuple[DicomFile, CutElements, Watched]]()

        def watched(path: Path) -> DicomFile:
            file = open_dicom(path)
            cut = file.elements.parsed
            if type(cut) is not CutElements or file.pixels is None or file.syntax == DEFLATED:
                return file
            places = Watched(cut.places)
            watching = CutElements(cut.window, places, is_implicit=cut.is_implicit)
            opened.append((replace(file, elements=Elements(watching)), cut, places))
            return opened[0][0]

        row = read_row(path, watched)
        if opened and isinstance(row, Candidate):
            self._learn(row, *opened[0])
        return row

    def _learn(self, row: Candidate, file: DicomFile, cut: CutElements, places: Watched) -> None:
        """Remember what was made of the file, if it was made of the header alone and of another file too."""
        if file.elements.items(tags.PER_FRAME_GROUPS):
            return
        if row.kind is Kind.SLICE and row.instance.facts.number_of_frames == 1:
            outcome = _Outcome(row.instance.facts, row.kind, row.code, read_look(file.elements), pixel_format(file))
        elif row.kind in (Kind.NO_SLICE, Kind.FOREIGN):
            outcome = _Outcome(row.instance.facts, row.kind, row.code, None, None)
        else:
            return
        latest, self._latest = self._latest, header_of(cut, places.seen)
        header = self._latest
        if header is None or self._has_joined(header):
            return
        free = None if latest is None else freedom(latest, header)
        if free is not None:
            self._keep(Pattern(header, free), outcome)

    def _has_joined(self, header: Header) -> bool:
        """Whether the header was one of a known kind but for its lengths, which are free now."""
        for number, (pattern, outcome) in enumerate(self._known):
            joined = pattern.joined(header)
            if joined is not None:
                del self._known[number]
                self._keep(joined, outcome)
                return True
        return False

    def _keep(self, pattern: Pattern, outcome: _Outcome) -> None:
        if pattern.size + ROOM <= WINDOWS[-1]:
            self._known = [(pattern, outcome), *self._known[: MOST_KINDS - 1]]
            self._enough = max(known.size for known, _ in self._known) + ROOM


def _pixels(window: bytes, seen: Seen, descriptor: int, size: int, *, is_implicit: bool) -> PixelSpan | None:
    """Where the file's pixel data lies, and whether it is all there."""
    pixels = plain_span(window, seen.pixel_element, size, is_implicit=is_implicit)
    if pixels is not None:
        return pixels
    os.lseek(descriptor, seen.pixel_element, os.SEEK_SET)
    stream = cast(BinaryIO, io.FileIO(descriptor, closefd=False))
    return pixel_span(stream, size, is_implicit=is_implicit, is_little_endian=True)


def _candidate(path: Path, outcome: _Outcome, own: Elements, pixels: PixelSpan) -> Candidate:
    """What the careful way makes of a file that is alike.

    Raises
    ------
    InputError
        Its pixel data is not all there.
    """
    instance = Instance(path, outcome.facts, read_own(own), pixels)
    if outcome.look is None or outcome.layout is None:
        return Candidate(instance, (), outcome.kind, outcome.code)
    require_size(outcome.layout, pixels, outcome.facts.syntax, "")
    return Candidate(instance, (classic_frame(instance, outcome.look, own),), outcome.kind, outcome.code)
