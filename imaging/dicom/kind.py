"""What a file is for us: a slice of a volume, somebody's annotation, or something that is passed over, and why."""

from __future__ import annotations

from enum import Enum

from imaging.dicom import tags
from imaging.dicom.codestream import is_compressed
from imaging.dicom.facts import SOP_MODALITIES, Facts
from imaging.dicom.file import DicomFile
from imaging.dicom.pixels import pixel_format, require_size
from imaging.dicom.private import images_in_mosaic
from imaging.errors import InputError

__all__ = ["Kind", "annotation_modality", "author_of", "kind_of"]

DICOMDIR = "1.2.840.10008.1.3.10"
DIRECTORY_RECORDS = 0x00041220
ANNOTATIONS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
}
DOSE_REPORTS = {"1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.88.68", "1.2.840.10008.5.1.4.1.1.88.73"}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SCREEN = "SCREEN SAVE"  # Image Type of a photographed screen that GE stores as a CT or MR image
LOADED = {"CT", "MR"}


class Kind(Enum):
    """What becomes of a file.

    SLICE may be part of a volume. LOST belongs to a volume but cannot be used. NO_SLICE is an image that belongs to
    none. FOREIGN is an image of a modality that is not loaded. ANNOTATION is a SEG or RTSTRUCT. OTHER is no image.
    """

    SLICE = "slice"
    LOST = "lost"
    NO_SLICE = "no slice"
    FOREIGN = "foreign"
    ANNOTATION = "annotation"
    OTHER = "other"


def kind_of(file: DicomFile, facts: Facts) -> tuple[Kind, str]:
    """What the file is, and the code of why it is no slice ("" for slices and annotations)."""
    return _without_image(file, facts) or _without_slice(file, facts) or _lost(file) or (Kind.SLICE, "")


def _without_image(file: DicomFile, facts: Facts) -> tuple[Kind, str] | None:
    if file.media_class == DICOMDIR or file.elements.holds(DIRECTORY_RECORDS):
        return Kind.OTHER, "DICOMDIR"
    if facts.sop_class in ANNOTATIONS or (not facts.sop_class and facts.modality in ANNOTATIONS.values()):
        return Kind.ANNOTATION, ""
    if facts.sop_class in DOSE_REPORTS:
        return Kind.OTHER, "DOSE_REPORT"
    if file.pixels is None and facts.rows is None and facts.sop_class not in SOP_MODALITIES:
        return Kind.OTHER, "NOT_AN_IMAGE"
    return None


def _without_slice(file: DicomFile, facts: Facts) -> tuple[Kind, str] | None:
    is_capture = facts.sop_class == SECONDARY_CAPTURE or facts.sop_class.startswith(f"{SECONDARY_CAPTURE}.")
    if is_capture or SCREEN in facts.image_type:
        has_dose = any("DOSE" in value for value in facts.image_type)
        return Kind.NO_SLICE, "DOSE_REPORT" if has_dose else "SECONDARY_CAPTURE"
    if facts.modality not in LOADED:
        return Kind.FOREIGN, "UNSUPPORTED_MODALITY"
    if "LOCALIZER" in facts.image_type:
        return Kind.NO_SLICE, "LOCALIZER"
    if facts.samples_per_pixel != 1 or facts.photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        return Kind.NO_SLICE, "NOT_AN_IMAGE_SLICE"
    if "MOSAIC" in facts.image_type or (images_in_mosaic(file.elements) or 1) > 1:
        return Kind.NO_SLICE, "UNSUPPORTED_MOSAIC"  # slices tiled in one plane, whose one position is that of none
    return None


def _lost(file: DicomFile) -> tuple[Kind, str] | None:
    if file.pixels is None:
        return Kind.LOST, "TRUNCATED_PIXEL_DATA"
    try:
        is_compressed(file.syntax)
        require_size(pixel_format(file), file.pixels, file.syntax, str(file.path))
    except InputError as error:
        return Kind.LOST, error.code
    return None


def annotation_modality(facts: Facts) -> str:
    """SEG or RTSTRUCT."""
    return ANNOTATIONS.get(facts.sop_class, facts.modality)


def author_of(file: DicomFile) -> str:
    """Who made an annotation: a person's name without its separators, else the maker of the software, else ""."""
    elements = file.elements
    for tag in (tags.REVIEWER_NAME, tags.CONTENT_CREATOR_NAME, tags.OPERATORS_NAME):
        name = " ".join(elements.text(tag).replace("^", " ").split())
        if name:
            return name
    return elements.text(tags.MANUFACTURER)
