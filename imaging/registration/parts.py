"""Where each bone of one exam lies in another, when bones have moved against each other.

The pelvis is not one piece: the sacroiliac joints give by some degrees and hips by many, so that a rigid transform of
the whole leaves millimetres at each bone. Every part starts from the transform of the whole and climbs by its own
tissue alone; small parts are easily led astray, so each has to stand up to the same doubts as the whole, and to a few
more of its own. A part that does not stays where the whole has put it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.geometry import Rigid
from imaging.registration.blocks import block_means
from imaging.registration.information import Comparison
from imaging.registration.level import BONE_MARGIN_MM, Level, coarser, level_of, near
from imaging.registration.points import spread_points
from imaging.registration.quality import OTHER_KIND, SAME_KIND, evidence_for, reasons_against, rejection
from imaging.registration.rigid import FEWEST_POINTS, FINE_MM, MIDDLE_MM, Registration
from imaging.registration.search import ascend, displacement_mm, distinct
from imaging.volume import Volume

__all__ = ["register_parts"]

POINTS, STEPS = 8000, 30
# How far a bone may have moved against the whole. Sacroiliac joints give by 2 to 4 degrees; Source: Goode et al., J Man
# Manip Ther 16 (2008) 25. A transform of the whole is off by some millimetres more where bones moved apart.
MOST_MOVE_MM, MOST_TURN_DEG = 12.0, 12.0
STARTS_MM, STARTS_DEG = 4.0, 4.0  # other starts, either way along and about each axis
APART_MM = 3.0  # an end that far away is another answer
TOO_LITTLE = "the part is too small, or the images show too little of it"


def register_parts(
    fixed: Volume,
    moving: Volume,
    whole: Registration,
    parts: Mapping[str, BoolArray],
    *,
    fixed_exclude: BoolArray | None = None,
    moving_exclude: BoolArray | None = None,
) -> dict[str, Registration]:
    """Where each part of the moving exam lies in the fixed one.

    Parameters
    ----------
    fixed, moving
        CT or MR in any combination.
    whole
        Of the two; rejected, no part is believed.
    parts
        By name, each True on ``fixed``'s grid where that bone (or other stiff piece) lies.
    fixed_exclude, moving_exclude
        As for :func:`imaging.registration.rigid.register`.

    Returns
    -------
    By name: the part's own transform where nothing speaks against it, else one that is not accepted, with the reasons;
    then the whole's holds for it. Evidence as of the whole, of the part's tissue alone, and ``moved_mm``, the mean
    distance from where the whole has the part.

    Raises
    ------
    GeometryError
        If a part or an exclusion does not fill its grid.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((8, 16, 16), (5.0, 5.0, 5.0))
    >>> flat = Volume(samples=np.zeros((8, 16, 16), np.float32), grid=grid, modality=Modality.MR)
    >>> whole = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    >>> register_parts(flat, flat, whole, {"sacrum": np.ones(grid.shape, bool)})["sacrum"].accepted
    False
    """
    for name, part in parts.items():
        if part.shape != fixed.grid.shape:
            raise GeometryError(f"{name} {part.shape} does not fill the grid {fixed.grid.shape}")
    if not whole.accepted:
        unknown = replace(whole, evidence={}, findings=(rejection(["the exams as a whole could not be registered"]),))
        return dict.fromkeys(parts, unknown)
    first = level_of(fixed, spacing_mm=FINE_MM, exclude=fixed_exclude)
    other = level_of(moving, spacing_mm=FINE_MM, exclude=moving_exclude)
    alike = fixed.modality is moving.modality and fixed.role == moving.role
    start = whole.fixed_from_moving.inverse()
    return {name: _one(_cut(first, part, fixed), other, start, alike=alike) for name, part in parts.items()}


def _one(first: Level, other: Level, start: Rigid, *, alike: bool) -> Registration:
    """Where a part lies; ``first`` holds nothing else."""
    comparison = Comparison.of(first, spread_points(first, first.body, POINTS), other)
    points = comparison.points
    smooth_first, smooth_other = coarser(first, MIDDLE_MM), coarser(other, MIDDLE_MM)
    smooth = Comparison.of(smooth_first, spread_points(smooth_first, smooth_first.body, POINTS // 2), smooth_other)
    if len(points) < FEWEST_POINTS or not len(smooth.points) or min(*first.grid.shape) < 2:
        return _refused(start, [TOO_LITTLE])
    starts = _starts(start, points)
    climbed = [ascend(smooth, s, steps=STEPS).other_from_first for s in starts]
    ends = [ascend(comparison, s, steps=STEPS) for s in climbed]
    answer, *rivals = distinct(ends, points, apart_mm=APART_MM, count=len(ends))
    exchanged = Comparison.of(other, answer.other_from_first.apply(points), first)
    if len(exchanged.points) < FEWEST_POINTS:
        return _refused(start, [TOO_LITTLE])
    evidence = evidence_for(
        answer,
        comparison=comparison,
        exchanged=exchanged,
        body=comparison,
        tissue=None,
        first=first,
        rivals=rivals,
        starts=starts,
        ends=[e.other_from_first for e in ends],
        agreeing_mm=APART_MM,
        steps=STEPS,
    )
    moved_mm = displacement_mm(answer.other_from_first, start, points)
    turned_deg = (answer.other_from_first @ start.inverse()).angle_deg()
    reasons = list(reasons_against(evidence, SAME_KIND if alike else OTHER_KIND))
    if moved_mm > MOST_MOVE_MM or turned_deg > MOST_TURN_DEG:
        reasons.append(f"it would have moved by {moved_mm:.1f} mm and {turned_deg:.0f}° against the whole")
    return Registration(
        fixed_from_moving=answer.other_from_first.inverse(),
        accepted=not reasons,
        evidence={"metric": "entropy correlation", **asdict(evidence), "moved_mm": moved_mm},
        findings=(rejection(reasons),) if reasons else (),
    )


def _starts(start: Rigid, points: FloatArray) -> list[Rigid]:
    """Where the whole has the part, and as far off it as a part's ascent should recover from."""
    pivot = start.apply(points.mean(axis=0)[None])[0]
    starts = [start]
    for axis, sign in itertools.product(np.eye(3), (-1.0, 1.0)):
        starts.append(Rigid.from_shift(sign * STARTS_MM * axis) @ start)
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_rotvec(sign * np.radians(STARTS_DEG) * axis).as_matrix()
        turn[:3, 3] = pivot - turn[:3, :3] @ pivot
        starts.append(Rigid(turn) @ start)
    return starts


def _cut(level: Level, part: BoolArray, volume: Volume) -> Level:
    """The level with nothing but the part, and as much around it as makes its outline visible."""
    factors = [round(n / m) for n, m in zip(level.grid.spacing_mm, volume.grid.spacing_mm, strict=True)]
    chosen = near(block_means(part, factors) >= 0.5, level.grid, BONE_MARGIN_MM)
    return replace(level, body=level.body & chosen, bone=level.bone & chosen)


def _refused(start: Rigid, reasons: list[str]) -> Registration:
    return Registration(fixed_from_moving=start.inverse(), accepted=False, findings=(rejection(reasons),))
