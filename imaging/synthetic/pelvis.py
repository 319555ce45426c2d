"""The anatomy around the sacrum: bones with cortex, canal and foramina, joints, muscle, fat, organs and skin.

The body frame is LPS in millimetres with its origin in the midline, near the height of the first sacral foramen and at
the depth of the promontory: +x left, +y back, +z head. Sizes are those of an adult (sacrum 106 wide at the middle of
its joints and 103 high, cortex 1.2, canal 30 × 14, foramina 13 × 12, 13 × 13, 10 and 8); they are the project's own
choice. Shapes are simple on purpose: every border that is measured has a formula, everything else is scenery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray
from imaging.synthetic.shape import Bounded, Box, Ellipsoid, Plane, Shape, Tube
from imaging.synthetic.tissue import Tissue

__all__ = ["FORAMINA", "MOUTH_MM", "SACRUM", "Foramen", "Pelvis", "Sacrum", "paint_shape", "reach"]

f32 = np.float32

TOP_MM, BOTTOM_MM = 28.0, -75.0  # promontory and tip: 103 high
CORTEX_MM, ALA_CORTEX_MM = 1.2, 0.8
ROUNDING_MM = 4.0  # edges of bone are rounded over this much
MOUTH_MM = 3.0  # canal and foramina go on so far beyond the bone
JOINT_GAP_MM = 2.5
JOINT_SLANT = 0.25  # the sacroiliac joint runs towards the midline at the back
ILIUM_THICK_MM = 15.0
ILIUM_TOP_MM, ILIUM_BOTTOM_MM = 55.0, -52.0
ILIUM_PIVOT_MM = (56.0, 30.0)  # where an ilium turns between exams


@dataclass(frozen=True, slots=True, kw_only=True)
class Foramen:
    """One open tunnel through the sacrum: an elliptical pipe that runs from the canal to the front or to the back."""

    level: int
    z_mm: float
    width_mm: float
    height_mm: float
    lateral_mm: float = 24.0


FORAMINA = (
    Foramen(level=1, z_mm=4.0, width_mm=13.0, height_mm=12.0),
    Foramen(level=2, z_mm=-18.0, width_mm=13.0, height_mm=13.0, lateral_mm=22.0),
    Foramen(level=3, z_mm=-38.0, width_mm=10.0, height_mm=10.0, lateral_mm=19.0),
    Foramen(level=4, z_mm=-55.0, width_mm=8.0, height_mm=8.0, lateral_mm=16.0),
)
POSTERIOR_SIZE_MM = {1: (10.0, 8.0), 2: (7.0, 7.0), 3: (6.0, 6.0), 4: (5.0, 5.0)}
ROOT_MM = 5.0  # diameter of the nerve root in a foramen


class Sacrum:
    """The sacrum's surfaces at a set of points; each is evaluated once and shared by all that paint.

    Attributes
    ----------
    bone_mm
        Signed distance to the bone's outer surface, negative inside.
    """

    def __init__(self, x: Plane, y: Plane, z: Plane) -> None:
        self.x, self.y, self.z = x, y, z
        self.side = np.abs(x)
        down = np.clip((f32(TOP_MM) - z) / f32(TOP_MM - BOTTOM_MM), f32(-0.3), f32(1.1))
        self.down = down
        self.middle = 70 * down * (1 - f32(0.6) * down)  # the bodies' centre line swings back, then forward
        self.half_body = f32(15.5) * (1 - f32(0.5) * np.maximum(down, 0))
        shrink = 1 - f32(0.5) * np.maximum(down, 0)
        self.canal_half_width, self.canal_depth = 15 * shrink, 14 * shrink
        self.canal_middle = self.middle + self.half_body + self.canal_depth / 2
        square = x * x
        self.front = self.middle - self.half_body + f32(0.004) * square
        self.back = self.middle + self.half_body + self.canal_depth + 7 - f32(0.002) * square
        width = 53 - 71 * np.maximum(down - f32(0.45), 0)
        self.joint = width - f32(JOINT_SLANT) * (y - self.middle - 12)
        shoulder = z - (f32(TOP_MM) - f32(0.006) * np.maximum(self.side - 20, 0) ** 2)
        lateral = (self.side - self.joint) * f32(1 / np.sqrt(1 + JOINT_SLANT**2))
        depth = smooth_max(self.front - y, y - self.back)
        self.bone_mm = smooth_max(smooth_max(depth, lateral), smooth_max(shoulder, f32(BOTTOM_MM) - z))

    def joint_gap(self) -> BoolArray:
        """Whether a point lies in the space of either sacroiliac joint."""
        across = np.abs(self.side - self.joint - f32(JOINT_GAP_MM / 2)) < f32(JOINT_GAP_MM / 2 + 0.3)
        return np.asarray(across & (np.abs(self.y - self.middle - 12) < 22) & (self.z < 20) & (self.z > -45))

    def canal_mm(self) -> Plane:
        """Signed reach of the sacral canal (negative inside), about mm."""
        u = self.x / self.canal_half_width
        v = (self.y - self.canal_middle) / (self.canal_depth / 2)
        ellipse = (np.sqrt(u * u + v * v) - 1) * (self.canal_depth / 2)
        return as_plane(np.maximum(ellipse, f32(BOTTOM_MM + 12) - self.z))

    def anterior_foramen_mm(self, foramen: Foramen) -> Plane:
        """Signed reach of both anterior tunnels of one level, from the canal to the front of the bone."""
        # 0 in the canal, 1 at the anterior surface: the tunnel leads outwards and down
        run = np.clip((self.canal_middle - self.y) / np.maximum(self.canal_middle - self.front, 1), 0, f32(1.2))
        lateral = f32(foramen.lateral_mm) - (1 - np.minimum(run * 2, 1)) * f32(foramen.lateral_mm - 12)
        height = f32(foramen.z_mm) + 5 * (1 - np.minimum(run * 2, 1))
        tunnel = pipe(self.side - lateral, self.z - height, foramen.width_mm, foramen.height_mm)
        return as_plane(np.maximum(np.maximum(tunnel, self.y - self.canal_middle), self.front - 3 - self.y))

    def posterior_foramen_mm(self, foramen: Foramen) -> Plane:
        """Signed reach of both posterior tunnels of one level."""
        width, height = POSTERIOR_SIZE_MM[foramen.level]
        lateral = f32(foramen.lateral_mm - 3)
        tunnel = pipe(self.side - lateral, self.z - f32(foramen.z_mm), width, height)
        return as_plane(np.maximum(np.maximum(tunnel, self.canal_middle - self.y), self.y - self.back - 3))

    def root_mm(self, foramen: Foramen) -> Plane:
        """Signed reach of the nerve roots in the anterior tunnels."""
        run = np.clip((self.canal_middle - self.y) / np.maximum(self.canal_middle - self.front, 1), 0, f32(1.2))
        lateral = f32(foramen.lateral_mm) - (1 - np.minimum(run * 2, 1)) * f32(foramen.lateral_mm - 12)
        height = f32(foramen.z_mm) + 5 * (1 - np.minimum(run * 2, 1))
        root = pipe(self.side - lateral, self.z - height, ROOT_MM, ROOT_MM)
        return as_plane(np.maximum(np.maximum(root, self.y - self.canal_middle - 2), self.front - 12 - self.y))


def as_plane(values: NDArray[Any]) -> Plane:
    return np.asarray(values, dtype=np.float32)


def smooth_max(a: Plane, b: Plane) -> Plane:
    """The larger of two distances, with the corner where they meet rounded."""
    blend = np.maximum(ROUNDING_MM - np.abs(a - b), 0) / f32(ROUNDING_MM)
    return np.asarray(np.maximum(a, b) + blend * blend * f32(ROUNDING_MM / 4), dtype=np.float32)


def pipe(u: Plane, v: Plane, width_mm: float, height_mm: float) -> Plane:
    """Signed reach of an elliptical pipe from offsets across it."""
    a, b = u / f32(width_mm / 2), v / f32(height_mm / 2)
    return np.asarray((np.sqrt(a * a + b * b) - 1) * f32(min(width_mm, height_mm) / 2), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pelvis:
    """What differs between exams of one pelvis.

    Parameters
    ----------
    ilium_turn_deg
        Turn of the left and the right ilium about the head axis: the joints give a little between exams.
    irradiated_left
        Whether the left marrow was irradiated, and so turned to fat.
    """

    ilium_turn_deg: tuple[float, float] = (0.0, 0.0)
    irradiated_left: bool = True

    def paint(self, numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane) -> None:
        """Write tissue numbers into ``numbers`` at body points (x, y, z), all of one two-dimensional shape."""
        for number, shape in SOFT_TISSUE:
            paint_shape(numbers, x, y, z, number=number, shape=shape)
        numbers[(numbers == Tissue.ORGAN) & (y > 78)] = Tissue.MUSCLE
        self.paint_bones(numbers, x, y, z)

    def paint_bones(self, numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane) -> None:
        """The same for bones, joints and what runs through them alone."""
        window = reach(x, y, z, BONES)
        if window is not None:
            sacrum = Sacrum(x[window], y[window], z[window])
            self._paint_ilia(numbers[window], sacrum)
            self._paint_spine(numbers[window], sacrum)
        window = reach(x, y, z, SACRUM)
        if window is not None:
            self._paint_sacrum(numbers[window], Sacrum(x[window], y[window], z[window]))

    def _paint_ilia(self, numbers: NDArray[np.uint8], sacrum: Sacrum) -> None:
        x, y, z = sacrum.x, sacrum.y, sacrum.z
        for sign, turn in zip((1, -1), self.ilium_turn_deg, strict=True):
            angle = float(np.radians(turn))
            px, py = sign * ILIUM_PIVOT_MM[0], ILIUM_PIVOT_MM[1]
            cosine, sine = f32(np.cos(angle)), f32(np.sin(angle))
            rx = px + cosine * (x - px) + sine * (y - py)
            ry = py - sine * (x - px) + cosine * (y - py)
            medial = sacrum.joint + JOINT_GAP_MM + f32(0.012) * np.maximum(sacrum.middle - ry, 0) ** 2
            medial = np.maximum(medial, 38)
            across = np.abs(sign * rx - medial - f32(ILIUM_THICK_MM / 2)) - f32(ILIUM_THICK_MM / 2)
            along = np.abs(ry - sacrum.middle - 2) - 44
            upright = smooth_max(z - f32(ILIUM_TOP_MM), f32(ILIUM_BOTTOM_MM) - z)
            bone = smooth_max(smooth_max(across, along), upright)
            inside = (bone < 0) & (sign * rx > 0)
            numbers[inside] = np.where(bone[inside] > -CORTEX_MM, Tissue.CORTEX, Tissue.MARROW_ILIUM)
            numbers[(sign * x > 0) & sacrum.joint_gap() & ~inside] = Tissue.CARTILAGE

    @staticmethod
    def _paint_spine(numbers: NDArray[np.uint8], sacrum: Sacrum) -> None:
        lean = f32(0.45) * (sacrum.z - TOP_MM)  # the column leans back towards the head, as the lordosis does
        u, v = sacrum.x / 25, (sacrum.y + lean * f32(0.4) - 1) / f32(16.5)
        rim = (np.sqrt(u * u + v * v) - 1) * f32(16.5)
        tilt = sacrum.z + f32(0.25) * sacrum.y  # the endplates face forward
        disc = (rim < 0) & (tilt > TOP_MM - 4) & (tilt < TOP_MM + 10)
        numbers[disc] = Tissue.DISC
        body = smooth_max(rim, f32(TOP_MM + 10) - tilt)
        inside = body < 0
        numbers[inside] = np.where(body[inside] > -CORTEX_MM, Tissue.CORTEX, Tissue.MARROW_BODY)
        arch = (np.abs(sacrum.x) < 22) & (sacrum.z > TOP_MM + 2)
        behind = sacrum.y + lean * f32(0.4)
        numbers[arch & (behind > 18) & (behind < 34)] = Tissue.FAT
        numbers[arch & (np.abs(sacrum.x) < 11) & (behind > 18) & (behind < 31)] = Tissue.THECAL_SAC
        lamina = arch & (behind >= 34 - f32(0.25) * np.abs(sacrum.x)) & (behind < 42 - f32(0.5) * np.abs(sacrum.x))
        numbers[lamina] = Tissue.CORTEX

    def _paint_sacrum(self, numbers: NDArray[np.uint8], sacrum: Sacrum) -> None:
        bone = sacrum.bone_mm
        cortex = np.where(sacrum.side > 30, f32(ALA_CORTEX_MM), f32(CORTEX_MM))
        marrow = np.where(sacrum.side > 26, np.uint8(Tissue.MARROW_ALA), np.uint8(Tissue.MARROW_BODY))
        if self.irradiated_left:
            marrow = np.where(sacrum.x > 4, np.uint8(Tissue.MARROW_IRRADIATED), marrow)
        inside = bone < 0
        # a tunnel's wall is bone too: 1 mm of cortex around canal and foramina
        tunnels = sacrum.canal_mm()
        for foramen in FORAMINA:
            np.minimum(tunnels, sacrum.anterior_foramen_mm(foramen), out=tunnels)
            np.minimum(tunnels, sacrum.posterior_foramen_mm(foramen), out=tunnels)
        shell = inside & ((bone > -cortex) | (tunnels < 1))
        numbers[inside] = marrow[inside]
        numbers[shell] = Tissue.CORTEX
        hollow = tunnels < 0
        numbers[hollow & (bone < MOUTH_MM)] = Tissue.FAT
        canal = sacrum.canal_mm()
        numbers[(canal < -2) & (sacrum.z > -22)] = Tissue.THECAL_SAC
        for foramen in FORAMINA:
            numbers[sacrum.root_mm(foramen) < 0] = Tissue.NERVE


def paint_shape(numbers: NDArray[np.uint8], x: Plane, y: Plane, z: Plane, *, number: int, shape: Shape) -> None:
    """Write one number wherever the shape is, touching only rows and columns that its box can reach.

    Examples
    --------
    >>> x, y = np.meshgrid(np.arange(-2, 3, dtype=np.float32), np.zeros(1, np.float32))
    >>> numbers = np.zeros(x.shape, np.uint8)
    >>> paint_shape(numbers, x, y, y, number=7, shape=ellipsoid((0, 0, 0), (3, 3, 3)))
    >>> numbers.tolist()
    [[0, 7, 7, 7, 0]]
    """
    window = reach(x, y, z, shape)
    if window is not None:
        part = numbers[window]
        part[shape.signed_mm(x[window], y[window], z[window]) < 0] = number


def reach(x: Plane, y: Plane, z: Plane, shape: Bounded) -> tuple[slice, slice] | None:
    """The smallest window of the plane outside of which no point lies in the shape's box; None where no point does."""
    low, high = shape.bounds()
    held = np.ones(x.shape, dtype=bool)
    for axis, lowest, highest in zip((x, y, z), low, high, strict=True):
        held &= (axis >= f32(lowest)) & (axis <= f32(highest))
    rows, columns = np.flatnonzero(held.any(axis=1)), np.flatnonzero(held.any(axis=0))
    if rows.size == 0:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def both_sides(number: Tissue, shape: Ellipsoid) -> tuple[tuple[Tissue, Shape], ...]:
    x, y, z = shape.center_mm
    other = Ellipsoid(
        center_mm=(-x, y, z),
        axes_mm=shape.axes_mm,
        turn=None if shape.turn is None else np.diag([-1.0, 1.0, 1.0]) @ shape.turn,
    )
    return (number, shape), (number, other)


def ellipsoid(center: tuple[float, float, float], axes: tuple[float, float, float]) -> Ellipsoid:
    return Ellipsoid(center_mm=center, axes_mm=axes)


def vessel(points: tuple[tuple[float, float, float], ...], radius_mm: float) -> tuple[tuple[Tissue, Shape], ...]:
    mirrored = tuple((-x, y, z) for x, y, z in points)
    return (Tissue.VESSEL, Tube(points_mm=points, radius_mm=radius_mm)), (
        Tissue.VESSEL,
        Tube(points_mm=mirrored, radius_mm=radius_mm),
    )


BONES = Box(low_mm=(-115.0, -60.0, -90.0), high_mm=(115.0, 100.0, 80.0))
SACRUM = Box(low_mm=(-62.0, -22.0, -80.0), high_mm=(62.0, 70.0, 34.0))

# Painted in this order, later over earlier: long ellipsoids, so that the cross-section hardly changes over the slices.
SOFT_TISSUE: tuple[tuple[Tissue, Shape], ...] = (
    (Tissue.SKIN, ellipsoid((0, 10, -20), (364, 234, 1200))),
    (Tissue.FAT, ellipsoid((0, 10, -20), (360, 230, 1190))),
    (Tissue.MUSCLE, ellipsoid((0, 2, -20), (306, 178, 1000))),
    (Tissue.FAT, ellipsoid((0, -30, -15), (190, 118, 420))),
    *both_sides(Tissue.FAT, ellipsoid((52, -22, 40), (42, 48, 236))),  # each muscle in its sheath of fat
    *both_sides(Tissue.MUSCLE, ellipsoid((52, -22, 40), (38, 44, 230))),  # iliopsoas
    *both_sides(Tissue.FAT, ellipsoid((17, 62, 45), (45, 38, 194))),
    *both_sides(Tissue.MUSCLE, ellipsoid((17, 62, 45), (42, 34, 190))),  # multifidus
    *both_sides(Tissue.FAT, ellipsoid((40, 96, -60), (62, 26, 150))),
    *both_sides(Tissue.FAT, ellipsoid((104, 34, -20), (34, 84, 170))),  # between the gluteal muscles
    *both_sides(Tissue.MUSCLE, ellipsoid((106, 30, -20), (32, 82, 166))),
    *both_sides(Tissue.FAT, ellipsoid((64, 70, -70), (113, 68, 196))),
    *both_sides(Tissue.MUSCLE, ellipsoid((64, 70, -70), (108, 62, 190))),  # gluteus maximus
    *both_sides(Tissue.MUSCLE, ellipsoid((42, 16, -52), (66, 17, 34))),  # piriformis
    (Tissue.ORGAN, ellipsoid((-34, -52, 22), (44, 36, 52))),  # bowel loops
    (Tissue.ORGAN, ellipsoid((30, -58, 8), (52, 34, 40))),
    (Tissue.ORGAN, ellipsoid((-6, -56, -16), (40, 30, 34))),
    (Tissue.ORGAN, ellipsoid((4, 1, -68), (34, 28, 56))),  # rectum
    (Tissue.BOWEL_GAS, ellipsoid((5, -3, -66), (13, 9, 30))),
    (Tissue.BLADDER, ellipsoid((0, -58, -72), (88, 62, 66))),
    *vessel(((6, -26, 60), (24, -18, 20), (34, -6, -10), (36, 2, -60)), 4.0),  # internal iliac artery
    *vessel(((8, -24, 62), (34, -30, 25), (52, -44, -20), (60, -58, -80)), 5.0),  # external iliac artery
)
