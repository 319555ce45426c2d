"""Whether canal and foramina hold material that no outline shows: what a "none" there rests on.

Between their walls lie fluid, fat, nerves and veins, all below 150 HU. Material raises the mean over a ball of 0.02 mL
(smaller parts are not told), be it a ball, a plug or a strand. So every place of the compartment is compared with what
such a ball of the least dense cement leaves there through this CT's voxels and the widest blur. Its border is left out
as far as its outline errs, and so is what is outlined as material or blurred by it; where it is so narrow that nothing
but border remains, all of it is judged.

What is found so is no outline — bone spurs, ossified ligaments and contrast medium look the same — but none can no
longer be said. A layer on the wall, no thicker than that border and no denser than bone, is not told from the wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import GeometryError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.leak import LEAK_MARGIN_MM
from imaging.measurement.quantity import Quantity
from imaging.segmentation.material_find import MaterialFind
from imaging.segmentation.material_search import LOWEST_PLATEAU_HU, MIN_NEURAL_ML
from imaging.segmentation.piece import HALO_MM, equivalent_radius_mm
from imaging.segmentation.reach import box_around, distance_mm, reached
from imaging.volume import Volume

__all__ = ["NeuralDoubt", "doubt_findings", "neural_doubt", "neural_quantity"]

DENSEST_CONTENT_HU = 150.0  # fluid, fat, nerve, and veins with contrast medium
WIDEST_BLUR_MM = 1.6  # full width at half maximum on body CT
FWHM_PER_SIGMA = 2.3548
HALF = 0.5  # of a voxel: a ball centred between voxels leaves the least
TRACE_SHARE = 0.75  # of the ball's least trace: strands leave less, and a wall half, if its outline is a pixel off
LATTICE_MM = 0.3  # on which the ball is drawn; a fifth of its radius
LESS = f"less than {MIN_NEURAL_ML} mL cannot be told from none"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralDoubt:
    """What keeps "none" from being said of canal and foramina.

    Parameters
    ----------
    dense_ml
        At most so much material of no outline lies there, 0.02 mL at least; 0 where no part of 0.02 mL does.
    unseen_ml
        So much of the compartment was not imaged.
    """

    dense_ml: float = 0.0
    unseen_ml: float = 0.0


def doubt_findings(doubt: NeuralDoubt | None, where: str = "") -> tuple[Finding, ...]:
    """NEURAL_NOT_EXCLUDED with its reasons; empty where none can be said. Without a doubt nobody looked.

    Examples
    --------
    >>> [finding.message for finding in doubt_findings(NeuralDoubt(unseen_ml=0.5))]
    ['material in canal and foramina cannot be excluded: 0.50 mL of them were not imaged']
    """
    reasons = ["they were not searched on this CT"] if doubt is None else []
    if doubt is not None and doubt.dense_ml:
        reasons.append(f"up to {doubt.dense_ml:.2f} mL in no outline are dense; bone and contrast medium look the same")
    if doubt is not None and doubt.unseen_ml:
        reasons.append(f"{doubt.unseen_ml:.2f} mL of them were not imaged")
    if not reasons:
        return ()
    message = f"material in canal and foramina cannot be excluded: {'; '.join(reasons)}"
    return (Finding("NEURAL_NOT_EXCLUDED", Severity.WARNING, message, where),)


def neural_doubt(volume: Volume, find: MaterialFind, neural: BoolArray, *, error_mm: float = 0.0) -> NeuralDoubt | None:
    """What of canal and foramina may be material beyond the outlines of a find; None where nothing of them is here.

    Parameters
    ----------
    volume, find
        A CT in HU, and the material found on it.
    neural
        Canal and foramina on its grid.
    error_mm
        How far they may lie elsewhere: what lies less deep in them may be their wall.

    Raises
    ------
    GeometryError
        If the mask is not on the CT's grid.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> from imaging.volume import Modality
    >>> samples = np.full((12, 30, 30), 20, np.int16)
    >>> canal = np.zeros(samples.shape, bool)
    >>> canal[:, 10:20, 10:20] = True
    >>> samples[2:10, 14:17, 14:17] = 1500
    >>> ct = Volume(samples=samples, grid=Grid.from_spacing(samples.shape, (1, 1, 1)), modality=Modality.CT)
    >>> nothing = MaterialFind(grid=ct.grid, labels=np.zeros(samples.shape, np.uint16))
    >>> round(neural_doubt(ct, nothing, canal).dense_ml, 3)
    0.072
    """
    if neural.shape != volume.grid.shape:
        raise GeometryError(f"canal and foramina {neural.shape} do not fill the CT's grid {volume.grid.shape}")
    if not neural.any():
        return None
    seen = _imaged(volume)
    unseen_ml = float(np.count_nonzero(neural & ~seen) * volume.grid.voxel_volume_mm3 / 1000)
    return NeuralDoubt(
        dense_ml=_dense_ml(volume, find, neural & seen, error_mm),
        unseen_ml=unseen_ml if unseen_ml >= MIN_NEURAL_ML else 0.0,
    )


def neural_quantity(found: Quantity, doubt: NeuralDoubt | None) -> Quantity | None:
    """The material found in canal and foramina as it may be told; None where it is less than 0.02 mL and more may be.

    Examples
    --------
    >>> none = neural_quantity(Quantity(0.0, "mL", ""), NeuralDoubt())
    >>> none.value, none.interval95
    (0.0, (0.0, 0.02))
    >>> neural_quantity(Quantity(0.0, "mL", ""), NeuralDoubt(dense_ml=0.1)) is None
    True
    """
    low, high = found.interval95 or (found.value, found.value)
    if found.value >= MIN_NEURAL_ML:
        more_ml = 0.0 if doubt is None else doubt.dense_ml
        return replace(found, interval95=(low, high + more_ml), error=None) if more_ml else found
    if doubt is None or doubt.dense_ml or doubt.unseen_ml:
        return None
    method = f"{found.method}; {LESS}" if found.method else LESS
    return Quantity(found.value, found.unit, method, (0.0, max(high, MIN_NEURAL_ML)))


def _imaged(volume: Volume) -> BoolArray:
    seen = np.ones(volume.grid.shape, dtype=bool) if volume.valid is None else np.array(volume.valid, dtype=bool)
    if volume.acquired_slices is not None:
        planes = np.zeros(len(seen), dtype=bool)
        planes[list(volume.acquired_slices.planes)] = True
        seen &= planes[:, None, None]
    return seen


def _dense_ml(volume: Volume, find: MaterialFind, neural: BoolArray, error_mm: float) -> float:
    """At most so much material in all places that show a small ball's trace."""
    spacing = volume.grid.spacing_mm
    box = box_around(neural, spacing, HALO_MM + max(spacing))
    inside, material = neural[box], find.labels[box] > 0
    border_mm = max(LEAK_MARGIN_MM, error_mm, *spacing[1:])
    deep = inside & (distance_mm(~inside, spacing) > border_mm)
    free = inside & ~reached(material, spacing, HALO_MM) if material.any() else inside
    if not free.any():
        return 0.0
    content_hu = min(float(np.median(volume.samples[box][free])), DENSEST_CONTENT_HU)
    height = LOWEST_PLATEAU_HU - content_hu
    excess = np.where(free, np.maximum(volume.samples[box] - content_hu, 0.0), 0.0)
    ball, trace = _ball_and_trace(spacing)
    least = TRACE_SHARE * trace * height
    if excess.max() < least:  # no mean exceeds the highest voxel
        return 0.0
    places = deep & (ndimage.convolve(np.where(deep, excess, 0.0), ball, mode="constant") >= least)
    narrow = _narrow(inside, deep, border_mm, volume.grid)
    if narrow.any():
        places |= narrow & (ndimage.convolve(excess, ball, mode="constant") >= least)
    if not places.any():
        return 0.0
    held = free & reached(places, spacing, equivalent_radius_mm(MIN_NEURAL_ML))
    dense_ml = float(np.minimum(excess[held] / height, 1.0).sum() * volume.grid.voxel_volume_mm3 / 1000)
    return max(dense_ml, MIN_NEURAL_ML)  # what the border hides belongs to it


def _narrow(inside: BoolArray, deep: BoolArray, border_mm: float, grid: Grid) -> BoolArray:
    """Where the compartment is all border, in parts that can hold as much as is told."""
    rest = inside & ~reached(deep, grid.spacing_mm, border_mm + float(np.hypot(*grid.spacing_mm[1:])))
    labels, _ = ndimage.label(rest, structure=np.ones((3, 3, 3), dtype=bool))
    large = np.bincount(labels.ravel()) * grid.voxel_volume_mm3 / 1000 >= MIN_NEURAL_ML
    large[0] = False
    return np.asarray(large[labels])


def _ball_and_trace(spacing_mm: Sequence[float]) -> tuple[FloatArray, float]:
    """The weights of a mean over a ball of 0.02 mL, and the least of it that a blurred ball of 1 leaves anywhere."""
    radius = equivalent_radius_mm(MIN_NEURAL_ML)
    parts = [2 * int(np.ceil(step / LATTICE_MM / 2)) for step in spacing_mm]  # even, so that half a voxel is whole
    steps = [step / n for step, n in zip(spacing_mm, parts, strict=True)]
    half = [int(np.ceil((radius + 2 * WIDEST_BLUR_MM) / step)) + 1 for step in spacing_mm]

    def drawn(off: Sequence[float]) -> FloatArray:
        axes = [
            (np.arange((2 * h + 1) * n) + 0.5 - (2 * h + 1) * n / 2) * s - o * n * s
            for h, n, s, o in zip(half, parts, steps, off, strict=True)
        ]
        z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.asarray(z**2 + y**2 + x**2 <= radius**2, dtype=np.float64)

    def voxels(fine: FloatArray) -> FloatArray:
        shape = [size for h, n in zip(half, parts, strict=True) for size in (2 * h + 1, n)]
        return np.asarray(fine.reshape(shape).mean(axis=(1, 3, 5)))

    ball = voxels(drawn((0, 0, 0)))
    ball /= ball.sum()
    sigmas = [WIDEST_BLUR_MM / FWHM_PER_SIGMA / step for step in steps]
    corner = voxels(ndimage.gaussian_filter(drawn((HALF, HALF, HALF)), sigmas))
    filled = np.argwhere(ball > 0)
    tight = tuple(slice(int(a), int(b) + 1) for a, b in zip(filled.min(axis=0), filled.max(axis=0), strict=True))
    return ball[tight], float((ball * corner).sum())
