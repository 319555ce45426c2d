"""What a reader should doubt about a proposed mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.segmentation.material_search import DENSEST_BONE_HU
from imaging.volume import Modality, Volume

__all__ = ["Doubts", "findings_from", "material_share", "touches_edge"]

LEAK_SHARE = 0.10  # of the mask, farther out than LEAK_DISTANCE
LEAK_DISTANCE = 0.35  # mean radii beyond the expected surface
PIECE_SHARE = 0.05  # of the kept piece: smaller ones are specks of noise
# Jensen–Shannon divergence across the contour, in nats. Contours that lie on no border at all reach 0.03 on the shared
# real images (earlier masks put at a wrong scale), three in four of those with a Dice of .7 0.1 and more.
LOW_CONTRAST = 0.1
# One in twenty of the outlines with a Dice of .7 and more lies above it (80 of 10 patients, lines, boxes, diameters and
# strokes with 2 mm of jitter; with each patient left out 0.19 to 0.22). Poor outlines had no say in it.
UNLIKE_SHARE = 0.2
MATERIAL_SHARE = 0.01  # of the mask: less changes its volume by less than any two readers differ
WIDE_SPREAD = 1.5  # largest over smallest volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """The measured facts that findings are made from.

    Parameters
    ----------
    far_share
        Share of the mask that lies far outside the expected shape.
    other_share
        Size of the largest piece that was not kept over the kept one.
    contrast
        Divergence of the looks inside and just outside the mask, nats.
    volume_low_ml, volume_high_ml
        Least and largest volume that the alternatives give.
    touches_edge
        Whether the mask reaches the border of what was imaged.
    material_share
        Share of the mask that is cement, glue or metal.
    unlike_share
        Share of the mask whose brightness speaks rather for its surroundings.
    """

    far_share: float
    other_share: float
    contrast: float
    volume_low_ml: float
    volume_high_ml: float
    touches_edge: bool
    material_share: float = 0.0
    unlike_share: float = 0.0


def touches_edge(mask: BoolArray, valid: BoolArray | None) -> bool:
    """Whether the mask has a voxel on the outermost layer of the image or beside one that was not measured.

    A single slice is not its own edge: only axes of more than two voxels count.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((5, 5, 5), dtype=bool); mask[2, 2, 1:4] = True
    >>> touches_edge(mask, None), touches_edge(mask, np.arange(5) + np.zeros((5, 5, 1)) < 4)
    (False, True)
    """
    for axis, count in enumerate(mask.shape):
        if count > 2 and (mask.take(0, axis=axis).any() or mask.take(count - 1, axis=axis).any()):
            return True
    if valid is None or valid.all():
        return False
    unknown = ~valid
    for axis in range(3):
        ahead, behind = [slice(None)] * 3, [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        one, two = tuple(ahead), tuple(behind)
        if (mask[one] & unknown[two]).any() or (mask[two] & unknown[one]).any():
            return True
    return bool((mask & unknown).any())


def material_share(mask: BoolArray, volume: Volume, known: BoolArray | None) -> float:
    """Share of the mask that is material: what is known to be, and on CT what is denser than any bone; 0 if empty.

    Examples
    --------
    >>> import numpy as np
    >>> from imaging.geometry import Grid
    >>> samples = np.array([[[40, 900, 2600, 2600]]], np.int16)
    >>> ct = Volume(samples=samples, grid=Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0)), modality=Modality.CT)
    >>> material_share(np.array([[[True, True, True, True]]]), ct, None)
    0.5
    """
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if slices.size == 0:
        return 0.0
    planes = slice(int(slices[0]), int(slices[-1]) + 1)  # a lesion fills few of an image's
    part = mask[planes]
    here = np.zeros(int(np.count_nonzero(part)), dtype=bool) if known is None else known[planes][part]
    if volume.modality is Modality.CT:
        here = here | (volume.samples[planes][part] > DENSEST_BONE_HU)
    return float(here.mean())


def findings_from(doubts: Doubts, *, where: str) -> tuple[Finding, ...]:
    """One warning for each fact beyond its limit, and a note where the mask holds material.

    Examples
    --------
    >>> calm = Doubts(far_share=0, other_share=0, contrast=0.3, volume_low_ml=9, volume_high_ml=11, touches_edge=False)
    >>> findings_from(calm, where="1.2.3")
    ()
    """
    warnings = tuple(Finding(code, Severity.WARNING, message, where) for code, message in _remarks(doubts))
    if doubts.material_share <= MATERIAL_SHARE:
        return warnings
    message = f"{doubts.material_share:.0%} of the mask is cement, glue or metal: its volume is the gross lesion's"
    return (*warnings, Finding("MATERIAL_INSIDE", Severity.INFO, message, where))


def _remarks(doubts: Doubts) -> Iterator[tuple[str, str]]:
    if doubts.far_share > LEAK_SHARE:
        yield (
            "LEAK_SUSPECTED",
            f"{doubts.far_share:.0%} of the mask lies far outside the expected shape: see whether it runs into a "
            "neighbour of the same brightness",
        )
    if doubts.touches_edge:
        yield (
            "TOUCHES_EDGE",
            "the mask reaches the edge of the image: the lesion may go on, its volume is a lower bound",
        )
    if doubts.other_share > PIECE_SHARE:
        yield (
            "SEVERAL_COMPONENTS",
            f"a separate piece of {doubts.other_share:.0%} of the kept one was left out: mark it if it belongs to the "
            "lesion",
        )
    if doubts.contrast < LOW_CONTRAST:
        yield "LOW_CONTRAST", "inside and surroundings hardly differ in brightness: the contour follows the prompt"
    if doubts.unlike_share > UNLIKE_SHARE:
        yield (
            "LOOKS_LIKE_SURROUNDINGS",
            f"{doubts.unlike_share:.0%} of the mask looks rather like its surroundings: see what of it is lesion",
        )
    if doubts.volume_low_ml <= 0 or doubts.volume_high_ml / doubts.volume_low_ml > WIDE_SPREAD:
        yield (
            "WIDE_SPREAD",
            f"the engines disagree: {doubts.volume_low_ml:.1f} to {doubts.volume_high_ml:.1f} mL; review the contour",
        )
