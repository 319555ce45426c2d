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
    labels, count = ndimage.label(whole.mask, structure=ANY_NEIGHBOUR)
    pieces = (Segment(mask=labels == number, grid=whole.grid) for number in range(1, count + 1))
    return tuple(sorted((in_plane_axes(Extent.of(piece)).long.length_mm for piece in pieces), reverse=True))
