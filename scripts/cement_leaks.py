"""Leaks of known volume beside a block of bone, and how they are told."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.measurement.leak import MIN_LEAK_ML
from imaging.measurement.material import MaterialMeasurement, neural_total, relate_material
from imaging.measurement.neural import neural_doubt
from imaging.segmentation.bone import find_bone
from imaging.segmentation.cement import find_material
from imaging.segmentation.material_search import MIN_NEURAL_ML
from imaging.segmentation.reach import distance_mm
from imaging.segmentation.segment import LesionId
from imaging.synthetic.bone_block import EXTENT_MM, FINE_MM, BoneBlock, ball_of, ellipsoid, ml, tube

LESION = LesionId("L1")
LEAKS_ML = (0.05, 2.0)
NEURAL_ML = (0.1, 0.5)
FOUND_FROM_ML = 0.1
SLICES_MM = (0.75, 2.0)
PLATEAUS_HU = (1800.0, 2200.0, 5500.0)
CLIP_HU, BLUR_MM = 3071.0, (0.7, 1.6)
CEMENT_ML = 1.5
MARGIN_MM = 1.0
BONE_MM, CORTEX_MM = np.array([21.0, 17.0, 17.0]), 1.2
LESION_MM = np.array([0.0, -4.0, 0.0]), 8.5  # centre, radius
CANAL_MM, CANAL_CENTRE_MM = 5.5, (0.0, 8.5, 0.0)
SOFT_TISSUE_HU, CORTEX_HU, MARROW_HU, LESION_HU, CANAL_HU = 55.0, 1150.0, 90.0, 45.0, 20.0
COMPARTMENTS = ("disc above", "disc below", "presacral", "posterior soft tissue", "right", "left")
GAP_MM = (-1.0, 4.0)  # between the bone's surface and a leak's near end
EDGE_MM = 2.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """A planted leak, and what the report says of it; its neural amount is None where it cannot be excluded."""

    planted_ml: float
    beyond_ml: float
    compartment: str
    found_ml: float
    found_in: str | None
    neural_ml: float | None
    listed: int


@cache
def host() -> tuple[BoneBlock, BoolArray, FloatArray]:
    """Bone with a lytic lesion and a canal through it, the canal, and the distance from bone and lesion."""
    canal = tube(CANAL_CENTRE_MM, (1, 0, 0), CANAL_MM, 40.0)
    wall = tube(CANAL_CENTRE_MM, (1, 0, 0), CANAL_MM + CORTEX_MM, 40.0)
    solid, inner = ellipsoid((0, 0, 0), BONE_MM), ellipsoid((0, 0, 0), BONE_MM - CORTEX_MM)
    lesion = ellipsoid(LESION_MM[0], [LESION_MM[1]] * 3)
    soft = np.full([round(extent / FINE_MM) for extent in EXTENT_MM], SOFT_TISSUE_HU, np.float32)
    block = BoneBlock(soft, lesion).painted(solid, CORTEX_HU).painted(inner & ~wall, MARROW_HU)
    block = block.painted(lesion, LESION_HU).painted(canal & solid, CANAL_HU)
    return block, canal & solid, distance_mm((solid & ~canal) | lesion, [FINE_MM] * 3)


def centres_mm(grid: Grid) -> FloatArray:
    """Places of the voxels from the block's middle, the last axis (slice, row, column)."""
    axes = [(np.arange(n) + 0.5) * s - e / 2 for n, s, e in zip(grid.shape, grid.spacing_mm, EXTENT_MM, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def sector(places_mm: FloatArray) -> FloatArray:
    """Which compartment a place outside bone belongs to: the axis along which it lies farthest out."""
    out = places_mm / BONE_MM
    axis = np.abs(out).argmax(axis=-1)
    return np.asarray(2 * axis + (np.take_along_axis(out, axis[..., None], -1)[..., 0] > 0))


def cement_of(random: np.random.Generator) -> BoolArray:
    return ball_of(CEMENT_ML, LESION_MM[0] + random.uniform(-1, 1, 3))


def told(cement: BoolArray, leak: BoolArray, random: np.random.Generator) -> Told:
    """What is reported of a leak beside the cement in the lesion."""
    block, _, away_mm = host()
    plateau = float(random.choice(PLATEAUS_HU))
    ct, lesion = block.painted(cement | leak, plateau).scanned(
        slice_mm=float(random.uniform(*SLICES_MM)),
        clip_hu=CLIP_HU,
        blur_mm=float(random.uniform(*BLUR_MM)),
        seed=int(random.integers(2**31)),
    )
    places = centres_mm(ct.grid)
    number = sector(places)
    outside = (((places / BONE_MM) ** 2).sum(axis=-1)) > 1
    masks = {name: np.asarray(outside & (number == k)) for k, name in enumerate(COMPARTMENTS)}
    neural = (np.hypot(places[..., 1] - CANAL_CENTRE_MM[1], places[..., 2]) <= CANAL_MM) & ~outside
    find = find_material(ct, lesion_masks={LESION: lesion}, neural=neural)
    bone = find_bone(ct, lesion=lesion, material=find.mask()).mask
    doubt = neural_doubt(ct, find, neural)
    rows = relate_material(find, lesions={LESION: lesion}, bone=bone, neural=neural, doubt=doubt, compartments=masks)
    total = neural_total(find, neural, doubt)
    beyond = leak & (away_mm > MARGIN_MM)
    points = (np.argwhere(beyond) + 0.5) * FINE_MM - np.array(EXTENT_MM) / 2
    most = int(np.bincount(sector(points), minlength=6).argmax()) if len(points) else 0
    return Told(
        planted_ml=ml(leak),
        beyond_ml=ml(beyond),
        compartment=COMPARTMENTS[most],
        neural_ml=None if total is None else total.value,
        **summed(rows),
    )


def summed(rows: tuple[MaterialMeasurement, ...]) -> dict[str, object]:
    leaks = sorted((leak for row in rows for leak in row.leaks), key=lambda leak: -leak.volume_ml.value)
    return {
        "found_ml": sum(leak.volume_ml.value for leak in leaks),
        "found_in": leaks[0].compartment if leaks else None,
        "listed": len(leaks),
    }


def planted(seed: int) -> Told:
    """A leak of 0.05 to 2 mL, a ball or a cast of a vein, near the bone and wholly in the image."""
    random = np.random.default_rng([seed, 3])
    amount = float(np.exp(random.uniform(*np.log(LEAKS_ML))))
    while True:
        away = random.normal(size=3)
        away /= np.linalg.norm(away)
        surface = away / np.linalg.norm(away / BONE_MM)
        gap = float(random.uniform(*GAP_MM))
        if random.random() < 0.5:
            radius = np.cbrt(3000 * amount / (4 * np.pi))
            half_length, along, reach = 0.0, away, radius
        else:
            radius = np.sqrt(1000 * amount / np.pi / max(8.0, 20 * np.cbrt(amount)))
            along = np.cross(away, random.normal(size=3))
            half_length, reach = 1000 * amount / np.pi / radius**2 / 2, radius
        centre = surface + (gap + reach) * away
        along = along / np.linalg.norm(along)
        ends = np.abs(np.stack([centre - half_length * along, centre + half_length * along])) + radius
        if (ends < np.array(EXTENT_MM) / 2 - EDGE_MM).all():
            leak = ball_of(amount, centre) if half_length == 0 else tube(centre, along, float(radius), half_length)
            cement = cement_of(random)
            return told(cement, leak, random)


def neural(seed: int) -> tuple[Told, Told]:
    """A leak of 0.1 to 0.5 mL in the canal, a ball or a strand along its wall; and the same CT without it."""
    random = np.random.default_rng([seed, 5])
    amount = float(random.uniform(*NEURAL_ML))
    radius = min(np.cbrt(3000 * amount / (4 * np.pi)), CANAL_MM - 0.2)
    strand = random.random() < 0.5
    if strand:
        radius = float(random.uniform(1.2, 2.2))
    turn = random.uniform(0, 2 * np.pi)
    off = random.uniform(0, CANAL_MM - radius) * np.array([0.0, np.cos(turn), np.sin(turn)])
    centre = np.array(CANAL_CENTRE_MM) + off + [random.uniform(-6, 6), 0, 0]
    leak = tube(centre, (1, 0, 0), radius, 500 * amount / np.pi / radius**2) if strand else ball_of(amount, centre)
    cement, again = cement_of(random), deepcopy(random)
    return told(cement, leak & host()[1], random), told(cement, np.zeros_like(leak), again)


def leaks_table(count: int) -> None:
    every = [planted(seed) for seed in range(count)]
    print(
        "\n| planted leaks | n | found | volume within max(35 %, 0.05 mL) | compartment right | more than one listed |"
    )
    print("|---|---|---|---|---|---|")
    large = [told for told in every if told.beyond_ml >= FOUND_FROM_ML]
    small = [told for told in every if MIN_LEAK_ML <= told.beyond_ml < FOUND_FROM_ML]
    none = [told for told in every if told.beyond_ml < MIN_LEAK_ML]
    for name, chosen in (("≥ 0.1 mL", large), ("0.05 to 0.1 mL", small), ("less (not to be listed)", none)):
        if chosen:
            found = [told for told in chosen if told.listed]
            right = [told.found_in == told.compartment for told in found]
            print(
                f"| {name} | {len(chosen)} | {len(found) / len(chosen):.1%} "
                f"| {np.mean([is_close(told) for told in found]) if found else np.nan:.1%} "
                f"| {np.mean(right) if found else np.nan:.1%} | {sum(told.listed > 1 for told in chosen)} |"
            )
    bias = [told.found_ml / told.beyond_ml - 1 for told in large if told.listed]
    print(f"\nfound ÷ true − 1, median {np.median(bias):+.1%}, worst {max(bias, key=abs):+.0%}")


def is_close(told: Told) -> bool:
    return abs(told.found_ml - told.beyond_ml) <= max(0.35 * told.beyond_ml, 0.05)


def neural_table(count: int) -> None:
    every = [pair for pair in map(neural, range(count)) if pair[0].planted_ml >= FOUND_FROM_ML]
    leaks, clean = [leak for leak, _ in every], [without for _, without in every]
    share = [leak.neural_ml / leak.planted_ml - 1 for leak in leaks if leak.neural_ml]
    print("\n| canal | n | told as none | cannot be excluded | found | also listed as a leak | neural mL ÷ true − 1 |")
    print("|---|---|---|---|---|---|---|")
    for name, chosen in (("with a leak ≥ 0.1 mL", leaks), ("without one", clean)):
        none = sum(told.neural_ml is not None and told.neural_ml < MIN_NEURAL_ML for told in chosen)
        open_ = sum(told.neural_ml is None for told in chosen)
        cells = [len(chosen), none, open_, len(chosen) - none - open_, sum(told.listed > 0 for told in chosen)]
        error = f"median {np.median(share):+.1%}, worst {max(share, key=abs):+.0%}" if chosen is leaks else ""
        print(f"| {name} | {' | '.join(map(str, cells))} | {error} |")
