"""A folder with an ONNX model: what its card may say, and what the model then sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.errors import BackendFailed, BackendUnavailable, RecordError
from imaging.geometry import Grid
from imaging.segmentation.backends.model_card import Scaling, read_model_card
from imaging.segmentation.catalogue import segmenter
from imaging.segmentation.prompt import BoxPrompt, PointPrompt
from imaging.volume import Modality, Volume
from tests.contracts.conftest import CARD, onnx_folder
from tests.contracts.onnx_bytes import sum_model, threshold_model

GRID = Grid.from_spacing((30, 30, 30), (1.0, 1.0, 1.0))
BOX = BoxPrompt(((8.0, 8.0, 8.0), (20.0, 20.0, 20.0)))


def image(inside: Any) -> Volume:
    return Volume(samples=np.where(inside, 160, 100).astype(np.int16), grid=GRID, modality=Modality.MR)


def ball(centre: float = 14.0, radius: float = 6.0) -> Any:
    return np.linalg.norm(np.indices(GRID.shape) - centre, axis=0) <= radius


def test_the_card_is_read_as_it_is_written(tmp_path: Path) -> None:
    card = read_model_card(onnx_folder(tmp_path))
    assert (card.name, card.version, card.weights_licence) == ("threshold", "1", "CC0-1.0")
    assert (card.voxels, card.radii, card.spacing_mm) == ((32, 32, 32), 2.0, None)
    assert (card.normalisation.kind, card.normalisation.low) == (Scaling.WINDOW, 100.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": "osteotrace.model/9"}, "schema"),
        ({"weights_licence": ""}, "weights_licence"),
        ({"modalities": ["US"]}, "modalities"),
        ({"prompts": ["wish"]}, "prompts"),
        ({"frame": {"voxels": [32, 32, 32]}}, "either spacing_mm or radii"),
        ({"frame": {"voxels": [32, 32, 32], "spacing_mm": 1, "radii": 2}}, "either spacing_mm or radii"),
        ({"frame": {"voxels": [32, 32], "radii": 2}}, "frame.voxels"),
        ({"frame": {"voxels": [32, 32, 10**6], "radii": 2}}, "frame.voxels"),
        ({"frame": {"voxels": [512, 512, 512], "radii": 2}}, "16777216 voxels at most"),
        ({"frame": {"voxels": [32, 32, 32], "radii": 0}}, "above zero"),
        ({"normalisation": {"kind": "window", "low": 5, "high": 5}}, "low is below"),
        ({"normalisation": {"kind": "quantiles", "low": 1, "high": 99}}, "between 0 and 1"),
        ({"channels": ["image", "smell"]}, "channels"),
        ({"activation": "relu"}, "activation"),
        ({"lesion_channel": -1}, "lesion_channel"),
    ],
)
def test_an_impossible_card_is_refused_and_says_which_key(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError, match=says) as refusal:
        read_model_card(onnx_folder(tmp_path, **changes))
    assert refusal.value.code == "BAD_MODEL_CARD"


def test_a_folder_without_a_card_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"model\.json"):
        read_model_card(tmp_path)
    for text in ("{", "[" * 100_000):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(RecordError, match="not JSON"):
            read_model_card(tmp_path)


class TestWithTheRuntime:
    """With the real ONNX Runtime."""

    @pytest.fixture(autouse=True)
    def runtime(self) -> None:
        pytest.importorskip("onnxruntime", reason="the extra 'models' is not installed")

    def test_missing_or_broken_weights_are_said(self, tmp_path: Path) -> None:
        folder = onnx_folder(tmp_path)
        (folder / "model.onnx").write_bytes(b"no model")
        with pytest.raises(BackendUnavailable, match="can load"):
            segmenter(f"onnx:{folder}")
        (folder / "model.onnx").unlink()
        with pytest.raises(BackendUnavailable, match="put the weights there"):
            segmenter(f"onnx:{folder}")

    @pytest.mark.parametrize("inputs", [(), ("x", "z")])
    def test_a_model_of_no_or_two_inputs_is_refused(self, tmp_path: Path, inputs: tuple[str, ...]) -> None:
        folder = onnx_folder(tmp_path)
        (folder / "model.onnx").write_bytes(sum_model(inputs))
        with pytest.raises(BackendUnavailable, match=f"{len(inputs)} inputs"):
            segmenter(f"onnx:{folder}")

    @pytest.mark.parametrize(
        ("changes", "says"),
        [({"channels": ["image"]}, "does not take"), ({"lesion_channel": 3}, "beyond them")],
    )
    def test_a_card_that_does_not_fit_its_model_is_said(
        self, tmp_path: Path, changes: dict[str, Any], says: str
    ) -> None:
        engine = segmenter(f"onnx:{onnx_folder(tmp_path, **changes)}")
        with pytest.raises(BackendFailed, match=says):
            engine.segment(image(ball()), [BOX])

    def test_the_weights_are_known_by_their_digest(self, tmp_path: Path) -> None:
        one = segmenter(f"onnx:{onnx_folder(tmp_path / 'one')}").capabilities().weights
        other = onnx_folder(tmp_path / "other")
        (other / "model.onnx").write_bytes(threshold_model((12.0, 1.0), -5.0))
        assert one.startswith("sha256:")
        assert one != segmenter(f"onnx:{other}").capabilities().weights

    @pytest.mark.parametrize(
        "normalisation",
        [
            {"kind": "window", "low": 100, "high": 160},
            {"kind": "z_score"},
            {"kind": "quantiles", "low": 0.01, "high": 0.99},
        ],
    )
    def test_every_scaling_sets_the_ball_off(self, tmp_path: Path, normalisation: dict[str, Any]) -> None:
        engine = segmenter(f"onnx:{onnx_folder(tmp_path, normalisation=normalisation)}")
        mask = engine.segment(image(ball()), [BOX]).mask
        assert 2 * (mask & ball()).sum() / (mask.sum() + ball().sum()) > 0.9

    @pytest.mark.parametrize(
        ("channel", "prompts"),
        [("inside", [PointPrompt((14.0, 14.0, 14.0))]), ("shape", [BOX]), ("prior", [BOX]), ("known", [BOX])],
    )
    def test_every_channel_reaches_the_model(self, tmp_path: Path, channel: str, prompts: list[Any]) -> None:
        folder = onnx_folder(tmp_path, channels=[channel], frame={"voxels": [32, 32, 32], "spacing_mm": 1.0})
        (folder / "model.onnx").write_bytes(threshold_model((20.0,), -2.0))  # 1 where the channel is above 0.1
        mask = segmenter(f"onnx:{folder}").segment(image(ball()), prompts).mask
        assert mask[14, 14, 14]
        assert mask[2:-2, 2:-2, 2:-2].all() == (channel == "known")  # but for where image and frame end

    def test_a_lesion_larger_than_the_frame_is_said(self, tmp_path: Path) -> None:
        engine = segmenter(f"onnx:{onnx_folder(tmp_path, frame={'voxels': [9, 9, 9], 'spacing_mm': 1.0})}")
        codes = {finding.code for finding in engine.segment(image(ball(radius=8)), [BOX]).findings}
        assert "LEAVES_FRAME" in codes

    def test_a_piece_that_nobody_asked_for_is_left_out_and_said(self, tmp_path: Path) -> None:
        engine = segmenter(f"onnx:{onnx_folder(tmp_path, frame={'voxels': [32, 32, 32], 'spacing_mm': 1.0})}")
        proposal = engine.segment(image(ball() | ball(25.0, 3.0)), [BOX])
        assert not (proposal.mask & ball(25.0, 3.0)).any()
        assert "SEVERAL_COMPONENTS" in {finding.code for finding in proposal.findings}
        nothing = engine.segment(image(ball(25.0, 3.0)), [PointPrompt((8.0, 8.0, 8.0), 4.0)])
        assert not nothing.mask.any()
        assert "LESION_NOT_FOUND" in {finding.code for finding in nothing.findings}


def test_the_card_in_the_documentation_is_valid_but_for_its_alternatives(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    assert read_model_card(tmp_path).prompts == {"box", "point", "scribble", "mask"}
