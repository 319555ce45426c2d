"""One draw of a Monte Carlo each: a solid of known size is scanned, measured, and its stated error held to the truth.

What is drawn where nothing is said: pixels of 0.5 to 1 mm, any pose, any place between the voxels, in-plane blur of 0.8
to 1.6 mm (full width at half maximum), and a rule of the outline that is off by as much as the model says: normal, 95 %
within half a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from imaging.arrays import FloatArray
from imaging.measurement.change import measure_change
from imaging.measurement.interval import Z95, holding, log_interval95
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.measurement.quantity import Quantity
from imaging.measurement.uncertainty import OUTLINE_PIXELS
from imaging.segmentation.segment import Segment
from imaging.synthetic.solid import Scan, Solid, acquired, dumbbell, ellipsoid, hollow_ball, pose, rasterised

__all__ = ["SHAPES", "Draw", "Held", "diameters_held", "is_called_changed", "sectioned", "volume_held"]

PIXEL_MM, BLUR_MM = (0.5, 1.0), (0.8, 1.6)
AXIS_RATIO = 0.35  # axes of ellipsoids differ by factors up to exp(0.35) from their mean


@dataclass(frozen=True, slots=True)
class Held:
    """Whether an interval held the truth, and how far the value was off, as a share of the truth."""

    name: str
    is_held: bool
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One solid in one pose on one lattice.

    Examples
    --------
    >>> draw = Draw.of("ball", 20.0, 2.0, np.random.default_rng(0))
    >>> round(draw.solid.volume_mm3), 0.5 <= draw.pixel_mm <= 1.0
    (4189, True)
    """

    solid: Solid
    turn: FloatArray
    slice_mm: float
    pixel_mm: float
    random: np.random.Generator

    @classmethod
    def of(cls, shape: str, size_mm: float, slice_mm: float, random: np.random.Generator) -> Draw:
        """A solid of :data:`SHAPES` about as large as stated."""
        solid = SHAPES[shape](size_mm, random)
        return cls(solid, pose(random), slice_mm, float(random.uniform(*PIXEL_MM)), random)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return (self.slice_mm, self.pixel_mm, self.pixel_mm)

    def reference_mask(self) -> Segment:
        """Voxel centres inside."""
        return rasterised(self.solid, self.spacing_mm, self.turn, self.random)

    def outlined(self) -> Segment:
        """Imaged, and outlined by a rule that is off by as much as the model says."""
        off = float(self.random.normal(0.0, OUTLINE_PIXELS / Z95 * self.pixel_mm))
        scan = Scan(blur_mm=float(self.random.uniform(*BLUR_MM)), outline_mm=off)
        return acquired(self.solid, self.spacing_mm, self.turn, scan, self.random)


def _near_round(size_mm: float, random: np.random.Generator) -> Solid:
    ratio = np.exp(random.uniform(-AXIS_RATIO, AXIS_RATIO, 3))
    return ellipsoid(size_mm / 2 * ratio / np.prod(ratio) ** (1 / 3))


SHAPES: dict[str, Callable[[float, np.random.Generator], Solid]] = {
    "ellipsoid": _near_round,
    "ball": lambda size, _: ellipsoid(np.full(3, size / 2)),
    "plate": lambda size, _: ellipsoid(size / 2 * np.array([1.0, 1.0, 0.4])),
    "rod": lambda size, _: ellipsoid(size / 2 * np.array([1.0, 0.5, 0.5])),
    "dumbbell": lambda size, _: dumbbell(size),
    "hollow": lambda size, _: hollow_ball(size),
}


def sectioned(draw: Draw) -> tuple[float, float]:
    """The longest diameter of an ellipsoid on any plane along the slices, and of that section the one across it.

    Examples
    --------
    >>> draw = Draw(ellipsoid(np.array([1.0, 2.0, 3.0])), np.eye(3), 1.0, 1.0, np.random.default_rng(0))
    >>> sectioned(draw)
    (6.0, 4.0)
    """
    if draw.solid.semi_axes_mm is None:
        raise ValueError("only of ellipsoids are the diameters known")
    form = draw.turn @ np.diag(draw.solid.semi_axes_mm**-2.0) @ draw.turn.T
    least, most = np.linalg.eigvalsh(form[1:, 1:])
    return 2.0 / math.sqrt(least), 2.0 / math.sqrt(most)


def volume_held(draw: Draw) -> Iterator[Held]:
    """Of a reference mask the grid's part alone, and of an outlined image the whole technical interval."""
    truth = draw.solid.volume_mm3 / 1000.0
    for name, segment in (("volume, grid", draw.reference_mask()), ("volume", draw.outlined())):
        if not segment.mask.any():
            yield Held(name, False, -1.0)
            continue
        measured = measure_segment(segment)
        found, grid = measured.volume_ml, measured.volume_error.grid
        alone = holding(log_interval95(found.value, math.sqrt(math.log1p(grid**2))), found.value)
        low, high = _technical95(found) if name == "volume" else alone
        yield Held(name, low <= truth <= high, found.value / truth - 1.0)


def diameters_held(draw: Draw) -> Iterator[Held]:
    """The technical intervals of an outlined ellipsoid's diameters."""
    segment = draw.outlined()
    long_mm, short_mm = sectioned(draw)
    if not segment.mask.any() or draw.solid.semi_axes_mm is None:
        yield from (Held(name, False, -1.0) for name in ("long axis", "short axis", "3D diameter"))
        return
    measured = measure_segment(segment)
    widest_mm = 2.0 * float(draw.solid.semi_axes_mm.max())
    for name, found, truth in (
        ("long axis", measured.long_axis_mm, long_mm),
        ("short axis", measured.short_axis_mm, short_mm),
        ("3D diameter", measured.diameter_3d_mm, widest_mm),
    ):
        low, high = _technical95(found)
        yield Held(name, low <= truth <= high, found.value / truth - 1.0)


def is_called_changed(
    size_mm: float, growth: float, slice_mm: tuple[float, float], random: np.random.Generator
) -> bool:
    """Whether reference masks of an ellipsoid before and after growth to so many times its volume show a change.

    Each exam has its own pose and place, and its own slices from the range where growth is 1; else both have the same.

    Examples
    --------
    >>> is_called_changed(30.0, 3.0, (1.0, 2.0), np.random.default_rng(0))
    True
    """
    before = _near_round(size_mm, random)
    assert before.semi_axes_mm is not None
    after = ellipsoid(before.semi_axes_mm * math.cbrt(growth))
    pixel_mm = float(random.uniform(*PIXEL_MM))
    slices = [float(random.uniform(*slice_mm)) for _ in range(2)]
    slices = slices if growth == 1.0 else slices[:1] * 2

    def measured(solid: Solid, slice_mm: float) -> SegmentMeasurement:
        return measure_segment(rasterised(solid, (slice_mm, pixel_mm, pixel_mm), pose(random), random))

    change = measure_change(measured(before, slices[0]), measured(after, slices[1]))
    return change.exceeds_error is True


def _technical95(quantity: Quantity) -> tuple[float, float]:
    assert quantity.error is not None, "every volume and diameter states its error"
    return quantity.error.technical95
