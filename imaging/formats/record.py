"""Values ↔ JSON: the one spelling of a quantity and of a finding in every document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imaging.coding import Code
from imaging.errors import RecordError
from imaging.finding import Finding, Severity
from imaging.measurement.quantity import Quantity, ReaderPart, TwoPartError

__all__ = [
    "finding_from_record",
    "finding_record",
    "findings_record",
    "matrix_record",
    "quantity_from_record",
    "quantity_record",
]

Record = dict[str, Any]


def quantity_record(quantity: Quantity | None) -> Record | None:
    """The quantity as JSON, an unknown one as null.

    Examples
    --------
    >>> quantity_record(Quantity(1.5, "mL", "voxel sum", (1.0, 2.0)))
    {'value': 1.5, 'unit': 'mL', 'method': 'voxel sum', 'interval95': [1.0, 2.0]}
    >>> quantity_record(None)
    """
    if quantity is None:
        return None
    record: Record = {
        "value": quantity.value,
        "unit": quantity.unit,
        "method": quantity.method,
        "interval95": None if quantity.interval95 is None else list(quantity.interval95),
    }
    if quantity.code is not None:
        record["code"] = {
            "value": quantity.code.value,
            "scheme": quantity.code.scheme,
            "meaning": quantity.code.meaning,
        }
    if quantity.error is not None:
        record["error"] = error_record(quantity.error)
    return record


def error_record(error: TwoPartError) -> Record:
    """What an interval is made of: the technical part with its own interval, and the reader's with its source.

    ``cv`` are coefficients of variation; the reader's is the one that counts, never below ``floor``.

    Examples
    --------
    >>> reader = ReaderPart(floor=0.1, engines=0.2)
    >>> error_record(TwoPartError(technical95=(9.0, 11.0), technical=(("outline", 0.05),), reader=reader))["reader"]
    {'cv': 0.2, 'source': 'engines', 'floor': 0.1, 'engines': 0.2, 'readers': None, 'accepted': False}
    """
    reader = error.reader
    return {
        "technical95": list(error.technical95),
        "technical": [{"part": name, "cv": cv} for name, cv in error.technical],
        "reader": None
        if reader is None
        else {
            "cv": reader.cv,
            "source": reader.source,
            "floor": reader.floor,
            "engines": reader.engines,
            "readers": reader.readers,
            "accepted": reader.accepted,
        },
    }


def quantity_from_record(record: Mapping[str, Any] | None) -> Quantity | None:
    """The quantity in a document of ours.

    Raises
    ------
    RecordError
        If a key is missing or a number cannot be.

    Examples
    --------
    >>> quantity_from_record(quantity_record(Quantity(1.5, "mL", "voxel sum"))).value
    1.5
    """
    if record is None:
        return None
    try:
        bounds, code = record["interval95"], record.get("code")
        return Quantity(
            record["value"],
            record["unit"],
            record["method"],
            None if bounds is None else (bounds[0], bounds[1]),
            None if code is None else Code(code["value"], code["scheme"], code["meaning"]),
            error_from_record(record.get("error")),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RecordError(f"a stored quantity is damaged ({type(error).__name__})") from error


def error_from_record(record: Mapping[str, Any] | None) -> TwoPartError | None:
    if record is None:
        return None
    low, high = record["technical95"]
    reader = record["reader"]
    names = ("floor", "engines", "readers", "accepted")
    return TwoPartError(
        technical95=(low, high),
        technical=tuple((part["part"], part["cv"]) for part in record["technical"]),
        reader=None if reader is None else ReaderPart(**{name: reader[name] for name in names}),
    )


def finding_record(finding: Finding) -> Record:
    """The finding as JSON.

    Examples
    --------
    >>> finding_record(Finding("LOSSY", Severity.WARNING, "compressed with loss"))["severity"]
    'warning'
    """
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "where": finding.where,
    }


def findings_record(findings: Iterable[Finding]) -> list[Record]:
    """Each different finding once, in the order of first mention."""
    return [finding_record(finding) for finding in dict.fromkeys(findings)]


def finding_from_record(record: Mapping[str, Any]) -> Finding:
    """The finding in a document of ours.

    Raises
    ------
    RecordError
        If a key is missing or the severity is unknown.
    """
    try:
        return Finding(record["code"], Severity(record["severity"]), record["message"], record["where"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"a stored finding is damaged ({type(error).__name__})") from error


def matrix_record(matrix: Iterable[Iterable[float]]) -> list[list[float]]:
    """A matrix as rows; −0.0 is written as 0.0, so that equal matrices are equal text.

    Examples
    --------
    >>> matrix_record([[1.0, -0.0]])
    [[1.0, 0.0]]
    """
    return [[float(value) + 0.0 for value in row] for row in matrix]
