"""From masks to figures: gross, material and net volume and the diameters of each lesion on each exam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from imaging.finding import Finding, Severity
from imaging.geometry.acquired import volume_over
from imaging.lesions.lesion import Identity, Method, Observation
from imaging.measurement.carried import material_inside
from imaging.measurement.interval import Interval
from imaging.measurement.measure import measure_segment
from imaging.measurement.pieces import piece_long_axes_mm
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.measurement.truncation import told_once
from imaging.segmentation import Segment, Status
from imaging.study import SeriesRecord
from imaging.study.timepoint import Timepoint
from imaging.volume.resample import resample_mask
from pipelines.case.history import history_of
from pipelines.case.materials import FoundMaterial, carry_material
from pipelines.case.surroundings import not_outlined, surroundings_of
from pipelines.case.traced import Ground, Traced
from pipelines.settings import Settings

__all__ = ["observe"]

UNKNOWN = (
    "no CT shows what material this lesion holds: the net volume is unknown, and where material lies in the lesion its "
    "outline may leave the signal void out"
)


def observe(traced: Sequence[Traced], ground: Ground, settings: Settings) -> tuple[Observation, ...]:
    """Every mask measured on the native grid of its series; rows without a mask keep their reason."""
    exams = {timepoint.id: timepoint for timepoint in ground.exams.timepoints}
    return tuple(observation(row, exams[row.timepoint], ground, settings) for row in traced)


def observation(row: Traced, timepoint: Timepoint, ground: Ground, settings: Settings) -> Observation:
    bare = Observation(
        lesion=row.lesion,
        timepoint=row.timepoint,
        series_uid=row.record.volume_id if row.record else None,
        role=row.record.role if row.record else None,
        primary=row.primary,
        status=row.status,
        method=row.method,
        reader=reader_of(row),
        mask_sha256=row.segment.sha256 if row.segment else None,
        identity=confirmed(row),
        surroundings=not_outlined(ground.anatomy),
        findings=row.findings,
    )
    if row.segment is None or row.record is None:
        return bare
    material, remarks = material_of(row.segment, row.record, timepoint, ground, settings)
    volume = ground.images.of(row.record)
    where = f"{row.lesion} {row.timepoint}"
    surroundings, limits = surroundings_of(
        row.segment, row.record, ground.anatomy, slices=volume.acquired_slices, where=where
    )
    measured = measure_segment(
        row.segment,
        volume=volume,
        cemented=material is not None and material.value > 0,
        reader_wcv=ground.reader_wcv.get((row.lesion, row.timepoint)) if row.primary else None,
        engine_wcv=row.engine_wcv,
        variability=settings.variability(),
    )
    several = any(finding.code == "SEVERAL_COMPONENTS" for finding in measured.findings)
    thickness = row.record.slice_thickness_mm or 0.0
    net = None if material is None or measured.volume_ml is None else net_volume(measured.volume_ml, material)
    return replace(
        bare,
        volume=measured.volume_ml,
        material=material,
        net_volume=net,
        long_axis=measured.long_axis_mm,
        short_axis=measured.short_axis_mm,
        pieces_mm=piece_long_axes_mm(row.segment) if several else (),
        slice_mm=max(thickness, measured.slice_distance_mm),
        slice_normal=measured.slice_normal,
        surroundings=surroundings,
        findings=told_once((*row.findings, *measured.findings, *remarks, *limits)),
    )


def confirmed(row: Traced) -> Identity | None:
    """Whose the mask is, confirmed where a reader accepted it under that name; an author only drew it."""
    reader = reader_of(row)
    if row.identity is None or reader is None or row.method is Method.IMPORTED or row.status is not Status.ACCEPTED:
        return row.identity
    return row.identity.with_word(row.lesion, by=reader)


def reader_of(row: Traced) -> str | None:
    """Who stands for the mask, where somebody does."""
    if row.segment is None or row.segment.provenance is None or row.status is Status.PROPOSED:
        return None
    return row.segment.provenance.agent


def material_of(
    segment: Segment, record: SeriesRecord, timepoint: Timepoint, ground: Ground, settings: Settings
) -> tuple[Quantity | None, tuple[Finding, ...]]:
    """The material inside the lesion: none by history, or carried from the CT that shows it, or unknown."""
    where = f"{segment.lesion} {timepoint.id}"
    history = history_of(timepoint, ground.procedures)
    carried = carry_material(record, timepoint, ground.material, ground.links, ground.procedures)
    shown = carried is not None and bool((segment.mask & carried.mask).any())
    if history.known and not history.procedures:
        if shown:
            contradicted = "the case file records no injection before this exam, but a CT shows material in the lesion"
            return None, (Finding("HISTORY_CONTRADICTED", Severity.WARNING, contradicted, where),)
        return Quantity(0.0, "mL", "no material had been injected before this exam (case file)", (0.0, 0.0)), ()
    if carried is None:
        return None, (Finding("MATERIAL_UNKNOWN", Severity.WARNING, UNKNOWN, where),)
    own = carried.source.record.volume_id == record.volume_id
    way = ground.links.way(record, carried.source.record)
    assert way is not None, "material is carried along a way"
    material, remark = material_inside(
        segment.mask,
        np.asarray(carried.probability),
        segment.grid,
        source_date=f"{carried.source.timepoint.id} ({carried.source.timepoint.date})",
        registration_error_mm=settings.registration_error_mm * math.sqrt(way.registrations),
        relative_interval=carried.source.relative_interval(),
    )
    over, gaps = over_gaps(material, segment, record, carried.source, ground)
    return over, (*carried.findings, *gaps) if own else (*carried.findings, remark, *gaps)


def over_gaps(
    material: Quantity, segment: Segment, record: SeriesRecord, source: FoundMaterial, ground: Ground
) -> tuple[Quantity, tuple[Finding, ...]]:
    """The material with each slice of a CT with gaps at its own extent, and a remark if it reaches a gap there."""
    record_from_ct = ground.links.path(record, source.record)
    if source.find.slices is None or record_from_ct is None:
        return material, ()
    on_ct = resample_mask(segment.mask, segment.grid, source.find.grid, grid_from_onto=record_from_ct)
    inside = np.asarray(on_ct & source.mask(), dtype=bool)
    remarks = source.find.gap_remarks(inside, where=f"{segment.lesion} {source.timepoint.id}")
    if not remarks:
        return material, ()
    counted = volume_over(None, inside, source.find.grid)
    wider = material.scaled(source.find.volume_ml(inside) / counted)
    bridged = source.find.slices.bridged_mm3(inside, pixel_mm2=source.find.grid.pixel_area_mm2) / 1000
    low, high = wider.interval95 or (wider.value, wider.value)
    bounds = (max(low - bridged, 0.0), high + bridged)
    error = wider.error and replace(wider.error, technical95=bounds)
    return replace(wider, interval95=bounds, error=error), remarks


def net_volume(gross: Quantity, material: Quantity) -> Quantity:
    """Gross minus material, the errors of both added in quadrature on each side.

    Examples
    --------
    >>> net = net_volume(Quantity(48, "mL", "", (42, 55)), Quantity(8, "mL", "", (7, 9)))
    >>> net.value, [round(x, 2) for x in net.interval95]
    (40.0, [33.92, 47.07])
    """
    value = max(gross.value - material.value, 0.0)
    method = "gross minus material (tumour, necrosis, blood and fibrosis not separable)"
    if gross.interval95 is None or material.interval95 is None:
        return Quantity(value, "mL", method)
    if gross.error is None or value == 0.0:
        return Quantity(value, "mL", method, left_over(gross, gross.interval95, material, material.interval95))
    technical = left_over(gross, gross.error.technical95, material, material.interval95)
    # What the reader errs is a share of the gross volume; of the smaller net volume it is the larger share.
    reader = gross.error.reader and gross.error.reader.of_power(gross.value / value)
    parts = (*gross.error.technical, *(material.error.technical if material.error else ()))
    shares = [gross.value] * len(gross.error.technical) + [material.value] * (len(parts) - len(gross.error.technical))
    named = tuple((name, cv * whole / value) for (name, cv), whole in zip(parts, shares, strict=True))
    return Quantity.with_error(value, "mL", method, TwoPartError(technical95=technical, technical=named, reader=reader))


def left_over(gross: Quantity, of_gross: Interval, material: Quantity, of_material: Interval) -> Interval:
    """The interval of gross minus material, the errors of both added in quadrature on each side; never below zero."""
    value = max(gross.value - material.value, 0.0)
    down = math.hypot(gross.value - of_gross[0], of_material[1] - material.value)
    up = math.hypot(of_gross[1] - gross.value, material.value - of_material[0])
    return (max(value - down, 0.0), value + up)
