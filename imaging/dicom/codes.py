"""Every code that reading DICOM may give: what it means, and what to do.

A code is for good: it may gain a better message, never another meaning. A file or series that is *refused* is not
loaded; a *warning* travels with every figure that rests on the series; a *note* says what was found and done; what is
*passed over* is listed with its path. Some codes end in several ways, as one damaged slice in the middle of a stack
refuses the series and at its end is left out with a warning.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CODES", "Code", "as_markdown"]


class Code(NamedTuple):
    """``outcomes`` are words out of refused, warning, note, passed over."""

    outcomes: str
    meaning: str
    remedy: str


FETCH = "fetch the series again from the archive"
CHECK = "compare with the scanner's or the archive's count of images"

PLACES = {
    "MISSING_SLICES": Code(
        "refused", "gaps of whole slices within the stack", f"{FETCH}, or load it with --accept-gaps"
    ),
    "NON_UNIFORM_SPACING": Code("refused", "slices are unevenly spaced", "load it with --accept-gaps"),
    "INCOMPLETE_SERIES": Code("warning, note", "counts or numbers say that images are absent", CHECK),
    "DUPLICATE_POSITION": Code("refused", "two different images of one place", "find out which of them is meant"),
    "DUPLICATE_INSTANCE": Code("warning, passed over", "copies of slices, equal in place and values", "nothing"),
    "DUPLICATE_UID": Code("warning", "one instance UID on different images", "tell the sender; UIDs are not unique"),
    "GANTRY_TILT": Code("warning", "the stack leans; its sheared geometry is kept", "nothing; volumes are right"),
    "MISSING_POSITION": Code(
        "refused, warning, passed over", "slices without Image Position or Orientation (Patient)", FETCH
    ),
    "MISSING_PIXEL_SPACING": Code(
        "refused", "no Pixel Spacing; the detector's Imager Pixel Spacing is never taken for it", FETCH
    ),
    "BAD_NUMBER": Code("refused, warning", "a value that is no finite number, or decimals with a comma", FETCH),
    "BAD_ORIENTATION": Code("refused", "orientation is not two unit vectors at a right angle", FETCH),
    "MIXED_ORIENTATION": Code(
        "refused, warning, passed over", "images of several orientations under one series UID", "see which were loaded"
    ),
    "MIXED_GEOMETRY": Code(
        "refused, warning, passed over", "several matrices, pixel spacings or in-plane places in one series", FETCH
    ),
    "NOT_A_VOLUME": Code("refused", "one slice only, or all slices at one position", "choose another series"),
    "FEW_SLICES": Code("warning", "two slices: nothing shows whether one is missing between", CHECK),
    "MULTIPLE_VOLUMES": Code(
        "refused, note", "several volumes in one series", "choose one by its id; refused: export them as series"
    ),
    "MIXED_ACQUISITION": Code(
        "warning",
        "slices of one volume differ in what one acquisition shares: echo time, contrast agent, scanner, date, …",
        "see whether they belong together",
    ),
    "MULTIPLE_FRAME_OF_REFERENCE": Code(
        "warning", "parts of the series share no common space, or some name none", "compare them by registration only"
    ),
    "CONCATENATION": Code("refused, warning, note", "one image in several files; all parts are needed", FETCH),
    "FRAME_COUNT_MISMATCH": Code("refused, warning", "frames declared and frames described differ", FETCH),
    "UNSUPPORTED_MOSAIC": Code(
        "refused, passed over", "all slices tiled in one plane", "export the series without mosaic, or as enhanced MR"
    ),
    "UID_COLLISION": Code(
        "refused, warning",
        "several patients, studies or modalities under one series UID",
        "never mixed; repair the IDs",
    ),
    "PATIENT_CONTRADICTED": Code(
        "warning", "one Patient ID with two birth dates, sexes or names", "check that the images are of one patient"
    ),
    "MISSING_SERIES_UID": Code("note", "no series UID; one is derived from the content", "nothing"),
}
VALUES = {
    "LOSSY": Code("warning", "compressed with loss; values near edges are altered", "measure on the original"),
    "VALUE_SCALE": Code(
        "note", "another scale (Philips' private one, a real world value map) is there and not applied", "nothing"
    ),
    "TRUNCATED_PIXEL_DATA": Code("refused, warning, passed over", "less pixel data than declared", FETCH),
    "UNREADABLE_PIXEL_DATA": Code("refused", "compressed pixel data is damaged", FETCH),
    "UNSUPPORTED_TRANSFER_SYNTAX": Code(
        "refused, warning, passed over", "a compression that is not read", "export it as JPEG 2000 lossless or raw"
    ),
    "UNSUPPORTED_PIXELS": Code("refused, warning, passed over", "an unknown layout of samples", "export it anew"),
    "DECLARED_SIZE_TOO_LARGE": Code(
        "refused, warning, passed over", "a size beyond any image, or beyond what the file can hold", FETCH
    ),
    "EMPTY_SLICE": Code("note", "slices that hold one value throughout", "look at them"),
    "ASSUMED_HU": Code(
        "warning, note", "a CT, or slices of one, without rescale; taken for Hounsfield units", "check air and water"
    ),
    "NOT_HU": Code("warning", "the header says that values are not Hounsfield units", "use no threshold in HU"),
}
FILES = {
    "NOT_A_FILE": Code("passed over", "absent, a pipe, a device or a broken link", "check the path"),
    "NOT_DICOM": Code("passed over", "no DICOM file by its content", "nothing"),
    "EMPTY_FILE": Code("passed over", "a file without a byte", FETCH),
    "UNREADABLE_FILE": Code("passed over", "damaged DICOM, a file of zeros, or no permission", FETCH),
    "UNREADABLE_FOLDER": Code("passed over", "a folder that may not be listed", "check its permissions"),
    "CHANGED_FILE": Code("refused", "the file changed between scan and load", "scan again when the copying is done"),
    "LINK_OUTSIDE": Code("passed over", "a link that leads out of the folder", "scan its target by name"),
    "UNSAFE_NAME": Code("passed over", "a member or reference whose name leads out of its folder", "do not trust it"),
    "INFLATE_LIMIT": Code("passed over", "deflated data that grows beyond any honest image", "do not trust it"),
    "NESTING_TOO_DEEP": Code("passed over", "sequences nested beyond any honest header", "do not trust it"),
    "PREAMBLE_NOT_ZERO": Code("note", "foreign bytes before the DICOM header; ignored", "nothing"),
    "UNREADABLE_ZIP": Code("passed over", "a damaged zip archive or member", "pack it again"),
    "ZIP_LIMIT": Code("passed over", "an archive larger, or inflating further, than an honest one", "do not trust it"),
    "UNSUPPORTED_ZIP_METHOD": Code("passed over", "a zip member that is neither stored nor deflated", "unpack it"),
    "ENCRYPTED_MEMBER": Code("passed over", "a zip member under a password", "unpack it"),
    "DUPLICATE_MEMBER": Code("passed over", "two members of one name in a zip archive", "do not trust it"),
    "NESTED_ZIP": Code("passed over", "an archive within an archive", "unpack the outer one"),
}
NO_VOLUME = {
    "LOCALIZER": Code("refused, note, passed over", "a localizer is no slice of a volume", "nothing"),
    "SECONDARY_CAPTURE": Code("refused, note, passed over", "a captured screen has no place in the patient", "nothing"),
    "DOSE_REPORT": Code("refused, note, passed over", "a dose report or its screen", "nothing"),
    "NOT_AN_IMAGE_SLICE": Code("refused, note, passed over", "colour or other images among slices", "nothing"),
    "NOT_AN_IMAGE": Code("passed over", "a report, presentation state, plan or other object", "nothing"),
    "UNSUPPORTED_MODALITY": Code("refused", "only CT and MR are measured", "choose another series"),
    "DICOMDIR": Code("passed over", "a directory of files, which are read themselves", "nothing"),
}
ANNOTATIONS = {
    "NOT_RTSTRUCT": Code("refused", "the file is no RTSTRUCT", "name another file"),
    "NO_CONTOURS": Code("refused", "no ROI has a closed contour", "export the contours anew"),
    "BAD_CONTOUR": Code("refused", "a contour that is no list of points", "export the contours anew"),
    "CONTOUR_OFF_SLICE": Code(
        "refused, warning", "contours that lie in no slice of the image", "name their own series"
    ),
    "CONTOUR_GAP": Code("warning", "slices without contours between others; they count as empty", "complete them"),
    "CONTOURS_SHARE_SLICE": Code(
        "warning", "contours of several planes in one slice; the nearest counts", "look at it"
    ),
    "CONTOUR_REPEATED": Code("warning", "contours stored twice; each counts once", "nothing"),
    "CONTOURS_CROSS": Code("warning", "contours cross; what both enclose counts as a hole", "look at it"),
    "CONTOUR_OUTSIDE_IMAGE": Code("warning", "contours cut at the image's edge", "look at it"),
    "FRAME_OF_REFERENCE_UNKNOWN": Code("warning", "nothing says that contours and image share a space", "look at it"),
    "OTHER_REFERENCE_SERIES": Code("note", "contours drawn on another series of the same space", "nothing"),
    "NOT_SEG": Code("refused", "the file is no DICOM segmentation", "name another file"),
    "BAD_HEADER": Code("refused", "frames declared and frames described differ", "export it anew"),
    "NO_GEOMETRY": Code("refused", "a frame does not say where it lies", "export it anew"),
    "BAD_GEOMETRY": Code("refused", "an impossible grid", "export it anew"),
    "INCONSISTENT_ORIENTATION": Code("refused", "frames turned against each other", "export it anew"),
    "UNEVEN_SLICES": Code("refused", "frames beside a regular stack", "export it anew"),
    "NO_SLICE_DISTANCE": Code("refused", "nothing tells how thick the only slice is", "export it with its spacing"),
    "SLICE_DISTANCE_ASSUMED": Code("warning", "one slice; its thickness was taken for its extent", "check the volume"),
    "SLICE_DISTANCE_CONTRADICTED": Code("warning", "spacing and positions differ; positions count", "check the volume"),
    "SLICE_DISTANCE_UNCERTAIN": Code("warning", "too few frames to be sure of the spacing", "check the volume"),
    "UNSUPPORTED_DATA_TYPE": Code("refused", "a segmentation of an unknown type", "export it as binary"),
    "TOO_MANY_LABELS": Code("refused", "masks beyond memory", "choose one with #label"),
    "EMPTY_SEGMENT": Code("warning", "a segment without a voxel", "look at it"),
    "FRACTIONAL_SEGMENT": Code("note", "a fractional segment; voxels from one half on were taken", "nothing"),
}
CODES: dict[str, Code] = {**PLACES, **VALUES, **FILES, **NO_VOLUME, **ANNOTATIONS}


def as_markdown() -> str:
    """The table as it stands in the README.

    Examples
    --------
    >>> as_markdown().splitlines()[2][:42]
    '| MISSING_SLICES | refused | gaps of whole'
    """
    head = ["| code | ends as | what it means | what to do |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(code)} |" for name, code in CODES.items())])
