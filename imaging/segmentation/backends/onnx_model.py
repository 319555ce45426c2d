"""A model in the ONNX format, run by ONNX Runtime on the processor: a folder with ``model.onnx`` and ``model.json``.

Source: ONNX Runtime 1.32, https://onnxruntime.ai/docs/api/python/api_summary.html (``InferenceSession``). Run against
the real package in the tests, with a model that they build.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendFailed, BackendUnavailable
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.provenance import sha256_hex
from imaging.segmentation.backend import Backend, Capabilities
from imaging.segmentation.backends.frame import frame_round, on_image
from imaging.segmentation.backends.model_card import (
    Activation,
    Channel,
    ModelCard,
    Normalisation,
    Scaling,
    read_model_card,
)
from imaging.segmentation.backends.proposal import Question, proposal_from
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.prompt import Prompt
from imaging.segmentation.quality import touches_edge
from imaging.segmentation.region import measured_in, on_region, samples_seen
from imaging.volume import Volume

__all__ = ["ONNX", "OnnxSegmenter"]


class OnnxSegmenter:
    """One model, loaded once.

    Parameters
    ----------
    folder
        Holds ``model.onnx`` and ``model.json`` (:mod:`imaging.segmentation.backends.model_card`).

    Raises
    ------
    BackendUnavailable
        A file is missing, the model is none that ONNX Runtime can load, or it has not one input.
    RecordError
        BAD_MODEL_CARD.
    """

    def __init__(self, folder: Path) -> None:
        self.card = read_model_card(folder)
        path = folder / "model.onnx"
        if not path.is_file():
            raise BackendUnavailable(f"{folder} holds no model.onnx: put the weights there", where=path.name)
        content = path.read_bytes()
        self.digest = sha256_hex(content)
        self.session = _session(content)
        inputs = [entry.name for entry in self.session.get_inputs()]
        if len(inputs) != 1:
            raise BackendUnavailable(f"model.onnx has {len(inputs)} inputs; one that takes all channels is needed")

    def capabilities(self) -> Capabilities:
        return Capabilities(
            name=f"onnx:{self.card.name}",
            version=self.card.version,
            prompts=self.card.prompts,
            modalities=self.card.modalities,
            code_licence="MIT",  # of ONNX Runtime
            weights_licence=self.card.weights_licence,
            device="cpu",
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
        companion: Volume | None = None,  # the card has no word for a second series
        earlier: Volume | None = None,  # nor for an earlier one
    ) -> LesionProposal:
        mine = self.capabilities()
        question = Question.of(mine, volume, prompts, prior=prior, exclude=exclude, include=include)
        frame = _frame(self.card, question)
        probability = self._answer(_channels(self.card, question, frame))
        cut = Finding(
            "LEAVES_FRAME",
            Severity.WARNING,
            "the mask reaches the edge of what the model looked at: the lesion may go on; draw a larger prompt",
            volume.series_uid,
        )
        findings = (cut,) if touches_edge(probability >= 0.5, None) else ()
        return proposal_from(question, on_image(probability, frame, volume), mine, findings=findings)

    def _answer(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        name = self.session.get_inputs()[0].name
        try:
            output = np.asarray(self.session.run(None, {name: channels[None]})[0])
        except (state.InvalidArgument, state.Fail, state.RuntimeException) as error:
            raise BackendFailed(f"{self.card.name} does not take what its model.json says: {error}") from error
        if output.ndim != 5 or output.shape[0] != 1 or output.shape[2:] != channels.shape[1:]:
            raise BackendFailed(f"{self.card.name} gave {output.shape} for a frame of {channels.shape[1:]}")
        if self.card.lesion_channel >= output.shape[1]:
            raise BackendFailed(f"{self.card.name} has {output.shape[1]} channels; lesion_channel is beyond them")
        probabilities = _activated(output[0].astype(np.float32), self.card.activation)
        return np.asarray(probabilities[self.card.lesion_channel], dtype=np.float32)


def _session(content: bytes) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # fatal alone: its log would go to the standard error of whoever calls
    onnxruntime.disable_telemetry_events()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.InvalidArgument,
        state.NotImplemented,
        state.Fail,
    ) as error:
        raise BackendUnavailable(f"model.onnx is no model that ONNX Runtime can load: {error}") from error


def _frame(card: ModelCard, question: Question) -> Grid:
    spacing_mm = card.spacing_mm
    if spacing_mm is None:
        spacing_mm = 2 * (card.radii or 0.0) * question.expected.mean_radius_mm / min(card.voxels)
    return frame_round(question.volume, question.expected, voxels=card.voxels, spacing_mm=spacing_mm)


def _channels(card: ModelCard, question: Question, frame: Grid) -> NDArray[np.float32]:
    """(channels, slices, rows, columns) in the card's order."""
    volume = question.volume
    known = on_region(measured_in(volume), volume.grid, frame, outside=0.0) > 0.5
    level = question.expected.level(frame.points(np.indices(frame.shape).reshape(3, -1).T)).reshape(frame.shape)

    def channel(kind: Channel) -> NDArray[Any]:
        if kind is Channel.IMAGE:
            samples = on_region(samples_seen(volume), volume.grid, frame, smooth=True)
            return _normalised(samples, known, card.normalisation)
        if kind is Channel.SHAPE:
            return np.clip(1 - level, -1, 1)
        if kind is Channel.PRIOR:
            return level <= 1 if question.prior is None else on_region(question.prior, volume.grid, frame, outside=0.0)
        if kind is Channel.KNOWN:
            return known
        ruled = question.lesion if kind is Channel.INSIDE else question.never
        return on_region(ruled, volume.grid, frame, outside=0.0)

    return np.stack([channel(kind).astype(np.float32) for kind in card.channels])


def _normalised(samples: NDArray[np.float32], known: BoolArray, scaling: Normalisation) -> NDArray[np.float32]:
    seen = samples[known] if known.any() else samples.ravel()
    if scaling.kind is Scaling.Z_SCORE:
        return np.asarray((samples - seen.mean()) / max(float(seen.std()), 1e-6), dtype=np.float32)
    low, high = scaling.low, scaling.high
    if scaling.kind is Scaling.QUANTILES:
        low, high = (float(end) for end in np.quantile(seen, (low, high)))
    return np.asarray(np.clip((samples - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def _activated(output: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    if activation is Activation.SIGMOID:
        return np.asarray(expit(output), dtype=np.float32)
    if activation is Activation.SOFTMAX:
        return np.asarray(softmax(output, axis=0), dtype=np.float32)
    return output


ONNX = Backend(
    summary="a model of your own in the ONNX format",
    open=lambda location: OnnxSegmenter(Path(location)),
    location="FOLDER",
    modules=("onnxruntime",),
    install="pip install 'osteotrace[models]'",
    weights="FOLDER holds model.onnx and model.json (osteotrace.model/1)",
)
