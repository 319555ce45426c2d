from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.finding import Severity
from imaging.geometry import Rigid
from imaging.registration.quality import (
    OTHER_KIND,
    SAME_KIND,
    SHAKE_SHIFT_MM,
    SHAKE_TURN_DEG,
    Evidence,
    reasons_against,
    rejection,
    shaken,
)

BELIEVED = Evidence(
    correlation=0.4,
    chance_deviations=9.0,
    chance_ratio=0.4,
    rival_ratio=0.2,
    edges=0.8,
    edge_deviations=5.0,
    mirrored_ratio=0.7,
    halves_mm=0.4,
    exchanged_mm=0.4,
    tissue_mm=0.4,
    overlap=0.9,
    turn_deg=5.0,
    starts=11,
    starts_agreeing=8,
)


def test_nothing_speaks_against_good_figures() -> None:
    assert reasons_against(BELIEVED, SAME_KIND) == ()


@pytest.mark.parametrize(
    ("doubtful", "word"),
    [
        ({"chance_deviations": 1.0}, "displaced"),
        ({"chance_deviations": None, "chance_ratio": None}, "displaced"),
        ({"chance_ratio": 0.99}, "displaced"),
        ({"rival_ratio": 0.95}, "another position"),
        ({"edge_deviations": 0.5}, "edges"),
        ({"edges": None, "edge_deviations": None}, "edges"),
        ({"mirrored_ratio": 1.1}, "left and right"),
        ({"halves_mm": 8.0}, "halves"),
        ({"exchanged_mm": 8.0}, "exchanging"),
        ({"tissue_mm": 8.0}, "bone"),
        ({"overlap": 0.1}, "field of view"),
        ({"turn_deg": 60.0}, "turn"),
        ({"starts_agreeing": 1}, "starts"),
    ],
)
def test_one_doubt_is_enough_and_is_named(doubtful: dict[str, float | None], word: str) -> None:
    reasons = reasons_against(replace(BELIEVED, **doubtful), OTHER_KIND)  # type: ignore[arg-type]
    assert len(reasons) == 1
    assert word in reasons[0]


def test_where_there_is_no_bone_nothing_is_held_against_it() -> None:
    assert reasons_against(replace(BELIEVED, tissue_mm=None), OTHER_KIND) == ()


def test_a_body_that_is_its_own_mirror_image_is_no_reason_to_doubt() -> None:
    assert reasons_against(replace(BELIEVED, mirrored_ratio=1.01), OTHER_KIND) == ()


def test_images_of_one_kind_must_resemble_each_other_more_than_ct_and_mr() -> None:
    for so_so in ({"chance_deviations": 4.0}, {"chance_ratio": 0.8}, {"edge_deviations": 3.2}):
        assert reasons_against(replace(BELIEVED, **so_so), OTHER_KIND) == ()
        assert len(reasons_against(replace(BELIEVED, **so_so), SAME_KIND)) == 1


def test_a_rejection_warns_with_its_reasons() -> None:
    finding = rejection(["too far", "too odd"])
    assert (finding.code, finding.severity) == ("REGISTRATION_REJECTED", Severity.WARNING)
    assert "too far; too odd" in finding.message


def test_displaced_transforms_stay_within_their_bounds_and_never_change() -> None:
    points = np.random.default_rng(0).normal(0, 50, (100, 3))
    around, trials = Rigid.from_shift((7, 8, 9)), shaken(Rigid.from_shift((7, 8, 9)), points)
    centre = points.mean(axis=0)
    for trial, again in zip(trials, shaken(around, points), strict=True):
        moved = np.linalg.norm(trial.apply(centre) - around.apply(centre))
        assert SHAKE_SHIFT_MM[0] <= moved <= SHAKE_SHIFT_MM[1]
        assert trial.angle_deg() <= SHAKE_TURN_DEG + 1e-6
        np.testing.assert_array_equal(trial.matrix, again.matrix)
