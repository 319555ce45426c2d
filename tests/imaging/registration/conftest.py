"""A patient made of formulas, that can be imaged anywhere, on any grid, by CT or MR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imaging.arrays import FloatArray
from imaging.geometry import Grid, Rigid
from imaging.volume import Modality, Volume

# Tissue: (CT in HU, MR in arbitrary units): air, fat, muscle, cortex, marrow
CT_HU = np.array([-1000.0, -100.0, 55.0, 900.0, 150.0])
MR_UNITS = np.array([0.0, 1000.0, 300.0, 60.0, 700.0])


@dataclass(frozen=True, eq=False)
class Patient:
    """Ellipsoids of bone and muscle in a body of fat; every seed is another patient."""

    seed: int

    def tissue(self, points: FloatArray) -> np.ndarray:
        random = np.random.default_rng(self.seed)
        tissue = np.where((points / (130.0, 85.0, 400.0)) ** 2 @ np.ones(3) < 1, 1, 0)
        for kind, count, sizes in ((2, 10, (14.0, 40.0)), (3, 12, (8.0, 26.0))):
            for _ in range(count):
                centre, radii = random.uniform(-1, 1, 3) * (90, 55, 70), random.uniform(*sizes, 3)
                turn = Rotation.random(random_state=random).as_matrix()
                depth = (((points - centre) @ turn / radii) ** 2).sum(axis=1)
                tissue[depth < 1] = kind
                if kind == 3:
                    tissue[(((points - centre) @ turn / (radii - 2.5)) ** 2).sum(axis=1) < 1] = 4
        return tissue

    def image(
        self, grid: Grid, modality: Modality, *, exam_from_patient: Rigid | None = None, noise: int = 0
    ) -> Volume:
        """The patient lying anywhere, with noise and, on MR, a coil's shading."""
        pose = Rigid.identity() if exam_from_patient is None else exam_from_patient
        points = grid.points(np.indices(grid.shape).reshape(3, -1).T)
        tissue = self.tissue(pose.inverse().apply(points))
        random = np.random.default_rng((self.seed, noise))
        if modality is Modality.CT:
            samples = CT_HU[tissue] + random.normal(0, 20, len(tissue))
        else:
            shading = 1 + 0.003 * points[:, 1]
            samples = np.abs(MR_UNITS[tissue] * shading + random.normal(0, 25, len(tissue)))
        return Volume(samples=samples.reshape(grid.shape).astype(np.float32), grid=grid, modality=modality)


def pose(turn_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(turn_deg)).as_matrix()
    matrix[:3, 3] = shift_mm
    return Rigid(matrix)


@pytest.fixture(scope="session")
def patient() -> Callable[[int], Patient]:
    return Patient


@pytest.fixture(scope="session")
def mr_grid() -> Grid:
    return Grid.from_spacing((24, 66, 80), (6.0, 2.7, 2.7), origin_mm=(-107.0, -88.0, -69.0))


@pytest.fixture(scope="session")
def ct_grid() -> Grid:
    return Grid.from_spacing((36, 80, 80), (4.0, 2.5, 2.5), origin_mm=(-99.0, -99.0, -70.0))


@pytest.fixture(scope="session")
def another_pose() -> Rigid:
    """As supine and prone differ: a tilt of 12°, and centimetres."""
    return pose((12.0, 2.0, 4.0), (18.0, -25.0, 30.0))
