"""Every finding of a case document, once, with all the places that it stands at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.reports.document import Document

__all__ = ["Remark", "codes_text", "remarks_of"]

SEVERITIES = ("error", "warning", "info")
SINGULAR = {
    "timepoints": "exam", "observations": "exam", "changes": "change", "lesions": "lesion", "materials": "material",
    "registrations": "registration", "responses": "response", "procedures": "procedure",
}  # fmt: skip
IDENTIFYING = ("id", "timepoint", "fixed", "moving", "criterion", "reference")  # what names the owner of a finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One finding and where the document holds it, for example ``lesion L1, exam T2``."""

    code: str
    severity: str
    message: str
    where: str
    places: tuple[str, ...]


def remarks_of(document: Document) -> tuple[Remark, ...]:
    """All findings at any depth: errors first, then warnings, then notes; equal ones joined.

    Examples
    --------
    >>> finding = {"code": "GANTRY_TILT", "severity": "warning", "message": "slices lean", "where": "1.2.3"}
    >>> case = {"findings": [finding], "materials": [{"id": "M1", "timepoint": "T1", "findings": [finding]}]}
    >>> [(remark.code, remark.places) for remark in remarks_of(case)]
    [('GANTRY_TILT', ('case', 'material M1 T1'))]
    """
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for finding, place in _findings(document, ()):
        key = tuple(str(finding[name]) for name in ("code", "severity", "message", "where"))
        held = places.setdefault((key[0], key[1], key[2], key[3]), [])
        if place not in held:
            held.append(place)
    remarks = (
        Remark(code=code, severity=severity, message=message, where=where, places=tuple(held))
        for (code, severity, message, where), held in places.items()
    )
    # sorted() is stable, so remarks of one code keep the order of the document.
    return tuple(sorted(remarks, key=lambda remark: (_rank(remark.severity), remark.code)))


def codes_text(findings: Sequence[Mapping[str, Any]]) -> str:
    """The findings' codes, each once, the gravest first.

    Examples
    --------
    >>> codes_text([{"code": "NOTE", "severity": "info"}, {"code": "GANTRY_TILT", "severity": "warning"}])
    'GANTRY_TILT, NOTE'
    """
    ranked = sorted(findings, key=lambda finding: _rank(finding["severity"]))
    return ", ".join(dict.fromkeys(str(finding["code"]) for finding in ranked))


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _findings(node: object, owners: tuple[str, ...]) -> Iterator[tuple[Mapping[str, Any], str]]:
    if isinstance(node, Mapping):
        if {"code", "severity", "message", "where"} <= node.keys():
            yield node, ", ".join(owners) or "case"
            return
        for key, value in node.items():
            if isinstance(value, list):
                yield from _listed(key, value, owners)
            else:
                yield from _findings(value, owners)


def _listed(key: str, rows: Sequence[object], owners: tuple[str, ...]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for row in rows:
        if key == "findings":
            yield from _findings(row, owners)
        elif isinstance(row, Mapping):
            names = [str(row[name]) for name in IDENTIFYING if isinstance(row.get(name), str)]
            yield from _findings(row, (*owners, " ".join((SINGULAR.get(key, key), *names)).strip()))
