"""The volume of a lesion by how much of each voxel at its border it fills, told by the voxel's brightness.

A voxel at the border shows a mixture: (I − background) ÷ (lesion − background) is the lesion's share of it. Summed over
the mask and the voxels round it, the shares give a volume that does not jump by whole voxels, which on slices as thick
as a quarter of the lesion or more is closer to the truth than counting. It takes for granted that the lesion is alike
at its border and so is what lies round it; where the image does not bear that out, there is no such figure.

::

    2 slices in section:   ring ·  o  o  z  z  #  #  #  z  z  o  o  ·      # core: counts wholly
                                o  o  z  z  z  z  z  z  z  o  o            z border: its share;  o ring: the background

Shares are clipped to 0…1 with room for noise on both sides: clipped at 0, noise alone would add to the volume.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray, FloatArray, SampleArray
from imaging.finding import Finding, Severity
from imaging.measurement.extent import Extent
from imaging.volume import Volume

__all__ = ["PartialVolume", "partial_volume"]

# A scanner's blur spreads a border over two pixels either way, and over the slice beside it.
REACH_PIXELS = 2
RING_PIXELS = 3  # width of the ring in which the background is seen, beyond the reach
FEWEST = 8  # voxels of which a median is told
NOISE_ROOM = 3.0  # standard deviations by which a share may lie beyond 0 or 1
MOST_NOISE = 0.25  # of the contrast; at more, a border voxel's share is known to no better than the voxel itself
# Of the contrast, in the background beyond its noise: tissue on one side that shows a third of the contrast makes as
# much, and the figure a tenth too large.
MOST_STRUCTURE = 0.10
# A lesion of one or two slices may fill none of them. Of its only slice a ball of diameter d on slices c fills, as it
# lies worst, d/c − ½ and shows 4cd − 4c² of squared width there; on two slices d/2c and d² − c². From so many squared
# slice distances of squared width on it fills this share of one, and the figure is at most a tenth too large.
FULLEST = 0.9
LEAST_SQUARED_WIDTH = {1: 4.0 * (FULLEST - 0.5), 2: 4.0 * FULLEST**2 - 1.0}
MEDIAN_TO_SD = 1.4826  # of a normal distribution's absolute deviations
P95_TO_SD = 1.645  # half the range from the 5th to the 95th percentile of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialVolume:
    """A volume by shares of voxels, or why there is none.

    Parameters
    ----------
    volume_mm3
        None where it cannot be assessed; then ``finding`` says why.
    finding
        None where it can.
    """

    volume_mm3: float | None
    finding: Finding | None


@dataclass(frozen=True, slots=True, eq=False)
class _Zones:
    """Core, border and ring of a mask, as masks of one box."""

    core: BoolArray
    border: BoolArray
    ring: BoolArray


def partial_volume(extent: Extent, volume: Volume, *, where: str = "") -> PartialVolume:
    """The sum of the lesion's shares of voxels, over the mask and two pixels and a slice round it.

    Parameters
    ----------
    extent
        The mask, cropped.
    volume
        The image, on the grid from which the extent was cropped.
    where
        What the finding is about.

    Returns
    -------
    PartialVolume
        Without a volume where the neighbourhood leaves the image or covers padding, slices are missing or uneven, too
        few of its voxels lie away from its border, it is so small on one or two slices that, as tall as it is wide, it
        may fill none of them, the contrast is low, or the background is not one tissue. The finding
        PARTIAL_VOLUME_NOT_ASSESSABLE says which.

    Source: our own definition; the shares are DICOM's fractional occupancy (PS3.3 C.8.20.2.3.1).

    Examples
    --------
    A block of 60 HU whose last row is half full: 16 rows by voxels, 15.5 by shares.

    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> from imaging.volume import Modality
    >>> grid = Grid.from_spacing((14, 40, 40), (1.0, 1.0, 1.0))
    >>> samples, mask = np.zeros(grid.shape, dtype=np.int16), np.zeros(grid.shape, dtype=bool)
    >>> samples[4:10, 12:27, 12:28], samples[4:10, 27, 12:28] = 60, 30
    >>> mask[4:10, 12:28, 12:28] = True
    >>> image = Volume(samples=samples, grid=grid, modality=Modality.CT)
    >>> extent = Extent.of(Segment(mask=mask, grid=grid))
    >>> extent.volume_mm3, partial_volume(extent, image).volume_mm3
    (1536.0, 1488.0)
    """
    shares, reason = _shares(extent, volume)
    if shares is None:
        message = f"the volume by shares of voxels cannot be told: {reason}"
        return PartialVolume(
            volume_mm3=None,
            finding=Finding("PARTIAL_VOLUME_NOT_ASSESSABLE", Severity.INFO, message, where),
        )
    return PartialVolume(volume_mm3=shares * extent.grid.voxel_volume_mm3, finding=None)


def _shares(extent: Extent, volume: Volume) -> tuple[float | None, str]:
    """How many voxels the lesion fills, or None and why not."""
    reach = _reach(extent)
    around = (reach[0], reach[1] + RING_PIXELS, reach[2] + RING_PIXELS)
    box = [slice(part.start - r, part.stop + r) for part, r in zip(extent.box, around, strict=True)]
    if hidden := _hidden(box, volume):
        return None, hidden
    mask = np.pad(extent.mask, [(r, r) for r in around])
    zones = _zones(mask, reach)
    samples = volume.samples[tuple(box)]
    background = samples[zones.ring].astype(np.float64)
    outside = float(np.median(background))
    inside = _lesion_level(samples, mask, zones, outside)
    if inside is None:
        return None, "too few of its voxels lie away from the border"
    if _fills_no_slice(extent):
        return None, "for the thickness of its one or two slices it is too small to fill one of them"
    noise = _noise(samples, zones.ring)
    if unclear := _unclear(background, abs(inside - outside), noise):
        return None, unclear
    room = NOISE_ROOM * noise / abs(inside - outside)
    shares = (samples[zones.border].astype(np.float64) - outside) / (inside - outside)
    shares = shares.clip(-room, 1.0 + room)
    return float(np.count_nonzero(zones.core) + shares.sum()), ""


def _hidden(box: Sequence[slice], volume: Volume) -> str:
    """Why the image does not show all of the box; empty if it does."""
    if volume.acquired_slices is not None:
        return "slices are missing or uneven"
    if any(side.start < 0 or side.stop > n for side, n in zip(box, volume.grid.shape, strict=True)):
        return "its neighbourhood leaves the image"
    if volume.valid is not None and not volume.valid[tuple(box)].all():
        return "its neighbourhood was not imaged everywhere"
    return ""


def _fills_no_slice(extent: Extent) -> bool:
    pixels = int(np.count_nonzero(extent.mask, axis=(1, 2)).max())
    squared_width = 4.0 / math.pi * pixels * extent.grid.pixel_area_mm2
    return squared_width < LEAST_SQUARED_WIDTH.get(extent.slice_count, 0.0) * extent.grid.slice_distance_mm**2


def _unclear(background: FloatArray, contrast: float, noise: float) -> str:
    """Why the background does not tell itself from the lesion; empty if it does."""
    if noise >= MOST_NOISE * contrast:
        return f"a contrast of {contrast:.0f} is too low for noise of {noise:.0f}"
    low, high = np.percentile(background, [5.0, 95.0])
    structure = math.sqrt(max(((high - low) / (2.0 * P95_TO_SD)) ** 2 - noise**2, 0.0))
    if structure >= MOST_STRUCTURE * contrast:
        return f"what lies round it differs by {structure:.0f} at a contrast of {contrast:.0f}"
    return ""


def _reach(extent: Extent) -> tuple[int, int, int]:
    """Voxels by which the border reaches to either side: as far across slices as in plane, a slice at least."""
    pixel_mm = math.sqrt(extent.grid.pixel_area_mm2)
    return (max(1, round(REACH_PIXELS * pixel_mm / extent.grid.slice_distance_mm)), REACH_PIXELS, REACH_PIXELS)


def _zones(mask: BoolArray, reach: tuple[int, int, int]) -> _Zones:
    grown = _grown(mask, reach)
    core = ~_grown(~mask, reach)
    ring = _grown(grown, (0, RING_PIXELS, RING_PIXELS)) & ~grown
    return _Zones(core=core, border=grown & ~core, ring=ring)


def _grown(mask: BoolArray, reach: tuple[int, int, int]) -> BoolArray:
    """Every voxel within so many steps along each axis of one in the mask."""
    for axis, steps in enumerate(reach):
        out = mask.copy()
        along_out, along = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        for step in range(1, steps + 1):
            along_out[step:] |= along[:-step]
            along_out[:-step] |= along[step:]
        mask = out
    return mask


def _lesion_level(samples: SampleArray, mask: BoolArray, zones: _Zones, background: float) -> float | None:
    """What a voxel shows that the lesion fills; None if there is too little of it.

    The median of the core. A lesion of few slices has none, because every slice lies beside its end: then that of the
    slice, away from the border in its plane, that differs most from the background.
    """
    if np.count_nonzero(zones.core) >= FEWEST:
        return float(np.median(samples[zones.core]))
    inner = ~_grown(~mask, (0, REACH_PIXELS, REACH_PIXELS))
    levels = [np.median(samples[k][inner[k]]) for k in range(len(mask)) if np.count_nonzero(inner[k]) >= FEWEST]
    return max((float(level) for level in levels), key=lambda level: abs(level - background), default=None)


def _noise(samples: SampleArray, ring: BoolArray) -> float:
    """Standard deviation of the noise, from differences along rows within the ring.

    Of every other pixel, because noise is alike from one to the next.
    """
    both = ring[:, :, 2:] & ring[:, :, :-2]
    differences = samples[:, :, 2:][both].astype(np.float64) - samples[:, :, :-2][both]
    return float(MEDIAN_TO_SD * np.median(np.abs(differences)) / math.sqrt(2.0))
