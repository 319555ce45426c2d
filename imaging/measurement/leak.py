"""Material beyond bone and lesion: what ran out, in which connected parts, and how near to a nerve.

Leak is what lies farther from bone and lesion than the boundaries' own error (1 mm, or one pixel where that is more);
parts below 0.05 mL are not told from noise and stay in the upper bound only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.segmentation.reach import box_around, distance_mm

__all__ = ["Leak", "LeakFind", "find_leaks", "share_of"]

LEAK_MARGIN_MM = 1.0
MIN_LEAK_ML = 0.05
NEIGHBOURHOOD_MM = 30.0  # ground and nerves farther away than this from all material are not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One connected part beyond bone and lesion.

    ``compartment`` is "canal_or_foramen" where most of it lies in there, else "unspecified"; ``distance_mm`` the
    shortest way to canal or foramen, None where these are not modelled or farther than 30 mm.
    """

    compartment: str
    volume_ml: Quantity
    distance_mm: Quantity | None = None


@dataclass(frozen=True, slots=True)
class LeakFind:
    """The volume of all listed leaks, and the leaks, largest first."""

    volume_ml: Quantity
    leaks: tuple[Leak, ...]


def find_leaks(
    material: BoolArray, volume: Quantity, grid: Grid, *, ground: BoolArray, neural: BoolArray | None = None
) -> LeakFind:
    """The parts of a material that lie beyond its ground.

    Parameters
    ----------
    material, volume
        Its mask, and its volume with interval.
    grid
        Of all masks.
    ground
        Bone and lesions, canal and foramina left open.
    neural
        Canal and foramina, where they are modelled.

    Examples
    --------
    >>> material, bone = np.zeros((5, 9, 30), bool), np.zeros((5, 9, 30), bool)
    >>> bone[:, :, :10] = True
    >>> material[:, :, 5:15] = True
    >>> find = find_leaks(material, Quantity(0.45, "mL", ""), Grid.from_spacing((5, 9, 30), (1, 1, 1)), ground=bone)
    >>> find.volume_ml.value, [leak.volume_ml.value for leak in find.leaks]
    (0.18, [0.18])
    """
    box = box_around(material, grid.spacing_mm, NEIGHBOURHOOD_MM)
    margin_mm = max(LEAK_MARGIN_MM, *grid.spacing_mm[1:])
    voxel_ml = volume.value / max(int(np.count_nonzero(material)), 1)  # its volume is its mass, not its voxel sum
    beyond = material[box] & (distance_mm(ground[box], grid.spacing_mm) > margin_mm)
    labels, count = ndimage.label(beyond, structure=np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * voxel_ml
    listed = [number for number in np.argsort(-sizes, kind="stable") + 1 if sizes[number - 1] >= MIN_LEAK_ML]
    to_nerve = None if neural is None or not neural[box].any() else distance_mm(neural[box], grid.spacing_mm)
    leaks = []
    for number in listed:
        inside = labels == number
        part = share_of(volume, float(sizes[number - 1]), "connected part beyond bone and lesions")
        leaks.append(_leak(part, None if to_nerve is None else to_nerve[inside]))
    method = f"beyond bone and lesions by more than {margin_mm:.2g} mm, parts of {MIN_LEAK_ML} mL and more"
    total = share_of(volume, float(sum(sizes[number - 1] for number in listed)), method)
    whole = share_of(volume, float(sizes.sum()), method)
    low, high = (total.interval95 or (total.value, total.value))[0], (whole.interval95 or (whole.value, whole.value))[1]
    return LeakFind(Quantity(total.value, "mL", method, (low, max(high, total.value))), tuple(leaks))


def share_of(volume: Quantity, part_ml: float, method: str) -> Quantity:
    """A part's volume, its interval in proportion to the whole's: the material's boundary errs alike everywhere.

    Examples
    --------
    >>> share_of(Quantity(6.0, "mL", "voxel sum", (5.4, 6.6)), 2.0, "in bone").interval95
    (1.8, 2.2)
    """
    low, high = volume.interval95 or (volume.value, volume.value)
    scale = part_ml / volume.value if volume.value else 0.0
    bounds = (min(round(low * scale, 9), part_ml), max(round(high * scale, 9), part_ml))
    error = TwoPartError.technical_alone(bounds, part_ml, ("outline of the material", bounds))
    return Quantity(part_ml, "mL", method, bounds, error=error)


def _leak(part: Quantity, to_nerve_mm: FloatArray | None) -> Leak:
    if to_nerve_mm is None:
        return Leak(compartment="unspecified", volume_ml=part)
    distance = Quantity(float(to_nerve_mm.min()), "mm", "shortest distance of voxel centres to canal or foramen")
    mostly_inside = np.count_nonzero(to_nerve_mm == 0) * 2 > to_nerve_mm.size
    compartment = "canal_or_foramen" if mostly_inside else "unspecified"
    return Leak(compartment=compartment, volume_ml=part, distance_mm=distance)
