"""Material beyond bone and lesion: what ran out, in which connected parts, and how near to a nerve.

Leak is what lies farther from bone and lesion than the boundaries' own error (1 mm, or one pixel where that is more);
parts below 0.05 mL are not told from noise and stay in the upper bound only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.geometry import Grid
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.measurement.structure import Structure
from imaging.segmentation.material_search import MIN_NEURAL_ML
from imaging.segmentation.reach import box_around, distance_mm

__all__ = [
    "CANAL_OR_FORAMEN",
    "EXTRAOSSEOUS_TUMOUR",
    "LEAK_MARGIN_MM",
    "UNSPECIFIED",
    "Leak",
    "LeakFind",
    "NamedPlaces",
    "find_leaks",
    "share_of",
]

CANAL_OR_FORAMEN, UNSPECIFIED = "canal_or_foramen", "unspecified"
EXTRAOSSEOUS_TUMOUR = "within extraosseous tumour"

LEAK_MARGIN_MM = 1.0
MIN_LEAK_ML = 0.05
NEIGHBOURHOOD_MM = 30.0  # ground and nerves farther away than this from all material are not looked at


TO_NERVE = "shortest distance of voxel centres to canal or foramen"
IN_NERVE = Quantity(0.0, "mm", TO_NERVE)
IN_NERVE_HOW = "connected part in canal or foramen, undilated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One connected part beyond bone and lesion, in a tumour beyond bone, or in canal or foramen.

    Parameters
    ----------
    compartment
        The named place that holds most of it; "canal_or_foramen" if most lies in there and in none of those, "within
        extraosseous tumour" if a lesion holds it, else "unspecified".
    volume_ml
        With interval.
    distance_mm
        The shortest way to canal or foramen; None where these are not modelled or farther than 30 mm.
    neural
        Whether it lies in the canal or a foramen, be it in bone or lesion or not.
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
    """The volume of all listed leaks beyond bone and lesion; the neural parts and all others, each largest first."""

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
    named
        Places that are told apart. What lies in canal or foramen is a neural part, with no exemption for bone, lesion
        or nearness, and is no leak beyond the ground as well. A part that lies in several of them, and in none by as
        much as is listed, is named by the one that holds most of it.
    compartments
        What else a leak may lie in, by name; of two that hold equally much the first counts. What is not given is
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
    to_nerve = None if neural is None or not neural[box].any() else distance_mm(neural[box], grid.spacing_mm)
    beyond = material[box] & (distance_mm(ground[box], grid.spacing_mm) > margin_mm)
    known, here = named or NamedPlaces(), grid.crop([side.start for side in box], [side.stop for side in box])
    masks = {place.name: place.on(here) for place in known.others}
    masks |= {name: mask[box] for name, mask in (compartments or {}).items()}
    places = _Places(masks, None if neural is None or known.nerves else neural[box])

    def parts_of(whole: BoolArray, least_ml: float) -> Iterator[BoolArray]:
        labels, _ = ndimage.label(whole, structure=np.ones((3, 3, 3), dtype=bool))
        sizes = np.bincount(labels.ravel())[1:] * voxel_ml
        for number in np.argsort(-sizes, kind="stable") + 1:
            if sizes[number - 1] >= least_ml:
                yield labels == number

    def amount_of(part: BoolArray, method: str) -> Quantity:
        return share_of(volume, float(np.count_nonzero(part) * voxel_ml), method)

    def to_nerve_of(away_mm: float) -> Quantity:
        # Borders lie up to half a voxel before either centre, and nerves that were carried anywhere within their error.
        low = away_mm - 2 * grid.half_diagonal_mm - known.error_mm
        return Quantity(away_mm, "mm", TO_NERVE, (max(low, 0.0), away_mm + known.error_mm))

    def neural_part(part: BoolArray, name: str) -> Leak:
        return Leak(compartment=name, volume_ml=amount_of(part, IN_NERVE_HOW), distance_mm=IN_NERVE, neural=True)

    def listed(whole: BoolArray, method: str, least_ml: float, name: str | None = None) -> Iterator[Leak]:
        for part in parts_of(whole, least_ml):
            held = name or places.holding(part)
            yield Leak(
                compartment=held,
                volume_ml=amount_of(part, method),
                distance_mm=None if to_nerve is None else to_nerve_of(float(to_nerve[part].min())),
                neural=held == CANAL_OR_FORAMEN,
            )

    nerves = []
    in_nerve, told = np.zeros(beyond.shape, dtype=bool), np.zeros(beyond.shape, dtype=bool)
    held_by: dict[str, BoolArray] = {}
    for nerve in known.nerves or ():
        held_by[nerve.name] = nerve.on(here) & ~in_nerve  # where two overlap, the first has it: no part is told twice
        in_nerve |= held_by[nerve.name]
    in_nerves = _Places(held_by, None)
    for name, held in held_by.items():
        for part in parts_of(material[box] & held, MIN_NEURAL_ML):
            told |= part
            nerves.append(neural_part(part, name))
    # What is large enough as a whole may lie in several of them, in none by enough.
    for part in parts_of(material[box] & in_nerve, MIN_NEURAL_ML):
        if not (part & told).any():
            nerves.append(neural_part(part, in_nerves.most(part)))
    beyond &= ~in_nerve
    leaks = [*listed(beyond, "connected part beyond bone and lesions", MIN_LEAK_ML)]
    method = f"beyond bone and lesions by more than {margin_mm:.2g} mm, parts of {MIN_LEAK_ML} mL and more"
    total = share_of(volume, float(sum(leak.volume_ml.value for leak in leaks)), method)
    whole = share_of(volume, float(np.count_nonzero(beyond) * voxel_ml), method)
    low, high = (total.interval95 or (total.value, total.value))[0], (whole.interval95 or (whole.value, whole.value))[1]
    if tumour is not None:
        inside = material[box] & tumour[box] & ~in_nerve
        leaks += listed(inside, "connected part in a lesion outside bone", MIN_LEAK_ML, EXTRAOSSEOUS_TUMOUR)
    leaks.sort(key=lambda leak: -leak.volume_ml.value)
    return LeakFind(Quantity(total.value, "mL", method, (low, max(high, total.value))), (*nerves, *leaks))


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """What a leak may lie in, near the material."""

    named: Mapping[str, BoolArray]
    neural: BoolArray | None

    def most(self, part: BoolArray) -> str:
        """The named place with most of a part's voxels, the first of two."""
        return max(self.named, key=lambda name: int(np.count_nonzero(part & self.named[name])))

    def holding(self, part: BoolArray) -> str:
        """The place with most of a part's voxels, the first of two; none where as much lies in no place."""
        rest = part.copy()
        held = {}
        for name, mask in self.named.items():
            held[name] = int(np.count_nonzero(part & mask))
            rest &= ~mask
        if self.neural is not None:
            held[CANAL_OR_FORAMEN] = int(np.count_nonzero(rest & self.neural))
            rest &= ~self.neural
        most = max(held, key=lambda name: held[name], default=UNSPECIFIED)
        return most if held and held[most] > int(np.count_nonzero(rest)) else UNSPECIFIED


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
