"""Before a procedure: where a needle's tip is safest in a lesion, how much fits, and which straight ways lead there.

Geometry alone. Distances are between voxel centres, so each is known to half a voxel's diagonal; vessels, bowel and
nerves outside the stated compartments are not modelled, and the patient lies as scanned. Nothing here recommends to
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
from imaging.measurement.quantity import Quantity
from imaging.segmentation.reach import distance_mm
from imaging.volume import Modality, Volume

__all__ = ["NOT_MODELLED", "Approach", "NeedlePath", "body_mask", "plan_approach"]

NOT_MODELLED = "vessels, bowel, nerves not modelled; patient position as scanned"
NEEDLE_RADIUS_MM = 1.5  # 11 gauge: 3.05 mm across
CLEARANCE_MM = 5.0  # beside the needle, to any neural compartment
DIRECTIONS = 2000  # about 4.5° apart
STEP_MM = 1.0
PATHS = 5
PATHS_APART_DEGREES = 10.0  # nearer ways are one
AIR_HU = -300.0  # half way between air and fat, with fat's blur
PER_ML = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedlePath:
    """A straight way from the skin to the target.

    Parameters
    ----------
    entry_lps_mm
        Where it passes the skin.
    length_mm, in_bone_mm
        From there to the target, and how much of it lies in bone (None without a bone mask).
    neural_clearance_mm
        The least distance of the needle's side to a neural compartment, less half a voxel's diagonal.
    """

    entry_lps_mm: tuple[float, float, float]
    length_mm: float
    in_bone_mm: float | None
    neural_clearance_mm: float


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
    spacing = volume.grid.spacing_mm
    to_edge = distance_mm(~np.pad(lesion, 1), spacing)[1:-1, 1:-1, 1:-1]
    to_breach = distance_mm(breach, spacing)
    to_neural = distance_mm(neural, spacing)
    room = np.where(lesion, np.minimum(np.minimum(to_edge, to_breach), to_neural), -1.0)
    at = np.unravel_index(int(room.argmax()), room.shape)
    place = (int(at[0]), int(at[1]), int(at[2]))
    target = volume.grid.points([place])[0]
    findings = list(volume.findings)
    slack = _half_diagonal_mm(volume.grid)
    paths, seen = _paths(volume.grid, target, body=body_mask(volume), to_neural=to_neural, bone=bone, slack_mm=slack)
    if not paths:
        message = f"no straight way keeps {CLEARANCE_MM:g} mm beside the needle from every neural compartment"
        message += " and reaches the skin" if seen else "; the skin is not in view"
        findings.append(Finding("NO_SAFE_PATH", Severity.WARNING, message, volume.series_uid))
    neural_mm = _distance(to_neural[place], slack, "target to the nearest neural compartment")
    edge_mm = _distance(to_edge[place], slack, "target to the lesion's edge")
    return Approach(
        target_lps_mm=_point(target),
        edge_mm=edge_mm,
        breach_mm=_distance(to_breach[place], slack, "target to the nearest breach") if breach.any() else None,
        neural_mm=neural_mm,
        ball_to_neural_ml=_ball(neural_mm, "ball round the target that reaches the nearest neural compartment"),
        ball_to_edge_ml=_ball(edge_mm, "ball round the target that reaches the lesion's edge"),
        lesion_ml=float(np.count_nonzero(lesion) * volume.grid.voxel_volume_mm3 / PER_ML),
        paths=paths,
        findings=tuple(findings),
    )


def body_mask(volume: Volume) -> BoolArray:
    """The patient, gas inside included: the largest piece of what is no air, holes filled slice by slice.

    On CT above −300 HU; on MR above a tenth of the brightness that nine in ten bright voxels stay below, which is no
    more than a guide.

    Examples
    --------
    >>> samples = np.full((3, 13, 13), -1000, np.int16)
    >>> samples[:, 2:11, 2:11] = 40
    >>> samples[:, 6, 6] = -900  # gas
    >>> ct = Volume(samples=samples, grid=Grid.from_spacing((3, 13, 13), (1, 1, 1)), modality=Modality.CT)
    >>> int(body_mask(ct).sum())
    243
    """
    if volume.modality is Modality.CT:
        level = AIR_HU
    else:
        bright = volume.samples[volume.samples > volume.samples.mean()]
        level = 0.1 * float(np.quantile(bright, 0.9)) if bright.size else np.inf
    solid = ndimage.binary_opening(volume.samples > level, structure=np.ones((1, 3, 3), dtype=bool))
    labels, count = ndimage.label(solid)
    if count == 0:
        return np.zeros(volume.grid.shape, dtype=bool)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    return np.stack([ndimage.binary_fill_holes(plane) for plane in largest])


def _paths(
    grid: Grid, target: FloatArray, *, body: BoolArray, to_neural: FloatArray, bone: BoolArray | None, slack_mm: float
) -> tuple[tuple[NeedlePath, ...], bool]:
    """The ways, and whether any direction reaches the skin within the image."""
    reach_mm = float(np.linalg.norm(np.array(grid.shape) * grid.spacing_mm))
    along = np.arange(0.0, reach_mm, STEP_MM)
    found: list[tuple[float, FloatArray, NeedlePath]] = []
    last = np.array(grid.shape)[:, None] - 0.5
    seen = False
    solid = body.astype(np.float32)
    hard = None if bone is None else bone.astype(np.float32)
    for direction in _directions():
        index = grid.indices(target + along[:, None] * direction).T
        within = np.asarray(((index >= -0.5) & (index <= last)).all(axis=0))
        index = index[:, : int(within.argmin()) if not within.all() else within.size]
        inside = ndimage.map_coordinates(solid, index, order=1, mode="nearest") >= 0.5
        if inside.all():
            continue  # the image ends first
        seen = True
        steps = int(len(inside) - inside[::-1].argmax())  # the last point in the body: gas and folds of skin are passed
        if steps >= len(inside):
            continue
        near = ndimage.map_coordinates(to_neural, index[:, : steps + 1], order=1, mode="nearest").min()
        clear = near - NEEDLE_RADIUS_MM - slack_mm
        if clear < CLEARANCE_MM:
            continue
        in_bone = None
        if hard is not None:
            share = ndimage.map_coordinates(hard, index[:, : steps + 1], order=1, mode="nearest")
            in_bone = float(np.count_nonzero(share >= 0.5) * STEP_MM)
        path = NeedlePath(
            entry_lps_mm=_point(target + along[steps] * direction),
            length_mm=float(along[steps]),
            in_bone_mm=in_bone,
            neural_clearance_mm=float(clear),
        )
        found.append((path.length_mm, direction, path))
    chosen: list[tuple[FloatArray, NeedlePath]] = []
    least = np.cos(np.radians(PATHS_APART_DEGREES))
    for _, direction, path in sorted(found, key=lambda item: (item[0], -item[2].neural_clearance_mm)):
        if len(chosen) < PATHS and all(float(direction @ other) < least for other, _ in chosen):
            chosen.append((direction, path))
    return tuple(path for _, path in chosen), seen


def _directions() -> FloatArray:
    """Unit vectors spread evenly over the sphere (Fibonacci lattice)."""
    number = np.arange(DIRECTIONS) + 0.5
    z = 1 - 2 * number / DIRECTIONS
    turn = np.pi * (1 + np.sqrt(5)) * number
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def _half_diagonal_mm(grid: Grid) -> float:
    return float(np.linalg.norm(np.abs(grid.affine[:3, :3]).sum(axis=1)) / 2)


def _distance(value_mm: float, slack_mm: float, method: str) -> Quantity:
    bounds = (max(float(value_mm) - slack_mm, 0.0), float(value_mm) + slack_mm)
    return Quantity(float(value_mm), "mm", f"{method}, voxel centres, ± half a voxel's diagonal", bounds)


def _ball(radius: Quantity, method: str) -> Quantity:
    low, high = radius.interval95 or (radius.value, radius.value)
    value, least, most = (4 / 3 * np.pi * mm**3 / PER_ML for mm in (radius.value, low, high))
    return Quantity(float(value), "mL", f"{method}; {NOT_MODELLED}", (float(least), float(most)))


def _point(point: FloatArray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
