"""What blur takes off the ends of a diameter: a sharp end of a lesion looks shorter than it is."""

from __future__ import annotations

import math

import numpy as np

from imaging.arrays import FloatArray
from imaging.geometry import Grid
from imaging.measurement.diameter import Diameter

__all__ = ["lost_to_blur_mm"]

# In-plane point spread of 1.5 pixels full width at half maximum, as its variance in pixels²: assumed, because an image
# does not say it; it lies between a pixel alone (0.083) and what an image that just meets Nyquist has (0.72, 2 pixels).
PLANE_BLUR_PIXELS2 = (1.5 / (2.0 * math.sqrt(2.0 * math.log(2.0)))) ** 2
SEMI_FROM_VARIANCE = 5.0  # of an even ellipsoid the square of a semi-axis is five times its variance


def lost_to_blur_mm(diameter: Diameter, covariance_mm2: FloatArray, grid: Grid) -> float:
    """By how much blur may shorten a diameter, both ends together; at most half of what is left of it.

    An outline at half brightness of a body that is blurred with the covariance Σ lies farther in than its surface by
    half of Σ's trace over the surface's second fundamental form: by the mean curvature, as diffusion moves a level.
    The form is taken from the ellipsoid that spreads as the mask does, where the diameter leaves it. Σ is that of a
    slice as thick as slices are apart and of an assumed point spread in the plane. A sharp rim of a flat lesion loses
    several times what a ball does.

    Parameters
    ----------
    diameter
        Its direction counts, its place does not.
    covariance_mm2
        (3, 3) of the voxel centres, LPS; a body is at least half a voxel step to either side.
    grid
        On which the mask was made.

    Returns
    -------
    float
        The loss to expect of a slice profile that is a box and of a Gaussian plane, in mm; the real one lies between
        nothing and about this.

    Examples
    --------
    A ball of radius 10 on slices of 6 mm: Σ is 3 mm² across the slices, and each end loses 3 / (2 · 10) mm by it and
    0.02 mm by the blur of 1 mm pixels.

    >>> ball = np.eye(3) * 10.0**2 / 5.0
    >>> across = Diameter(20.0, ((-10.0, 0.0, 0.0), (10.0, 0.0, 0.0)))
    >>> round(lost_to_blur_mm(across, ball, Grid.from_spacing((9, 30, 30), (6.0, 1.0, 1.0))), 3)
    0.341
    """
    steps = grid.affine[:3, :3]
    variances, axes = np.linalg.eigh(covariance_mm2)
    thinnest = (np.abs(axes.T @ steps).max(axis=1) / 2.0) ** 2
    form = axes @ np.diag(1.0 / np.maximum(SEMI_FROM_VARIANCE * variances, thinnest)) @ axes.T  # x·form·x = 1
    ends = np.array(diameter.ends_lps_mm)
    unit = (ends[1] - ends[0]) / diameter.length_mm
    gradient = form @ unit / math.sqrt(unit @ form @ unit)  # half of it, where the diameter leaves the ellipsoid
    steepness = float(np.linalg.norm(gradient))
    normal = gradient / steepness
    tangent = np.eye(3) - np.outer(normal, normal)
    inward = float(np.trace(tangent @ form @ tangent @ _blur_mm2(grid))) / (2.0 * steepness)
    return min(2.0 * inward / float(normal @ unit), diameter.length_mm / 2.0)


def _blur_mm2(grid: Grid) -> FloatArray:
    """The covariance (3, 3) of what one voxel shows, LPS."""
    across = np.outer(grid.slice_normal, grid.slice_normal)
    pixel_mm2 = grid.voxel_volume_mm3 / grid.slice_distance_mm
    blur = across * grid.slice_distance_mm**2 / 12.0 + (np.eye(3) - across) * PLANE_BLUR_PIXELS2 * pixel_mm2
    return np.asarray(blur, dtype=np.float64)
