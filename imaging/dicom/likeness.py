"""Which values of a mark are one value: scanners write numbers of one acquisition that differ a little.

Rounding would not do, for two numbers on either side of a rounding limit differ however near they are. Instead the
numbers that the slices of a series have are sorted, and only a gap wider than the tolerance parts them.
"""

from __future__ import annotations

from collections.abc import Sequence

from imaging.dicom.frames import Frame
from imaging.dicom.marks import Marks

__all__ = ["Kinds", "kinds_of"]

# How far two numbers of one acquisition may lie apart: absolute, or as a fraction of the smaller.
TOLERANCES = {
    "echo_time": (0.1, 0.0),  # ms; echoes follow each other by half a millisecond and more
    "inversion_time": (1.0, 0.0),  # ms; inversions are stepped by tens
    "b_value": (2.0, 0.0),  # s/mm²; protocols step by 5 and more, what was played out is off by one
    "kvp": (1.0, 0.0),  # the two voltages of dual energy are tens of kV apart
    "flip_angle": (0.5, 0.0),  # degrees; angles are varied by whole ones
    "repetition_time": (1.0, 0.2),  # ms; triggered by pulse or breath it varies by a fifth, and the contrast little
}

Kinds = dict[str, dict[object, object]]  # by field of Marks: what each of its values stands for


def kinds_of(frames: Sequence[Frame]) -> Kinds:
    """For every field of Marks and every value that the frames have, the first value of its kind."""
    columns = zip(*[frame.marks for frame in frames], strict=True)
    return {
        field: _joined(set(column), *TOLERANCES[field])
        if field in TOLERANCES
        else dict(zip(column, column, strict=True))
        for field, column in zip(Marks._fields, columns, strict=True)
    }


def _joined(values: set[float | None], absolute: float, relative: float) -> dict[object, object]:
    """Every number with the smallest of those that a chain of small steps joins it to; None stands for itself.

    Examples
    --------
    >>> _joined({8.948, 8.952, 12.0, None}, 0.1, 0.0)[8.952]
    8.948
    """
    kinds: dict[object, object] = {None: None} if None in values else {}
    first = last = float("-inf")
    for number in sorted(value for value in values if value is not None):
        if not number - last <= max(absolute, relative * abs(last)):
            first = number
        kinds[number] = first
        last = number
    return kinds
