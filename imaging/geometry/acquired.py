"""The slices of a stack with gaps, on a regular grid that has a plane for more than was imaged.

Decision (2026-11-23, for series that are loaded with their gaps because somebody asked for it). A grid is regular, so
a stack with gaps is put on the regular grid whose planes its slices meet, and two things are remembered that the grid
cannot tell: which plane holds which slice, and how far apart the slices truly are.

- Missing slices (gaps that are multiples of one spacing): every slice lies on a plane of the full grid. The planes
  between were not imaged; their samples are no measurement (``Volume.valid`` is False) and nothing is put into them.
- Uneven slices: the grid's planes are finer than the slices, and a plane shows the slice that is nearest along the
  stack, unchanged. In a gap of more than three times the usual distance something must be missing: there a plane shows
  a slice as far as half the usual distance from it, and the rest is not valid.

No sample is interpolated or moved within its plane. A volume is the sum over the imaged slices of their voxels times
the slice's *own* extent, from halfway to the slice below to halfway to the slice above: on an even stack that is the
voxel sum, and here it is the only voxel sum in a native grid there can be. What a mask holds on planes that were not
imaged does not count, so the figure does not depend on whether somebody painted over the gap. Over a gap this is the
trapezoid rule, which is an assumption about the patient: figures of a mask that reaches a gap say so, and their
interval holds everything from nothing in the gap to twice as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.finding import Finding, Severity
from imaging.geometry.grid import Grid

__all__ = ["AcquiredSlices", "volume_over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquiredSlices:
    """Which planes of a grid were imaged, and where the slices truly are.

    Parameters
    ----------
    code
        MISSING_SLICES or NON_UNIFORM_SPACING.
    planes
        For every slice, the grid's plane it lies on; ascending.
    heights_mm
        For every slice, its true place along the normal, from the grid's plane 0.
    ordinary_mm
        The distance of neighbours that is no gap.
    shown
        For every plane of the grid, the slice whose samples it holds; None where nothing was imaged.
    gaps
        The slices after which the distance to the next is not the ordinary one.

    Examples
    --------
    >>> stack = AcquiredSlices(code="MISSING_SLICES", planes=(0, 1, 3), heights_mm=(0.0, 2.0, 6.0), ordinary_mm=2.0,
    ...     shown=(0, 1, None, 2), gaps=(1,))
    >>> stack.extents_mm.tolist(), stack.imaged.tolist()
    ([2.0, 3.0, 3.0], [True, True, False, True])
    """

    code: str
    planes: tuple[int, ...]
    heights_mm: tuple[float, ...]
    ordinary_mm: float
    shown: tuple[int | None, ...]
    gaps: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.planes) != len(self.heights_mm) or any(b <= a for a, b in pairwise(self.planes)):
            raise ValueError("every slice has a plane of its own, in the order of the stack")
        if any(self.shown[plane] != number for number, plane in enumerate(self.planes)):
            raise ValueError("a slice is shown on its own plane")

    @property
    def extents_mm(self) -> FloatArray:
        """How thick each slice counts: from halfway to the one below to halfway to the one above.

        The first and last reach outwards as far as inwards; where slices are missing, by the ordinary distance.
        """
        half = np.diff(np.asarray(self.heights_mm, dtype=np.float64)) / 2
        ordinary = [self.ordinary_mm / 2]
        first, last = (ordinary, ordinary) if self.code == "MISSING_SLICES" else (half[:1], half[-1:])
        return np.asarray(np.concatenate([first, half]) + np.concatenate([half, last]), dtype=np.float64)

    @property
    def imaged(self) -> BoolArray:
        """For every plane of the grid, whether a slice was made there."""
        planes = np.zeros(len(self.shown), dtype=bool)
        planes[list(self.planes)] = True
        return planes

    def volume_mm3(self, mask: BoolArray, *, pixel_mm2: float) -> float:
        """The sum over the imaged slices of their voxels of the mask times each slice's own extent."""
        return float(self._areas(mask) @ self.extents_mm) * pixel_mm2

    def reached(self, mask: BoolArray) -> tuple[int, ...]:
        """The gaps that the mask crosses or ends at: it holds a voxel of a slice beside the gap, or of one within."""
        planes = np.asarray(mask.any(axis=(1, 2)))
        return tuple(gap for gap in self.gaps if planes[self.planes[gap] : self.planes[gap + 1] + 1].any())

    def bridged_mm3(self, mask: BoolArray, *, pixel_mm2: float) -> float:
        """The part of the volume that stands for space beyond the ordinary distance of slices."""
        areas = self._areas(mask)
        beyond = [self.heights_mm[gap + 1] - self.heights_mm[gap] - self.ordinary_mm for gap in self.gaps]
        means = [(areas[gap] + areas[gap + 1]) / 2 for gap in self.gaps]
        return float(sum(max(more, 0.0) * mean for more, mean in zip(beyond, means, strict=True))) * pixel_mm2

    def remark(self, reached: tuple[int, ...], *, volume_ml: float, bridged_ml: float, of: str, where: str) -> Finding:
        """What stands beside the figures of something that reaches these gaps.

        Parameters
        ----------
        volume_ml, bridged_ml
            Its volume, and the part of it that stands for space that was not imaged.
        of
            What it is, with its article.
        """
        if self.code == "MISSING_SLICES":
            missing = sum(self.missing_within(gap) for gap in reached)
            seen = f"{of} reaches {_counted(len(reached), 'gap')} that {_counted(missing, 'missing slice')} left"
        else:
            widths = [self.heights_mm[gap + 1] - self.heights_mm[gap] for gap in reached]
            seen = (
                f"{of} reaches slices that are {min(widths):.2f} to {max(widths):.2f} mm apart, usually "
                f"{self.ordinary_mm:.2f} mm"
            )
        counted = (
            f"{bridged_ml:.2f} of its {volume_ml:.2f} mL stand for space that was not imaged, taken from the slices "
            "beside it; the interval allows for none to twice as much"
        )
        return Finding(self.code, Severity.WARNING, f"{seen}: {counted}", where)

    def plane_shown(self, plane: int) -> int:
        """The plane of the slice whose samples a plane shows; itself, where nothing was imaged."""
        number = self.shown[plane]
        return plane if number is None else self.planes[number]

    def height_of(self, plane: int, step_mm: float) -> float:
        """Where the slice on a plane truly lies along the normal; the plane's own height, where there is none."""
        return self.heights_mm[self.planes.index(plane)] if plane in self.planes else plane * step_mm

    def missing_within(self, gap: int) -> int:
        """How many slices are missing in a gap, by the ordinary distance."""
        return round((self.heights_mm[gap + 1] - self.heights_mm[gap]) / self.ordinary_mm) - 1

    def nearest(self, samples: NDArray[Any]) -> NDArray[Any]:
        """The samples with the nearest slice on every plane: to look at, never to be measured."""
        planes = np.asarray(self.planes)
        nearest = planes[np.abs(np.arange(len(self.shown))[:, None] - planes).argmin(axis=1)]
        return np.asarray(samples[nearest])

    def spread(self, slices: NDArray[Any]) -> NDArray[Any]:
        """The slices, in the order of the stack, on the grid's planes; 0 (or False) where nothing was imaged."""
        whole = np.zeros((len(self.shown), *slices.shape[1:]), dtype=slices.dtype)
        for plane, number in enumerate(self.shown):
            if number is not None:
                whole[plane] = slices[number]
        return whole

    def cropped(self, start: int, stop: int) -> AcquiredSlices | None:
        """The slices of the planes ``[start:stop]``; None where there is none."""
        kept = [number for number, plane in enumerate(self.planes) if start <= plane < stop]
        if not kept:
            return None
        first = kept[0]
        return AcquiredSlices(
            code=self.code,
            planes=tuple(self.planes[number] - start for number in kept),
            heights_mm=tuple(self.heights_mm[number] for number in kept),
            ordinary_mm=self.ordinary_mm,
            shown=tuple(
                None if number is None or number not in kept else number - first for number in self.shown[start:stop]
            ),
            gaps=tuple(gap - first for gap in self.gaps if gap in kept and gap + 1 in kept),
        )

    def _areas(self, mask: BoolArray) -> FloatArray:
        return np.asarray(np.count_nonzero(mask[list(self.planes)], axis=(1, 2)), dtype=np.float64)


def volume_over(slices: AcquiredSlices | None, mask: BoolArray, grid: Grid) -> float:
    """Voxel sum in mL, each imaged slice with its own extent where the stack has gaps.

    Examples
    --------
    >>> volume_over(None, np.ones((2, 10, 10), bool), Grid.from_spacing((2, 10, 10), (5.0, 1.0, 1.0)))
    1.0
    """
    if slices is None:
        return float(np.count_nonzero(mask) * grid.voxel_volume_mm3 / 1000)
    return slices.volume_mm3(mask, pixel_mm2=grid.pixel_area_mm2) / 1000


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
