"""A number that can be trusted: value, unit, method, and the interval in which the truth is expected.

The interval has two parts. The *technical* one is what the image allows: voxels, the place of the outline, gaps,
registration. The *reader's* is how the same lesion comes out when it is outlined again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from imaging.coding import Code
from imaging.measurement.interval import Z95, Interval, holding, widened

__all__ = ["Quantity", "ReaderPart", "TwoPartError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPart:
    """How the figure of one lesion varies when it is outlined again, as a coefficient of variation.

    Parameters
    ----------
    floor
        The least that is assumed for such an image.
    engines
        How far the methods that proposed the mask are off; it counts until a reader has accepted it.
    readers
        Spread of two or more readers' masks of this lesion on this exam.
    accepted
        Whether a reader stands for the mask.

    Examples
    --------
    >>> part = ReaderPart(floor=0.10, engines=0.23)
    >>> part.cv, part.source, part.judged(accepted=True).cv
    (0.23, 'engines', 0.1)
    """

    floor: float
    engines: float | None = None
    readers: float | None = None
    accepted: bool = False

    @property
    def known(self) -> tuple[str, float]:
        """Whose spread counts, and how large it is."""
        if self.readers is not None and self.readers > self.floor:
            return "readers", self.readers
        if self.readers is None and not self.accepted and self.engines is not None and self.engines > self.floor:
            return "engines", self.engines
        return "floor", self.floor

    @property
    def cv(self) -> float:
        """The coefficient of variation that counts: never below the floor."""
        return self.known[1]

    @property
    def source(self) -> str:
        """Where it comes from: floor, engines or readers."""
        return self.known[0]

    def judged(self, *, accepted: bool) -> ReaderPart:
        """The part after a reader's word on the mask."""
        return replace(self, accepted=accepted)

    def of_power(self, power: float) -> ReaderPart:
        """The part of a power of the figure, to first order.

        Examples
        --------
        >>> ReaderPart(floor=0.15).of_power(2.0).cv
        0.3
        """
        return replace(
            self,
            floor=self.floor * power,
            engines=None if self.engines is None else self.engines * power,
            readers=None if self.readers is None else self.readers * power,
        )

    def times(self, other: ReaderPart) -> ReaderPart:
        """The part of the product of two figures of one outline that vary apart.

        Examples
        --------
        >>> ReaderPart(floor=0.03, engines=0.3).times(ReaderPart(floor=0.04)).cv
        0.05
        """
        return replace(
            self,
            floor=math.hypot(self.floor, other.floor),
            engines=_both(self.engines, other.engines),
            readers=_both(self.readers, other.readers),
        )


def _both(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else math.hypot(one, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPartError:
    """What an interval is made of.

    Parameters
    ----------
    technical95
        Interval of the technical part alone, holding the value.
    technical
        Its independent components: (name, coefficient of variation).
    reader
        None where nothing is assumed of the reader.

    Examples
    --------
    >>> error = TwoPartError(technical95=(9.0, 11.0), technical=(("voxel grid", 0.05),), reader=ReaderPart(floor=0.1))
    >>> error.wording
    '95 % interval from voxel grid 5.0 %, reader 10.0 % (standard deviations)'
    """

    technical95: Interval
    technical: tuple[tuple[str, float], ...]
    reader: ReaderPart | None = None

    @classmethod
    def technical_alone(cls, interval: Interval, value: float, *parts: tuple[str, Interval]) -> TwoPartError:
        """The error of a value that no reader outlined, from the 95 % range that each named part gives it.

        Examples
        --------
        >>> TwoPartError.technical_alone((1.6, 2.4), 2.0, ("registration", (1.608, 2.392))).technical
        (('registration', 0.1),)
        """
        shares = ((name, (high - low) / (2.0 * Z95 * value)) for name, (low, high) in parts if value > 0.0)
        return cls(technical95=interval, technical=tuple((name, round(cv, 9)) for name, cv in shares))

    @property
    def wording(self) -> str:
        """The parts in words, for a quantity's method."""
        parts = [f"{name} {100 * cv:.1f} %" for name, cv in self.technical]
        if self.reader is None:
            parts.append("reader not included")
        else:
            whose = {"floor": "reader", "engines": "spread of engines", "readers": "spread of readers"}
            parts.append(f"{whose[self.reader.source]} {100 * self.reader.cv:.1f} %")
        return f"95 % interval from {', '.join(parts)} (standard deviations)"

    def interval95(self, value: float) -> Interval:
        """Both parts together, holding the value."""
        if self.reader is None:
            return self.technical95
        return holding(widened(self.technical95, self.reader.cv), value)


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
    error
        What the interval is made of, where that is known.

    Examples
    --------
    >>> Quantity(12.3, "mL", "voxel sum", (11.8, 12.9)).scaled(2.0).interval95
    (23.6, 25.8)
    """

    value: float
    unit: str
    method: str
    interval95: Interval | None = None
    code: Code | None = None
    error: TwoPartError | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value):
            raise ValueError(f"a quantity is finite; unknown is None ({self.method})")
        if self.interval95 is not None:
            object.__setattr__(self, "interval95", self._held(self.interval95))
        if self.error is not None:
            object.__setattr__(self, "error", replace(self.error, technical95=self._held(self.error.technical95)))

    def _held(self, interval: Interval) -> Interval:
        low, high = float(interval[0]), float(interval[1])
        if not (math.isfinite(low) and math.isfinite(high) and low <= self.value <= high):
            raise ValueError(f"interval95 ({low}, {high}) must hold the value {self.value} ({self.method})")
        return low, high

    @classmethod
    def with_error(
        cls, value: float, unit: str, method: str, error: TwoPartError, code: Code | None = None
    ) -> Quantity:
        """A value with its interval from both parts, which the method names.

        Examples
        --------
        >>> error = TwoPartError(technical95=(9.0, 11.0), technical=(("voxel grid", 0.05),))
        >>> Quantity.with_error(10.0, "mL", "voxel sum", error).method
        'voxel sum; 95 % interval from voxel grid 5.0 %, reader not included (standard deviations)'
        """
        return cls(value, unit, f"{method}; {error.wording}", error.interval95(value), code, error)

    def judged(self, *, accepted: bool) -> Quantity:
        """The quantity after a reader's word on the mask: the spread of engines counts until then.

        Examples
        --------
        >>> reader = ReaderPart(floor=0.1, engines=0.3)
        >>> error = TwoPartError(technical95=(9.9, 10.1), technical=(), reader=reader)
        >>> proposed = Quantity.with_error(10.0, "mL", "voxel sum", error)
        >>> [round(bound, 1) for q in (proposed, proposed.judged(accepted=True)) for bound in q.interval95]
        [5.6, 17.8, 8.2, 12.2]
        """
        if self.error is None or self.error.reader is None:
            return self
        error = replace(self.error, reader=self.error.reader.judged(accepted=accepted))
        method = self.method.replace(self.error.wording, error.wording)
        return replace(self, method=method, interval95=error.interval95(self.value), error=error)

    def scaled(self, factor: float) -> Quantity:
        """The quantity times a non-negative factor, with its interval."""
        bounds = self.interval95 and (self.interval95[0] * factor, self.interval95[1] * factor)
        error = self.error
        if error is not None:
            low, high = error.technical95
            error = replace(error, technical95=(low * factor, high * factor))
        return Quantity(self.value * factor, self.unit, self.method, bounds, self.code, error)
