"""What a folder with an ONNX model says of itself: ``model.json``, schema ``osteotrace.model/1``.

::

    {
      "schema": "osteotrace.model/1",
      "name": "lesion-unet", "version": "3",
      "weights_licence": "CC-BY-4.0",                        SPDX identifier; shown and recorded
      "modalities": ["CT", "MR"],
      "prompts": ["point", "diameter", "box", "scribble", "mask"],
      "frame": {"voxels": [32, 32, 32], "spacing_mm": 1.5},  or "radii": half its side in mean radii of the prompt
      "normalisation": {"kind": "window", "low": -200, "high": 400},   or "z_score", or "quantiles" with low and high
      "channels": ["image", "shape", "inside", "outside", "prior", "known"],
      "activation": "none",                                            or "sigmoid", "softmax"
      "lesion_channel": 0
    }

The model has one input, float32 (1, channels, slices, rows, columns), and its first output is float32 (1, n, slices,
rows, columns). The frame is centred on the prompt; its axes are the image's own, at right angles, its voxels cubes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from imaging.errors import BackendUnavailable, RecordError
from imaging.segmentation.backend import ALL_PROMPTS
from imaging.volume import Modality

__all__ = ["Activation", "Channel", "ModelCard", "Normalisation", "Scaling", "read_model_card"]

SCHEMA = "osteotrace.model/1"
LARGEST_CARD = 2**20  # bytes
LARGEST_FRAME = 2**24  # voxels, as 256³: 64 MiB a channel; ten times that takes minutes to fill

Word = TypeVar("Word", bound=StrEnum)


class Channel(StrEnum):
    """What the model sees of each voxel.

    ``image``: the normalised sample; ``shape``: the prompt's ellipsoid as log-odds-like slope, clip(1 − level, −1, 1);
    ``inside`` and ``outside``: 1 where the reader or caller ruled; ``prior``: the earlier mask, 0…1 (the ellipsoid
    where there is none); ``known``: 1 where the image measured something.
    """

    IMAGE = "image"
    SHAPE = "shape"
    INSIDE = "inside"
    OUTSIDE = "outside"
    PRIOR = "prior"
    KNOWN = "known"


class Scaling(StrEnum):
    """How samples become what the model was trained on."""

    WINDOW = "window"  # low → 0, high → 1, clipped
    Z_SCORE = "z_score"  # mean 0 and standard deviation 1 of the known voxels in the frame
    QUANTILES = "quantiles"  # the low quantile of the known voxels → 0, the high one → 1, clipped


class Activation(StrEnum):
    """What turns the model's output into a probability."""

    NONE = "none"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A scaling with its two ends, which z_score does not use."""

    kind: Scaling
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise RecordError("a normalisation's low is below its high")
        if self.kind is Scaling.QUANTILES and not 0 <= self.low < self.high <= 1:
            raise RecordError("quantiles lie between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The parsed ``model.json``; exactly one of ``spacing_mm`` and ``radii`` is given."""

    name: str
    version: str
    weights_licence: str
    modalities: frozenset[Modality]
    prompts: frozenset[str]
    voxels: tuple[int, int, int]
    spacing_mm: float | None
    radii: float | None
    normalisation: Normalisation
    channels: tuple[Channel, ...]
    activation: Activation
    lesion_channel: int


def read_model_card(folder: Path) -> ModelCard:
    """The card in a model's folder.

    Raises
    ------
    BackendUnavailable
        There is no ``model.json``.
    RecordError
        BAD_MODEL_CARD: it is no such document; the message says which key and why.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise BackendUnavailable(f"{folder} holds no model.json, which says what the model wants", where=path.name)
    try:
        record = json.loads(path.read_bytes()[: LARGEST_CARD + 1])
    except (RecursionError, ValueError) as error:  # the first for what is nested too deep
        raise RecordError(f"model.json is not JSON ({error})", code="BAD_MODEL_CARD", where=path.name) from None
    try:
        return _card(record)
    except RecordError as error:
        raise RecordError(f"model.json: {error}", code="BAD_MODEL_CARD", where=path.name) from None


def _card(record: Any) -> ModelCard:
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise RecordError(f"schema is {SCHEMA}")
    frame, scaling = _table(record, "frame"), _table(record, "normalisation")
    spacing_mm, radii = _optional_number(frame, "spacing_mm"), _optional_number(frame, "radii")
    if (spacing_mm is None) == (radii is None):
        raise RecordError("frame gives either spacing_mm or radii")
    prompts = frozenset(_words(record, "prompts"))
    if not prompts <= ALL_PROMPTS:
        raise RecordError(f"prompts are among {', '.join(sorted(ALL_PROMPTS))}")
    lesion_channel = record.get("lesion_channel", 0)
    if not isinstance(lesion_channel, int) or isinstance(lesion_channel, bool) or lesion_channel < 0:
        raise RecordError("lesion_channel is a number from 0 on")
    return ModelCard(
        name=_text(record, "name"),
        version=_text(record, "version"),
        weights_licence=_text(record, "weights_licence"),
        modalities=frozenset(_one_of(Modality, word, "modalities") for word in _words(record, "modalities")),
        prompts=prompts,
        voxels=_voxels(frame.get("voxels")),
        spacing_mm=spacing_mm,
        radii=radii,
        normalisation=Normalisation(
            _one_of(Scaling, scaling.get("kind"), "normalisation.kind"),
            *(number for key in ("low", "high") if (number := _ends(scaling, key)) is not None),
        ),
        channels=tuple(_one_of(Channel, word, "channels") for word in _words(record, "channels")),
        activation=_one_of(Activation, record.get("activation"), "activation"),
        lesion_channel=lesion_channel,
    )


def _table(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    if not isinstance(value, dict):
        raise RecordError(f"{key} is a table")
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise RecordError(f"{key} is a text, not empty")
    return value


def _words(record: Mapping[str, Any], key: str) -> list[str]:
    value = record.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise RecordError(f"{key} is a list of words, at least one")
    return value


def _one_of(words: type[Word], value: object, key: str) -> Word:
    if not isinstance(value, str) or value not in list(words):
        raise RecordError(f"{key}: one of {', '.join(words)}; got {value!r}")
    return words(value)


def _ends(record: Mapping[str, Any], key: str) -> float | None:
    value = record.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise RecordError(f"{key} is a number")
    return None if value is None else float(value)


def _optional_number(record: Mapping[str, Any], key: str) -> float | None:
    value = _ends(record, key)
    if value is not None and not 0 < value < float("inf"):
        raise RecordError(f"{key} is a length above zero")
    return value


def _voxels(value: object) -> tuple[int, int, int]:
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not all(type(n) is int and n > 0 for n in value)
        or math.prod(value) > LARGEST_FRAME
    ):
        raise RecordError(f"frame.voxels is three whole numbers above zero, {LARGEST_FRAME} voxels at most")
    return (value[0], value[1], value[2])
