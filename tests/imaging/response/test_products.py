"""WHO and MDA beyond their vectors: what they say, from which figures, and what they refuse."""

from __future__ import annotations

from fractions import Fraction

import pytest

from imaging.errors import UsageError
from imaging.response.mda import BoneLesion, mda_response
from imaging.response.reading import FillIn, NewLesions
from imaging.response.response import Category
from imaging.response.who import product_mm2, who_response

BEFORE = {"L1": BoneLesion(product_mm2=800.0, material=False), "L2": BoneLesion(product_mm2=200.0, material=False)}


def bone(first: float | None, second: float | None, **more: object) -> dict[str, BoneLesion]:
    return {
        "L1": BoneLesion(product_mm2=first, material=False),
        "L2": BoneLesion(**({"product_mm2": second, "material": False} | more)),  # type: ignore[arg-type]
    }


def test_the_product_is_exact_or_unknown() -> None:
    assert product_mm2(0.1, 0.3) == Fraction(3, 100)
    assert product_mm2(None, 0.3) is None
    assert product_mm2(0.1, None) is None


def test_who_carries_sums_products_and_each_lesions_nadir() -> None:
    response = who_response(
        baseline={"L1": 800.0, "L2": 200.0}, earlier=[{"L1": 600.0}, {"L2": 150.0}], current={"L1": 700.0, "L2": 180.0}
    )
    assert response.category is Category.SD
    assert response.reasons == ("−12.00 % against the baseline of 1000.00 mm²",)
    assert response.inputs == {
        "sum_mm2": 880.0,
        "baseline_mm2": 1000.0,
        "products_mm2": {"L1": 700.0, "L2": 180.0},
        "nadirs_mm2": {"L1": 600.0, "L2": 150.0},
        "new_lesions": None,
    }
    assert (response.criterion, response.scope) == ("WHO", "target lesions")


def test_who_names_every_lesion_that_progresses() -> None:
    response = who_response(baseline={"L1": 80.0, "L2": 20.0, "L3": 5.0}, current={"L1": 100.0, "L2": 25.0, "L3": None})
    assert [reason.split(":")[0] for reason in response.reasons] == ["L1", "L2"]
    assert response.inputs["sum_mm2"] is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, Category.PR),
        (NewLesions.NONE, Category.PR),
        (NewLesions.EQUIVOCAL, Category.PR),
        (NewLesions.UNEQUIVOCAL, Category.PD),
    ],
)
def test_new_lesions_are_progression_by_who_once_they_are_unequivocal(
    said: NewLesions | None, expected: Category
) -> None:
    response = who_response(baseline={"L1": 80.0}, current={"L1": 40.0}, new_lesions=said)
    assert (response.category, response.inputs["new_lesions"]) == (expected, said)
    assert ("there are new lesions" in response.reasons) is (expected is Category.PD)


@pytest.mark.parametrize(
    ("baseline", "current", "reason"),
    [
        ({"L1": 80.0}, {"L1": 0.0}, "every lesion is gone"),
        ({"L1": 80.0}, {"L1": None}, "not every lesion was measured, and none of those measured progresses"),
        ({"L1": None}, {"L1": 8.0}, "there is no lesion with a known product at baseline"),
    ],
)
def test_who_says_why(baseline: dict[str, float | None], current: dict[str, float | None], reason: str) -> None:
    assert who_response(baseline=baseline, current=current).reasons == (reason,)


def test_lesions_are_chosen_at_baseline() -> None:
    for visits in ({"current": {"L9": 1.0}}, {"current": {}, "earlier": [{"L9": 1.0}]}):
        with pytest.raises(UsageError, match="L9 was not"):
            who_response(baseline={"L1": 80.0}, **visits)  # type: ignore[arg-type]
    for bones in ({"current": {"L9": BEFORE["L1"]}}, {"current": BEFORE, "earlier": [{"L9": BEFORE["L1"]}]}):
        with pytest.raises(UsageError, match="L9 was not"):
            mda_response(baseline=BEFORE, days=60, **bones)  # type: ignore[arg-type]


def test_mda_carries_what_it_was_told() -> None:
    response = mda_response(
        baseline=BEFORE, earlier=[bone(600.0, 200.0)], current=bone(700.0, 200.0, fill_in=FillIn.NONE), days=60
    )
    assert response.inputs == {
        "sum_mm2": 900.0,
        "baseline_mm2": 1000.0,
        "nadir_mm2": 800.0,
        "days": 60,
        "new_lesions": None,
        "material": {"L1": False, "L2": False},
        "fill_in": {"L2": "none"},
    }
    assert (response.category, response.criterion, response.scope) == (Category.SD, "MDA bone", "target lesions")
    assert response.reasons == ("−10.00 % against the baseline of 1000.00 mm²",)


@pytest.mark.parametrize(
    ("current", "category", "reasons"),
    [
        (bone(0.0, 200.0, fill_in=FillIn.COMPLETE), Category.CR, ["every lesion is gone or has filled with bone"]),
        (bone(0.0, 200.0), Category.PR, ["−80.00 %"]),
        (bone(800.0, 200.0, fill_in=FillIn.PARTIAL), Category.PR, ["+0.00 %", "a lytic lesion fills with bone"]),
        (bone(800.0, 0.0, material=True), Category.SD, ["−20.00 %"]),  # a stable sum needs no excuse
        (bone(400.0, 0.0, material=True), Category.NE, ["L2: its signal is lost where CT shows", "−60.00 %"]),
        (bone(400.0, 9.0, material=None), Category.NE, ["L2: whether it holds material is not", "−59.10 %"]),
        (bone(1000.0, 260.0), Category.PD, ["+26.00 %"]),
        (bone(None, 200.0), Category.NE, ["not every lesion was measured"]),
        (bone(1000.0, 200.0), Category.SD, ["+20.00 %"]),
    ],
)
def test_mda_says_why(current: dict[str, BoneLesion], category: Category, reasons: list[str]) -> None:
    response = mda_response(baseline=BEFORE, current=current, days=60)
    assert response.category is category
    assert len(response.reasons) == len(reasons)
    assert all(told.startswith(start) for told, start in zip(response.reasons, reasons, strict=True))


@pytest.mark.parametrize(("material", "expected"), [(True, Category.SD), (None, Category.SD), (False, Category.PD)])
def test_a_signal_that_was_lost_in_material_makes_no_nadir(material: bool | None, expected: Category) -> None:
    lost = bone(800.0, 0.0, material=material)
    response = mda_response(baseline=BEFORE, earlier=[lost], current=BEFORE, days=60)
    assert (response.category, response.inputs["nadir_mm2"]) == (expected, 800.0 if material is False else 1000.0)


def test_mda_says_why_it_is_too_early() -> None:
    response = mda_response(baseline=BEFORE, current=BEFORE, days=55)
    assert response.reasons == (
        "+0.00 % against the baseline of 1000.00 mm²",
        "nothing is called stable before 8 weeks",
    )
    assert "PMC3863546, table 1" in response.source


def test_who_says_against_which_product() -> None:
    response = who_response(baseline={"L1": 80.0}, current={"L1": 100.0})
    assert response.reasons == ("L1: +25.00 % against the nadir of 80.00 mm²",)
    assert "PMC2755245, table 3" in response.source


def test_a_lesion_that_is_left_out_was_not_measured() -> None:
    assert mda_response(baseline=BEFORE, current={"L1": BEFORE["L1"]}, days=60).category is Category.NE
    assert who_response(baseline={"L1": 8.0, "L2": 8.0}, current={"L1": 4.0}).category is Category.NE
