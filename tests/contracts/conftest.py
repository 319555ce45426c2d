"""Every segmenter, opened; models that the tests make, and stand-ins for the packages that are too large to install."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imaging.segmentation.backend import Segmenter
from imaging.segmentation.catalogue import segmenter
from tests.contracts.nninteractive_server import serving
from tests.contracts.onnx_bytes import threshold_model

collect_ignore = ["stand_ins"]

STAND_INS = Path(__file__).parent / "stand_ins"
DARK, BRIGHT = 100.0, 160.0  # surroundings and lesion in every scene
MIDDLE = (DARK + BRIGHT) / 2

CARD: dict[str, Any] = {
    "schema": "osteotrace.model/1",
    "name": "threshold",
    "version": "1",
    "weights_licence": "CC0-1.0",
    "modalities": ["MR"],
    "prompts": ["box", "point", "scribble", "mask"],
    "frame": {"voxels": [32, 32, 32], "radii": 2.0},
    "normalisation": {"kind": "window", "low": DARK, "high": BRIGHT},
    "channels": ["image", "shape"],
    "activation": "none",
    "lesion_channel": 0,
}


def onnx_folder(folder: Path, **changes: Any) -> Path:
    """A model that sees brightness, and a little of the prompt."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(threshold_model((12.0, 1.0), -6.0))
    (folder / "model.json").write_text(json.dumps({**CARD, **changes}))
    return folder


def nnunet_folder(folder: Path, **plans: Any) -> Path:
    """What a training leaves behind, for the stand-in."""
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
    (folder / "plans.json").write_text(json.dumps({"threshold": MIDDLE, **plans}))
    labels = {"background": 0, "lesion": 1}
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "MRI"}, "labels": labels}))
    (folder / "LICENSE").write_text("CC-BY-4.0\nfull text\n")
    return folder


def monai_folder(folder: Path) -> Path:
    """A bundle for the stand-in."""
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    data = {
        "inputs": {"image": {"modality": "MR", "num_channels": 1}},
        "outputs": {"pred": {"channel_def": {"0": "lesion"}}},
    }
    metadata = {"name": "threshold", "version": "0.1.0", "network_data_format": data}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(
        json.dumps({"network_def": {}, "preprocessing": {}, "inferer": {}})
    )
    (folder / "models" / "model.pt").write_text(json.dumps({"threshold": MIDDLE}))
    return folder


@pytest.fixture(scope="session")
def stand_ins() -> Iterator[None]:
    """The stand-ins on the path, for the children alone: nothing of them is imported here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(STAND_INS)
        yield


@pytest.fixture(scope="session", params=["agreement", "onnx", "nninteractive", "nnunet", "monai"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segmenter]:
    kind = request.param
    folder = tmp_path_factory.mktemp("models")
    if kind == "agreement":
        yield segmenter()
    elif kind == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra 'models' is not installed")
        yield segmenter(f"onnx:{onnx_folder(folder)}")
    elif kind == "nninteractive":
        pytest.importorskip("nnInteractive.inference.remote", reason="the extra 'interactive' is not installed")
        with serving(MIDDLE) as server:
            yield segmenter(f"nninteractive:{server.address}")
    else:
        request.getfixturevalue("stand_ins")
        make = {"nnunet": nnunet_folder, "monai": monai_folder}[kind]
        yield segmenter(f"{kind}:{make(folder)}")
