"""Straight ways for a needle from the skin to a place in the body, each with its distance to what must not be hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.volume import Volume

__all__ = ["CLEARANCE_MM", "NEEDLE_RADIUS_MM", "NeedlePath", "Places", "as_point", "straight_paths"]

NEEDLE_RADIUS_MM = 1.5  # 11 gauge: 3.05 mm across
CLEARANCE_MM = 5.0  # beside the needle, to any neural compartment
DIRECTIONS = 2000  # about 4.5° apart
STEP_MM = 1.0
PATHS = 5
ROUNDING = 1e-6  # of interpolated shares
PATHS_APART_DEGREES = 10.0  # nearer ways are one


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


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Voxel centres in patient space, to be asked how near they are: right on leaning slices too.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 0.5))
    >>> Places.of(grid, np.array([[[True, False, False, False]]])).nearest_mm(np.array([[1.5, 0, 0], [0.5, 0, 0]]))
    0.5
    """

    tree: KDTree

    @classmethod
    def of(cls, grid: Grid, mask: BoolArray) -> Places:
        """The centres of a mask's voxels; at least one."""
        return cls(KDTree(grid.points(np.argwhere(mask))))

    def nearest_mm(self, points: FloatArray, *, within_mm: float = np.inf) -> float:
        """The least distance of any of the points (n, 3), or ``within_mm`` if all are farther away."""
        found = np.asarray(self.tree.query(points, distance_upper_bound=within_mm)[0])
        return min(float(found.min()), within_mm)


def straight_paths(
    volume: Volume, target: FloatArray, *, body: BoolArray, nerves: Places, bone: BoolArray | None, slack_mm: float
) -> tuple[tuple[NeedlePath, ...], bool]:
    """The straight ways from a place in the body that keep clear of every nerve.

    Parameters
    ----------
    volume
        On whose grid body and bone are. What it does not show, padding and missing slices, ends a way.
    target
        (3,) LPS mm.
    body, bone
        The patient; bone where it is known.
    nerves
        All neural compartments.
    slack_mm
        How much nearer than its centre a voxel may lie.

    Returns
    -------
    paths, seen
        The ways, shortest first, and whether any direction reaches the skin within the image.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> inside = np.zeros((5, 21, 21), bool)
    >>> inside[:, 2:19, 2:19] = True
    >>> nerve = np.zeros_like(inside)
    >>> nerve[2, 10, 3] = True
    >>> grid = Grid.from_spacing(inside.shape, (1.0, 1.0, 1.0))
    >>> ct = Volume(samples=inside.astype(np.int16), grid=grid, modality=Modality.CT)
    >>> found, seen = straight_paths(
    ...     ct, np.array([14.0, 10.0, 2.0]), body=inside, nerves=Places.of(grid, nerve), bone=None, slack_mm=0.0
    ... )
    >>> found[0].length_mm, round(found[0].neural_clearance_mm, 1), seen
    (5.0, 9.5, True)
    """
    grid = volume.grid
    reach_mm = float(np.linalg.norm(np.array(grid.shape) * grid.spacing_mm))
    along = np.arange(0.0, reach_mm, STEP_MM)
    found: list[tuple[float, FloatArray, NeedlePath]] = []
    last = np.array(grid.shape)[:, None] - 0.5
    seen = False
    at_target_mm = nerves.nearest_mm(target)
    for direction in _directions():
        points = target + along[:, None] * direction
        index = grid.indices(points).T
        known = np.asarray(((index >= -0.5) & (index <= last)).all(axis=0))
        if volume.valid is not None:  # every voxel round a place was measured
            known &= _share(volume.valid, index) > 1 - ROUNDING
        index = index[:, : int(known.argmin()) if not known.all() else known.size]
        inside = _share(body, index) >= 0.5
        if inside.size == 0 or inside[-1]:
            continue  # the image ends first
        seen = True
        steps = int(len(inside) - inside[::-1].argmax())  # the last point in the body: gas and folds of skin are passed
        if steps >= len(inside):
            continue  # never in the body: a target on the skin itself
        near_mm = nerves.nearest_mm(points[: steps + 1], within_mm=at_target_mm)
        clear = near_mm - NEEDLE_RADIUS_MM - slack_mm
        if clear < CLEARANCE_MM:
            continue
        in_bone = None
        if bone is not None:
            in_bone = float(np.count_nonzero(_share(bone, index[:, : steps + 1]) >= 0.5) * STEP_MM)
        path = NeedlePath(
            entry_lps_mm=as_point(target + along[steps] * direction),
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


def _share(mask: BoolArray, index: FloatArray) -> FloatArray:
    """How much of a mask is at fractional indices (3, n), by linear interpolation."""
    return np.asarray(ndimage.map_coordinates(mask.view(np.uint8), index, output=np.float64, order=1, mode="nearest"))


def _directions() -> FloatArray:
    """Unit vectors spread evenly over the sphere (Fibonacci lattice)."""
    number = np.arange(DIRECTIONS) + 0.5
    z = 1 - 2 * number / DIRECTIONS
    turn = np.pi * (1 + np.sqrt(5)) * number
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def as_point(point: FloatArray) -> tuple[float, float, float]:
    """Three plain numbers from an array (3,)."""
    return float(point[0]), float(point[1]), float(point[2])
