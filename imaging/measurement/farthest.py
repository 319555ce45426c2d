"""The two ends of a body of voxels that lie farthest apart.

The body is that of the mesh at one half: every voxel reaches half a step from its centre along each axis, as an
octahedron does. So it is the hull of the voxel centres plus that octahedron, and its longest line runs between two
centres that are corners of their hull, half a step longer at both ends along one axis. Sheared grids change nothing
in this: to millimetres it is one linear map.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from imaging.arrays import BoolArray, FloatArray, IntArray

__all__ = ["TIE", "farthest_ends", "hull_candidates"]

TIE = 1e-9  # relative: lengths that differ by less are equal but for rounding
FEW = 200  # centres whose distances are all computed sooner than their hull
BLOCK = 256  # centres whose distances to all others are held at a time
# Rows beside a row, as steps of (slice, row): a centre midway between those of two rows on either side is no corner.
BESIDE = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1))


def farthest_ends(centres: IntArray, steps: FloatArray) -> tuple[float, FloatArray]:
    """The greatest length of a body of voxels, and all pairs of ends that have it.

    Parameters
    ----------
    centres
        (n, d) voxel indices, at least one; those inside the hull may be left out.
    steps
        (m, d) millimetres from index steps.

    Returns
    -------
    length_mm
        From end to end.
    ends
        (k, 2, d) in index coordinates, whole numbers and halves, in the order of their indices.

    Examples
    --------
    >>> length, ends = farthest_ends(np.array([[0, 0], [0, 3], [1, 1]]), np.eye(2))
    >>> length, ends.tolist()
    (4.0, [[[0.0, -0.5], [0.0, 3.5]]])
    """
    dimensions = centres.shape[1]
    shifts = np.concatenate([np.eye(dimensions), -np.eye(dimensions)])
    kept = _corners(centres, steps)
    found: list[tuple[FloatArray, IntArray, IntArray, IntArray]] = []
    longest = 0.0
    for here, there in _far_pairs(kept @ steps.T, float(np.linalg.norm(steps, axis=0).max())):
        lines = (kept[there] - kept[here])[:, None, :] + shifts
        lengths = np.linalg.norm(lines @ steps.T, axis=2)
        longest = max(longest, float(lengths.max()))
        pair, shift = np.nonzero(lengths >= longest * (1.0 - TIE))
        found.append((lengths[pair, shift], here[pair], there[pair], shift))
    lengths, here, there, shift = (np.concatenate(part) for part in zip(*found, strict=True))
    best = lengths >= longest * (1.0 - TIE)
    half = shifts[shift[best]] / 2.0
    return longest, _in_order(np.stack([kept[here[best]] - half, kept[there[best]] + half], axis=1))


def hull_candidates(mask: BoolArray) -> IntArray:
    """The voxels (n, 3) of a mask that can be corners of its hull, and a few others.

    They are the first and last of their rows, and stick out from the line between rows on either side.

    Examples
    --------
    >>> hull_candidates(np.ones((3, 4, 5), dtype=bool)).tolist()  # of a box, its corners
    [[0, 0, 0], [0, 0, 4], [0, 3, 0], [0, 3, 4], [2, 0, 0], [2, 0, 4], [2, 3, 0], [2, 3, 4]]
    """
    hit: BoolArray = np.any(mask, axis=2)
    first, last = mask.argmax(axis=2), mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    out = [np.argwhere(_sticks_out(depth, hit)) for depth in (first, -last)]
    voxels = [np.column_stack([at, side[tuple(at.T)]]) for at, side in zip(out, (first, last), strict=True)]
    return np.unique(np.concatenate(voxels), axis=0)


def _sticks_out(depth: IntArray, hit: BoolArray) -> BoolArray:
    """Where a row's end is less deep than the middle between its neighbours on either side."""
    far = 4 * int(np.abs(depth).max()) + 4  # deeper than any middle: a row that is not hit hides none
    padded = np.full((depth.shape[0] + 4, depth.shape[1] + 4), far)
    inner = np.where(hit, depth, far)
    padded[2:-2, 2:-2] = inner
    out = hit.copy()
    slices, rows = depth.shape
    for s, r in BESIDE:
        before = padded[2 - s : 2 - s + slices, 2 - r : 2 - r + rows]
        after = padded[2 + s : 2 + s + slices, 2 + r : 2 + r + rows]
        out &= 2 * inner < before + after
    return out


def _corners(centres: IntArray, steps: FloatArray) -> IntArray:
    """Of the centres those that can be at an end of the longest line.

    If some two are d apart and all lie within r of a middle, then the centres at the ends of the longest line are at
    least d − s apart, where s is the longest step, and each of them at least d − s − r from the middle.
    """
    points = centres @ steps.T
    radius = np.linalg.norm(points - (points.min(axis=0) + points.max(axis=0)) / 2.0, axis=1)
    apart = np.linalg.norm(points - points[radius.argmax()], axis=1).max()
    slack = np.linalg.norm(steps, axis=0).max()
    kept: IntArray = centres[radius >= (apart - slack - radius.max()) * (1.0 - TIE)]
    if len(kept) > FEW and np.linalg.matrix_rank(kept - kept[0]) == kept.shape[1]:
        kept = kept[np.sort(ConvexHull(kept).vertices)]
    return kept


def _far_pairs(points: FloatArray, slack_mm: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Blocks of pairs among which the longest line is: no other pair is farther apart by more than a step."""
    farthest = 0.0
    for start in range(0, len(points), BLOCK):
        apart = cdist(points[start : start + BLOCK], points[start:])
        farthest = max(farthest, float(apart.max()))
        here, there = np.nonzero(apart >= (farthest - slack_mm) * (1.0 - TIE))
        once = here <= there
        if once.any():
            yield here[once] + start, there[once] + start


def _in_order(ends: FloatArray) -> FloatArray:
    """The pairs (k, 2, d), each from its first end on, each once, in the order of their first ends."""
    first, last = ends[:, 0], ends[:, 1]
    differs = (first != last).argmax(axis=1)[:, None]
    back = np.take_along_axis(first, differs, 1) > np.take_along_axis(last, differs, 1)
    turned = np.where(back[:, :, None], ends[:, ::-1], ends)
    return np.unique(turned.reshape(len(ends), -1), axis=0).reshape(-1, *ends.shape[1:])
