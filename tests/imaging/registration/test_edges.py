from __future__ import annotations

import numpy as np
import pytest

from imaging.geometry import Grid, Rigid
from imaging.registration.edges import Edges
from imaging.registration.level import Level


def ball(inverted: bool) -> Level:
    grid = Grid.from_spacing((30, 30, 30), (2, 2, 2))
    radius = np.linalg.norm(np.indices(grid.shape) - 14.5, axis=0)
    samples = 1 / (1 + np.exp(radius - 9))
    full = np.ones(grid.shape, bool)
    return Level((1 - samples if inverted else samples).astype(np.float32), full, ~full, grid)


@pytest.mark.parametrize("inverted", [False, True])
def test_edges_agree_whatever_side_is_bright_and_less_when_displaced(inverted: bool) -> None:
    edges = Edges.of(ball(False), ball(inverted))
    here, there = edges.agreement(Rigid.identity()), edges.agreement(Rigid.from_shift((14, 0, 0)))
    assert here is not None and there is not None
    assert here > 0.9
    assert there < 0.6


def test_edges_that_leave_the_field_of_view_give_no_figure() -> None:
    assert Edges.of(ball(False), ball(False)).agreement(Rigid.from_shift((900, 0, 0))) is None
