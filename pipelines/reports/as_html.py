"""The report as one HTML file that needs nothing else: no network, no script, readable on paper.

Every text of the document goes through the template's escaping; only drawings of ours (:mod:`pipelines.reports.embed`)
are markup. A content security policy forbids whatever might slip through.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from pipelines.reports.embed import embedded
from pipelines.reports.palette import LESION_COLOURS
from pipelines.reports.report import Report

__all__ = ["as_html"]

TEMPLATE = "report.html.j2"


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
    return _template().render(report=report, colours=LESION_COLOURS) + "\n"


@cache  # compiling takes longer than rendering, and a batch renders many
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["embedded"] = embedded
    return environment.from_string(files("pipelines.reports").joinpath(TEMPLATE).read_text(encoding="utf-8"))
