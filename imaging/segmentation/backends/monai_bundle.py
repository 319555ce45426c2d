"""A MONAI bundle: a folder with ``configs/metadata.json``, ``configs/inference.json`` and ``models/model.pt``.

Written against MONAI 1.6.1 (``ConfigParser``; https://docs.monai.io/en/stable/mb_specification.html), and run with that
version on a bundle with orientation, spacing and a threshold for a network (Dice 0.99 on a ball, oblique and sheared
too); the tests use a stand-in with the same interface, because PyTorch is too large for them. Used of the
bundle are its ``network_def`` (or ``network``), ``inferer`` and ``preprocessing`` without the loading of files; of its
``postprocessing`` only whether it takes a sigmoid or a softmax. A bundle's configuration is code of its author, which
MONAI runs: name bundles of people whom you trust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendUnavailable
from imaging.geometry import Grid
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

__all__ = ["MONAI", "MonaiBundle", "answer"]

FOLDER = "FOLDER is the unpacked bundle: configs/metadata.json, configs/inference.json, models/model.pt"
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # MONAI's images count as nibabel's do


class MonaiBundle:
    """One bundle.

    Parameters
    ----------
    location
        The folder, with ``#label`` where several classes could be the lesion.

    Raises
    ------
    BackendUnavailable
        The folder lacks a file, or the bundle wants several images at once.
    UsageError
        BACKEND_LABEL.
    """

    def __init__(self, location: str) -> None:
        self.folder, chosen = split_location(location)
        self.metadata = read_table(self.folder / "configs" / "metadata.json", needed=FOLDER)
        read_table(self.folder / "configs" / "inference.json", needed=FOLDER)
        weights = self.folder / "models" / "model.pt"
        if not weights.is_file():
            raise BackendUnavailable(f"{self.folder} holds no models/model.pt; {FOLDER}", where=self.folder.name)
        try:
            data = self.metadata["network_data_format"]
            self.image, outputs = data["inputs"]["image"], data["outputs"]["pred"]
            channels = {str(name): int(number) for number, name in outputs["channel_def"].items()}
            wanted = int(self.image["num_channels"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BackendUnavailable(
                f"metadata.json of {self.folder} does not describe one image in and channels out ({error!r})"
            ) from error
        if wanted != 1:
            raise BackendUnavailable(f"the bundle in {self.folder} wants {wanted} images at once, not one")
        labels = {name: number for name, number in channels.items() if name.lower() != "background"}
        self.label = lesion_label(labels, chosen, name="monai")
        self.digest = sha256_hex(weights.read_bytes())
        self.licence = folder_licence(self.folder)

    def capabilities(self) -> Capabilities:
        named = str(self.image.get("modality", "")).upper()
        both = frozenset(Modality)
        return Capabilities(
            name=f"monai:{self.metadata.get('name', self.folder.name)}",
            version=str(self.metadata.get("version", "")),
            prompts=ALL_PROMPTS,
            modalities=frozenset(kind for kind in Modality if named.startswith(kind)) or both,
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
            "label": self.label,
            "affine_ras": (RAS_FROM_LPS @ straight.grid.affine)[:, [2, 1, 0, 3]].tolist(),
        }
        samples = np.asarray(samples_seen(straight), dtype=np.float32).T  # (columns, rows, slices), as MONAI counts
        reply, found = ask("imaging.segmentation.backends.monai_bundle", asked, samples, name="monai")
        affine = (RAS_FROM_LPS @ np.array(reply["affine_ras"]))[:, [2, 1, 0, 3]]
        probability = np.ascontiguousarray(found.T)
        grid = Grid((probability.shape[0], probability.shape[1], probability.shape[2]), affine)
        return proposal_from(question, on_image(probability, grid, volume), mine)


def answer(asked: Mapping[str, Any], samples: NDArray[np.float32]) -> tuple[Mapping[str, Any], NDArray[np.float32]]:
    """The probability of the asked channel and where its voxels are, in a process of its own.

    Parameters
    ----------
    asked
        ``folder``, ``label`` and ``affine_ras`` of the samples.
    samples
        (columns, rows, slices).
    """
    import torch
    from monai.bundle import ConfigParser
    from monai.data import MetaTensor
    from monai.transforms import Compose, LoadImaged

    folder = Path(asked["folder"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parser = ConfigParser()
    parser.read_meta(str(folder / "configs" / "metadata.json"))
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    parser["device"] = device
    parts = parser.get()
    network = parser.get_parsed_content("network_def" if "network_def" in parts else "network").to(device)
    weights = torch.load(folder / "models" / "model.pt", map_location=device, weights_only=True)
    network.load_state_dict(weights.get("model", weights))
    network.eval()
    steps = parser.get_parsed_content("preprocessing").transforms
    affine = torch.tensor(asked["affine_ras"], dtype=torch.float64)
    meta = {"original_channel_dim": "no_channel", "spatial_shape": samples.shape}
    item = {"image": MetaTensor(torch.from_numpy(samples.copy()), affine=affine, meta=meta)}
    image = Compose([step for step in steps if not isinstance(step, LoadImaged)])(item)["image"]
    with torch.inference_mode():
        output = parser.get_parsed_content("inferer")(inputs=image[None].to(device), network=network)[0]
        output = _activated(output.as_tensor() if isinstance(output, MetaTensor) else output, parts)
    where = np.asarray(image.affine, dtype=np.float64).tolist()
    return {"affine_ras": where}, output[asked["label"]].float().cpu().numpy()


def _activated(output: Any, parts: Mapping[str, Any]) -> Any:
    """As the bundle's own postprocessing does; without one, a sigmoid for one channel and a softmax for several."""
    import torch

    steps = (parts.get("postprocessing") or {}).get("transforms") or []
    named = [
        step for step in steps if isinstance(step, dict) and step.get("_target_") in ("Activationsd", "Activations")
    ]
    sigmoid = any(step.get("sigmoid") for step in named) if named else output.shape[0] == 1
    return torch.sigmoid(output) if sigmoid else torch.softmax(output, dim=0)


MONAI = Backend(
    summary="a MONAI bundle",
    open=MonaiBundle,
    location="FOLDER",
    modules=("torch", "monai"),
    install="pip install torch monai (choose the build of PyTorch for your processor or GPU first)",
    weights=FOLDER,
)
