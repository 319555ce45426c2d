"""RTSTRUCT: contours in patient space → masks on the grid of the image that they were drawn on.

Source: DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT ROI Observations).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imaging.arrays import BoolArray, FloatArray
from imaging.dicom.damage import damage_named
from imaging.dicom.elements import Elements
from imaging.dicom.file import open_dicom
from imaging.errors import InputError, NoReferenceImage, UnreadableFile
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.provenance import Provenance
from imaging.segmentation.choice import is_chosen, segment_not_found
from imaging.segmentation.polygon import filled
from imaging.segmentation.segment import Segment, SegmentKind, Status
from imaging.study.series import SeriesRecord

__all__ = ["read_rtstruct"]

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
UNKNOWN_AUTHOR = "RTSTRUCT author unknown"
TUMOUR = "GTV"  # gross tumour volume; CTV and PTV add margins for treatment and are no lesion

# All in units of the distance between slices.
HALF_A_SLICE = 0.5  # farther from every slice, a contour belongs to none
BESIDE = 0.25  # beyond, the contour was drawn for other slices than these
ONE_PLANE = 0.05  # contours closer than this were drawn in one plane; header rounding is far below

SOP_CLASS, SERIES_UID, FRAME_OF_REFERENCE = 0x00080016, 0x0020000E, 0x00200052
OPERATORS, REVIEWER = 0x00081070, 0x300E0008
FRAMES, STUDIES, SERIES = 0x30060010, 0x30060012, 0x30060014
STRUCTURE_SET_ROIS, ROI_NUMBER, ROI_FRAME, ROI_NAME = 0x30060020, 0x30060022, 0x30060024, 0x30060026
ROI_CONTOURS, CONTOURS, CONTOUR_TYPE, CONTOUR_DATA = 0x30060039, 0x30060040, 0x30060042, 0x30060050
OBSERVATIONS, REFERENCED_ROI, ROI_TYPE, ROI_INTERPRETER = 0x30060080, 0x30060084, 0x300600A4, 0x300600A6


@dataclass(frozen=True, slots=True, eq=False)
class _Contour:
    slice_index: float
    polygon: FloatArray  # (n, 2) row and column indices


def read_rtstruct(path: Path, image: SeriesRecord, *, choice: str | None = None) -> tuple[Segment, ...]:
    """One segment for every ROI that has closed contours, on the image's grid.

    Each contour fills the slice that it lies in: the voxels whose centres are inside. Contours of one plane are
    combined by exclusive or, so that a contour within another is a hole (PS3.3 C.8.8.6.3). ROIs of points and open
    lines have no volume and give no segment.

    Parameters
    ----------
    path
        The RTSTRUCT file.
    image
        The series on which the contours were drawn, or another one in the same frame of reference.
    choice
        Only the ROI of this number or name.

    Returns
    -------
    tuple[Segment, ...]
        In the file's order, accepted by the author that the file names. An ROI of which no contour lies in the image
        has an empty mask, the status NOT_ASSESSABLE and an error finding.

    Raises
    ------
    NoReferenceImage
        The image was refused, or lies in another frame of reference.
    UnreadableFile
        No RTSTRUCT.
    InputError
        NO_CONTOURS, BAD_CONTOUR, or CONTOUR_OFF_SLICE where no contour at all lies in the image.
    UsageError
        The chosen ROI has no closed contour, or is not in the file.
    """
    with damage_named(path):
        return _read(path, image, choice)


def _read(path: Path, image: SeriesRecord, choice: str | None) -> tuple[Segment, ...]:
    root = open_dicom(path).elements
    if root.text(SOP_CLASS) != RT_STRUCTURE_SET:
        raise UnreadableFile("the file is no RTSTRUCT", code="NOT_RTSTRUCT", where=path.name)
    grid = _grid_of(image, path.name)
    remarks = _reference_remarks(root, image, path.name)
    observations = {item.integer(REFERENCED_ROI): item for item in root.items(OBSERVATIONS)}
    contours = {item.integer(REFERENCED_ROI): item for item in root.items(ROI_CONTOURS)}
    segments = []
    numbers = []
    for roi in root.items(STRUCTURE_SET_ROIS):
        number = roi.integer(ROI_NUMBER)
        closed = _closed_contours(contours.get(number), grid, f"{path.name} ROI {number}")
        if number is None or not closed:
            continue
        numbers.append(number)
        if not is_chosen(choice, number, roi.text(ROI_NAME)):
            continue
        observation = observations.get(number)
        mask, findings = _mask(closed, image, f"{path.name} ROI {number}")
        segments.append(
            Segment(
                mask=mask,
                grid=grid,
                label=number,
                name=roi.text(ROI_NAME),
                kind=SegmentKind.LESION
                if observation and observation.text(ROI_TYPE) == TUMOUR
                else SegmentKind.UNKNOWN,
                status=Status.ACCEPTED if mask.any() else Status.NOT_ASSESSABLE,
                provenance=Provenance(_author(root, observation), inputs=(image.series_uid,)),
                series_uid=image.series_uid,
                findings=(*remarks, *findings),
            )
        )
    if choice is not None and numbers and not segments:
        raise segment_not_found(choice, numbers, path.name)
    if not segments:
        raise InputError("no ROI has a closed contour", code="NO_CONTOURS", where=path.name)
    if not any(segment.mask.any() for segment in segments):
        raise InputError("no contour lies in a slice of the image", code="CONTOUR_OFF_SLICE", where=path.name)
    return tuple(segments)


def _series_of(root: Elements) -> list[str]:
    return [
        series.text(SERIES_UID)
        for frame in root.items(FRAMES)
        for study in frame.items(STUDIES)
        for series in study.items(SERIES)
        if series.text(SERIES_UID)
    ]


def _reference_remarks(root: Elements, image: SeriesRecord, where: str) -> tuple[Finding, ...]:
    """Whether the contours and the image share a space; raises where they do not."""
    named = _series_of(root)
    if image.series_uid in named:
        return ()
    frames = {frame.text(FRAME_OF_REFERENCE) for frame in root.items(FRAMES)}
    frames |= {roi.text(ROI_FRAME) for roi in root.items(STRUCTURE_SET_ROIS)}
    frames.discard("")
    if frames and image.frame_of_reference_uid and image.frame_of_reference_uid not in frames:
        raise NoReferenceImage(
            "the contours were drawn on another image, in another frame of reference; give theirs", where=where
        )
    if not frames or not image.frame_of_reference_uid:
        message = "nothing says that contours and image share a space; they were taken to"
        return (Finding("FRAME_OF_REFERENCE_UNKNOWN", Severity.WARNING, message, where),)
    message = "the contours were drawn on another series of the same frame of reference"
    return (Finding("OTHER_REFERENCE_SERIES", Severity.INFO, message, where),)


def _author(root: Elements, observation: Elements | None) -> str:
    """Who answers for the contours: the reviewer, else the ROI's interpreter, else the operator."""
    interpreter = observation.text(ROI_INTERPRETER) if observation else ""
    return root.text(REVIEWER) or interpreter or root.text(OPERATORS) or UNKNOWN_AUTHOR


def _closed_contours(roi: Elements | None, grid: Grid, where: str) -> list[_Contour | None]:
    """Each closed contour as its place in the grid, None for one that lies across slices."""
    if roi is None:
        return []
    return [
        _placed(contour.decimals(CONTOUR_DATA), grid, where)
        for contour in roi.items(CONTOURS)
        if contour.text(CONTOUR_TYPE) in CLOSED
    ]


def _placed(numbers: tuple[float, ...], grid: Grid, where: str) -> _Contour | None:
    if not numbers or len(numbers) % 3:
        raise InputError(f"{len(numbers)} numbers are no list of points", code="BAD_CONTOUR", where=where)
    indices = grid.indices(np.reshape(numbers, (-1, 3)))
    middle = float(indices[:, 0].mean())
    if np.abs(indices[:, 0] - middle).max() > HALF_A_SLICE:
        return None
    return _Contour(middle, indices[:, 1:])


def _mask(contours: list[_Contour | None], image: SeriesRecord, where: str) -> tuple[BoolArray, tuple[Finding, ...]]:
    """The ROI's voxels, and what was irregular."""
    grid, imaged = _grid_of(image, where), image.acquired_slices
    slices = grid.shape[0]
    inside = [c for c in contours if c is not None and -HALF_A_SLICE <= c.slice_index < slices - HALF_A_SLICE]
    mask = np.zeros(grid.shape, dtype=bool)
    remarks = _Remarks(where)
    remarks.lost(len(contours) - len(inside), nothing_left=not inside)
    by_slice: dict[int, list[_Contour]] = {}
    for contour in inside:
        nearest = int(np.floor(contour.slice_index + HALF_A_SLICE))
        by_slice.setdefault(nearest if imaged is None else imaged.plane_shown(nearest), []).append(contour)
    step_mm = grid.slice_distance_mm
    heights = {k: k * step_mm if imaged is None else imaged.height_of(k, step_mm) for k in by_slice}
    usual_mm = step_mm if imaged is None else imaged.ordinary_mm
    off_mm = [abs(c.slice_index * step_mm - heights[k]) for k, group in by_slice.items() for c in group]
    remarks.beside([far / usual_mm for far in off_mm], usual_mm)
    for index, group in sorted(by_slice.items()):
        plane = _nearest_plane(group, index)
        remarks.shared_slices += len(plane) < len(group)
        mask[index] = _filled_plane(plane, grid.shape[1:], remarks)
    if imaged is None:
        remarks.gaps(sorted(by_slice))
    else:
        remarks.gaps(sorted(imaged.planes.index(k) for k in by_slice if k in imaged.planes))
        mask |= imaged.spread(mask[list(imaged.planes)])
    return mask, remarks.findings()


def _grid_of(image: SeriesRecord, where: str) -> Grid:
    if image.grid is None:
        raise NoReferenceImage(f"the image of these contours was refused ({image.code})", where=where)
    return image.grid


def _nearest_plane(contours: list[_Contour], index: int) -> list[_Contour]:
    """Of contours drawn in several planes that fall into one slice, those of the plane nearest to its middle."""
    nearest = min(contours, key=lambda contour: (abs(contour.slice_index - index), contour.slice_index))
    return [contour for contour in contours if abs(contour.slice_index - nearest.slice_index) <= ONE_PLANE]


def _filled_plane(contours: list[_Contour], shape: tuple[int, int], remarks: _Remarks) -> BoolArray:
    """Exclusive or of all contours of one plane; repeated ones, which would erase each other, count once."""
    distinct = list({contour.polygon.round(6).tobytes(): contour.polygon for contour in contours}.values())
    remarks.repeated += len(contours) - len(distinct)
    fills = [filled(polygon, shape) for polygon in distinct]
    remarks.cut += sum(_reaches_beyond(polygon, shape) for polygon in distinct)
    remarks.crossing += sum(_cross(one, other) for i, one in enumerate(fills) for other in fills[:i])
    return np.asarray(np.logical_xor.reduce(fills), dtype=np.bool_)


def _reaches_beyond(polygon: FloatArray, shape: tuple[int, int]) -> bool:
    """Whether part of the polygon lies outside of the image's outermost pixels."""
    return bool((polygon < -HALF_A_SLICE).any() or (polygon > np.array(shape) - HALF_A_SLICE).any())


def _cross(one: BoolArray, other: BoolArray) -> bool:
    """Whether two areas overlap without the one lying within the other: then a hole cannot be meant."""
    both = np.count_nonzero(one & other)
    return bool(0 < both < min(np.count_nonzero(one), np.count_nonzero(other)))


class _Remarks:
    """What was irregular in one ROI, counted while it is filled."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.shared_slices = self.repeated = self.crossing = self.cut = 0
        self._found: list[Finding] = []

    def _warn(self, code: str, message: str, severity: Severity = Severity.WARNING) -> None:
        self._found.append(Finding(code, severity, message, self.where))

    def lost(self, count: int, *, nothing_left: bool) -> None:
        if count and nothing_left:
            self._warn("CONTOUR_OFF_SLICE", "no contour lies in a slice of the image", Severity.ERROR)
        elif count:
            self._warn("CONTOUR_OFF_SLICE", f"{count} contours lie in no slice of the image and were left out")

    def beside(self, distances: Iterable[float], slice_distance_mm: float) -> None:
        far = max(distances, default=0.0)
        if far > BESIDE:
            self._warn(
                "CONTOUR_OFF_SLICE",
                f"contours lie up to {far * slice_distance_mm:.2f} mm beside the slice that they were put in",
            )

    def gaps(self, occupied: list[int]) -> None:
        empty = occupied[-1] - occupied[0] + 1 - len(occupied) if occupied else 0
        if empty:
            self._warn("CONTOUR_GAP", f"{empty} slices between contours have none and count as empty")

    def findings(self) -> tuple[Finding, ...]:
        if self.shared_slices:
            self._warn(
                "CONTOURS_SHARE_SLICE",
                f"contours of several planes fall into one slice {self.shared_slices} times; the nearest was taken",
            )
        if self.repeated:
            self._warn("CONTOUR_REPEATED", f"{self.repeated} contours are stored twice; each counts once")
        if self.crossing:
            self._warn("CONTOURS_CROSS", f"{self.crossing} pairs of contours cross; what both enclose counts as hole")
        if self.cut:
            self._warn("CONTOUR_OUTSIDE_IMAGE", f"{self.cut} contours reach beyond the image and were cut at its edge")
        return tuple(self._found)
