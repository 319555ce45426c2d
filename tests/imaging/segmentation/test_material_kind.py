from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imaging.segmentation import SegmentKind
from imaging.segmentation.material_kind import STATED_CONFIDENCE, Evidence, agent_kind, classify, is_rod

BODY = Evidence(plateau_hu=2200, saturated=False, volume_ml=5.0, inscribed_radius_mm=8.0, near_bone_or_lesion=True)
CLIPPED = replace(BODY, plateau_hu=3071, saturated=True)
SAME_DAY = replace(BODY, agents=("pmma", "nbca"), embolic_age_days=0.0)


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (BODY, SegmentKind.UNCLASSIFIED),  # faded glue, or a tumour full of iodised oil, looks like this too
        (replace(BODY, agents=("pmma-barium",)), SegmentKind.CEMENT),
        (CLIPPED, SegmentKind.UNCLASSIFIED),
        (replace(CLIPPED, agents=("pmma-barium",)), SegmentKind.CEMENT),
        (replace(CLIPPED, agents=("nbca-lipiodol",)), SegmentKind.EMBOLIC),
        (replace(CLIPPED, agents=("pmma", "nbca")), SegmentKind.UNCLASSIFIED),
        (replace(CLIPPED, agents=()), SegmentKind.UNCLASSIFIED),
        (replace(CLIPPED, agents=("saline",)), SegmentKind.UNCLASSIFIED),
        (replace(CLIPPED, agents=("pmma",), near_bone_or_lesion=False), SegmentKind.UNCLASSIFIED),
        (replace(CLIPPED, agents=("pmma",), rod=True), SegmentKind.METAL),
        (replace(BODY, plateau_hu=12900, agents=("pmma",)), SegmentKind.UNCLASSIFIED),
        (replace(BODY, agents=("pmma", "nbca")), SegmentKind.UNCLASSIFIED),
        (replace(BODY, plateau_hu=4500), SegmentKind.UNCLASSIFIED),
        (replace(BODY, inscribed_radius_mm=1.0), SegmentKind.UNCLASSIFIED),
        (replace(BODY, near_bone_or_lesion=None), SegmentKind.UNCLASSIFIED),
    ],
)
def test_the_kind_follows_from_history_density_and_place(evidence, kind):
    verdict = classify(evidence)
    assert verdict.kind is kind
    assert verdict.reason
    assert (verdict.confidence >= STATED_CONFIDENCE) == (kind is not SegmentKind.UNCLASSIFIED)


@pytest.mark.parametrize("agent", ["PMMA-barium", "bone cement", "Osteopal polymethylmethacrylate"])
def test_cement_is_known_by_name(agent):
    assert agent_kind(agent) is SegmentKind.CEMENT


@pytest.mark.parametrize("agent", ["nbca-lipiodol", "N-BCA", "Onyx 18", "glue"])
def test_embolic_material_is_known_by_name(agent):
    assert agent_kind(agent) is SegmentKind.EMBOLIC


def test_a_rod_is_one_in_any_direction_and_an_ellipsoid_or_plate_is_none():
    lattice = np.indices((61, 61, 61)).reshape(3, -1).T - 30.0
    along = lattice @ (np.array([1, 2, 2]) / 3)
    across = np.sqrt((lattice**2).sum(axis=1) - along**2)
    assert is_rod(lattice[(np.abs(along) < 25) & (across < 3.5)])
    assert not is_rod(lattice[(along / 25) ** 2 + (across / 5) ** 2 < 1])
    assert not is_rod(lattice[(np.abs(lattice[:, 0]) < 25) & (np.abs(lattice[:, 1]) < 5) & (np.abs(lattice[:, 2]) < 1)])
    assert not is_rod(lattice[:5])


def test_an_agent_that_nobody_knows_proves_nothing_about_the_others() -> None:
    alone = classify(replace(CLIPPED, agents=("pmma-barium",)))
    beside = classify(replace(CLIPPED, agents=("pmma-barium", "something new")))
    assert alone.kind is SegmentKind.CEMENT
    assert beside.kind is classify(replace(CLIPPED, agents=None)).kind


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (SAME_DAY, SegmentKind.CEMENT),
        (replace(SAME_DAY, embolic_age_days=30.0), SegmentKind.UNCLASSIFIED),  # glue fades to any density
        (replace(SAME_DAY, embolic_age_days=None), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, plateau_hu=3071, saturated=True), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, resolved=False), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, inscribed_radius_mm=1.0), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, plateau_hu=5000), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, plateau_hu=5000, beside_hu=(9000,)), SegmentKind.CEMENT),
        (replace(SAME_DAY, plateau_hu=9000, beside_hu=(5000,)), SegmentKind.EMBOLIC),
        (replace(SAME_DAY, plateau_hu=9000, beside_hu=(5000,), inscribed_radius_mm=1.0), SegmentKind.EMBOLIC),
        (replace(SAME_DAY, plateau_hu=5500, beside_hu=(6700,)), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, plateau_hu=8600, beside_hu=(6700,)), SegmentKind.UNCLASSIFIED),  # may be 30 % barium
        (replace(SAME_DAY, plateau_hu=12900, beside_hu=(5000,)), SegmentKind.UNCLASSIFIED),
        (replace(SAME_DAY, plateau_hu=9000, beside_hu=(5000,), rod=True), SegmentKind.METAL),
    ],
)
def test_on_the_day_of_both_density_tells_cement_from_glue_where_fresh_glue_cannot_be_so_thin(evidence, kind):
    assert classify(evidence).kind is kind
