"""Material beyond bone and lesion: what ran out, in which connected parts, and how near to a nerve.

Leak is what lies farther from bone and lesion than the boundaries' own error (1 mm, or one pixel where that is more);
parts below 0.05 mL are not told from noise and stay in the upper bound only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.measurement.structure import Structure
from imaging.segmentation.reach import box_around, distance_mm

__all__ = ["Leak", "LeakFind", "NamedPlaces", "find_leaks", "share_of"]

LEAK_MARGIN_MM = 1.0
MIN_LEAK_ML = 0.05
MIN_NEURAL_ML = 0.02  # the project's statement: a nerve has no room to spare, so smaller parts are told than elsewhere
UNSPECIFIED = "unspecified"
NEIGHBOURHOOD_MM = 30.0  # ground and nerves farther away than this from all material are not looked at


TO_NERVE = "shortest distance of voxel centres to canal or foramen"
IN_NERVE = Quantity(0.0, "mm", TO_NERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One connected part beyond bone and lesion.

    ``compartment`` is the named place that holds most of it, else "canal_or_foramen" where most of it lies in there,
    else "unspecified"; ``distance_mm`` the shortest way to canal or foramen, None where these are not modelled or
    farther than 30 mm. ``neural`` parts lie in the canal or a foramen, be it in bone or lesion or not.
    """

    compartment: str
    volume_ml: Quantity
    distance_mm: Quantity | None = None
    neural: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NamedPlaces:
    """Where material may lie, by name, in the CT's space.

    Parameters
    ----------
    nerves
        The canal and each foramen, one at least; None where not all of them are known.
    others
        Presacral space, joints, disc, needle track.
    """

    nerves: tuple[Structure, ...] | None = None
    others: tuple[Structure, ...] = ()

    @property
    def error_mm(self) -> float:
        """How far canal and foramina may lie elsewhere."""
        return max((nerve.error_mm for nerve in self.nerves or ()), default=0.0)

    def neural_on(self, grid: Grid) -> BoolArray | None:
        """Canal and foramina together."""
        if self.nerves is None:
            return None
        whole = np.zeros(grid.shape, dtype=bool)
        for nerve in self.nerves:
            whole |= nerve.on(grid)
        return whole


@dataclass(frozen=True, slots=True)
class LeakFind:
    """The volume of all listed leaks beyond the ground, and the neural parts and the leaks, each largest first."""

    volume_ml: Quantity
    leaks: tuple[Leak, ...]


def find_leaks(
    material: BoolArray,
    volume: Quantity,
    grid: Grid,
    *,
    ground: BoolArray,
    neural: BoolArray | None = None,
    named: NamedPlaces | None = None,
) -> LeakFind:
    """The parts of a material that lie beyond its ground, and in canal and foramina where these are told apart.

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
    named
        Places that are told apart. What lies in canal or foramen is a neural part, with no exemption for bone, lesion
        or nearness, and is no leak beyond the ground as well.

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
    to_nerve = None if neural is None or not neural[box].any() else distance_mm(neural[box], grid.spacing_mm)
    beyond = material[box] & (distance_mm(ground[box], grid.spacing_mm) > margin_mm)
    known, here = named or NamedPlaces(), grid.crop([side.start for side in box], [side.stop for side in box])
    others = {place.name: place.on(here) for place in known.others}
    leaks = []
    for nerve in known.nerves or ():
        held = nerve.on(here)
        beyond &= ~held
        for inside in _connected(material[box] & held):
            size_ml = float(np.count_nonzero(inside) * voxel_ml)
            if size_ml >= MIN_NEURAL_ML:
                part = share_of(volume, size_ml, "connected part in canal or foramen, undilated")
                leaks.append(Leak(compartment=nerve.name, volume_ml=part, distance_mm=IN_NERVE, neural=True))
    listed_ml = whole_ml = 0.0
    for inside in _connected(beyond):
        size_ml = float(np.count_nonzero(inside) * voxel_ml)
        whole_ml += size_ml
        if size_ml >= MIN_LEAK_ML:
            listed_ml += size_ml
            part = share_of(volume, size_ml, "connected part beyond bone and lesions")
            holds = _place_of(inside, others)
            leaks.append(_leak(part, holds, None if to_nerve is None else to_nerve[inside]))
    method = f"beyond bone and lesions by more than {margin_mm:.2g} mm, parts of {MIN_LEAK_ML} mL and more"
    total, whole = share_of(volume, listed_ml, method), share_of(volume, whole_ml, method)
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


def _connected(mask: BoolArray) -> list[BoolArray]:
    """The parts that touch one another nowhere, the largest first."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [np.asarray(labels == number) for number in np.argsort(-sizes, kind="stable") + 1]


def _place_of(leak: BoolArray, places: Mapping[str, BoolArray]) -> str | None:
    """The name of the place that holds more than half of a leak; None where none does."""
    return next((n for n, place in places.items() if np.count_nonzero(leak & place) * 2 > np.count_nonzero(leak)), None)


def _leak(part: Quantity, named: str | None, to_nerve_mm: FloatArray | None) -> Leak:
    if to_nerve_mm is None:
        return Leak(compartment=named or UNSPECIFIED, volume_ml=part)
    distance = Quantity(float(to_nerve_mm.min()), "mm", TO_NERVE)
    mostly_inside = np.count_nonzero(to_nerve_mm == 0) * 2 > to_nerve_mm.size
    if named is None and mostly_inside:
        return Leak(compartment="canal_or_foramen", volume_ml=part, distance_mm=distance, neural=True)
    return Leak(compartment=named or UNSPECIFIED, volume_ml=part, distance_mm=distance)
