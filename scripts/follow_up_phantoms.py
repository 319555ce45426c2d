"""Pairs of exams of one lesion with a known change: phantoms of other textures, and lesions put into real scans.

A lesion of any place in the sacrum and the ilia, 8 to 20 mm in radius, lobulated, with or without blood, a rim of
oedema and (from the second exam on) cement, is imaged twice: other pose, slices, fat shift and noise. Tissues are up to
15 % brighter or darker than the sample case's and their slow texture up to three times as strong. The earlier mask
comes to the second exam by the true transform, off by what an accepted registration may be off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from lesion_cases import cases
from scipy import ndimage
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid, Rigid
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prompt import BoxPrompt
from imaging.synthetic.acquisition import MrScan, Sampling, acquire_mr
from imaging.synthetic.phantom import MARROWS, Insert, Lesion, Phantom
from imaging.synthetic.shape import Ellipsoid
from imaging.synthetic.tissue import CONTRASTS, Contrast, Tissue
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_probability

__all__ = ["GROWTHS", "Pair", "inserted_pairs", "phantom_pairs"]

GROWTHS = (0.7, 0.85, 1.0, 1.2)  # of the radius
THIN_MM, THICK_MM = (2.0, 3.3), (6.5, 6.5)  # slice distances
RESIDUE_MM, RESIDUE_DEG = 1.0, 0.7  # standard deviation per axis: 1.7 mm in all, 2 mm at the rim of a pelvis
HAND_MM = 2.0  # how loosely a box is drawn round the lesion at baseline
RADIUS_MM = (8.0, 20.0)
LEAST_BONE = 0.6  # of the lesion; what is left has broken out of the bone
VIEW_RADII, VIEW_MM = 6.5, 10.0  # how much is imaged round a lesion: what following one may look at
CEMENT_SHARE = 0.13  # of the lesion's volume, as in the published case
CEMENTED = 0.4  # of the pairs
INSERTED_RADIUS_MM = (8.0, 16.0)
INSERTED_OFF, INSERTED_OFF_HU = (0.33, 0.67), (80.0, 200.0)  # from what was there: of its brightness on MR, in HU on CT
BODY_HU, BODY_SHARE = -300.0, 0.1  # what is brighter is body; on MR a share of the bright end
FINE = (4, 2, 2)  # points in a voxel


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """A lesion's earlier mask on a later image, and what is true of both.

    ``earlier`` is the earlier image, where the registration puts it. ``drawn`` is the earlier mask as a reader drew it,
    ``proposed`` as the machine outlined it from a box (None where the earlier exam was not outlined so); each with the
    volume that it has, and as a map on the later image.
    """

    name: str
    growth: float
    volume: Volume
    companion: Volume | None
    material: BoolArray | None
    earlier: Volume
    truth: BoolArray
    true_ml: float
    before_ml: float
    drawn: FloatArray
    drawn_ml: float
    proposed: FloatArray | None = None
    proposed_ml: float | None = None
    proposed_wcv: float = 0.0


def phantom_pairs(seed: int, slices_mm: tuple[float, float]) -> Iterator[Pair]:
    """One lesion before and at each growth; the seed draws everything about it and about the scans."""
    random = np.random.default_rng([seed, 7])
    contrasts = textured(random)
    before = lesion_in_bone(random)
    cement = cement_in(before.solid, random) if random.uniform() < CEMENTED else None
    paired = random.uniform() < 0.5  # whether the later exam has a STIR beside its T1
    scan = scan_of(before.solid, slices_mm, random, texture_seed=seed + 1000)
    drawn = inside(before.solid, scan.sampling)
    (image,) = acquire_mr(Phantom(lesions=(before,), contrasts=contrasts), scan)
    found = segment_lesion(image, [box_round(drawn, image.grid, random)])
    for growth in GROWTHS:
        after = grown(before, growth)
        later = scan_of(before.solid, slices_mm, random, texture_seed=seed + 1000)
        residue = turned(random.normal(0, RESIDUE_DEG, 3), random.normal(0, RESIDUE_MM, 3), before.solid.center_mm)
        inserts = () if cement is None else (Insert(shape=cement, contrast=CONTRASTS[Tissue.CEMENT]),)
        body = Phantom(lesions=(after,), inserts=inserts, contrasts=contrasts)
        stir = replace(later, role="stir", noise=0.025, fat_shift_pixels=(0.0, 0.0), noise_seed=later.noise_seed + 1)
        t1, *second = acquire_mr(body, later, stir) if paired else acquire_mr(body, later)
        # As a registration sees the body that is a little off: the earlier mask and the CT's material alike.
        patient_from_body = later.sampling.body_from_patient.inverse() @ residue
        later_from_before = patient_from_body @ scan.sampling.body_from_patient
        seen = replace(later.sampling, body_from_patient=patient_from_body.inverse())
        yield Pair(
            name=f"phantom {seed}",
            growth=growth,
            volume=t1,
            companion=second[0] if second else None,
            material=None if cement is None else inside(cement, seen),
            earlier=replace(image, grid=moved(image.grid, later_from_before)),
            truth=inside(after.solid, later.sampling),
            true_ml=after.solid.volume_ml,
            before_ml=before.solid.volume_ml,
            drawn=brought(drawn, image.grid, t1.grid, later_from_before),
            drawn_ml=millilitres(drawn, image.grid),
            proposed=brought(found.mask, image.grid, t1.grid, later_from_before),
            proposed_ml=found.volume_ml,
            proposed_wcv=found.volume_wcv or 0.0,
        )


def brought(mask: BoolArray, grid: Grid, onto: Grid, onto_from_grid: Rigid) -> FloatArray:
    """An earlier mask as a probability on the later image."""
    return resample_probability(mask, grid, onto, grid_from_onto=onto_from_grid.inverse()).astype(np.float64)


def moved(grid: Grid, there_from_grid: Rigid) -> Grid:
    return Grid(grid.shape, there_from_grid.matrix @ grid.affine)


def textured(random: np.random.Generator) -> dict[int, Contrast]:
    """Every tissue as bright and as coarse as another patient's might be."""
    rough = random.uniform(1.0, 3.0)
    changed = {}
    for number, contrast in CONTRASTS.items():
        gain = random.uniform(0.85, 1.15)
        changed[number] = replace(
            contrast,
            t1=contrast.t1 * gain,
            t1_fat=contrast.t1_fat * gain,
            stir=contrast.stir * random.uniform(0.85, 1.15),
            mr_texture=contrast.mr_texture * rough,
        )
    return changed


def lesion_in_bone(random: np.random.Generator) -> Lesion:
    """A lesion that lies in bone for the most part."""
    body = Phantom()
    while True:
        radius = random.uniform(*RADIUS_MM)
        ratio = np.exp(random.normal(0, 0.12, 3))
        a, b, c = (2 * radius * ratio / ratio.prod() ** (1 / 3)).tolist()
        x, y, z = (float(random.uniform(low, high)) for low, high in ((-75, 75), (-10, 75), (-60, 25)))
        solid = Ellipsoid(
            center_mm=(x, y, z),
            axes_mm=(a, b, c),
            turn=Rotation.random(random_state=int(random.integers(2**31))).as_matrix(),
            lobulation=float(random.uniform(0, 0.12)),
        )
        points = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), axis=-1).reshape(-1, 3) * radius * 1.3 + (x, y, z)
        px, py, pz = (points[:, k][None].astype(np.float32) for k in range(3))
        held = solid.signed_mm(px, py, pz) < 0
        bone = np.isin(body.tissue(px, py, pz)[held], (*MARROWS, Tissue.CORTEX))
        if bone.mean() >= LEAST_BONE:
            break
    blood = None
    if random.uniform() < 0.35:  # touching the margin, as a haemorrhage does
        off = random.normal(size=3)
        x, y, z = (np.array(solid.center_mm) + 0.7 * radius * off / np.linalg.norm(off)).tolist()
        blood = Ellipsoid(center_mm=(x, y, z), axes_mm=(1.2 * radius,) * 3)
    return Lesion(id="L1", solid=solid, oedema_mm=float(random.choice([0.0, 4.0, 6.5])), blood=blood)


def grown(lesion: Lesion, growth: float) -> Lesion:
    """The same lesion about the same centre, each of its lengths times the growth."""
    a, b, c = (growth * axis for axis in lesion.solid.axes_mm)
    return replace(lesion, solid=replace(lesion.solid, axes_mm=(a, b, c)))


def cement_in(solid: Ellipsoid, random: np.random.Generator) -> Ellipsoid:
    """A lump off the centre, within even the smallest follow-up for the most part."""
    radius = min(solid.axes_mm) / 2
    size = 2 * (CEMENT_SHARE * np.prod(solid.axes_mm) / 8) ** (1 / 3)
    off = random.normal(size=3)
    x, y, z = (np.array(solid.center_mm) + 0.2 * radius * off / np.linalg.norm(off)).tolist()
    return Ellipsoid(center_mm=(x, y, z), axes_mm=(1.2 * size, size, size / 1.2), lobulation=0.1)


def scan_of(
    solid: Ellipsoid, slices_mm: tuple[float, float], random: np.random.Generator, *, texture_seed: int
) -> MrScan:
    """A T1 of the lesion's surroundings in a new pose."""
    slice_mm, pixel_mm = float(random.uniform(*slices_mm)), float(random.uniform(0.6, 0.95))
    patient_from_body = turned(random.normal(0, 3, 3), random.uniform(-20, 20, 3), (0.0, 0.0, 0.0))
    view_mm = VIEW_RADII * float(np.prod(solid.axes_mm)) ** (1 / 3) / 2 + VIEW_MM
    counts = [int(np.ceil(view_mm / step)) for step in (slice_mm, pixel_mm, pixel_mm)]
    half = (np.array(counts) - 1) / 2 * (slice_mm, pixel_mm, pixel_mm)
    middle = patient_from_body.apply([solid.center_mm])[0] + random.uniform(-6, 6, 3)
    x, y, z = (middle - half[::-1]).tolist()
    grid = Grid.from_spacing((counts[0], counts[1], counts[2]), (slice_mm, pixel_mm, pixel_mm), origin_mm=(x, y, z))
    sampling = Sampling(
        grid=grid,
        body_from_patient=patient_from_body.inverse(),
        thickness_mm=slice_mm * float(random.uniform(0.85, 1.0)),
        fine=(4, 1, 1),
    )
    shift = float(random.uniform(-1.7, 1.7))
    return MrScan(
        sampling=sampling,
        scale=float(random.uniform(300, 800)),
        noise=float(random.uniform(0.012, 0.03)),
        fat_shift_pixels=(shift, 0.0) if random.uniform() < 0.5 else (0.0, shift),
        texture_seed=texture_seed,
        noise_seed=int(random.integers(2**31)),
    )


def turned(turn_deg: FloatArray, shift_mm: FloatArray, pivot_mm: Sequence[float]) -> Rigid:
    """Turned about the pivot, then shifted."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(turn_deg)).as_matrix()
    pivot = np.array(pivot_mm)
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot + shift_mm
    return Rigid(matrix)


def inside(solid: Ellipsoid, sampling: Sampling) -> BoolArray:
    """The voxels whose centres lie in the solid."""
    centres = replace(sampling, fine=(1, 1, 1), thickness_mm=None)
    planes = [centres.planes(number)[0] for number in range(sampling.grid.shape[0])]
    return np.stack([solid.signed_mm(*plane) < 0 for plane in planes])


def box_round(mask: BoolArray, grid: Grid, random: np.random.Generator) -> BoxPrompt:
    points = grid.points(np.argwhere(mask))
    corners = np.stack([points.min(axis=0), points.max(axis=0)]) + random.normal(0, HAND_MM, (2, 3))
    low, high = corners.tolist()
    return BoxPrompt((tuple(low), tuple(high)))


def millilitres(mask: BoolArray, grid: Grid) -> float:
    return float(np.count_nonzero(mask)) * grid.voxel_volume_mm3 / 1000


def inserted_pairs(seeds: Sequence[int]) -> Iterator[Pair]:
    """Lesions of known size put into the shared sarcoma scans (T1 and CT), away from the tumour.

    A lesion is darker or brighter than what was there, keeps the scan's own noise and fills its voxels by halves; where
    it lies nothing was chosen but that the body surrounds it.
    """
    for entry in cases():
        if not entry.name.startswith("STS"):
            continue
        for seed in seeds:
            random = np.random.default_rng([seed, 11, *entry.name.encode()])
            before = site_in(entry.volume, entry.reference, random)
            level = level_in(entry.volume, before, random)
            grid = entry.volume.grid
            drawn = share_in(before, grid) >= 0.5
            image = rescanned(with_lesion(entry.volume, share_in(before, grid), level), random)
            for growth in GROWTHS:
                residue = Rigid.from_shift(random.normal(0, RESIDUE_MM, 3))
                after = grown(Lesion(id="L1", solid=before), growth).solid
                share = share_in(after, grid)
                yield Pair(
                    name=f"{entry.name} {seed}",
                    growth=growth,
                    volume=with_lesion(entry.volume, share, level),
                    companion=None,
                    material=None,
                    earlier=replace(image, grid=moved(grid, residue)),
                    truth=share >= 0.5,
                    true_ml=after.volume_ml,
                    before_ml=before.volume_ml,
                    drawn=brought(drawn, grid, grid, residue),
                    drawn_ml=millilitres(drawn, grid),
                )


def site_in(volume: Volume, taken: BoolArray, random: np.random.Generator) -> Ellipsoid:
    """A place in the body, where even the largest follow-up lies neither in the tumour nor at the skin."""
    floor = BODY_HU if volume.modality is Modality.CT else BODY_SHARE * np.percentile(volume.samples, 95)
    filled = ndimage.binary_fill_holes(ndimage.binary_opening(volume.samples > floor, iterations=2))
    free = np.asarray(filled & ~taken)
    depth_mm = ndimage.distance_transform_edt(np.pad(free, 1), sampling=volume.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    radius = float(random.uniform(*INSERTED_RADIUS_MM))
    deepest = float(depth_mm.max()) / (1.25 * max(GROWTHS))
    radius = min(radius, deepest)
    places = np.argwhere(depth_mm >= 1.2 * max(GROWTHS) * radius)
    ratio = np.exp(random.normal(0, 0.08, 3))
    a, b, c = (2 * radius * ratio / ratio.prod() ** (1 / 3)).tolist()
    x, y, z = volume.grid.points([places[random.integers(len(places))]])[0].tolist()
    turn = Rotation.random(random_state=int(random.integers(2**31))).as_matrix()
    return Ellipsoid(center_mm=(x, y, z), axes_mm=(a, b, c), turn=turn, lobulation=float(random.uniform(0, 0.1)))


def level_in(volume: Volume, solid: Ellipsoid, random: np.random.Generator) -> float:
    """How bright the lesion is: off the brightness of what it replaces."""
    there = float(np.median(volume.samples[share_in(solid, volume.grid) >= 0.5]))
    sign = float(random.choice([-1, 1]))
    if volume.modality is Modality.CT:
        return there + sign * float(random.uniform(*INSERTED_OFF_HU))
    return there * (1 + sign * float(random.uniform(*INSERTED_OFF)))


def with_lesion(volume: Volume, share: FloatArray, level: float) -> Volume:
    """The scan with so much of each voxel replaced, its fine grain kept."""
    samples = volume.samples.astype(np.float64)
    mixed = (1 - share) * samples + share * (level + grain_of(samples))
    return Volume(samples=np.rint(mixed).astype(np.int16), grid=volume.grid, modality=volume.modality, role=volume.role)


def rescanned(volume: Volume, random: np.random.Generator) -> Volume:
    """As another exam might show it: as much noise again, and on MR another scale."""
    samples = volume.samples.astype(np.float64)
    spread = float(np.std(grain_of(samples)))
    gain = 1.0 if volume.modality is Modality.CT else float(random.uniform(0.7, 1.4))
    noisy = gain * (samples + random.normal(0, spread, samples.shape))
    return replace(volume, samples=np.rint(noisy).astype(np.int16))


def grain_of(samples: FloatArray) -> FloatArray:
    """What a voxel differs from its neighbours by, without the edges."""
    grain = samples - ndimage.median_filter(samples, 3)
    return np.asarray(np.clip(grain, *np.percentile(grain, [2, 98])), dtype=np.float64)


def share_in(solid: Ellipsoid, grid: Grid) -> FloatArray:
    """How much of each voxel lies in the solid."""
    sampling = Sampling(grid=grid, body_from_patient=Rigid.identity(), fine=FINE)
    across, rows, columns = FINE
    share = np.zeros(grid.shape)
    for number in range(grid.shape[0]):
        for plane in sampling.planes(number):
            held = solid.signed_mm(*plane) < 0
            share[number] += held.reshape(grid.shape[1], rows, grid.shape[2], columns).sum(axis=(1, 3))
    return share / (across * rows * columns)
