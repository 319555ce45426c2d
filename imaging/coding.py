"""Coded concepts: what a number or a segment *means*, in the vocabularies that other systems read.

SCT = SNOMED CT, DCM = DICOM PS3.16, IBSI = Image Biomarker Standardisation Initiative, UCUM = units.
Bone cement has no code in any DICOM context group, so it is the standard's nearest concept (Implant) plus its label.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BONE_METASTASIS",
    "IMPLANT",
    "LEFT",
    "RIGHT",
    "SACRUM",
    "Code",
]


@dataclass(frozen=True, slots=True)
class Code:
    """A concept as (value, scheme, meaning); equality is value and scheme, because meanings are reworded over time.

    Examples
    --------
    >>> Code("54735007", "SCT", "Sacrum").same_as(Code("54735007", "SCT", "Sacral bone"))
    True
    """

    value: str
    scheme: str
    meaning: str

    def same_as(self, other: Code) -> bool:
        """Whether the two name one concept, however they word it."""
        return (self.value, self.scheme) == (other.value, other.scheme)


BONE_METASTASIS = Code("94222008", "SCT", "Bony metastasis")
IMPLANT = Code("40388003", "SCT", "Implant")
SACRUM = Code("54735007", "SCT", "Sacrum")
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
