"""Segmenters of other packages, and what becomes of those that break their promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.errors import BackendFailed, BackendUnavailable, UsageError
from imaging.geometry import Grid
from imaging.segmentation import catalogue
from imaging.segmentation.backend import Agreement, Backend, Capabilities
from imaging.segmentation.catalogue import GROUP, load_backend, segmenter
from imaging.segmentation.guest import Guest
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import BoxPrompt, Prompt
from imaging.volume import Modality, Volume

GRID = Grid.from_spacing((24, 24, 24), (1.0, 1.0, 1.0))
BALL = np.linalg.norm(np.indices(GRID.shape) - 12.0, axis=0) < 6
IMAGE = Volume(samples=np.where(BALL, 160, 100).astype(np.int16), grid=GRID, modality=Modality.MR)
BOX = BoxPrompt(((6.0, 6.0, 6.0), (18.0, 18.0, 18.0)))
Spoil = Callable[[LesionProposal], Any]


class Theirs(Agreement):
    """Ours, spoilt at the end."""

    def __init__(self, spoil: Spoil) -> None:
        self.spoil = spoil

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), name="theirs", weights="w1", weights_licence="CC-BY-4.0")

    def segment(self, volume: Volume, prompts: Sequence[Prompt], **others: Any) -> LesionProposal:
        found: LesionProposal = self.spoil(super().segment(volume, prompts, **others))
        return found


def elsewhere(proposal: LesionProposal) -> LesionProposal:
    affine = GRID.affine.copy()
    affine[:3, 3] += 30.0
    return replace(proposal, grid=Grid(GRID.shape, affine))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda _: {}["x"], "KeyError"),
        (lambda _: None, "NoneType, no proposal"),
        (lambda proposal: proposal.mask, "ndarray, no proposal"),
        (elsewhere, "another grid"),
        (lambda proposal: replace(proposal, mask=proposal.mask * 0.3), "NOT_A_MASK"),
        (lambda proposal: replace(proposal, mask=proposal.mask[1:]), "NOT_A_MASK"),
        (lambda proposal: replace(proposal, probability=proposal.probability * np.nan), "NOT_A_PROBABILITY"),
        (lambda proposal: replace(proposal, probability=proposal.probability + 1), "NOT_A_PROBABILITY"),
        (lambda proposal: replace(proposal, probability=proposal.probability[1:]), "NOT_A_PROBABILITY"),
        (lambda _: IMAGE.samples.fill(0), "ValueError"),  # what it was lent is not its own
    ],
)
def test_what_breaks_the_promise_is_an_error_of_ours(spoil: Spoil, says: str) -> None:
    with pytest.raises(BackendFailed) as failure:
        Guest(Theirs(spoil), name="theirs").segment(IMAGE, [BOX])
    assert says in f"{failure.value.code} {failure.value}"


def test_no_text_of_an_error_of_theirs_is_repeated() -> None:
    def named(_: LesionProposal) -> None:
        raise RuntimeError("DOE^JANE")

    with pytest.raises(BackendFailed) as failure:
        Guest(Theirs(named), name="theirs").segment(IMAGE, [BOX])
    assert "DOE" not in str(failure.value)


def test_an_error_of_ours_goes_through_as_it_is() -> None:
    with pytest.raises(UsageError) as refusal:
        Guest(Theirs(lambda proposal: proposal), name="theirs").segment(IMAGE, [])
    assert refusal.value.code == "NO_PROMPT"


def test_the_licence_of_their_weights_is_said_once() -> None:
    said_by_nobody = Guest(Theirs(lambda proposal: proposal), name="theirs")
    twice = Guest(said_by_nobody, name="theirs")
    for guest in (said_by_nobody, twice):
        codes = [finding.code for finding in guest.segment(IMAGE, [BOX]).findings]
        assert codes.count("WEIGHTS_LICENCE") == 1


def offered(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> None:
    monkeypatch.setattr(catalogue, "backend_points", lambda: {"theirs": EntryPoint("theirs", "x:y", GROUP)})
    monkeypatch.setattr(catalogue, "load_backend", lambda _: backend)


def test_one_that_cannot_be_opened_or_described_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> Theirs:
        raise ZeroDivisionError

    offered(monkeypatch, Backend(summary="x", open=broken))
    with pytest.raises(BackendFailed, match="theirs failed with ZeroDivisionError"):
        segmenter("theirs")
    silent = Theirs(lambda proposal: proposal)
    monkeypatch.setattr(silent, "capabilities", lambda: None)
    offered(monkeypatch, Backend(summary="x", open=lambda _: silent))
    with pytest.raises(BackendFailed, match="capabilities are none"):
        segmenter("theirs")


def test_a_module_inside_a_missing_package_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, Backend(summary="x", open=lambda _: Agreement(), modules=("no_such_package.part",)))
    with pytest.raises(BackendUnavailable, match=r"no_such_package\.part"):
        segmenter("theirs")


@pytest.mark.parametrize("text", ["raise RuntimeError", "def (", "import no_such_module", "1 / 0"])
def test_a_package_that_cannot_be_imported_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "their_broken_package.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendUnavailable, match="cannot be loaded"):
        load_backend(EntryPoint("theirs", "their_broken_package:IT", GROUP))
