"""A body of which every point's value is known: a lobulated lesion, three fiducials, and a slope along each axis.

The lesion's volume has a closed formula; the fiducials are asymmetric, so no flip or turn maps them onto one another;
the slope makes every voxel's value tell its place. Nothing here reads DICOM and nothing is shared with the loader.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from imaging.synthetic.shape import Ellipsoid
from imaging.volume import Volume

SLOPE = np.array([0.5, 0.7, 1.1])  # value per mm along x, y, z; no two axes alike
LESION_LEVEL = 400.0
FIDUCIAL_LEVELS = (900.0, 1200.0, 1500.0)
WINDOW = 150.0  # around a level; the slope changes the value by less than that within the field of view
LESION = Ellipsoid(center_mm=(2.0, -3.0, 1.0), axes_mm=(30.0, 26.0, 34.0), lobulation=0.1)
FIDUCIALS = tuple(
    Ellipsoid(center_mm=center, axes_mm=(9.0, 9.0, 9.0))
    for center in ((-20.0, 14.0, -18.0), (21.0, -14.0, 6.0), (4.0, 18.0, 16.0))
)
VOLUME_TOLERANCE = 0.03
FIDUCIAL_TOLERANCE_MM = 1.25  # half a slice
FLOAT32_MM = 1e-3  # the shapes are evaluated in float32


@dataclass(frozen=True)
class Body:
    """The phantom somewhere in the patient: turned and moved as a whole."""

    turn: np.ndarray = field(default_factory=lambda: np.eye(3))
    center: tuple[float, float, float] = (-11.0, 23.0, -140.0)
    level: float = 0.0

    def own(self, points: np.ndarray) -> np.ndarray:
        return (points - np.asarray(self.center)) @ self.turn

    def values(self, points: np.ndarray) -> np.ndarray:
        """Values at (…, 3) LPS points, not rounded."""
        own = self.own(points)
        values = self.level + own @ SLOPE
        for shape, level in zip((LESION, *FIDUCIALS), (LESION_LEVEL, *FIDUCIAL_LEVELS), strict=True):
            values = values + level * (distance(shape, own) < 0)
        return values

    def edge_mm(self, points: np.ndarray) -> np.ndarray:
        """Distance to the nearest surface, at which values jump."""
        own = self.own(points)
        return np.min([np.abs(distance(shape, own)) for shape in (LESION, *FIDUCIALS)], axis=0)

    def with_level(self, level: float) -> Body:
        return replace(self, level=level)


@dataclass(frozen=True)
class Truth:
    """One volume as it must be: the body, how many slices, and how exactly values and places are stored."""

    body: Body
    slices: int = 24
    rounding: float = 0.5
    places_mm: float = 0.0
    invalid: int = 0  # voxels that are declared padding

    def misplaced(self, volume: Volume) -> str:
        """What is wrong with a voxel's place or value; "" if nothing is."""
        indices = np.stack(np.meshgrid(*(np.arange(n) for n in volume.grid.shape), indexing="ij"), axis=-1)
        points = volume.grid.points(indices.reshape(-1, 3)).reshape(*volume.grid.shape, 3)
        places_mm = self.places_mm + FLOAT32_MM
        sure = self.body.edge_mm(points) > places_mm
        if volume.valid is not None:
            if int((~volume.valid).sum()) != self.invalid:
                return f"{int((~volume.valid).sum())} voxels are invalid, {self.invalid} should be"
            sure &= volume.valid
        elif self.invalid:
            return "padding is taken for values"
        error = np.abs(volume.samples - self.body.values(points))[sure]
        limit = self.rounding + places_mm * float(np.linalg.norm(SLOPE)) + 1e-3
        if not error.size or error.max() > limit:
            wrong = int((error > limit).sum())
            return f"{wrong} of {error.size} voxels have not the value of their place (by {error.max(initial=0):.4g})"
        return ""

    def incomplete(self, volume: Volume) -> str:
        """What is absent of the body; "" if all of it is there."""
        if volume.grid.shape[0] != self.slices:
            return f"{volume.grid.shape[0]} of {self.slices} slices"
        lesion = self._count(volume, LESION_LEVEL) * volume.grid.voxel_volume_mm3 / 1000
        if abs(lesion / LESION.volume_ml - 1) > VOLUME_TOLERANCE:
            return f"lesion of {lesion:.3f} mL, truth {LESION.volume_ml:.3f} mL"
        for shape, level in zip(FIDUCIALS, FIDUCIAL_LEVELS, strict=True):
            indices = np.argwhere(self._within(volume, level))
            if not len(indices):
                return "a fiducial is absent"
            found = self.body.own(volume.grid.points(indices)).mean(axis=0)
            off = float(np.linalg.norm(found - shape.center_mm))
            if off > FIDUCIAL_TOLERANCE_MM:
                return f"a fiducial is {off:.2f} mm off"
        return ""

    def _within(self, volume: Volume, level: float) -> np.ndarray:
        return np.abs(volume.samples - (self.body.level + level)) < WINDOW

    def _count(self, volume: Volume, level: float) -> int:
        return int(self._within(volume, level).sum())


def distance(shape: Ellipsoid, own: np.ndarray) -> np.ndarray:
    x, y, z = (np.ascontiguousarray(own[..., axis], dtype=np.float32) for axis in range(3))
    return shape.signed_mm(x, y, z)
