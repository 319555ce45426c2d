"""CTs with a known amount of cement in real vertebrae, the same CTs without any, and phantoms of what is no cement.

The real scans are in ../shared/data, not part of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.formats.nifti import read_nifti
from imaging.segmentation.bone import bone_mask
from imaging.segmentation.reach import Box, distance_mm
from imaging.synthetic.acquisition import FWHM_PER_SIGMA
from imaging.synthetic.bone_block import (
    FINE_MM,
    LESION_CENTRE_MM,
    BoneBlock,
    compact_deposit,
    ellipsoid,
    tube,
)
from imaging.volume import Modality, Volume

SHARED = Path(os.environ.get("OSTEOTRACE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SPINE = "spine-crops/sample_ct/sub-ct_label-22_ct.nii.gz"
SPINE_BONE = "spine-crops/sample_ct/sub-ct_seg-vert_label-22_msk.nii.gz"
HOSTS = {"GE abdomen": "ct-liver-mets-ge/CRLM-CT-1004", "Siemens body": "ct-j2k-siemens-body/dicom", "spine": SPINE}
REAL_ML, REAL_PLATEAUS_HU = (1.0, 3.0, 7.0), (2200.0, 5500.0)
CLIP_HU = 3071.0  # all three scans store 12 bits
BLUR_MM = (0.7, 1.6)
FINE_SHARE = (4, 2, 2)  # points within a voxel along slice, row, column
CLOSED_MM = 4.0  # joints and thin laminae leave the canal's ring open so far
NO_WALL_HU = 250.0
CANAL_MM2 = (150.0, 500.0)  # of a transverse section: vessels and foramina are smaller, the body's hollow is larger
DEEPEST_SHARE = 0.9  # cement goes where the bone is at least this deep, as a share of its deepest place


@dataclass(frozen=True, kw_only=True, eq=False)
class Host:
    """A CT without material, and where its vertebral bone is."""

    name: str
    volume: Volume
    vertebra: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Inserted:
    """A host with cement in it."""

    host: Host
    volume: Volume
    plateau: float
    blur_mm: float
    true_ml: float


def hosts(data: Path = SHARED / "data") -> Iterator[Host]:
    for name, place in HOSTS.items():
        volume = read(data / place)
        known = read(data / SPINE_BONE).samples > 0 if place == SPINE else bone_mask(volume)
        yield Host(name=name, volume=volume, vertebra=np.asarray(known))


def canal_in(host: Host) -> BoolArray:
    """The spinal canal where bone rings it: the longest stack of holes of its size in the bone of transverse slices."""
    across = int(np.argmax(np.abs(host.volume.grid.affine[2, :3])))
    bone, hu = (np.moveaxis(array, across, 0) for array in (host.vertebra, host.volume.samples))
    pixel_mm = float(np.delete(host.volume.grid.spacing_mm, across)[0])
    steps = round(CLOSED_MM / pixel_mm)
    disc = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), steps)
    canal = np.zeros_like(bone)
    for number, section in enumerate(bone):
        ring = ndimage.binary_closing(np.pad(section, steps + 1), disc)[steps + 1 : -steps - 1, steps + 1 : -steps - 1]
        holes = ndimage.binary_fill_holes(ring) & ~section & (hu[number] < NO_WALL_HU)
        labels, _ = ndimage.label(ndimage.binary_opening(holes))
        wide = np.bincount(labels.ravel()) * pixel_mm**2
        canal[number] = ((wide > CANAL_MM2[0]) & (wide < CANAL_MM2[1]) & (np.arange(wide.size) > 0))[labels]
    labels, _ = ndimage.label(canal)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(np.moveaxis(labels == int(sizes.argmax()), 0, across))


def read(path: Path) -> Volume:
    return read_nifti(path, Modality.CT) if path.is_file() else load_volume(scan([path]).choose())


def inserted(host: Host, seeds: Sequence[int]) -> Iterator[Inserted]:
    for seed in seeds:
        for asked_ml in REAL_ML:
            random = np.random.default_rng([seed, int(asked_ml), *host.name.encode()])
            place = place_in(host, random)
            deposit = compact_deposit(asked_ml, random)
            for plateau in REAL_PLATEAUS_HU:
                blur_mm = float(random.uniform(*BLUR_MM))
                volume = with_cement(host.volume, deposit, place, plateau=plateau, blur_mm=blur_mm)
                share, _ = share_of(host.volume, deposit, place, blur_mm)  # a finger may leave the field of view
                true_ml = float(share.sum()) * host.volume.grid.voxel_volume_mm3 / 1000
                yield Inserted(host=host, volume=volume, plateau=plateau, blur_mm=blur_mm, true_ml=true_ml)


def place_in(host: Host, random: np.random.Generator) -> FloatArray:
    """A voxel index at random where the bone about the spine is deepest, image borders counted as its surface."""
    deep = distance_mm(np.pad(~host.vertebra, 1, constant_values=True), host.volume.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    places = np.argwhere(deep >= DEEPEST_SHARE * deep.max())
    return np.asarray(places[random.integers(len(places))], dtype=np.float64)


def with_cement(volume: Volume, deposit: BoolArray, place: FloatArray, *, plateau: float, blur_mm: float) -> Volume:
    """The scan with a blurred body in it that has the scan's own noise, clipped at the top of 12 bits."""
    share, box = share_of(volume, deposit, place, blur_mm)
    samples = volume.samples.astype(np.float64)
    there = samples[box]
    samples[box] = np.minimum((1 - share) * there + share * (plateau + grain_of(there)), CLIP_HU)
    return replace(volume, samples=np.rint(samples).astype(np.int16))


def share_of(volume: Volume, deposit: BoolArray, place: FloatArray, blur_mm: float) -> tuple[FloatArray, Box]:
    """How much of each voxel a body of the block's lattice fills after blur, and the box in which it does."""
    blurred = ndimage.gaussian_filter(deposit.astype(np.float32), blur_mm / FWHM_PER_SIGMA / FINE_MM)
    step = np.array(volume.grid.spacing_mm)
    half = np.array(deposit.shape) * FINE_MM / 2
    low = np.maximum(np.floor(place - half / step).astype(int), 0)
    high = np.minimum(np.ceil(place + half / step).astype(int) + 1, volume.grid.shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    fine = np.array(FINE_SHARE)
    # lattice index = scale × fine index + offset, the deposit's centre on the chosen voxel's
    scale = step / fine / FINE_MM
    first = (low - place - 0.5 + 0.5 / fine) * step + LESION_CENTRE_MM + half
    count = (high - low) * fine
    points = ndimage.affine_transform(
        blurred, scale, first / FINE_MM - 0.5, output_shape=tuple(count.tolist()), order=1, mode="constant"
    )
    shape = np.stack([high - low, fine], axis=1).ravel().tolist()
    return np.asarray(points.reshape(shape).mean(axis=(1, 3, 5)), dtype=np.float64), box


def grain_of(samples: FloatArray) -> FloatArray:
    """What a voxel differs from its neighbours by, without the edges."""
    grain = samples - ndimage.median_filter(samples, (1, 3, 3))
    return np.asarray(np.clip(grain, *np.percentile(grain, [2, 98])), dtype=np.float64)


def negatives() -> dict[str, tuple[BoolArray, float]]:
    """By name, where something lies in the block that is no cement, and its HU."""
    artery = (0, -27.5, -20), (1, 0, 0.1)
    return {
        "sclerotic metastasis": (ellipsoid(LESION_CENTRE_MM, (12, 12, 12)), 1400.0),
        "contrast medium in bowel": (tube((0, 28, 0), (0, 0, 1), 6, 24), 1400.0),
        "contrast medium in bladder": (ellipsoid((-25, 25, 0), (14, 14, 20)), 800.0),
        "calcified artery": (tube(*artery, 2.4, 30) & ~tube(*artery, 1.6, 30), 1300.0),
        "screw": (tube((0, 0, 0), (0.2, 0.1, 1), 3.5, 25), 12900.0),
        "needle": (tube((0, 0, 0), (0.2, 1, 0.1), 1.2, 22), 19000.0),
        "gas": (ellipsoid(LESION_CENTRE_MM, (5, 5, 5)), -950.0),
    }


def negative_scans(seeds: Sequence[int]) -> Iterator[tuple[str, float, Volume, BoolArray]]:
    """Name, slice, CT and lesion."""
    block = BoneBlock.with_lesion()
    for name, (where, hu) in negatives().items():
        painted = block.painted(where, hu)
        for seed in seeds:
            for slice_mm, noise_hu in ((1.0, 12.0), (1.0, 30.0), (3.0, 12.0)):
                ct, lesion = painted.scanned(slice_mm=slice_mm, noise_hu=noise_hu, clip_hu=CLIP_HU, seed=seed)
                yield name, slice_mm, ct, lesion
