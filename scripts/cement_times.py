"""How long finding and relating material takes on a large CT."""

from __future__ import annotations

import time

import numpy as np

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.measurement.material import relate_material
from imaging.segmentation.bone import bone_mask
from imaging.segmentation.cement import find_material
from imaging.segmentation.segment import LesionId
from imaging.synthetic.bone_block import PIXEL_MM, BoneBlock, compact_deposit
from imaging.volume import Modality, Volume

SHAPE, SLICE_MM, NOISE_HU = (300, 512, 512), 1.0, 12.0
SOFT_TISSUE_HU, AIR_HU = 55.0, -1000.0
PLATEAU_HU, CEMENT_ML, CLIP_HU = 5500.0, 7.0, 3071.0
DEPOSITS = ((0, 0), (1, 2), (3, 3))  # which of the bones, by level and place across
LEVELS, ACROSS = 4, 5
REPEATS = 3


def large_ct() -> tuple[Volume, dict[LesionId, BoolArray]]:
    """A body with twenty blocks of bone in it, cement in three of them, and their lesions."""
    samples = np.full(SHAPE, AIR_HU, np.float32)
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    samples[:, (y - 256) ** 2 / 180**2 + (x - 256) ** 2 / 240**2 < 1] = SOFT_TISSUE_HU
    lesions = {}
    random = np.random.default_rng(0)
    bare = BoneBlock.with_lesion()
    plain, lesion = bare.scanned(slice_mm=SLICE_MM, clip_hu=CLIP_HU, noise_hu=0.0)
    for level in range(LEVELS):
        for place in range(ACROSS):
            filled = (level, place) in DEPOSITS
            deposit = compact_deposit(CEMENT_ML, random) if filled else None
            block = plain
            if deposit is not None:
                block, _ = bare.painted(deposit, PLATEAU_HU).scanned(slice_mm=SLICE_MM, clip_hu=CLIP_HU, noise_hu=0.0)
            depth, height, width = block.grid.shape
            box = (slice(level * 72, level * 72 + depth), slice(220, 220 + height))
            where = (*box, slice(62 + place * width, 62 + (place + 1) * width))
            samples[where] = block.samples
            if filled:
                mask = np.zeros(SHAPE, dtype=bool)
                mask[where] = lesion
                lesions[LesionId(f"L{len(lesions) + 1}")] = mask
    samples += random.normal(0, NOISE_HU, SHAPE).astype(np.float32)
    grid = Grid.from_spacing(SHAPE, (SLICE_MM, PIXEL_MM, PIXEL_MM))
    return Volume(
        samples=np.rint(np.minimum(samples, CLIP_HU)).astype(np.int16), grid=grid, modality=Modality.CT
    ), lesions


def times_table() -> None:
    ct, lesions = large_ct()
    bone = bone_mask(ct, lesion=np.any([*lesions.values()], axis=0))
    found, related = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        find = find_material(ct, lesion_masks=lesions, bone=bone, agents=("pmma",))
        middle = time.perf_counter()
        rows = relate_material(find, lesions=lesions, bone=bone)
        found.append(middle - started)
        related.append(time.perf_counter() - middle)
    total = min(one + other for one, other in zip(found, related, strict=True))
    print(f"\n| CT | pieces, rows | find_material | relate_material | both, best of {REPEATS} |\n|---|---|---|---|---|")
    shape = " × ".join(str(n) for n in reversed(SHAPE))
    print(f"| {shape} | {len(find.pieces)}, {len(rows)} | {min(found):.1f} s | {min(related):.1f} s | {total:.1f} s |")
