from __future__ import annotations

import numpy as np
import pytest

from imaging.segmentation import LesionId
from imaging.segmentation.belonging import agents_for, lesion_of

L1, L2 = LesionId("L1"), LesionId("L2")
SPACING = (1.0, 1.0, 1.0)


def row(*indices: int) -> np.ndarray:
    mask = np.zeros((1, 1, 60), bool)
    mask[0, 0, list(indices)] = True
    return mask


@pytest.mark.parametrize(
    ("piece", "lesion"),
    [
        ((9, 10, 11, 20), L1),  # three voxels of it overlap L1, one L2
        ((15,), L1),  # 4 mm from L1, 5 mm from L2
        ((41,), L2),  # 20 mm from L2
        ((42,), None),  # farther
    ],
)
def test_material_belongs_to_the_largest_overlap_else_to_the_nearest_within_20_mm(piece, lesion):
    lesions = {L2: row(20, 21), L1: row(9, 10, 11)}
    mask = row(*piece)
    box = (slice(0, 1), slice(0, 1), slice(min(piece), max(piece) + 1))
    assert lesion_of(mask[box], box, lesions, SPACING) == lesion


def test_what_was_injected_somewhere_may_be_in_every_lesion():
    agents = {L1: ("nbca",), None: ("pmma",)}
    assert agents_for(L1, agents) == ("nbca", "pmma")
    assert agents_for(L2, agents) == ("pmma",)
    assert agents_for(L2, ()) == ()
