"""The volumes that are stacked in one series: told apart by plane, then by what kind of image each slice is.

A series may hold localizers beside the stack, two echoes, several b-values, phases of contrast, Dixon parts. A split is
made only where the whole is no volume and every part is one, over the same region; so a series with a missing slice is
never talked into being two short volumes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from imaging.dicom.frames import Frame
from imaging.dicom.gaps import GAP_CODES, stack_with_gaps
from imaging.dicom.geometry import Stack, angle_deg, plane_directions, stack_slices
from imaging.dicom.instance import distinct_facts
from imaging.dicom.likeness import Kinds, kinds_of
from imaging.dicom.marks import Marks
from imaging.dicom.mixture import MEANING, mixture
from imaging.errors import SeriesRefused
from imaging.finding import Finding

__all__ = ["Part", "same_plane", "volumes_of", "with_gaps"]

ORIENTATION_TOLERANCE_DEG = 0.1
PIXEL_SPACING_TOLERANCE = 5e-4  # relative: rounding to four digits, a tenth of a pixel over 200 pixels
MOST_PLANES = 128  # of one series; a series of radial slices has some dozen
FAR_APART = 0.01  # of a direction cosine: five times what two orientations that count as one may differ by
MOST_FIELDS = 3  # marks combined to tell volumes apart
LEAST_OVERLAP = 0.5  # of the shorter part's extent
LEAST_SLICES = 3  # of a part; two slices are evenly spaced whatever they are
SPLITTABLE = {"DUPLICATE_POSITION", "NON_UNIFORM_SPACING", "MISSING_SLICES", "MIXED_GEOMETRY"}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Slices that belong together: a stack in its order, or the reason why they form none."""

    frames: tuple[Frame, ...]
    stack: Stack | None = None
    refusal: SeriesRefused | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def refusal_code(self) -> str:
        """Code of the refusal; "" for a stack."""
        return self.refusal.code if self.refusal else ""


def same_plane(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], ...]:
    """The frames by matrix, pixel spacing (within 0.05 %) and orientation (within 0.1°), the largest group first.

    Raises
    ------
    SeriesRefused
        MIXED_ORIENTATION: more planes than any series has.
    """
    if _lie_alike(frames):  # as nearly always: then only the positions differ
        positions = {frame.position for frame in frames}
        apart = len(positions) == len(frames) and None not in positions
        return (tuple(sorted(frames, key=_position if apart else _plane_key)),)
    groups: list[list[Frame]] = []
    for frame in sorted(frames, key=_plane_key):
        home = next((group for group in groups if _is_same_plane(group[0], frame)), None)
        if home is None:
            groups.append([frame])
            if len(groups) > MOST_PLANES:
                message = f"the series holds images of more than {MOST_PLANES} different planes"
                raise SeriesRefused(message, code="MIXED_ORIENTATION")
        else:
            home.append(frame)
    return tuple(tuple(group) for group in sorted(groups, key=lambda g: (-len(g), _plane_key(g[0]))))


def volumes_of(frames: Sequence[Frame]) -> tuple[Part, ...]:
    """The volumes that frames of one plane form: one, several, or one refusal."""
    whole = _as_part(frames)
    if whole.stack is not None:
        split = _split_by(frames, MEANING, least=LEAST_SLICES)
        return split or (_with_mixture_noted(whole),)
    if whole.refusal_code not in SPLITTABLE:
        return (whole,)
    repeats = whole.refusal_code == "DUPLICATE_POSITION"
    split = _split_by(frames, Marks._fields, least=2 if repeats else LEAST_SLICES)
    if split:
        return split
    if repeats and _is_repeated_evenly(frames):
        refusal = SeriesRefused(
            "every position is repeated alike: several volumes whose headers do not tell them apart",
            code="MULTIPLE_VOLUMES",
        )
        return (Part(whole.frames, refusal=refusal),)
    return (whole,)


def with_gaps(part: Part) -> Part | None:
    """The part as the volume that it is if its gaps are accepted; None where gaps are not why it was refused."""
    if part.refusal_code not in GAP_CODES:
        return None
    taken = _as_part(part.frames, stacked=stack_with_gaps)
    return None if taken.stack is None else _with_mixture_noted(taken)


def _as_part(frames: Sequence[Frame], *, stacked: Callable[..., Stack] = stack_slices) -> Part:
    first = frames[0].facts
    if all(frame.plane is frames[0].plane for frame in frames):
        orientations = np.tile(frames[0].orientation, (len(frames), 1))
        spacing = np.tile(frames[0].pixel_spacing, (len(frames), 1)).mean(axis=0)
    else:
        orientations = np.array([frame.orientation for frame in frames])
        spacing = np.mean([frame.pixel_spacing for frame in frames], axis=0)
    try:
        stack = stacked(
            np.asarray([frame.position for frame in frames], dtype=np.float64),
            orientations,
            (float(spacing[0]), float(spacing[1])),
            (first.rows or 0, first.columns or 0),
        )
    except SeriesRefused as refusal:
        return Part(tuple(frames), refusal=refusal)
    return Part(tuple(frames[i] for i in stack.order), stack, findings=stack.findings)


def _split_by(frames: Sequence[Frame], fields: Sequence[str], *, least: int) -> tuple[Part, ...]:
    """The parts by the fewest marks that make every part a volume over the same region; () if none do."""
    kinds = kinds_of(frames)
    for keys in _candidate_keys(kinds, fields, len(frames) // least):
        groups = defaultdict[object, list[Frame]](list)
        for frame in frames:
            groups[tuple(kinds[field][getattr(frame.marks, field)] for field in keys)].append(frame)
        if min(len(group) for group in groups.values()) < least:
            continue
        parts = [_as_part(group) for group in groups.values()]
        if all(part.stack is not None for part in parts) and _overlap(parts):
            return tuple(sorted(map(_with_mixture_noted, parts), key=_part_key))
    return ()


def _candidate_keys(kinds: Kinds, fields: Sequence[str], most: int) -> Iterator[tuple[str, ...]]:
    differing = [field for field in fields if 2 <= len(set(kinds[field].values())) <= most]
    for count in range(1, MOST_FIELDS + 1):
        yield from combinations(differing, count)


def _overlap(parts: Sequence[Part]) -> bool:
    """Whether any two parts share at least half of the shorter one's extent along the normal."""
    ranges = [_extent(part.frames) for part in parts]
    for (low, high), (other_low, other_high) in combinations(ranges, 2):
        shared = min(high, other_high) - max(low, other_low)
        if shared < LEAST_OVERLAP * min(high - low, other_high - other_low):
            return False
    return True


def _extent(frames: Sequence[Frame]) -> tuple[float, float]:
    heights = _heights(frames)
    return float(heights.min()), float(heights.max())


def _heights(frames: Sequence[Frame]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    along_row, along_column = plane_directions(np.asarray(frames[0].orientation))
    positions = np.asarray([frame.position for frame in frames], dtype=np.float64)
    return np.asarray(positions @ np.cross(along_row, along_column))


def _is_repeated_evenly(frames: Sequence[Frame]) -> bool:
    counts = Counter(round(float(height), 2) for height in _heights(frames))
    return len(counts) > 1 and len(set(counts.values())) == 1


def _with_mixture_noted(part: Part) -> Part:
    return part if part.stack is None else replace(part, findings=(*part.findings, *mixture(part.frames)))


def _lie_alike(frames: Sequence[Frame]) -> bool:
    """Whether all frames have one matrix, spacing and orientation, to the last digit."""
    planes = {id(frame.plane): frame.plane for frame in frames}.values()
    matrices = {(facts.rows, facts.columns) for facts in distinct_facts(frame.instance for frame in frames)}
    return len({(plane.pixel_spacing, plane.orientation) for plane in planes}) == 1 == len(matrices)


def _position(frame: Frame) -> tuple[float, ...]:
    return frame.position or ()


def _is_same_plane(one: Frame, two: Frame) -> bool:
    same_matrix = (one.facts.rows, one.facts.columns) == (
        two.facts.rows,
        two.facts.columns,
    )
    if same_matrix and one.orientation == two.orientation and one.pixel_spacing == two.pixel_spacing:
        return True  # as nearly always; the angle below takes a hundred times longer
    pairs = zip(one.orientation, two.orientation, strict=True)
    return (
        same_matrix
        and max(abs(first - second) for first, second in pairs) <= FAR_APART
        and bool(np.allclose(one.pixel_spacing, two.pixel_spacing, rtol=PIXEL_SPACING_TOLERANCE, atol=0))
        and angle_deg(one.orientation, two.orientation) <= ORIENTATION_TOLERANCE_DEG
    )


def _plane_key(frame: Frame) -> tuple[object, ...]:
    return (
        frame.facts.rows or 0,
        frame.facts.columns or 0,
        frame.pixel_spacing,
        frame.orientation,
        frame.position or (),
        _order_key(frame),
    )


def _order_key(frame: Frame) -> tuple[object, ...]:
    number = frame.instance.number
    return (number is None, number or 0, frame.number, frame.instance.uid, str(frame.instance.path))


def _part_key(part: Part) -> tuple[object, ...]:
    return min(_order_key(frame) for frame in part.frames)
