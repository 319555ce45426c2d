"""Who can propose a contour: one promise that every segmenter keeps, and the one that needs no weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import imaging
from imaging.arrays import BoolArray, FloatArray
from imaging.errors import UsageError
from imaging.finding import Finding, Severity
from imaging.provenance import Provenance
from imaging.segmentation.lesion import BACKEND, LesionProposal, segment_lesion
from imaging.segmentation.prompt import Prompt, kind_of
from imaging.volume import Modality, Volume

__all__ = ["AGREEMENT", "ALL_PROMPTS", "Agreement", "Backend", "Capabilities", "Segmenter"]

ALL_PROMPTS = frozenset({"point", "diameter", "box", "scribble", "mask"})


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
        SPDX identifiers, or what the weights' author wrote; weights None where there are none.
    device
        Where it computes.
    weights
        Which weights: a digest or a name with its version; empty where there are none.
    """

    name: str
    version: str
    prompts: frozenset[str]
    modalities: frozenset[Modality]
    code_licence: str
    weights_licence: str | None
    device: str
    weights: str = ""

    def require(self, volume: Volume, prompts: Sequence[Prompt], *, prior: bool = False) -> None:
        """Raise UsageError unless image and prompts are of a kind that the segmenter understands.

        Raises
        ------
        UsageError
            MODALITY_NOT_UNDERSTOOD or PROMPT_NOT_UNDERSTOOD, with what is understood.
        """
        if volume.modality not in self.modalities:
            known = ", ".join(sorted(self.modalities))
            raise UsageError(
                f"{self.name} was made for {known}; this image is {volume.modality}", code="MODALITY_NOT_UNDERSTOOD"
            )
        asked = {kind_of(prompt) for prompt in prompts} | ({"mask"} if prior else set())
        if asked - self.prompts:
            raise UsageError(
                f"{self.name} understands {', '.join(sorted(self.prompts))}; it was given "
                f"{', '.join(sorted(asked - self.prompts))}",
                code="PROMPT_NOT_UNDERSTOOD",
            )

    def provenance(self) -> Provenance:
        """Who proposed, with the terms of the weights."""
        terms = {} if self.weights_licence is None else {"weights": self.weights, "licence": self.weights_licence}
        return Provenance(self.name, self.version, terms)

    def terms(self) -> tuple[Finding, ...]:
        """A note with the licence of the weights, so that nobody uses them without having seen it; none without.

        Examples
        --------
        >>> Agreement().capabilities().terms()
        ()
        """
        if self.weights_licence is None:
            return ()
        message = f"the weights of {self.name} are under: {self.weights_licence}; see whether this use is allowed"
        return (Finding("WEIGHTS_LICENCE", Severity.INFO, message, self.weights),)


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
        earlier: Volume | None = None,
    ) -> LesionProposal:
        """A proposal on the volume's own grid; parameters as in :func:`imaging.segmentation.lesion.segment_lesion`.

        Raises
        ------
        UsageError
            Image or prompts are of a kind that it does not understand (:meth:`Capabilities.require`).
        BackendUnavailable, BackendFailed
            Its package, weights or server is missing, or it gave no usable answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A kind of segmenter before it is opened: what an entry point of ``osteotrace.segmenters`` names.

    Parameters
    ----------
    summary
        What it is, in a few words.
    open
        Takes the text after the name's colon (empty if there was none) and gives the segmenter.
    location
        What stands after the colon, in words; empty where nothing may.
    modules
        What must be importable.
    install
        The command that makes it so.
    weights
        Where weights come from and where they go; empty where there are none.
    """

    summary: str
    open: Callable[[str], Segmenter]
    location: str = ""
    modules: tuple[str, ...] = ()
    install: str = ""
    weights: str = ""

    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed here; nothing is imported to find out."""
        return tuple(module for module in self.modules if not _is_here(module))


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of a module in a package that is missing itself
        return False


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
            version=imaging.__version__,
            prompts=ALL_PROMPTS,
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
        earlier: Volume | None = None,
    ) -> LesionProposal:
        return segment_lesion(
            volume, prompts, prior=prior, exclude=exclude, include=include, companion=companion, earlier=earlier
        )


AGREEMENT = Backend(summary="the built-in engines, without weights", open=lambda _: Agreement())
