"""Whose a piece of material is: the lesion that it overlaps or lies next to, and what was injected there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imaging.arrays import BoolArray
from imaging.segmentation.reach import Box, box_around, distance_mm
from imaging.segmentation.segment import LesionId

__all__ = ["NEAREST_LESION_MM", "Agents", "agents_for", "distance_to_mm", "lesion_of"]

NEAREST_LESION_MM = 20.0  # farther material belongs to no lesion (the project's contract for material rows)

Agents = Sequence[str] | Mapping[LesionId | None, Sequence[str]] | None


def agents_for(lesion: LesionId | None, agents: Agents) -> tuple[str, ...] | None:
    """What was injected where a piece belongs to this lesion; None if the history is unknown.

    Material of no lesion may be any of it; what was injected without naming a lesion may be anywhere.

    Examples
    --------
    >>> by_lesion = {LesionId("L1"): ("pmma", "nbca"), LesionId("L2"): ("pmma",)}
    >>> agents_for(LesionId("L2"), by_lesion), agents_for(None, by_lesion), agents_for(LesionId("L2"), None)
    (('pmma',), ('pmma', 'nbca', 'pmma'), None)
    """
    if agents is None:
        return None
    if not isinstance(agents, Mapping):
        return tuple(agents)
    if lesion is None:
        return tuple(agent for names in agents.values() for agent in names)
    return (*agents.get(lesion, ()), *agents.get(None, ()))


def distance_to_mm(
    piece: BoolArray, where: Box, other: BoolArray, spacing_mm: tuple[float, float, float], limit_mm: float
) -> float:
    """Shortest distance of a piece from a mask, 0 if they overlap; infinite if more than the limit.

    Parameters
    ----------
    piece, where
        The piece's mask in a box of the image, and that box.
    other
        A mask of the whole image.

    Examples
    --------
    >>> other = np.zeros((1, 1, 9), bool)
    >>> other[0, 0, 7] = True
    >>> piece, where = np.ones((1, 1, 2), bool), (slice(0, 1), slice(0, 1), slice(2, 4))
    >>> distance_to_mm(piece, where, other, (1.0, 1.0, 0.5), 5.0), distance_to_mm(piece, where, other, (1, 1, 0.5), 1.0)
    (2.0, inf)
    """
    if (other[where] & piece).any():
        return 0.0
    whole = np.zeros(other.shape, dtype=bool)
    whole[where] = piece
    box = box_around(whole, spacing_mm, limit_mm)
    if not other[box].any():
        return float("inf")
    nearest = float(distance_mm(other[box], spacing_mm)[whole[box]].min())
    return nearest if nearest <= limit_mm else float("inf")


def lesion_of(
    piece: BoolArray, where: Box, lesions: Mapping[LesionId, BoolArray], spacing_mm: tuple[float, float, float]
) -> LesionId | None:
    """The lesion with the largest overlap, else the nearest within 20 mm, else None; ties go to the first name.

    Examples
    --------
    >>> left = np.zeros((1, 1, 9), bool)
    >>> left[0, 0, 7:] = True
    >>> where = (slice(0, 1), slice(0, 1), slice(2, 4))
    >>> lesion_of(np.ones((1, 1, 2), bool), where, {LesionId("L1"): left}, (1.0, 1.0, 1.0))
    'L1'
    """
    if not lesions:
        return None
    overlap = {name: int(np.count_nonzero(mask[where] & piece)) for name, mask in sorted(lesions.items())}
    best = max(overlap, key=lambda name: overlap[name])
    if overlap[best]:
        return best
    distance = {
        name: distance_to_mm(piece, where, mask, spacing_mm, NEAREST_LESION_MM)
        for name, mask in sorted(lesions.items())
    }
    nearest = min(distance, key=lambda name: distance[name])
    return nearest if np.isfinite(distance[nearest]) else None
