"""The longest cut across an outline: no cut at any place is longer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.measurement.chord import longest_chord

corners = hnp.arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.integers(-20, 20).map(float))


def segments(polygon: np.ndarray) -> np.ndarray:
    return np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1)


def cut_at(polygon: np.ndarray, along: float) -> float:
    heights = []
    for (x0, y0), (x1, y1) in segments(polygon):
        if min(x0, x1) <= along <= max(x0, x1):
            heights += [y0, y1] if x0 == x1 else [y0 + (along - x0) / (x1 - x0) * (y1 - y0)]
    return max(heights) - min(heights) if heights else 0.0


@settings(max_examples=100)
@given(corners)
def test_no_cut_anywhere_is_longer(polygon: np.ndarray) -> None:
    chord = longest_chord(segments(polygon))
    assert chord.length == pytest.approx(cut_at(polygon, chord.along), abs=1e-9)
    for along in np.linspace(polygon[:, 0].min(), polygon[:, 0].max(), 41):
        assert cut_at(polygon, along) <= chord.length + 1e-9


def test_the_diagonal_of_a_diamond_is_its_longest_cut() -> None:
    diamond = np.array([[0.0, -1.0], [3.0, 0.0], [0.0, 1.0], [-3.0, 0.0]])
    chord = longest_chord(segments(diamond))
    assert (chord.along, chord.low, chord.high) == (0.0, -1.0, 1.0)
