"""A whole case document as ``osteotrace run`` writes it: two sacral lesions through five exams of two modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imaging.geometry import Grid
from imaging.segmentation import Segment, SegmentKind, Status
from imaging.volume import Modality, Volume
from pipelines.reports.figure import lesion_figure, trajectory_svg

Row = dict[str, Any]
ROOT = "1.2.826.0.1.3680043.8.498."
EXAMS = (
    ("T0", "2003-01-10", 0, "MR", "t1"),
    ("T1", "2003-01-20", 10, "CT", "ct"),
    ("T2", "2003-04-20", 100, "MR", "t1"),
    ("T3", "2003-04-23", 103, "CT", "ct"),
    ("T4", "2003-05-28", 138, "MR", "t1"),
)


def uid(timepoint: str) -> str:
    return f"{ROOT}1142783045523781294{timepoint[1:]}"


def quantity(value: float, unit: str, low: float | None = None, high: float | None = None) -> Row:
    interval = None if low is None else [low, high]
    return {"value": value, "unit": unit, "method": "voxel sum in the native grid", "interval95": interval}


def finding(code: str, severity: str, message: str, where: str = "") -> Row:
    return {"code": code, "severity": severity, "message": message, "where": where}


NOT_VISIBLE = "the lesion's edge cannot be told on CT after cement"


def observation(timepoint: str, status: str, gross: Row | None, **others: Any) -> Row:
    return {
        "timepoint": timepoint,
        "series_uid": uid(timepoint),
        "primary": True,
        "status": status,
        "method": None if gross is None else "segmented" if timepoint == "T0" else "propagated",
        "volume_ml": gross,
        "material_ml": None,
        "net_volume_ml": None,
        "long_axis_mm": None,
        "short_axis_mm": None,
        "findings": [],
    } | others


def left_lesion() -> Row:
    mm, ml = "mm", "mL"
    unseen = [finding("LESION_NOT_VISIBLE", "warning", NOT_VISIBLE, uid("T1"))]
    thick = finding("FEW_SLICES", "warning", "the lesion spans 8 slices; its volume repeats less well", uid("T4"))
    return {
        "id": "L1",
        "name": "left sacrum",
        "side": "left",
        "tracking_uid": f"{ROOT}900.1",
        "kind": "target",
        "observations": [
            observation("T0", "accepted", quantity(55.3172, ml, 49.8124, 60.9915), reader="reader-1",
                        long_axis_mm=quantity(51.882, mm, 49.1, 54.6), short_axis_mm=quantity(41.93, mm, 39.0, 44.9)),
            observation("T1", "not_assessable", None, findings=unseen),
            observation("T2", "accepted", quantity(48.2031, ml, 42.3817, 54.6062), reader="reader-1",
                        material_ml=quantity(8.4417, ml, 7.2, 9.7), net_volume_ml=quantity(39.7614, ml, 33.9, 45.8),
                        long_axis_mm=quantity(50.1, mm, 47.2, 53.0), short_axis_mm=quantity(40.2, mm, 37.4, 43.1)),
            observation("T3", "not_assessable", None, findings=[{**unseen[0], "where": uid("T3")}]),
            observation("T4", "proposed", quantity(45.0093, ml, 39.1, 51.2), findings=[thick],
                        material_ml=quantity(8.4417, ml, 7.2, 9.7), net_volume_ml=quantity(36.5676, ml, 30.4, 42.9),
                        long_axis_mm=quantity(49.3, mm, 46.4, 52.2), short_axis_mm=quantity(39.1, mm, 36.2, 42.0)),
        ],
        "changes": [
            change("T2", "baseline", quantity(-12.86, "%", -27.41, 1.69), None, quantity(-3.43, "%", -11.2, 4), False),
            change("T2", "pre-procedure:P2", quantity(-12.86, "%", -27.41, 1.69), None, quantity(-3.43, "%"), False),
            change("T4", "baseline", quantity(-18.63, "%", -32.9, -4.3), None, quantity(-4.98, "%", -12.8, 2.8), True),
            change("T4", "nadir", quantity(-6.62, "%", -22.8, 9.5), quantity(-8.03, "%", -28.0, 12.0),
                   quantity(-1.6, "%", -9.6, 6.4), False),
            change("T4", "pre-procedure:P2", quantity(-18.63, "%", -32.9, -4.3), None, quantity(-4.98, "%"), True),
        ],
    }  # fmt: skip


def right_lesion() -> Row:
    mm, ml = "mm", "mL"
    return {
        "id": "L2",
        "name": "right sacrum",
        "side": "right",
        "tracking_uid": f"{ROOT}900.2",
        "kind": "target",
        "observations": [
            observation("T0", "accepted", quantity(2.2914, ml, 1.7205, 2.8618), reader="reader-1",
                        long_axis_mm=quantity(17.8, mm, 15.2, 20.4), short_axis_mm=quantity(14.9, mm, 12.3, 17.5)),
            observation("T1", "not_assessable", None),
            observation("T2", "accepted", quantity(15.3318, ml, 13.2, 17.5), reader="reader-1",
                        long_axis_mm=quantity(36.1, mm, 33.4, 38.8), short_axis_mm=quantity(27.2, mm, 24.5, 29.9)),
            observation("T3", "not_assessable", None),
            observation("T4", "proposed", quantity(14.2977, ml, 12.1, 16.5),
                        material_ml=quantity(2.85, ml, 2.3, 3.4), net_volume_ml=quantity(11.4477, ml, 9.1, 13.8),
                        long_axis_mm=quantity(35.0, mm, 32.3, 37.7), short_axis_mm=quantity(26.4, mm, 23.7, 29.1)),
        ],
        "changes": [
            change("T2", "baseline", quantity(569.1, "%", 391.0, 747.2), None, quantity(102.8, "%", 71.0, 134.6), True),
            change("T4", "pre-procedure:P3", quantity(-6.75, "%", -25.3, 11.8), None, quantity(-3.05, "%"), False),
            change("T4", "nadir", quantity(523.97, "%", 360.0, 688.0), None, quantity(96.6, "%"), None),
        ],
    }  # fmt: skip


def change(timepoint: str, reference: str, volume: Row | None, net: Row | None, axis: Row | None, beyond: Any) -> Row:
    return {
        "timepoint": timepoint,
        "reference": reference,
        "volume_percent": volume,
        "net_volume_percent": net,
        "long_axis_percent": axis,
        "exceeds_error": beyond,
    }


def material(timepoint: str, number: int, kind: str, lesion: str | None, volume: Row, **others: Any) -> Row:
    return {
        "id": f"M{number}",
        "timepoint": timepoint,
        "kind": kind,
        "lesion": lesion,
        "side": {"L1": "left", "L2": "right"}.get(lesion or ""),
        "volume_ml": volume,
        "saturated": False,
        "pieces": [],
        "mask": f"segmentations/{timepoint}.nii.gz",
        "inside_lesion_ml": None,
        "fill_fraction": None,
        "inside_bone_ml": None,
        "neural_ml": None,
        "leak_ml": None,
        "leaks": [],
        "injected": [],
        "recovered_fraction": None,
        "findings": [],
    } | others


def materials() -> list[Row]:
    ml = "mL"
    clipped = finding("CT_SATURATED", "warning", "values end at 3071 HU; cement and glue look alike there", uid("T1"))
    leak = {
        "compartment": "sacral_foramen_ant_S1_L",
        "volume_ml": quantity(0.14, ml),
        "distance_mm": quantity(0.0, "mm"),
    }
    presacral = {"compartment": "presacral", "volume_ml": quantity(0.23, ml), "distance_mm": None}
    return [
        material("T1", 1, "cement", "L1", quantity(6.4133, ml, 5.9, 7.0), saturated=True, findings=[clipped],
                 inside_lesion_ml=quantity(5.8, ml, 5.2, 6.4), fill_fraction=quantity(0.1286, "1", 0.11, 0.15),
                 inside_bone_ml=quantity(0.39, ml), neural_ml=quantity(0.14, ml), leak_ml=quantity(0.37, ml),
                 leaks=[leak, presacral], injected=[{"procedure": "P2", "agent": "pmma-barium", "ml": 7.0}],
                 recovered_fraction=quantity(0.9162, "1", 0.84, 1.0)),
        material("T1", 2, "embolic", "L1", quantity(2.61, ml, 1.9, 3.3), inside_lesion_ml=quantity(2.4, ml, 1.8, 3.0),
                 injected=[{"procedure": "P1", "agent": "nbca-lipiodol", "ml": 2.0},
                           {"procedure": "P2", "agent": "nbca-lipiodol", "ml": 2.0}]),
        material("T3", 1, "cement", "L1", quantity(6.38, ml, 5.9, 6.9), inside_lesion_ml=quantity(5.77, ml, 5.2, 6.4),
                 injected=[{"procedure": "P1", "agent": "nbca-lipiodol", "ml": 2.0},
                           {"procedure": "P2", "agent": "nbca-lipiodol", "ml": 2.0},
                           {"procedure": "P2", "agent": "pmma-barium", "ml": 7.0}]),
        material("T3", 2, "cement", "L2", quantity(2.79, ml, 2.4, 3.2), inside_lesion_ml=quantity(2.66, ml, 2.3, 3.1),
                 fill_fraction=quantity(0.186, "1", 0.15, 0.22), leak_ml=quantity(0.0, ml),
                 injected=[{"procedure": "P3", "agent": "pmma-barium", "ml": 3.0}],
                 recovered_fraction=quantity(0.93, "1", 0.8, 1.07)),
        material("T3", 3, "metal", None, quantity(0.004, ml)),
    ]  # fmt: skip


def case_document() -> Row:
    tilt = finding("GANTRY_TILT", "warning", "slices lean by 12.0°; the sheared geometry is kept", uid("T1"))
    return {
        "schema": "osteotrace.case/1",
        "case_id": "HCC-001",
        "timepoints": [
            {"id": t, "date": date, "days": days, "series": [
                {"series_uid": uid(t), "volume_id": uid(t), "modality": modality, "role": role,
                 "findings": [tilt] if t == "T1" else []}]}
            for t, date, days, modality, role in EXAMS
        ],
        "procedures": [
            {"id": "P1", "when": "2003-01-13", "kind": "embolization", "lesion": "L1",
             "materials": [{"agent": "nbca-lipiodol", "injected_ml": 2.0}]},
            {"id": "P2", "when": "2003-01-20T10:30:00", "kind": "sacroplasty", "lesion": "L1",
             "materials": [{"agent": "nbca-lipiodol", "injected_ml": 2.0},
                           {"agent": "pmma-barium", "injected_ml": 7.0}]},
            {"id": "P3", "when": "2003-04-23T09:00:00", "kind": "sacroplasty", "lesion": "L2",
             "materials": [{"agent": "pmma-barium", "injected_ml": 3.0}]},
        ],
        "clinical": [
            {"when": "2003-01-09", "pain_nrs": 9, "side": "left", "walking": "wheels", "event": None, "grade": None},
            {"when": "2003-01-24", "pain_nrs": 4, "side": "left", "walking": None, "event": None, "grade": None},
            {"when": "2003-01-30", "pain_nrs": 0, "side": "left", "walking": "unaided", "event": None, "grade": None},
            {"when": "2003-04-18", "pain_nrs": 7, "side": "right", "walking": "walker", "event": None, "grade": None},
            {"when": "2003-04-24", "pain_nrs": None, "side": "right", "walking": None,
             "event": "transient numbness of the right leg", "grade": 1},
            {"when": "2003-04-26", "pain_nrs": 2, "side": "right", "walking": "walker", "event": None, "grade": None},
        ],
        "lesions": [left_lesion(), right_lesion()],
        "materials": materials(),
        "responses": [
            {"timepoint": "T2", "criterion": "RECIST 1.1", "category": "PD", "scope": "target lesions only",
             "reasons": ["sum of long axes 86.2 mm, +24 % and +16.5 mm from the nadir 69.7 mm"],
             "inputs": {"sum_mm": 86.2, "nadir_mm": 69.7}},
            {"timepoint": "T4", "criterion": "RECIST 1.1", "category": "NE", "scope": "target lesions only",
             "reasons": ["L1 and L2: contours are proposed, not accepted by a reader"], "inputs": {}},
            {"timepoint": "T2", "criterion": "sphere volume", "category": "SD", "scope": "L1",
             "reasons": ["−12.9 % from baseline"], "inputs": {}},
        ],
        "registrations": [
            {"fixed": fixed, "moving": moving, "verdict": verdict, "findings": found,
             "matrix_lps_fixed_from_moving": np.eye(4).tolist(),
             "evidence": {"overlap": 0.93, "mutual_information": 0.412, "disagreement_mm": distance}}
            for fixed, moving, verdict, distance, found in (
                ("T2", "T0", "accepted", 0.8, []),
                ("T4", "T2", "accepted", 0.6, []),
                ("T1", "T0", "rejected", 6.2,
                 [finding("REGISTRATION_UNSTABLE", "warning", "two starts end 6.2 mm apart", "T1 from T0")]),
                ("T3", "T2", "accepted", 1.4, []),
            )
        ],
        "findings": [finding("PROCEDURE_ORDER_UNKNOWN", "info", "T1 and P2 share a day; T1 shows the cement", "T1")],
        "outputs": [{"path": "measurements.csv", "sha256": "ab" * 32}],
        "provenance": {
            "software": {"name": "osteotrace", "version": "0.1.0"},
            "parameters": {"registration": {"sampling_mm": 2.0}},
            "inputs": [{"series_uid": uid(t), "sha256": f"{n}c" * 32} for n, (t, *_) in enumerate(EXAMS)],
            "created": "2003-05-28T09:12:00",
        },
    }  # fmt: skip


def sacrum_like(modality: Modality, radii_mm: tuple[float, float, float]) -> tuple[Volume, list[Segment]]:
    """A soft-edged ellipsoid in a larger one, with a bright or dark plug inside it."""
    grid = Grid.from_spacing((24, 160, 180), (5.0, 0.9, 0.8), origin_mm=(-72.0, -72.0, -60.0))
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in grid.shape), indexing="ij")
    px, py, pz = x * 0.8 - 72.0, y * 0.9 - 72.0, z * 5.0 - 60.0
    body = (px / 66) ** 2 + (py / 52) ** 2 < 1
    lesion = ((px - 25) / radii_mm[0]) ** 2 + (py / radii_mm[1]) ** 2 + (pz / radii_mm[2]) ** 2 < 1
    plug = ((px - 27) / 10) ** 2 + ((py + 2) / 8) ** 2 + (pz / 14) ** 2 < 1
    ct = modality is Modality.CT
    samples = np.where(body, 90.0 if ct else 0.65, -100.0 if ct else 0.05)
    samples = np.where(lesion, 45.0 if ct else 0.3, samples)
    samples = np.where(plug, 2500.0 if ct else 0.03, samples)
    texture = np.sin(px / 3.1) * np.cos(py / 2.3) * (25.0 if ct else 0.04)
    volume = Volume(samples=(samples + texture).astype(np.float32), grid=grid, modality=modality)
    segments = [
        Segment(mask=lesion, grid=grid, name="left sacrum", kind=SegmentKind.LESION,
                status=Status.PROPOSED if ct else Status.ACCEPTED),
        Segment(mask=plug, grid=grid, name="cement", kind=SegmentKind.CEMENT),
    ]  # fmt: skip
    return volume, segments


@pytest.fixture
def document() -> Row:
    return case_document()


@pytest.fixture(scope="session")
def figures() -> dict[str, str]:
    drawn = {"trajectory": trajectory_svg(case_document())}
    for timepoint, _, days, modality, _ in EXAMS:
        volume, segments = sacrum_like(Modality(modality), (26.0 - days / 50, 21.0, 24.0))
        drawn[f"L1-{timepoint}"] = lesion_figure(
            volume, segments if days else segments[:1], title=f"L1 left sacrum · {timepoint}", caption=f"day {days}"
        )
    return drawn
