"""How far a volume or a diameter may be off: what voxels can tell, where the outline lies, and who drew it.

Each part is a coefficient of variation (standard deviation ÷ value); parts are independent and add as variances of the
logarithm, so that an interval never reaches below zero: value · exp(±1.96 s).

*Technical*, known from the mask alone

- voxel grid: a body that lies anyhow on a lattice does not always hold the same number of its points. Parseval's
  theorem gives the variance of the counted volume as a sum over the dual lattice k (cycles per mm) of the body's
  spectrum, which for a body with a smooth surface S in random orientation tends to S / (8π³ k⁴), so

      var V = S / 8π³ · Σ k⁻⁴          (cubic lattice of step h: 0.0667 S h⁴)

  This is the mean over sizes and orientations. A ball whose radius is a whole number of slice steps has twice that
  variance, and a lesion that is flattened along the slices' normal more still, because its poles act together.
- outline: where the boundary lies on average is known to half an in-plane pixel (95 %): readers and rasterisers differ
  by as much in the rule by which a pixel on the boundary belongs. A shift δ of the whole surface changes V by S·δ.

- gaps: where slices are missing or uneven, what stands for space that no slice shows is anything from nothing to twice
  as much, all alike, so its standard deviation is 1/√3 of it. Zero on an even stack.

Not a part of its own: blur and thick slices, cut at half of the brightness, take something off a curved surface, up to
about 8 % of a ball of 10 mm on 5 mm slices and about 1 % from 20 mm on. That lies within the outline's part. A body
that is thinner than one slice may lose more, and then the interval promises too much.

Checked by scripts/benchmark_uncertainty.py. Held in a run of 10–60 mm on 1–5 mm slices: volumes 97 %, of the grid part
alone 96 % (2340 solids of six shapes); long axes 93 %, short axes 94 %, 3D diameters 96 % (1560 ellipsoids; of those up
to a factor of 2 between axes 96, 97 and 98 %). Least: long and short axes of plates of 1 : 1 : 0.4 and long axes of
rods of 1 : 0.5 : 0.5, 90 %.

*Reader*: the same lesion outlined again. Floors by modality, see :class:`ReaderVariability`.

Source: D. G. Kendall & R. A. Rankin, Quart. J. Math. 4 (1953) 178, for the count of lattice points in a random body;
the sum over the dual lattice is our derivation, checked by simulation in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

import numpy as np

from imaging.geometry import Grid
from imaging.measurement.diameter import Diameter
from imaging.measurement.interval import Z95, Interval, holding, log_interval95
from imaging.measurement.quantity import ReaderPart, TwoPartError
from imaging.volume import Modality

__all__ = ["ErrorBudget", "Line", "ReaderVariability", "diameter_error", "volume_error"]

OUTLINE_PIXELS = 0.5  # 95 % limit of where the outline lies on average, in in-plane pixels
# 95 % of repeated MR diameters by different readers differ by less than 5 mm (focal marrow lesions, PubMed 37001052);
# a difference has the variance of two measurements.
MR_DIAMETER_REPEAT_MM = 5.0
MR_DIAMETER_READER_SD_MM = MR_DIAMETER_REPEAT_MM / (Z95 * math.sqrt(2.0))
DUAL_REACH = 8  # dual lattice points taken in each direction; what lies beyond adds < 5 % to the standard deviation
DIAMETERS_PER_VOLUME = 3.0  # volume ∝ diameter³, so a diameter varies by a third


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderVariability:
    """The least coefficient of variation of a volume that is outlined again by another reader.

    Parameters
    ----------
    ct
        0.10. QIBA's CT tumour volume claims rest on 0.085–0.141 by size.
    mr
        0.15. Assumed: no QIBA claim exists; repeated diameters of marrow lesions (PubMed 37001052) give 0.15–0.20.
    cemented_mr
        0.20. Assumed: a signal void in or beside the lesion hides part of the boundary.
    """

    ct: float = 0.10
    mr: float = 0.15
    cemented_mr: float = 0.20

    def floor(self, modality: Modality, *, cemented: bool) -> float:
        """The least that is assumed for such an exam.

        Examples
        --------
        >>> ReaderVariability().floor(Modality.MR, cemented=True)
        0.2
        """
        match modality:
            case Modality.CT:
                return self.ct
            case Modality.MR:
                return self.cemented_mr if cemented else self.mr


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBudget:
    """Where the error of one figure comes from, each part as a coefficient of variation.

    Parameters
    ----------
    grid, outline
        The technical parts.
    reader
        None where it is not known what made the image, so that nothing is assumed.
    gaps
        The part of what was not imaged.
    bias
        By what share of itself the value is too large on average, as a maximum is.

    Examples
    --------
    >>> budget = ErrorBudget(grid=0.01, outline=0.02, reader=ReaderPart(floor=0.10))
    >>> [round(bound, 1) for bound in budget.interval95(50.0)]
    [40.9, 61.1]
    >>> budget.of(50.0).wording
    '95 % interval from voxel grid 1.0 %, outline 2.0 %, reader 10.0 % (standard deviations)'
    """

    grid: float
    outline: float
    reader: ReaderPart | None = None
    gaps: float = 0.0
    bias: float = 0.0

    @property
    def technical_log_sd(self) -> float:
        """Standard deviation of the logarithm, without the reader."""
        return math.sqrt(sum(math.log1p(cv * cv) for cv in (self.grid, self.outline, self.gaps)))

    def technical95(self, value: float) -> Interval:
        """Where the truth is expected, 95 %, if the outline is a reference; it holds the value."""
        return holding(log_interval95(value * (1.0 - self.bias), self.technical_log_sd), value)

    def interval95(self, value: float) -> Interval:
        """Where the truth is expected, 95 %, all parts together."""
        return self.of(value).interval95(value)

    def of(self, value: float) -> TwoPartError:
        """The error of the value, ready for its quantity."""
        gaps = (("gaps between slices", self.gaps),) if self.gaps else ()
        technical = (("voxel grid", self.grid), ("outline", self.outline), *gaps)
        return TwoPartError(technical95=self.technical95(value), technical=technical, reader=self.reader)

    def with_gaps(self, share: float) -> ErrorBudget:
        """The budget of a volume of which this share stands for space that was not imaged."""
        return replace(self, gaps=share / math.sqrt(3.0))

    def divided(self, power: float) -> ErrorBudget:
        """The budget of the value's ``power``-th root."""
        reader = None if self.reader is None else self.reader.of_power(1.0 / power)
        return ErrorBudget(
            grid=self.grid / power,
            outline=self.outline / power,
            reader=reader,
            gaps=self.gaps / power,
            bias=self.bias / power,
        )

    def times(self, other: ErrorBudget) -> ErrorBudget:
        """The budget of the product of two figures: both ends of an outline move together, all else apart."""
        return ErrorBudget(
            grid=math.hypot(self.grid, other.grid),
            outline=self.outline + other.outline,
            reader=None if self.reader is None or other.reader is None else self.reader.times(other.reader),
            gaps=math.hypot(self.gaps, other.gaps),
            bias=1.0 - (1.0 - self.bias) * (1.0 - other.bias),
        )


def volume_error(*, volume_mm3: float, area_mm2: float, grid: Grid, reader: ReaderPart | None) -> ErrorBudget:
    """The error of a voxel count.

    Parameters
    ----------
    volume_mm3, area_mm2
        Of the mask.
    grid
        On which it was made.
    reader
        How repeated outlines of the lesion vary, None where nothing is known.

    Examples
    --------
    A ball of 20 mm on 1 mm voxels is counted to 0.2 %.

    >>> ball = dict(volume_mm3=4188.8, area_mm2=1256.6)
    >>> budget = volume_error(**ball, grid=Grid.from_spacing((40, 40, 40), (1.0, 1.0, 1.0)), reader=None)
    >>> round(100 * budget.grid, 2)
    0.21
    """
    variance = area_mm2 / (8.0 * math.pi**3) * _dual_sum(grid.affine[:3, :3].tobytes())
    return ErrorBudget(
        grid=math.sqrt(variance) / volume_mm3,
        outline=area_mm2 * OUTLINE_PIXELS / Z95 * _pixel_mm(grid) / volume_mm3,
        reader=reader,
    )


class Line(Enum):
    """Which diameter of a mask."""

    LONGEST = "longest in space"
    LONGEST_ON_SLICES = "longest on an acquired slice"
    PERPENDICULAR = "longest at right angles to that"


def diameter_error(
    diameter: Diameter,
    line: Line,
    *,
    grid: Grid,
    slice_count: int,
    blur_mm: float,
    reader: ReaderPart | None,
    modality: Modality | None,
) -> ErrorBudget:
    """The error of a distance between two points of the outline.

    An outline at one half passes each end somewhere within a voxel step r along the line, so the distance of two given
    ends is right on average, with variance r²/6. A longest diameter is the largest of many such distances: where many
    compete it is too long by up to r, where only one does it is not. How many compete is not known, so the excess is
    taken as uniform from 0 to r: r/2 on average, with variance r²/12, and half of the r²/6 beside it.

    A diameter on slices misses the thickest place by up to half a slice step c. Sections of an ellipsoid at height z
    are √(1 − z²/H²) of its middle one, so that with z uniform in ± c/2 the diameter L is short by m = L c²/24H² on
    average and by the root mean square L c²/√320 H². H is half the height of the mask across slices.

    Blur takes something off both ends. How thick slices are, how sharp the image is and how an outline treats either is
    not known, so this loss is taken as uniform from 0 to what :func:`~imaging.measurement.blur.lost_to_blur_mm` tells.

    The outline as a whole is known to half a pixel, at both ends alike. The reader's part is a third of that of the
    volume, on MR at least what repeated diameters show.

    Parameters
    ----------
    diameter
        With its ends, because voxels are longer one way than another.
    line
        Which one it is.
    slice_count
        From the first to the last slice that the mask is on.
    blur_mm
        What blur takes off both ends together, at most.

    Examples
    --------
    >>> grid = Grid.from_spacing((20, 64, 64), (5.0, 1.0, 1.0))
    >>> length = Diameter(40.0, ((0.0, 0.0, 0.0), (40.0, 0.0, 0.0)))
    >>> mr = dict(grid=grid, slice_count=8, reader=ReaderPart(floor=0.15), modality=Modality.MR)
    >>> budget = diameter_error(length, Line.LONGEST_ON_SLICES, blur_mm=0.1, **mr)
    >>> [round(40.0 * part, 2) for part in (budget.bias, budget.grid, budget.reader.cv)]
    [0.35, 0.42, 2.0]
    """
    length = diameter.length_mm
    unit = (np.array(diameter.ends_lps_mm[1]) - np.array(diameter.ends_lps_mm[0])) / length
    steps = grid.affine[:3, :3] if line is Line.LONGEST else grid.affine[:3, 1:3]
    step = float(np.abs(unit @ steps).max())
    excess = 0.0 if line is Line.PERPENDICULAR else step / 2.0
    second_order = 0.0 if line is Line.LONGEST else length * (2.0 / slice_count) ** 2  # L c²/H², with H = n c/2
    missed = second_order / 24.0
    # ⟨z⁴⟩ − ⟨z²⟩² of an even height, and a loss by blur that is uniform from 0 to its most
    spread = math.sqrt(second_order**2 / 320.0 - missed**2 + blur_mm**2 / 12.0)
    if reader is not None:
        reader = reader.of_power(1.0 / DIAMETERS_PER_VOLUME)
        if modality is Modality.MR:
            reader = replace(reader, floor=max(reader.floor, MR_DIAMETER_READER_SD_MM / length))
    return ErrorBudget(
        grid=math.hypot(step / math.sqrt(6.0), spread) / length,
        outline=2.0 * OUTLINE_PIXELS / Z95 * _pixel_mm(grid) / length,
        reader=reader,
        bias=(excess - missed - blur_mm / 2.0) / length,
    )


def _pixel_mm(grid: Grid) -> float:
    """Side of a square as large as an in-plane pixel."""
    row, column = grid.affine[:3, 1], grid.affine[:3, 2]
    return math.sqrt(float(np.linalg.norm(np.cross(row, column))))


@lru_cache(maxsize=64)
def _dual_sum(steps: bytes) -> float:
    """Σ k⁻⁴ over the dual lattice of the steps (3, 3) float64, without its origin."""
    index = np.stack(np.meshgrid(*[np.arange(-DUAL_REACH, DUAL_REACH + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    index = index[index.any(axis=1)]
    dual = index @ np.linalg.inv(np.frombuffer(steps).reshape(3, 3))
    return float(np.sum(np.sum(dual**2, axis=1) ** -2.0))
