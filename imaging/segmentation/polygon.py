"""Which pixel centres lie inside polygons."""

from __future__ import annotations

import numpy as np

from imaging.arrays import BoolArray, FloatArray, IntArray

__all__ = ["filled"]


def filled(polygon: FloatArray, shape: tuple[int, int]) -> BoolArray:
    """The pixels whose centre lies inside the polygon by the even-odd rule.

    A keyhole contour (out along a bridge, round the hole, back along the bridge) leaves its hole open. A centre exactly
    on an edge belongs to one side only (inside at the low, outside at the high edge), so that polygons that share an
    edge share no pixel and neighbours add up. What lies beyond the array is cut off.

    Parameters
    ----------
    polygon
        (n, 2) corners as (row, column) indices, fractional; closed from the last to the first.
    shape
        Rows, columns.

    Returns
    -------
    BoolArray
        (rows, columns); empty for fewer than three corners.

    Source
    ------
    Crossing number: Shimrat, Algorithm 112, Comm. ACM 5 (1962) 434. Here all crossings of all rows at once: every edge
    switches, in each row that it crosses, all pixels from the crossing on.

    Examples
    --------
    >>> filled(np.array([[0.5, 0.5], [0.5, 3.5], [2.5, 3.5], [2.5, 0.5]]), (4, 5)).astype(int)
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    mask = np.zeros(shape, dtype=bool)
    rows, columns = _crossings(polygon, shape)
    if len(rows) == 0:
        return mask
    first, last = int(rows.min()), int(rows.max())
    left, right = int(columns.min()), int(columns.max())
    switches = np.zeros((last - first + 1, right - left + 1), dtype=np.int32)
    np.add.at(switches, (rows - first, columns - left), 1)
    inside = np.cumsum(switches, axis=1) % 2 == 1
    mask[first : last + 1, left : min(right + 1, shape[1])] = inside[:, : shape[1] - left]
    return mask


def _crossings(polygon: FloatArray, shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Row, and first column at or behind, of every place where an edge crosses a line of pixel centres."""
    low, high = polygon, np.roll(polygon, -1, axis=0)
    low, high = np.where((low[:, :1] <= high[:, :1]), low, high), np.where((low[:, :1] <= high[:, :1]), high, low)
    # Half-open: an edge owns its low end and not its high one, so that a corner on a line is crossed once or twice.
    first = np.clip(np.ceil(low[:, 0]), 0, shape[0]).astype(np.int64)
    stop = np.clip(np.ceil(high[:, 0]), 0, shape[0]).astype(np.int64)
    count = stop - first
    edge = np.repeat(np.arange(len(polygon)), count)
    rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    rise = high[edge, 0] - low[edge, 0]
    at = low[edge, 1] + (rows - low[edge, 0]) / rise * (high[edge, 1] - low[edge, 1])
    return rows, np.clip(np.ceil(at), 0, shape[1]).astype(np.int64)
