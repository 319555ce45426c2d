"""Whether the slices of one volume may stem from several acquisitions: then the volume says so.

Slices of two acquisitions that lie between one another are evenly spaced, and nothing but their headers tells. Three
kinds of elements are looked at. Some change what the samples mean; a volume has one value of them. Some are said of the
series as a whole, so slices that differ in them were put together by somebody. And some count slices, packages or
parts of a scan: there it tells only if a value comes back after another one.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from imaging.dicom.facts import Facts
from imaging.dicom.frames import Frame
from imaging.dicom.instance import distinct_facts
from imaging.dicom.likeness import Kinds, kinds_of
from imaging.finding import Finding, Severity

__all__ = ["MEANING", "mixture"]

# Marks that change what the samples mean; the others (numbers, moments) only say when a slice was made.
MEANING = (
    "image_type", "component", "echo_time", "b_value", "temporal_position", "inversion_time", "kernel", "kvp",
    "contrast", "flip_angle", "repetition_time",
)  # fmt: skip
# Of these, a value of its own for every slice counts slices, or follows pulse and breath.
MAY_COUNT = {"temporal_position", "inversion_time", "repetition_time"}
LEAST_OF_A_PHASE = 3  # slices that share a trigger time; by chance two may
LONGEST_SCAN = datetime.timedelta(hours=6)  # across midnight too; whatever is farther apart is another examination


def mixture(frames: Sequence[Frame]) -> tuple[Finding, ...]:
    """MIXED_ACQUISITION if slices, in their order, differ in what one acquisition has in common.

    Examples
    --------
    >>> mixture([])
    ()
    """
    if not frames:
        return ()
    kinds = kinds_of(frames)
    differing = [*_in_meaning(kinds, len(frames)), *_returning(frames, kinds)]
    differing += _in_series(distinct_facts(frame.instance for frame in frames))
    if _are_days_apart(frames):
        differing.append("date of acquisition")
    if not differing:
        return ()
    message = f"slices of one volume differ in {', '.join(name.replace('_', ' ') for name in differing)}"
    return (Finding("MIXED_ACQUISITION", Severity.WARNING, message),)


def _in_meaning(kinds: Kinds, count: int) -> Iterator[str]:
    for field in MEANING[1:]:  # parts of an image type differ within many clean volumes
        is_counter = field in MAY_COUNT and len(kinds[field]) == count
        if not is_counter and len(set(kinds[field].values())) > 1:
            yield field


def _returning(frames: Sequence[Frame], kinds: Kinds) -> Iterator[str]:
    if len(kinds["acquisition_number"]) > 1 and _returns([frame.marks.acquisition_number for frame in frames]):
        yield "acquisition_number"
    if len(kinds["trigger_time"]) > 1:
        moments = [frame.marks.trigger_time for frame in frames]
        if min(Counter(moments).values()) >= LEAST_OF_A_PHASE and _returns(moments):
            yield "trigger_time"


def _returns(values: Sequence[object]) -> bool:
    """Whether a value stands again behind another one."""
    runs = 1 + sum(one != other for one, other in pairwise(values))
    return runs > len(set(values))


def _in_series(known: Sequence[Facts]) -> Iterator[str]:
    if len({facts.slice_thickness_mm for facts in known}) > 1:
        yield "slice_thickness"
    first = known[0].of_series
    for name, *values in zip(first._fields, *(facts.of_series for facts in known), strict=True):
        if len(set(values)) > 1:
            yield name


def _are_days_apart(frames: Sequence[Frame]) -> bool:
    moments = {frame.instance.own.acquired for frame in frames} - {None}
    if len({moment[:10] for moment in moments if moment}) < 2:
        return False
    known = [datetime.datetime.fromisoformat(moment) for moment in moments if moment]
    return max(known) - min(known) > LONGEST_SCAN
