"""The overall category: the paper's tables in full, what a reader has not said, and when new lesions began."""

from __future__ import annotations

import itertools

import pytest

from imaging.response.overall import dated_new_lesions, overall_response
from imaging.response.reading import FillIn, NewLesions, NonTarget, Reading
from imaging.response.response import Category

CR, PR, SD, PD, NE, NON = Category.CR, Category.PR, Category.SD, Category.PD, Category.NE, Category.NON_CR_NON_PD
ALL = list(itertools.product([CR, PR, SD, PD, NE, None], NonTarget))
none, equivocal, unequivocal = NewLesions

# The paper's tables 1 and 2, row by row, where everything was imaged and nothing is new. None: no target at baseline.
OVERALL = {
    (CR, NonTarget.CR): CR,
    (CR, NonTarget.NONE): CR,
    (CR, NonTarget.NON_CR_NON_PD): PR,
    (CR, NonTarget.NE): PR,
    (PR, NonTarget.CR): PR,
    (PR, NonTarget.NONE): PR,
    (PR, NonTarget.NON_CR_NON_PD): PR,
    (PR, NonTarget.NE): PR,
    (SD, NonTarget.CR): SD,
    (SD, NonTarget.NONE): SD,
    (SD, NonTarget.NON_CR_NON_PD): SD,
    (SD, NonTarget.NE): SD,
    (NE, NonTarget.CR): NE,
    (NE, NonTarget.NONE): NE,
    (NE, NonTarget.NON_CR_NON_PD): NE,
    (NE, NonTarget.NE): NE,
    (None, NonTarget.CR): CR,
    (None, NonTarget.NONE): NE,
    (None, NonTarget.NON_CR_NON_PD): NON,
    (None, NonTarget.NE): NE,
}


@pytest.mark.parametrize(("target", "non_target"), OVERALL)
def test_without_progression_the_table_decides(target: Category | None, non_target: NonTarget) -> None:
    response = overall_response(target=target, non_target=non_target, new_lesions=none, coverage=True)
    assert response.category is OVERALL[target, non_target]
    assert len(response.reasons) == 1


@pytest.mark.parametrize(("target", "non_target"), ALL)
def test_progression_of_any_part_is_progression_whatever_else_was_said(
    target: Category | None, non_target: NonTarget
) -> None:
    for coverage in (True, False, None):
        new = overall_response(target=target, non_target=non_target, new_lesions=unequivocal, coverage=coverage)
        assert new.category is PD
        assert new.reasons[0].startswith("there are new lesions")
        for said in (none, equivocal, None):
            if target is PD or non_target is NonTarget.PD:
                grown = overall_response(target=target, non_target=non_target, new_lesions=said, coverage=coverage)
                assert (grown.category, len(grown.reasons)) == (PD, 1)
                assert ("the target lesions progress" in grown.reasons[0]) is (target is PD)
                assert ("the non-target lesions progress" in grown.reasons[0]) is (non_target is NonTarget.PD)


@pytest.mark.parametrize(("target", "non_target"), OVERALL)
@pytest.mark.parametrize(
    ("unsaid", "words"),
    [("non_target", "non-target lesions"), ("new_lesions", "new lesions"), ("coverage", "coverage")],
)
def test_what_no_reader_has_said_leaves_it_open(
    target: Category | None, non_target: NonTarget, unsaid: str, words: str
) -> None:
    said = {"non_target": non_target, "new_lesions": none, "coverage": True} | {unsaid: None}
    response = overall_response(target=target, **said)  # type: ignore[arg-type]
    assert response.category is NE
    assert response.reasons == (f"no reader has said: {words}",)
    assert response.inputs[unsaid] is None


def test_what_was_not_imaged_leaves_it_open() -> None:
    response = overall_response(target=PR, non_target=NonTarget.CR, new_lesions=none, coverage=False)
    assert response.category is NE
    assert response.reasons == ("not everything was imaged in which disease is looked for",)


@pytest.mark.parametrize(("target", "non_target"), OVERALL)
def test_equivocal_new_lesions_are_named_and_change_nothing_yet(target: Category | None, non_target: NonTarget) -> None:
    response = overall_response(target=target, non_target=non_target, new_lesions=equivocal, coverage=True)
    assert response.category is OVERALL[target, non_target]
    assert "equivocal" in response.reasons[-1]


@pytest.mark.parametrize(
    ("target", "non_target", "reason"),
    [
        (None, NonTarget.CR, "there are no target lesions"),
        (CR, NonTarget.NE, "the target lesions are gone, the non-target lesions are not"),
        (CR, NonTarget.CR, "the target lesions decide"),
        (SD, NonTarget.NON_CR_NON_PD, "the target lesions decide"),
    ],
)
def test_the_reason_says_what_decided(target: Category | None, non_target: NonTarget, reason: str) -> None:
    response = overall_response(target=target, non_target=non_target, new_lesions=none, coverage=True)
    assert response.reasons[0].startswith(reason)
    assert response.inputs == {
        "target": None if target is None else str(target),
        "non_target": str(non_target),
        "new_lesions": "none",
        "coverage": True,
    }
    assert (response.scope, response.criterion) == ("overall", "RECIST 1.1")
    assert "tables 1 and 2" in response.source


@pytest.mark.parametrize(
    ("said", "dated"),
    [
        ([], []),
        ([none, equivocal], [none, equivocal]),
        ([none, equivocal, unequivocal], [none, unequivocal, unequivocal]),
        ([equivocal, equivocal, unequivocal], [unequivocal] * 3),
        ([equivocal, none, unequivocal], [equivocal, none, unequivocal]),  # it had gone: another lesion
        ([equivocal, None, unequivocal], [unequivocal, None, unequivocal]),
        ([unequivocal, equivocal, none], [unequivocal, equivocal, none]),
        ([equivocal, unequivocal, none, equivocal], [unequivocal, unequivocal, none, equivocal]),
    ],
)
def test_confirmed_new_lesions_are_dated_at_first_sight(
    said: list[NewLesions | None], dated: list[NewLesions | None]
) -> None:
    assert list(dated_new_lesions(said)) == dated


def test_the_words_of_a_reading_are_those_of_the_case_file() -> None:
    assert [str(word) for word in NonTarget] == ["CR", "non-CR/non-PD", "PD", "NE", "none"]
    assert [str(word) for word in NewLesions] == ["none", "equivocal", "unequivocal"]
    assert [str(word) for word in FillIn] == ["none", "partial", "complete"]
    assert [str(word) for word in Category] == ["CR", "PR", "SD", "PD", "NE", "non-CR/non-PD"]


def test_a_merged_lesion_is_counted_in_the_first_of_its_group() -> None:
    reading = Reading(timepoint="T1", reader="r", merged=(("L1", "L2", "L3"), ("L4", "L5")))
    assert [reading.merged_into(f"L{n}") for n in range(1, 7)] == [None, "L1", "L1", None, "L4", None]
