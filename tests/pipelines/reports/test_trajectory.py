from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from pipelines.reports.embed import embedded
from pipelines.reports.palette import lesion_colour
from pipelines.reports.trajectory import trajectory_svg

Document = dict[str, Any]


def marks(svg: str, colour: str) -> list[tuple[float, float, bool]]:
    """Centre of each volume mark of that colour and whether it is filled."""
    found = re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="4.6" stroke="{colour}"[^>]*fill="([^"]+)"', svg)
    return [(float(x), float(y), fill == colour) for x, y, fill in found]


def test_marks_lie_where_day_and_volume_put_them(document: Document) -> None:
    svg = trajectory_svg(document)
    seen = [(o, t["days"]) for lesion in document["lesions"] for o in lesion["observations"]
            for t in document["timepoints"] if t["id"] == o["timepoint"] and o["volume_ml"]]  # fmt: skip
    drawn = [mark for n in range(2) for mark in marks(svg, lesion_colour(n))]
    assert len(drawn) == len(seen) == 6
    (x0, y0, _), (x1, y1, _) = drawn[0], drawn[2]
    day0, day1 = seen[0][1], seen[2][1]
    ml0, ml1 = seen[0][0]["volume_ml"]["value"], seen[2][0]["volume_ml"]["value"]
    for (observation, day), (x, y, filled) in zip(seen, drawn, strict=True):
        assert x == pytest.approx(x0 + (day - day0) * (x1 - x0) / (day1 - day0), abs=0.02)
        assert y == pytest.approx(y0 + (observation["volume_ml"]["value"] - ml0) * (y1 - y0) / (ml1 - ml0), abs=0.05)
        assert filled == (observation["status"] == "accepted")


def test_whiskers_end_at_the_interval(document: Document) -> None:
    svg = trajectory_svg(document)
    (x0, y0, _), _, (_, y2, _) = marks(svg, lesion_colour(0))
    first, last = (document["lesions"][0]["observations"][n]["volume_ml"] for n in (0, -1))
    per_ml = (y2 - y0) / (last["value"] - first["value"])
    (line,) = re.findall(rf'<line x1="{x0:g}" x2="{x0:g}" y1="([\d.]+)" y2="([\d.]+)" stroke="{lesion_colour(0)}"', svg)
    ends = [y0 + (bound - first["value"]) * per_ml for bound in first["interval95"]]
    assert [float(y) for y in line] == pytest.approx(ends, abs=0.05)


def test_what_was_not_measured_is_a_cross_or_a_triangle_and_never_a_mark_at_zero(document: Document) -> None:
    document["lesions"] = [document["lesions"][1]]
    document["lesions"][0]["observations"][3]["status"] = "absent"
    svg = trajectory_svg(document)
    assert len(marks(svg, lesion_colour(0))) == 3
    assert len(re.findall(rf'<polygon points="[^"]+" stroke="{lesion_colour(0)}"', svg)) == 1


def test_every_procedure_and_event_is_named(document: Document) -> None:
    svg = trajectory_svg(document)
    for words in ("P1 embolization L1 (2 mL)", "P2 sacroplasty L1 (2 mL + 7 mL)", "P3 sacroplasty L2 (3 mL)"):
        assert words in svg
    assert "transient numbness of the right leg (grade 1)" in svg
    assert "temporal association only" in svg


def test_labels_of_one_row_do_not_overlap(document: Document) -> None:
    kinds = [{"id": f"P{n}", "when": f"2003-01-{n + 10}", "kind": "sacroplasty", "lesion": "L1"} for n in range(12)]
    document["procedures"] = kinds
    labels = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" font-size="10.5">(P\d+ [^<]+)</text>', trajectory_svg(document)
    )
    assert len(labels) == 12
    rows: dict[str, float] = {}
    for x, y, text in labels:
        assert float(x) >= rows.get(y, 0.0)
        rows[y] = float(x) + len(text) * 10.5 * 0.5


def test_without_pain_there_is_no_pain_panel(document: Document) -> None:
    document["clinical"] = [{"when": "2003-01-10", "walking": "unaided"}]
    assert "Pain" not in trajectory_svg(document)


@pytest.mark.parametrize("days", [[0], [0, 0], [None, 5], [-40, 4000]])
def test_any_days_can_be_drawn(document: Document, days: list[int | None]) -> None:
    document["timepoints"] = [
        timepoint | {"days": day} for timepoint, day in zip(document["timepoints"], days, strict=False)
    ]
    svg = trajectory_svg(document)
    assert "nan" not in svg
    assert "inf" not in svg.replace("inf-", "")
    assert embedded(svg)


def test_a_volume_without_an_interval_has_no_whisker(document: Document) -> None:
    for lesion in document["lesions"]:
        for observation in lesion["observations"]:
            if observation["volume_ml"]:
                observation["volume_ml"]["interval95"] = None
    assert 'stroke-width="1.4"' not in trajectory_svg(document)


def test_many_lesions_have_names_that_do_not_overlap(document: Document) -> None:
    lesion = document["lesions"][0]
    document["lesions"] = [lesion | {"id": f"L{n}", "name": f"lesion {n}"} for n in range(12)]
    found = re.findall(r'<text x="[\d.]+" y="([\d.]+)" font-weight="600">Lesion', trajectory_svg(document))
    heights = [float(y) for y in found]
    assert len(heights) == 12
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 11
