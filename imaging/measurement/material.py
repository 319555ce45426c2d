"""Radiodense material in numbers: how much, how it lies to lesion and bone, and how it compares with the syringe.

Volumes are those of the find's pieces, from the CT's native voxels (|det A| each); a part of a piece is the share of
its voxels there. What is unknown is None: without a bone mask
there is no leak, without a model of canal and foramina there is no neural volume, and neither is ever 0 for lack of
knowledge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from imaging.arrays import BoolArray
from imaging.errors import GeometryError, UsageError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.measurement.carried import shifted_each_way
from imaging.measurement.interval import log_interval95
from imaging.measurement.leak import LEAK_MARGIN_MM, Leak, NamedPlaces, find_leaks, share_of
from imaging.measurement.neural import NeuralDoubt, doubt_findings, neural_quantity
from imaging.measurement.quantity import Quantity, TwoPartError
from imaging.measurement.uncertainty import ReaderVariability
from imaging.segmentation.cement import MaterialFind, MaterialPiece
from imaging.segmentation.reach import box_around
from imaging.segmentation.segment import LesionId, SegmentKind

__all__ = ["MaterialMeasurement", "PieceMeasurement", "neural_total", "recovered_fraction", "relate_material"]

ABOUT_LESION_MM = 12.0  # bone as near as this to a lesion says where the bone's outline ran
MIDLINE_MM = 5.0  # material whose centre is nearer to the midline has no side
NO_LESION = "no lesion is outlined on this CT: what lies in it cannot be told from what leaked beyond the bone"
IN_NEURAL = "material in canal and foramina, undilated"
HALF = 0.5  # of a voxel
SYRINGE_ML = 0.5  # reading error of the injected amount (the project's statement beside every recovery)


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceMeasurement:
    """One connected piece: its label in the find, volume, density, place and threshold sweep (HU, mL)."""

    label: int
    volume_ml: Quantity
    plateau_hu: float
    saturated: bool
    is_new: bool | None
    confidence: float
    reason: str
    centroid_lps_mm: tuple[float, float, float]
    sweep: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialMeasurement:
    """One kind of material of one lesion (or of none) on one CT: a row of ``materials`` in the JSON contract."""

    id: str
    kind: SegmentKind
    lesion: LesionId | None
    side: str | None
    volume_ml: Quantity
    saturated: bool
    pieces: tuple[PieceMeasurement, ...]
    inside_lesion_ml: Quantity | None = None
    fill_fraction: Quantity | None = None
    inside_bone_ml: Quantity | None = None
    neural_ml: Quantity | None = None
    leak_ml: Quantity | None = None
    leaks: tuple[Leak, ...] = ()
    findings: tuple[Finding, ...] = ()

    def mask_in(self, find: MaterialFind) -> BoolArray:
        """The voxels of its pieces in the find that it was measured on."""
        return np.isin(find.labels, [piece.label for piece in self.pieces])


def relate_material(
    find: MaterialFind,
    *,
    lesions: Mapping[LesionId, BoolArray] | None = None,
    bone: BoolArray | None = None,
    neural: BoolArray | None = None,
    doubt: NeuralDoubt | None = None,
    named: NamedPlaces | None = None,
    compartments: Mapping[str, BoolArray] | None = None,
    sides: Mapping[LesionId, str] | None = None,
    midline_x_mm: float | None = None,
) -> tuple[MaterialMeasurement, ...]:
    """One row for each kind of material and lesion, in a fixed order.

    Parameters
    ----------
    find
        From :func:`imaging.segmentation.cement.find_material`.
    lesions
        Masks on the CT's grid; for a fill fraction they must be the lesion as contoured before treatment.
    bone
        Bone on the CT's grid, canal and foramina left open, made without taking the material itself for bone
        (:func:`imaging.segmentation.bone.bone_mask` with ``material``).
    neural
        Canal and foramina on the CT's grid.
    named
        The same told apart, instead of ``neural``, with other places in which a leak may lie.
    doubt
        What else may lie in canal and foramina (:func:`imaging.measurement.neural.neural_doubt`); where it is left out
        nobody looked, and less than 0.02 mL there is unknown.
    compartments
        What else a leak may lie in, by name, on the CT's grid.
    sides
        "left" or "right" of lesions, where known.
    midline_x_mm
        LPS x of the patient's midline, for material of a lesion whose side is not given.

    Returns
    -------
    tuple of MaterialMeasurement
        Empty for a find without pieces. Intervals of parts in mL carry the error of the material's boundary, not that
        of lesion or bone; that of the fill fraction carries the lesion's too.

    Raises
    ------
    GeometryError
        If a mask is not on the CT's grid.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> labels = np.zeros((4, 10, 10), np.uint16)
    >>> labels[1:3, 2:7, 2:7] = 1
    >>> piece = MaterialPiece(label=1, kind=SegmentKind.CEMENT, confidence=0.9, reason="", lesion=LesionId("L1"),
    ...     plateau_hu=2500.0, background_hu=45.0, saturated=False, is_new=None, volume_ml=0.05,
    ...     interval95_ml=(0.04, 0.06), method="", sweep=(), centroid_lps_mm=(4.0, 4.0, 1.5))
    >>> find = MaterialFind(grid=Grid.from_spacing((4, 10, 10), (1, 1, 1)), labels=labels, pieces=(piece,))
    >>> lesion = np.zeros((4, 10, 10), bool)
    >>> lesion[1:3, 2:7, :] = True
    >>> row, = relate_material(find, lesions={LesionId("L1"): lesion}, sides={LesionId("L1"): "left"})
    >>> row.side, row.inside_lesion_ml.value, row.fill_fraction.value, row.leak_ml
    ('left', 0.05, 0.5, None)
    """
    together = neural if named is None else named.neural_on(find.grid)
    ground = _Ground(
        dict(lesions or {}), bone, together, doubt, dict(compartments or {}), named or NamedPlaces(), find.grid
    )

    def row_key(piece: MaterialPiece) -> tuple[bool, str, str]:
        return (piece.lesion is None, piece.lesion or "", piece.kind.value)  # material of no lesion comes last

    ordered = sorted(find.pieces, key=lambda piece: (row_key(piece), piece.label))
    rows = [tuple(pieces) for _, pieces in groupby(ordered, key=row_key)]
    return tuple(
        _relate(number, find, pieces, ground, _side(pieces, sides or {}, midline_x_mm))
        for number, pieces in enumerate(rows, start=1)
    )


def neural_total(find: MaterialFind, neural: BoolArray, doubt: NeuralDoubt | None) -> Quantity | None:
    """All material in canal and foramina, whatever it is; None where it cannot be excluded.

    It stands where there are no rows too: that no material is found says nothing of what the canal may hold.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> nothing = MaterialFind(grid=Grid.from_spacing((2, 2, 2), (1, 1, 1)), labels=np.zeros((2, 2, 2), np.uint16))
    >>> canal = np.ones((2, 2, 2), bool)
    >>> neural_total(nothing, canal, NeuralDoubt()).value, neural_total(nothing, canal, NeuralDoubt(dense_ml=0.1))
    (0.0, None)
    """
    volume = _sum([_volume(piece) for piece in find.pieces])
    return neural_quantity(share_of(volume, find.part_ml(neural), IN_NEURAL), doubt)


def recovered_fraction(imaged: Quantity, injected_ml: float) -> Quantity:
    """The share of the injected amount that the CT shows, with the error of both.

    It is not evidence of embolisation or its absence: cannula dead space, setting shrinkage and loss outside the field
    of view are not corrected.

    Parameters
    ----------
    imaged
        Volume in mL.
    injected_ml
        As recorded, read from the syringe to ± 0.5 mL.

    Raises
    ------
    UsageError
        If nothing was injected.

    Examples
    --------
    >>> share = recovered_fraction(Quantity(6.4, "mL", "voxel sum", (6.0, 6.8)), 7.0)
    >>> round(share.value, 3), [round(bound, 2) for bound in share.interval95]
    (0.914, [0.8, 1.05])
    """
    if injected_ml <= 0:
        raise UsageError(f"a recovered fraction needs an injected amount above 0 mL; got {injected_ml}")
    low, high = imaged.interval95 or (imaged.value, imaged.value)
    interval = None
    if injected_ml > SYRINGE_ML:
        interval = (low / (injected_ml + SYRINGE_ML), high / (injected_ml - SYRINGE_ML))
    method = f"imaged / injected ({imaged.method}); syringe ± {SYRINGE_ML} mL, dead space and shrinkage not corrected"
    return Quantity(imaged.value / injected_ml, "1", method, interval)


def _relate(
    number: int, find: MaterialFind, pieces: tuple[MaterialPiece, ...], ground: _Ground, side: str | None
) -> MaterialMeasurement:
    own = find.piece_mask(*pieces)
    volume = _sum([_volume(piece) for piece in pieces])

    def part(mask: BoolArray, method: str) -> Quantity:
        return share_of(volume, find.part_ml(mask), method)

    lesion, bone, neural = pieces[0].lesion, ground.bone, ground.neural
    target = None if lesion is None else ground.lesions.get(lesion)
    inside = None if target is None else part(own & target, "material within the lesion")
    # A closed bone mask swallows canal and foramina: what lies in them does not lie in bone.
    in_bone = None if bone is None else bone if neural is None else bone & ~neural
    # A lytic lesion is no bone: without its outline the cement that fills it would count as leaked.
    knows_ground = bone is not None and bool(ground.lesions)
    leaks = None
    if bone is not None and in_bone is not None and knows_ground:
        leaks = find_leaks(
            own,
            volume,
            find.grid,
            ground=in_bone | ground.tumour,
            neural=neural,
            named=ground.named,
            compartments=ground.compartments,
            tumour=None if target is None else _outside_bone(own & target & ~bone, target, bone, find.grid),
        )
    lacking = () if knows_ground or bone is None else (Finding("LEAK_NEEDS_LESION", Severity.INFO, NO_LESION, ""),)
    return MaterialMeasurement(
        id=f"M{number}",
        kind=pieces[0].kind,
        lesion=lesion,
        side=side,
        volume_ml=volume,
        saturated=any(piece.saturated for piece in pieces),
        pieces=tuple(_measured(piece) for piece in pieces),
        inside_lesion_ml=inside,
        fill_fraction=None if inside is None or target is None else _fill_fraction(inside, find.volume_ml(target)),
        inside_bone_ml=None
        if in_bone is None
        else part(own & in_bone & ~ground.tumour, "material in bone outside lesions"),
        neural_ml=None
        if neural is None
        else neural_quantity(_neural(part, own, neural, find.grid, ground.named.error_mm), ground.doubt),
        leak_ml=None if leaks is None else leaks.volume_ml,
        leaks=() if leaks is None else leaks.leaks,
        findings=tuple(
            dict.fromkeys(
                (
                    *(remark for piece in pieces for remark in piece.findings),
                    *find.gap_remarks(own, where=f"M{number}"),
                    *ground.unknowns(f"M{number}"),
                    *lacking,
                )
            )
        ),
    )


def _neural(
    part: Callable[[BoolArray, str], Quantity], own: BoolArray, neural: BoolArray, grid: Grid, error_mm: float
) -> Quantity:
    """The part in canal and foramina; where these were carried, its range over where they may lie."""
    found = part(own & neural, IN_NEURAL)
    if not error_mm:
        return found
    box = box_around(own, grid.spacing_mm, 2 * error_mm + max(grid.spacing_mm))
    bounds = [found.interval95 or (found.value, found.value)]
    for shifted in shifted_each_way(neural[box].astype(np.float64), grid, error_mm):
        moved = np.zeros_like(own)
        moved[box] = shifted >= HALF
        elsewhere = part(own & moved, IN_NEURAL)
        bounds.append(elsewhere.interval95 or (elsewhere.value, elsewhere.value))
    interval = (min(low for low, _ in bounds), max(high for _, high in bounds))
    return Quantity(found.value, "mL", f"{IN_NEURAL}; interval from ± {error_mm:.2g} mm", interval)


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What the material lies in: masks on the CT's grid, None where unknown."""

    lesions: Mapping[LesionId, BoolArray]
    bone: BoolArray | None
    neural: BoolArray | None
    doubt: NeuralDoubt | None
    compartments: Mapping[str, BoolArray]
    named: NamedPlaces
    grid: Grid

    def __post_init__(self) -> None:
        named = {**{f"lesion {name}": mask for name, mask in self.lesions.items()}, "bone": self.bone}
        named |= {f"compartment {name}": mask for name, mask in self.compartments.items()}
        for name, mask in {**named, "canal and foramina": self.neural}.items():
            if mask is not None and mask.shape != self.grid.shape:
                raise GeometryError(f"the {name} mask {mask.shape} does not fill the CT's grid {self.grid.shape}")

    @property
    def tumour(self) -> BoolArray:
        everywhere = np.zeros(self.grid.shape, dtype=bool)
        for mask in self.lesions.values():
            everywhere |= mask
        return everywhere

    def unknowns(self, where: str) -> tuple[Finding, ...]:
        findings = [] if self.neural is None else list(doubt_findings(self.doubt, where))
        if self.bone is None:
            message = "no bone mask: leak and material in bone are unknown, not 0"
            findings.append(Finding("NO_BONE_MASK", Severity.INFO, message))
        if self.neural is None:
            message = "canal and foramina are not modelled: material in them is unknown, not 0"
            findings.append(Finding("NO_NEURAL_MODEL", Severity.INFO, message))
        return tuple(findings)


def _outside_bone(material: BoolArray, lesion: BoolArray, bone: BoolArray, grid: Grid) -> BoolArray | None:
    """What of the material is surely outside bone: beyond the convex hull of all bone about the lesion.

    A lesion may have eaten any hole into bone, so nothing within the hull is known to be outside. None where nothing
    is outside, or where too little bone is in view for a hull.
    """
    if not material.any() or not bone.any():
        return None
    box = box_around(lesion, grid.spacing_mm, ABOUT_LESION_MM)
    start = [side.start for side in box]
    inner = np.asarray(ndimage.binary_erosion(bone[box]))
    surface = grid.points(np.argwhere(bone[box] & ~inner) + start)
    outside = material.copy()
    if len(surface):
        if len(surface) < 4 or np.linalg.matrix_rank(surface - surface.mean(axis=0), tol=1e-3) < 3:
            return None
        faces = ConvexHull(surface).equations
        indices = np.argwhere(material[box]) + start
        beyond_mm = np.max(grid.points(indices) @ faces[:, :3].T + faces[:, 3], axis=1)
        outside[tuple(indices[beyond_mm <= max(LEAK_MARGIN_MM, *grid.spacing_mm[1:])].T)] = False
    return outside if outside.any() else None


def _volume(piece: MaterialPiece) -> Quantity:
    return _outlined(piece.volume_ml, piece.method, piece.interval95_ml)


def _outlined(volume_ml: float, method: str, interval: tuple[float, float]) -> Quantity:
    """A volume that thresholds outlined: no reader has a part in it, and how the part's bounds came is the find's."""
    error = TwoPartError.technical_alone(interval, volume_ml, ("outline of the material", interval))
    return Quantity(volume_ml, "mL", method, interval, error=error)


def _sum(volumes: Sequence[Quantity]) -> Quantity:
    """The sum; bounds add, because pieces of one CT share their blur and so their error."""
    bounds = [volume.interval95 or (volume.value, volume.value) for volume in volumes]
    methods = "; ".join(sorted({volume.method for volume in volumes}))
    low, high = sum(low for low, _ in bounds), sum(high for _, high in bounds)
    value = sum(volume.value for volume in volumes)
    return _outlined(value, methods, (min(low, value), max(high, value)))


def _fill_fraction(inside: Quantity, lesion_ml: float) -> Quantity | None:
    """Material within ÷ lesion; the lesion may be as much larger or smaller as readers' outlines differ."""
    if not lesion_ml or inside.interval95 is None:
        return None
    smallest_ml, largest_ml = log_interval95(lesion_ml, math.sqrt(math.log1p(ReaderVariability().mr ** 2)))
    low, high = inside.interval95
    value = inside.value / lesion_ml
    bounds = (low / largest_ml, max(value, min(high / smallest_ml, 1.0)))
    method = "material within the lesion / lesion as given, which readers may outline otherwise; no adequacy threshold"
    return Quantity(value, "1", method, bounds)


def _measured(piece: MaterialPiece) -> PieceMeasurement:
    return PieceMeasurement(
        label=piece.label,
        volume_ml=_volume(piece),
        plateau_hu=piece.plateau_hu,
        saturated=piece.saturated,
        is_new=piece.is_new,
        confidence=piece.confidence,
        reason=piece.reason,
        centroid_lps_mm=piece.centroid_lps_mm,
        sweep=piece.sweep,
    )


def _side(pieces: Sequence[MaterialPiece], sides: Mapping[LesionId, str], midline_x_mm: float | None) -> str | None:
    """The lesion's side; else that of all pieces, if every one is clearly off the midline on the same side."""
    lesion = pieces[0].lesion
    if lesion is not None and lesion in sides:
        return sides[lesion]
    if midline_x_mm is None:
        return None
    offsets = [piece.centroid_lps_mm[0] - midline_x_mm for piece in pieces]
    if min(offsets) > MIDLINE_MM:
        return "left"  # LPS: x grows to the patient's left
    return "right" if max(offsets) < -MIDLINE_MM else None
