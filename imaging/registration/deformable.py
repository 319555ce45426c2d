"""How soft tissue has bent between two exams that are registered rigidly: a refinement that is asked for, never taken.

Bone does not bend, and what is followed lies in bone; a bent transform could hide the very change that is measured.
So no command uses this unless it is told to, and no volume is ever measured on a bent mask.

Displacements are a cubic B-spline with knots 40 mm apart, driven by the measure of the rigid registration and held
smooth by their bending energy. Source: Rueckert et al., IEEE TMI 18 (1999) 712. SimpleITK's own took 90 s where this
took 9 on a busy machine, and followed a known wave less well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize
from scipy.sparse import csr_array

from imaging.arrays import BoolArray, FloatArray, frozen
from imaging.finding import Finding
from imaging.geometry import Grid, Rigid
from imaging.registration.information import Comparison, spline_weights
from imaging.registration.level import Level, coarser, level_of
from imaging.registration.points import spread_points
from imaging.registration.quality import rejection
from imaging.registration.rigid import FEWEST_POINTS, FINE_MM, MIDDLE_MM, Registration
from imaging.volume import Volume

__all__ = ["Deformation", "deform"]

KNOT_MM = 40.0
FIELD_MM = 5.0  # what is given out: an eighth of the knots' distance loses nothing
POINTS, STEPS = 24000, 60
# Weight of the bending energy, of second differences in units of a millimetre a knot: tried on made-up patients; ten
# times less follows noise, ten times more stays rigid.
STIFFNESS = 1e-3
# Soft tissue hardly changes volume; a lesion may halve or double.
LEAST_JACOBIAN, MOST_JACOBIAN = 0.4, 2.5
MOST_MM = 25.0
MOST_INCONSISTENT_MM = 2.0  # there and back, on average


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Deformation:
    """Where each point of the fixed exam lies in the moving one.

    Parameters
    ----------
    grid
        Axis-parallel, over the fixed exam.
    displacement_mm
        (slices, rows, columns, 3) LPS: the moving exam's point less the fixed one's, as ITK counts it.
    accepted
        Whether nothing speaks against it. Rejected, the rigid transform alone holds.
    evidence
        correlation_before, correlation_after (entropy correlation), jacobian_least, jacobian_most (volume by volume),
        displacement_most_mm (beyond the rigid transform) and inconsistent_mm (there and back again, on average).
    findings
        REGISTRATION_REJECTED with the reasons.
    """

    grid: Grid
    displacement_mm: FloatArray
    accepted: bool
    evidence: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def moving_from_fixed(self, points: FloatArray) -> FloatArray:
        """Points (n, 3) of the fixed exam in the moving one; beyond the grid the nearest displacement holds."""
        index = self.grid.indices(points).T
        shift = [map_coordinates(self.displacement_mm[..., axis], index, order=1, mode="nearest") for axis in range(3)]
        return np.asarray(points + np.stack(shift, axis=1), dtype=np.float64)


def deform(
    fixed: Volume,
    moving: Volume,
    whole: Registration,
    *,
    fixed_exclude: BoolArray | None = None,
    moving_exclude: BoolArray | None = None,
) -> Deformation:
    """Bend the moving exam onto the fixed one, and say whether to believe it.

    Parameters
    ----------
    fixed, moving
        CT or MR in any combination.
    whole
        Of the two; rejected, nothing is bent.
    fixed_exclude, moving_exclude
        As for :func:`imaging.registration.rigid.register`.

    Examples
    --------
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((8, 16, 16), (5.0, 5.0, 5.0))
    >>> flat = Volume(samples=np.zeros((8, 16, 16), np.float32), grid=grid, modality=Modality.MR)
    >>> bent = deform(flat, flat, Registration(fixed_from_moving=Rigid.identity(), accepted=True))
    >>> bent.accepted, float(abs(bent.displacement_mm).max())
    (False, 0.0)
    """
    here = level_of(fixed, spacing_mm=FINE_MM, exclude=fixed_exclude)
    there = level_of(moving, spacing_mm=FINE_MM, exclude=moving_exclude)
    knots = Knots.over(here.grid)
    grid = knots.field_grid()
    centres = grid.points(np.indices(grid.shape).reshape(3, -1).T)
    moving_from_fixed = whole.fixed_from_moving.inverse()
    rigid = moving_from_fixed.apply(centres)
    if not whole.accepted:
        return _refused(grid, rigid - centres, "the exams as a whole could not be registered")
    way = _climbed(here, there, moving_from_fixed, knots)
    if way is None:
        return _refused(grid, rigid - centres, "the images show too little of one body")
    back_knots = Knots.over(there.grid)
    back = _climbed(there, here, whole.fixed_from_moving, back_knots)
    evidence = dict(way.evidence)
    bent = rigid + knots.weights(centres) @ way.shifts
    if back is not None:
        there_mm = moving_from_fixed.apply(way.points) + knots.weights(way.points) @ way.shifts
        returned = whole.fixed_from_moving.apply(there_mm) + back_knots.weights(there_mm) @ back.shifts
        evidence["inconsistent_mm"] = float(np.linalg.norm(returned - way.points, axis=1).mean())
    volumes = _jacobian(bent.reshape(*grid.shape, 3))
    seen = np.clip(np.rint(grid.indices(way.points)).astype(np.int64), 0, np.array(grid.shape) - 1)
    evidence["jacobian_least"], evidence["jacobian_most"] = (
        float(end(volumes[tuple(seen.T)])) for end in (np.min, np.max)
    )
    reasons = _reasons_against(evidence)
    return Deformation(
        grid=grid,
        displacement_mm=frozen((bent - centres).reshape(*grid.shape, 3)),
        accepted=not reasons,
        evidence=evidence,
        findings=(rejection(reasons),) if reasons else (),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """The lattice of a cubic B-spline: its first knot, LPS mm, and how many there are along x, y and z."""

    origin_mm: FloatArray
    shape: tuple[int, int, int]

    @classmethod
    def over(cls, grid: Grid) -> Knots:
        """Knots that carry every point of a grid."""
        corners = grid.corners()
        low, high = corners.min(axis=0), corners.max(axis=0)
        x, y, z = (np.ceil((high - low) / KNOT_MM).astype(int) + 3).tolist()
        return cls(low - KNOT_MM, (x, y, z))

    def field_grid(self) -> Grid:
        """An axis-parallel grid of :data:`FIELD_MM` within the knots."""
        x, y, z = ((n - 3) * round(KNOT_MM / FIELD_MM) + 1 for n in self.shape)
        first = (self.origin_mm + KNOT_MM).tolist()
        return Grid.from_spacing((z, y, x), (FIELD_MM,) * 3, origin_mm=(first[0], first[1], first[2]))

    def weights(self, points: FloatArray) -> csr_array:
        """(n, knots): how much each knot moves each point; points beyond the knots move with the outermost."""
        place = np.clip((points - self.origin_mm) / KNOT_MM, 1.0, np.array(self.shape) - 2.0 - 1e-9)
        first = np.floor(place).astype(np.int64) - 1
        taps = [np.stack(spline_weights(column), axis=1) for column in (place - first - 1).T]
        weight = np.einsum("na,nb,nc->nabc", *taps).reshape(len(points), 64)
        step = np.arange(4)
        index = [first[:, axis, None] + step for axis in range(3)]
        _, ny, nz = self.shape
        flat = (index[0][:, :, None, None] * ny + index[1][:, None, :, None]) * nz + index[2][:, None, None, :]
        rows = np.repeat(np.arange(len(points)), 64)
        return csr_array((weight.ravel(), (rows, flat.reshape(-1))), shape=(len(points), int(np.prod(self.shape))))

    def bending(self, shifts: FloatArray) -> tuple[float, FloatArray]:
        """Mean square of second differences along the axes, and its derivative (knots, 3)."""
        lattice, slope = shifts.reshape(*self.shape, 3), np.zeros((*self.shape, 3))
        energy = 0.0
        for axis in range(3):
            values, into = np.moveaxis(lattice, axis, 0), np.moveaxis(slope, axis, 0)
            second = values[:-2] - 2 * values[1:-1] + values[2:]
            energy += float((second**2).mean())
            for start, factor in ((0, 1.0), (1, -2.0), (2, 1.0)):
                into[start : start + len(second)] += 2 * factor * second / second.size
        return energy, slope.reshape(-1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Where an ascent led: the knots' shifts (knots, 3) in mm, the points (n, 3) it went by, and figures."""

    shifts: FloatArray
    points: FloatArray
    evidence: Mapping[str, float]


def _climbed(first: Level, other: Level, other_from_first: Rigid, knots: Knots) -> Way | None:
    """The nearest bent summit, coarse blocks first; None where too little is seen."""
    shifts = np.zeros((int(np.prod(knots.shape)), 3))
    for here, there in ((coarser(first, MIDDLE_MM), coarser(other, MIDDLE_MM)), (first, other)):
        comparison = Comparison.of(here, spread_points(here, here.body, POINTS), there)
        if len(comparison.points) < FEWEST_POINTS or comparison.overlap(other_from_first) == 0.0:
            return None
        weights, rigid = knots.weights(comparison.points), other_from_first.apply(comparison.points)
        result = minimize(
            _cost,
            shifts.ravel(),
            args=(comparison, rigid, weights, knots),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": STEPS},
        )
        shifts = result.x.reshape(-1, 3)
    moved = weights @ shifts
    evidence = {
        "correlation_before": comparison.correlation_and_pulls(rigid)[0],
        "correlation_after": comparison.correlation_and_pulls(rigid + moved)[0],
        "displacement_most_mm": float(np.linalg.norm(moved, axis=1).max()),
    }
    return Way(shifts, comparison.points, evidence)


def _cost(
    numbers: FloatArray, comparison: Comparison, rigid: FloatArray, weights: csr_array, knots: Knots
) -> tuple[float, FloatArray]:
    """What is to be least, and its derivative, at the knots' shifts in a row."""
    shifts = numbers.reshape(-1, 3)
    correlation, pulls = comparison.correlation_and_pulls(rigid + weights @ shifts)
    energy, slope = knots.bending(shifts)
    return STIFFNESS * energy - correlation, (STIFFNESS * slope - weights.T @ pulls).ravel()


def _jacobian(places_mm: FloatArray) -> FloatArray:
    """By how much volume grows at each node of a field (slices, rows, columns, 3) of places."""
    slopes = np.stack([np.gradient(places_mm, FIELD_MM, axis=axis) for axis in (2, 1, 0)], axis=-1)
    return np.asarray(np.linalg.det(slopes), dtype=np.float64)


def _reasons_against(evidence: Mapping[str, float]) -> list[str]:
    e = evidence
    off_mm = e.get("inconsistent_mm")
    doubts = (
        (e["correlation_after"] <= e["correlation_before"], "the images match no better when bent"),
        (
            e["jacobian_least"] < LEAST_JACOBIAN or e["jacobian_most"] > MOST_JACOBIAN,
            f"tissue would shrink to {e['jacobian_least']:.2f} or swell to {e['jacobian_most']:.2f} of its volume",
        ),
        (e["displacement_most_mm"] > MOST_MM, f"tissue would move by {e['displacement_most_mm']:.0f} mm"),
        (off_mm is None, "the way back cannot be found"),
        (
            off_mm is not None and off_mm > MOST_INCONSISTENT_MM,
            f"there and back again misses by {off_mm or 0.0:.1f} mm on average",
        ),
    )
    return [text for holds, text in doubts if holds]


def _refused(grid: Grid, shift_mm: FloatArray, reason: str) -> Deformation:
    return Deformation(
        grid=grid,
        displacement_mm=frozen(shift_mm.reshape(*grid.shape, 3)),
        accepted=False,
        findings=(rejection([reason]),),
    )
