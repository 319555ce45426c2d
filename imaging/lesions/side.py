"""On which side of the patient a mask lies, judged by the body in the image: a check on what people wrote.

The midline is taken where the body is symmetric from side to side: the middle between its left and right outline on the
mask's own slices. That is wrong by centimetres where the image shows one side of the body alone, so such images give
no answer, and a side within a centimetre of the midline is not judged.
"""

from __future__ import annotations

import numpy as np

from imaging.arrays import BoolArray
from imaging.volume import Modality, Volume

__all__ = ["side_of"]

BODY_HU = -300.0  # between air and fat
BODY_SHARE = 0.15  # of the brightest percentile on MR: above the noise, below fat and muscle
EDGE_SHARE = 0.02  # of the columns: closer to the image's border the outline is not seen
UNSURE_MM = 10.0


def side_of(mask: BoolArray, volume: Volume) -> str | None:
    """``left`` or ``right`` of the patient; None where the image cannot tell.

    Parameters
    ----------
    mask
        (slices, rows, columns) on the volume's grid, not empty.
    volume
        An image that shows the body from side to side.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((1, 10, 100), (5.0, 4.0, 4.0))
    >>> body = np.full(grid.shape, -1000, np.int16)
    >>> body[:, :, 10:90] = 40
    >>> mask = np.zeros(grid.shape, bool)
    >>> mask[:, 5, 70] = True
    >>> side_of(mask, Volume(samples=body, grid=grid, modality=Modality.CT))
    'left'
    """
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    samples = volume.samples[slices]
    floor = BODY_HU if volume.modality is Modality.CT else BODY_SHARE * float(np.percentile(samples, 99))
    body = samples > floor
    if volume.valid is not None:
        body &= volume.valid[slices]
    column_step = volume.grid.affine[:3, 2]
    if abs(column_step[0]) < np.abs(column_step[1:]).max() or not body.any():
        return None  # the columns do not run from side to side
    columns = np.flatnonzero(body.any(axis=(0, 1)))
    count = volume.grid.shape[2]
    margin = max(1, round(EDGE_SHARE * count))
    if columns[0] < margin or columns[-1] >= count - margin:
        return None  # an outline is outside the image, so the middle is not the midline
    centre = np.argwhere(mask).mean(axis=0)
    middle = np.array([centre[0], centre[1], (columns[0] + columns[-1]) / 2])
    offset_mm = float((volume.grid.points([centre]) - volume.grid.points([middle]))[0, 0])
    if abs(offset_mm) < UNSURE_MM:
        return None
    return "left" if offset_mm > 0 else "right"
