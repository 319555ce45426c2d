"""Things that look like cement and are not, and what disturbs an image: inserts for phantoms.

Every function returns inserts that hold 0 mL of cement. HU ranges are those of clinical mimics: enteric contrast 400 to
1500, bladder contrast about 800, sclerotic metastases 800 to 1400, calcified arteries as dense as cortex, metal beyond
any scale, gas near −900.
"""

from __future__ import annotations

from dataclasses import replace

from imaging.synthetic.phantom import Insert, Phantom
from imaging.synthetic.shape import Ellipsoid, Tube
from imaging.synthetic.tissue import Contrast, Tissue

__all__ = [
    "calcified_arteries",
    "enteric_contrast",
    "gas_in",
    "needle_to",
    "sacral_screw",
    "sclerotic_metastasis",
    "with_bladder_contrast",
]

METAL_HU = 12000.0  # titanium is 11,000 to 15,000 by calculation; every scale clips it
NEEDLE_MM = 3.05  # outer diameter of 11 gauge
SCREW_MM = 7.0
METAL = Contrast(METAL_HU, 0, 0.0, 0.0, 0.0, 0.0)


def enteric_contrast(hu: float = 900.0) -> tuple[Insert, ...]:
    """Two bowel loops full of contrast medium, in front of the sacrum."""
    inside = Contrast(hu, 30, 0.3, 0.0, 0.8, 0.1)
    return (
        Insert(shape=Ellipsoid(center_mm=(30.0, -58.0, 8.0), axes_mm=(44.0, 26.0, 32.0)), contrast=inside),
        Insert(shape=Ellipsoid(center_mm=(4.0, 1.0, -68.0), axes_mm=(24.0, 18.0, 46.0)), contrast=inside),
    )


def with_bladder_contrast(phantom: Phantom, hu: float = 800.0) -> Phantom:
    """The same body with excreted contrast medium in the bladder."""
    bladder = replace(phantom.contrasts[Tissue.BLADDER], hu=hu)
    return replace(phantom, contrasts={**phantom.contrasts, Tissue.BLADDER: bladder})


def sclerotic_metastasis(
    hu: float = 1100.0, *, center_mm: tuple[float, float, float] = (-30.0, 26.0, -32.0), diameter_mm: float = 14.0
) -> tuple[Insert, ...]:
    """A bone-forming lesion: dense, dark on every MR weighting."""
    axes = (diameter_mm, 0.8 * diameter_mm, 0.9 * diameter_mm)
    dense = Contrast(hu, 120, 0.10, 0.0, 0.12, 0.1)
    return (Insert(shape=Ellipsoid(center_mm=center_mm, axes_mm=axes, lobulation=0.1), contrast=dense),)


def calcified_arteries(hu: float = 900.0) -> tuple[Insert, ...]:
    """Plaques 1.6 mm thick along both internal iliac arteries."""
    plaque = Contrast(hu, 0, 0.05, 0.0, 0.05, 0.0)
    left = (
        Tube(points_mm=((23.0, -21.5, 22.0), (28.0, -17.0, 10.0)), radius_mm=0.8),
        Tube(points_mm=((37.5, -6.0, -8.0), (38.5, -2.0, -24.0)), radius_mm=0.8),
        Tube(points_mm=((35.0, -9.0, -12.0), (35.5, -5.5, -20.0)), radius_mm=0.8),
    )
    mirrored = tuple(replace(tube, points_mm=tuple((-x, y, z) for x, y, z in tube.points_mm)) for tube in left)
    return tuple(Insert(shape=tube, contrast=plaque) for tube in (*left, *mirrored))


def sacral_screw() -> tuple[Insert, ...]:
    """An iliosacral screw from the right into the first sacral body."""
    return (
        Insert(shape=Tube(points_mm=((-78.0, 24.0, 8.0), (4.0, 14.0, 12.0)), radius_mm=SCREW_MM / 2), contrast=METAL),
    )


def needle_to(target_mm: tuple[float, float, float]) -> tuple[Insert, ...]:
    """An 11-gauge needle left in, from the skin of the back to a point of the body."""
    entry = (target_mm[0] + 12.0, 132.0, target_mm[2] + 20.0)
    return (Insert(shape=Tube(points_mm=(entry, target_mm), radius_mm=NEEDLE_MM / 2), contrast=METAL),)


def gas_in(solid: Ellipsoid) -> tuple[Insert, ...]:
    """Bubbles of gas in the upper half of a lesion."""
    gas = Contrast(-900, 0, 0.0, 0.0, 0.0, 0.0)
    x, y, z = solid.center_mm
    reach = min(solid.axes_mm) / 2
    places = ((0.1, -0.3, 0.2), (-0.3, -0.1, -0.1), (0.35, 0.0, 0.3))
    return tuple(
        Insert(
            shape=Ellipsoid(
                center_mm=(x + reach * a, y + reach * b, z + reach * c),
                axes_mm=(0.3 * reach, 0.25 * reach, 0.3 * reach),
            ),
            contrast=gas,
        )
        for a, b, c in places
    )
