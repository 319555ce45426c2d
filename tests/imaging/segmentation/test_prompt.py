"""What a reader draws, from records to values."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import CaseFileError
from imaging.segmentation.prompt import (
    BoxAxes,
    BoxPrompt,
    DiameterPrompt,
    MaskPrompt,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    prompts_from_record,
    prompts_record,
)

REACH = st.floats(-500, 500)
POINTS = st.tuples(REACH, REACH, REACH)
RADIUS = st.none() | st.floats(0.1, 100)
SIGN = st.sampled_from((1, -1))


def proper(drawn: type[Prompt]) -> Callable[..., Prompt | None]:
    """The prompt, or None where chance put its points where a hand could not."""

    def make(*values: object) -> Prompt | None:
        try:
            return drawn(*values)
        except CaseFileError:
            return None

    return make


ANY_PROMPT = st.one_of(
    st.builds(PointPrompt, POINTS, RADIUS, SIGN),
    st.builds(proper(DiameterPrompt), st.sampled_from((2, 4, 6)).flatmap(lambda n: st.tuples(*[POINTS] * n))),
    st.builds(proper(BoxPrompt), st.tuples(POINTS, POINTS), st.just(BoxAxes.PATIENT), SIGN),
    st.builds(proper(BoxPrompt), st.tuples(*[POINTS] * 8), st.just(BoxAxes.IMAGE), SIGN),
    st.builds(ScribblePrompt, st.lists(POINTS, min_size=1, max_size=5).map(tuple), RADIUS, SIGN),
    st.builds(MaskPrompt, st.text(min_size=1)),
).filter(lambda prompt: prompt is not None)


@given(st.lists(ANY_PROMPT))
def test_what_is_written_is_read_back_as_the_same_prompts(prompts: list[Prompt]) -> None:
    assert prompts_from_record(json.loads(json.dumps(prompts_record(prompts)))) == tuple(prompts)


CUBE = [[x, y, z] for x in (0, 10) for y in (0, 8) for z in (0, 6)]


def test_every_kind_of_the_contract_is_read_in_order() -> None:
    rows = [
        {"kind": "point", "points_lps_mm": [[1, 2, 3]], "radius_mm": 8, "sign": -1},
        {"kind": "diameter", "points_lps_mm": [[0, 0, 0], [10, 0, 0]]},
        {"kind": "box", "points_lps_mm": [[0, 0, 0], [10, 8, 6]], "timepoint": "T0", "series": "1.2"},
        {"kind": "box", "points_lps_mm": CUBE, "axes": "image"},
        {"kind": "scribble", "points_lps_mm": [[0, 0, 0], [1, 1, 1], [2, 0, 0]], "sign": 1},
        {"kind": "mask", "path": "lesions.nii.gz#2"},
    ]
    assert prompts_from_record(rows) == (
        PointPrompt((1.0, 2.0, 3.0), 8, -1),
        DiameterPrompt(((0.0, 0.0, 0.0), (10.0, 0.0, 0.0))),
        BoxPrompt(((0.0, 0.0, 0.0), (10.0, 8.0, 6.0))),
        BoxPrompt(tuple((float(x), float(y), float(z)) for x, y, z in CUBE), BoxAxes.IMAGE),
        ScribblePrompt(((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (2.0, 0.0, 0.0))),
        MaskPrompt("lesions.nii.gz#2"),
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"kind": "circle", "points_lps_mm": [[0, 0, 0]]}, "kind is one of"),
        ({"points_lps_mm": [[0, 0, 0]]}, "kind is one of"),
        ({"kind": "point"}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [[0, 0]]}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [["a", 0, 0]]}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [["4", "-6", "30"]]}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [[True, -6, 30]]}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [[10**400, 0, 0]]}, "points_lps_mm is a list"),
        ({"kind": "point", "points_lps_mm": [[0, 0, 0], [1, 1, 1]]}, "a point has 1 points; got 2"),
        ({"kind": "point", "points_lps_mm": [[0, 0, float("nan")]]}, "finite"),
        ({"kind": "point", "points_lps_mm": [[0, 0, 0]], "radius_mm": 0}, "above zero"),
        ({"kind": "point", "points_lps_mm": [[0, 0, 0]], "radius_mm": "8"}, "radius_mm is a number"),
        ({"kind": "point", "points_lps_mm": [[0, 0, 0]], "sign": 0}, "sign is 1"),
        ({"kind": "point", "points_lps_mm": [[0, 0, 0]], "sign": True}, "sign is 1"),
        ({"kind": "diameter", "points_lps_mm": [[0, 0, 0]] * 3}, "2 or 4 or 6"),
        ({"kind": "diameter", "points_lps_mm": [[0, 0, 0]] * 2}, "two different end points"),
        ({"kind": "diameter", "points_lps_mm": [[0, 0, 0], [1, 0, 0]], "sign": -1}, "its sign is 1"),
        ({"kind": "box", "points_lps_mm": CUBE}, "a patient box has 2 points; got 8"),
        ({"kind": "box", "points_lps_mm": CUBE[:2], "axes": "image"}, "an? ?image box has 8 points"),
        ({"kind": "box", "points_lps_mm": CUBE[:2], "axes": "voxel"}, "patient or image"),
        ({"kind": "box", "points_lps_mm": [[0, 0, 0], [9, 0, 0]]}, "one line"),
        ({"kind": "mask"}, "names its file"),
    ],
)
def test_an_impossible_row_is_refused_and_says_which_and_why(row: dict[str, object], says: str) -> None:
    fine = {"kind": "point", "points_lps_mm": [[0, 0, 0]]}
    with pytest.raises(CaseFileError, match=says) as refusal:
        prompts_from_record([fine, row])
    assert refusal.value.where == "prompt 2"
