"""One file's identity: what it says for itself, what its series says, and where its pixel data lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imaging.dicom.facts import Facts, read_facts
from imaging.dicom.file import DicomFile, PixelSpan
from imaging.dicom.moment import frame_moment
from imaging.dicom.own import Own, own_elements, read_own

__all__ = ["Instance", "distinct_facts", "read_instance"]


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One file; ``facts`` may be one value for all slices of a series, ``own`` is each one's."""

    path: Path
    facts: Facts
    own: Own
    pixels: PixelSpan | None

    @property
    def uid(self) -> str:
        """SOP Instance UID, or ""."""
        return self.own.uid

    @property
    def number(self) -> int | None:
        """Instance Number."""
        return self.own.instance_number

    @property
    def lossy_ratio(self) -> float | None:
        """How many times smaller the images were made: as the header says, else by the bytes that are there."""
        facts, pixels = self.facts, self.pixels
        if not facts.is_lossy or facts.declared_ratio is not None:
            return facts.declared_ratio
        if pixels is None or pixels.length is not None or not pixels.available:
            return None  # decompressed since, and nothing tells how strong it was
        samples = (facts.rows or 0) * (facts.columns or 0) * facts.number_of_frames
        return samples * facts.bits_allocated / 8 / pixels.available or None


def read_instance(file: DicomFile) -> Instance:
    """The facts of one file; whatever is absent or unreadable is None or ""."""
    own = read_own(own_elements(file.elements))
    facts = read_facts(file)
    if own.acquired is None:
        own = own._replace(acquired=frame_moment(file.elements))
    return Instance(file.path, facts, own, file.pixels)


def distinct_facts(instances: Iterable[Instance]) -> tuple[Facts, ...]:
    """The facts of all instances; those that many of them share, once."""
    return tuple({id(facts): facts for facts in [instance.facts for instance in instances]}.values())
