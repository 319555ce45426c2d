"""The files of a case beside its masks: figures, tables, report, and the document that lists them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imaging.errors import InputError, UsageError
from imaging.lesions.lesion import Observation
from imaging.segmentation import LesionId, Segment, SegmentKind, Status
from imaging.volume import Volume
from pipelines.case.conclude import REVIEW_PENDING, Case
from pipelines.case.document import case_document, read_document
from pipelines.case.exams import Images
from pipelines.case.label_maps import Related
from pipelines.case.materials import FoundMaterial
from pipelines.case.traced import Traced
from pipelines.reports.as_csv import as_csv
from pipelines.reports.as_html import as_html
from pipelines.reports.as_json import json_text
from pipelines.reports.figure import lesion_figure
from pipelines.reports.report import report_from
from pipelines.reports.trajectory import trajectory_svg
from pipelines.workspace import CaseFolder, atomic_write

__all__ = [
    "acceptable",
    "unchanged",
    "write_case",
    "write_figures",
    "write_report",
]

Output = dict[str, str]


def acceptable(case: Case, *, lesion: str | None, timepoint: str | None) -> list[Observation]:
    """The proposed observations that are meant: one by name, or all there are, which may be none.

    Raises
    ------
    InputError
        NOTHING_TO_ACCEPT, LATERALITY_CONFLICT where the side is in doubt, or REVIEW_PENDING where a reader's word is
        newer than the mask.
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
    doubtful = [o for o in meant if has(o, "LATERALITY_CONFLICT")]
    behind = [o for o in meant if has(o, REVIEW_PENDING)]
    if doubtful and lesion is not None:
        raise InputError(
            f"the side of {lesion} disagrees with the image; correct case.toml or the mask", code="LATERALITY_CONFLICT"
        )
    if behind and lesion is not None:
        raise InputError(
            f"a reader saved a word that the mask of {lesion} at {timepoint} has not followed; run the case again",
            code=REVIEW_PENDING,
        )
    return [o for o in meant if o not in doubtful and o not in behind]


def has(observation: Observation, code: str) -> bool:
    return any(finding.code == code for finding in observation.findings)


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
