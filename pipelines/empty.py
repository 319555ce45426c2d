"""The document of each command where there is nothing but an error to put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imaging.finding import Finding
    from pipelines.documents import Document

__all__ = [
    "empty_batch",
    "empty_case",
    "empty_cement",
    "empty_compare",
    "empty_measure",
    "empty_paths",
    "empty_plan",
    "empty_register",
    "empty_scan",
    "empty_segment",
]


def empty_scan(findings: list[Finding]) -> Document:
    from imaging.study import Index
    from pipelines.documents import scan_document

    return scan_document(Index(findings=tuple(findings)), key=b"")


def empty_segment(findings: list[Finding]) -> Document:
    from pipelines.documents import segment_document

    return segment_document(mask=None, volume=None, backend=None, seconds=None, confidence=None, findings=findings)


def empty_measure(findings: list[Finding]) -> Document:
    from pipelines.documents import measure_document

    return measure_document([], findings)


def empty_compare(findings: list[Finding]) -> Document:
    from pipelines.documents import compare_document

    return compare_document(None, findings=findings)


def empty_cement(findings: list[Finding]) -> Document:
    from pipelines.documents import cement_document

    return cement_document([], findings)


def empty_plan(findings: list[Finding]) -> Document:
    from pipelines.documents import plan_document

    return plan_document(None, findings)


def empty_register(findings: list[Finding]) -> Document:
    from pipelines.documents import register_document

    return register_document(None, findings)


def empty_case(findings: list[Finding]) -> Document:
    from pipelines.case.document import empty_document

    return empty_document(findings)


def empty_batch(findings: list[Finding]) -> Document:
    from pipelines.batch.batch_document import batch_document

    return batch_document((), findings)


def empty_paths(findings: list[Finding]) -> Document:
    from imaging.formats.record import findings_record

    return {"schema": "osteotrace.outputs/1", "outputs": [], "findings": findings_record(findings)}
