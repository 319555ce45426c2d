"""Which array axis runs nearest to which axis of the patient, so that an image can be turned without resampling.

A turned array is a *view* of the same voxels with its axes in the order (head, back, left): first axis to the head,
second to the back, third to the patient's left. Nothing is interpolated, so what a reader paints on the turned array is
painted on the voxels themselves.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging.geometry.grid import Grid

__all__ = ["AxisOrder", "axis_order_of"]

Item = TypeVar("Item", bound=np.generic)


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """How a native (slice, row, column) array is turned to (head, back, left), and back.

    Parameters
    ----------
    axes
        The native axis that becomes the first, second and third.
    flipped
        Which of the turned axes then run backwards through the native one.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def turned(self, native: NDArray[Item]) -> NDArray[Item]:
        """A view of the native array with axes (head, back, left)."""
        return native.transpose(self.axes)[self.steps]

    def native(self, turned: NDArray[Item]) -> NDArray[Item]:
        """The inverse of :meth:`turned`: a view of the turned array with axes (slice, row, column)."""
        return turned[self.steps].transpose(np.argsort(self.axes))

    def spacing_mm(self, grid: Grid) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along the turned axes; across the slices of a sheared grid their distance."""
        native = (grid.slice_distance_mm, *grid.spacing_mm[1:])
        first, second, third = self.axes
        return (native[first], native[second], native[third])

    def index(self, native_index: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """The turned index (3,) of a native index (3,), which may be fractional, in a native array of that shape."""
        picked = np.asarray(native_index, dtype=np.float64)[list(self.axes)]
        last = np.array(shape)[list(self.axes)] - 1
        return np.where(self.flipped, last - picked, picked)

    def native_index(self, turned_index: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """The inverse of :meth:`index`."""
        last = np.array(shape)[list(self.axes)] - 1
        picked = np.where(self.flipped, last - turned_index, turned_index)
        return np.asarray(picked[np.argsort(self.axes)], dtype=np.float64)

    @property
    def steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)


def axis_order_of(grid: Grid) -> AxisOrder:
    """The order in which the grid's axes lie nearest to the patient's: the one with the greatest sum of cosines.

    An oblique grid is turned to the nearest patient axes and stays oblique by what is left, at most 55°; sections are
    then seen as they were acquired.

    Examples
    --------
    >>> axial = Grid.from_spacing((4, 5, 6), (5.0, 1.0, 1.0))
    >>> axis_order_of(axial)
    AxisOrder(axes=(0, 1, 2), flipped=(False, False, False))

    A sagittal series: slices to the left, rows to the feet, columns to the back.

    >>> affine = np.array([[4.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    >>> axis_order_of(Grid((3, 5, 6), affine))
    AxisOrder(axes=(1, 2, 0), flipped=(True, False, False))
    """
    cosines = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    towards = cosines[[2, 1, 0]]  # rows: head, back, left; columns: native axes
    best = max(itertools.permutations(range(3)), key=lambda axes: sum(abs(towards[n, a]) for n, a in enumerate(axes)))
    head, back, left = best
    return AxisOrder(
        (head, back, left), (bool(towards[0, head] < 0), bool(towards[1, back] < 0), bool(towards[2, left] < 0))
    )
