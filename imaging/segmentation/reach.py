"""How far something reaches, in millimetres: dilation, erosion and closing that know the voxel's true size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import UsageError

__all__ = ["Box", "box_around", "closed", "distance_mm", "reached"]

Box = tuple[slice, slice, slice]


def distance_mm(mask: BoolArray, spacing_mm: Sequence[float]) -> FloatArray:
    """Distance of every voxel's centre from the nearest voxel centre of the mask; infinite for an empty mask.

    Distances are those of an orthogonal lattice; on a grid sheared by gantry tilt they err by at most its sine.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool.
    spacing_mm
        (slice, row, column).

    Examples
    --------
    >>> mask = np.zeros((1, 1, 4), bool)
    >>> mask[0, 0, 0] = True
    >>> distance_mm(mask, (1.0, 1.0, 0.5)).ravel().tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm), dtype=np.float64)


def reached(mask: BoolArray, spacing_mm: Sequence[float], reach_mm: float) -> BoolArray:
    """What lies within a reach of the mask, and at least the next voxel along every axis.

    The next voxel always counts, because the voxel behind a boundary in a 5 mm slice is partly filled however short the
    reach is.

    Raises
    ------
    UsageError
        BAD_LENGTH: the reach is not above zero.

    Examples
    --------
    >>> mask = np.zeros((3, 1, 7), bool)
    >>> mask[1, 0, 3] = True
    >>> reached(mask, (5.0, 0.8, 0.8), 1.7)[:, 0, :].astype(int).tolist()
    [[0, 0, 0, 1, 0, 0, 0], [0, 1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]]
    """
    if not reach_mm > 0:
        raise UsageError("a reach is a length above zero", code="BAD_LENGTH")
    # Distances on a lattice whose steps are no longer than the reach: the ball becomes an ellipsoid.
    shortened = tuple(min(step, reach_mm) for step in spacing_mm)
    return np.asarray(distance_mm(mask, shortened) <= reach_mm * (1 + 1e-9))


def closed(mask: BoolArray, spacing_mm: Sequence[float], radius_mm: float) -> BoolArray:
    """The mask with gaps narrower than twice the radius bridged (morphological closing by a ball).

    Beyond the image there is nothing, so nothing is bridged to its border.

    Examples
    --------
    >>> mask = np.tile(np.array([1, 0, 1, 0, 0, 0, 0, 1], bool), (3, 3, 1))
    >>> closed(mask, (1.0, 1.0, 1.0), 1.0)[1, 1].astype(int).tolist()
    [1, 1, 1, 0, 0, 0, 0, 1]
    """
    room = [int(np.ceil(radius_mm / step)) + 1 for step in spacing_mm]
    grown = distance_mm(np.pad(mask, [(n, n) for n in room]), spacing_mm) <= radius_mm
    inner = tuple(slice(n, -n) for n in room)
    return np.asarray((distance_mm(~grown, spacing_mm) > radius_mm)[inner] | mask)


def box_around(mask: BoolArray, spacing_mm: Sequence[float], margin_mm: float) -> Box:
    """The smallest box that holds the mask and a margin, within the array; the whole array for an empty mask.

    Examples
    --------
    >>> mask = np.zeros((9, 9, 9), bool)
    >>> mask[4, 4, 4] = True
    >>> box_around(mask, (1.0, 1.0, 1.0), 2.0)[0]
    slice(2, 7, None)
    """
    sides = []
    for axis in range(3):
        present = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        pad = int(np.ceil(margin_mm / spacing_mm[axis]))
        if present.size:
            sides.append(slice(max(int(present[0]) - pad, 0), min(int(present[-1]) + pad + 1, mask.shape[axis])))
        else:
            sides.append(slice(0, mask.shape[axis]))
    return (sides[0], sides[1], sides[2])
