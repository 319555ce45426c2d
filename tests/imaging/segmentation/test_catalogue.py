"""Segmenters by name."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from imaging.errors import BackendUnavailable, UsageError
from imaging.segmentation import catalogue
from imaging.segmentation.backend import Backend
from imaging.segmentation.catalogue import BUILT_IN, GROUP, backend_points, load_backend, segmenter

ROOT = Path(__file__).resolve().parents[3]


def test_the_default_needs_no_weights_and_says_so() -> None:
    capabilities = segmenter().capabilities()
    assert (capabilities.name, capabilities.weights_licence, capabilities.device) == ("agreement", None, "cpu")


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError, match=r"agreement.*onnx") as refusal:
        segmenter("oracle")
    assert refusal.value.code == "UNKNOWN_BACKEND"


def test_what_is_built_in_is_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"][GROUP] == BUILT_IN


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_built_in_one_can_be_described_without_its_package(name: str) -> None:
    backend = load_backend(backend_points()[name])
    assert backend.summary
    assert bool(backend.modules) == bool(backend.install)
    assert bool(backend.location) == bool(backend.weights)


@pytest.mark.parametrize("name", ["onnx", "nnunet", "agreement:/models"])
def test_a_place_that_is_lacking_or_too_much_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        segmenter(name)
    assert refusal.value.code == "BACKEND_LOCATION"


def test_a_missing_package_says_what_to_install_and_where_weights_go(monkeypatch: pytest.MonkeyPatch) -> None:
    wanting = Backend(
        summary="x", open=lambda _: segmenter(), location="FOLDER", modules=("no_such_module",),
        install="pip install it", weights="FOLDER holds them",
    )  # fmt: skip
    monkeypatch.setattr(catalogue, "load_backend", lambda _: wanting)
    with pytest.raises(BackendUnavailable, match=r"no_such_module.*pip install it.*FOLDER holds them"):
        segmenter("onnx:/models")


def test_other_packages_add_segmenters_but_never_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        EntryPoint("theirs", "imaging.segmentation.backend:AGREEMENT", GROUP),
        EntryPoint("agreement", "x:y", GROUP),
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda *, group: offered if group == GROUP else [])
    assert segmenter("theirs").capabilities().name == "agreement"
    assert segmenter("agreement").capabilities().name == "agreement"


@pytest.mark.parametrize(
    "value", ["no_such_module:THING", "imaging.segmentation.backend:NOTHING", "imaging:__version__"]
)
def test_an_entry_point_that_leads_nowhere_is_said(value: str) -> None:
    with pytest.raises(BackendUnavailable, match="theirs"):
        load_backend(EntryPoint("theirs", value, GROUP))
