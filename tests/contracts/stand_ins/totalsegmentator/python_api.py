"""``totalsegmentator`` with a threshold for its networks."""

from __future__ import annotations

import json
import socket
from typing import Any

import nibabel
import numpy as np

from totalsegmentator.config import get_totalseg_dir


def send_usage_stats(*_: Any) -> None:
    socket.create_connection(("192.0.2.1", 443), timeout=1)


def download_pretrained_weights(*_: Any) -> None:
    socket.create_connection(("192.0.2.1", 443), timeout=1)


def totalsegmentator(
    input: Any, output: None, *, ml: bool, task: str, fast: bool, device: str, quiet: bool, nr_thr_resamp: int,
    nr_thr_saving: int,
) -> Any:  # fmt: skip
    assert (ml, task, device, quiet) == (True, "total", "cpu", True)
    assert json.loads((get_totalseg_dir() / "config.json").read_text())["send_usage_stats"] is False
    download_pretrained_weights(297 if fast else 291)
    samples = np.asanyarray(input.dataobj)
    labels = np.where(samples > 300, 25, 5).astype(np.uint8)
    labels[samples.shape[0] // 2 :][labels[samples.shape[0] // 2 :] == 25] = 77
    send_usage_stats()
    return nibabel.Nifti1Image(labels, input.affine)
