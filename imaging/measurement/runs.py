"""A mask as runs of voxels along its rows: a hundredth of the voxels, and all that its pieces and outlines need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imaging.arrays import BoolArray, IntArray, frozen

__all__ = ["Runs"]

# The rows after a row that its voxels can touch, as steps of (slice, row); those before it are these the other way.
ON_THE_SLICE = ((0, 1),)
IN_SPACE = ((0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Runs:
    """The runs of a mask in the order of slice, row and column.

    Parameters
    ----------
    slices, rows
        (n,) where each run lies.
    first, last
        (n,) the columns of its two ends, both inside.
    shape
        Of the mask.

    Examples
    --------
    >>> runs = Runs.of(np.array([[[1, 1, 0, 1], [0, 0, 1, 0]], [[0, 0, 0, 0], [1, 0, 0, 0]]], dtype=bool))
    >>> runs.rows.tolist(), runs.first.tolist(), runs.last.tolist()
    ([0, 0, 1, 1], [0, 3, 2, 0], [1, 3, 2, 0])
    >>> runs.pieces_on_slices().tolist(), runs.pieces_in_space().tolist()
    ([0, 0, 0, 1], [0, 0, 0, 0])
    """

    slices: IntArray
    rows: IntArray
    first: IntArray
    last: IntArray
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, mask: BoolArray) -> Runs:
        """The runs of a mask (slices, rows, columns)."""
        slices, rows, columns = mask.shape
        padded = np.zeros((slices, rows, columns + 1), dtype=bool)  # a column between rows ends every run
        padded[:, :, :columns] = mask
        flat = padded.ravel()
        change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        start = np.concatenate([[0], change]) if flat[0] else change
        first, last = start[0::2], start[1::2] - 1
        row, column = np.divmod(first, columns + 1)
        return cls(
            slices=frozen(row // rows),
            rows=frozen(row % rows),
            first=frozen(column),
            last=frozen(column + last - first),
            shape=(slices, rows, columns),
        )

    def pieces_on_slices(self) -> IntArray:
        """(n,) which piece each run is of; pixels of one slice that touch by a side or a corner are one piece."""
        return self._pieces(ON_THE_SLICE)

    def pieces_in_space(self) -> IntArray:
        """(n,) which piece each run is of; voxels that touch by a face, an edge or a corner are one piece."""
        return self._pieces(IN_SPACE)

    def _pieces(self, steps: Iterable[tuple[int, int]]) -> IntArray:
        """Numbered in the order of their first runs."""
        _, height, width = self.shape
        # Places along one line, with room around every slice and row, so that no run reaches into another row.
        places = (self.slices * (height + 2) + self.rows + 1) * (width + 2)
        first, last = places + self.first, places + self.last
        here, there = [], []
        for step_slice, step_row in steps:
            way = (step_slice * (height + 2) + step_row) * (width + 2)
            begin = np.searchsorted(last, first + way - 1)
            count = np.searchsorted(first, last + way + 1, side="right") - begin
            here.append(np.repeat(np.arange(len(first)), count))
            there.append(np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - begin, count))
        pairs = np.concatenate(here), np.concatenate(there)
        touching = coo_array((np.ones(len(pairs[0]), dtype=bool), pairs), shape=(len(first), len(first)))
        _, number = connected_components(touching, directed=False)
        return np.asarray(number, dtype=np.int64)
