"""Two fields stored on lattices of the body frame: slow texture, and maps of material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import FloatArray
from imaging.synthetic.shape import Plane

__all__ = ["MaterialMap", "slow_field", "texture_at"]

TEXTURE_STEP_MM = 6.0  # trabecular and muscle texture varies over about a centimetre at these resolutions
TEXTURE_REACH_MM = 190.0


@dataclass(frozen=True, slots=True, eq=False)
class MaterialMap:
    """Tissue numbers on a fine lattice of the body frame; 0 = whatever else is there.

    The map *is* the truth about materials: its counts are exact, and images sample it at the nearest lattice point.

    Parameters
    ----------
    numbers
        (x, y, z) uint8, tissue numbers.
    origin_mm, step_mm
        Centre of the first lattice cell, and the cells' edge.
    """

    numbers: NDArray[np.uint8]
    origin_mm: FloatArray
    step_mm: float

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return self.origin_mm - self.step_mm, self.origin_mm + np.array(self.numbers.shape) * self.step_mm

    def at(self, x: Plane, y: Plane, z: Plane) -> NDArray[np.uint8]:
        """The number of the cell that holds each point, 0 outside the lattice."""
        cells = []
        inside = np.ones(x.shape, dtype=bool)
        for axis, first, count in zip((x, y, z), self.origin_mm, self.numbers.shape, strict=True):
            cell = np.floor((axis - np.float32(first)) / np.float32(self.step_mm) + np.float32(0.5)).astype(np.int32)
            inside &= (cell >= 0) & (cell < count)
            cells.append(np.clip(cell, 0, count - 1))
        return np.where(inside, self.numbers[cells[0], cells[1], cells[2]], np.uint8(0))

    def volume_ml(self, number: int) -> float:
        """Cells of one number, in mL."""
        return float(np.count_nonzero(self.numbers == number) * self.step_mm**3 / 1000)

    def points(self) -> tuple[Plane, Plane, Plane]:
        """The lattice's coordinates as three open arrays that broadcast together."""
        x, y, z = (
            (first + self.step_mm * np.arange(count)).astype(np.float32)
            for first, count in zip(self.origin_mm, self.numbers.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]


def slow_field(seed: int) -> NDArray[np.float32]:
    """A cubic lattice of standard normal values, smoothed by a cell, mean 0 and standard deviation 1.

    Examples
    --------
    >>> slow_field(1).shape
    (64, 64, 64)
    """
    count = int(2 * TEXTURE_REACH_MM / TEXTURE_STEP_MM) + 1
    generator = np.random.Generator(np.random.PCG64(seed))
    field = ndimage.gaussian_filter(generator.standard_normal((count, count, count)), 0.8, mode="wrap")
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def texture_at(field: NDArray[np.float32], x: FloatArray, y: FloatArray, z: FloatArray) -> NDArray[np.float32]:
    """The slow field at body points, linear between lattice points, mirrored beyond its reach.

    Examples
    --------
    >>> corner = np.array([-TEXTURE_REACH_MM])
    >>> field = slow_field(1)
    >>> bool(texture_at(field, corner, corner, corner)[0] == field[0, 0, 0])
    True
    """
    cells = [(axis + TEXTURE_REACH_MM) / TEXTURE_STEP_MM for axis in (x, y, z)]
    return np.asarray(ndimage.map_coordinates(field, cells, order=1, mode="mirror"), dtype=np.float32)
