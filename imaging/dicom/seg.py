"""DICOM Segmentation, read: one mask for every segment, on the lattice of the SEG's own frames.

Source: DICOM PS3.3 A.51 (Segmentation), C.8.20 (Segmentation Image, Segment Description), C.7.6.16 (functional groups).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.coding import Code
from imaging.dicom.damage import damage_named
from imaging.dicom.elements import Elements
from imaging.dicom.file import open_dicom
from imaging.dicom.seg_lattice import Lattice, PlaneMeasures, lattice_of
from imaging.dicom.seg_meaning import kind_of
from imaging.dicom.seg_pixels import stored_frames
from imaging.errors import InputError, UnreadableFile
from imaging.finding import Finding, Severity
from imaging.provenance import Provenance
from imaging.segmentation.choice import is_chosen, segment_not_found
from imaging.segmentation.segment import Segment, Status
from imaging.study.series import SeriesUid

__all__ = ["read_seg"]

SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation, Label Map Segmentation
UNKNOWN_AUTHOR = "SEG author unknown"
FRACTION = 0.5  # a voxel of a fractional segment belongs to it from this part on
MAX_MASK_BYTES = 8 * 2**30  # what all masks of a file may need together

SOP_CLASS, REFERENCED_SERIES, SERIES_UID = 0x00080016, 0x00081115, 0x0020000E
CODE_VALUE, CODE_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
ROWS, COLUMNS, FRAMES, BITS_ALLOCATED = 0x00280010, 0x00280011, 0x00280008, 0x00280100
SEGMENTATION_TYPE, MAXIMUM_FRACTION, CREATOR = 0x00620001, 0x0062000E, 0x00700084
SEGMENTS, NUMBER, LABEL, CATEGORY, MEANING = 0x00620002, 0x00620004, 0x00620005, 0x00620003, 0x0062000F
ALGORITHM_TYPE, ALGORITHM_NAME, TRACKING_UID = 0x00620008, 0x00620009, 0x00620021
SEGMENT_IDENTIFICATION, REFERENCED_SEGMENT = 0x0062000A, 0x0062000B
SHARED, PER_FRAME = 0x52009229, 0x52009230
PLANE_POSITION, POSITION = 0x00209113, 0x00200032
PLANE_ORIENTATION, ORIENTATION = 0x00209116, 0x00200037
PIXEL_MEASURES, PIXEL_SPACING, SLICE_SPACING, THICKNESS = 0x00289110, 0x00280030, 0x00180088, 0x00180050


@dataclass(frozen=True, slots=True, eq=False)
class _Header:
    root: Elements
    shared: Elements | None
    frames: tuple[Elements, ...]
    where: str

    def group(self, frame: Elements, tag: int) -> Elements:
        """A functional group of a frame, its own or the shared one."""
        found = frame.item(tag) or (self.shared.item(tag) if self.shared else None)
        if found is None:
            raise InputError("a frame does not say where it lies", code="NO_GEOMETRY", where=self.where)
        return found


def read_seg(path: Path, *, choice: str | None = None) -> tuple[Segment, ...]:
    """One segment for every segment number, on the regular stack that bounds all of the SEG's frames.

    Frames that were left out because they are empty are empty slices here. Fractional segments hold a voxel from one
    half on. Segments may overlap, but in a label map.

    Parameters
    ----------
    path
        The SEG file.
    choice
        Only the segment of this number or label.

    Returns
    -------
    tuple[Segment, ...]
        In the file's order; accepted by the content's creator, who is named.

    Raises
    ------
    UnreadableFile
        No SEG.
    InputError
        By code: NO_GEOMETRY, UNEVEN_SLICES, TRUNCATED_PIXEL_DATA, DECLARED_SIZE_TOO_LARGE, TOO_MANY_LABELS, …
    UsageError
        The chosen segment is not in the file.
    """
    with damage_named(path):
        return _read(path, choice)


def _read(path: Path, choice: str | None) -> tuple[Segment, ...]:
    file = open_dicom(path)
    root = file.elements
    if root.text(SOP_CLASS) not in SEGMENTATION:
        raise UnreadableFile("the file is no DICOM segmentation", code="NOT_SEG", where=path.name)
    header = _Header(root, root.item(SHARED), root.items(PER_FRAME), path.name)
    shape = (root.integer(FRAMES) or 1, root.integer(ROWS) or 0, root.integer(COLUMNS) or 0)
    if len(header.frames) != shape[0] or min(shape) < 1:
        raise InputError(
            f"{shape[0]} frames of {shape[1]} × {shape[2]} are declared and {len(header.frames)} described",
            code="BAD_HEADER",
            where=path.name,
        )
    lattice = _lattice(header, shape)
    meant = _chosen(root, choice, path.name)
    if len(meant) * np.prod(lattice.grid.shape, dtype=np.int64) > MAX_MASK_BYTES:
        raise InputError(
            f"{len(meant)} masks of {lattice.grid.shape} do not fit in memory; choose one with #label",
            code="TOO_MANY_LABELS",
            where=path.name,
        )
    stored = stored_frames(file, shape, root.integer(BITS_ALLOCATED) or 0)
    return tuple(_segment(header, item, lattice, stored) for item in meant)


def _chosen(root: Elements, choice: str | None, where: str) -> list[Elements]:
    """The items of the Segment Sequence that are meant; number 0 is a label map's background."""
    items = [item for item in root.items(SEGMENTS) if (item.integer(NUMBER) or 0) > 0]
    found = [item for item in items if is_chosen(choice, item.integer(NUMBER) or 0, item.text(LABEL))]
    if choice is not None and not found:
        raise segment_not_found(choice, [item.integer(NUMBER) or 0 for item in items], where)
    return found


def _lattice(header: _Header, shape: tuple[int, int, int]) -> Lattice:
    measures = [header.group(frame, PIXEL_MEASURES) for frame in header.frames]
    spacings = _numbers(measures, PIXEL_SPACING, 2, header.where)
    if (spacings <= 0).any() or (spacings != spacings[0]).any():
        raise InputError("the frames' pixel spacings are impossible or differ", code="NO_GEOMETRY", where=header.where)
    positions = _numbers([header.group(frame, PLANE_POSITION) for frame in header.frames], POSITION, 3, header.where)
    orientations = _numbers(
        [header.group(frame, PLANE_ORIENTATION) for frame in header.frames], ORIENTATION, 6, header.where
    )
    plane = PlaneMeasures(
        rows=shape[1],
        columns=shape[2],
        pixel_spacing=(float(spacings[0, 0]), float(spacings[0, 1])),
        spacing_between_slices=measures[0].decimal(SLICE_SPACING),
        slice_thickness=measures[0].decimal(THICKNESS),
    )
    return lattice_of(positions, orientations, plane, where=header.where)


def _numbers(groups: list[Elements], tag: int, count: int, where: str) -> FloatArray:
    values = [group.decimals(tag) for group in groups]
    if any(len(value) != count for value in values):
        raise InputError("a frame does not say where it lies", code="NO_GEOMETRY", where=where)
    return np.array(values, dtype=np.float64)


def _segment(header: _Header, item: Elements, lattice: Lattice, stored: NDArray[Any]) -> Segment:
    number = item.integer(NUMBER) or 0
    label = item.text(LABEL)
    mask, findings = _mask(header, number, lattice, stored)
    if not mask.any():
        findings = (*findings, Finding("EMPTY_SEGMENT", Severity.WARNING, "the segment has no voxel", header.where))
    references = header.root.items(REFERENCED_SERIES)
    series = references[0].text(SERIES_UID) if references else ""
    return Segment(
        mask=mask,
        grid=lattice.grid,
        label=number,
        name=label,
        kind=kind_of(_code(item, CATEGORY), _code(item, MEANING), label),
        tracking_uid=item.text(TRACKING_UID),
        status=Status.ACCEPTED,
        provenance=Provenance(
            header.root.text(CREATOR) or item.text(ALGORITHM_NAME) or UNKNOWN_AUTHOR,
            parameters={"algorithm_type": item.text(ALGORITHM_TYPE)},
            inputs=(series,) if series else (),
        ),
        series_uid=SeriesUid(series),
        findings=(*lattice.findings, *findings),
    )


def _mask(
    header: _Header, number: int, lattice: Lattice, stored: NDArray[Any]
) -> tuple[BoolArray, tuple[Finding, ...]]:
    """The segment's voxels on the lattice, and what had to be decided."""
    mask = np.zeros(lattice.grid.shape, dtype=bool)
    kind = header.root.text(SEGMENTATION_TYPE)
    if kind == "LABELMAP":
        for frame, index in enumerate(lattice.slice_of_frame):
            mask[index] |= stored[frame] == number
        return mask, ()
    own = [index for index, frame in enumerate(header.frames) if _segment_number(header, frame) == number]
    if kind == "FRACTIONAL":
        threshold = FRACTION * (header.root.integer(MAXIMUM_FRACTION) or 255)
        message = "a fractional segment; voxels from one half on were taken"
        findings: tuple[Finding, ...] = (Finding("FRACTIONAL_SEGMENT", Severity.INFO, message, header.where),)
    elif kind == "BINARY":
        threshold, findings = FRACTION, ()
    else:
        raise InputError("a segmentation of unknown type", code="UNSUPPORTED_DATA_TYPE", where=header.where)
    for frame in own:
        mask[lattice.slice_of_frame[frame]] |= stored[frame] >= threshold
    return mask, findings


def _segment_number(header: _Header, frame: Elements) -> int | None:
    return header.group(frame, SEGMENT_IDENTIFICATION).integer(REFERENCED_SEGMENT)


def _code(item: Elements, tag: int) -> Code:
    code = item.item(tag)
    if code is None:
        return Code("", "", "")
    return Code(code.text(CODE_VALUE), code.text(CODE_SCHEME), code.text(CODE_MEANING))
