"""Before a procedure: where a needle's tip is safest in a lesion, how much fits, and which straight ways lead there.

Geometry alone. Distances are between voxel centres in patient space, so each is known to half a voxel's diagonal on
leaning slices too; vessels, bowel and nerves outside the stated compartments are not modelled, and the patient lies as
scanned. What was not imaged (padding, missing slices) is neither skin nor passed through. Nothing here recommends to
treat.

The target is the point of the lesion whose smallest distance to the lesion's edge, to a breach of the cortex and to the
nearest neural compartment is largest: the centre of the largest safe ball (Chebyshev centre). A ball of cement round it
that just touches the nearest neural compartment is the ideal case; cement runs where the bone lets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import EmptyMask, GeometryError, InputError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.geometry.acquired import volume_over
from imaging.measurement.border import Border
from imaging.measurement.needle_path import CLEARANCE_MM, NeedlePath, Places, as_point, straight_paths
from imaging.measurement.quantity import Quantity
from imaging.segmentation.body import body_mask
from imaging.segmentation.reach import box_around, distance_mm
from imaging.volume import Volume

__all__ = ["NOT_MODELLED", "Approach", "plan_approach"]

NOT_MODELLED = "vessels, bowel, nerves not modelled; patient position as scanned"
PER_ML = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """The plan.

    Parameters
    ----------
    target_lps_mm
        The safest point of the lesion.
    edge_mm, breach_mm, neural_mm
        Its distances to the lesion's edge, to the nearest breach (None where a reader says that there is none) and to
        the nearest neural compartment.
    ball_to_neural_ml, ball_to_edge_ml, lesion_ml
        Volume at which an ideal ball round the target reaches the nearest neural compartment, and the lesion's edge;
        and the lesion's own.
    paths
        Straight ways with at least 5 mm beside the needle, the shortest first; none nearer to another than 10°.
    findings
        What limits the plan.
    """

    target_lps_mm: tuple[float, float, float]
    edge_mm: Quantity
    breach_mm: Quantity | None
    neural_mm: Quantity
    ball_to_neural_ml: Quantity
    ball_to_edge_ml: Quantity
    lesion_ml: float
    paths: tuple[NeedlePath, ...]
    findings: tuple[Finding, ...] = ()


def plan_approach(
    volume: Volume,
    lesion: BoolArray,
    *,
    neural: BoolArray | None,
    breach: BoolArray | None,
    bone: BoolArray | None = None,
) -> Approach:
    """Target, margins, volumes and ways.

    Parameters
    ----------
    volume
        The CT or MR on which the way is planned; its body's outline is the skin.
    lesion
        (slices, rows, columns) bool on its grid.
    neural
        Canal and foramina as a reader confirmed them. None: nobody did, and the plan is refused.
    breach
        Where the cortex round the lesion is broken; empty where a reader says that it is not. None: nobody did.
    bone
        For the length of a way in bone.

    Raises
    ------
    InputError
        NEURAL_NOT_CONFIRMED, BREACHES_NOT_CONFIRMED.
    EmptyMask
        If the lesion or the neural compartment holds nothing.
    GeometryError
        If a mask is not on the volume's grid.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((41, 81, 81), (2.0, 1.0, 1.0))
    >>> z, y, x = (axis - middle for axis, middle in zip(np.indices(grid.shape), (20, 40, 40)))
    >>> body = y**2 + x**2 < 38**2
    >>> ct = Volume(samples=np.where(body, 40, -1000).astype(np.int16), grid=grid, modality=Modality.CT)
    >>> lesion = (2 * z) ** 2 + y**2 + (x - 15) ** 2 <= 12**2
    >>> canal = (y**2 + (x + 5) ** 2 <= 36) & body
    >>> plan = plan_approach(ct, lesion, neural=canal, breach=np.zeros(grid.shape, bool))
    >>> plan.target_lps_mm, round(plan.neural_mm.value), plan.paths[0].neural_clearance_mm >= 5
    ((55.0, 40.0, 40.0), 14, True)
    """
    for name, mask in (("lesion", lesion), ("neural", neural), ("breach", breach), ("bone", bone)):
        if mask is not None and mask.shape != volume.grid.shape:
            raise GeometryError(f"the {name} mask {mask.shape} does not fill the image's grid {volume.grid.shape}")
    if neural is None:
        message = "no plan without canal and foramina that a reader has confirmed: give their mask"
        raise InputError(message, code="NEURAL_NOT_CONFIRMED")
    if breach is None:
        message = "no plan before a reader has said where the cortex is breached: give the breaches, or that none is"
        raise InputError(message, code="BREACHES_NOT_CONFIRMED")
    for name, mask in (("lesion", lesion), ("neural", neural)):
        if not mask.any():
            raise EmptyMask(f"the {name} mask is empty: nothing to plan with")
    place, room_mm = _safest(volume.grid.spacing_mm, lesion, neural=neural, breach=breach)
    target = volume.grid.points([place])[0]
    findings = list(volume.findings)
    if room_mm == 0:
        message = "the whole lesion lies in a neural compartment or a breach: no point of it is safe"
        findings.append(Finding("NO_SAFE_TARGET", Severity.WARNING, message, volume.series_uid))
    slack = volume.grid.half_diagonal_mm
    nerves = Places.of(volume.grid, neural)
    body = body_mask(volume, around=place)
    if body[place]:
        paths, seen = straight_paths(volume, target, body=body, nerves=nerves, bone=bone, slack_mm=slack)
        message = f"no straight way keeps {CLEARANCE_MM:g} mm beside the needle from every neural compartment"
        message += " and reaches the skin" if seen else "; the skin is not in view"
    else:
        paths, message = (), "the target lies outside what the image shows of the patient: see whether the mask fits"
    if not paths:
        findings.append(Finding("NO_SAFE_PATH", Severity.WARNING, message, volume.series_uid))
    neural_mm = _distance(
        _away_mm(volume.grid, neural, place), slack, "target to the nearest neural compartment's border"
    )
    edge_mm = _distance(_to_edge_mm(volume.grid, lesion, target), slack, "target to the first voxel beyond the lesion")
    breach_mm = None
    if breach.any():
        breach_mm = _distance(_away_mm(volume.grid, breach, place), slack, "target to the nearest breach's border")
    return Approach(
        target_lps_mm=as_point(target),
        edge_mm=edge_mm,
        breach_mm=breach_mm,
        neural_mm=neural_mm,
        ball_to_neural_ml=_ball(neural_mm, "ball round the target that reaches the nearest neural compartment"),
        ball_to_edge_ml=_ball(edge_mm, "ball round the target that reaches the lesion's edge"),
        lesion_ml=volume_over(volume.acquired_slices, lesion, volume.grid),
        paths=paths,
        findings=tuple(findings),
    )


def _safest(
    spacing_mm: tuple[float, float, float], lesion: BoolArray, *, neural: BoolArray, breach: BoolArray
) -> tuple[tuple[int, int, int], float]:
    """The lesion's voxel with most room, and how much that is.

    What lies farther off than the lesion is deep limits no voxel of it, and is not looked at.
    """
    tight = box_around(lesion, spacing_mm, 0.0)
    deepest = float(distance_mm(~np.pad(lesion[tight], 1), spacing_mm).max())
    box = box_around(lesion, spacing_mm, deepest)
    room = distance_mm(~np.pad(lesion[box], 1), spacing_mm)[1:-1, 1:-1, 1:-1]
    for threat in (breach[box], neural[box]):
        room = np.minimum(room, distance_mm(threat, spacing_mm))
    room = np.where(lesion[box], room, -1.0)
    at = np.unravel_index(int(room.argmax()), room.shape)
    first, second, third = (int(k) + side.start for k, side in zip(at, box, strict=True))
    return (first, second, third), float(room.max())


def _away_mm(grid: Grid, threat: BoolArray, place: tuple[int, int, int]) -> float:
    """From a voxel's centre to the border of what it must keep away from; 0 within.

    Not to the nearest centre of a voxel there, which lies beyond that border by as much as half of a slice: on slices
    of 5 mm the ball up to it came out 11 % too large on average.
    """
    return 0.0 if threat[place] else Border.of(threat, grid).from_point_mm(grid.points([place])[0])


def _to_edge_mm(grid: Grid, lesion: BoolArray, target: FloatArray) -> float:
    """From a point to the nearest voxel centre that is not the lesion's, beyond the image's border too."""
    box = box_around(lesion, grid.spacing_mm, 0.0)
    within = np.pad(lesion[box], 2)
    beside = ndimage.binary_dilation(within, structure=np.ones((3, 3, 3), dtype=bool)) & ~within
    outer = grid.points(np.argwhere(beside) - 2 + [side.start for side in box])
    return float(np.linalg.norm(outer - target, axis=1).min())


def _distance(value_mm: float, slack_mm: float, method: str) -> Quantity:
    bounds = (max(float(value_mm) - slack_mm, 0.0), float(value_mm) + slack_mm)
    return Quantity(float(value_mm), "mm", f"{method}, ± half a voxel's diagonal", bounds)


def _ball(radius: Quantity, method: str) -> Quantity:
    low, high = radius.interval95 or (radius.value, radius.value)
    value, least, most = (4 / 3 * np.pi * mm**3 / PER_ML for mm in (radius.value, low, high))
    return Quantity(float(value), "mL", f"{method}; {NOT_MODELLED}", (float(least), float(most)))
