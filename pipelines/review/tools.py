"""What a key makes of the current outline: pure functions of it, as values that the panel turns into buttons.

Material is not taken out of an outline here: an outline is the gross lesion, and the net volume is computed beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.segmentation.editing.between import filled_between_slices
from imaging.segmentation.editing.outline import grown, smoothed
from imaging.segmentation.editing.pieces import largest_piece, without_holes

__all__ = ["TOOLS", "Tool"]


@dataclass(frozen=True, slots=True)
class Tool:
    """One change of an outline.

    Parameters
    ----------
    key, text, tip
        As of an :class:`pipelines.review.actions.Action`.
    change
        From a mask and its grid to the new mask.
    """

    key: str
    text: str
    tip: str
    change: Callable[[BoolArray, Grid], BoolArray]


def pixel_mm(grid: Grid) -> float:
    """The step by which an outline is moved or smoothed: nothing finer can be seen."""
    return min(grid.spacing_mm[1:])


def filled(mask: BoolArray, _: Grid) -> BoolArray:
    return without_holes(mask, in_slices=True)


def smooth(mask: BoolArray, grid: Grid) -> BoolArray:
    return smoothed(mask, grid, sigma_mm=pixel_mm(grid))


def larger(mask: BoolArray, grid: Grid) -> BoolArray:
    return grown(mask, grid, by_mm=pixel_mm(grid))


def smaller(mask: BoolArray, grid: Grid) -> BoolArray:
    return grown(mask, grid, by_mm=-pixel_mm(grid))


def one_piece(mask: BoolArray, _: Grid) -> BoolArray:
    return largest_piece(mask)


TOOLS = (
    Tool("F", "Fill slices", "Fill the slices between those that are drawn.", filled_between_slices),
    Tool("H", "Fill holes", "Fill the holes, slice by slice.", filled),
    Tool("G", "Smooth", "Smooth the outline by a pixel; its volume stays.", smooth),
    Tool("Shift+G", "Grow", "Move the outline outwards by a pixel.", larger),
    Tool("Alt+G", "Shrink", "Move the outline inwards by a pixel.", smaller),
    Tool("L", "One piece", "Keep the largest piece alone.", one_piece),
)
