"""The files of a case: masks with what their labels mean, figures, tables, report, and the document that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imaging.arrays import LabelArray
from imaging.errors import InputError, RecordError, UsageError
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.geometry import Grid
from imaging.lesions.lesion import Observation
from imaging.measurement.material import MaterialMeasurement
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.volume import Volume
from pipelines.case.conclude import Case
from pipelines.case.document import case_document, read_document
from pipelines.case.exams import Images
from pipelines.case.masks import Traced
from pipelines.case.materials import FoundMaterial
from pipelines.reports.as_csv import as_csv
from pipelines.reports.as_html import as_html
from pipelines.reports.as_json import json_text
from pipelines.reports.figure import lesion_figure
from pipelines.reports.report import report_from
from pipelines.reports.trajectory import trajectory_svg
from pipelines.workspace import CaseFolder, atomic_write

__all__ = [
    "acceptable",
    "read_mask",
    "unchanged",
    "write_case",
    "write_figures",
    "write_masks",
    "write_report",
]

Output = dict[str, str]
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


def label_maps(traced: Sequence[Traced], related: Related) -> list[LabelMap]:
    """A label map for each series on which something was outlined.

    A label map cannot overlap itself, so material inside a lesion has a label of its own (``inside``: the lesion's id);
    a lesion's full mask is its label and every label inside it. Lesions that overlap go into maps of their own.
    """
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


def write_masks(target: CaseFolder, traced: Sequence[Traced], related: Related) -> list[Output]:
    """``segmentations/<timepoint>[-n].nii.gz`` and what its labels mean."""
    written = []
    for item in label_maps(traced, related):
        kind = np.uint8 if item.labels.max() < 256 else np.uint16
        record = {
            "schema": "osteotrace.labels/1",
            "timepoint": item.timepoint,
            "series_uid": item.series_uid,
            "labels": item.rows,
        }
        written.append(
            target.write(f"segmentations/{item.name}.nii.gz", nifti_bytes(item.labels.astype(kind), item.grid))
        )
        written.append(target.write(f"segmentations/{item.name}.json", json_text(record).encode()))
    return written


def read_mask(target: CaseFolder, observation: Observation) -> Segment:
    """The mask behind an observation, from the case's segmentations.

    Raises
    ------
    RecordError
        It is not there, or is not the one that was measured.
    """
    import json

    for path in sorted((target.root / "segmentations").glob(f"{observation.timepoint}*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("series_uid") != observation.series_uid:
            continue
        rows = record["labels"]
        mine = [
            r["label"] for r in rows if observation.lesion in (r.get("inside"), r["kind"] == "lesion" and r["lesion"])
        ]
        about = next((r for r in rows if r["kind"] == "lesion" and r["lesion"] == observation.lesion), None)
        if about is None:
            continue
        segments = [s for s in read_nifti_masks(path.with_suffix(".nii.gz")) if s.label in mine]
        if not segments:
            break
        mask = np.any([s.mask for s in segments], axis=0)
        segment = replace(
            segments[0],
            mask=mask,
            lesion=observation.lesion,
            kind=SegmentKind.LESION,
            series_uid=observation.series_uid or "",
            name=about["name"],
            tracking_uid=about["tracking_uid"],
        )
        if segment.sha256 != observation.mask_sha256:
            raise RecordError(
                f"the stored mask of {observation.lesion} at {observation.timepoint} is not the one that was measured; "
                "run the case again",
                code="MASK_CHANGED",
            )
        return segment
    raise RecordError(f"no stored mask of {observation.lesion} at {observation.timepoint}", code="MASK_MISSING")


def acceptable(case: Case, *, lesion: str | None, timepoint: str | None) -> list[Observation]:
    """The proposed observations that are meant: one by name, or all there are, which may be none.

    Raises
    ------
    InputError
        NOTHING_TO_ACCEPT, or LATERALITY_CONFLICT where the side is in doubt.
    """
    meant = [
        o
        for o in case.observations
        if o.primary
        and o.status is Status.PROPOSED
        and (lesion is None or (o.lesion, o.timepoint) == (LesionId(lesion), timepoint))
    ]
    if not meant and lesion is not None:
        raise InputError(
            f"{lesion} at {timepoint} has no proposed mask; case.json lists every observation with its status",
            code="NOTHING_TO_ACCEPT",
        )
    doubtful = [o for o in meant if any(f.code == "LATERALITY_CONFLICT" for f in o.findings)]
    if doubtful and lesion is not None:
        raise InputError(
            f"the side of {lesion} disagrees with the image; correct case.toml or the mask", code="LATERALITY_CONFLICT"
        )
    return [o for o in meant if o not in doubtful]


def write_figures(target: CaseFolder, traced: Sequence[Traced], related: Related, images: Images) -> list[Output]:
    """A key image for every mask, with the material of its exam on it."""
    materials = {found.record.volume_id: found for found, _ in related}
    written = []
    for row in traced:
        if row.record is None or row.record.grid is None or not row.primary:
            continue
        volume = images.of(row.record)
        shown = shown_segments(row, volume, materials.get(row.record.volume_id))
        if not shown or not any(segment.mask.any() for segment in shown):
            continue
        svg = lesion_figure(volume, shown, title=f"{row.lesion} · {row.timepoint}")
        written.append(target.write(f"figures/{row.lesion}-{row.timepoint}.svg", svg.encode()))
    return written


def shown_segments(row: Traced, volume: Volume, material: FoundMaterial | None) -> list[Segment]:
    segments = []
    if row.segment is not None and row.segment.grid.matches(volume.grid):
        # The picture stays when a reader accepts; the caption beside it tells the status.
        segments.append(replace(row.segment, status=Status.ACCEPTED))
    elif row.carried is not None:
        name = f"{row.lesion} carried by registration"
        segments.append(
            Segment(
                mask=row.carried, grid=volume.grid, name=name, kind=SegmentKind.LESION, status=Status.NOT_ASSESSABLE
            )
        )
    if material is not None and segments:
        for kind in (SegmentKind.CEMENT, SegmentKind.EMBOLIC, SegmentKind.METAL, SegmentKind.UNCLASSIFIED):
            mask = material.find.mask(kind)
            if mask.any():
                segments.append(
                    Segment(mask=mask, grid=volume.grid, name=str(kind), kind=kind, status=Status.NOT_ASSESSABLE)
                )
    return segments


def write_case(target: CaseFolder, case: Case, kept: Sequence[Output]) -> dict[str, Any]:
    """Everything that follows from the case: trajectory, table, report, and last the document that lists them all."""
    figures = {row["path"]: row for row in kept}
    draft = case_document(case, [])
    trajectory = target.write("figures/trajectory.svg", trajectory_svg(draft).encode())
    figures[trajectory["path"]] = trajectory
    report = report_from(draft, read_figures(target, list(figures)))
    figures["measurements.csv"] = target.write("measurements.csv", as_csv(report).encode())
    figures["report.html"] = target.write("report.html", as_html(report).encode())
    document = case_document(case, [figures[path] for path in sorted(figures)])
    stale = earlier_outputs(target) - set(figures)
    atomic_write(target.document, json_text(document).encode())
    for path in sorted(stale):
        (target.root / path).unlink(missing_ok=True)
    return document


def earlier_outputs(target: CaseFolder) -> set[str]:
    """The figures and label maps that the case.json in the folder lists: what a run may take away again."""
    if not target.document.is_file():
        return set()
    listed = {str(row["path"]) for row in read_document(target)["outputs"]}
    return {path for path in listed if path.startswith(("figures/", "segmentations/")) and ".." not in path}


def read_figures(target: CaseFolder, paths: Sequence[str]) -> dict[str, str]:
    """The case's figures by name: ``L1-T0``, ``trajectory``."""
    return {
        Path(path).stem: (target.root / path).read_text(encoding="utf-8")
        for path in paths
        if path.startswith("figures/") and path.endswith(".svg")
    }


def write_report(target: CaseFolder, document: dict[str, Any], kind: str, out: Path | None) -> dict[str, Any]:
    """One format of the report, beside the document or where it was asked for."""
    report = report_from(document, read_figures(target, [row["path"] for row in document["outputs"]]))
    name, content = {
        "html": ("report.html", as_html(report)),
        "csv": ("measurements.csv", as_csv(report)),
        "json": ("report.json", json_text(document)),
    }[kind]
    if out is not None and out.is_dir():
        raise UsageError("--out is a file", code="BAD_OUTPUT_NAME")
    path = out or target.root / name
    digest = atomic_write(path, content.encode())
    return {"schema": "osteotrace.outputs/1", "outputs": [{"path": path.name, "sha256": digest}], "findings": []}


def unchanged(kept: Sequence[Output]) -> list[Output]:
    """The outputs that a changed status leaves as they are."""
    made_anew = {"figures/trajectory.svg", "measurements.csv", "report.html"}
    return [row for row in kept if row["path"] not in made_anew]
