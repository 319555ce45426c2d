"""The quick way and the careful way through a folder, compared field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imaging.dicom.row import read_row
from imaging.dicom.scan import indexed, scan


def plain(value: Any) -> Any:
    """A value with all that is in it, comparable by ==, NaN and errors too."""
    if is_dataclass(value):
        return type(value).__name__, {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return type(value).__name__, [plain(part) for part in value]
    return repr(value)


def assert_both_ways_agree(paths: Sequence[Path]) -> None:
    assert plain(scan(paths)) == plain(indexed(paths, read_row))
