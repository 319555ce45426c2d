"""Copies of one slice: which files hold the same image twice."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from imaging.dicom.file import open_dicom, parser_silenced
from imaging.dicom.frames import Frame
from imaging.dicom.pixels import modality_transform, stored_frames
from imaging.dicom.source import open_bytes
from imaging.errors import InputError

__all__ = ["without_copies"]

FAR_MM = 2e-3  # twice what two numbers that round to one may differ by
SAME_PLACE_DIGITS = 3  # µm: copies have the same header, so their positions agree to the last digit


def without_copies(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """The frames each once, and the copies that were left out.

    Two frames are copies if they lie at one place, have the same instance UID or the same marks, and hold the same
    values. Only such candidates have their pixels read. Two echoes of air with equal pixels differ in their marks and
    both stay; two images of one place with unequal pixels both stay, to be refused where the volume is judged.
    """
    if _are_apart(frames):  # as nearly always
        return tuple(frames), ()
    places = {id(frame): _place(frame) for frame in frames}
    kept, copies, contents = list(frames), list[Frame](), _Contents()
    for key in (_instance, _marks):
        groups = defaultdict[object, list[Frame]](list)
        for frame in kept:
            groups[key(frame), places[id(frame)]].append(frame)
        extra = {id(copy) for group in groups.values() if len(group) > 1 for copy in _copies_in(group, contents)}
        copies += [frame for frame in kept if id(frame) in extra]
        kept = [frame for frame in kept if id(frame) not in extra]
    return tuple(kept), tuple(copies)


def _are_apart(frames: Sequence[Frame]) -> bool:
    """Whether no two frames have one place, for any two differ by far in the one coordinate that spreads most."""
    points = np.array([frame.position for frame in frames if frame.position is not None])
    if len(points) < max(len(frames), 2):
        return False
    widest = np.argmax(np.ptp(points, axis=0))
    return bool((np.diff(np.sort(points[:, widest])) > FAR_MM).all())


def _instance(frame: Frame) -> object:
    uid = frame.instance.uid
    return (uid, frame.number) if uid else id(frame)


def _marks(frame: Frame) -> object:
    return frame.marks


def _place(frame: Frame) -> object:
    point = tuple([round(number, SAME_PLACE_DIGITS) for number in frame.position or ()])
    return point, _rounded(frame.orientation), frame.facts.rows, frame.facts.columns


@lru_cache
def _rounded(orientation: tuple[float, ...]) -> tuple[float, ...]:
    return tuple([round(number, SAME_PLACE_DIGITS) for number in orientation])


class _Contents:
    """Digests of files and of their frames; each file is read once, however many of its frames are compared."""

    def __init__(self) -> None:
        self._files = dict[Path, str]()
        self._frames = dict[Path, dict[int, str]]()

    def file(self, path: Path) -> str:
        if path not in self._files:
            self._files[path] = _file_digest(path)
        return self._files[path]

    def frame(self, path: Path, number: int) -> str:
        """Of what the frame's samples mean, so that a compressed copy equals an uncompressed one."""
        if path not in self._frames:
            self._frames[path] = _value_digests(path)
        return self._frames[path].get(number, f"{path}:{number}")  # unreadable: equal to nothing


def _copies_in(group: Iterable[Frame], contents: _Contents) -> Iterable[Frame]:
    """All but the first (by path) of those with equal content."""
    seen_files, seen_values = set[str](), set[str]()
    for frame in sorted(group, key=lambda f: (str(f.instance.path), f.number)):
        path = frame.instance.path
        file_digest = f"{contents.file(path)}:{frame.number}"
        if file_digest in seen_files:
            yield frame
            continue
        seen_files.add(file_digest)
        value_digest = contents.frame(path, frame.number)
        if value_digest in seen_values:
            yield frame
        seen_values.add(value_digest)


def _file_digest(path: Path) -> str:
    try:
        with open_bytes(path) as stream:
            return hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
    except OSError:
        return str(path)


def _value_digests(path: Path) -> dict[int, str]:
    """Of every frame as far as the file can be read."""
    digests = dict[int, str]()
    try:
        with parser_silenced():
            file = open_dicom(path)
            for number, stored in enumerate(stored_frames(file)):
                values = modality_transform(file, number).values(stored).astype("<f8")
                digests[number] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    except InputError:
        pass
    return digests
