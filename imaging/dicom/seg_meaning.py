"""What a segment shows, from its codes; its label only where the standard has no code for the material."""

from __future__ import annotations

from imaging.coding import BONE_METASTASIS, IMPLANT, SACRUM, Code
from imaging.segmentation.segment import SegmentKind

__all__ = ["kind_of"]

# PS3.16 CID 7150 Segmentation Property Categories, in SNOMED CT and in the older SRT spelling.
MORPHOLOGICALLY_ALTERED = (
    Code("49755003", "SCT", "Morphologically Altered Structure"),
    Code("M-01000", "SRT", "Morphologically Altered Structure"),
)
BONE = (Code("272673000", "SCT", "Bone"), Code("T-D016E", "SRT", "Bone"), SACRUM)
MATERIAL_WORDS = {
    SegmentKind.CEMENT: ("cement", "pmma"),
    SegmentKind.EMBOLIC: ("embol", "glue", "lipiodol", "nbca"),
    SegmentKind.METAL: ("metal", "screw", "coil"),
}


def kind_of(category: Code, meaning: Code, label: str) -> SegmentKind:
    """The kind of segment; UNKNOWN where the codes do not say plainly.

    Examples
    --------
    >>> kind_of(Code("49755003", "SCT", ""), Code("86049000", "SCT", "Neoplasm, Primary"), "x").value
    'lesion'
    >>> kind_of(Code("260787004", "SCT", "Physical object"), IMPLANT, "Bone cement").value
    'cement'
    """
    if meaning.same_as(BONE_METASTASIS) or any(category.same_as(code) for code in MORPHOLOGICALLY_ALTERED):
        return SegmentKind.LESION
    if any(meaning.same_as(code) for code in BONE):
        return SegmentKind.BONE
    if meaning.same_as(IMPLANT):
        words = label.casefold()
        named = (kind for kind, parts in MATERIAL_WORDS.items() if any(part in words for part in parts))
        return next(named, SegmentKind.UNCLASSIFIED)
    return SegmentKind.UNKNOWN
