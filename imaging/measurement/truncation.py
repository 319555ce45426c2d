"""Whether a mask goes on beyond what was imaged, though the grid does not end there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.finding import Finding
from imaging.volume import Volume

__all__ = ["is_cut_off", "told_once"]


def is_cut_off(mask: BoolArray, volume: Volume) -> bool:
    """Whether the mask lies beside the edge of the field: padding that reaches to the border of a slice.

    Padding inside the body is a value that happens to be the padding's (air in bowel, a void on MR) and cuts nothing.
    Gaps between slices are no edge either; they have their own finding.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> from imaging.volume import Modality
    >>> grid, valid = Grid.from_spacing((3, 9, 9), (3.0, 1.0, 1.0)), np.ones((3, 9, 9), bool)
    >>> valid[:, :, 7:] = False
    >>> ct = Volume(samples=np.zeros(grid.shape, np.int16), grid=grid, modality=Modality.CT, valid=valid)
    >>> mask = np.zeros(grid.shape, bool)
    >>> mask[1, 4, 4:7] = True
    >>> is_cut_off(mask, ct), is_cut_off(np.roll(mask, -1, axis=2), ct)
    (True, False)
    """
    if volume.valid is None:
        return False
    imaged = np.ones(mask.shape[0], bool) if volume.acquired_slices is None else volume.acquired_slices.imaged
    return any(_touches_outside(mask[k], ~volume.valid[k]) for k in np.flatnonzero(mask.any(axis=(1, 2)) & imaged))


def told_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each remark once; that a lesion is cut off once, by whom ever it was seen first.

    Examples
    --------
    >>> from imaging.finding import Severity
    >>> seen = [Finding("LESION_TRUNCATED", Severity.WARNING, text) for text in ("by its prior", "by its mask")]
    >>> [finding.message for finding in told_once(seen)]
    ['by its prior']
    """
    kept = tuple(dict.fromkeys(findings))
    cut = [finding for finding in kept if finding.code == "LESION_TRUNCATED"]
    return tuple(finding for finding in kept if finding not in cut[1:])


def _touches_outside(mask: BoolArray, unknown: BoolArray) -> bool:
    beside = ndimage.binary_dilation(mask) & unknown
    if not beside.any():
        return False
    outside = ~ndimage.binary_fill_holes(~unknown)
    return bool((beside & outside).any())
