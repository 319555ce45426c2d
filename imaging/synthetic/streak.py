"""Beam hardening between two dense bodies: a dark band joins them, brighter flanks beside it, more noise in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import FloatArray

__all__ = ["Streak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """One streak between two body points.

    Parameters
    ----------
    start_mm, stop_mm
        Centres of the dense bodies.
    width_mm
        Width of the dark band; each flank is half as wide.
    band_hu, flank_hu
        What the artefact adds.
    noise_factor
        How much larger the noise is in band and flanks.
    """

    start_mm: tuple[float, float, float]
    stop_mm: tuple[float, float, float]
    width_mm: float = 14.0
    band_hu: float = -120.0
    flank_hu: float = 80.0
    noise_factor: float = 2.0

    def away_mm(self, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        """Distance of body points from the line that joins the two bodies; infinite beyond its ends."""
        step = np.array(self.stop_mm) - np.array(self.start_mm)
        length = float(np.sqrt((step**2).sum()))
        ux, uy, uz = step / length
        dx, dy, dz = x - self.start_mm[0], y - self.start_mm[1], z - self.start_mm[2]
        along = dx * ux + dy * uy + dz * uz
        square = np.maximum(dx * dx + dy * dy + dz * dz - along * along, 0)
        return np.asarray(np.where((along > 0) & (along < length), np.sqrt(square), np.inf), dtype=np.float64)

    def offset_hu(self, away_mm: FloatArray) -> NDArray[np.float32]:
        """HU to add at those distances.

        Examples
        --------
        >>> streak = Streak(start_mm=(0.0, 0.0, 0.0), stop_mm=(50.0, 0.0, 0.0))
        >>> streak.offset_hu(np.array([0.0, 10.0, 20.0])).tolist()
        [-120.0, 80.0, 0.0]
        """
        band = away_mm < self.width_mm / 2
        flank = ~band & (away_mm < self.width_mm)
        return np.asarray(self.band_hu * band + self.flank_hu * flank, dtype=np.float32)

    def noise_at(self, away_mm: FloatArray) -> NDArray[np.float32]:
        """Factor on the noise at those distances."""
        return np.asarray(np.where(away_mm < self.width_mm, self.noise_factor, 1.0), dtype=np.float32)
