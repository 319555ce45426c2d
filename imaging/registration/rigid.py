"""Where one exam lies in another, as a turn and a shift, with the evidence for it.

Coarse to fine: a lattice of shifts on blocks of up to 10 mm, turns around the best, and ascents, also from the centres
of mass laid over each other and from the frame of reference as it is. The best summits climb on through 5 mm to 2 mm
blocks, there driven by bone where a CT shows it. Every summit that survives is kept as a rival, because a second answer
nearly as good as the first is the plainest sign of a wrong one.

Which image is called fixed changes nothing: the one that shows less of the body is looked for in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.finding import Finding, Severity
from imaging.geometry import Rigid
from imaging.registration.information import Comparison
from imaging.registration.interpolation import indices_of, moved_by
from imaging.registration.level import Level, coarser, level_of
from imaging.registration.points import spread_points, thinned
from imaging.registration.quality import OTHER_KIND, SAME_KIND, evidence_for, reasons_against, rejection
from imaging.registration.search import (
    ascend,
    discounted,
    displacement_mm,
    distinct,
    lattice_of_shifts,
    turned,
)
from imaging.volume import Volume

__all__ = ["Registration", "register"]

FINE_MM, MIDDLE_MM, COARSE_MM = 2.2, 5.0, (6.0, 10.0)
BLOCKS_ACROSS = 15  # a pelvis's field of view gets blocks of 10 mm, a thigh's around a tumour of 7 mm


class Effort(NamedTuple):
    """How many points are compared, and how many steps an ascent may take."""

    points: int
    steps: int


COARSE, MIDDLE, FINE = Effort(1500, 25), Effort(4000, 30), Effort(24000, 30)
DOUBT_POINTS = 8000  # each half of which must find the place alone
FEWEST_POINTS = 200  # of 10 mm blocks' quarters: 50 mL of body in each image is the least
SHIFT_STARTS, TURNED_STARTS = 6, 4
SUMMITS_KEPT = 4
SUMMITS_FINE = 2
APART_MM = 8.0  # nearer summits on 10 mm blocks are one
COARSE_AGREEING_MM = 12.0  # of ends on the coarsest blocks, with the answer on fine ones: a block, and what it rounds
RIVAL_APART_MM = 10.0  # a summit that far away is another answer
# Bone does not bend, so points lie closer together there, where there is much of it: half of them on a pelvis, whose
# soft tissue gravity presses flat; a quarter in a thigh, along whose femur more of them would slide.
BONE_WEIGHT, MOST_BONE_SHARE = 3.0, 0.5
FEWEST_BONE_POINTS = 300
FRAME_DISAGREES_MM = 5.0  # patients move by less between sequences of one session


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Registration:
    """Where the moving exam lies in the fixed one.

    Parameters
    ----------
    fixed_from_moving
        The best transform found, also when rejected.
    accepted
        Whether nothing speaks against it. A rejected transform must not be used.
    evidence
        The figures of :class:`imaging.registration.quality.Evidence`, and how the images were compared.
    findings
        REGISTRATION_REJECTED with the reasons; FRAME_OF_REFERENCE_DISAGREES where a shared frame proves wrong.
    """

    fixed_from_moving: Rigid
    accepted: bool
    evidence: Mapping[str, float | str | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def register(
    fixed: Volume,
    moving: Volume,
    *,
    fixed_exclude: BoolArray | None = None,
    moving_exclude: BoolArray | None = None,
    start: Rigid | None = None,
) -> Registration:
    """Find the moving exam in the fixed one, and say whether to believe it.

    Parameters
    ----------
    fixed, moving
        CT or MR in any combination; grids may differ and may be sheared.
    fixed_exclude, moving_exclude
        True where the images must not be compared (lesion, cement, glue, metal), each on its volume's grid.
    start
        A ``fixed_from_moving`` to try besides the built-in starts.

    Raises
    ------
    GeometryError
        If an exclusion does not fill its grid.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((8, 16, 16), (5.0, 5.0, 5.0))
    >>> flat = Volume(samples=np.zeros((8, 16, 16), np.float32), grid=grid, modality=Modality.MR)
    >>> register(flat, flat).accepted  # nothing is seen, so nothing is believed
    False
    """
    for volume, exclude, name in ((fixed, fixed_exclude, "fixed"), (moving, moving_exclude, "moving")):
        if exclude is not None and exclude.shape != volume.grid.shape:
            raise GeometryError(f"{name}_exclude {exclude.shape} does not fill the grid {volume.grid.shape}")
    fixed_fine = level_of(fixed, spacing_mm=FINE_MM, exclude=fixed_exclude)
    moving_fine = level_of(moving, spacing_mm=FINE_MM, exclude=moving_exclude)
    coarse_mm = coarse_blocks_mm(fixed_fine, moving_fine)
    fixed_levels, moving_levels = pyramid(fixed_fine, coarse_mm), pyramid(moving_fine, coarse_mm)
    if body_volume(fixed_levels[-1]) < body_volume(moving_levels[-1]):
        first, other, fixed_is_first = fixed_levels, moving_levels, True
    else:
        first, other, fixed_is_first = moving_levels, fixed_levels, False
    named = [Rigid.identity()]
    if start is not None:
        named.append(start.inverse() if fixed_is_first else start)

    body = Comparison.of(first[-1], spread_points(first[-1], first[-1].body, COARSE.points), other[-1])
    other_body = other[-1].body_points()
    if len(body.points) < FEWEST_POINTS or len(other_body) < FEWEST_POINTS / 4 or min(*first[-1].grid.shape) < 2:
        return nothing_in_common(start or Rigid.identity(), "one of the images shows too little of a body")
    ends = coarse_ends(body, other_body, named, step_mm=2.0 * coarse_mm)
    # answers are ranked on one and the same set of points: those that an ascent chose near its start do not compare
    ranking = Comparison.of(first[1], spread_points(first[1], first[1].body, MIDDLE.points), other[1])
    middle = [discounted(ranking, climb(first[1], other[1], end, MIDDLE)) for end in ends.best]
    summits = distinct(middle, body.points, apart_mm=RIVAL_APART_MM, count=SUMMITS_KEPT)
    fine = [discounted(ranking, climb(first[0], other[0], s.other_from_first, FINE)) for s in summits[:SUMMITS_FINE]]
    answer, *rivals = distinct(
        [*fine, *summits[SUMMITS_FINE:]], body.points, apart_mm=RIVAL_APART_MM, count=SUMMITS_KEPT
    )

    points = places(first[1], other[1], answer.other_from_first, DOUBT_POINTS)
    comparison = Comparison.of(first[1], points, other[1])
    exchanged = Comparison.of(other[1], answer.other_from_first.apply(points), first[1])
    transform = answer.other_from_first.inverse() if fixed_is_first else answer.other_from_first
    if min(len(comparison.points), len(exchanged.points)) < FEWEST_POINTS:
        return nothing_in_common(transform, "the images show too little of one body")
    evidence = evidence_for(
        answer,
        comparison=comparison,
        exchanged=exchanged,
        body=body,
        tissue=ranking if first[1].bone.any() or other[1].bone.any() else None,
        first=first[1],
        rivals=rivals,
        starts=ends.starts,
        ends=ends.all,
        agreeing_mm=COARSE_AGREEING_MM,
        steps=MIDDLE.steps,
    )
    alike = fixed.modality is moving.modality and fixed.role == moving.role
    reasons = reasons_against(evidence, SAME_KIND if alike else OTHER_KIND)
    findings = (rejection(reasons),) if reasons else ()
    figures: dict[str, float | str | None] = {"metric": "entropy correlation", **asdict(evidence)}
    shared = bool(fixed.frame_of_reference_uid) and fixed.frame_of_reference_uid == moving.frame_of_reference_uid
    if shared:
        distance = displacement_mm(answer.other_from_first, Rigid.identity(), body.points)
        figures["distance_from_shared_frame_mm"] = distance
        if not reasons and distance > FRAME_DISAGREES_MM:
            findings = (frame_disagrees(distance),)
    return Registration(fixed_from_moving=transform, accepted=not reasons, evidence=figures, findings=findings)


@dataclass(frozen=True, eq=False)
class Ends:
    """The coarse starts and where each led, and the best distinct ends."""

    starts: list[Rigid]
    all: list[Rigid]
    best: list[Rigid]


def coarse_ends(body: Comparison, other_body: FloatArray, named: list[Rigid], *, step_mm: float) -> Ends:
    """The summits on the coarsest level: the lattice's best, the best turned ones, and every named start."""
    centre = body.points.mean(axis=0)
    middles = Rigid.from_shift(other_body.mean(axis=0) - centre)
    scanned = [discounted(body, s) for s in (*lattice_of_shifts(body.points, other_body, step_mm=step_mm), middles)]
    shifts = distinct(scanned, body.points, apart_mm=15.0, count=SHIFT_STARTS)
    turns = [discounted(body, t) for s in shifts[:3] for t in turned(s.other_from_first, centre)]
    turns = sorted(turns, key=lambda f: -f.correlation)[:TURNED_STARTS]
    starts = [*(f.other_from_first for f in (*shifts, *turns)), *named]
    ends = [discounted(body, ascend(body, s, steps=COARSE.steps).other_from_first) for s in starts]
    best = distinct(ends, body.points, apart_mm=APART_MM, count=SUMMITS_KEPT)
    for end in ends[-len(named) :]:  # what was named goes on whatever the coarsest level says of it
        if all(displacement_mm(end.other_from_first, b.other_from_first, body.points) > APART_MM for b in best):
            best.append(end)
    return Ends(starts, [e.other_from_first for e in ends], [b.other_from_first for b in best])


def climb(first: Level, other: Level, start: Rigid, effort: Effort) -> Rigid:
    """The summit nearest to a start, or the start where too little is seen from it."""
    comparison = Comparison.of(first, places(first, other, start, effort.points), other)
    if len(comparison.points) < FEWEST_POINTS:
        return start
    return ascend(comparison, start, steps=effort.steps).other_from_first


def places(first: Level, other: Level, other_from_first: Rigid, count: int) -> FloatArray:
    """Points of the first space (n, 3) that both images see at an estimate, closer together at bone, if CT shows it."""
    first_from_other = other_from_first.inverse()
    body, body_mm3 = seen(first, first.body, other, other_from_first, count)
    bone, bone_mm3 = seen(first, first.bone, other, other_from_first, count)
    if not first.bone.any():
        bone, bone_mm3 = seen(other, other.bone, first, first_from_other, count)
        bone = moved_by(first_from_other, bone)
    share = min(BONE_WEIGHT * bone_mm3 / max(body_mm3, 1.0), MOST_BONE_SHARE)
    bone = thinned(bone, int(count * share))
    if len(bone) < FEWEST_BONE_POINTS:
        bone = bone[:0]
    return np.concatenate([thinned(body, count - len(bone)), bone])


def seen(level: Level, mask: BoolArray, by: Level, by_from_level: Rigid, count: int) -> tuple[FloatArray, float]:
    """About ``count`` points (n, 3) of a mask that lie in another image's field of view, and how many mm³ that is."""
    points = spread_points(level, mask, 2 * count)  # more than half of the smaller body is seen where it counts
    if not len(points):
        return points, 0.0
    index = indices_of(by.grid, moved_by(by_from_level, points))
    inside = np.ones(len(points), dtype=bool)
    for axis, size in enumerate(by.grid.shape):
        inside &= (index[:, axis] >= 0) & (index[:, axis] <= size - 1)
    return thinned(points[inside], count), float(inside.mean() * mask.sum() * level.grid.voxel_volume_mm3)


def pyramid(fine: Level, coarse_mm: float) -> tuple[Level, Level, Level]:
    """Fine, middle, coarse."""
    return fine, coarser(fine, MIDDLE_MM), coarser(fine, coarse_mm)


def coarse_blocks_mm(*levels: Level) -> float:
    """How large the coarsest blocks may be for the smallest of some bodies still to have a shape."""
    smallest = min(body_volume(level) for level in levels)
    return float(np.clip(np.cbrt(smallest) / BLOCKS_ACROSS, *COARSE_MM))


def body_volume(level: Level) -> float:
    return float(level.body.sum() * level.grid.voxel_volume_mm3)


def nothing_in_common(fixed_from_moving: Rigid, reason: str) -> Registration:
    return Registration(fixed_from_moving=fixed_from_moving, accepted=False, findings=(rejection([reason]),))


def frame_disagrees(distance_mm: float) -> Finding:
    return Finding(
        "FRAME_OF_REFERENCE_DISAGREES",
        Severity.WARNING,
        f"the exams claim one frame of reference, yet match best {distance_mm:.1f} mm away from it",
    )
