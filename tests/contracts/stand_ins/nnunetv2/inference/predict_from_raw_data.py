"""``nnUNetPredictor`` with a threshold for a network; refuses what the real one would."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np


class nnUNetPredictor:
    def __init__(self, *, device: Any, perform_everything_on_device: bool, allow_tqdm: bool) -> None:
        print("perform_everything_on_device=True is only supported for cuda devices! Setting this to False")

    def initialize_from_trained_model_folder(
        self, model_training_output_dir: str, use_folds: tuple[int | str, ...], checkpoint_name: str
    ) -> None:
        folder = Path(model_training_output_dir)
        plans = json.loads((folder / "plans.json").read_text())
        for fold in use_folds:
            assert (folder / f"fold_{fold}" / checkpoint_name).is_file()
        self.threshold = plans["threshold"]
        if plans.get("phones_home"):
            socket.create_connection(("192.0.2.1", 80), timeout=1)  # TEST-NET-1, RFC 5737

    def predict_single_npy_array(
        self,
        input_image: np.ndarray[Any, Any],
        image_properties: dict[str, Any],
        segmentation_previous_stage: None,
        output_file_truncated: None,
        save_or_return_probabilities: bool,
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        assert input_image.dtype == np.float32
        assert input_image.ndim == 4
        assert list(image_properties) == ["spacing"]
        assert len(image_properties["spacing"]) == 3
        assert save_or_return_probabilities
        lesion = 1 / (1 + np.exp((self.threshold - input_image[0]) / 5))
        probabilities = np.stack([1 - lesion, lesion])
        return probabilities.argmax(axis=0), probabilities
