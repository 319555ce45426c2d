"""A view's lesions as one array of label numbers that a reader paints on, and the masks that come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.geometry.orientation import AxisOrder, axis_order_of
from imaging.segmentation import LesionId

__all__ = ["Sheet"]

Labels = NDArray[np.uint16]


@dataclass(slots=True, eq=False)
class Sheet:
    """Masks under a brush.

    Two lesions may share voxels, and an array of labels cannot show that. So a lesion's mask is never read off the
    labels alone: it is the mask as it was, without the voxels on which its own label was taken away, and with those on
    which its label was put. What lies unseen under another lesion stays when that one is erased there.

    Parameters
    ----------
    grid
        The native grid; ``labels`` has its shape.
    numbers
        The label number of each lesion, from 1.
    saved
        The masks as they are on disk.
    labels
        What the reader sees and paints on; 0 is background.
    shown
        The labels as they were before the reader changed them.
    touched
        Whether anybody painted since: nothing is compared voxel by voxel for a sheet that nobody touched.
    """

    grid: Grid
    numbers: Mapping[LesionId, int]
    saved: dict[LesionId, BoolArray]
    labels: Labels
    shown: Labels
    touched: bool = False

    @classmethod
    def of(cls, grid: Grid, numbers: Mapping[LesionId, int], masks: Mapping[LesionId, BoolArray]) -> Sheet:
        """A clean sheet with these masks on it; a later lesion lies over an earlier one.

        Examples
        --------
        >>> line = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
        >>> one, two = (np.array([[mask]], bool) for mask in ([1, 1, 0, 0], [0, 1, 1, 0]))
        >>> sheet = Sheet.of(line, {"L1": 1, "L2": 2}, {"L1": one, "L2": two})
        >>> sheet.labels.tolist(), sheet.mask("L1").astype(int).tolist()
        ([[[1, 2, 2, 0]]], [[[1, 1, 0, 0]]])
        >>> sheet.labels[0, 0, 3], sheet.touched = 1, True
        >>> sheet.mask("L1").astype(int).tolist(), sheet.edited("L2")
        ([[[1, 1, 0, 1]]], False)
        """
        labels = np.zeros(grid.shape, dtype=np.uint16)
        for lesion, mask in masks.items():
            labels[mask] = numbers[lesion]
        return cls(grid, numbers, dict(masks), labels, labels.copy())

    @property
    def order(self) -> AxisOrder:
        """How the sheet is turned for a viewer."""
        return axis_order_of(self.grid)

    def turned(self) -> Labels:
        """The labels as a viewer sees them: a view, so that painting on it paints here."""
        return self.order.turned(self.labels)

    def mask(self, lesion: LesionId) -> BoolArray:
        """The lesion's mask as the reader left it."""
        before = self.saved.get(lesion)
        number = self.numbers[lesion]
        painted = self.labels == number
        if before is None:
            return np.asarray(painted)
        taken = (self.shown == number) & ~painted
        return np.asarray((before & ~taken) | (painted & (self.shown != number)))

    def edited(self, lesion: LesionId) -> bool:
        """Whether the lesion's mask differs from the one on disk."""
        if not self.touched:
            return False
        before = self.saved.get(lesion)
        now = self.mask(lesion)
        return bool(now.any()) if before is None else not np.array_equal(now, before)

    def volume_ml(self, lesion: LesionId) -> float:
        """The lesion's voxels in mL."""
        return int(np.count_nonzero(self.mask(lesion))) * self.grid.voxel_volume_mm3 / 1000

    def replaced(self, masks: Mapping[LesionId, BoolArray]) -> None:
        """Take other masks from disk; what the reader has changed and not saved is kept, lesion by lesion."""
        kept = {lesion: self.mask(lesion) for lesion in self.numbers if self.edited(lesion)}
        fresh = Sheet.of(self.grid, self.numbers, masks)
        self.saved, self.shown = fresh.saved, fresh.shown.copy()
        self.labels[...] = fresh.labels
        self.touched = False
        for lesion, mask in kept.items():
            self.put(lesion, mask)

    def settle(self) -> None:
        """All that was painted is on disk now."""
        self.saved = {lesion: mask for lesion in self.numbers if (mask := self.mask(lesion)).any()}
        self.shown = self.labels.copy()
        self.touched = False

    def put(self, lesion: LesionId, mask: BoolArray) -> None:
        """Make the lesion's mask this one, as if a reader had painted the difference."""
        now, number = self.mask(lesion), self.numbers[lesion]
        self.labels[now & ~mask & (self.labels == number)] = 0
        self.labels[mask & ~now] = number
        self.touched = True
