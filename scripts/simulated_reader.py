"""A reader who corrects where the outline is most wrong: one ball at the deepest error, as large as fits into it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.segmentation.editing.correct import Correction, corrected
from imaging.segmentation.editing.stroke import Stroke


def masks_of_reader(proposed: BoolArray, reference: BoolArray, grid: Grid, *, strokes: int) -> Iterator[BoolArray]:
    """The mask before the first stroke and after each; earlier strokes stay as they were drawn."""
    mask, made = proposed, list[Correction]()
    yield mask
    for _ in range(strokes):
        next_one = deepest_error(mask, reference, grid)
        if next_one is not None:
            made.append(next_one)
            mask = corrected(mask, grid, made)
        yield mask


def deepest_error(mask: BoolArray, reference: BoolArray, grid: Grid) -> Correction | None:
    deepest: tuple[float, Correction] | None = None
    for adds, error in ((True, reference & ~mask), (False, mask & ~reference)):
        depth = ndimage.distance_transform_edt(np.pad(error, 1), sampling=grid.spacing_mm)[1:-1, 1:-1, 1:-1]
        index = np.unravel_index(depth.argmax(), depth.shape)
        depth_mm, half = float(depth[index]), min(grid.spacing_mm) / 2
        if depth_mm > 0 and (deepest is None or depth_mm > deepest[0]):
            x, y, z = grid.points([index])[0].tolist()
            deepest = depth_mm, Correction(Stroke(((x, y, z),), max(depth_mm - half, half)), adds)
    return None if deepest is None else deepest[1]
