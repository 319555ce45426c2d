"""Where the case's figures come from: exams, registrations, material rows, remarks and provenance, as document rows."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import imaging
from imaging.dicom.source import open_bytes
from imaging.finding import Finding, Severity
from imaging.formats.record import findings_record, matrix_record, quantity_record
from imaging.lesions.timeline import Comparing
from imaging.measurement.material import SYRINGE_ML, MaterialMeasurement, recovered_fraction
from imaging.measurement.quantity import Quantity
from imaging.segmentation import SegmentKind
from imaging.segmentation.backend import Capabilities
from imaging.segmentation.material_kind import agent_kind
from imaging.study import Index, SeriesRecord, Verdict
from pipelines.case.conclude import CaseExam
from pipelines.case.exams import Exams
from pipelines.case.history import History
from pipelines.case.links import Links
from pipelines.case.materials import FoundMaterial
from pipelines.case_file import CaseFile
from pipelines.documents import NO_VOLUMES, material_record, segmenter_record
from pipelines.settings import Settings

__all__ = ["case_exams", "case_findings", "comparing", "material_rows", "provenance", "registration_rows"]

Row = dict[str, Any]


def case_exams(exams: Exams) -> tuple[CaseExam, ...]:
    """The timepoints as the document tells them."""
    return tuple(
        CaseExam(
            id=timepoint.id,
            date=timepoint.date,
            days=timepoint.days,
            acquired=min((r.acquired for r in timepoint.series if r.acquired), default=None),
            series=tuple(series_row(record) for record in timepoint.series),
            lost=tuple({"series_uid": r.series_uid, "modality": r.modality, "code": r.code} for r in timepoint.lost),
        )
        for timepoint in exams.timepoints
    )


def comparing(case_file: CaseFile) -> Comparing:
    """Between which images the case file asks for changes."""
    return Comparing.ANY_ROLE if case_file.across_roles else Comparing.SAME_ROLE


def series_row(record: SeriesRecord) -> Row:
    return {
        "series_uid": record.series_uid,
        "volume_id": record.volume_id,
        "study_uid": record.study_uid,
        "modality": record.modality,
        "role": record.role,
        "role_reason": record.role_reason,
        "acquired": record.acquired,
        "verdict": str(record.verdict),
        "code": record.code,
        "findings": findings_record(record.findings),
    }


def material_rows(related: Sequence[tuple[FoundMaterial, Sequence[MaterialMeasurement]]]) -> list[Row]:
    """The contract's material rows, each with what had been injected into its lesion and how much of it is seen.

    A recovered fraction is given for cement alone, and only where one row holds all of a lesion's cement and it is sure
    what that is to be compared with: glue mixes with blood and fades, and on a clipped CT cement and glue may be one
    piece.
    """
    rows = []
    for found, measured in related:
        stem = found.timepoint.id
        for row in measured:
            injected = injected_rows(found.history, row)
            doubts = (*beyond_injected(found.history, row, injected), *unsure_of(found.history, row, measured))
            rows.append(
                {
                    "timepoint": stem,
                    **material_record(
                        replace(row, findings=(*row.findings, *doubts)),
                        mask=f"segmentations/{stem}.nii.gz",
                    ),
                    "injected": injected,
                    "recovered_fraction": quantity_record(recovered(found.history, row, measured)),
                }
            )
    return rows


def recovered(history: History, row: MaterialMeasurement, measured: Sequence[MaterialMeasurement]) -> Quantity | None:
    """The row's share of what was injected; None where another row may hold some of that, or that is not sure."""
    injected = injected_rows(history, row)
    injected_ml = float(sum(entry["ml"] for entry in injected))
    if row.kind in (SegmentKind.METAL, SegmentKind.EMBOLIC) or not all(is_cement(entry["agent"]) for entry in injected):
        return None
    beside = [other for other in measured if other is not row and other.kind is not SegmentKind.METAL]
    if not injected_ml or unsure_of(history, row, measured) or any(other.lesion == row.lesion for other in beside):
        return None
    return recovered_fraction(row.volume_ml, injected_ml)


def unsure_of(
    history: History, row: MaterialMeasurement, measured: Sequence[MaterialMeasurement]
) -> tuple[Finding, ...]:
    """A remark where it is not sure what had been injected into the row's lesion by then."""
    shared = [p.id for p in history.procedures if p.lesion is None]
    others = any(other.lesion != row.lesion and other.kind is not SegmentKind.METAL for other in measured)
    if row.lesion is None or row.kind is SegmentKind.METAL or not injected_rows(history, row):
        return ()
    if not history.known:
        message = "which of the procedures lie before this CT is not certain, and so is what had been injected by then"
    elif shared and others:
        message = f"{', '.join(shared)} names no lesion, and material lies in several places: what went where is open"
    else:
        return ()
    return (Finding("INJECTED_NOT_CERTAIN", Severity.WARNING, message, row.lesion),)


def beyond_injected(history: History, row: MaterialMeasurement, injected: Sequence[Row]) -> tuple[Finding, ...]:
    """A remark where the CT surely shows more than the case file says was injected into the lesion by then."""
    if not history.known or row.lesion is None or row.kind is SegmentKind.METAL or row.volume_ml.interval95 is None:
        return ()
    most_ml = sum(entry["ml"] + SYRINGE_ML for entry in injected)
    if row.volume_ml.interval95[0] <= most_ml:
        return ()
    told_ml = sum(entry["ml"] for entry in injected)
    message = (
        f"at least {row.volume_ml.interval95[0]:.1f} mL are seen, and the case file tells of {told_ml:.1f} mL injected "
        "by this exam: its procedures or their times are incomplete"
    )
    return (Finding("MORE_THAN_INJECTED", Severity.WARNING, message, row.lesion),)


def is_cement(agent: str) -> bool:
    return agent_kind(agent) is SegmentKind.CEMENT


def injected_rows(history: History, row: MaterialMeasurement) -> list[Row]:
    """What had been injected into the row's lesion before the exam."""
    return [
        {"procedure": procedure.id, "agent": agent, "ml": volume}
        for procedure in history.procedures
        if row.lesion is not None and procedure.lesion in (row.lesion, None)
        for agent, volume in procedure.materials
    ]


def registration_rows(links: Links) -> list[Row]:
    """Every registration with its evidence, accepted or not."""
    return [
        {
            "fixed": link.fixed.timepoint.id,
            "moving": link.moving.timepoint.id,
            "fixed_series_uid": link.fixed.record.volume_id,
            "moving_series_uid": link.moving.record.volume_id,
            "matrix_lps_fixed_from_moving": matrix_record(link.registration.fixed_from_moving.matrix.tolist()),
            "verdict": "accepted" if link.registration.accepted else "rejected",
            "evidence": dict(link.registration.evidence),
            "findings": findings_record(link.registration.findings),
        }
        for link in links.links
    ]


def case_findings(index: Index, exams: Exams, case_file: CaseFile, remarks: Iterable[Finding]) -> tuple[Finding, ...]:
    """Remarks about the case as a whole: refused series, the order of exams, the case file, and what tracing met."""
    refused = [
        Finding(
            record.code or "SERIES_REFUSED",
            Severity.INFO if record.code in NO_VOLUMES else Severity.ERROR,
            f"a {record.modality or 'nameless'} series is not used",
            record.series_uid,
        )
        for record in index.volumes
        if record.verdict is Verdict.REFUSED
    ]
    none_given = Finding(
        "NO_LESION_GIVEN",
        Severity.WARNING,
        "no lesion was given: neither prompts in a case file nor a SEG or RTSTRUCT beside the images",
    )
    lacking = [] if case_file.lesions or exams.annotations else [none_given]
    return tuple(dict.fromkeys((*index.findings, *refused, *exams.findings, *case_file.findings, *lacking, *remarks)))


def provenance(
    index: Index,
    exams: Exams,
    settings: Settings,
    case_file: CaseFile,
    engine: Capabilities,
    *,
    accept_gaps: bool,
    identified: bool,
) -> Row:
    """Software, segmenter with its terms, parameters, and a digest of every series' files.

    ``created`` is the newest acquisition time.
    """
    moments = [record.acquired for record in index.loadable if record.acquired]
    return {
        "software": {"name": "osteotrace", "version": imaging.__version__},
        "segmenter": segmenter_record(engine),
        "patient": next((record.patient for record in index.volumes), None) if identified else None,
        "parameters": {
            **settings.record(),
            "accept_gaps": accept_gaps,
            "case_file": case_file.written,
            "comparing": str(comparing(case_file)),
        },
        "inputs": [
            {
                "series_uid": record.volume_id,
                "files": len({f.path for f in record.frames}),
                "sha256": series_sha256(record),
            }
            for timepoint in exams.timepoints
            for record in timepoint.series
        ],
        "created": max(moments, key=moment, default=None),
    }


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=None)


def series_sha256(record: SeriesRecord) -> str:
    """SHA-256 over the SHA-256 of the series' files in slice order: changes if any byte of any file does."""
    whole = hashlib.sha256()
    for path in dict.fromkeys(frame.path for frame in record.frames):
        with open_bytes(path) as file:
            whole.update(hashlib.file_digest(cast(Any, file), "sha256").digest())
    return whole.hexdigest()
