"""How a slice is turned for a reader: axial with the patient's left on the viewer's right, feet and back downwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray
from imaging.errors import GeometryError
from imaging.geometry import Grid

__all__ = ["Facing", "direction_letters", "facing_of"]

PLANES = ("sagittal", "coronal", "axial")  # by the LPS axis that the slice normal is nearest to
# What lies to the viewer's right and downwards in each plane, as radiology shows it (LPS; +x = the patient's left).
RIGHTWARDS = {"sagittal": (0, 1, 0), "coronal": (1, 0, 0), "axial": (1, 0, 0)}
DOWNWARDS = {"sagittal": (0, 0, -1), "coronal": (0, 0, -1), "axial": (0, 1, 0)}
LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # PS3.3 C.7.6.1.1.1: towards + and towards - of each LPS axis
NAMED_COSINE = math.cos(math.radians(75))  # a direction within 75° of an axis is named after it as well
OBLIQUE_FROM_DEG = 2.0  # less is how straight a patient lies
IN_PLANE_COSINE = 1e-3  # as Grid.is_orthogonal


@dataclass(frozen=True, slots=True, kw_only=True)
class Facing:
    """How to turn a slice (rows, columns), and what the viewer then sees at its sides.

    Parameters
    ----------
    transposed, rows_flipped, columns_flipped
        Done in this order.
    plane
        ``"axial"``, or ``"oblique axial (12°)"``.
    left, right, top, bottom
        Orientation letters of the turned slice; two or three letters where it lies obliquely.
    """

    transposed: bool
    rows_flipped: bool
    columns_flipped: bool
    plane: str
    left: str
    right: str
    top: str
    bottom: str

    def turned(self, slice_samples: NDArray[Any]) -> NDArray[Any]:
        """The slice as the viewer sees it: first row on top, first column on the left."""
        seen = slice_samples.T if self.transposed else slice_samples
        seen = seen[::-1] if self.rows_flipped else seen
        return np.ascontiguousarray(seen[:, ::-1] if self.columns_flipped else seen)

    def spacing(self, row_mm: float, column_mm: float) -> tuple[float, float]:
        """Spacing of the turned slice's rows and columns."""
        return (column_mm, row_mm) if self.transposed else (row_mm, column_mm)


def facing_of(grid: Grid) -> Facing:
    """How slices of the grid are shown.

    Raises
    ------
    GeometryError
        If rows and columns do not stand at right angles: a picture would show them bent.

    Source: PS3.3 C.7.6.1.1.1 (patient orientation); the radiological convention.

    Examples
    --------
    >>> facing = facing_of(Grid.from_spacing((4, 8, 8), (5.0, 1.0, 1.0)))
    >>> facing.plane, facing.left, facing.right, facing.top, facing.bottom
    ('axial', 'R', 'L', 'A', 'P')
    """
    rows, columns = (grid.affine[:3, axis] / np.linalg.norm(grid.affine[:3, axis]) for axis in (1, 2))
    if abs(float(rows @ columns)) > IN_PLANE_COSINE:
        raise GeometryError("rows and columns of this image are not at right angles; resample it by name to show it")
    normal_axis = int(np.argmax(np.abs(grid.slice_normal)))
    plane = PLANES[normal_axis]
    rightwards, downwards = np.array(RIGHTWARDS[plane], float), np.array(DOWNWARDS[plane], float)
    transposed = bool(abs(rows @ rightwards) > abs(columns @ rightwards))
    down, right = (columns, rows) if transposed else (rows, columns)
    rows_flipped, columns_flipped = bool(down @ downwards < 0), bool(right @ rightwards < 0)
    down, right = (-down if rows_flipped else down), (-right if columns_flipped else right)
    tilt = math.degrees(math.acos(min(1.0, abs(float(grid.slice_normal[normal_axis])))))
    return Facing(
        transposed=transposed,
        rows_flipped=rows_flipped,
        columns_flipped=columns_flipped,
        plane=plane if tilt < OBLIQUE_FROM_DEG else f"oblique {plane} ({tilt:.0f}°)",
        left=direction_letters(-right),
        right=direction_letters(right),
        top=direction_letters(-down),
        bottom=direction_letters(down),
    )


def direction_letters(direction: FloatArray) -> str:
    """The letters of the patient axes that a unit direction (3,) in LPS points to, nearest first.

    Examples
    --------
    >>> direction_letters(np.array([0.8, 0.0, -0.6]))
    'LF'
    """
    nearest_first = sorted(range(3), key=lambda axis: -abs(float(direction[axis])))
    return "".join(
        LETTERS[axis][0 if direction[axis] > 0 else 1] for axis in nearest_first if abs(direction[axis]) > NAMED_COSINE
    )
