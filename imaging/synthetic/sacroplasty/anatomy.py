"""The seed case's anatomy as a reader would outline it on one exam: canal, foramina, bone, and where leaks may lie.

Names are those of the truth's leaks. A voxel belongs to what its centre lies in; no two structures share one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.pelvis import FORAMINA, MOUTH_MM, SACRUM, Pelvis, Sacrum, reach
from imaging.synthetic.phantom import MARROWS
from imaging.synthetic.sacroplasty.exam import Exam
from imaging.synthetic.shape import Box
from imaging.synthetic.tissue import Tissue

__all__ = ["STRUCTURES", "Outline", "outlines_on"]

PRESACRAL_MM = 15.0  # the space in front of the sacrum, as deep as fat and vessels between it and the rectum
AROUND_SACRUM = Box(
    low_mm=(SACRUM.low_mm[0], SACRUM.low_mm[1] - PRESACRAL_MM, SACRUM.low_mm[2]), high_mm=SACRUM.high_mm
)
SIDES = {"L": 1.0, "R": -1.0}  # LPS: x grows to the patient's left


class Outline(NamedTuple):
    """A structure's label in the map, its kind in a case file, and its name."""

    label: int
    kind: str
    name: str


TUNNELS = [(way, foramen, side) for way in ("ant", "post") for foramen in FORAMINA for side in SIDES]
NAMED = (
    ("bone", "pelvis"),
    ("canal", "sacral_canal"),
    *(("foramen", f"sacral_foramen_{way}_S{foramen.level}_{side}") for way, foramen, side in TUNNELS),
    ("compartment", "presacral"),
    ("compartment", "sacroiliac_joint"),
)
NUMBERS = {name: label for label, (_, name) in enumerate(NAMED, start=1)}
STRUCTURES = tuple(Outline(label, kind, name) for label, (kind, name) in enumerate(NAMED, start=1))


def outlines_on(moment: Exam) -> NDArray[np.uint8]:
    """The labels of :data:`STRUCTURES` on the exam's grid; bone as it was without lesions and material."""
    labels = np.zeros(moment.grid.shape, dtype=np.uint8)
    body_from_patient = moment.patient_from_body.inverse()
    pelvis = Pelvis(ilium_turn_deg=moment.ilium_turn_deg)
    rows, columns = np.indices(moment.grid.shape[1:]).reshape(2, -1)
    for plane, part in enumerate(labels):
        indices = np.column_stack([np.full(rows.size, plane), rows, columns])
        points = body_from_patient.apply(moment.grid.points(indices)).astype(np.float32)
        x, y, z = (points[:, axis].reshape(part.shape) for axis in range(3))
        tissue = np.full(part.shape, np.uint8(Tissue.AIR))
        pelvis.paint_bones(tissue, x, y, z)
        part[np.isin(tissue, (Tissue.CORTEX, *MARROWS))] = NUMBERS["pelvis"]
        window = reach(x, y, z, AROUND_SACRUM)
        if window is not None:
            outline_sacrum(part[window], Sacrum(x[window], y[window], z[window]))
    return labels


def outline_sacrum(labels: NDArray[np.uint8], sacrum: Sacrum) -> None:
    """Write what lies in the sacrum and beside it into a plane's labels, bone being there already."""
    free = (sacrum.bone_mm > 0) & (labels == 0)
    labels[free & (sacrum.bone_mm < PRESACRAL_MM) & (sacrum.y < sacrum.front)] = NUMBERS["presacral"]
    labels[free & sacrum.joint_gap()] = NUMBERS["sacroiliac_joint"]
    open_to = sacrum.bone_mm < MOUTH_MM
    for way, foramen, side in TUNNELS:
        reach_mm = sacrum.anterior_foramen_mm(foramen) if way == "ant" else sacrum.posterior_foramen_mm(foramen)
        tunnel = open_to & (reach_mm < 0) & (SIDES[side] * sacrum.x > 0)
        labels[tunnel] = NUMBERS[f"sacral_foramen_{way}_S{foramen.level}_{side}"]
    labels[open_to & (sacrum.canal_mm() < 0)] = NUMBERS["sacral_canal"]
