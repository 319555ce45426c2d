"""Names for the arrays that cross module borders, and how they are frozen.

Array axes of images are always (slice, row, column); points are rows of LPS millimetres, float64.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "FloatArray", "IntArray", "LabelArray", "SampleArray", "frozen"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.uint16]
SampleArray = NDArray[np.float32] | NDArray[np.int16]  # what a volume's samples may be

T = TypeVar("T", bound=np.generic)


def frozen(array: NDArray[T]) -> NDArray[T]:
    """Return the array, or a copy where others could still write to it, closed for writing.

    Examples
    --------
    >>> import numpy as np
    >>> a = frozen(np.zeros(3))
    >>> a.flags.writeable
    False
    """
    own: NDArray[Any] = array if array.flags.owndata or not array.flags.writeable else array.copy()
    own.setflags(write=False)
    return own
