"""A number that can be trusted: value, unit, method, and the interval in which the truth is expected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imaging.coding import Code

__all__ = ["Quantity"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value.

    Parameters
    ----------
    value
        Finite; an unknown quantity is None, never a Quantity.
    unit
        UCUM, but for volumes, which are shown in mL.
    method
        How it was obtained, for a reader.
    interval95
        (low, high) holding the value; None where no error model applies.
    code
        The concept in IBSI or DICOM vocabulary, where there is one.

    Examples
    --------
    >>> Quantity(12.3, "mL", "voxel sum", (11.8, 12.9)).scaled(2.0).interval95
    (23.6, 25.8)
    """

    value: float
    unit: str
    method: str
    interval95: tuple[float, float] | None = None
    code: Code | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value):
            raise ValueError(f"a quantity is finite; unknown is None ({self.method})")
        if self.interval95 is not None:
            low, high = float(self.interval95[0]), float(self.interval95[1])
            if not (math.isfinite(low) and math.isfinite(high) and low <= self.value <= high):
                raise ValueError(f"interval95 ({low}, {high}) must hold the value {self.value} ({self.method})")
            object.__setattr__(self, "interval95", (low, high))

    def scaled(self, factor: float) -> Quantity:
        """The quantity times a non-negative factor, with its interval."""
        bounds = self.interval95 and (self.interval95[0] * factor, self.interval95[1] * factor)
        return Quantity(self.value * factor, self.unit, self.method, bounds, self.code)
