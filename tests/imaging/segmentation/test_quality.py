"""Doubts become findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.segmentation.quality import Doubts, findings_from, touches_edge

CALM = Doubts(far_share=0.0, other_share=0.0, contrast=0.3, volume_low_ml=9.0, volume_high_ml=11.0, touches_edge=False)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"far_share": 0.3}, "LEAK_SUSPECTED"),
        ({"other_share": 0.2}, "SEVERAL_COMPONENTS"),
        ({"contrast": 0.01}, "LOW_CONTRAST"),
        ({"volume_high_ml": 20.0}, "WIDE_SPREAD"),
        ({"volume_low_ml": 0.0}, "WIDE_SPREAD"),
        ({"touches_edge": True}, "TOUCHES_EDGE"),
        ({"material_share": 0.2}, "MATERIAL_INSIDE"),
        ({"unlike_share": 0.5}, "LOOKS_LIKE_SURROUNDINGS"),
    ],
)
def test_each_doubt_gives_its_own_finding(change: dict[str, float], code: str) -> None:
    findings = findings_from(replace(CALM, **change), where="1.2.3")
    assert [(finding.code, finding.where) for finding in findings] == [(code, "1.2.3")]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, -1])
def test_any_of_the_six_faces_is_an_edge(axis: int, end: int) -> None:
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[2, 3, 3] = True
    assert not touches_edge(mask, None)
    np.moveaxis(mask, axis, 0)[end, 2, 2] = True
    assert touches_edge(mask, None)


def test_padding_inside_the_image_is_an_edge_too() -> None:
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[2, 3, 3] = True
    valid = np.ones_like(mask)
    assert not touches_edge(mask, valid)
    valid[2, 3, 5] = False
    assert not touches_edge(mask, valid)
    valid[2, 3, 4] = False
    assert touches_edge(mask, valid)
