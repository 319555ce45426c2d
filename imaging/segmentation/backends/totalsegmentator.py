"""Bone on CT as TotalSegmentator sees it, where it is installed and its weights lie on this machine.

Written against TotalSegmentator 2.18.0 (``python_api.totalsegmentator``, ``config``, ``libs``). Its weights of the task
``total`` are Apache-2.0. Left to itself it fetches weights and sends statistics of its use: here the process cannot
reach the network, both functions are replaced, and its settings go into a folder that is thrown away.
With that version it was run as far as its weights, which were not to be had; the tests check the rest through a
stand-in with the same interface.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.errors import BackendUnavailable, UsageError
from imaging.finding import Finding, Severity
from imaging.segmentation.backends.child import ask
from imaging.segmentation.backends.frame import straightened
from imaging.segmentation.bone import BoneFind
from imaging.segmentation.region import samples_seen
from imaging.volume import Modality, Volume
from imaging.volume.resample import resample_mask

__all__ = ["INSTALL", "MODULES", "TOTALSEGMENTATOR", "WEIGHTS", "answer", "find_bone_learned"]

TOTALSEGMENTATOR = "totalsegmentator"  # what stands for it where a mask of bone may be named
MODULES = ("torch", "totalsegmentator")
INSTALL = "pip install torch TotalSegmentator (choose the build of PyTorch for your processor or GPU first)"
WEIGHTS = (
    "weights go below ~/.totalsegmentator/nnunet/results or $TOTALSEG_WEIGHTS_PATH: "
    "fetch them once with totalseg_download_weights -t total, or import files with totalseg_import_weights"
)
LICENCE = "Apache-2.0"  # of the open tasks, README of TotalSegmentator 2.18
# Classes of the task ``total`` that are bone, by the beginning of their names.
BONES = ("sacrum", "vertebrae_", "hip_", "femur_", "rib_", "sternum", "clavicula_", "scapula_", "humerus_", "skull")
WHOLE, COARSE = (291, 292, 293, 294, 295), (297,)  # its datasets at 1.5 mm and at 3 mm
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def find_bone_learned(volume: Volume) -> BoneFind:
    """The union of all bones that TotalSegmentator finds, on the CT's own grid.

    Raises
    ------
    UsageError
        NOT_CT.
    BackendUnavailable
        The package or its weights are missing; the message says what to install and where weights go.
    BackendFailed
        It gave no answer.
    """
    if volume.modality is not Modality.CT:
        raise UsageError("TotalSegmentator's bones are found on CT; this image is MR", code="NOT_CT")
    missing = [module for module in MODULES if find_spec(module) is None]
    if missing:
        raise BackendUnavailable(f"totalsegmentator needs {', '.join(missing)}: {INSTALL}. {WEIGHTS}")
    straight = straightened(volume)
    asked = {"affine_ras": (RAS_FROM_LPS @ straight.grid.affine)[:, [2, 1, 0, 3]].tolist(), "bones": BONES}
    samples = np.asarray(samples_seen(straight), dtype=np.float32).T
    reply, found = ask("imaging.segmentation.backends.totalsegmentator", asked, samples, name=TOTALSEGMENTATOR)
    mask = np.ascontiguousarray(found.T > 0)
    if straight is not volume:
        mask = resample_mask(mask, straight.grid, volume.grid)
    message = (
        f"bone by TotalSegmentator {reply['version']} at {reply['resolution']}, a trained model under {LICENCE}: "
        "a lytic lesion may be missing from it"
    )
    return BoneFind(mask, (Finding("BONE_BY_MODEL", Severity.INFO, message, volume.series_uid),))


def answer(asked: Mapping[str, Any], samples: NDArray[np.float32]) -> tuple[Mapping[str, Any], NDArray[np.float32]]:
    """1 where a bone is, in a process of its own.

    Parameters
    ----------
    asked
        ``affine_ras`` of the samples and the beginnings of the ``bones``' names.
    samples
        (columns, rows, slices), HU.
    """
    import os

    import nibabel
    import torch

    with tempfile.TemporaryDirectory(prefix="osteotrace-") as home:
        # Weights stay where the user keeps them; its settings, which it writes on every run, do not touch his home.
        from totalsegmentator import config

        os.environ["TOTALSEG_WEIGHTS_PATH"] = str(config.get_weights_dir())
        os.environ["TOTALSEG_HOME_DIR"] = home
        config.setup_totalseg()
        config.set_config_key("send_usage_stats", False)
        config.set_config_key("statistics_disclaimer_shown", True)
        from totalsegmentator import python_api
        from totalsegmentator.map_to_binary import class_map

        coarse = _require_weights(config.get_weights_dir())
        python_api.send_usage_stats = _nothing
        python_api.download_pretrained_weights = _nothing
        image = nibabel.Nifti1Image(samples, np.array(asked["affine_ras"]))
        labels = python_api.totalsegmentator(
            image, None, ml=True, task="total", fast=coarse, device="gpu" if torch.cuda.is_available() else "cpu",
            quiet=True, nr_thr_resamp=1, nr_thr_saving=1,
        )  # fmt: skip
        numbers = [number for number, name in class_map["total"].items() if name.startswith(tuple(asked["bones"]))]
        found = np.isin(np.asanyarray(labels.dataobj), numbers).astype(np.float32)
        return {"version": config.get_version(), "resolution": "3 mm" if coarse else "1.5 mm"}, found


def _require_weights(folder: Path) -> bool:
    """Whether only the coarse weights are here.

    Raises
    ------
    BackendUnavailable
        Neither are.
    """
    present = {path.name.removeprefix("Dataset")[:3] for path in folder.glob("Dataset*")}
    if {str(number) for number in WHOLE} <= present:
        return False
    if {str(number) for number in COARSE} <= present:
        return True
    raise BackendUnavailable(f"no weights of TotalSegmentator's task total are in {folder}: {WEIGHTS}")


def _nothing(*_: object) -> None:
    """In place of what would reach the network."""
