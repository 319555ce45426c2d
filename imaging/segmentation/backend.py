"""Who can propose a contour: one promise that every segmenter keeps, and the one that needs no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import UsageError
from imaging.segmentation.lesion import BACKEND, LesionProposal, segment_lesion
from imaging.segmentation.prompt import Prompt
from imaging.volume import Modality, Volume

__all__ = ["Agreement", "Capabilities", "Segmenter", "segmenter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a segmenter understands and under which terms it may be used.

    Parameters
    ----------
    name, version
        As recorded in the provenance of every mask that it proposes.
    prompts
        Kinds of prompt (the contract's words); a mask stands for the prior too.
    modalities
        What it was made for.
    code_licence, weights_licence
        SPDX identifiers; weights None where there are none.
    device
        Where it computes.
    """

    name: str
    version: str
    prompts: frozenset[str]
    modalities: frozenset[Modality]
    code_licence: str
    weights_licence: str | None
    device: str


class Segmenter(Protocol):
    """Proposes one lesion; same input, same proposal."""

    def capabilities(self) -> Capabilities:
        """What it understands."""
        ...

    def segment(
        self,
        volume: Volume,
        prompts: Sequence[Prompt],
        *,
        prior: FloatArray | NDArray[np.float32] | None = None,
        exclude: BoolArray | None = None,
        include: BoolArray | None = None,
        companion: Volume | None = None,
    ) -> LesionProposal:
        """A proposal on the volume's own grid; parameters as in :func:`imaging.segmentation.lesion.segment_lesion`."""
        ...


class Agreement:
    """Graph cut, random walk and star surface, averaged with the prompt's own shape.

    Examples
    --------
    >>> Agreement().capabilities().weights_licence is None
    True
    """

    def capabilities(self) -> Capabilities:
        return Capabilities(
            name=BACKEND,
            version="1",
            prompts=frozenset({"point", "diameter", "box", "scribble", "mask"}),
            modalities=frozenset(Modality),
            code_licence="Apache-2.0",
            weights_licence=None,
            device="cpu",
        )

    def segment(
        self,
        volume: Volume,
        prompts: Sequence[Prompt],
        *,
        prior: FloatArray | NDArray[np.float32] | None = None,
        exclude: BoolArray | None = None,
        include: BoolArray | None = None,
        companion: Volume | None = None,
    ) -> LesionProposal:
        return segment_lesion(volume, prompts, prior=prior, exclude=exclude, include=include, companion=companion)


def segmenter(name: str = BACKEND) -> Segmenter:
    """The segmenter of that name.

    Raises
    ------
    UsageError
        UNKNOWN_BACKEND, with the names there are.

    Examples
    --------
    >>> segmenter("agreement").capabilities().device
    'cpu'
    """
    if name != BACKEND:
        raise UsageError(f"no segmenter is called {name!r}; there is: {BACKEND}", code="UNKNOWN_BACKEND")
    return Agreement()
