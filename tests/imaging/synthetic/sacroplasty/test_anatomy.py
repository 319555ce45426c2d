"""The outlined anatomy is that of the phantom."""

from __future__ import annotations

import numpy as np
import pytest

from imaging.synthetic.phantom import MARROWS, Phantom
from imaging.synthetic.sacroplasty.anatomy import STRUCTURES, outlines_on
from imaging.synthetic.sacroplasty.deposit import deposits_by
from imaging.synthetic.sacroplasty.exam import EXAMS
from imaging.synthetic.tissue import Tissue

FIRST = EXAMS[0]
LABELS = {outline.name: outline.label for outline in STRUCTURES}


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return outlines_on(FIRST)


def test_every_structure_has_a_name_of_its_own_and_some_voxels(labels: np.ndarray) -> None:
    assert len(LABELS) == len(STRUCTURES)
    assert set(np.unique(labels)) == {0, *LABELS.values()}


def test_the_canal_holds_the_thecal_sac_and_no_nerve_lies_in_bone(labels: np.ndarray) -> None:
    plane = FIRST.grid.shape[0] // 2
    rows, columns = np.indices(FIRST.grid.shape[1:]).reshape(2, -1)
    points = FIRST.patient_from_body.inverse().apply(
        FIRST.grid.points(np.column_stack([np.full(rows.size, plane), rows, columns]))
    )
    x, y, z = (points[:, axis].astype(np.float32).reshape(FIRST.grid.shape[1:]) for axis in range(3))
    tissue = Phantom().tissue(x, y, z)
    here = labels[plane]
    assert (here[tissue == Tissue.THECAL_SAC] == LABELS["sacral_canal"]).all()
    assert not np.isin(tissue[here == LABELS["pelvis"]], (Tissue.NERVE, Tissue.THECAL_SAC)).any()
    bone = np.isin(tissue, (Tissue.CORTEX, *MARROWS))
    assert (here[bone] == LABELS["pelvis"]).mean() > 0.98  # a tunnel's wall where two of them meet


@pytest.mark.parametrize("name", ["sacral_foramen_ant_S1_L", "sacral_foramen_ant_S2_R", "presacral"])
def test_leaked_cement_lies_in_the_structure_of_its_name(labels: np.ndarray, name: str) -> None:
    (deposit,) = [d for d in deposits_by(200) if (d.compartment, d.kind) == (name, "cement")]
    cells = deposit.lattice.origin_mm + np.argwhere(deposit.mask) * deposit.lattice.step_mm
    indices = np.rint(FIRST.grid.indices(FIRST.patient_from_body.apply(cells))).astype(int)
    # slices of 6 mm: some of a leak 6 mm across has its slice's centre beside the structure
    assert (labels[tuple(indices.T)] == LABELS[name]).mean() > 0.5
