"""Where the seed case's cement and glue lie: 7.00 + 4.00 mL on the left, 3.00 mL on the right, by compartment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.synthetic.lattice import MaterialMap
from imaging.synthetic.material import Compartment, branching_casts, fill
from imaging.synthetic.pelvis import FORAMINA, Sacrum
from imaging.synthetic.sacroplasty.course import LEFT_CENTER_MM, RIGHT_CENTER_MM, lesion_at
from imaging.synthetic.shape import Ellipsoid, Plane, Tube
from imaging.synthetic.tissue import Tissue

__all__ = ["Deposit", "deposits", "deposits_by"]

LEFT_DAY, RIGHT_DAY = 7, 100  # when cement came in


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Deposit:
    """One compartment of one material of one lesion, as cells of a map."""

    lesion: str
    kind: str
    compartment: str
    day: int
    mask: BoolArray
    lattice: MaterialMap

    @property
    def volume_ml(self) -> float:
        return float(np.count_nonzero(self.mask) * self.lattice.step_mm**3 / 1000)


def deposits_by(day: float) -> tuple[Deposit, ...]:
    """What lies in the body on a day; nothing is computed for a day before the first cement."""
    return tuple(deposit for deposit in deposits() if deposit.day <= day) if day >= LEFT_DAY else ()


@cache
def deposits() -> tuple[Deposit, ...]:
    """Where all cement and glue lies: 7.00 + 4.00 mL on the left, 3.00 mL on the right, by compartment."""
    left = filled("L1", LEFT_DAY, left_compartments(), low=(-4, -6, -56), high=(60, 66, 16), seed=71)
    right = filled("L2", RIGHT_DAY, right_compartments(), low=(-64, 4, -30), high=(-12, 56, 12), seed=72)
    return left + right


def filled(
    lesion: str,
    day: int,
    compartments: tuple[Compartment, ...],
    *,
    low: tuple[int, int, int],
    high: tuple[int, int, int],
    seed: int,
) -> tuple[Deposit, ...]:
    lattice, masks = fill(compartments, low_mm=low, high_mm=high, seed=seed)
    return tuple(
        Deposit(
            lesion=lesion,
            kind="cement" if compartment.number is Tissue.CEMENT else "embolic",
            compartment=compartment.name,
            day=day,
            mask=mask,
            lattice=lattice,
        )
        for compartment, mask in zip(compartments, masks, strict=True)
    )


def left_compartments() -> tuple[Compartment, ...]:
    """Glue first, then 7 mL of cement: 6.20 in the lesion, 0.40 bone, 0.15 first foramen, 0.25 presacral."""
    solid = lesion_at("L1", LEFT_DAY).solid
    center = np.array(LEFT_CENTER_MM)
    foramen_at = surface_towards(solid, np.array([-0.10, -0.25, 1.0]))
    front_at = surface_towards(solid, np.array([-0.15, -1.0, 0.1]))
    bone_at = surface_towards(solid, np.array([-0.8, 0.1, 0.55]))
    entry = beside(surface_towards(solid, np.array([0.05, 0.45, 0.93])), 0.6, 3.5, 8.0)
    feed = np.array([32.0, 4.0, -16.0])
    casts = branching_casts(surface_towards(solid, feed - center), center, branches=14, seed=73)

    def within(x: Plane, y: Plane, z: Plane) -> BoolArray:
        return np.asarray(solid.signed_mm(x, y, z) < 0)

    def in_bone(x: Plane, y: Plane, z: Plane) -> BoolArray:
        return bone_outside(solid, x, y, z)

    def in_foramen(x: Plane, y: Plane, z: Plane) -> BoolArray:
        sacrum = Sacrum(x, y, z)
        tunnel = (sacrum.anterior_foramen_mm(FORAMINA[0]) < 0) & (sacrum.root_mm(FORAMINA[0]) > 0)
        return np.asarray(tunnel & (x > 0) & (solid.signed_mm(x, y, z) > 0))

    def presacral(x: Plane, y: Plane, z: Plane) -> BoolArray:
        sacrum = Sacrum(x, y, z)
        return np.asarray((sacrum.bone_mm > 0.5) & (y < sacrum.front) & (solid.signed_mm(x, y, z) > 0))

    strands = tuple(
        Tube(points_mm=(LEFT_CENTER_MM, point(target)), radius_mm=1.3) for target in (foramen_at, front_at, bone_at)
    )
    lobes = (
        ball(beside(center, -5, -2, 3), 10.0),
        ball(beside(center, 6, 3, -6), 8.0),
        ball(beside(center, -2, -6, -9), 6.5),
    )
    needle = Tube(points_mm=(LEFT_CENTER_MM, point(entry)), radius_mm=0.75)
    return (
        Compartment(
            name="lesion",
            number=Tissue.GLUE,
            volume_ml=2.40,
            region=within,
            sources=(ball(beside(center, 11, 5, 6), 7.0),),
            roughness_mm=0.8,
        ),
        Compartment(name="lesion", number=Tissue.GLUE, volume_ml=1.50, region=within, sources=casts),
        Compartment(
            name="venous",
            number=Tissue.GLUE,
            volume_ml=0.10,
            region=presacral,
            sources=(
                Tube(points_mm=(point(feed), point(casts[0].points_mm[0])), radius_mm=0.3),
                Tube(points_mm=((38.0, 2.0, -30.0), point(casts[0].points_mm[0])), radius_mm=0.3),
            ),
        ),
        Compartment(
            name="lesion",
            number=Tissue.CEMENT,
            volume_ml=6.20,
            region=within,
            sources=(*lobes, *strands, needle),
            roughness_mm=0.7,
            void_fraction=0.08,
        ),
        Compartment(
            name="bone",
            number=Tissue.CEMENT,
            volume_ml=0.40,
            region=in_bone,
            sources=(needle, ball(bone_at, 3.0)),
            roughness_mm=0.3,
        ),
        Compartment(
            name="sacral_foramen_ant_S1_L",
            number=Tissue.CEMENT,
            volume_ml=0.15,
            region=in_foramen,
            sources=(ball(foramen_at, 1.0),),
        ),
        Compartment(
            name="presacral",
            number=Tissue.CEMENT,
            volume_ml=0.25,
            region=presacral,
            sources=(ball(front_at, 1.5),),
            roughness_mm=0.3,
        ),
    )


def right_compartments() -> tuple[Compartment, ...]:
    """3 mL of cement: 2.85 in the lesion, 0.10 in the sacroiliac joint, 0.05 in the second foramen."""
    solid = lesion_at("L2", RIGHT_DAY).solid
    center = np.array(RIGHT_CENTER_MM)
    joint_at = surface_towards(solid, np.array([-1.0, -0.3, 0.0]))
    foramen_at = surface_towards(solid, np.array([0.8, -0.35, -0.6]))

    def within(x: Plane, y: Plane, z: Plane) -> BoolArray:
        return np.asarray(solid.signed_mm(x, y, z) < 0)

    def in_joint(x: Plane, y: Plane, z: Plane) -> BoolArray:
        return np.asarray(Sacrum(x, y, z).joint_gap() & (x < 0) & (solid.signed_mm(x, y, z) > 0))

    def in_foramen(x: Plane, y: Plane, z: Plane) -> BoolArray:
        sacrum = Sacrum(x, y, z)
        tunnel = (sacrum.anterior_foramen_mm(FORAMINA[1]) < 0) & (sacrum.root_mm(FORAMINA[1]) > 0)
        return np.asarray(tunnel & (x < 0) & (solid.signed_mm(x, y, z) > 0))

    strands = tuple(
        Tube(points_mm=(RIGHT_CENTER_MM, point(target)), radius_mm=1.2) for target in (joint_at, foramen_at)
    )
    return (
        Compartment(
            name="lesion",
            number=Tissue.CEMENT,
            volume_ml=2.85,
            region=within,
            sources=(ball(beside(center, 1, 3, 2), 7.0), ball(beside(center, -1, -6, -4), 5.5), *strands),
            roughness_mm=0.7,
            void_fraction=0.08,
        ),
        Compartment(
            name="sacroiliac_joint",
            number=Tissue.CEMENT,
            volume_ml=0.10,
            region=in_joint,
            sources=(ball(joint_at, 1.0),),
        ),
        Compartment(
            name="sacral_foramen_ant_S2_R",
            number=Tissue.CEMENT,
            volume_ml=0.05,
            region=in_foramen,
            sources=(ball(foramen_at, 1.0),),
        ),
    )


def bone_outside(solid: Ellipsoid, x: Plane, y: Plane, z: Plane) -> BoolArray:
    """Sacral bone that is neither lesion nor canal nor foramen."""
    sacrum = Sacrum(x, y, z)
    bone = (sacrum.bone_mm < 0) & (sacrum.canal_mm() > 0) & (solid.signed_mm(x, y, z) > 0)
    for foramen in FORAMINA:
        bone = bone & (sacrum.anterior_foramen_mm(foramen) > 0) & (sacrum.posterior_foramen_mm(foramen) > 0)
    return np.asarray(bone)


def beside(place: FloatArray, x: float, y: float, z: float) -> FloatArray:
    """A point x to the left, y to the back and z to the head of another."""
    return np.asarray(place + np.array([x, y, z]), dtype=np.float64)


def ball(center: FloatArray, radius_mm: float) -> Ellipsoid:
    return Ellipsoid(center_mm=point(center), axes_mm=(2 * radius_mm, 2 * radius_mm, 2 * radius_mm))


def point(values: FloatArray | tuple[float, float, float]) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))


def surface_towards(solid: Ellipsoid, direction: FloatArray) -> FloatArray:
    """Where the ray from a solid's centre leaves it, by bisection."""
    unit = direction / np.sqrt((direction**2).sum())
    near, far = 0.0, 2 * max(solid.axes_mm)
    for _ in range(40):
        half = (near + far) / 2
        at = [np.array([value], dtype=np.float32) for value in np.array(solid.center_mm) + half * unit]
        near, far = (half, far) if solid.signed_mm(at[0], at[1], at[2])[0] < 0 else (near, half)
    return np.asarray(np.array(solid.center_mm) + near * unit, dtype=np.float64)
