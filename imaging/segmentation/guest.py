"""A segmenter of another package: what it raises is said in our words, and what it gives is looked at.

Decision: this is the one place of the library that catches every exception. What code of others may raise is not to be
listed, and a case must not end as a fault of ours because of it. Consequence: an error is told by its class and by who
raised it, never by its text, which may hold a patient's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendFailed, OsteotraceError
from imaging.segmentation.backend import Capabilities, Segmenter
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import Prompt
from imaging.volume import Volume

__all__ = ["Guest", "as_guest"]


class Guest:
    """Another package's segmenter, held to what :class:`imaging.segmentation.backend.Segmenter` promises.

    Parameters
    ----------
    segmenter
        What its backend opened.
    name
        Under which it was asked for, for messages.

    Raises
    ------
    BackendFailed
        It does not say what it is.

    Examples
    --------
    >>> from imaging.segmentation.backend import Agreement
    >>> Guest(Agreement(), name="theirs").capabilities().name
    'agreement'
    """

    def __init__(self, segmenter: Segmenter, *, name: str) -> None:
        self.segmenter, self.name = segmenter, name
        with as_guest(name):
            self.mine = segmenter.capabilities()
        if not isinstance(self.mine, Capabilities):
            raise BackendFailed(f"{name} does not say what it is: its capabilities are none", where=name)

    def capabilities(self) -> Capabilities:
        return self.mine

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
        """Its proposal, if it is one on this image's grid; the licence of its weights is said if it does not say it."""
        with as_guest(self.name):
            proposal = self.segmenter.segment(
                volume, prompts, prior=prior, exclude=exclude, include=include, companion=companion, earlier=earlier
            )
        if not isinstance(proposal, LesionProposal):
            raise BackendFailed(f"{self.name} gave a {type(proposal).__name__}, no proposal", where=self.name)
        if not proposal.grid.matches(volume.grid):
            raise BackendFailed(f"{self.name} gave a mask on another grid than the image's", where=self.name)
        unsaid = tuple(term for term in self.mine.terms() if term not in proposal.findings)
        return replace(proposal, findings=(*proposal.findings, *unsaid))


@contextmanager
def as_guest(name: str) -> Iterator[None]:
    """Whatever code of another package raises here becomes BackendFailed; errors of ours go on as they are.

    Examples
    --------
    >>> with as_guest("theirs"):
    ...     [][0]
    Traceback (most recent call last):
    imaging.errors.BackendFailed: theirs failed with IndexError: tell those who offer it
    """
    try:
        yield
    except OsteotraceError:
        raise
    except Exception as error:
        raise BackendFailed(
            f"{name} failed with {type(error).__name__}: tell those who offer it", where=name
        ) from error
