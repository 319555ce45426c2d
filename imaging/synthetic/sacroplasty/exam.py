"""The seed case's five exams: when, how the patient lay, and where the voxels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.geometry import Grid, Rigid

__all__ = ["EXAMS", "Exam"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Exam:
    """One exam: when, how the patient lay, and how the images were made.

    Parameters
    ----------
    id, day, start
        Timepoint, days since the first procedure, ISO local time.
    modality, position
        CT or MR; HFS or FFP.
    patient_from_body
        Pose: table position and the patient's tilt and turn.
    grid
        Of all its images.
    thickness_mm
        Slice profile.
    ilium_turn_deg
        The ilia's own turn.
    """

    id: str
    day: int
    start: str
    modality: str
    position: str
    patient_from_body: Rigid
    grid: Grid
    thickness_mm: float
    ilium_turn_deg: tuple[float, float]

    @property
    def folder(self) -> str:
        return f"{self.start[:10]}_{self.modality}"


def pose(turns_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> Rigid:
    """patient_from_body: turned about x, then y, then z, then shifted; the matrix is rounded to 12 digits."""
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(turns_deg)):
        i, j = ((1, 2), (2, 0), (0, 1))[axis]
        step = np.eye(4)
        step[i, i] = step[j, j] = np.cos(angle)
        step[j, i], step[i, j] = np.sin(angle), -np.sin(angle)
        matrix = step @ matrix
    matrix[:3, 3] = shift_mm
    return Rigid(np.round(matrix, 12))


def axial(
    patient_from_body: Rigid,
    focus_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    towards: tuple[int, int, int],
) -> Grid:
    """An axial grid around a body point; ``towards`` gives the signs of the slice, row and column steps."""
    step = np.array(spacing_mm) * towards
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    affine[2, 0], affine[1, 1], affine[0, 2] = step
    middle = patient_from_body.apply([focus_mm])[0]
    half = (np.array(shape) - 1) / 2 * step
    affine[:3, 3] = np.round(middle - half[::-1], 3)
    return Grid(shape, affine)


def exam(
    id: str,
    day: int,
    start: str,
    *,
    turns_deg: tuple[float, float, float],
    shift_mm: tuple[float, float, float],
    focus_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    thickness_mm: float,
    ilium_turn_deg: tuple[float, float] = (0.0, 0.0),
) -> Exam:
    # feet first prone: columns still run to the patient's left, rows to the front, slices to the feet
    prone = id == "T1"
    patient_from_body = pose(turns_deg, shift_mm)
    return Exam(
        id=id,
        day=day,
        start=start,
        modality="CT" if id in ("T1", "T3") else "MR",
        position="FFP" if prone else "HFS",
        patient_from_body=patient_from_body,
        grid=axial(patient_from_body, focus_mm, shape, spacing_mm, (-1, -1, 1) if prone else (1, 1, 1)),
        thickness_mm=thickness_mm,
        ilium_turn_deg=ilium_turn_deg,
    )


EXAMS = (
    exam(
        "T0",
        -4,
        "2003-01-06T09:20:00",
        turns_deg=(2.0, -1.0, 1.5),
        shift_mm=(3.2, -14.5, -61.0),
        focus_mm=(0.0, 22.0, -16.0),
        shape=(22, 256, 256),
        spacing_mm=(6.0, 0.85, 0.85),
        thickness_mm=5.0,
    ),
    exam(
        "T1",
        7,
        "2003-01-17T11:50:00",
        turns_deg=(12.0, 0.0, 5.0),
        shift_mm=(-6.0, 38.0, 205.0),
        focus_mm=(0.0, 32.0, -10.0),
        shape=(45, 320, 320),
        spacing_mm=(2.0, 0.6875, 0.6875),
        thickness_mm=2.0,
        ilium_turn_deg=(1.5, -1.0),
    ),
    exam(
        "T2",
        97,
        "2003-04-17T14:05:00",
        turns_deg=(-3.0, 2.0, -4.0),
        shift_mm=(-4.0, -22.0, 12.5),
        focus_mm=(0.0, 22.0, -16.0),
        shape=(30, 256, 256),
        spacing_mm=(4.4, 0.8, 0.8),
        thickness_mm=4.0,
        ilium_turn_deg=(-1.0, 1.0),
    ),
    exam(
        "T3",
        100,
        "2003-04-20T12:10:00",
        turns_deg=(-5.0, 1.0, 3.0),
        shift_mm=(11.0, -160.0, -340.0),
        focus_mm=(0.0, 24.0, -22.0),
        shape=(52, 320, 320),
        spacing_mm=(2.0, 0.75, 0.75),
        thickness_mm=2.0,
        ilium_turn_deg=(1.0, 1.5),
    ),
    exam(
        "T4",
        135,
        "2003-05-25T10:40:00",
        turns_deg=(4.0, 0.5, 2.5),
        shift_mm=(2.0, -9.0, -35.0),
        focus_mm=(0.0, 22.0, -16.0),
        shape=(22, 256, 256),
        spacing_mm=(6.0, 0.88, 0.88),
        thickness_mm=5.0,
        ilium_turn_deg=(0.5, -1.5),
    ),
)
