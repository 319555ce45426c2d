"""``osteotrace.batch/1``: one row for every case, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from imaging.finding import Finding
from imaging.formats.record import findings_record
from pipelines.batch.outcome import End, Outcome
from pipelines.reports.document import visible

__all__ = ["Row", "batch_document", "is_partial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one case stands.

    Parameters
    ----------
    folders
        Their names below ROOT; they may be patients' names, so they are shown with ``--identified`` alone.
    resumed
        Whether the outcome is that of an earlier batch.
    """

    case: str
    folders: tuple[str, ...]
    outcome: Outcome
    resumed: bool = False


def is_partial(outcome: Outcome) -> bool:
    """Whether a case was done without a series that it needed."""
    return outcome.end is End.DONE and outcome.code is not None


def batch_document(
    rows: Iterable[Row],
    findings: Sequence[Finding] = (),
    *,
    identified: bool = False,
    planned: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The document.

    Parameters
    ----------
    planned
        Cases that would be done, where nothing is (``--dry-run``).

    Examples
    --------
    >>> document = batch_document([Row(case="C1", folders=("a",), outcome=Outcome(end=End.DONE, seconds=3.2))])
    >>> document["counts"]["done"], document["cases"][0]["status"]
    (1, 'done')
    """
    listed = list(rows)
    ends = Counter(row.outcome.end for row in listed)
    document: dict[str, Any] = {
        "schema": "osteotrace.batch/1",
        "cases": [row_record(row, identified=identified) for row in listed],
        "counts": {
            "cases": len(listed),
            **{str(end): ends[end] for end in End},
            "partial": sum(is_partial(row.outcome) for row in listed),
            "resumed": sum(row.resumed for row in listed),
        },
        "findings": findings_record(findings),
    }
    return document if planned is None else document | {"planned": list(planned)}


def row_record(row: Row, *, identified: bool) -> dict[str, Any]:
    outcome = row.outcome
    record: dict[str, Any] = {
        "case": row.case,
        "status": str(outcome.end),
        "code": outcome.code,
        "seconds": outcome.seconds,
        "message": visible(outcome.message),
        "findings": outcome.findings,
        "resumed": row.resumed,
    }
    return record | {"folders": list(row.folders)} if identified else record
