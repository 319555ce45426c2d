"""The frames of one series as parts: volumes, and what is none, each with the findings of how they were told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from imaging.dicom.candidate import Candidate
from imaging.dicom.concatenation import broken_concatenation
from imaging.dicom.duplicates import without_copies
from imaging.dicom.frames import Frame
from imaging.dicom.geometry import angle_deg
from imaging.dicom.split import ORIENTATION_TOLERANCE_DEG, Part, same_plane, volumes_of
from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.study.series import Skipped

__all__ = ["Judged", "each_judged", "joined_to_the_only_frame"]

FEW_ODD_FRAMES = 4  # fewer frames beside a proper stack are localizers or summaries, not a volume of their own

Judged = tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]


def each_judged(groups: dict[str, list[Candidate]]) -> Judged:
    """Every frame of reference for itself."""
    judged: list[tuple[Part, tuple[Finding, ...]]] = []
    odd: list[Skipped] = []
    for _, members in sorted(groups.items()):
        parts, left_over = _judged([frame for c in members for frame in c.frames])
        judged += parts
        odd += left_over
    return judged, odd


def joined_to_the_only_frame(groups: dict[str, list[Candidate]]) -> Judged | None:
    """Slices that name no frame of reference with those of the only one, if together alone they are a volume."""
    if len(groups) != 2 or "" not in groups:
        return None
    judged, odd = _judged([frame for members in groups.values() for c in members for frame in c.frames])
    if len(judged) != 1 or judged[0][0].stack is None:
        return None
    message = f"{len(groups[''])} images name no frame of reference; they complete the volume of the only one named"
    part, notes = judged[0]
    return [(part, (*notes, Finding("MULTIPLE_FRAME_OF_REFERENCE", Severity.WARNING, message)))], odd


def _judged(frames: Sequence[Frame]) -> tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]:
    """The parts of one frame of reference with the findings of how they were told apart; files left out."""
    homeless = tuple(frame for frame in frames if frame.fault is not None)
    if homeless and _are_beyond_the_ends(homeless, frames):
        parts, left_over = _judged([frame for frame in frames if frame.fault is None])
        if len(parts) == 1 and parts[0][0].stack is not None:
            part, remarks = parts[0]
            why = f"{len(homeless)} slices at an end of the series are left out: {_first_why(homeless)}"
            note = Finding("MISSING_POSITION", Severity.WARNING, why)
            odd = [Skipped(path, "MISSING_POSITION") for path in sorted(_paths(homeless))]
            return [(part, (*remarks, note))], left_over + odd
    fault = _first_fault(frames) or _some_commas(frames) or broken_concatenation(frames)
    if fault is not None:
        return [(Part(tuple(frames), refusal=fault), ())], []
    once, copies = without_copies(frames)
    notes: list[Finding] = []
    if any(frame.has_commas for frame in frames):
        message = "all slices write decimals with a comma, where DICOM has a point; they are read as points"
        notes.append(Finding("BAD_NUMBER", Severity.WARNING, message))
    if copies:
        message = f"{len(copies)} copies of slices, equal in place and values, are left out"
        notes.append(Finding("DUPLICATE_INSTANCE", Severity.WARNING, message))
    clashing = _clashing_uids(once)
    if clashing:
        message = f"{clashing} instance UIDs are used for more than one image"
        notes.append(Finding("DUPLICATE_UID", Severity.WARNING, message))
    skipped = [Skipped(path, "DUPLICATE_INSTANCE") for path in _paths(copies) - _paths(once)]
    try:
        planes = same_plane(once)
    except SeriesRefused as refusal:
        return [(Part(once, refusal=refusal), tuple(notes))], skipped
    if len(planes) == 1:
        return [(part, tuple(notes)) for part in volumes_of(planes[0])], skipped
    parts, left_over = _of_several_planes(planes, tuple(notes))
    return parts, skipped + left_over


def _of_several_planes(
    planes: Sequence[tuple[Frame, ...]], notes: tuple[Finding, ...]
) -> tuple[list[tuple[Part, tuple[Finding, ...]]], list[Skipped]]:
    """Stacks of different orientation or matrix under one series UID: the proper ones stay, if any."""
    cause = _difference(planes)
    parts = [part for plane in planes for part in volumes_of(plane)]
    enough = min(FEW_ODD_FRAMES, max(len(part.frames) for part in parts))
    proper = [part for part in parts if part.stack is not None and len(part.frames) >= enough]
    rest = [part for part in parts if part not in proper]
    message = f"the series holds images of {len(planes)} different planes or matrices; {len(proper)} form volumes"
    note = Finding(cause, Severity.WARNING, message)
    if not proper:
        frames = tuple(frame for part in parts for frame in part.frames)
        largest = max(parts, key=lambda part: len(part.frames)).refusal
        also = (Finding(largest.code, Severity.ERROR, str(largest)),) if largest and largest.code != cause else ()
        refusal = SeriesRefused(f"{message}: none", code=cause)
        return [(Part(frames, refusal=refusal), (*notes, *also))], []
    kept: list[tuple[Part, tuple[Finding, ...]]] = [(part, (*notes, note)) for part in proper]
    used = _paths(frame for part in proper for frame in part.frames)
    skipped = []
    for part in rest:
        if len(part.frames) < FEW_ODD_FRAMES:
            skipped += [Skipped(path, cause) for path in sorted(_paths(part.frames) - used)]
        else:
            kept.append((part, (*notes, note)))
    return kept, skipped


def _difference(planes: Sequence[tuple[Frame, ...]]) -> str:
    first = planes[0][0].orientation
    turned = any(angle_deg(first, plane[0].orientation) > ORIENTATION_TOLERANCE_DEG for plane in planes[1:])
    return "MIXED_ORIENTATION" if turned else "MIXED_GEOMETRY"


def _are_beyond_the_ends(homeless: Sequence[Frame], frames: Sequence[Frame]) -> bool:
    """Whether slices without a position lie outside of all others by their instance numbers.

    Then none of the others has a neighbour missing, and they are a volume if they are evenly spaced.
    """
    if any(f.fault != "MISSING_POSITION" or f.instance.facts.number_of_frames > 1 for f in homeless):
        return False
    numbers = [frame.instance.number for frame in frames]
    known = [number for number in numbers if number is not None]
    kept = [n for n, frame in zip(numbers, frames, strict=True) if frame.fault is None and n is not None]
    if len(set(known)) < len(frames) or not kept:
        return False
    return all(not min(kept) < (f.instance.number or 0) < max(kept) for f in homeless)


def _first_fault(frames: Sequence[Frame]) -> SeriesRefused | None:
    """The most frequent fault of a place, as the refusal of all."""
    faults = Counter(frame.fault for frame in frames if frame.fault)
    if not faults:
        return None
    code, count = min(faults.items(), key=lambda item: (-item[1], item[0]))
    why = _first_why([frame for frame in frames if frame.fault == code])
    return SeriesRefused(f"{count} of {len(frames)} slices do not say where they lie: {why}", code=code)


def _some_commas(frames: Sequence[Frame]) -> SeriesRefused | None:
    """A writer with decimal commas writes them in every slice; in some slices only they are damage."""
    count = sum(frame.has_commas for frame in frames)
    if count in (0, len(frames)):
        return None
    message = f"{count} of {len(frames)} slices write where they lie with commas, the others with points"
    return SeriesRefused(message, code="BAD_NUMBER")


def _first_why(faulty: Sequence[Frame]) -> str:
    """What is wrong with the first of them, by the file's name."""
    first = min(faulty, key=lambda f: (f.instance.number or 0, f.instance.path.name, f.number))
    return f"in {first.instance.path.name}, {first.why or 'frames have no places'}"


def _clashing_uids(frames: Sequence[Frame]) -> int:
    if len({frame.instance.uid for frame in frames}) == len(frames):
        return 0
    counts = Counter((frame.instance.uid, frame.number) for frame in frames if frame.instance.uid)
    return sum(count > 1 for count in counts.values())


def _paths(frames: Iterable[Frame]) -> set[Any]:
    return {frame.instance.path for frame in frames}
