"""What the image shows inside a mask: mean, spread and percentiles of the samples, never of the padding."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.measurement.concept import INTENSITY
from imaging.measurement.extent import Extent
from imaging.measurement.quantity import Quantity
from imaging.volume import Modality, Volume

__all__ = ["intensity_of"]

UNITS = {Modality.CT: "[hnsf'U]", Modality.MR: "[arb'U]"}  # UCUM: Hounsfield unit, arbitrary unit
PERCENTILES = {"p10": 10.0, "median": 50.0, "p90": 90.0}


def intensity_of(extent: Extent, volume: Volume) -> Mapping[str, Quantity] | None:
    """Mean, sd, min, median, max, p10 and p90 of the image's samples under the mask; None if none was measured.

    The standard deviation divides by n (the root of IBSI's variance ECT3); percentiles are interpolated linearly
    between samples. MR samples have no absolute meaning: compare them within one series only.

    Parameters
    ----------
    extent
        The mask, cropped.
    volume
        The image, on the grid from which the extent was cropped.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> image = Volume(samples=np.array([[[10, 20, 60, 99]]], dtype=np.int16), grid=grid, modality=Modality.CT)
    >>> under = intensity_of(Extent.of(Segment(mask=image.samples < 99, grid=grid)), image)
    >>> under["mean"].value, under["max"].value, under["mean"].unit
    (30.0, 60.0, "[hnsf'U]")
    """
    inside = extent.mask if volume.valid is None else extent.mask & volume.valid[extent.box]
    samples = np.sort(volume.samples[extent.box][inside], kind="stable")  # of int16, a radix sort
    if samples.size == 0:
        return None
    values = {
        "mean": samples.mean(dtype=np.float64),
        "sd": samples.std(dtype=np.float64),
        "min": samples[0],
        "max": samples[-1],
        **{name: _percentile(samples, percent) for name, percent in PERCENTILES.items()},
    }
    unit = UNITS[volume.modality]
    return MappingProxyType(
        {
            name: Quantity(
                float(values[name]), unit, f"{name} of the samples under the mask", None, INTENSITY.get(name)
            )
            for name in ("mean", "sd", "min", "median", "max", "p10", "p90")
        }
    )


def _percentile(ascending: NDArray[Any], percent: float) -> float:
    """Linear between the two samples on either side of the place."""
    place = (len(ascending) - 1) * percent / 100.0
    below = int(place)
    low, high = float(ascending[below]), float(ascending[min(below + 1, len(ascending) - 1)])
    return low + (high - low) * (place - below)
