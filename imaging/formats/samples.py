"""Numbers of any stored type → the samples of a volume, without loss where they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.volume import Modality, Volume

__all__ = ["as_volume"]

INT16 = np.iinfo(np.int16)


def as_volume(
    numbers: NDArray[Any], grid: Grid, modality: Modality, *, where: str = "", findings: tuple[Finding, ...] = ()
) -> Volume:
    """A volume of a research file's numbers.

    Whole numbers that fit become int16, all others float32. What is no finite number becomes 0, is not valid, and
    gives a finding NON_FINITE_SAMPLES. CT gives a finding ASSUMED_HU, because research formats name no unit.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 3), (1.0, 1.0, 1.0))
    >>> volume = as_volume(np.array([[[1.5, np.nan, 2.0]]]), grid, Modality.MR)
    >>> volume.samples.tolist(), volume.valid.tolist()
    ([[[1.5, 0.0, 2.0]]], [[[True, False, True]]])
    """
    remarks = list(findings)
    if modality is Modality.CT:
        message = "the format names no unit; the samples were taken as Hounsfield units"
        remarks.append(Finding("ASSUMED_HU", Severity.INFO, message, where))
    if numbers.dtype.kind in "iu" and INT16.min <= numbers.min() and numbers.max() <= INT16.max:
        whole = numbers.astype(np.int16)
        return Volume(samples=whole, grid=grid, modality=modality, findings=tuple(remarks))
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # what float32 cannot hold is no finite number there: named below
        samples = numbers.astype(np.float32)
    finite = np.isfinite(samples)
    if finite.all():
        return Volume(samples=samples, grid=grid, modality=modality, findings=tuple(remarks))
    samples[~finite] = 0.0
    message = f"{int(np.count_nonzero(~finite))} samples are no finite numbers; they count as not measured"
    remarks.append(Finding("NON_FINITE_SAMPLES", Severity.WARNING, message, where))
    return Volume(samples=samples, grid=grid, modality=modality, valid=finite, findings=tuple(remarks))
