"""The report as one HTML file."""

from __future__ import annotations

from pipelines.reports.page import page
from pipelines.reports.report import Report

__all__ = ["as_html"]


def as_html(report: Report) -> str:
    """The report as a page; the same report always gives the same text.

    Raises
    ------
    RecordError
        FIGURE_NOT_OURS: a figure of the report holds what no drawing of ours has.

    Examples
    --------
    >>> from pipelines.reports.report import report_from
    >>> empty = {name: [] for name in ("timepoints", "procedures", "clinical", "lesions", "materials", "responses",
    ...     "registrations", "findings", "outputs")}
    >>> case = {"schema": "osteotrace.case/1", "case_id": "<b>HCC</b>", "provenance": {}, **empty}
    >>> "&lt;b&gt;HCC&lt;/b&gt;" in as_html(report_from(case, {}))
    True
    """
    return page("pipelines.reports", "report.html.j2", report=report)
