"""The diameters of a lesion that lies in several pieces: RECIST adds those of a lesion that has split."""

from __future__ import annotations

from scipy import ndimage

from imaging.measurement.diameter import in_plane_axes
from imaging.measurement.extent import ANY_NEIGHBOUR, Extent
from imaging.segmentation.segment import Segment

__all__ = ["piece_long_axes_mm"]


def piece_long_axes_mm(segment: Segment) -> tuple[float, ...]:
    """The longest in-plane diameter of each separate piece, longest first; voxels that touch by a corner are one piece.

    Raises
    ------
    EmptyMask
        If no voxel is set.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> mask = np.zeros((1, 1, 12), dtype=bool)
    >>> mask[0, 0, 1:4] = mask[0, 0, 6:11] = True
    >>> piece_long_axes_mm(Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (1.0, 1.0, 2.0))))
    (10.0, 6.0)
    """
    whole = Extent.of(segment)
    labels, _ = ndimage.label(whole.mask, structure=ANY_NEIGHBOUR)
    lengths: list[float] = []
    known: dict[tuple[tuple[int, ...], bytes], float] = {}  # specks may be thousands, and most are of one shape
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels[box] == number
        shape = mask.shape, mask.tobytes()
        if shape not in known:
            grid = whole.grid.crop([side.start for side in box], [side.stop for side in box])
            known[shape] = in_plane_axes(Extent.of(Segment(mask=mask, grid=grid))).long.length_mm
        lengths.append(known[shape])
    return tuple(sorted(lengths, reverse=True))
