"""What is true of the seed case: volumes from formulas, materials from counts, diameters from contours.

Nothing here comes from an image, and no code is shared with ``imaging.measurement``: a lesion's volume is π/6·a·b·c,
its diameters come from its surface cut by the exam's axial planes, materials from the cells of their lattice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from imaging.geometry import Rigid
from imaging.synthetic.chord import axial_diameters, signed_at
from imaging.synthetic.sacroplasty.course import lesion_at
from imaging.synthetic.sacroplasty.deposit import Deposit, deposits_by
from imaging.synthetic.sacroplasty.exam import EXAMS, Exam
from imaging.synthetic.shape import Ellipsoid

__all__ = ["truth"]


def truth() -> dict[str, Any]:
    """The seed case's truth in the schema osteotrace.truth/1."""
    return {
        "schema": "osteotrace.truth/1",
        "case_id": "SACROPLASTY-001",
        "definitions": {
            "gross_ml": "volume inside the lesion's outer contour: pi/6 times its three axes",
            "net_ml": "gross_ml minus the cement and glue that lie inside the contour at that time",
            "long_axis_mm": "longest chord of the contour in any axial plane of that exam",
            "short_axis_mm": "longest chord perpendicular to the long axis in the same plane",
            "volume_ml": "cells of a 0.4 mm lattice, bubbles left out",
        },
        "lesions": [
            {"id": id, "side": side, "observations": [observation(id, exam) for exam in EXAMS]}
            for id, side in (("L1", "left"), ("L2", "right"))
        ],
        "materials": [row for exam in EXAMS if exam.modality == "CT" for row in material_rows(exam)],
        "transforms": [
            {
                "fixed": fixed.id,
                "moving": moving.id,
                "matrix_lps_fixed_from_moving": between(fixed, moving).matrix.tolist(),
            }
            for fixed, moving in permutations(EXAMS, 2)
        ],
        "leaks": [
            {
                "timepoint": exam.id,
                "lesion": deposit.lesion,
                "kind": deposit.kind,
                "compartment": deposit.compartment,
                "volume_ml": round(deposit.volume_ml, 4),
            }
            for exam in EXAMS
            if exam.modality == "CT"
            for deposit in deposits_by(exam.day)
            if deposit.compartment not in ("lesion", "bone")
        ],
    }


def between(fixed: Exam, moving: Exam) -> Rigid:
    """fixed_from_moving: both exams' patient coordinates see one body."""
    matrix = (fixed.patient_from_body @ moving.patient_from_body.inverse()).matrix
    return Rigid(np.round(matrix, 9))


def observation(id: str, exam: Exam) -> dict[str, Any]:
    solid = lesion_at(id, exam.day).solid
    long_axis, short_axis = axial_diameters(solid, exam.patient_from_body)
    center = exam.patient_from_body.apply([solid.center_mm])[0]
    return {
        "timepoint": exam.id,
        "gross_ml": round(solid.volume_ml, 3),
        "net_ml": round(float(solid.volume_ml - material_inside_ml(solid, deposits_by(exam.day))), 3),
        "long_axis_mm": round(long_axis, 2),
        "short_axis_mm": round(short_axis, 2),
        "center_lps_mm": [round(float(value), 3) for value in center],
    }


def material_rows(exam: Exam) -> list[dict[str, Any]]:
    rows = []
    for lesion, kind in (("L1", "cement"), ("L1", "embolic"), ("L2", "cement")):
        own = [deposit for deposit in deposits_by(exam.day) if (deposit.lesion, deposit.kind) == (lesion, kind)]
        if own:
            named = {name: sum(d.volume_ml for d in own if d.compartment == name) for name in ("lesion", "bone")}
            rows.append(
                {
                    "timepoint": exam.id,
                    "lesion": lesion,
                    "kind": kind,
                    "volume_ml": round(sum(deposit.volume_ml for deposit in own), 4),
                    "inside_lesion_ml": round(named["lesion"], 4),
                    "inside_bone_ml": round(named["bone"], 4),
                }
            )
    return rows


def material_inside_ml(solid: Ellipsoid, present: Sequence[Deposit]) -> float:
    """Cement and glue within a contour, counted on their lattices."""
    total = 0.0
    for deposit in present:
        cells = np.argwhere(deposit.mask)
        points = deposit.lattice.origin_mm + cells * deposit.lattice.step_mm
        total += np.count_nonzero(signed_at(solid, points) < 0) * deposit.lattice.step_mm**3 / 1000
    return total
