"""One body at one moment: anatomy, lesions, materials and a variant's inserts, as tissue numbers at any point."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.lattice import MaterialMap
from imaging.synthetic.pelvis import Pelvis, paint_shape, reach
from imaging.synthetic.shape import Ellipsoid, Plane, Shape
from imaging.synthetic.tissue import CONTRASTS, FIRST_INSERT, Contrast, Tissue

__all__ = ["MARROWS", "Insert", "Lesion", "Phantom"]

MARROWS = (Tissue.MARROW_BODY, Tissue.MARROW_ALA, Tissue.MARROW_IRRADIATED, Tissue.MARROW_ILIUM)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Lesion:
    """A lesion as it is at one moment.

    Parameters
    ----------
    id
        L1, L2 …
    solid
        Its outer contour, everything inside of it included.
    oedema_mm
        Thickness of the rim of oedema, in marrow only.
    blood
        Where in the lesion (and nowhere else) there is subacute blood.
    """

    id: str
    solid: Ellipsoid
    oedema_mm: float = 6.5
    blood: Ellipsoid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Something that a variant puts into the body, painted over all that was there."""

    shape: Shape
    contrast: Contrast


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Phantom:
    """A body of which every point's tissue is known.

    Parameters
    ----------
    pelvis
        The anatomy; None leaves a bath of muscle, for tests of single shapes.
    lesions, materials, inserts
        Painted in this order, later over earlier.
    contrasts
        How bright each tissue is.

    Examples
    --------
    >>> ball = Lesion(id="L1", solid=Ellipsoid(center_mm=(0.0, 0.0, 0.0), axes_mm=(8.0, 8.0, 8.0)), oedema_mm=0.0)
    >>> x = np.array([[0.0, 5.0]], np.float32)
    >>> numbers = Phantom(pelvis=None, lesions=(ball,)).tissue(x, np.zeros_like(x), np.zeros_like(x))
    >>> [Tissue(n).name for n in numbers[0]]
    ['TUMOUR', 'MUSCLE']
    """

    pelvis: Pelvis | None = field(default_factory=Pelvis)
    lesions: tuple[Lesion, ...] = ()
    materials: tuple[MaterialMap, ...] = ()
    inserts: tuple[Insert, ...] = ()
    contrasts: dict[int, Contrast] = field(default_factory=lambda: dict(CONTRASTS))

    def tissue(self, x: Plane, y: Plane, z: Plane) -> NDArray[np.uint8]:
        """Tissue numbers at body points; the three arrays share one two-dimensional shape."""
        numbers = np.full(x.shape, np.uint8(Tissue.MUSCLE if self.pelvis is None else Tissue.AIR))
        if self.pelvis is not None:
            self.pelvis.paint(numbers, x, y, z)
        for lesion in self.lesions:
            paint_lesion(numbers, x, y, z, lesion)
        for material in self.materials:
            paint_material(numbers, x, y, z, material)
        for offset, insert in enumerate(self.inserts):
            paint_shape(numbers, x, y, z, number=FIRST_INSERT + offset, shape=insert.shape)
        return numbers

    def all_contrasts(self) -> dict[int, Contrast]:
        """Contrasts of tissues and of what the inserts are made of."""
        added = {FIRST_INSERT + offset: insert.contrast for offset, insert in enumerate(self.inserts)}
        return {**self.contrasts, **added}


def paint_lesion(numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane, lesion: Lesion) -> None:
    window = reach(x, y, z, lesion.solid.grown(lesion.oedema_mm * 1.3))
    if window is None:
        return
    part, points = numbers[window], (x[window], y[window], z[window])
    away = lesion.solid.signed_mm(*points)
    rim = (away >= 0) & (away < np.float32(lesion.oedema_mm)) & np.isin(part, MARROWS)
    part[rim] = Tissue.OEDEMA
    inside = away < 0
    part[inside] = Tissue.TUMOUR
    if lesion.blood is not None:
        part[inside & (lesion.blood.signed_mm(*points) < 0)] = Tissue.BLOOD


def paint_material(numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane, material: MaterialMap) -> None:
    window = reach(x, y, z, material)
    if window is None:
        return
    part = numbers[window]
    found = material.at(x[window], y[window], z[window])
    part[found > 0] = found[found > 0]
