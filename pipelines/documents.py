"""The JSON document of every command (ARCHITECTURE: "JSON documents"): values in, plain dictionaries out.

Keys may be added, none renamed without a new schema number. Numbers are finite and an unknown value is null.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imaging.finding import Finding, Severity
from imaging.formats.record import findings_record, matrix_record, quantity_record
from imaging.study import Index, SeriesRecord, Verdict

if TYPE_CHECKING:  # heavy modules, needed for their types alone
    from imaging.measurement.approach import Approach
    from imaging.measurement.change import Change
    from imaging.measurement.material import MaterialMeasurement, PieceMeasurement
    from imaging.measurement.measure import SegmentMeasurement
    from imaging.measurement.quantity import Quantity
    from imaging.registration.deformable import Deformation
    from imaging.registration.rigid import Registration
    from imaging.response.response import Response
    from imaging.segmentation.backend import Capabilities

__all__ = [
    "cement_document",
    "compare_document",
    "error_finding",
    "material_record",
    "measure_document",
    "needed_series_refused",
    "plan_document",
    "pseudonym",
    "register_document",
    "response_record",
    "scan_document",
    "segment_document",
    "series_record",
]

Document = dict[str, Any]

NAMES = (
    "volume_ml",
    "volume_voxels_ml",
    "volume_mesh_ml",
    "volume_partial_ml",
    "surface_mm2",
    "sphericity",
    "diameter_3d_mm",
    "long_axis_mm",
    "short_axis_mm",
    "who_product_mm2",
    "axis_major_mm",
    "axis_minor_mm",
    "axis_least_mm",
    "elongation",
    "flatness",
)


def pseudonym(patient: str, key: bytes) -> str:
    """A name that is the same for one patient under one key and tells nothing without it (HMAC-SHA256).

    Examples
    --------
    >>> pseudonym("4711", b"site") == pseudonym("4711", b"site") != pseudonym("4711", b"other site")
    True
    """
    return "P-" + hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:12]


def series_record(record: SeriesRecord, *, patient: str, path: str | None = None) -> Document:
    """One row of ``volumes``."""
    grid = record.grid
    return {
        "patient": patient,
        "study_uid": record.study_uid,
        "study_date": record.study_date,
        "acquired": record.acquired,
        "series_uid": record.series_uid,
        "volume_id": record.volume_id,
        "modality": record.modality,
        "description": record.description,
        "role": record.role,
        "role_reason": record.role_reason,
        "verdict": str(record.verdict),
        "code": record.code,
        "shape": None if grid is None else list(grid.shape),
        "spacing_mm": None if grid is None else [*grid.spacing_mm],
        "affine_lps": None if grid is None else matrix_record(grid.affine.tolist()),
        "frames": len(record.frames),
        "findings": findings_record(record.findings),
        "path": path,
    }


def scan_document(
    index: Index,
    *,
    key: bytes,
    identified: bool = False,
    paths: Mapping[str, str] | None = None,
    scanned: Sequence[Path] = (),
) -> Document:
    """``osteotrace.scan/1``; ``paths`` gives the file of each converted volume by its volume id.

    What was skipped is named by its way from what was ``scanned``: the folders above it are nobody's business.

    Series descriptions are shown, because a reader chooses by them; they stand in no report, log or error.
    """
    rows = []
    for record in index.volumes:
        patient = record.patient if identified else pseudonym(record.patient, key)
        rows.append(series_record(record, patient=patient, path=(paths or {}).get(record.volume_id)))
    return {
        "schema": "osteotrace.scan/1",
        "volumes": rows,
        "annotations": [
            {
                "path": annotation.path.name,
                "modality": annotation.modality,
                "series_uid": annotation.series_uid,
                "referenced_series_uid": annotation.referenced_series_uid,
            }
            for annotation in index.annotations
        ],
        "skipped": [{"path": way_below(row.path, scanned), "code": row.code} for row in index.skipped],
        "findings": findings_record(index.findings),
    }


def way_below(path: Path, scanned: Sequence[Path]) -> str:
    """The path as seen from the one folder that was scanned, or from the folder of all that was; else its name.

    Examples
    --------
    >>> way_below(Path("/data/study/a/note.txt"), [Path("/data/study")])
    'a/note.txt'
    >>> way_below(Path("/data/one/a"), [Path("/data/one"), Path("/data/two")])
    'one/a'
    """
    absolute, places = path.absolute(), [place.absolute() for place in scanned]
    base = Path(os.path.commonpath(places)) if places else absolute
    if base == absolute or not absolute.is_relative_to(base):
        return path.name
    return absolute.relative_to(base).as_posix()


# Series that are no CT or MR volume to begin with: passing them over loses nothing that was needed.
NO_VOLUMES = ("LOCALIZER", "SECONDARY_CAPTURE", "DOSE_REPORT", "UNSUPPORTED_MODALITY", "NOT_AN_IMAGE")


def needed_series_refused(index: Index) -> bool:
    """Whether a CT or MR volume could not be used."""
    return bool(needed_and_refused(index))


def needed_and_refused(index: Index) -> tuple[SeriesRecord, ...]:
    """The CT and MR volumes that could not be used."""
    return tuple(r for r in index.volumes if r.verdict is Verdict.REFUSED and r.code not in NO_VOLUMES)


def segment_document(
    *,
    mask: str | None,
    volume: Quantity | None,
    backend: str | None,
    terms: Capabilities | None = None,
    seconds: float | None,
    confidence: float | None,
    findings: Iterable[Finding],
) -> Document:
    """``osteotrace.segment/1``."""
    return {
        "schema": "osteotrace.segment/1",
        "mask": mask,
        "volume_ml": quantity_record(volume),
        "backend": backend,
        "segmenter": None if terms is None else segmenter_record(terms),
        "seconds": seconds,
        "quality": {"confidence": confidence, "findings": findings_record(findings)},
    }


def segmenter_record(terms: Capabilities) -> Document:
    """Who proposed, and under which terms its code and its weights may be used."""
    return {
        "name": terms.name,
        "version": terms.version,
        "code_licence": terms.code_licence,
        "weights": terms.weights or None,
        "weights_licence": terms.weights_licence,
        "device": terms.device,
    }


def measurement_record(measurement: SegmentMeasurement) -> Document:
    """One row of ``segments``."""
    intensity = measurement.intensity
    partial = () if measurement.partial_finding is None else (measurement.partial_finding,)
    return {
        "label": measurement.label,
        "name": measurement.name,
        **{name: quantity_record(getattr(measurement, name)) for name in NAMES},
        "centroid_lps_mm": [float(x) for x in measurement.centroid_lps_mm],
        "long_axis_endpoints_lps_mm": matrix_record(measurement.long_axis_endpoints_lps_mm),
        "short_axis_endpoints_lps_mm": matrix_record(measurement.short_axis_endpoints_lps_mm),
        "long_axis_slice": measurement.long_axis_slice,
        "intensity": None if intensity is None else {name: quantity_record(q) for name, q in intensity.items()},
        "findings": findings_record((*measurement.findings, *partial)),
    }


def measure_document(measurements: Iterable[SegmentMeasurement], findings: Iterable[Finding] = ()) -> Document:
    """``osteotrace.measure/1``."""
    return {
        "schema": "osteotrace.measure/1",
        "segments": [measurement_record(measurement) for measurement in measurements],
        "findings": findings_record(findings),
    }


def compare_document(
    change: Change | None, responses: Mapping[str, Response] | None = None, findings: Iterable[Finding] = ()
) -> Document:
    """``osteotrace.compare/1``; ``responses`` are its categories with their reasons, by the same names."""
    if change is None:
        values: Document = dict.fromkeys(("volume_change_ml", "volume_change_percent", "long_axis_change_percent"))
        return {
            "schema": "osteotrace.compare/1",
            **values,
            "exceeds_error": None,
            "qiba": None,
            "categories": {},
            "responses": {},
            "findings": findings_record(findings),
        }
    return {
        "schema": "osteotrace.compare/1",
        "volume_change_ml": quantity_record(change.volume_change_ml),
        "volume_change_percent": quantity_record(change.volume_change_percent),
        "long_axis_change_percent": quantity_record(change.long_axis_change_percent),
        "exceeds_error": change.exceeds_error,
        "qiba": None if change.qiba is None else dict(change.qiba),
        "categories": dict(change.categories),
        "responses": {name: response_record(response) for name, response in (responses or {}).items()},
        "findings": findings_record([*change.findings, *findings]),
    }


def response_record(response: Response) -> Document:
    """One category with its reasons, inputs and source."""
    return {
        "criterion": response.criterion,
        "category": str(response.category),
        "scope": response.scope,
        "reasons": list(response.reasons),
        "inputs": dict(response.inputs),
        "source": response.source,
    }


def material_record(material: MaterialMeasurement, *, mask: str | None = None) -> Document:
    """One row of ``materials``."""
    return {
        "id": material.id,
        "kind": str(material.kind),
        "lesion": material.lesion,
        "side": material.side,
        "volume_ml": quantity_record(material.volume_ml),
        "saturated": material.saturated,
        "pieces": [piece_record(piece) for piece in material.pieces],
        "mask": mask,
        "inside_lesion_ml": quantity_record(material.inside_lesion_ml),
        "fill_fraction": quantity_record(material.fill_fraction),
        "inside_bone_ml": quantity_record(material.inside_bone_ml),
        "neural_ml": quantity_record(material.neural_ml),
        "leak_ml": quantity_record(material.leak_ml),
        "leaks": [
            {
                "compartment": leak.compartment,
                "volume_ml": quantity_record(leak.volume_ml),
                "distance_mm": quantity_record(leak.distance_mm),
                "neural": leak.neural,
            }
            for leak in material.leaks
        ],
        "findings": findings_record(material.findings),
    }


def piece_record(piece: PieceMeasurement) -> Document:
    return {
        "volume_ml": quantity_record(piece.volume_ml),
        "plateau_hu": piece.plateau_hu,
        "saturated": piece.saturated,
        "is_new": piece.is_new,
        "confidence": piece.confidence,
        "reason": piece.reason,
        "centroid_lps_mm": list(piece.centroid_lps_mm),
        "threshold_sweep": [{"above_hu": threshold, "volume_ml": volume} for threshold, volume in piece.sweep],
    }


def plan_document(plan: Approach | None, findings: Iterable[Finding] = ()) -> Document:
    """``osteotrace.plan/1``; everything unknown where there is no plan."""
    from imaging.measurement.approach import NOT_MODELLED

    margins = ("lesion_edge_mm", "breach_mm", "neural_mm")
    if plan is None:
        known: Document = {"target_lps_mm": None, "margins": dict.fromkeys(margins)}
        known |= {"ball_to_neural_ml": None, "ball_to_edge_ml": None, "lesion_ml": None, "paths": []}
    else:
        quantities = (plan.edge_mm, plan.breach_mm, plan.neural_mm)
        known = {
            "target_lps_mm": list(plan.target_lps_mm),
            "margins": {name: quantity_record(found) for name, found in zip(margins, quantities, strict=True)},
            "ball_to_neural_ml": quantity_record(plan.ball_to_neural_ml),
            "ball_to_edge_ml": quantity_record(plan.ball_to_edge_ml),
            "lesion_ml": plan.lesion_ml,
            "paths": [
                {
                    "entry_lps_mm": list(path.entry_lps_mm),
                    "length_mm": path.length_mm,
                    "in_bone_mm": path.in_bone_mm,
                    "neural_clearance_mm": path.neural_clearance_mm,
                }
                for path in plan.paths
            ],
        }
    return {
        "schema": "osteotrace.plan/1",
        **known,
        "not_modelled": NOT_MODELLED,
        "findings": findings_record(dict.fromkeys(findings)),
    }


def cement_document(
    materials: Sequence[Document], findings: Iterable[Finding] = (), *, neural_ml: Quantity | None = None
) -> Document:
    """``osteotrace.cement/1``; all materials in canal and foramina together, unknown where they are not given."""
    return {
        "schema": "osteotrace.cement/1",
        "materials": list(materials),
        "neural_ml": quantity_record(neural_ml),
        "findings": findings_record(findings),
    }


def register_document(registration: Registration | None, findings: Iterable[Finding] = ()) -> Document:
    """``osteotrace.register/1``; without a result the matrix is the identity and the verdict says what it is worth."""
    if registration is None:
        identity = [[float(row == column) for column in range(4)] for row in range(4)]
        return {
            "schema": "osteotrace.register/1",
            "matrix_lps_fixed_from_moving": identity,
            "verdict": "rejected",
            "evidence": {},
            "findings": findings_record(findings),
        }
    return {"schema": "osteotrace.register/1", **transform_record(registration, findings)}


def transform_record(registration: Registration, findings: Iterable[Finding] = ()) -> Document:
    """A rigid transform with its verdict."""
    return {
        "matrix_lps_fixed_from_moving": matrix_record(registration.fixed_from_moving.matrix.tolist()),
        "verdict": "accepted" if registration.accepted else "rejected",
        "evidence": dict(registration.evidence),
        "findings": findings_record([*registration.findings, *findings]),
    }


def deformation_record(bent: Deformation, field: str | None) -> Document:
    """How soft tissue bent, beside the rigid transform; without a field where it is not to be believed."""
    return {
        "field": field,
        "verdict": "accepted" if bent.accepted else "rejected",
        "evidence": dict(bent.evidence),
        "findings": findings_record(bent.findings),
    }


def error_finding(code: str, message: str, where: str = "") -> Finding:
    """The finding that stands in a document whose command failed."""
    return Finding(code, Severity.ERROR, message, where)
