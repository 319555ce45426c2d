"""mRECIST: what enhances in the arterial phase and is not material, and nothing without that phase."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.errors import GeometryError
from imaging.response.mrecist import mrecist_response, viable_part
from imaging.response.response import Category

BEFORE = np.array([[[30.0, 30.0, 30.0, 3000.0, 30.0]]])
RISE = np.array([[[20.0, 19.9, 60.0, 71.0, 60.0]]])
LESION = np.array([[[True, True, True, True, False]]])
CEMENT = np.array([[[False, False, False, True, False]]])


def test_viable_is_what_rises_enough_inside_the_outline_and_outside_the_material() -> None:
    found = viable_part(
        arterial=BEFORE + RISE, unenhanced=BEFORE, lesion=LESION, material=CEMENT, least_enhancement=20.0
    )
    assert found.tolist() == [[[True, False, True, False, False]]]


def test_unsigned_samples_do_not_wrap_round() -> None:
    arterial, unenhanced = np.array([[[10]]], np.uint16), np.array([[[30]]], np.uint16)
    one = np.ones((1, 1, 1), bool)
    found = viable_part(arterial=arterial, unenhanced=unenhanced, lesion=one, material=~one, least_enhancement=1.0)
    assert not found.any()


@pytest.mark.parametrize("odd", ["arterial", "unenhanced", "lesion", "material"])
def test_all_four_lie_on_one_grid(odd: str) -> None:
    arrays = {"arterial": BEFORE, "unenhanced": BEFORE, "lesion": LESION, "material": CEMENT}
    with pytest.raises(GeometryError, match=r"^both phases, the lesion and the material lie on one grid$"):
        viable_part(**arrays | {odd: arrays[odd][:, :, :2]}, least_enhancement=20.0)


@pytest.mark.parametrize(
    ("baseline", "current", "unseen"),
    [
        ({"L1": 40.0, "L2": None}, {"L1": 30.0, "L2": 20.0}, "L2"),
        ({"L1": 40.0, "L2": 30.0}, {}, "L1, L2"),
        ({}, {}, "any lesion"),
    ],
)
def test_without_an_arterial_phase_it_is_not_assessable(
    baseline: dict[str, float | None], current: dict[str, float | None], unseen: str
) -> None:
    response = mrecist_response(baseline=baseline, current=current)
    assert response.category is Category.NE
    assert response.reasons == (f"not assessable: no viable diameter from an arterial phase of {unseen}",)
    assert response.inputs == {"viable_mm": None, "baseline_mm": None, "nadir_mm": None}


def test_it_is_called_like_what_it_is_not_in_bone() -> None:
    response = mrecist_response(baseline={"L1": 40.0}, earlier=[{"L1": 20.0}], current={"L1": 22.0})
    assert (response.criterion, response.scope) == ("mRECIST-like", "target lesions")
    assert response.inputs == {"viable_mm": 22.0, "baseline_mm": 40.0, "nadir_mm": 20.0}
    assert "liver" in response.source
    smaller = mrecist_response(baseline={"L1": 40.0}, earlier=[{"L1": 20.0}], current={"L1": 19.0})
    assert smaller.inputs["nadir_mm"] == 20.0
