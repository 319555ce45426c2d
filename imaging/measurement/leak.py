"""Material beyond bone and lesion: what ran out, in which connected parts, where to, and how near to a nerve.

Leak is what lies farther from bone and lesion than the boundaries' own error (1 mm, or one pixel where that is more);
parts below 0.05 mL are not told from noise and stay in the upper bound only. What fills a tumour outside bone has left
the bone but not the tumour: it is listed by that name and is no part of the leak's volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.segmentation.reach import box_around, distance_mm

__all__ = [
    "CANAL_OR_FORAMEN",
    "EXTRAOSSEOUS_TUMOUR",
    "LEAK_MARGIN_MM",
    "UNSPECIFIED",
    "Leak",
    "LeakFind",
    "find_leaks",
    "share_of",
]

CANAL_OR_FORAMEN, UNSPECIFIED = "canal_or_foramen", "unspecified"
EXTRAOSSEOUS_TUMOUR = "within extraosseous tumour"

LEAK_MARGIN_MM = 1.0
MIN_LEAK_ML = 0.05
NEIGHBOURHOOD_MM = 30.0  # ground and nerves farther away than this from all material are not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One connected part beyond bone and lesion, or in a tumour beyond bone.

    Parameters
    ----------
    compartment
        The given compartment that holds most of it; "canal_or_foramen" if most lies in there and in none of those,
        "within extraosseous tumour" if a lesion holds it, else "unspecified".
    volume_ml
        With interval.
    distance_mm
        The shortest way to canal or foramen; None where these are not modelled or farther than 30 mm.
    """

    compartment: str
    volume_ml: Quantity
    distance_mm: Quantity | None = None


@dataclass(frozen=True, slots=True)
class LeakFind:
    """The volume of all leaks beyond bone and lesion, and all listed parts, largest first."""

    volume_ml: Quantity
    leaks: tuple[Leak, ...]


def find_leaks(
    material: BoolArray,
    volume: Quantity,
    grid: Grid,
    *,
    ground: BoolArray,
    neural: BoolArray | None = None,
    compartments: Mapping[str, BoolArray] | None = None,
    tumour: BoolArray | None = None,
) -> LeakFind:
    """The parts of a material that lie beyond its ground, each with the compartment that holds most of it.

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
    compartments
        What a leak may lie in, by name; of two that hold equally much the first counts. What is not given is
        "unspecified", never guessed.
    tumour
        Lesions outside bone, where they are known: part of the ground, and material in them is listed apart.

    Examples
    --------
    >>> material, bone = np.zeros((5, 9, 30), bool), np.zeros((5, 9, 30), bool)
    >>> bone[:, :, :10] = True
    >>> material[:, :, 5:15] = True
    >>> disc = ~bone
    >>> find = find_leaks(material, Quantity(0.45, "mL", ""), Grid.from_spacing((5, 9, 30), (1, 1, 1)), ground=bone,
    ...     compartments={"disc": disc})
    >>> find.volume_ml.value, [(leak.compartment, leak.volume_ml.value) for leak in find.leaks]
    (0.18, [('disc', 0.18)])
    """
    box = box_around(material, grid.spacing_mm, NEIGHBOURHOOD_MM)
    margin_mm = max(LEAK_MARGIN_MM, *grid.spacing_mm[1:])
    voxel_ml = volume.value / max(int(np.count_nonzero(material)), 1)  # its volume is its mass, not its voxel sum
    beyond = material[box] & (distance_mm(ground[box], grid.spacing_mm) > margin_mm)
    places = _Places(
        {name: mask[box] for name, mask in (compartments or {}).items()}, None if neural is None else neural[box]
    )
    to_nerve = None if neural is None or not neural[box].any() else distance_mm(neural[box], grid.spacing_mm)

    def listed(part: BoolArray, method: str, name: str | None = None) -> Iterator[Leak]:
        labels, _ = ndimage.label(part, structure=np.ones((3, 3, 3), dtype=bool))
        sizes = np.bincount(labels.ravel())[1:] * voxel_ml
        for number in np.argsort(-sizes, kind="stable") + 1:
            if sizes[number - 1] >= MIN_LEAK_ML:
                inside = labels == number
                yield Leak(
                    compartment=name or places.holding(inside),
                    volume_ml=share_of(volume, float(sizes[number - 1]), method),
                    distance_mm=None if to_nerve is None else _shortest(to_nerve[inside]),
                )

    leaks = [*listed(beyond, "connected part beyond bone and lesions")]
    method = f"beyond bone and lesions by more than {margin_mm:.2g} mm, parts of {MIN_LEAK_ML} mL and more"
    total = share_of(volume, float(sum(leak.volume_ml.value for leak in leaks)), method)
    whole = share_of(volume, float(np.count_nonzero(beyond) * voxel_ml), method)
    low, high = (total.interval95 or (total.value, total.value))[0], (whole.interval95 or (whole.value, whole.value))[1]
    if tumour is not None:
        leaks += listed(material[box] & tumour[box], "connected part in a lesion outside bone", EXTRAOSSEOUS_TUMOUR)
    leaks.sort(key=lambda leak: -leak.volume_ml.value)
    return LeakFind(Quantity(total.value, "mL", method, (low, max(high, total.value))), tuple(leaks))


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """What a leak may lie in, near the material."""

    named: Mapping[str, BoolArray]
    neural: BoolArray | None

    def holding(self, part: BoolArray) -> str:
        """The place with most of a part's voxels, what lies nowhere counted as one; ties go to what was given first."""
        rest = part.copy()
        held = {}
        for name, mask in self.named.items():
            held[name] = int(np.count_nonzero(part & mask))
            rest &= ~mask
        if self.neural is not None:
            held[CANAL_OR_FORAMEN] = int(np.count_nonzero(rest & self.neural))
            rest &= ~self.neural
        held[UNSPECIFIED] = int(np.count_nonzero(rest))
        return max(held, key=lambda name: held[name])


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


def _shortest(to_nerve_mm: FloatArray) -> Quantity:
    return Quantity(float(to_nerve_mm.min()), "mm", "shortest distance of voxel centres to canal or foramen")
