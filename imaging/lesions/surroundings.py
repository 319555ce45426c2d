"""What lies round a lesion on one exam: distances to canal and foramina, and what of it lies outside bone."""

from __future__ import annotations

from dataclasses import dataclass

from imaging.measurement.quantity import Quantity

__all__ = ["UNKNOWN", "ForamenDistance", "Surroundings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForamenDistance:
    """How far a lesion is from one foramen; without a figure the reason says why."""

    name: str
    distance_mm: Quantity | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What lies round one lesion on one exam; what is unknown is None, and ``reason`` says why.

    Parameters
    ----------
    canal
        Shortest distance to the canal in mm; 0 is contact or overlap.
    foramina
        The same for each foramen; None where none was given.
    extraosseous
        The lesion's part outside bone in mL, bone being what it was before it was destroyed.
    breach
        Whether that part reaches 0.05 mL at every place that the borders' error allows (True), at none (False), or at
        some (None).
    """

    canal: Quantity | None = None
    foramina: tuple[ForamenDistance, ...] | None = None
    extraosseous: Quantity | None = None
    breach: bool | None = None
    reason: str | None = None


UNKNOWN = Surroundings()
