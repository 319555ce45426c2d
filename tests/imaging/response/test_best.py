"""The best overall response beyond its vectors: what it says and from which exams."""

from __future__ import annotations

import pytest

from imaging.response.best import Visit, best_response
from imaging.response.response import Category

PR, SD, PD = Category.PR, Category.SD, Category.PD
RULE = "the best of the exams up to progression; before the least duration none counts as stable"


def course(*visits: tuple[int | None, Category]) -> list[Visit]:
    return [Visit(days=days, category=category) for days, category in visits]


@pytest.mark.parametrize(
    ("visits", "reasons"),
    [
        (course((60, SD)), (RULE,)),
        (course((60, PR), (88, PR)), (RULE, "an exam at least 28 days later confirms it")),
        (
            course((60, PR), (87, PR)),
            (RULE, "no exam at least 28 days later confirms it; where the trial asks for that, it is SD"),
        ),
    ],
)
def test_it_says_whether_a_response_was_confirmed(visits: list[Visit], reasons: tuple[str, ...]) -> None:
    assert best_response(visits).reasons == reasons


def test_it_carries_the_course_and_its_source() -> None:
    response = best_response(course((60, SD), (None, PD), (90, PR)))
    assert response.inputs == {"confirmed": "SD", "days": [60, None, 90], "overall": ["SD", "PD", "PR"]}
    assert (response.criterion, response.scope) == ("RECIST 1.1", "best overall")
    assert response.source.endswith("§4.6 and table 3")


def test_the_first_progression_ends_the_course() -> None:
    assert best_response(course((60, SD), (90, PD), (120, PR), (150, PD))).category is SD


@pytest.mark.parametrize(("days", "category"), [(55, Category.NE), (56, SD)])
def test_how_long_stable_must_last_is_the_protocols(days: int, category: Category) -> None:
    assert best_response(course((days, SD)), least_stable_days=56).category is category
