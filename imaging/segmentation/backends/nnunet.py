"""A trained model of nnU-Net v2: the folder that its training wrote, with ``dataset.json`` and ``plans.json``.

Written against nnunetv2 2.8.1 (``nnUNetPredictor.initialize_from_trained_model_folder`` and
``predict_single_npy_array``), and run with that version on a folder of random weights; the tests use a stand-in with
the same interface, because PyTorch is too large for them. The model sees the whole image with its axes as they are, as
nnU-Net's own reader gives it; prompts choose the piece of its answer. Its weights are a pickle: name folders of people
whom you trust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendUnavailable
from imaging.provenance import sha256_hex
from imaging.segmentation.backend import ALL_PROMPTS, Backend, Capabilities
from imaging.segmentation.backends.child import ask
from imaging.segmentation.backends.frame import on_image, straightened
from imaging.segmentation.backends.lesion_label import folder_licence, lesion_label, read_table, split_location
from imaging.segmentation.backends.proposal import Question, proposal_from
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import Prompt
from imaging.segmentation.region import samples_seen
from imaging.volume import Modality, Volume

__all__ = ["NNUNET", "NnUNet", "answer"]

CHECKPOINT = "checkpoint_final.pth"
FOLDER = "FOLDER holds dataset.json, plans.json and fold_N/checkpoint_final.pth, as nnU-Net's training wrote them"


class NnUNet:
    """One trained model.

    Parameters
    ----------
    location
        The folder, with ``#label`` where several classes could be the lesion.

    Raises
    ------
    BackendUnavailable
        The folder lacks a file, or the model wants several images at once.
    UsageError
        BACKEND_LABEL.
    """

    def __init__(self, location: str) -> None:
        self.folder, chosen = split_location(location)
        dataset = read_table(self.folder / "dataset.json", needed=FOLDER)
        read_table(self.folder / "plans.json", needed=FOLDER)
        checkpoints = sorted(self.folder.glob(f"fold_*/{CHECKPOINT}"))
        if not checkpoints:
            raise BackendUnavailable(f"{self.folder} holds no fold_N/{CHECKPOINT}; {FOLDER}", where=self.folder.name)
        self.folds = [path.parent.name.removeprefix("fold_") for path in checkpoints]
        channels = list(dict(dataset.get("channel_names") or dataset.get("modality") or {}).values())
        if len(channels) != 1:
            raise BackendUnavailable(f"the model in {self.folder} wants {len(channels)} images at once, not one")
        # nnU-Net's own rule: a channel called CT is normalised as CT, every other one by itself.
        self.modality = Modality.CT if str(channels[0]).lower() == "ct" else Modality.MR
        labels = {
            str(name): number
            for name, number in dict(dataset.get("labels") or {}).items()
            if isinstance(number, int) and number > 0 and name != "ignore"
        }
        self.label = lesion_label(labels, chosen, name="nnunet")
        self.digest = sha256_hex("".join(sha256_hex(path.read_bytes()) for path in checkpoints).encode())
        self.licence = folder_licence(self.folder)

    def capabilities(self) -> Capabilities:
        return Capabilities(
            name="nnunet",
            version=version("nnunetv2"),
            prompts=ALL_PROMPTS,
            modalities=frozenset({self.modality}),
            code_licence="Apache-2.0",
            weights_licence=self.licence,
            device="cuda where PyTorch sees one, else cpu",
            weights=f"sha256:{self.digest}",
        )

    def segment(
        self,
        volume: Volume,
        prompts: Sequence[Prompt],
        *,
        prior: FloatArray | NDArray[np.float32] | None = None,
        exclude: BoolArray | None = None,
        include: BoolArray | None = None,
        companion: Volume | None = None,  # the model takes one series
        earlier: Volume | None = None,  # on one date
    ) -> LesionProposal:
        mine = self.capabilities()
        question = Question.of(mine, volume, prompts, prior=prior, exclude=exclude, include=include)
        straight = straightened(volume)
        asked = {
            "folder": str(self.folder.resolve()),
            "folds": self.folds,
            "label": self.label,
            "spacing_mm": straight.grid.spacing_mm,
        }
        samples = np.asarray(samples_seen(straight), dtype=np.float32)
        _, probability = ask("imaging.segmentation.backends.nnunet", asked, samples, name="nnunet")
        return proposal_from(question, on_image(probability, straight.grid, volume), mine)


def answer(asked: Mapping[str, Any], samples: NDArray[np.float32]) -> tuple[Mapping[str, Any], NDArray[np.float32]]:
    """The probability of the asked label, in a process of its own.

    Parameters
    ----------
    asked
        ``folder``, ``folds``, ``label`` and ``spacing_mm`` along the samples' axes.
    samples
        (slices, rows, columns).
    """
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    predictor = nnUNetPredictor(device=device, perform_everything_on_device=device.type == "cuda", allow_tqdm=False)
    folds = tuple(fold if fold == "all" else int(fold) for fold in asked["folds"])
    predictor.initialize_from_trained_model_folder(
        str(Path(asked["folder"])), use_folds=folds, checkpoint_name=CHECKPOINT
    )
    _, probabilities = predictor.predict_single_npy_array(
        samples[None], {"spacing": list(asked["spacing_mm"])}, None, None, save_or_return_probabilities=True
    )
    return {}, np.clip(np.asarray(probabilities[asked["label"]], dtype=np.float32), 0, 1)


NNUNET = Backend(
    summary="a model that nnU-Net v2 trained",
    open=NnUNet,
    location="FOLDER",
    modules=("torch", "nnunetv2"),
    install="pip install torch nnunetv2 (choose the build of PyTorch for your processor or GPU first)",
    weights=FOLDER,
)
