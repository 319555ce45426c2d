"""Rigid transforms between patient spaces, named by where they lead: ``fixed_from_moving``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from imaging.arrays import FloatArray, frozen
from imaging.errors import GeometryError

__all__ = ["Rigid"]


@dataclass(frozen=True, eq=False)
class Rigid:
    """A rotation and a shift in LPS millimetres, as one (4, 4) matrix.

    Raises
    ------
    GeometryError
        If the matrix scales, shears or mirrors.

    Examples
    --------
    >>> b_from_a = Rigid.from_shift((1.0, 2.0, 3.0))
    >>> b_from_a.apply([[0.0, 0.0, 0.0]]).tolist()
    [[1.0, 2.0, 3.0]]
    >>> (b_from_a.inverse() @ b_from_a).matrix.tolist() == Rigid.identity().matrix.tolist()
    True
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
            raise GeometryError("a rigid transform is a finite 4×4 matrix with last row 0 0 0 1")
        rotation = matrix[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(rotation) < 0:
            raise GeometryError("a rigid transform turns and shifts; this matrix scales, shears or mirrors")
        object.__setattr__(self, "matrix", frozen(matrix))

    @classmethod
    def identity(cls) -> Rigid:
        return cls(np.eye(4))

    @classmethod
    def from_shift(cls, shift_mm: ArrayLike) -> Rigid:
        matrix = np.eye(4)
        matrix[:3, 3] = shift_mm
        return cls(matrix)

    def apply(self, points: ArrayLike) -> FloatArray:
        """The points (n, 3) in the space that the name starts with."""
        return np.asarray(np.atleast_2d(points) @ self.matrix[:3, :3].T + self.matrix[:3, 3], dtype=np.float64)

    def inverse(self) -> Rigid:
        """moving_from_fixed of a fixed_from_moving."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.matrix[:3, :3].T
        matrix[:3, 3] = -self.matrix[:3, :3].T @ self.matrix[:3, 3]
        return Rigid(matrix)

    def __matmul__(self, other: Rigid) -> Rigid:
        """Chain by touching names: ``c_from_b @ b_from_a`` is c_from_a."""
        return Rigid(self.matrix @ other.matrix)

    def angle_deg(self) -> float:
        """How far it turns."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.matrix[:3, :3]) - 1) / 2, -1, 1))))
