"""What a reader tells the machine about a lesion: points, diameters, boxes, strokes, an earlier mask.

All points are LPS millimetres. ``sign`` +1 means lesion, −1 means not lesion. Prompts are plain values with hash and
equality, so a case file's prompts can be compared, stored and digested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from imaging.arrays import FloatArray
from imaging.errors import CaseFileError
from imaging.geometry.grid import FARTHEST_MM

__all__ = [
    "BoxAxes",
    "BoxPrompt",
    "DiameterPrompt",
    "MaskPrompt",
    "Point",
    "PointPrompt",
    "Prompt",
    "ScribblePrompt",
    "kind_of",
    "prompts_from_record",
    "prompts_record",
]

Point = tuple[float, float, float]


class BoxAxes(StrEnum):
    """Along what a box's sides lie: the patient's axes (two corners) or an image's (eight corners)."""

    PATIENT = "patient"
    IMAGE = "image"


def as_array(points: Sequence[Point]) -> FloatArray:
    """The points as (n, 3) float64."""
    return np.asarray(points, dtype=np.float64).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class PointPrompt:
    """A point in the lesion (or outside it), with the radius of the lesion where the reader dragged one."""

    point: Point
    radius_mm: float | None = None
    sign: int = 1

    def __post_init__(self) -> None:
        _require_points((self.point,), counts=(1,), kind="point")
        _require_sign(self.sign)
        _require_radius(self.radius_mm, kind="point")


@dataclass(frozen=True, slots=True)
class DiameterPrompt:
    """One, two or three diameters as pairs of end points: the long axis, the short axis, the axis across slices."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _require_points(self.points, counts=(2, 4, 6), kind="diameter")
        pairs = as_array(self.points).reshape(-1, 2, 3)
        if (np.linalg.norm(pairs[:, 1] - pairs[:, 0], axis=1) == 0).any():
            raise CaseFileError("a diameter has two different end points; got the same point twice")


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box round the lesion: two opposite corners in patient axes, or eight corners of an oblique one.

    Equal extent along one axis means that the box was drawn in one slice, and nothing is known about the depth.
    """

    corners: tuple[Point, ...]
    axes: BoxAxes = BoxAxes.PATIENT
    sign: int = 1

    def __post_init__(self) -> None:
        _require_points(self.corners, counts=(2,) if self.axes is BoxAxes.PATIENT else (8,), kind=f"{self.axes} box")
        _require_sign(self.sign)
        if (np.ptp(as_array(self.corners), axis=0) > 0).sum() < 2:
            raise CaseFileError("a box spans at least a rectangle; its corners lie on one line")


@dataclass(frozen=True, slots=True)
class ScribblePrompt:
    """A stroke of the pen, as the points that it passes; the pen's radius where it had one."""

    points: tuple[Point, ...]
    radius_mm: float | None = None
    sign: int = 1

    def __post_init__(self) -> None:
        _require_points(self.points, counts=None, kind="scribble")
        _require_radius(self.radius_mm, kind="scribble")
        _require_sign(self.sign)


@dataclass(frozen=True, slots=True)
class MaskPrompt:
    """An existing mask, named as ``path#label``; whoever knows the files resolves it to a probability map."""

    path: str

    def __post_init__(self) -> None:
        if not self.path:
            raise CaseFileError('a mask prompt names its file as path = "file#label"')


Prompt = PointPrompt | DiameterPrompt | BoxPrompt | ScribblePrompt | MaskPrompt

_KINDS = ("point", "diameter", "box", "scribble", "mask")


def kind_of(prompt: Prompt) -> str:
    """The contract's word for it: point, diameter, box, scribble or mask.

    Examples
    --------
    >>> kind_of(PointPrompt((0.0, 0.0, 0.0)))
    'point'
    """
    return {
        PointPrompt: "point", DiameterPrompt: "diameter", BoxPrompt: "box", ScribblePrompt: "scribble",
        MaskPrompt: "mask",
    }[type(prompt)]  # fmt: skip


def prompts_record(prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    """The rows that :func:`prompts_from_record` reads back as the same values.

    Examples
    --------
    >>> prompts_record([PointPrompt((1.0, 2.0, 3.0), 8.0)])
    [{'kind': 'point', 'points_lps_mm': [[1.0, 2.0, 3.0]], 'sign': 1, 'radius_mm': 8.0}]
    """
    return [{"kind": kind_of(prompt), **_fields(prompt)} for prompt in prompts]


def _fields(prompt: Prompt) -> dict[str, Any]:
    if isinstance(prompt, MaskPrompt):
        return {"path": prompt.path}
    if isinstance(prompt, DiameterPrompt):
        return {"points_lps_mm": [list(point) for point in prompt.points]}
    if isinstance(prompt, BoxPrompt):
        corners = [list(corner) for corner in prompt.corners]
        return {"points_lps_mm": corners, "axes": prompt.axes.value, "sign": prompt.sign}
    points = (prompt.point,) if isinstance(prompt, PointPrompt) else prompt.points
    row = {"points_lps_mm": [list(point) for point in points], "sign": prompt.sign}
    return row if prompt.radius_mm is None else {**row, "radius_mm": prompt.radius_mm}


def prompts_from_record(rows: Sequence[Mapping[str, Any]]) -> tuple[Prompt, ...]:
    """The prompts that a case file or a prompt document lists (contract §5).

    Parameters
    ----------
    rows
        One mapping each with ``kind`` (point, diameter, box, scribble, mask), ``points_lps_mm``, and where it applies
        ``sign`` (1 or −1), ``radius_mm``, ``axes`` (patient or image), ``path`` (mask only). Keys that say when or
        where the prompt was drawn (timepoint, series) are the caller's and are not read.

    Raises
    ------
    CaseFileError
        If a row is impossible; the message says which and why.

    Examples
    --------
    >>> rows = [{"kind": "box", "points_lps_mm": [[8.0, -20.0, -110.0], [52.0, 24.0, -66.0]], "sign": 1}]
    >>> prompts_from_record(rows)[0].corners
    ((8.0, -20.0, -110.0), (52.0, 24.0, -66.0))
    """
    return tuple(_prompt(row, number) for number, row in enumerate(rows, start=1))


def _prompt(row: Mapping[str, Any], number: int) -> Prompt:
    where = f"prompt {number}"
    try:
        return _parse(row)
    except CaseFileError as error:
        raise CaseFileError(f"{where}: {error}", code=error.code, where=where) from error


def _parse(row: Mapping[str, Any]) -> Prompt:
    if not isinstance(row, Mapping):
        raise CaseFileError(f"a prompt is a table of kind and points; got {type(row).__name__}")
    kind = row.get("kind")
    if kind not in _KINDS:
        raise CaseFileError(f"kind is one of {', '.join(_KINDS)}; got {kind!r}")
    sign = row.get("sign", 1)
    if kind == "mask":
        if sign != 1:
            raise CaseFileError("a mask prompt is the lesion itself: its sign is 1")
        path = row.get("path", row.get("mask", ""))
        return MaskPrompt(path if isinstance(path, str) else "")
    points = _points(row.get("points_lps_mm"))
    radius = row.get("radius_mm")
    if radius is not None and (isinstance(radius, bool) or not isinstance(radius, int | float)):
        raise CaseFileError(f"radius_mm is a number; got {radius!r}")
    if kind == "point":
        _require_points(points, counts=(1,), kind="point")
        return PointPrompt(points[0], radius, sign)
    if kind == "scribble":
        return ScribblePrompt(points, radius, sign)
    if kind == "diameter":
        if sign != 1:
            raise CaseFileError("a diameter measures the lesion: its sign is 1")
        return DiameterPrompt(points)
    axes = row.get("axes", BoxAxes.PATIENT.value)
    if axes not in tuple(BoxAxes):
        raise CaseFileError(f"a box's axes are patient or image; got {axes!r}")
    return BoxPrompt(points, BoxAxes(axes), sign)


def _points(listed: object) -> tuple[Point, ...]:
    """Rows of three numbers as tuples; a single row may stand without its outer list."""
    try:
        # Texts and truth values, which float64 would take for numbers, make an array of another kind.
        rows = np.asarray(listed)
        rows = rows.astype(np.float64) if rows.dtype.kind in "iuf" and not _holds_truth(listed) else np.zeros(0)
    except (TypeError, ValueError, OverflowError):  # the last for whole numbers of hundreds of digits
        rows = np.zeros(0)
    if rows.ndim == 1 and rows.size == 3:
        rows = rows[None]
    if rows.ndim != 2 or rows.shape[1:] != (3,) or len(rows) == 0:
        raise CaseFileError("points_lps_mm is a list of points, each three numbers x, y, z in millimetres")
    return tuple((float(x), float(y), float(z)) for x, y, z in rows)


def _holds_truth(listed: object) -> bool:
    return isinstance(listed, bool) or (isinstance(listed, list | tuple) and any(map(_holds_truth, listed)))


def _require_points(points: Sequence[Point], *, counts: tuple[int, ...] | None, kind: str) -> None:
    if counts is not None and len(points) not in counts:
        expected = " or ".join(map(str, counts))
        raise CaseFileError(f"a {kind} has {expected} points; got {len(points)}")
    if not points or not (np.abs(as_array(points)) <= FARTHEST_MM).all():  # which is False for what is no number
        raise CaseFileError(f"a {kind}'s points are finite numbers in millimetres, at least one point")


def _require_radius(radius_mm: float | None, *, kind: str) -> None:
    if radius_mm is not None and not 0 < radius_mm <= FARTHEST_MM:
        raise CaseFileError(f"a {kind}'s radius_mm is a length above zero")


def _require_sign(sign: int) -> None:
    if isinstance(sign, bool) or sign not in (1, -1):
        raise CaseFileError(f"sign is 1 (lesion) or -1 (not lesion); got {sign!r}")
