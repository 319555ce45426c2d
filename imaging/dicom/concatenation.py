"""One image in several files (PS3.3 C.7.6.16.2.2.4): which parts are here, and whether all are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from imaging.dicom.facts import Concatenation
from imaging.dicom.frames import Frame
from imaging.dicom.instance import distinct_facts
from imaging.errors import SeriesRefused

__all__ = ["broken_concatenation", "concatenations", "declared_total"]


def concatenations(frames: Sequence[Frame]) -> list[list[Concatenation]]:
    """The parts that are here, of each."""
    parts = defaultdict[str, list[Concatenation]](list)
    for facts in distinct_facts(frame.instance for frame in frames):
        if facts.concatenation is not None:
            parts[facts.concatenation.uid].append(facts.concatenation)
    return [parts[uid] for uid in sorted(parts)]


def declared_total(parts: Sequence[Concatenation]) -> int | None:
    """How many parts there are by what any of them says; none need say so (PS3.3 C.7.6.16.2.2.4, type 3)."""
    return max((part.total for part in parts if part.total is not None), default=None)


def broken_concatenation(frames: Sequence[Frame]) -> SeriesRefused | None:
    """A concatenation (one image in several files) is joined by its frames' places, but only if all parts are here."""
    for parts in concatenations(frames):
        numbers, total = {part.number for part in parts}, declared_total(parts)
        if numbers != set(range(1, (total or len(numbers)) + 1)):
            return SeriesRefused(
                f"{len(numbers)} of {total or 'an unknown number of'} parts of a concatenation are here",
                code="CONCATENATION",
            )
    return None
