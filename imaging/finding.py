"""A coded remark that travels with every figure that it touches.

Input that is irregular but readable gives a finding; only what is unusable raises (see :mod:`imaging.errors`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How much a reader must care: a note, a doubt about a figure, or a figure that cannot be given."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark: a stable code, its severity, a sentence for a person, and what it is about.

    Messages hold no patient name and no free DICOM text.

    Examples
    --------
    >>> Finding("GANTRY_TILT", Severity.WARNING, "slices lean by 15.0°; the sheared geometry is kept", "1.2.3").code
    'GANTRY_TILT'
    """

    code: str
    severity: Severity
    message: str
    where: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z0-9_]+", self.code):
            raise ValueError(f"a finding's code is written in capitals, digits and _; got {self.code!r}")
