"""``osteotrace.case/1``: the case as the one JSON document on which every report rests, and back again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import imaging
from imaging.errors import RecordError
from imaging.finding import Finding
from imaging.formats.record import (
    finding_from_record,
    findings_record,
    quantity_from_record,
    quantity_record,
)
from imaging.lesions.lesion import (
    Eligibility,
    Identity,
    IdentityStatus,
    IdentityWord,
    Lesion,
    Method,
    Observation,
)
from imaging.lesions.match import Basis
from imaging.lesions.procedure import ClinicalRecord, Procedure
from imaging.lesions.timeline import Comparing, LesionChange
from imaging.response.own import own_criteria
from imaging.segmentation import LesionId, Status
from pipelines.case.conclude import Case, CaseExam, changes
from pipelines.case.identity import LesionEvent, Remembered
from pipelines.case.responses import responses
from pipelines.case.surroundings_record import surroundings_from_record, surroundings_record
from pipelines.documents import response_record
from pipelines.readings import reading_from_record, reading_record
from pipelines.workspace import CaseFolder

__all__ = [
    "Earlier",
    "case_document",
    "case_from_document",
    "empty_document",
    "event_rows",
    "read_document",
    "read_earlier",
]

Document = dict[str, Any]
SCHEMA = "osteotrace.case/1"


def case_document(case: Case, outputs: Sequence[Mapping[str, str]]) -> Document:
    """The whole case, with the files that stand beside the document."""
    return {
        "schema": SCHEMA,
        "case_id": case.id,
        "timepoints": [exam_record(exam) for exam in case.timepoints],
        "procedures": [procedure_record(procedure) for procedure in case.procedures],
        "clinical": [clinical_record(entry) for entry in case.clinical],
        "lesions": [lesion_record(case, lesion) for lesion in case.lesions],
        "materials": [dict(row) for row in case.materials],
        "readings": [reading_record(reading) for reading in case.readings],
        "responses": [{"timepoint": timepoint, **response_record(response)} for timepoint, response in responses(case)],
        "registrations": [dict(row) for row in case.registrations],
        "events": [dict(row) for row in case.events],
        "findings": findings_record(case.findings),
        "outputs": [dict(row) for row in outputs],
        "provenance": dict(case.provenance),
    }


def empty_document(findings: Iterable[Finding]) -> Document:
    """The document of a case that came to nothing but findings."""
    collections = (
        "timepoints",
        "procedures",
        "clinical",
        "lesions",
        "materials",
        "readings",
        "responses",
        "registrations",
        "events",
    )
    return {
        "schema": SCHEMA,
        "case_id": None,
        **{name: [] for name in collections},
        "findings": findings_record(findings),
        "outputs": [],
        "provenance": {"software": {"name": "osteotrace", "version": imaging.__version__}},
    }


def exam_record(exam: CaseExam) -> Document:
    return {
        "id": exam.id,
        "date": exam.date,
        "days": exam.days,
        "acquired": exam.acquired,
        "series": [dict(series) for series in exam.series],
        "lost": [dict(series) for series in exam.lost],
    }


def procedure_record(procedure: Procedure) -> Document:
    return {
        "id": procedure.id,
        "when": procedure.when,
        "kind": procedure.kind,
        "lesion": procedure.lesion,
        "materials": [{"agent": agent, "injected_ml": volume} for agent, volume in procedure.materials],
    }


def clinical_record(entry: ClinicalRecord) -> Document:
    return {
        "when": entry.when,
        "pain_nrs": entry.pain_nrs,
        "side": entry.side,
        "walking": entry.walking,
        "event": entry.event,
        "grade": entry.grade,
    }


def lesion_record(case: Case, lesion: Lesion) -> Document:
    return {
        "id": lesion.id,
        "name": lesion.name,
        "side": lesion.side,
        "tracking_uid": lesion.tracking_uid,
        "kind": lesion.kind,
        "eligibility": asdict(lesion.eligibility),
        "observations": [observation_record(observation) for observation in case.observations_of(lesion.id)],
        "changes": [change_record(change) for change in changes(case, lesion)],
    }


def observation_record(observation: Observation) -> Document:
    return {
        "timepoint": observation.timepoint,
        "series_uid": observation.series_uid,
        "role": observation.role,
        "primary": observation.primary,
        "status": str(observation.status),
        "method": str(observation.method),
        "reader": observation.reader,
        "volume_ml": quantity_record(observation.volume),
        "material_ml": quantity_record(observation.material),
        "net_volume_ml": quantity_record(observation.net_volume),
        "long_axis_mm": quantity_record(observation.long_axis),
        "short_axis_mm": quantity_record(observation.short_axis),
        "pieces_mm": list(observation.pieces_mm),
        "slice_mm": observation.slice_mm,
        "slice_normal": None if observation.slice_normal is None else list(observation.slice_normal),
        "mask_sha256": observation.mask_sha256,
        "identity": None if observation.identity is None else identity_record(observation.identity),
        "surroundings": surroundings_record(observation.surroundings),
        "findings": findings_record(observation.findings),
    }


def identity_record(identity: Identity) -> Document:
    return {
        "since": identity.since,
        "basis": str(identity.basis),
        "status": str(identity.status),
        "cost": identity.cost,
        "ambiguity": identity.ambiguity,
        "dice": identity.dice,
        "distance_mm": identity.distance_mm,
        "history": [{"status": str(w.status), "lesion": w.lesion, "by": w.by} for w in identity.history],
    }


def event_rows(events: Iterable[LesionEvent]) -> list[Document]:
    """What became of lesions, as rows."""
    return [
        {
            "timepoint": event.timepoint,
            "kind": str(event.kind),
            "before": list(event.before),
            "now": list(event.now),
            "status": "proposed",
        }
        for event in events
    ]


def change_record(change: LesionChange) -> Document:
    return {
        "timepoint": change.timepoint,
        "reference": change.reference,
        "reference_timepoint": change.reference_timepoint,
        "volume_change_ml": quantity_record(change.volume_change_ml),
        "volume_percent": quantity_record(change.volume_percent),
        "net_volume_percent": quantity_record(change.net_volume_percent),
        "long_axis_percent": quantity_record(change.long_axis_percent),
        "exceeds_error": change.exceeds_error,
        "qiba": None if change.qiba is None else dict(change.qiba),
        "findings": findings_record(change.findings),
    }


# --- back again -----------------------------------------------------------------------------------------------------


def read_document(folder: CaseFolder) -> Document:
    """The case.json in the folder.

    Raises
    ------
    RecordError
        It is damaged, or of a version that this software does not know.
    """
    try:
        document = json.loads(folder.document.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"case.json cannot be read ({type(error).__name__})", where="case.json") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise RecordError(f"case.json is no {SCHEMA} document of this version", where="case.json")
    return document


def case_from_document(document: Mapping[str, Any]) -> Case:
    """The case in a document of ours; what follows from the observations is computed anew.

    Raises
    ------
    RecordError
        If something is missing or impossible.
    """
    try:
        lesions = document["lesions"]
        return Case(
            id=document["case_id"],
            timepoints=tuple(
                CaseExam(
                    id=row["id"],
                    date=row["date"],
                    days=row["days"],
                    acquired=row["acquired"],
                    series=tuple(row["series"]),
                    lost=tuple(row.get("lost", ())),
                )
                for row in document["timepoints"]
            ),
            procedures=tuple(
                Procedure(
                    id=row["id"],
                    when=row["when"],
                    kind=row["kind"],
                    lesion=row["lesion"],
                    materials=tuple((m["agent"], m["injected_ml"]) for m in row["materials"]),
                )
                for row in document["procedures"]
            ),
            clinical=tuple(ClinicalRecord(**row) for row in document["clinical"]),
            lesions=tuple(
                Lesion(
                    id=LesionId(row["id"]),
                    **{key: row[key] for key in ("name", "side", "kind", "tracking_uid")},
                    eligibility=Eligibility(**row.get("eligibility", {})),
                )
                for row in lesions
            ),
            observations=tuple(
                observation_from_record(LesionId(row["id"]), each) for row in lesions for each in row["observations"]
            ),
            materials=document["materials"],
            registrations=document["registrations"],
            findings=tuple(finding_from_record(row) for row in document["findings"]),
            provenance=document["provenance"],
            readings=tuple(reading_from_record(row) for row in document.get("readings", ())),
            criteria=own_criteria(document["provenance"].get("parameters", {}).get("criteria", ())),
            events=document.get("events", ()),
            comparing=Comparing(document["provenance"].get("parameters", {}).get("comparing", Comparing.SAME_ROLE)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"case.json is damaged ({type(error).__name__})", where="case.json") from error


def observation_from_record(lesion: LesionId, row: Mapping[str, Any]) -> Observation:
    return Observation(
        lesion=lesion,
        timepoint=row["timepoint"],
        series_uid=row["series_uid"],
        role=row["role"],
        primary=row["primary"],
        status=Status(row["status"]),
        method=Method(row["method"]),
        reader=row["reader"],
        volume=quantity_from_record(row["volume_ml"]),
        material=quantity_from_record(row["material_ml"]),
        net_volume=quantity_from_record(row["net_volume_ml"]),
        long_axis=quantity_from_record(row["long_axis_mm"]),
        short_axis=quantity_from_record(row["short_axis_mm"]),
        pieces_mm=tuple(row.get("pieces_mm", ())),
        slice_mm=row.get("slice_mm"),
        slice_normal=None if row.get("slice_normal") is None else tuple(row["slice_normal"]),
        mask_sha256=row["mask_sha256"],
        identity=identity_from_record(row.get("identity")),
        surroundings=surroundings_from_record(row.get("surroundings", {})),
        findings=tuple(finding_from_record(each) for each in row["findings"]),
    )


def identity_from_record(row: Mapping[str, Any] | None) -> Identity | None:
    if row is None:
        return None
    history = tuple(
        IdentityWord(IdentityStatus(word["status"]), LesionId(word["lesion"]), word["by"]) for word in row["history"]
    )
    figures = {name: row[name] for name in ("cost", "ambiguity", "dice", "distance_mm")}
    return Identity(since=row["since"], basis=Basis(row["basis"]), history=history, **figures)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run fixed for good: the timepoints' ids, by the UIDs of their series, and who is who.

    Parameters
    ----------
    lesions
        By the digest of each mask that people drew: what the machine took it for. A reader's word is not among them: it
        speaks for itself, and with it gone the mask is again what it was taken for.
    tracking_uids
        Of every lesion.
    """

    timepoint_ids: Mapping[str, str] = field(default_factory=dict)
    lesions: Mapping[str, Remembered] = field(default_factory=dict)
    tracking_uids: Mapping[LesionId, str] = field(default_factory=dict)


def read_earlier(folder: CaseFolder) -> Earlier:
    """What the folder's case.json fixed; nothing where there is none.

    Raises
    ------
    RecordError
        It is damaged, or of a version that this software does not know.
    """
    if not folder.document.is_file():
        return Earlier()
    document = read_document(folder)
    try:
        return earlier_from(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"case.json is damaged ({type(error).__name__})", where="case.json") from error


def earlier_from(document: Document) -> Earlier:
    ids = {
        series["series_uid"]: timepoint["id"]
        for timepoint in document["timepoints"]
        for series in (*timepoint["series"], *timepoint.get("lost", ()))
    }
    uids = {LesionId(lesion["id"]): str(lesion["tracking_uid"]) for lesion in document["lesions"]}
    lesions = {
        row["mask_sha256"]: Remembered(taken_for, uids.get(taken_for, ""), basis)
        for lesion in document["lesions"]
        for row in lesion["observations"]
        if row["method"] == Method.IMPORTED and row["mask_sha256"]
        for taken_for, basis in [taken(LesionId(lesion["id"]), row.get("identity"))]
    }
    return Earlier(ids, lesions, uids)


def taken(lesion: LesionId, identity: Mapping[str, Any] | None) -> tuple[LesionId, Basis]:
    """What the machine took a mask for, and why; what a reader's word rests on, it does not."""
    if identity is None:
        return lesion, Basis.OVERLAP
    taken_for, basis = LesionId(identity["history"][0]["lesion"]), Basis(identity["basis"])
    if taken_for != lesion or basis is Basis.READER:
        basis = Basis.PLACED if identity["since"] is None else Basis.OVERLAP
    return taken_for, basis
