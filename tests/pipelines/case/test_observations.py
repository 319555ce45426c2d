"""What a lesion holds is as uncertain as the way on which it was carried there."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from imaging.geometry import Rigid
from imaging.lesions.procedure import Procedure
from imaging.measurement.carried import material_inside
from imaging.registration.rigid import Registration
from imaging.segmentation import LesionId, Segment, SegmentKind
from imaging.segmentation.cement import MaterialFind, MaterialPiece
from pipelines.case.history import history_of
from pipelines.case.links import Link, Links
from pipelines.case.materials import FoundMaterial
from pipelines.case.observations import material_of
from pipelines.settings import Settings
from tests.pipelines.case.test_anatomy import EXAMS, FIRST, LESION, MR, NODES, box, series
from tests.pipelines.case.test_identity import ground_of

CEMENT = Procedure(id="P1", when="2002-12-01", kind="sacroplasty", materials=(("pmma", 5.0),))
ON_CT = series(2, MR, "CT")


def found() -> FoundMaterial:
    timepoint = replace(EXAMS.timepoints[1], series=(ON_CT,))
    labels = box(MR, (slice(5, 8), slice(14, 20), slice(36, 54))).astype(np.uint16)  # on past the lesion's border
    piece = MaterialPiece(
        label=1,
        kind=SegmentKind.CEMENT,
        confidence=0.9,
        reason="",
        lesion=None,
        plateau_hu=2500.0,
        background_hu=45.0,
        saturated=False,
        is_new=None,
        volume_ml=1.3,
        interval95_ml=(1.3, 1.3),
        method="",
        sweep=(),
        centroid_lps_mm=(0.0, 0.0, 0.0),
    )
    find = MaterialFind(grid=MR, labels=labels, pieces=(piece,))
    return FoundMaterial(timepoint=timepoint, record=ON_CT, find=find, history=history_of(timepoint, (CEMENT,)))


def test_material_carried_over_two_registrations_errs_by_both(tmp_path: Path) -> None:
    ct = replace(NODES[1], record=ON_CT)
    here = Registration(fixed_from_moving=Rigid.identity(), accepted=True)
    links = Links((Link(NODES[2], ct, here), Link(NODES[2], NODES[0], here)))
    ground = ground_of(tmp_path, (), links=links, material=(found(),), procedures=(CEMENT,))
    settings = Settings()
    segment = Segment(mask=box(MR, LESION), grid=MR, lesion=LesionId("L1"), series_uid=FIRST.volume_id)
    material, _ = material_of(segment, FIRST, EXAMS.timepoints[0], ground, settings)
    expected, _ = material_inside(
        segment.mask,
        found().mask().astype(float),
        MR,
        source_date="",
        registration_error_mm=math.sqrt(2) * settings.registration_error_mm,
    )
    assert material is not None and material.interval95 == expected.interval95
