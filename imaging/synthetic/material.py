"""Cement and glue as they set: compartments of stated volume, filled from where the material came in.

Each compartment is a region of the body and a field that says in which order its points fill up. The region's first
points are taken until the stated volume is reached on a 0.4 mm lattice, so the truth about materials is a count of
lattice cells that no measurement had a hand in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import UsageError
from imaging.synthetic.lattice import MaterialMap
from imaging.synthetic.shape import Plane, Shape, Tube
from imaging.synthetic.tissue import Tissue

__all__ = ["Compartment", "Region", "bloomed", "branching_casts", "fill", "merged"]

LATTICE_STEP_MM = 0.4
Region = Callable[[Plane, Plane, Plane], BoolArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compartment:
    """One stated volume of one material.

    Parameters
    ----------
    name
        ``lesion``, ``bone``, or the compartment that the material leaked into.
    number
        Tissue.CEMENT or Tissue.GLUE.
    volume_ml
        What the truth will say (to one lattice cell, 0.064 mm³).
    region
        Where the material may be; what an earlier compartment took is not free any more.
    sources
        Shapes from whose surfaces the material spreads, the nearest points first.
    roughness_mm
        How far the front of the material is pushed to and fro: interdigitation.
    void_fraction
        Share of the filled space that is bubbles; the volume is that of the material alone.
    """

    name: str
    number: Tissue
    volume_ml: float
    region: Region
    sources: tuple[Shape, ...]
    roughness_mm: float = 0.0
    void_fraction: float = 0.0


def fill(
    compartments: Sequence[Compartment], *, low_mm: Sequence[float], high_mm: Sequence[float], seed: int
) -> tuple[MaterialMap, tuple[BoolArray, ...]]:
    """All compartments filled in order: the map, and for each compartment the cells that it took.

    Raises
    ------
    UsageError
        A region within the box is smaller than its volume.

    Examples
    --------
    >>> from imaging.synthetic.shape import Ellipsoid
    >>> ball = Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(5.0, 5.0, 5.0))
    >>> asked = Compartment(name="lesion", number=Tissue.CEMENT, volume_ml=0.032, sources=(ball,),
    ...                     region=lambda x, y, z: ball.signed_mm(x, y, z) < 0)
    >>> material, (mask,) = fill([asked], low_mm=(-4, -4, -4), high_mm=(4, 4, 4), seed=1)
    >>> int(mask.sum()), round(material.volume_ml(Tissue.CEMENT), 6)
    (500, 0.032)
    """
    origin = np.array(low_mm, dtype=np.float64)
    counts = np.ceil((np.array(high_mm) - origin) / LATTICE_STEP_MM).astype(int) + 1
    material = MaterialMap(np.zeros(tuple(counts), dtype=np.uint8), origin, LATTICE_STEP_MM)
    x, y, z = material.points()
    generator = np.random.Generator(np.random.PCG64(seed))
    rough = rough_field(tuple(counts), generator)
    free = np.ones(material.numbers.shape, dtype=bool)
    taken = []
    for compartment in compartments:
        wanted = round(compartment.volume_ml * 1000 / LATTICE_STEP_MM**3)
        region = free & compartment.region(x, y, z)
        if compartment.void_fraction:
            region &= ~bubbles(material.numbers.shape, compartment.void_fraction, generator)
        cells = np.flatnonzero(region)
        if cells.size < wanted:
            raise UsageError(f"{compartment.name} holds {cells.size} lattice cells, {wanted} are to be filled")
        at = np.unravel_index(cells, region.shape)
        points = (x[at[0], 0, 0], y[0, at[1], 0], z[0, 0, at[2]])
        order = np.float32(compartment.roughness_mm) * rough[at]
        order = order + np.min([source.signed_mm(*points) for source in compartment.sources], axis=0)
        first = cells[np.argsort(order, kind="stable")[:wanted]]
        mask = np.zeros(material.numbers.shape, dtype=bool)
        mask.ravel()[first] = True
        material.numbers[mask] = compartment.number
        free &= ~mask
        taken.append(mask)
    return material, tuple(taken)


def rough_field(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """Standard normal values that vary over about 3 mm."""
    field = ndimage.gaussian_filter(generator.standard_normal(shape, dtype=np.float32), 1.2 / LATTICE_STEP_MM)
    return np.asarray(field / field.std(), dtype=np.float32)


def bubbles(shape: tuple[int, ...], fraction: float, generator: np.random.Generator) -> BoolArray:
    """Bubbles of about 1 mm that hold a share of space."""
    field = ndimage.gaussian_filter(generator.standard_normal(shape, dtype=np.float32), 0.6 / LATTICE_STEP_MM)
    limit = np.partition(field.ravel(), -round(fraction * field.size))[-round(fraction * field.size)]
    return np.asarray(field >= limit, dtype=bool)


def branching_casts(start_mm: FloatArray, center_mm: FloatArray, *, branches: int, seed: int) -> tuple[Tube, ...]:
    """Vessel-like polylines that run from one feeding point towards and through the middle of a lesion.

    Examples
    --------
    >>> casts = branching_casts(np.zeros(3), np.array([0.0, 0.0, 20.0]), branches=3, seed=1)
    >>> len(casts), casts[0].points_mm[0]
    (3, (0.0, 0.0, 0.0))
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    casts = []
    for _ in range(branches):
        point, points = (
            np.array(start_mm, dtype=np.float64),
            [(float(start_mm[0]), float(start_mm[1]), float(start_mm[2]))],
        )
        goal = center_mm + generator.uniform(-9, 9, 3)
        for _ in range(7):
            ahead = goal - point
            point = point + 0.28 * ahead + generator.uniform(-2.5, 2.5, 3)
            points.append((float(point[0]), float(point[1]), float(point[2])))
        casts.append(Tube(points_mm=tuple(points), radius_mm=0.3))
    return tuple(casts)


def bloomed(material: MaterialMap, reach_mm: float) -> MaterialMap:
    """The map with a shell of lost MR signal of the given reach around all material.

    Examples
    --------
    >>> numbers = np.zeros((5, 5, 5), np.uint8)
    >>> numbers[2, 2, 2] = Tissue.CEMENT
    >>> shell = bloomed(MaterialMap(numbers, np.zeros(3), 0.5), 0.5)
    >>> int((shell.numbers == Tissue.BLOOMING).sum())
    6
    """
    if reach_mm <= 0 or not material.numbers.any():
        return material
    away = ndimage.distance_transform_edt(material.numbers == 0, sampling=material.step_mm)
    shell = (material.numbers == 0) & (away <= reach_mm)
    return MaterialMap(
        np.where(shell, np.uint8(Tissue.BLOOMING), material.numbers), material.origin_mm, material.step_mm
    )


def merged(kept: MaterialMap, *masks: tuple[BoolArray, Tissue]) -> MaterialMap:
    """A map with only the given masks in it.

    Examples
    --------
    >>> empty = MaterialMap(np.zeros((2, 2, 2), np.uint8), np.zeros(3), 1.0)
    >>> merged(empty, (np.ones((2, 2, 2), bool), Tissue.GLUE)).volume_ml(Tissue.GLUE)
    0.008
    """
    numbers = np.zeros_like(kept.numbers)
    for mask, number in masks:
        numbers[mask] = number
    return MaterialMap(numbers, kept.origin_mm, kept.step_mm)
