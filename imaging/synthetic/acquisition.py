"""How a scanner would see a phantom: partial volume, blur, noise, coil shading, chemical shift, clipping.

Every voxel is the mean over a fine grid of points inside its slice profile (a box as thick as the slice, which may be
thinner than the distance to the next slice). Fine points are visited one plane at a time, so memory stays at a few
planes. Noise comes from a PCG64 generator with a stated seed, and samples are rounded to integers, as a scanner stores
them: a last-bit difference between two processors would have to lie within 1e-7 of a rounding edge to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import FloatArray
from imaging.geometry import Grid, Rigid
from imaging.synthetic.lattice import slow_field, texture_at
from imaging.synthetic.phantom import Phantom
from imaging.synthetic.shape import Plane
from imaging.synthetic.streak import Streak
from imaging.synthetic.tissue import lookup
from imaging.volume.volume import Modality, Volume

__all__ = ["CtScan", "MrScan", "Sampling", "acquire_ct", "acquire_mr", "fractions"]

# Unsharp masking with a Gaussian three times as wide: the largest value of Φ(x) − 1 + k (Φ(x) − Φ(x/3)) is 0.12 at
# k = 0.62, and nearly proportional to k there.
OVERSHOOT_REACH, OVERSHOOT_GAIN = 3.0, 5.2
FWHM_PER_SIGMA = 2.3548  # of a Gaussian: 2 √(2 ln 2)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sampling:
    """Where voxels are, and how finely each is evaluated.

    Parameters
    ----------
    grid
        The image's grid, in its own patient coordinates.
    body_from_patient
        Pose: takes the exam's patient coordinates to the body frame.
    thickness_mm
        Slice profile; None = the distance between slices.
    fine
        Points per voxel along slice, row and column.
    """

    grid: Grid
    body_from_patient: Rigid
    thickness_mm: float | None = None
    fine: tuple[int, int, int] = (4, 2, 2)

    def planes(self, slice_index: int) -> list[tuple[Plane, Plane, Plane]]:
        """The body coordinates of one slice's fine points, as many sets as the slice is divided into.

        The points of a voxel lie at different heights within each division, so that a surface which rises slowly
        through the slice shows no terraces.
        """
        affine = product(self.body_from_patient.matrix, self.grid.affine)
        across, rows, columns = self.fine
        share = 1.0 if self.thickness_mm is None else self.thickness_mm / self.grid.slice_distance_mm
        fine_rows, fine_columns = np.arange(self.grid.shape[1] * rows), np.arange(self.grid.shape[2] * columns)
        r = ((fine_rows + 0.5) / rows - 0.5).astype(np.float32)[:, None]
        c = ((fine_columns + 0.5) / columns - 0.5).astype(np.float32)[None, :]
        rank = (fine_rows % rows)[:, None] * columns + (fine_columns % columns)[None, :]
        lift = ((rank + 0.5) / (rows * columns)).astype(np.float32)  # 0 to 1 within a division
        found = []
        for division in range(across):
            s = slice_index + np.float32(share) * ((division + lift) / np.float32(across) - np.float32(0.5))
            x, y, z = (row[3] + row[0] * s + row[1] * r + row[2] * c for row in affine.astype(np.float32)[:3])
            found.append((x, y, z))
        return found


def product(a: FloatArray, b: FloatArray) -> FloatArray:
    """The matrix product of two 4 × 4 matrices, summed in one order on every machine."""
    return np.array([[sum(a[i, k] * b[k, j] for k in range(4)) for j in range(4)] for i in range(4)])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CtScan:
    """A CT as acquired.

    Parameters
    ----------
    sampling
        Grid, pose and fineness.
    psf_mm
        In-plane blur, full width at half maximum.
    noise_hu
        Standard deviation; the noise is correlated over the blur, as a soft kernel's is.
    overshoot
        Edge enhancement of a bone kernel: 0.12 = a straight edge overshoots by 12 % of its step.
    floor_hu, ceiling_hu
        What the scanner's scale can hold: −1024 to 3071 is 12 bits.
    streak
        Beam hardening between two dense bodies.
    texture_seed, noise_seed
        Of the slow tissue texture (one body = one seed) and of this scan's noise.
    """

    sampling: Sampling
    psf_mm: float = 1.0
    noise_hu: float = 12.0
    overshoot: float = 0.0
    floor_hu: int = -1024
    ceiling_hu: int = 3071
    streak: Streak | None = None
    texture_seed: int = 1
    noise_seed: int = 1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MrScan:
    """One MR weighting as acquired.

    Parameters
    ----------
    sampling
        Grid, pose and fineness.
    role
        ``t1`` or ``stir``.
    scale
        Stored value of brightness 1: MR units are arbitrary and differ between exams.
    psf_pixels
        In-plane blur, full width at half maximum, in pixels.
    noise
        Rician: standard deviation of both channels, relative to brightness 1.
    shading_per_100_mm
        Growth of the coil's sensitivity towards the back.
    fat_shift_pixels
        Chemical shift of fat along (row, column): the frequency-encoding direction.
    """

    sampling: Sampling
    role: str = "t1"
    scale: float = 500.0
    psf_pixels: float = 1.1
    noise: float = 0.012
    shading_per_100_mm: float = 0.4
    fat_shift_pixels: tuple[float, float] = (0.0, 0.0)
    texture_seed: int = 1
    noise_seed: int = 1


def fractions(
    phantom: Phantom, sampling: Sampling, tables: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """The mean over each voxel of every table's figure.

    Parameters
    ----------
    phantom
        What is imaged.
    sampling
        Where, and how finely.
    tables
        Name → (256,) figure by tissue number; a table of zeros with a single one gives that tissue's fraction.

    Returns
    -------
    dict
        Name → (slices, rows, columns) float32.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 2, 2), (2.0, 1.0, 1.0))
    >>> means = fractions(Phantom(pelvis=None), Sampling(grid=grid, body_from_patient=Rigid.identity()),
    ...                   {"one": np.ones(256, np.float32)})
    >>> means["one"].tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    means = {name: np.zeros(sampling.grid.shape, dtype=np.float32) for name in tables}
    _, rows, columns = sampling.fine
    points = np.float32(np.prod(sampling.fine))
    for index in range(sampling.grid.shape[0]):
        for plane in sampling.planes(index):
            numbers = phantom.tissue(*plane)
            for name, table in tables.items():
                fine = table[numbers]
                for r in range(rows):
                    for c in range(columns):
                        means[name][index] += fine[r::rows, c::columns]
    return {name: mean / points for name, mean in means.items()}


def acquire_ct(phantom: Phantom, scan: CtScan) -> Volume:
    """The CT of a phantom: int16 Hounsfield units.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 8, 8), (2.0, 1.0, 1.0))
    >>> scan = CtScan(sampling=Sampling(grid=grid, body_from_patient=Rigid.identity()), noise_hu=0.0)
    >>> acquire_ct(Phantom(pelvis=None), scan).samples[0, 4, 4].item() in range(30, 80)
    True
    """
    contrasts = phantom.all_contrasts()
    means = fractions(
        phantom, scan.sampling, {"hu": lookup(contrasts, "hu"), "texture": lookup(contrasts, "hu_texture")}
    )
    image = means["hu"] + means["texture"] * body_texture(scan.sampling, scan.texture_seed)
    spacing = scan.sampling.grid.spacing_mm
    sigma = (0.0, *(scan.psf_mm / FWHM_PER_SIGMA / step for step in spacing[1:]))
    blurred = ndimage.gaussian_filter(image, sigma, mode="nearest")
    if scan.overshoot:
        wide = ndimage.gaussian_filter(image, [OVERSHOOT_REACH * s for s in sigma], mode="nearest")
        blurred = blurred + np.float32(OVERSHOOT_GAIN * scan.overshoot) * (blurred - wide)
    if scan.noise_hu:
        generator = np.random.Generator(np.random.PCG64(scan.noise_seed))
        white = generator.standard_normal(image.shape, dtype=np.float32)
        noise = np.asarray(ndimage.gaussian_filter(white, sigma, mode="wrap"), dtype=np.float32)
        noise = np.float32(scan.noise_hu) * (noise / noise.std())
    else:
        noise = np.zeros_like(blurred)
    if scan.streak is not None:
        away = scan.streak.away_mm(*centers(scan.sampling))
        blurred, noise = blurred + scan.streak.offset_hu(away), noise * scan.streak.noise_at(away)
    stored = np.clip(np.rint(blurred + noise), scan.floor_hu, scan.ceiling_hu).astype(np.int16)
    clipped = bool((stored == scan.ceiling_hu).any())
    return Volume(
        samples=stored,
        grid=scan.sampling.grid,
        modality=Modality.CT,
        role="ct",
        saturation_hu=float(scan.ceiling_hu) if clipped else None,
    )


def acquire_mr(phantom: Phantom, *scans: MrScan) -> tuple[Volume, ...]:
    """MR images of a phantom that share one sampling, evaluated together.

    Returns
    -------
    tuple of Volume
        int16 magnitude images in the order of the scans.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 8, 8), (5.0, 1.0, 1.0))
    >>> t1 = MrScan(sampling=Sampling(grid=grid, body_from_patient=Rigid.identity()))
    >>> [image.role for image in acquire_mr(Phantom(pelvis=None), t1, replace(t1, role="stir"))]
    ['t1', 'stir']
    """
    contrasts = phantom.all_contrasts()
    t1, fat = lookup(contrasts, "t1"), lookup(contrasts, "t1_fat")
    tables = {
        "t1_water": t1 - fat,
        "t1_fat": fat,
        "stir": lookup(contrasts, "stir"),
        "texture": lookup(contrasts, "mr_texture"),
    }
    sampling = scans[0].sampling
    means = fractions(phantom, sampling, tables)
    texture = 1 + means["texture"] * body_texture(sampling, scans[0].texture_seed)
    return tuple(develop(scan, means, texture) for scan in scans)


def develop(scan: MrScan, means: Mapping[str, NDArray[np.float32]], texture: NDArray[np.float32]) -> Volume:
    """One magnitude image from the mean brightness of its voxels."""
    if scan.role == "stir":
        image = means["stir"] * texture
    else:
        image = means["t1_water"] * texture + shifted(means["t1_fat"] * texture, scan.fat_shift_pixels)
    sigma = scan.psf_pixels / FWHM_PER_SIGMA
    image = ndimage.gaussian_filter(image, (0.0, sigma, sigma), mode="nearest")
    image = image * shading(scan)
    generator = np.random.Generator(np.random.PCG64(scan.noise_seed))
    real = image + np.float32(scan.noise) * generator.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(scan.noise) * generator.standard_normal(image.shape, dtype=np.float32)
    magnitude = np.sqrt(real * real + imaginary * imaginary) * np.float32(scan.scale)
    return Volume(
        samples=np.clip(np.rint(magnitude), 0, 4095).astype(np.int16),
        grid=scan.sampling.grid,
        modality=Modality.MR,
        role=scan.role,
    )


def shifted(image: NDArray[np.float32], shift: tuple[float, float]) -> NDArray[np.float32]:
    """The image moved by a fraction of pixels along rows and columns, linear in between, edges repeated."""
    for axis, pixels in zip((1, 2), shift, strict=True):
        if pixels:
            image = ndimage.shift(image, [pixels if k == axis else 0.0 for k in range(3)], order=1, mode="nearest")
    return image


def shading(scan: MrScan) -> NDArray[np.float32]:
    """Coil sensitivity at each voxel: 1 at the body's origin, rising towards the back; never below a fifth."""
    x, y, z = centers(scan.sampling)
    across = x / 100
    sensitivity = 1 + scan.shading_per_100_mm * ((y - 20) / 100 - 0.25 * across**2 - 0.1 * (z / 100) ** 2)
    return np.asarray(np.maximum(sensitivity, 0.2), dtype=np.float32)


def body_texture(sampling: Sampling, seed: int) -> NDArray[np.float32]:
    """The body's slow texture at each voxel's centre."""
    return texture_at(slow_field(seed), *centers(sampling))


def centers(sampling: Sampling) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Body coordinates of voxel centres, three arrays of the grid's shape."""
    alone = replace(sampling, fine=(1, 1, 1))
    planes = [alone.planes(index)[0] for index in range(sampling.grid.shape[0])]
    x, y, z = (np.stack([plane[axis] for plane in planes]).astype(np.float64) for axis in range(3))
    return x, y, z
