"""Every measure of one segment, each with its method and, where an error model holds, its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from imaging.coding import Code
from imaging.errors import UsageError
from imaging.finding import Finding, Severity
from imaging.measurement import concept
from imaging.measurement.blur import lost_to_blur_mm
from imaging.measurement.diameter import InPlaneAxes, Point, in_plane_axes, max_diameter_3d
from imaging.measurement.extent import MM3_PER_ML, Extent, component_count, principal_axes
from imaging.measurement.gaps import GapShare, imaged_part, without_gaps
from imaging.measurement.intensity import intensity_of
from imaging.measurement.partial_volume import partial_volume
from imaging.measurement.quantity import Quantity, ReaderPart
from imaging.measurement.surface import sphericity, surface_of
from imaging.measurement.truncation import is_cut_off, told_once
from imaging.measurement.uncertainty import ErrorBudget, Line, ReaderVariability, diameter_error, volume_error
from imaging.segmentation.segment import Segment, Status
from imaging.volume import Modality, Volume

__all__ = ["SegmentMeasurement", "measure_segment"]

AXIAL_COSINE = math.cos(math.radians(45.0))  # nearer to the body's axis than to any other: the slices count as axial


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SegmentMeasurement:
    """What was measured of one segment; None where the mask does not show it.

    Parameters
    ----------
    label, name
        The segment's.
    volume_ml, volume_voxels_ml, volume_mesh_ml
        The primary volume (voxel sum in the native grid), the same under its own name, and that of the mesh.
    volume_partial_ml, partial_finding
        By the lesion's shares of the voxels at its border; None without an image, and where the image does not allow
        it, which the finding explains. The figure is secondary, so the finding is not among ``findings``.
    surface_mm2, sphericity, diameter_3d_mm
        Of the mesh.
    long_axis_mm, short_axis_mm, who_product_mm2
        On acquired slices.
    axis_major_mm, axis_minor_mm, axis_least_mm, elongation, flatness
        Of the voxel centres.
    centroid_lps_mm
        Mean voxel centre.
    long_axis_endpoints_lps_mm, short_axis_endpoints_lps_mm, long_axis_slice
        Where the axes were taken: LPS points, and the slice's index in the segment's grid.
    intensity
        By name; None without an image.
    modality, slice_normal, slice_distance_mm
        What the figures were taken on: the kind of image if known, and its slices.
    volume_error, long_axis_error
        The parts of the two intervals.
    findings
        The segment's, the image's and those of measuring.
    """

    label: int
    name: str
    volume_ml: Quantity
    volume_voxels_ml: Quantity
    volume_mesh_ml: Quantity
    volume_partial_ml: Quantity | None
    partial_finding: Finding | None
    surface_mm2: Quantity
    sphericity: Quantity
    diameter_3d_mm: Quantity
    long_axis_mm: Quantity
    short_axis_mm: Quantity
    who_product_mm2: Quantity
    axis_major_mm: Quantity | None
    axis_minor_mm: Quantity | None
    axis_least_mm: Quantity | None
    elongation: Quantity | None
    flatness: Quantity | None
    centroid_lps_mm: Point
    long_axis_endpoints_lps_mm: tuple[Point, Point]
    short_axis_endpoints_lps_mm: tuple[Point, Point]
    long_axis_slice: int
    intensity: Mapping[str, Quantity] | None
    modality: Modality | None
    slice_normal: Point
    slice_distance_mm: float
    volume_error: ErrorBudget
    long_axis_error: ErrorBudget
    findings: tuple[Finding, ...]


def measure_segment(
    segment: Segment,
    *,
    volume: Volume | None = None,
    modality: Modality | None = None,
    cemented: bool = False,
    reader_wcv: float | None = None,
    engine_wcv: float | None = None,
    variability: ReaderVariability = ReaderVariability(),  # noqa: B008 - a frozen value
) -> SegmentMeasurement:
    """Measure one segment on the grid on which it was made.

    Parameters
    ----------
    segment
        With at least one voxel.
    volume
        The image on the same grid, for intensities; also tells the modality, and where slices are missing or uneven:
        then the volume is the sum of the imaged slices' voxels times each slice's own extent
        (:mod:`imaging.geometry.acquired`), and where the mask reaches a gap, a finding and the interval tell.
    modality
        Where there is no image: what the mask was drawn on. Unknown, the intervals leave the reader out.
    cemented
        Whether material lies in or beside the lesion; on MR its signal void widens the reader's part.
    reader_wcv
        Within-lesion coefficient of variation of the volume from two or more readers' outlines; the modality's floor
        holds below.
    engine_wcv
        The same from the methods that proposed the mask (:attr:`LesionProposal.volume_wcv`); it counts while the
        segment is only proposed and no readers' is known.
    variability
        The floors.

    Raises
    ------
    EmptyMask
        If no voxel is set.
    GeometryError
        If mask and image lie on different grids.
    UsageError
        If ``modality`` contradicts the image, or the coefficient of variation is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> mask = np.zeros((5, 12, 12), dtype=bool)
    >>> mask[1:4, 1:11, 1:11] = True
    >>> segment = Segment(mask=mask, grid=Grid.from_spacing(mask.shape, (3.0, 1.0, 1.0)), name="L1")
    >>> measured = measure_segment(segment, modality=Modality.CT)
    >>> measured.volume_ml.value, [round(bound, 2) for bound in measured.volume_ml.interval95]
    (0.9, [0.64, 1.27])
    >>> round(measured.long_axis_mm.value, 2), [finding.code for finding in measured.findings]
    (13.45, [])
    """
    modality = _modality(segment, volume, modality)
    floor = None if modality is None else variability.floor(modality, cemented=cemented)
    reader = _reader(segment, floor, engines=engine_wcv, readers=reader_wcv)
    extent = Extent.of(segment)
    surface = surface_of(extent)
    axes = principal_axes(extent)
    slices = None if volume is None else volume.acquired_slices
    column = _column(segment, extent)
    plane = in_plane_axes(extent if slices is None else Extent.of(imaged_part(column, slices)))
    widest = max_diameter_3d(extent)
    grid = segment.grid
    gaps = None if slices is None else GapShare.of(column, slices)
    volume_mm3 = extent.volume_mm3 if gaps is None else gaps.volume_mm3
    error = volume_error(volume_mm3=volume_mm3, area_mm2=surface.area_mm2, grid=grid, reader=reader)
    if gaps is not None:
        error = error.with_gaps(gaps.bridged_mm3 / gaps.volume_mm3)
    long_error, short_error, widest_error = (
        diameter_error(
            length,
            line,
            grid=grid,
            slice_count=extent.slice_count,
            blur_mm=lost_to_blur_mm(length, extent.covariance_mm2, grid),
            reader=reader,
            modality=modality,
        )
        for length, line in (
            (plane.long, Line.LONGEST_ON_SLICES),
            (plane.short, Line.PERPENDICULAR),
            (widest, Line.LONGEST),
        )
    )
    partial = None if volume is None else partial_volume(extent, volume, where=f"#{segment.label}")
    voxels_ml = volume_mm3 / MM3_PER_ML
    method = "sum of voxels × voxel volume in the native grid"
    if gaps is not None and gaps.reached:
        method = "sum of voxels × pixel area × each imaged slice's own extent in the native grid"
    return SegmentMeasurement(
        label=segment.label,
        name=segment.name,
        volume_ml=_with_error(voxels_ml, "mL", method, error, concept.VOLUME_VOXELS),
        volume_voxels_ml=_with_error(voxels_ml, "mL", method, error, concept.VOLUME_VOXELS),
        volume_mesh_ml=_with_error(
            surface.volume_mm3 / MM3_PER_ML, "mL", "inside the marching-cubes mesh at 0.5", error, concept.VOLUME_MESH
        ),
        volume_partial_ml=None if partial is None else _by_shares(partial.volume_mm3, error),
        partial_finding=None if partial is None else partial.finding,
        surface_mm2=Quantity(surface.area_mm2, "mm2", "marching-cubes mesh at 0.5", None, concept.SURFACE),
        sphericity=Quantity(sphericity(surface), "1", "mesh: (36πV²)^⅓ ÷ A", None, concept.SPHERICITY),
        diameter_3d_mm=_with_error(
            widest.length_mm, "mm", "largest distance of mesh vertices", widest_error, concept.DIAMETER_3D
        ),
        long_axis_mm=_with_error(
            plane.long.length_mm, "mm", "longest on an acquired slice, outline at 0.5", long_error, concept.LONG_AXIS
        ),
        short_axis_mm=_with_error(
            plane.short.length_mm, "mm", "longest perpendicular to the long axis", short_error, concept.SHORT_AXIS
        ),
        who_product_mm2=_product(plane, long_error, short_error),
        axis_major_mm=_axis(axes.major_mm, error, concept.AXIS_MAJOR),
        axis_minor_mm=_axis(axes.minor_mm, error, concept.AXIS_MINOR),
        axis_least_mm=_axis(axes.least_mm, error, concept.AXIS_LEAST),
        elongation=_ratio(axes.elongation, "minor ÷ major axis", concept.ELONGATION),
        flatness=_ratio(axes.flatness, "least ÷ major axis", concept.FLATNESS),
        centroid_lps_mm=extent.centroid_lps_mm,
        long_axis_endpoints_lps_mm=plane.long.ends_lps_mm,
        short_axis_endpoints_lps_mm=plane.short.ends_lps_mm,
        long_axis_slice=plane.slice_index,
        intensity=None if volume is None else intensity_of(extent, volume),
        modality=modality,
        slice_normal=_point(grid.slice_normal.tolist()),
        slice_distance_mm=grid.slice_distance_mm,
        volume_error=error,
        long_axis_error=long_error,
        findings=told_once(
            (
                *segment.findings,
                *(volume.findings if volume else ()),
                *(() if gaps is None else gaps.findings(where=f"#{segment.label}")),
                *_findings(column, extent, volume),
            )
        ),
    )


def _modality(segment: Segment, volume: Volume | None, modality: Modality | None) -> Modality | None:
    if volume is None:
        return modality
    segment.grid.require_match(volume.grid, what="mask and image")
    if modality is not None and modality is not volume.modality:
        raise UsageError(f"the image is {volume.modality}, but {modality} was said; leave the modality out")
    return volume.modality


def _reader(
    segment: Segment, floor: float | None, *, engines: float | None, readers: float | None
) -> ReaderPart | None:
    for wcv in (engines, readers):
        if wcv is not None and not (math.isfinite(wcv) and wcv >= 0.0):
            raise UsageError(f"a coefficient of variation is a finite number, 0 or more; got {wcv}")
    if floor is None and engines is None and readers is None:
        return None
    accepted = segment.status is Status.ACCEPTED
    return ReaderPart(floor=floor or 0.0, engines=engines, readers=readers, accepted=accepted)


def _with_error(value: float, unit: str, method: str, error: ErrorBudget, code: Code | None) -> Quantity:
    return Quantity.with_error(value, unit, method, error.of(value), code)


def _by_shares(volume_mm3: float | None, error: ErrorBudget) -> Quantity | None:
    """With the voxel sum's interval, which is too wide for it: the outline and the reader are in both."""
    if volume_mm3 is None or volume_mm3 <= 0.0:
        return None
    method = "voxels within, and at the border the lesion's share of each by its brightness"
    return _with_error(volume_mm3 / MM3_PER_ML, "mL", method, error, concept.VOLUME_PARTIAL)


def _product(plane: InPlaneAxes, long: ErrorBudget, short: ErrorBudget) -> Quantity:
    return _with_error(plane.product_mm2, "mm2", "long × short axis", long.times(short), None)


def _axis(length_mm: float | None, volume: ErrorBudget, code: Code) -> Quantity | None:
    if length_mm is None:
        return None
    return _with_error(length_mm, "mm", "4√λ of the voxel centres' covariance (n − 1)", volume.divided(3.0), code)


def _ratio(value: float | None, method: str, code: Code) -> Quantity | None:
    return None if value is None else Quantity(value, "1", method, None, code)


def _column(segment: Segment, extent: Extent) -> Segment:
    """The segment on every slice of its grid, without the rows and columns that it does not reach."""
    _, rows, columns = extent.box
    start, stop = (0, rows.start, columns.start), (segment.grid.shape[0], rows.stop, columns.stop)
    return replace(segment, mask=segment.mask[:, rows, columns], grid=segment.grid.crop(start, stop))


def _findings(column: Segment, extent: Extent, volume: Volume | None) -> Iterator[Finding]:
    where = f"#{column.label}"
    slices = None if volume is None else volume.acquired_slices
    if extent.touches_edge or (volume is not None and is_cut_off(extent, volume)):
        message = "the mask reaches the first or last slice, row or column, or the edge of the field that was imaged; "
        yield Finding("LESION_TRUNCATED", Severity.WARNING, f"{message}what lies beyond was not measured", where)
    if (pieces := component_count(extent if slices is None else without_gaps(column, slices))) > 1:
        message = f"the mask is {pieces} separate pieces; volumes are of all, in-plane axes of one"
        yield Finding("SEVERAL_COMPONENTS", Severity.INFO, message, where)
    if extent.slice_count == 1 and column.grid.shape[0] > 1:
        message = "the mask lies on one slice; how far it reaches across slices is not known"
        yield Finding("SINGLE_SLICE", Severity.WARNING, message, where)
    if abs(float(column.grid.slice_normal[2])) < AXIAL_COSINE:
        message = "the acquired slices are not axial; in-plane axes are taken on them as they are"
        yield Finding("IN_PLANE_NOT_AXIAL", Severity.INFO, message, where)
    shown = column if slices is None else imaged_part(column, slices)
    if volume is not None and volume.valid is not None and (shown.mask & ~volume.valid[:, *extent.box[1:]]).any():
        message = "the mask covers padding that was not imaged; intensities leave it out"
        yield Finding("MASK_ON_PADDING", Severity.WARNING, message, where)


def _point(values: list[float]) -> Point:
    x, y, z = values
    return (x, y, z)
