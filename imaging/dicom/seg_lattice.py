"""On which lattice the frames of a segmentation lie, though empty ones were left out.

A SEG stores only frames that hold something, so its positions may have gaps (PS3.3 C.8.20.2). The distance between
slices is what it declares (Spacing Between Slices) if every gap is a whole number of it, else the largest distance of
which every gap is a whole number. Where positions alone cannot tell, a finding says so: with frames 3 mm apart and a
declared spacing of 1 mm, each third slice is taken as drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import FloatArray, IntArray
from imaging.dicom.geometry import plane_directions, spacing_tolerance_mm
from imaging.errors import GeometryError, InputError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid

__all__ = ["Lattice", "PlaneMeasures", "lattice_of"]

SAME_PLANE_MM = 0.01  # jitter of positions in headers; slices are never this thin
LARGEST_DIVISOR = 4  # the smallest gap may hide an undeclared spacing this often; beyond, any gaps would fit one
HIDDEN_TOLERANCE = 0.01  # of a hidden spacing; an absolute tolerance would let small ones fit anything
MAX_SLICES = 32768
ORIENTATION_TOLERANCE = 1e-3  # of each cosine, between frames; as within the image orientation itself


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneMeasures:
    """What the header says of each frame: rows and columns, spacing of rows and columns, and two distances if given."""

    rows: int
    columns: int
    pixel_spacing: tuple[float, float]
    spacing_between_slices: float | None = None
    slice_thickness: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The bounding stack of all frames.

    ``slice_of_frame`` gives each frame's slice in it, in the frames' order.
    """

    grid: Grid
    slice_of_frame: IntArray
    findings: tuple[Finding, ...]


def lattice_of(positions: FloatArray, orientations: FloatArray, measures: PlaneMeasures, *, where: str = "") -> Lattice:
    """The regular stack that holds every frame at its place.

    Parameters
    ----------
    positions
        (n, 3) LPS mm, Image Position of each frame.
    orientations
        (n, 6) Image Orientation of each frame.

    Raises
    ------
    InputError
        INCONSISTENT_ORIENTATION, BAD_ORIENTATION, UNEVEN_SLICES, or NO_SLICE_DISTANCE for a single frame of which
        nothing tells the thickness.

    Examples
    --------
    >>> measures = PlaneMeasures(rows=4, columns=4, pixel_spacing=(1.0, 1.0), spacing_between_slices=2.0)
    >>> positions = np.array([[0.0, 0.0, 10.0], [0.0, 0.0, 16.0], [0.0, 0.0, 12.0]])
    >>> lattice = lattice_of(positions, np.tile([1.0, 0, 0, 0, 1, 0], (3, 1)), measures)
    >>> lattice.grid.shape, lattice.slice_of_frame.tolist()
    ((4, 4, 4), [0, 3, 1])
    """
    if np.abs(orientations - orientations[0]).max() > ORIENTATION_TOLERANCE:
        raise InputError("the frames are turned against each other", code="INCONSISTENT_ORIENTATION", where=where)
    along_row, along_column = plane_directions(orientations)
    normal = np.cross(along_row, along_column)
    heights = positions @ normal
    planes, plane_of_frame = _distinct(heights)
    pitch, findings = _pitch(planes, measures, where)
    numbers = np.rint(np.cumsum(np.concatenate([[0.0], np.rint(np.diff(planes) / pitch)]))).astype(np.int64)
    slices = numbers[plane_of_frame]
    first = positions[np.argmin(heights)]
    last = positions[np.argmax(heights)]
    step = (last - first) / numbers[-1] if numbers[-1] else normal * pitch
    residual = np.abs(positions - (first + slices[:, np.newaxis] * step)).max()
    if residual > spacing_tolerance_mm(pitch):
        raise InputError(
            f"frames lie up to {residual:.2f} mm beside a regular stack of {pitch:g} mm",
            code="UNEVEN_SLICES",
            where=where,
        )
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = along_column * measures.pixel_spacing[0]
    affine[:3, 2] = along_row * measures.pixel_spacing[1]
    affine[:3, 3] = first
    try:
        grid = Grid((int(numbers[-1]) + 1, measures.rows, measures.columns), affine)
    except GeometryError as error:
        raise InputError(f"the header's geometry is impossible: {error}", code="BAD_GEOMETRY", where=where) from error
    return Lattice(grid, slices, findings)


def _distinct(heights: FloatArray) -> tuple[FloatArray, IntArray]:
    """Heights of the distinct planes, ascending, and each frame's plane."""
    order = np.argsort(heights, kind="stable")
    begins = np.concatenate([[True], np.diff(heights[order]) > SAME_PLANE_MM])
    plane_of_frame = np.empty(len(heights), dtype=np.int64)
    plane_of_frame[order] = np.cumsum(begins) - 1
    return heights[order][begins], plane_of_frame


def _pitch(planes: FloatArray, measures: PlaneMeasures, where: str) -> tuple[float, tuple[Finding, ...]]:
    """The distance between neighbouring slices, and what is doubtful about it."""
    declared = measures.spacing_between_slices or 0.0
    gaps = np.diff(planes)
    if len(gaps) == 0:
        return _thickness_of_one(declared, measures.slice_thickness or 0.0, where)
    if declared > 0 and _fits(gaps, declared):
        message = f"no two frames are neighbours at the declared {declared:g} mm; slices between them count as empty"
        return declared, () if gaps.min() < 1.5 * declared else (_doubt("SLICE_DISTANCE_UNCERTAIN", message, where),)
    smallest = float(gaps.min())
    pitch = smallest if _fits(gaps, smallest) else _hidden_pitch(gaps, smallest)
    if pitch <= 0 or (planes[-1] - planes[0]) / pitch > MAX_SLICES:
        raise InputError("the frames' distances have no common measure", code="UNEVEN_SLICES", where=where)
    if declared > 0:
        message = f"{declared:g} mm between slices are declared, the positions are {pitch:g} mm apart and were taken"
        return pitch, (_doubt("SLICE_DISTANCE_CONTRADICTED", message, where),)
    message = f"no spacing between slices is declared; {pitch:g} mm is the largest that fits the positions"
    is_plain = smallest < 1.5 * pitch and len(gaps) > 1
    return pitch, () if is_plain else (_doubt("SLICE_DISTANCE_UNCERTAIN", message, where),)


def _thickness_of_one(declared: float, thickness: float, where: str) -> tuple[float, tuple[Finding, ...]]:
    if declared > 0:
        return declared, ()
    if thickness <= 0:
        raise InputError("nothing tells how thick the only slice is", code="NO_SLICE_DISTANCE", where=where)
    message = f"one slice and no spacing between slices; its thickness of {thickness:g} mm was taken"
    return thickness, (_doubt("SLICE_DISTANCE_ASSUMED", message, where),)


def _doubt(code: str, message: str, where: str) -> Finding:
    return Finding(code, Severity.WARNING, message, where)


def _hidden_pitch(gaps: FloatArray, smallest: float) -> float:
    """The largest fraction of the smallest gap of which every gap is a whole number; 0 where there is none."""
    fractions = (smallest / divisor for divisor in range(2, LARGEST_DIVISOR + 1))
    return next((f for f in fractions if np.abs(gaps / f - np.rint(gaps / f)).max() <= HIDDEN_TOLERANCE), 0.0)


def _fits(gaps: FloatArray, pitch: float) -> bool:
    """Whether every gap is a whole number of pitches."""
    numbers = np.rint(gaps / pitch)
    return bool(numbers.min() >= 1 and np.abs(gaps - numbers * pitch).max() <= spacing_tolerance_mm(pitch))
