"""Pairs of exams of which it is known how they lie to one another: made-up patients, and shared real ones.

Every made-up patient has an anatomy of their own (the synthetic pelvis stretched by up to 10 % per axis and bent by up
to 3 mm over 130 mm and more), texture, lesions and coil. Between the exams the lesions change to 0.7 to 1.25 of their
size, the left marrow turns to fat, cement comes in, the bladder fills, the ilia turn by up to 1.5° and the patient lies
differently. The truth is the sacrum's pose, and the error is taken at its eight anterior foramina. On T1 images fat is
seen up to 1.4 mm from where it lies, either way: no registration that sees images alone can know that, so the error to
where the fat that fills the foramina is *shown* is told beside it.

Prone or supine: DICOM coordinates follow the patient, not the room, so a patient who turns over keeps their coordinates
(rows and columns of the image run the other way, as scanners write it); what remains is the pelvis's tilt and the soft
tissue that is pressed flat. A half turn in these coordinates can only mean that the position was wrongly entered, which
must be refused and is tried apart from the pairs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from imaging.arrays import FloatArray
from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.formats.nifti import read_nifti, read_nifti_masks
from imaging.geometry import Grid, Rigid
from imaging.segmentation.segment import Segment
from imaging.synthetic.acquisition import CtScan, MrScan, Sampling, acquire_ct, acquire_mr
from imaging.synthetic.pelvis import FORAMINA, SOFT_TISSUE, Pelvis, Sacrum, paint_shape
from imaging.synthetic.phantom import Insert, Lesion, Phantom
from imaging.synthetic.shape import Ellipsoid, Plane
from imaging.synthetic.tissue import CONTRASTS, Tissue
from imaging.volume import Modality, Volume

SHARED = Path(os.environ.get("OSTEOTRACE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHIFT_MM, TURN_DEG = 30.0, 20.0
STRETCH, BEND_MM, WAVE_MM = 0.10, 3.0, (130.0, 220.0)
ILIUM_DEG = 1.5
FAT_SHIFT_MM = 1.4  # the largest of the sample case: 1.6 pixels of 0.85 mm
PRESS = 0.15  # of its depth, soft tissue on the side that the patient lies on


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """Two exams, how they lie to one another, and the points (n, 3) of the moving one at which that matters."""

    name: str
    kind: str
    fixed: Volume
    moving: Volume
    fixed_from_moving: Rigid
    targets: FloatArray
    fat_shifts_mm: tuple[FloatArray, FloatArray] = (np.zeros(3), np.zeros(3))
    offset_on_moving: bool = True

    def errors_mm(self, found: Rigid) -> FloatArray:
        return np.asarray(
            np.linalg.norm(found.apply(self.targets) - self.fixed_from_moving.apply(self.targets), axis=1)
        )

    def with_offset(self, found: Rigid) -> Rigid:
        """What was found without this pair's offset, with it; of pairs whose truth without offset is the identity."""
        offset = self.fixed_from_moving
        return found @ offset if self.offset_on_moving else offset @ found

    def shown_errors_mm(self, found: Rigid) -> FloatArray:
        """To where the fat around the targets is seen in the fixed image, from where it is seen in the moving one."""
        fixed, moving = self.fat_shifts_mm
        shown = self.fixed_from_moving.apply(self.targets) + fixed
        return np.asarray(np.linalg.norm(found.apply(self.targets + moving) - shown, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PressedPelvis(Pelvis):
    """The pelvis with its soft tissue pressed flat in front or behind, while bones keep their shape."""

    front: float = 0.0
    behind: float = 0.0

    def paint(self, numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane) -> None:
        ahead, back = np.minimum(y + 20, 0), np.maximum(y - 70, 0)
        pressed = (y + np.float32(self.front) * ahead + np.float32(self.behind) * back).astype(np.float32)
        for number, shape in SOFT_TISSUE:
            paint_shape(numbers, x, pressed, z, number=number, shape=shape)
        numbers[(numbers == Tissue.ORGAN) & (pressed > 78)] = Tissue.MUSCLE
        sacrum = Sacrum(x, y, z)
        self._paint_ilia(numbers, sacrum)
        self._paint_spine(numbers, sacrum)
        self._paint_sacrum(numbers, sacrum)


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """One patient's own shape: takes their points to the common pelvis."""

    stretch: FloatArray
    waves: FloatArray  # (3, 3): per axis amplitude mm, wave number per mm, phase
    along: FloatArray  # (3, 3): per axis the unit direction of its wave

    @classmethod
    def of(cls, random: np.random.Generator) -> Anatomy:
        along = random.normal(size=(3, 3))
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        columns = [random.uniform(0, BEND_MM, 3), 2 * np.pi / random.uniform(*WAVE_MM, 3), random.uniform(0, 6.3, 3)]
        return cls(random.uniform(1 - STRETCH, 1 + STRETCH, 3), np.stack(columns, axis=1), along)

    def common(self, x: Plane, y: Plane, z: Plane) -> tuple[Plane, Plane, Plane]:
        found = []
        for axis, own in enumerate((x, y, z)):
            amplitude, number, phase = self.waves[axis]
            a, b, c = self.along[axis]
            wave = amplitude * np.sin(number * (a * x + b * y + c * z) + phase)
            found.append((own * self.stretch[axis] + wave).astype(np.float32))
        return found[0], found[1], found[2]

    def own(self, points: FloatArray) -> FloatArray:
        """The patient's points (n, 3) that lie at these of the common pelvis: a contraction, so iteration ends."""
        found = points / self.stretch
        for _ in range(40):
            reached = np.stack(self.common(*found.T), axis=1)
            found = found + (points - reached) / self.stretch
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Body(Phantom):
    """A phantom in a shape of its own."""

    anatomy: Anatomy

    def tissue(self, x: Plane, y: Plane, z: Plane) -> NDArray[np.uint8]:
        return Phantom.tissue(self, *self.anatomy.common(x, y, z))


@dataclass(frozen=True, eq=False)
class Patient:
    """Everything that stays the same between two exams."""

    random: np.random.Generator
    anatomy: Anatomy = field(init=False)
    lesions: tuple[Lesion, ...] = field(init=False)
    texture: int = field(init=False)

    def __post_init__(self) -> None:
        random = self.random
        object.__setattr__(self, "anatomy", Anatomy.of(random))
        object.__setattr__(self, "texture", int(random.integers(1 << 30)))
        sides = random.permutation([-1.0, 1.0])[: random.integers(1, 3)]
        places = [(side * random.uniform(10, 42), random.uniform(18, 34), random.uniform(-35, 8)) for side in sides]
        solids = [
            Ellipsoid(center_mm=place, axes_mm=tuple(random.uniform(15, 45, 3).tolist()), lobulation=0.08)
            for place in places
        ]
        object.__setattr__(self, "lesions", tuple(Lesion(id=f"L{n}", solid=s) for n, s in enumerate(solids, 1)))

    def body(self, *, later: bool, prone: bool) -> Body:
        random = self.random
        pelvis = PressedPelvis(
            ilium_turn_deg=tuple(random.uniform(-ILIUM_DEG, ILIUM_DEG, 2).tolist()),
            irradiated_left=later,
            front=PRESS if prone else 0.0,
            behind=0.0 if prone else PRESS,
        )
        bladder = Ellipsoid(center_mm=(0.0, -58.0, -72.0), axes_mm=tuple(random.uniform(50, 95, 3).tolist()))
        inserts = [Insert(shape=bladder, contrast=CONTRASTS[Tissue.BLADDER])]
        if not later:
            return Body(pelvis=pelvis, lesions=self.lesions, inserts=tuple(inserts), anatomy=self.anatomy)
        changed = [lesion.solid for lesion in self.lesions]
        for solid in changed:
            centre = np.array(solid.center_mm)
            for _ in range(3):
                place = centre + random.uniform(-0.25, 0.25, 3) * solid.axes_mm
                lump = Ellipsoid(center_mm=tuple(place.tolist()), axes_mm=tuple(random.uniform(7, 18, 3).tolist()))
                inserts.append(Insert(shape=lump, contrast=CONTRASTS[Tissue.CEMENT]))
        grown = tuple(
            replace(lesion, solid=replace(solid, axes_mm=tuple(random.uniform(0.7, 1.25) * a for a in solid.axes_mm)))
            for lesion, solid in zip(self.lesions, changed, strict=True)
        )
        return Body(pelvis=pelvis, lesions=grown, inserts=tuple(inserts), anatomy=self.anatomy)

    def foramina(self) -> FloatArray:
        """The anterior openings, (8, 3) in the patient's own body frame."""
        x, z = np.array(
            [[s * f.lateral_mm for f in FORAMINA for s in (-1, 1)], [f.z_mm for f in FORAMINA for _ in (0, 1)]],
            np.float32,
        )
        front = Sacrum(x[None], np.zeros_like(x)[None], z[None]).front[0]
        return self.anatomy.own(np.stack([x, front, z], axis=1).astype(np.float64))


def turned(random: np.random.Generator, most_deg: float, shift_mm: FloatArray, *, about: FloatArray) -> Rigid:
    axis = random.normal(size=3)
    matrix = np.eye(4)
    angle = np.radians(random.uniform(-most_deg, most_deg))
    matrix[:3, :3] = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    matrix[:3, 3] = about + shift_mm - matrix[:3, :3] @ about
    return Rigid(matrix)


def lattice(
    random: np.random.Generator,
    pose: Rigid,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    *,
    lean_deg: float,
    prone: bool,
) -> Grid:
    """Round the sacrum as a technologist would centre it; leaning slices follow the sacrum; prone ones run reversed."""
    middle = pose.apply([[0.0, 20.0, -18.0]])[0] + random.uniform(-1, 1, 3) * (10.0, 10.0, 12.0)
    steps = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]]).T * spacing  # columns: slice, row, column
    if prone:
        steps = steps * (1, -1, -1)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("x", lean_deg, degrees=True).as_matrix() @ steps
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def image(
    random: np.random.Generator, patient: Patient, pose: Rigid, role: str, *, later: bool, prone: bool
) -> tuple[Volume, FloatArray]:
    """The image, and how far (3,) fat is seen from where it lies."""
    body = patient.body(later=later, prone=prone)
    seed, inverse = int(random.integers(1 << 30)), pose.inverse()
    if role == "ct":
        pixel, thick = random.uniform(0.98, 1.5), random.uniform(1.5, 3.0)
        grid = lattice(random, pose, (int(110 / thick), 256, 256), (thick, pixel, pixel), lean_deg=0.0, prone=prone)
        sampling = Sampling(grid=grid, body_from_patient=inverse, fine=(2, 1, 1))
        noise_hu = random.uniform(10, 25)
        scan_ct = CtScan(sampling=sampling, noise_hu=noise_hu, texture_seed=patient.texture, noise_seed=seed)
        return acquire_ct(body, scan_ct), np.zeros(3)
    pixel, thick = random.uniform(0.9, 1.2), random.uniform(4.0, 6.6)
    grid = lattice(
        random,
        pose,
        (int(random.uniform(110, 140) / thick), 224, 224),
        (thick, pixel, pixel),
        lean_deg=random.choice([0.0, 0.0, 25.0]),
        prone=prone,
    )
    scan_mr = MrScan(
        sampling=Sampling(grid=grid, body_from_patient=inverse, thickness_mm=0.9 * thick, fine=(4, 1, 1)),
        role=role,
        scale=random.uniform(250, 900),
        noise=random.uniform(0.01, 0.04),
        shading_per_100_mm=random.uniform(0.2, 0.7),
        fat_shift_pixels=(random.uniform(-FAT_SHIFT_MM, FAT_SHIFT_MM) / pixel, 0.0) if role == "t1" else (0.0, 0.0),
        texture_seed=patient.texture,
        noise_seed=seed,
    )
    return acquire_mr(body, scan_mr)[0], scan_mr.fat_shift_pixels[0] * grid.affine[:3, 1]


KINDS = (("t1", "t1"), ("ct", "t1"), ("t1", "stir"), ("ct", "t1"), ("t1", "t1"), ("ct", "stir"))


def phantom_pair(seed: int, number: int) -> Pair:
    """Every second pair is MR and CT; every third changes from supine to prone or back."""
    random = np.random.default_rng([seed, number])
    fixed_role, moving_role = KINDS[number % len(KINDS)]
    turns_over = number % 3 == 0
    prone = bool(random.integers(2)) if turns_over else False
    patient = Patient(random)
    lying = turned(random, 5.0, random.uniform(-60, 60, 3), about=np.zeros(3))
    offset = turned(
        random, TURN_DEG, random.uniform(-SHIFT_MM, SHIFT_MM, 3), about=lying.apply([[0.0, 20.0, -18.0]])[0]
    )
    fixed, fixed_shift = image(random, patient, lying, fixed_role, later=True, prone=prone)
    moving, moving_shift = image(random, patient, offset @ lying, moving_role, later=False, prone=prone != turns_over)
    kind = "MR–CT" if "ct" in (fixed_role, moving_role) else "MR–MR"
    return Pair(
        name=f"{number} {fixed_role}–{moving_role}{' turned over' if turns_over else ''}",
        kind=kind,
        fixed=fixed,
        moving=moving,
        fixed_from_moving=offset.inverse(),
        targets=(offset @ lying).apply(patient.foramina()),
        fat_shifts_mm=(fixed_shift, moving_shift),
    )


def moved(volume: Volume, transform: Rigid) -> Volume:
    """The same patient lying elsewhere, in a frame of reference of its own."""
    grid = Grid(volume.grid.shape, transform.matrix @ volume.grid.affine)
    return replace(volume, grid=grid, frame_of_reference_uid="")


def misstated(pair: Pair) -> Pair:
    """The moving exam as if its position had been entered upside down: a half turn about the long axis."""
    centre = pair.moving.grid.corners().mean(axis=0)
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre
    half = Rigid(matrix)
    return replace(
        pair,
        name=f"{pair.name}, position misstated",
        moving=moved(pair.moving, half),
        fixed_from_moving=pair.fixed_from_moving @ half.inverse(),
        targets=half.apply(pair.targets),
    )


def sarcoma(patient: str, kind: str) -> tuple[Volume, Segment]:
    folder = SHARED / "data" / "sts-sarcoma" / patient
    return load_volume(scan([folder / kind / "image"]).choose()), read_nifti_masks(folder / f"{kind}_mask.nii.gz")[0]


SARCOMAS = ("STS_002", "STS_012", "STS_019", "STS_024", "STS_035")


def sarcoma_pairs(count: int, seed: int) -> Iterator[Pair]:
    """CT with MR of the same day, a known offset on one of them; the truth is what their shared frame claims."""
    loaded = {patient: (sarcoma(patient, "CT")[0], *sarcoma(patient, "MR_T1")) for patient in SARCOMAS}
    for number in range(count):
        random = np.random.default_rng([seed, number])
        patient = SARCOMAS[number % len(SARCOMAS)]
        ct, mr, tumour = loaded[patient]
        points = tumour.grid.points(np.argwhere(tumour.mask))
        shift = random.uniform(-SHIFT_MM, SHIFT_MM, 3)
        offset = turned(random, TURN_DEG, shift, about=points.mean(axis=0))
        on_mr = number // len(SARCOMAS) % 2 == 0
        yield Pair(
            name=f"{patient} {number}",
            kind=patient,
            fixed=ct if on_mr else moved(ct, offset),
            moving=moved(mr, offset) if on_mr else mr,
            fixed_from_moving=offset.inverse() if on_mr else offset,
            targets=offset.apply(points) if on_mr else points,
            offset_on_moving=on_mr,
        )


def gliomas() -> Iterator[tuple[str, Volume, Volume, Segment, Segment]]:
    for folder in sorted((SHARED / "data" / "longitudinal-brain-tumour").glob("0?")):
        before, after = (read_nifti(folder / f"{when}_Scan_T1.nii.gz", Modality.MR) for when in ("Pre", "Post"))
        masks = [read_nifti_masks(folder / f"{when}_Mask.nii.gz")[0] for when in ("Pre", "Post")]
        yield folder.name, before, after, masks[0], masks[1]
