"""A file on its way to a series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imaging.dicom.frames import Frame, unplaced_frame
from imaging.dicom.instance import Instance
from imaging.dicom.kind import Kind

__all__ = ["Candidate", "frames_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A file that may belong to a series: its instance, its frames, and what it is."""

    instance: Instance
    frames: tuple[Frame, ...]
    kind: Kind
    code: str = ""


def frames_of(candidates: Iterable[Candidate]) -> tuple[Frame, ...]:
    return tuple(f for candidate in candidates for f in candidate.frames or (unplaced_frame(candidate.instance),))
