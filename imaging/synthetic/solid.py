"""Solids of known size, as a reader's exact mask or a scanner's blurred slices show them, at random among the voxels.

Unlike a phantom these have no anatomy: they answer how far a count or a diameter is off, thousands of times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.segmentation.segment import Segment
from imaging.synthetic.acquisition import FWHM_PER_SIGMA

__all__ = ["Scan", "Solid", "acquired", "dumbbell", "ellipsoid", "hollow_ball", "pose", "rasterised"]

Spacing = tuple[float, float, float]
MARGIN_VOXELS = 3  # empty voxels round a solid, so that neither blur nor a shifted outline leaves the grid
FINE_SLICE_MM = 0.5  # a slice's profile is the mean over planes at most this far apart
FINE_PIXELS = 2  # points along each side of a pixel
NEVER_ZERO = 1e-9
SPECK_VOXELS, SPECK_SHARE = 2, 0.05  # pieces smaller than both are noise, not lesion


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Solid:
    """A body about its own origin.

    Parameters
    ----------
    distance_mm
        Of points (n, 3) to the surface, negative inside: exact in sign, to first order in size.
    volume_mm3, reach_mm
        Volume, and the farthest of its points from the origin.
    semi_axes_mm
        Of an ellipsoid, whose diameters are known too.
    """

    distance_mm: Callable[[FloatArray], FloatArray]
    volume_mm3: float
    reach_mm: float
    semi_axes_mm: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """How a solid is imaged and outlined: slices as thick as their distance, cut at half of the solid's brightness.

    Parameters
    ----------
    blur_mm
        In-plane, full width at half maximum.
    noise
        Standard deviation, relative to the solid's contrast.
    outline_mm
        By how much the rule of the outline puts it outside (+) or inside of the true one.
    """

    blur_mm: float = 1.2
    noise: float = 0.05
    outline_mm: float = 0.0


def ellipsoid(semi_axes_mm: FloatArray) -> Solid:
    """An ellipsoid along its own axes.

    Examples
    --------
    >>> round(ellipsoid(np.array([1.0, 1.0, 1.0])).volume_mm3, 4)
    4.1888
    """
    semi = np.asarray(semi_axes_mm, dtype=np.float64)

    def distance_mm(points: FloatArray) -> FloatArray:
        scaled = points / semi
        steepness = np.linalg.norm(scaled / semi, axis=1) + NEVER_ZERO
        return np.asarray(((scaled**2).sum(axis=1) - 1.0) / 2.0 / steepness)

    volume = 4.0 / 3.0 * math.pi * float(semi.prod())
    return Solid(distance_mm=distance_mm, volume_mm3=volume, reach_mm=float(semi.max()), semi_axes_mm=semi)


def dumbbell(length_mm: float) -> Solid:
    """Two balls that overlap a little, 0.58 of the length thick.

    Examples
    --------
    >>> round(dumbbell(10.0).volume_mm3, 1)
    193.7
    """
    radius, off = 0.29 * length_mm, 0.21 * length_mm
    lens = math.pi * (2 * radius - 2 * off) ** 2 * (4 * off**2 + 8 * off * radius) / (24 * off)
    volume = 2 * 4.0 / 3.0 * math.pi * radius**3 - lens

    def distance_mm(points: FloatArray) -> FloatArray:
        near = points - np.where(points[:, :1] > 0.0, [off, 0.0, 0.0], [-off, 0.0, 0.0])
        return np.asarray(np.linalg.norm(near, axis=1) - radius)

    return Solid(distance_mm=distance_mm, volume_mm3=volume, reach_mm=length_mm / 2)


def hollow_ball(diameter_mm: float) -> Solid:
    """A ball with a round cavity of half its size beside its centre.

    Examples
    --------
    >>> round(hollow_ball(2.0).volume_mm3 / (4 / 3 * math.pi), 3)
    0.875
    """
    radius = diameter_mm / 2

    def distance_mm(points: FloatArray) -> FloatArray:
        cavity = radius / 2 - np.linalg.norm(points - [radius / 4, 0.0, 0.0], axis=1)
        return np.asarray(np.maximum(np.linalg.norm(points, axis=1) - radius, cavity), dtype=np.float64)

    volume = 4.0 / 3.0 * math.pi * (radius**3 - (radius / 2) ** 3)
    return Solid(distance_mm=distance_mm, volume_mm3=volume, reach_mm=radius)


def pose(random: np.random.Generator) -> FloatArray:
    """A rotation (3, 3), all equally likely: own axes from array axes in millimetres (slice, row, column)."""
    return np.asarray(Rotation.random(rng=random).as_matrix(), dtype=np.float64)


def rasterised(solid: Solid, spacing: Spacing, turn: FloatArray, random: np.random.Generator) -> Segment:
    """The voxels whose centres lie in the solid, which lies anyhow between them.

    Examples
    --------
    >>> ball = ellipsoid(np.full(3, 10.0))
    >>> mask = rasterised(ball, (1.0, 1.0, 1.0), np.eye(3), np.random.default_rng(0)).mask
    >>> bool(0.99 < mask.sum() / ball.volume_mm3 < 1.01)
    True
    """
    counts, axes = _voxels(solid, spacing, (1, 1, 1), random)
    return _segment(_distance(solid, axes, turn).reshape(counts) <= 0.0, spacing)


def acquired(solid: Solid, spacing: Spacing, turn: FloatArray, scan: Scan, random: np.random.Generator) -> Segment:
    """The solid as imaged by the scan and cut at half of its brightness; specks of noise are left out.

    Examples
    --------
    >>> ball = ellipsoid(np.full(3, 10.0))
    >>> mask = acquired(ball, (2.0, 1.0, 1.0), np.eye(3), Scan(), np.random.default_rng(0)).mask
    >>> bool(0.95 < 2 * mask.sum() / ball.volume_mm3 < 1.05)
    True
    """
    planes = 2 * math.ceil(spacing[0] / FINE_SLICE_MM / 2) + 1  # odd: no flat surface is cut at exactly one half
    fine = (planes, FINE_PIXELS, FINE_PIXELS)
    counts, axes = _voxels(solid, spacing, fine, random)
    inside = _distance(solid, axes, turn) <= scan.outline_mm
    slices = inside.reshape(counts[0], fine[0], counts[1] * fine[1], counts[2] * fine[2]).mean(axis=1)
    sigma = [0.0, *(scan.blur_mm / FWHM_PER_SIGMA / spacing[i] * fine[i] for i in (1, 2))]
    blurred = ndimage.gaussian_filter(slices, sigma, truncate=3.0)
    pixels = blurred.reshape(counts[0], counts[1], fine[1], counts[2], fine[2]).mean(axis=(2, 4))
    noisy = pixels + random.normal(0.0, scan.noise, pixels.shape)
    return _segment(_without_specks(np.asarray(noisy >= 0.5, dtype=bool)), spacing)


def _voxels(
    solid: Solid, spacing: Spacing, fine: tuple[int, int, int], random: np.random.Generator
) -> tuple[tuple[int, int, int], list[FloatArray]]:
    """Voxel counts, and for each axis the places of its fine points from the solid's origin in millimetres."""
    shift = random.uniform(-0.5, 0.5, 3)
    half = [math.ceil(solid.reach_mm / step) + MARGIN_VOXELS for step in spacing]
    counts = (2 * half[0] + 1, 2 * half[1] + 1, 2 * half[2] + 1)
    axes = [
        ((np.arange(counts[i] * fine[i]) + 0.5) / fine[i] - 0.5 - half[i] - shift[i]) * spacing[i] for i in range(3)
    ]
    return counts, axes


def _distance(solid: Solid, axes: list[FloatArray], turn: FloatArray) -> FloatArray:
    """(slices, rows, columns) of fine points; a slice at a time keeps memory small."""
    rows, columns = (axis.ravel() for axis in np.meshgrid(axes[1], axes[2], indexing="ij"))
    flat = rows[:, None] * turn[1] + columns[:, None] * turn[2]
    planes = [solid.distance_mm(flat + height * turn[0]) for height in axes[0]]
    return np.stack(planes).reshape(len(axes[0]), len(axes[1]), len(axes[2]))


def _without_specks(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.isin(labels, np.flatnonzero(sizes >= max(SPECK_VOXELS, SPECK_SHARE * sizes.max())))


def _segment(mask: BoolArray, spacing: Spacing) -> Segment:
    shape = (mask.shape[0], mask.shape[1], mask.shape[2])
    return Segment(mask=mask, grid=Grid.from_spacing(shape, spacing))
