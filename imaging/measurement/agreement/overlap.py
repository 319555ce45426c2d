"""The voxels that two masks have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.segmentation.segment import Segment

__all__ = ["Overlap", "overlap_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Voxel counts of two masks on one grid, at least one of them not empty.

    Parameters
    ----------
    first, second, both
        Voxels of each, and of their intersection.
    """

    first: int
    second: int
    both: int

    @property
    def dice(self) -> float:
        """2 |A ∩ B| ÷ (|A| + |B|): 0 apart, 1 the same."""
        return 2 * self.both / (self.first + self.second)

    @property
    def jaccard(self) -> float:
        """|A ∩ B| ÷ |A ∪ B|: 0 apart, 1 the same."""
        return self.both / (self.first + self.second - self.both)

    @property
    def volume_similarity(self) -> float:
        """1 − ||A| − |B|| ÷ (|A| + |B|), twice the smaller ÷ the sum: 1 for equal volumes, wherever they lie."""
        return 2 * min(self.first, self.second) / (self.first + self.second)


def overlap_of(first: Segment, second: Segment) -> Overlap | None:
    """What two masks share; None if both are empty, all 0 if one is.

    All voxels of a grid are equally large, so that shares of voxels are shares of volume on sheared grids too.

    Raises
    ------
    GeometryError
        If the masks lie on different grids.

    Source: A. A. Taha & A. Hanbury, BMC Medical Imaging 15 (2015) 29.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> masks = [np.array([[row]], dtype=bool) for row in ([1, 1, 0, 0], [0, 1, 1, 1])]
    >>> found = overlap_of(*[Segment(mask=mask, grid=grid) for mask in masks])
    >>> found.dice, found.jaccard, found.volume_similarity
    (0.4, 0.25, 0.8)
    """
    first.grid.require_match(second.grid, what="two masks of one lesion")
    counts = [int(np.count_nonzero(mask)) for mask in (first.mask, second.mask, first.mask & second.mask)]
    if not any(counts):
        return None
    return Overlap(first=counts[0], second=counts[1], both=counts[2])
