"""Masks on disk: one label map for each series on which something was outlined, and what its labels mean.

::

    segmentations/T2.nii.gz   labels on the native grid of the series
    segmentations/T2.json     {"schema": "osteotrace.labels/1", "timepoint": "T2", "series_uid": …, "labels": [{…}]}

A label map cannot overlap itself, so material inside a lesion has a label of its own (``inside``: the lesion's id); a
lesion's full mask is its label and every label inside it. Lesions that overlap go into maps of their own (``T2-2``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from imaging.arrays import LabelArray
from imaging.errors import RecordError
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.geometry import Grid
from imaging.lesions.lesion import Observation
from imaging.measurement.material import MaterialMeasurement
from imaging.segmentation import Segment, SegmentKind, Status
from pipelines.case.materials import FoundMaterial
from pipelines.case.traced import Traced
from pipelines.reports.as_json import json_text
from pipelines.workspace import CaseFolder

__all__ = ["LabelMap", "Related", "read_mask", "read_segments", "write_label_maps"]

SCHEMA = "osteotrace.labels/1"
FOLDER = "segmentations"

Related = Sequence[tuple[FoundMaterial, Sequence[MaterialMeasurement]]]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LabelMap:
    """One series' masks in one image, with the meaning of each label."""

    name: str  # file stem: <timepoint>, <timepoint>-2, …
    timepoint: str
    series_uid: str
    grid: Grid
    labels: LabelArray
    rows: list[dict[str, Any]]


def write_label_maps(target: CaseFolder, traced: Sequence[Traced], related: Related) -> list[dict[str, str]]:
    """Write every mask and what its labels mean; the rows for the case's list of outputs."""
    written = []
    for item in label_maps(traced, related):
        kind = np.uint8 if item.labels.max() < 256 else np.uint16
        record = {
            "schema": SCHEMA,
            "timepoint": item.timepoint,
            "series_uid": item.series_uid,
            "labels": item.rows,
        }
        written.append(target.write(f"{FOLDER}/{item.name}.nii.gz", nifti_bytes(item.labels.astype(kind), item.grid)))
        written.append(target.write(f"{FOLDER}/{item.name}.json", json_text(record).encode()))
    return written


def read_segments(target: CaseFolder, timepoint: str) -> tuple[Segment, ...]:
    """Every stored mask of one timepoint, lesions with the material in them, each with the series that it lies on.

    Raises
    ------
    RecordError
        MASK_MISSING: a label map is damaged.
    """
    segments: list[Segment] = []
    for path in sorted((target.root / FOLDER).glob(f"{timepoint}*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["timepoint"] == timepoint:
                found = read_nifti_masks(path.with_suffix(".nii.gz"))
                segments += (replace(segment, series_uid=record["series_uid"]) for segment in found)
        except (KeyError, TypeError, ValueError, OSError) as error:
            message = f"the stored masks {path.stem} are damaged ({type(error).__name__}); run the case again"
            raise RecordError(message, code="MASK_MISSING") from error
    return tuple(segments)


def read_mask(target: CaseFolder, observation: Observation) -> Segment:
    """The mask behind an observation, from the case's stored label maps.

    Raises
    ------
    RecordError
        MASK_MISSING; MASK_CHANGED where it is not the one that was measured.
    """
    place = f"{observation.lesion} at {observation.timepoint}"
    for segment in read_segments(target, observation.timepoint):
        if segment.kind is not SegmentKind.LESION or segment.lesion != observation.lesion:
            continue
        if segment.series_uid != observation.series_uid:
            continue
        if segment.sha256 != observation.mask_sha256:
            message = f"the stored mask of {place} is not the one that was measured; run the case again"
            raise RecordError(message, code="MASK_CHANGED")
        return segment
    raise RecordError(f"no stored mask of {place}", code="MASK_MISSING")


def label_maps(traced: Sequence[Traced], related: Related) -> list[LabelMap]:
    """A label map for each series on which something was outlined, and one more for each overlap."""
    series: dict[tuple[str, str], list[Segment]] = {}
    for row in traced:
        if row.record is None:
            continue
        key = (row.timepoint, row.record.volume_id)
        if row.segment is not None and row.primary:
            series.setdefault(key, []).append(row.segment)
        elif row.carried is not None and row.record.grid is not None:
            carried = Segment(
                mask=row.carried,
                grid=row.record.grid,
                name="carried by registration",
                kind=SegmentKind.LESION,
                lesion=row.lesion,
                status=Status.NOT_ASSESSABLE,
                series_uid=row.record.volume_id,
            )
            series.setdefault(key, []).append(carried)
    materials = {(found.timepoint.id, found.record.volume_id): (found, rows) for found, rows in related}
    maps = []
    count: dict[str, int] = {}
    for key in sorted({*series, *materials}):
        timepoint, volume_id = key
        for number, lesions in enumerate(layers(series.get(key, [])) or [[]]):
            count[timepoint] = count.get(timepoint, 0) + 1
            name = timepoint if count[timepoint] == 1 else f"{timepoint}-{count[timepoint]}"
            material = materials.get(key) if number == 0 else None
            grid = lesions[0].grid if lesions else materials[key][0].find.grid
            labels, rows = painted(lesions, material, grid)
            maps.append(
                LabelMap(name=name, timepoint=timepoint, series_uid=volume_id, grid=grid, labels=labels, rows=rows)
            )
    return maps


def layers(segments: Sequence[Segment]) -> list[list[Segment]]:
    """The segments in groups within which none overlaps another, each in the first group that has room for it."""
    groups: list[list[Segment]] = []
    for segment in segments:
        free = (group for group in groups if not any((segment.mask & other.mask).any() for other in group))
        group = next(free, None)
        if group is None:
            groups.append(group := [])
        group.append(segment)
    return groups


def painted(
    lesions: Sequence[Segment], material: tuple[FoundMaterial, Sequence[MaterialMeasurement]] | None, grid: Grid
) -> tuple[LabelArray, list[dict[str, Any]]]:
    labels: LabelArray = np.zeros(grid.shape, dtype=np.uint16)
    rows: list[dict[str, Any]] = []
    for segment in lesions:
        segment.grid.require_match(grid, what="two lesions of one series")
        rows.append(
            {
                "label": len(rows) + 1,
                "kind": "lesion",
                "lesion": segment.lesion,
                "name": segment.name,
                "tracking_uid": segment.tracking_uid,
                "mask_sha256": segment.sha256,
            }
        )
        labels[segment.mask] = len(rows)
    if material is None:
        return labels, rows
    found, measured = material
    owner = labels.copy()
    names = {row["label"]: row["lesion"] for row in rows}
    for row in measured:
        mask = row.mask_in(found.find)
        for label, inside in [(0, None), *names.items()]:
            here = mask & (owner == label)
            if not here.any():
                continue
            rows.append(
                {
                    "label": len(rows) + 1,
                    "kind": str(row.kind),
                    "material": row.id,
                    "lesion": row.lesion,
                    "inside": inside,
                }
            )
            labels[here] = len(rows)
    return labels, rows
