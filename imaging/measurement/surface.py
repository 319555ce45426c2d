"""The surface round a mask: the mesh of marching cubes at one half, its area and the volume inside it.

A cube between eight voxel centres can look in 256 ways, and how it looks decides which triangles cross it. So area and
volume need no mesh: it is enough to count how often each look occurs in each layer of cubes. The figures are those of
``skimage.measure.marching_cubes`` on the same mask with a border of zeros, which also supplies the triangles.

Decision (first version): counting instead of meshing, because it takes a fifth of the time and gives the same sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from skimage.measure import marching_cubes

from imaging.arrays import FloatArray, IntArray, frozen
from imaging.measurement.extent import Extent

__all__ = ["Surface", "sphericity", "surface_of"]

LOOKS = 256  # 2⁸: inside or outside at each of eight corners
LEVEL = 0.5
CORNERS = tuple((s, r, c) for s in (0, 1) for r in (0, 1) for c in (0, 1))


@dataclass(frozen=True, slots=True)
class Surface:
    """Area of the mesh and the volume that it encloses; cavities count as outside."""

    area_mm2: float
    volume_mm3: float


def surface_of(extent: Extent) -> Surface:
    """Area and enclosed volume of the marching-cubes mesh at 0.5, on any grid, sheared ones too.

    The volume is the flux of the mesh in index space times the volume of a voxel; the area is summed over triangles
    taken to millimetres. A single voxel gives an octahedron of a sixth of its volume.

    Source: IBSI reference manual, RNU0 (V = |Σ a·(b × c)| / 6) and C0JK (A = Σ |(b − a) × (c − a)| / 2).

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> from imaging.segmentation.segment import Segment
    >>> voxel = Segment(mask=np.ones((1, 1, 1), dtype=bool), grid=Grid.from_spacing((1, 1, 1), (2.0, 1.0, 1.0)))
    >>> round(surface_of(Extent.of(voxel)).volume_mm3, 6)
    0.333333
    """
    cells = _cells()
    counts = _look_counts(extent)
    edges = cells.edges @ extent.grid.affine[:3, :3].T
    doubled = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    area_of_look = _sum_by_look(cells.look, doubled) / 2.0
    layer = np.arange(counts.shape[0], dtype=np.float64)
    flux = counts.sum(axis=0) @ cells.flux + layer @ counts @ cells.vector
    return Surface(
        area_mm2=float(counts.sum(axis=0) @ area_of_look),
        volume_mm3=float(abs(flux)) * extent.grid.voxel_volume_mm3,
    )


def sphericity(surface: Surface) -> float:
    """Area of the ball of that volume ÷ the area: 1 for a ball, less for anything else (IBSI QCFX).

    Examples
    --------
    >>> round(sphericity(Surface(area_mm2=6.0, volume_mm3=1.0)), 4)  # a cube: (π/6)^⅓
    0.806
    """
    return float(math.cbrt(36.0 * math.pi * surface.volume_mm3**2) / surface.area_mm2)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """The triangles of every look, in index units of one cube.

    ``look`` (t,) whose triangle it is; ``edges`` (t, 2, 3) two sides of it; ``vector`` (256,) sum of area vectors along
    the first axis; ``flux`` (256,) ∫ height d(area) over the triangles, height counted from the cube's lower layer.
    """

    look: IntArray
    edges: FloatArray
    vector: FloatArray
    flux: FloatArray


@cache
def _cells() -> _Cells:
    """Every look meshed once: cubes stand in a row, one empty layer apart, and only what lies inside a cube is kept."""
    pitch = 3
    row = np.zeros((pitch * LOOKS, 2, 2), dtype=np.float32)
    for look in range(LOOKS):
        for bit, (s, r, c) in enumerate(CORNERS):
            row[pitch * look + s, r, c] = look >> bit & 1
    vertices, faces, _, _ = marching_cubes(row, LEVEL)  # type: ignore[no-untyped-call]
    triangles = np.asarray(vertices, dtype=np.float64)[faces]
    height = triangles[:, :, 0].mean(axis=1)
    look, above = np.divmod(height, pitch)
    inside = above <= 1.0
    look, triangles = look[inside].astype(np.int64), triangles[inside]
    edges = np.stack([triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]], axis=1)
    along = np.cross(edges[:, 0], edges[:, 1])[:, 0] / 2.0
    return _Cells(
        look=frozen(look),
        edges=frozen(edges),
        vector=frozen(_sum_by_look(look, along)),
        flux=frozen(_sum_by_look(look, along * above[inside])),
    )


def _sum_by_look(look: IntArray, value: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(look, value, minlength=LOOKS), dtype=np.float64)


def _look_counts(extent: Extent) -> FloatArray:
    """How often each look occurs in each layer of cubes: (layers, 256); one border of zeros makes the mesh closed."""
    padded = np.pad(extent.mask, 1).view(np.uint8)
    layers, rows, columns = (n - 1 for n in padded.shape)
    look = np.zeros((layers, rows, columns), dtype=np.uint8)
    for bit, (s, r, c) in enumerate(CORNERS):
        look |= padded[s : s + layers, r : r + rows, c : c + columns] << np.uint8(bit)
    return np.stack([np.bincount(layer.ravel(), minlength=LOOKS) for layer in look]).astype(np.float64)
