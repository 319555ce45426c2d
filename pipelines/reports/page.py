"""Pages that need nothing else: no network, no script, readable on paper, the same text for the same values.

Every text goes through the template's escaping; only drawings of ours (:mod:`pipelines.reports.embed`) are markup. A
content security policy forbids whatever might slip through.
"""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from pipelines.reports.embed import embedded
from pipelines.reports.palette import LESION_COLOURS

__all__ = ["page"]


def page(package: str, template: str, **values: object) -> str:
    """The page that the template in the package makes of the values.

    Parameters
    ----------
    package
        A package of ours; its templates may extend ``page.html.j2`` and import ``page_parts.html.j2``.
    template
        File name.

    Raises
    ------
    RecordError
        FIGURE_NOT_OURS: a figure holds what no drawing of ours has.
    """
    return _template(package, template).render(colours=LESION_COLOURS, **values) + "\n"


@cache  # compiling takes longer than rendering, and a batch renders many
def _template(package: str, template: str) -> Template:
    loaders = [PackageLoader(name, ".") for name in dict.fromkeys((package, "pipelines.reports"))]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=ChoiceLoader(loaders)
    )
    environment.filters["embedded"] = embedded
    return environment.get_template(template)
