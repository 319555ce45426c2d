"""Whether a mask goes on beyond what was imaged, though the grid does not end there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.finding import Finding
from imaging.measurement.extent import Extent
from imaging.volume import Volume

__all__ = ["is_cut_off", "told_once"]

BESIDE = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)  # a pixel and those at its sides, on its slice


def is_cut_off(extent: Extent, volume: Volume) -> bool:
    """Whether the mask lies beside the edge of the field: padding that reaches to the border of a slice.

    Padding inside the body is a value that happens to be the padding's (air in bowel, a void on MR) and cuts nothing.
    Gaps between slices are no edge either; they have their own finding. The extent is that of a mask on the volume's
    grid.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> from imaging.volume import Modality
    >>> grid, valid = Grid.from_spacing((3, 9, 9), (3.0, 1.0, 1.0)), np.ones((3, 9, 9), bool)
    >>> valid[:, :, 7:] = False
    >>> ct = Volume(samples=np.zeros(grid.shape, np.int16), grid=grid, modality=Modality.CT, valid=valid)
    >>> mask = np.zeros(grid.shape, bool)
    >>> mask[1, 4, 4:7] = True
    >>> extents = [Extent.of(Segment(mask=np.roll(mask, -k, axis=2), grid=grid)) for k in (0, 1)]
    >>> [is_cut_off(extent, ct) for extent in extents]
    [True, False]
    """
    if volume.valid is None:
        return False
    slices, rows, columns = extent.box
    unknown = ~_rimmed(volume.valid[slices], rows, columns, beyond=True)
    beside = ndimage.binary_dilation(np.pad(extent.mask, ((0, 0), (1, 1), (1, 1))), structure=BESIDE) & unknown
    touching = beside.any(axis=(1, 2))
    if volume.acquired_slices is not None:
        touching &= volume.acquired_slices.imaged[slices]
    outside = (~ndimage.binary_fill_holes(volume.valid[slices.start + k]) for k in np.flatnonzero(touching))
    return any(
        (beside[k] & _rimmed(plane, rows, columns, beyond=False)).any()
        for k, plane in zip(np.flatnonzero(touching), outside, strict=True)
    )


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


def _rimmed(planes: BoolArray, rows: slice, columns: slice, *, beyond: bool) -> BoolArray:
    """These rows and columns of planes (…, rows, columns) and one more on every side; ``beyond`` the array's end."""
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    part = planes[..., top : rows.stop + 1, left : columns.stop + 1]
    height, width = rows.stop - rows.start + 2, columns.stop - columns.start + 2
    above, before = top - rows.start + 1, left - columns.start + 1
    pads = [(above, height - above - part.shape[-2]), (before, width - before - part.shape[-1])]
    return np.pad(part, [(0, 0)] * (planes.ndim - 2) + pads, constant_values=beyond)
