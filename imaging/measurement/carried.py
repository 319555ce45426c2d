"""Material that one image shows and another only holds: cement found on CT, inside a lesion contoured on MR."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.segmentation.reach import box_around

__all__ = ["material_inside", "shifted_each_way"]


def material_inside(
    lesion: BoolArray,
    material_share: NDArray[np.float32] | FloatArray,
    grid: Grid,
    *,
    source_date: str,
    registration_error_mm: float,
    relative_interval: tuple[float, float] = (1.0, 1.0),
) -> tuple[Quantity, Finding]:
    """How much carried material lies inside a lesion's outer contour, and the remark that it was carried.

    Parameters
    ----------
    lesion
        The lesion on the grid of the image on which it is measured (an MR).
    material_share
        On the same grid, the share 0..1 of each voxel that is material, resampled from the CT.
    grid
        That grid.
    source_date
        ISO date of the CT.
    registration_error_mm
        By so much the material may lie elsewhere, in any direction.
    relative_interval
        Low and high bound of the material's volume on the CT as multiples of its value.

    Returns
    -------
    quantity, finding
        mL, with the range over shifts by the registration error along each patient axis, which the error names as a
        part of its own; MATERIAL_CARRIED.

    Raises
    ------
    GeometryError
        If the arrays do not fill the grid.

    Examples
    --------
    >>> grid = Grid.from_spacing((10, 10, 10), (1, 1, 1))
    >>> lesion, share = np.zeros((10, 10, 10), bool), np.zeros((10, 10, 10))
    >>> lesion[2:8, 2:8, 2:8] = True
    >>> share[4:6, 4:6, 6:9] = 1.0
    >>> inside, finding = material_inside(lesion, share, grid, source_date="2003-01-20", registration_error_mm=1.0)
    >>> inside.value, inside.interval95, finding.code
    (0.008, (0.004, 0.012), 'MATERIAL_CARRIED')
    """
    for name, array in (("lesion", lesion), ("material", material_share)):
        if array.shape != grid.shape:
            raise GeometryError(f"the {name} {array.shape} does not fill the grid {grid.shape}")
    box = box_around(lesion, grid.spacing_mm, 2 * registration_error_mm + max(grid.spacing_mm))
    share, inside = np.asarray(material_share[box], dtype=np.float64), lesion[box]
    voxel_ml = grid.voxel_volume_mm3 / 1000
    value = float(share[inside].sum() * voxel_ml)
    reachable = [value]
    for shifted in shifted_each_way(share, grid, registration_error_mm):
        reachable.append(float(shifted[inside].sum() * voxel_ml))
    interval = (min(reachable) * min(relative_interval[0], 1.0), max(reachable) * max(relative_interval[1], 1.0))
    by_place = (min(reachable), max(reachable))
    by_threshold = (value * min(relative_interval[0], 1.0), value * max(relative_interval[1], 1.0))
    parts = (("outline of the material", by_threshold), ("registration", by_place))
    error = TwoPartError.technical_alone(interval, value, *(parts if registration_error_mm > 0.0 else parts[:1]))
    method = f"material of the CT of {source_date} within the contour; interval from ± {registration_error_mm:.2g} mm"
    message = f"material was carried from the CT of {source_date} by registration (± {registration_error_mm:.2g} mm)"
    return Quantity(value, "mL", method, interval, error=error), Finding("MATERIAL_CARRIED", Severity.INFO, message)


def shifted_each_way(share: FloatArray, grid: Grid, error_mm: float) -> Iterator[FloatArray]:
    """Shares of voxels of the grid, or of a part of it, shifted by a distance to and fro along each patient axis.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 2.0))
    >>> shifts = shifted_each_way(np.array([[[0.0, 0.0, 1.0]]]), grid, 1.0)
    >>> [part.ravel().tolist() for part in shifts][3]
    [0.0, 0.5, 1.0]
    """
    for direction in (*np.eye(3), *-np.eye(3)):
        steps = grid.index_from_point[:3, :3] @ (direction * error_mm)
        yield np.asarray(ndimage.shift(share, steps, order=1, mode="nearest"), dtype=np.float64)
