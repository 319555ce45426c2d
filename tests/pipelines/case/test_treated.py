"""What material fills and what leaked is told of the lesion as it was before its treatment, or says that it is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imaging.geometry import Rigid
from imaging.lesions.lesion import Method
from imaging.lesions.procedure import Procedure
from imaging.registration.rigid import Registration
from imaging.segmentation import LesionId
from imaging.study.timepoint import Timepoint
from pipelines.case.links import Link, Links, Node
from pipelines.case.masks import trace_lesions
from pipelines.case.onto_ct import carried_lesions
from pipelines.case.traced import Traced
from pipelines.case.treated import OUTLINED_LATE, outlined_late
from tests.pipelines.case.test_identity import GRID, HEAD, exam, ground_of

SHRUNK = (HEAD[0], HEAD[1] + 2, HEAD[2])
CEMENT = Procedure(id="P1", when="2003-01-17", kind="sacroplasty", materials=(("pmma-barium", 5.0),))
L1 = LesionId("L1")


def on_mr(timepoint: Timepoint) -> Timepoint:
    return replace(timepoint, series=tuple(replace(r, modality="MR", role="t1") for r in timepoint.series))


def on_ct(folder: Path, *procedures: Procedure) -> tuple[list[Traced], dict[str, str], np.ndarray]:
    """An MR in January, one in February and a CT in March: its rows, the remarks by lesion, and the mask carried."""
    made = [exam(folder, 1, {"a": HEAD}), exam(folder, 2, {"a": SHRUNK}), exam(folder, 3, {})]
    made = [(on_mr(point) if number < 2 else point, drawn) for number, (point, drawn) in enumerate(made)]
    ct = replace(made[2][0].series[0], modality="CT")
    made[2] = (replace(made[2][0], series=(ct,)), made[2][1])
    nodes = [Node(timepoint, timepoint.series[0]) for timepoint, _ in made]
    here = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    links = Links(tuple(Link(fixed, moving, here) for moving, fixed in pairwise(nodes)))
    ground = ground_of(folder, made, links=links, procedures=procedures)
    rows = list(trace_lesions((), ground).rows)
    late = outlined_late(rows, ground).get(ct.volume_id, {})
    return rows, {lesion: remark.code for lesion, remark in late.items()}, carried_lesions(rows)[ct.volume_id][L1]


def first_row(mask: np.ndarray) -> int:
    return int(np.flatnonzero(mask.any(axis=(0, 2)))[0])


@pytest.mark.parametrize(
    ("procedures", "source", "row"),
    [
        ((), "T2", SHRUNK[1]),
        ((CEMENT,), "T1", HEAD[1]),
        ((replace(CEMENT, lesion=L1),), "T1", HEAD[1]),
        ((replace(CEMENT, lesion=LesionId("L9")),), "T2", SHRUNK[1]),  # another's treatment
        ((CEMENT, replace(CEMENT, id="P2", when="2003-02-20")), "T2", SHRUNK[1]),  # before it was filled again
        ((replace(CEMENT, materials=(), kind="radiotherapy"),), "T2", SHRUNK[1]),
        ((replace(CEMENT, when="2003-04-01"),), "T2", SHRUNK[1]),  # after the CT
    ],
)
def test_a_ct_gets_the_outline_from_before_the_last_injection_that_it_shows(
    procedures: tuple[Procedure, ...], source: str, row: int, tmp_path: Path
) -> None:
    rows, remarks, carried = on_ct(tmp_path, *procedures)
    (on_it,) = [r for r in rows if r.timepoint == "T3"]
    assert (on_it.method, on_it.carried_from) == (Method.CARRIED, source)
    assert first_row(carried) == row
    assert remarks == {}
    assert carried.shape == GRID.shape


@pytest.mark.parametrize("when", ["2002-12-01", "2003-01-01"])  # the second may have been after the exam of that day
def test_where_no_outline_is_certainly_from_before_it_is_told(when: str, tmp_path: Path) -> None:
    _, remarks, carried = on_ct(tmp_path, replace(CEMENT, when=when))
    assert remarks == {"L1": OUTLINED_LATE}
    assert first_row(carried) == SHRUNK[1]
