"""The voxels that a reader's points, strokes and boxes rule in or out, whatever the image shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.segmentation.editing.stroke import Stroke, swept
from imaging.segmentation.prior import box_frame
from imaging.segmentation.prompt import BoxAxes, BoxPrompt, PointPrompt, Prompt, ScribblePrompt, as_array

__all__ = ["doubts_of_marks", "marked_voxels"]

LINE_MM = 1e-6  # half the width of a stroke without a pen: only the voxels that it passes are marked


def marked_voxels(prompts: Sequence[Prompt], grid: Grid, *, sign: int) -> BoolArray:
    """The voxels that points, strokes and (for sign −1) boxes of that sign claim outright.

    A point or stroke claims what the ball of its radius passes, at least the nearest voxels; a positive radius of a
    point means the lesion's size, not certain ground, so a positive point claims its nearest voxel only.

    Examples
    --------
    >>> from imaging.segmentation.prompt import PointPrompt
    >>> grid = Grid.from_spacing((9, 9, 9), (1.0, 1.0, 1.0))
    >>> int(marked_voxels([PointPrompt((4, 4, 4), 1.2, -1)], grid, sign=-1).sum())
    7
    """
    marked = np.zeros(grid.shape, dtype=bool)
    for prompt in prompts:
        if isinstance(prompt, PointPrompt | ScribblePrompt) and prompt.sign == sign:
            window, inside = swept(_pen(prompt), grid)
            marked[window] |= inside
        elif isinstance(prompt, BoxPrompt) and prompt.sign == sign and sign < 0:
            _mark_box(marked, grid, prompt)
    return marked


def doubts_of_marks(prompts: Sequence[Prompt], grid: Grid, lesion: BoolArray, never: BoolArray) -> tuple[Finding, ...]:
    """What of a reader's marks has no effect: places beyond the image, and voxels that are marked both ways.

    Parameters
    ----------
    lesion, never
        As :func:`marked_voxels` gives them for either sign, or with what the caller rules out besides.

    Examples
    --------
    >>> grid = Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0))
    >>> nothing = np.zeros(grid.shape, bool)
    >>> [doubt.code for doubt in doubts_of_marks([PointPrompt((99, 0, 0))], grid, nothing, nothing)]
    ['MARK_OUTSIDE_IMAGE']
    """
    both = int(np.count_nonzero(lesion & never)) if lesion.any() else 0
    return tuple(Finding(code, Severity.WARNING, message) for code, message in _remarks(prompts, grid, both))


def _remarks(prompts: Sequence[Prompt], grid: Grid, both: int) -> Iterator[tuple[str, str]]:
    drawn = [_pen(prompt).points_lps_mm for prompt in prompts if isinstance(prompt, PointPrompt | ScribblePrompt)]
    if drawn:
        index = grid.indices(np.concatenate([as_array(points) for points in drawn]))
        beyond = int(((index < -0.5) | (index > np.array(grid.shape) - 0.5)).any(axis=1).sum())
        if beyond:
            yield (
                "MARK_OUTSIDE_IMAGE",
                f"{beyond} of {len(index)} marked points lie outside the image and say nothing of it: see "
                "whether they were drawn on this series",
            )
    if both:
        yield (
            "MARKS_CONTRADICT",
            f"{both} voxels are marked as lesion and as not lesion: they were left out",
        )


def _pen(prompt: PointPrompt | ScribblePrompt) -> Stroke:
    if isinstance(prompt, ScribblePrompt):
        return Stroke(prompt.points, prompt.radius_mm or LINE_MM)
    return Stroke((prompt.point,), (prompt.radius_mm if prompt.sign < 0 else None) or LINE_MM)


def _mark_box(marked: BoolArray, grid: Grid, box: BoxPrompt) -> None:
    """Set, in the caller's own fresh array, the voxels whose centres lie in the box (half a voxel deep at least)."""
    axes = box_frame(as_array(box.corners)) if box.axes is BoxAxes.IMAGE else np.eye(3)
    ends = as_array(box.corners) @ axes
    low_mm, high_mm = ends.min(axis=0), ends.max(axis=0)
    slack = np.where(low_mm == high_mm, max(grid.spacing_mm) / 2, 0.0)
    low_mm, high_mm = low_mm - slack, high_mm + slack
    corners = np.array(np.meshgrid(*np.stack([low_mm, high_mm]).T, indexing="ij")).reshape(3, 8).T @ axes.T
    indices = grid.indices(corners)
    low = np.clip(np.floor(indices.min(axis=0)), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(indices.max(axis=0)) + 1, low, grid.shape).astype(int)
    shape = (1, int(high[1] - low[1]), int(high[2] - low[2]))
    plane = np.indices(shape).reshape(3, -1).T + np.array([0, low[1], low[2]])
    for k in range(int(low[0]), int(high[0])):  # plane by plane: a whole CT's centres fill gigabytes
        centres = grid.points(plane + np.array([k, 0, 0])) @ axes
        inside = ((centres >= low_mm) & (centres <= high_mm)).all(axis=1)
        marked[k, low[1] : high[1], low[2] : high[2]] |= inside.reshape(shape[1:])
