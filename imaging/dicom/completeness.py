"""Whether slices of a series never arrived, as far as its numbers can tell.

The spacing shows a slice that is missing inside; a series that was cut off at an end is evenly spaced. Then only the
counts that the scanner wrote can tell, and they are hints: they give a finding, never a refusal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imaging.dicom.geometry import Stack, spacing_tolerance_mm
from imaging.dicom.instance import Instance
from imaging.dicom.split import Part
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.study.series import SeriesRecord

__all__ = ["incompleteness", "with_siblings_compared"]

SIBLING_TOLERANCE = 0.1  # of a voxel: two series planned as one block agree far better, two others far worse


def incompleteness(instances: Sequence[Instance], part: Part | None) -> tuple[Finding, ...]:
    """INCOMPLETE_SERIES where counts, numbers or the nominal spacing say that images are absent.

    Parameters
    ----------
    instances
        All readable images of the series, slices or not; their numbers count.
    part
        The one volume that they form; None if the series was split, where numbers tell nothing.
    """
    known = _seen_missing(part)
    counted = _by_count(instances, known)
    if counted or part is None or part.stack is None:
        return counted
    return _by_number(instances, known) or _by_spacing(part, part.stack)


def _seen_missing(part: Part | None) -> int:
    """How many slices the positions themselves show to be missing: those need no count to tell of them."""
    acquired = None if part is None or part.stack is None else part.stack.acquired
    return 0 if acquired is None else sum(acquired.missing_within(gap) for gap in acquired.gaps)


def with_siblings_compared(records: Sequence[SeriesRecord]) -> tuple[SeriesRecord, ...]:
    """The records, with a remark on every volume that ends before a sibling of the very same slices.

    Siblings are of one study and frame of reference, and the shorter one's slices are all slices of the longer one,
    from one of its ends on. That may be intended, so it is a remark and no warning.

    Examples
    --------
    >>> with_siblings_compared([])
    ()
    """
    families = defaultdict[tuple[str, ...], list[SeriesRecord]](list)
    for record in records:
        if record.grid is not None and record.frame_of_reference_uid:
            families[(record.patient, record.study_uid, record.frame_of_reference_uid)].append(record)
    cut = {
        id(record): (record.grid.shape[0], longest)
        for family in families.values()
        for record in family
        if record.grid is not None
        if (longest := max((_slices_beyond(record.grid, other.grid) for other in family if other.grid), default=0))
    }
    return tuple(_with_sibling_named(record, *cut[id(record)]) if id(record) in cut else record for record in records)


def _slices_beyond(grid: Grid, other: Grid) -> int:
    """How many slices the other grid has that this one lacks at one end; 0 unless all else is equal."""
    if grid.shape[1:] != other.shape[1:] or grid.shape[0] >= other.shape[0]:
        return 0
    reach = SIBLING_TOLERANCE * min(grid.spacing_mm)
    extent = np.array([*grid.shape]) - 1.0
    corners = np.array([[0.0, 0.0, 0.0], [extent[0], 0.0, 0.0], extent])
    places = other.indices(grid.points(corners))
    first = np.rint(places[0, 0])
    expected = corners + np.array([first, 0.0, 0.0])
    if np.abs((places - expected) * np.array(other.spacing_mm)).max() > reach:
        return 0
    at_an_end = first in (0, other.shape[0] - grid.shape[0])
    return other.shape[0] - grid.shape[0] if at_an_end else 0


def _with_sibling_named(record: SeriesRecord, slices: int, missing: int) -> SeriesRecord:
    message = f"a series of the same slices goes on for {missing} more; this one ends after {slices}"
    remark = Finding("INCOMPLETE_SERIES", Severity.INFO, message, record.volume_id)
    told = any(finding.code == remark.code for finding in record.findings)
    return record if told else replace(record, findings=(*record.findings, remark))


def _by_count(instances: Sequence[Instance], known: int) -> tuple[Finding, ...]:
    expected = max((instance.facts.images_in_acquisition or 0 for instance in instances), default=0)
    present = sum(instance.facts.number_of_frames for instance in instances)
    if expected <= present + known:
        return ()
    return (_incomplete(f"the acquisition has {expected} images, {present} are here"),)


def _by_number(instances: Sequence[Instance], seen: int) -> tuple[Finding, ...]:
    known = sorted({i.number for i in instances if i.number is not None})
    if len(known) != len(instances) or any(instance.facts.number_of_frames > 1 for instance in instances):
        return ()  # numbers that are absent or repeated tell nothing, and those of multi-frame files count files
    gaps = known[-1] - known[0] + 1 - len(known)
    if gaps > seen:
        return (_incomplete(f"{gaps} of the instance numbers {known[0]} to {known[-1]} are absent"),)
    if known[0] > 1:
        message = f"the lowest instance number is {known[0]}; earlier images may exist"
        return (Finding("INCOMPLETE_SERIES", Severity.INFO, message),)
    return ()


def _by_spacing(part: Part, stack: Stack) -> tuple[Finding, ...]:
    """Slices left out at regular intervals leave an even stack, at a multiple of the spacing that was planned."""
    nominal = part.frames[0].instance.facts.nominal_spacing_mm
    distance = stack.grid.slice_distance_mm if stack.acquired is None else stack.acquired.ordinary_mm
    if not nominal or nominal <= 0:
        return ()
    steps = round(distance / nominal)
    if steps < 2 or abs(distance - steps * nominal) > spacing_tolerance_mm(distance):
        return ()
    return (_incomplete(f"slices are {distance:.2f} mm apart, {steps} times the nominal spacing"),)


def _incomplete(message: str) -> Finding:
    return Finding("INCOMPLETE_SERIES", Severity.WARNING, message)
