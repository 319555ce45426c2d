"""A block of bone with a lytic lesion on a fine lattice, whatever is injected into it, and CTs of it.

It answers how far an amount of cement is off, hundreds of times: volumes are counts of the lattice, and blur, slices,
noise and the clip of the scale come after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.synthetic.acquisition import FWHM_PER_SIGMA
from imaging.volume import Modality, Volume

__all__ = ["PIXEL_MM", "BoneBlock", "ball_of", "compact_deposit", "ellipsoid", "fragmented_deposit", "ml", "tube"]

Place = Sequence[float] | FloatArray

FINE_MM = 0.4  # a quarter of the widest blur, half of the pixel
EXTENT_MM = (66.0, 60.0, 60.0)
PIXEL_MM = 0.8
SOFT_TISSUE_HU, MARROW_HU, LESION_HU = 55.0, 90.0, 45.0
LESION_CENTRE_MM = (0.0, 3.0, 2.0)
LESION_RADIUS_MM = 15.5
CORTEX_MM = 1.2
FINGER_MM = 1.8  # radius of what runs out of a body of cement into clefts
FRAGMENT_GAP_MM = 1.5
FRAGMENTS_WITHIN_MM = 21.0  # of the lesion's centre: some lie in the marrow round it


@dataclass(frozen=True, slots=True, eq=False)
class BoneBlock:
    """Tissue on the fine lattice.

    Parameters
    ----------
    hu
        (slices, rows, columns) float32, true HU at every lattice point, 0.4 mm apart.
    lesion
        The lytic lesion.

    Examples
    --------
    >>> block = BoneBlock.with_lesion()
    >>> ct, lesion = block.scanned(slice_mm=3.0)
    >>> ct.grid.shape, float(round(lesion.sum() * ct.grid.voxel_volume_mm3 / 1000, 1)), round(ml(block.lesion), 1)
    ((22, 75, 75), 15.6, 15.6)
    """

    hu: NDArray[np.float32]
    lesion: BoolArray

    @classmethod
    def with_lesion(cls, cortex_hu: float = 1150.0) -> BoneBlock:
        """An ellipsoid of marrow in 1.2 mm of cortex, with a lytic lesion of 15.6 mL."""
        hu = np.full([round(extent / FINE_MM) for extent in EXTENT_MM], SOFT_TISSUE_HU, np.float32)
        radii = np.array([30.0, 25.0, 27.0])
        lesion = ellipsoid(LESION_CENTRE_MM, [LESION_RADIUS_MM] * 3)
        block = cls(hu, lesion).painted(ellipsoid((0, 0, 0), radii), cortex_hu)
        return block.painted(ellipsoid((0, 0, 0), radii - CORTEX_MM), MARROW_HU).painted(lesion, LESION_HU)

    def painted(self, where: BoolArray, hu: float) -> BoneBlock:
        """The block with another density there."""
        return replace(self, hu=np.where(where, np.float32(hu), self.hu))

    def scanned(
        self,
        *,
        slice_mm: float = 2.0,
        clip_hu: float | None = None,
        noise_hu: float = 12.0,
        blur_mm: float = 1.0,
        seed: int = 7,
    ) -> tuple[Volume, BoolArray]:
        """A CT with Gaussian blur (full width at half maximum), box-shaped slices and pixels and white noise.

        Returns
        -------
        volume, lesion
            HU as int16, and the lesion on its grid.
        """
        spacing = (slice_mm, PIXEL_MM, PIXEL_MM)
        blurred = ndimage.gaussian_filter(self.hu, blur_mm / FWHM_PER_SIGMA / FINE_MM)
        samples = _averaged(blurred, spacing)
        samples = samples + np.random.default_rng(seed).normal(0, noise_hu, samples.shape)
        samples = samples if clip_hu is None else np.minimum(samples, clip_hu)
        grid = Grid.from_spacing((samples.shape[0], samples.shape[1], samples.shape[2]), spacing)
        lesion = _averaged(self.lesion.astype(np.float32), spacing) >= 0.5
        return Volume(samples=np.round(samples).astype(np.int16), grid=grid, modality=Modality.CT), lesion


def ellipsoid(centre_mm: Place, radii_mm: Place) -> BoolArray:
    """A solid ellipsoid; lattice order (slice, row, column), mm from the block's middle."""
    parts = [((a - c) / r) ** 2 for a, c, r in zip(_axes(), centre_mm, radii_mm, strict=True)]
    return np.asarray(parts[0] + parts[1] + parts[2] <= 1)


def tube(centre_mm: Place, direction: Place, radius_mm: float, half_length_mm: float) -> BoolArray:
    """A solid cylinder."""
    unit = np.array(direction, dtype=np.float64) / np.linalg.norm(direction)
    offsets = [a - c for a, c in zip(_axes(), centre_mm, strict=True)]
    along = offsets[0] * unit[0] + offsets[1] * unit[1] + offsets[2] * unit[2]
    across = offsets[0] ** 2 + offsets[1] ** 2 + offsets[2] ** 2 - along**2
    return np.asarray((across <= radius_mm**2) & (np.abs(along) <= half_length_mm))


def ball_of(volume_ml: float, centre_mm: Place) -> BoolArray:
    """A ball that holds so much.

    Examples
    --------
    >>> round(ml(ball_of(2.0, (0, 0, 0))), 2)
    2.0
    """
    return ellipsoid(centre_mm, [float(np.cbrt(3000 * volume_ml / (4 * np.pi)))] * 3)


def compact_deposit(volume_ml: float, random: np.random.Generator) -> BoolArray:
    """About so much cement in the lesion: one body, and two fingers that run out of it.

    Examples
    --------
    >>> abs(ml(compact_deposit(7.0, np.random.default_rng(0))) / 7.0 - 1) < 0.02
    True
    """
    centre = np.array(LESION_CENTRE_MM) + random.uniform(-1.5, 1.5, 3)
    radii = np.exp(random.uniform(-0.15, 0.15, 3))
    fingers = [random.normal(size=3) for _ in range(2)]

    def drawn(radius_mm: float) -> BoolArray:
        body = ellipsoid(centre, radius_mm * radii)
        for direction in fingers:
            unit = direction / np.linalg.norm(direction)
            body |= tube(centre + unit * radius_mm * 0.75, unit, FINGER_MM, radius_mm * 0.75)
        return body

    low, high = 4.0, 16.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if ml(drawn(middle)) < volume_ml else (low, middle)
    return drawn((low + high) / 2)


def fragmented_deposit(volume_ml: float, random: np.random.Generator) -> BoolArray:
    """About so much cement in and about the lesion in five to eight islands of unlike size that do not touch.

    Examples
    --------
    >>> islands = fragmented_deposit(3.0, np.random.default_rng(0))
    >>> abs(ml(islands) / 3.0 - 1) < 0.02, 5 <= ndimage.label(islands)[1] <= 8
    (True, True)
    """
    sizes = np.sort(random.uniform(0.6, 1.0, random.integers(5, 9)))[::-1]
    count = len(sizes)
    share = float((sizes**3).sum())
    radii = sizes * np.cbrt(3000 * volume_ml / (4 * np.pi * share))
    places: list[FloatArray] = []
    while len(places) < count:
        place = random.uniform(-FRAGMENTS_WITHIN_MM, FRAGMENTS_WITHIN_MM, 3)
        own = radii[len(places)]
        if np.linalg.norm(place) + own > FRAGMENTS_WITHIN_MM:
            continue
        apart = [np.linalg.norm(place - other) - own - radii[k] for k, other in enumerate(places)]
        if all(gap >= FRAGMENT_GAP_MM for gap in apart):
            places.append(place)
        elif random.random() < 0.002:
            places.clear()  # the first ones left no room

    out = np.zeros([round(extent / FINE_MM) for extent in EXTENT_MM], dtype=bool)
    for place, radius in zip(places, radii, strict=True):
        out |= ellipsoid(np.array(LESION_CENTRE_MM) + place, [float(radius)] * 3)
    return out


def ml(mask: BoolArray) -> float:
    """Lattice points × their volume."""
    return float(np.count_nonzero(mask) * FINE_MM**3 / 1000)


def _axes() -> tuple[FloatArray, FloatArray, FloatArray]:
    half_mm = np.array(EXTENT_MM) / 2
    z, y, x = (np.arange(FINE_MM / 2 - half, half, FINE_MM, dtype=np.float64) for half in half_mm)
    return z[:, None, None], y[None, :, None], x[None, None, :]


def _averaged(fine: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Means over the voxels of a coarser grid that starts at the lattice's edge, whatever the ratio of the steps."""
    out = fine.astype(np.float64)
    for axis, step in enumerate(spacing_mm):
        total = np.concatenate([np.zeros_like(out.take([0], axis)), np.cumsum(out, axis)], axis)
        edges = np.arange(int(out.shape[axis] * FINE_MM / step + 1e-6) + 1) * step / FINE_MM
        low = np.minimum(np.floor(edges + 1e-9).astype(int), out.shape[axis])
        part = (edges - low).reshape([-1 if other == axis else 1 for other in range(3)])
        at = total.take(low, axis) * (1 - part) + total.take(np.minimum(low + 1, out.shape[axis]), axis) * part
        out = np.diff(at, axis=axis) * FINE_MM / step
    return out
