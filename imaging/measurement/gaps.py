"""What a mask's figures owe to gaps between slices.

The rules stand in :mod:`imaging.geometry.acquired`: each imaged slice counts with its own extent, and what that makes
of space which no slice shows is told with the figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.geometry.acquired import AcquiredSlices
from imaging.measurement.extent import MM3_PER_ML, Extent
from imaging.segmentation.segment import Segment

__all__ = ["GapShare", "imaged_part", "without_gaps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapShare:
    """A mask's volume over slices of their own extents, and how much of it stands for space that was not imaged.

    Parameters
    ----------
    volume_mm3
        Above 0.
    bridged_mm3
        The part of it beyond the ordinary distance of slices.
    reached
        The gaps that the mask crosses or ends at.
    slices
        Of the image.
    """

    volume_mm3: float
    bridged_mm3: float
    reached: tuple[int, ...]
    slices: AcquiredSlices

    @classmethod
    def of(cls, segment: Segment, slices: AcquiredSlices) -> GapShare:
        """The share of one segment; a mask that lies in a gap alone keeps its voxel sum, all of it not imaged.

        Examples
        --------
        >>> stack = AcquiredSlices(code="MISSING_SLICES", planes=(0, 1, 3), heights_mm=(0.0, 2.0, 6.0),
        ...     ordinary_mm=2.0, shown=(0, 1, None, 2), gaps=(1,))
        >>> mask = np.zeros((4, 8, 8), dtype=bool)
        >>> mask[[0, 1, 3], 2:6, 2:6] = True
        >>> share = GapShare.of(Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (2.0, 1.0, 1.0))), stack)
        >>> share.volume_mm3, share.bridged_mm3
        (128.0, 32.0)
        """
        pixel_mm2 = segment.grid.pixel_area_mm2
        volume = slices.volume_mm3(segment.mask, pixel_mm2=pixel_mm2)
        bridged = slices.bridged_mm3(segment.mask, pixel_mm2=pixel_mm2)
        if not volume:
            volume = bridged = float(np.count_nonzero(segment.mask)) * segment.grid.voxel_volume_mm3
        return cls(volume_mm3=volume, bridged_mm3=bridged, reached=slices.reached(segment.mask), slices=slices)

    def findings(self, *, where: str) -> tuple[Finding, ...]:
        """The code of the gaps, if the mask reaches one."""
        if not self.reached:
            return ()
        volume_ml, bridged_ml = self.volume_mm3 / MM3_PER_ML, self.bridged_mm3 / MM3_PER_ML
        return (
            self.slices.remark(self.reached, volume_ml=volume_ml, bridged_ml=bridged_ml, of="the mask", where=where),
        )


def imaged_part(segment: Segment, slices: AcquiredSlices) -> Segment:
    """The segment on planes that were imaged alone; whole, if it lies on none."""
    mask = segment.mask & slices.imaged[:, None, None]
    return replace(segment, mask=mask) if mask.any() else segment


def without_gaps(segment: Segment, slices: AcquiredSlices) -> Extent:
    """The imaged slices laid one on the other, to see what hangs together; never for its size."""
    planes = list(slices.planes)
    mask = segment.mask[planes]
    if not mask.any():
        return Extent.of(segment)
    shape = (len(planes), *segment.grid.shape[1:])
    return Extent.of(replace(segment, mask=mask, grid=Grid(shape, segment.grid.affine)))
