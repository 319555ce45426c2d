"""nnInteractive, computed by a server with a GPU that the caller names; only image samples and strokes are sent.

Written against the source of nninteractive-client 2.6.0 (``nnInteractive/inference/remote``) and of the server in
nnInteractive 2.6.0 (``nnInteractive/inference/server/app.py``). The tests drive the real client against a server of
their own that speaks the same protocol; it was not run against the real weights, which were not to be had here.

The model works on voxels: it knows neither spacing nor directions, so the image is sent as it is, whatever its grid.
A box becomes rectangles in the three index planes through its centre, because the published model takes no solid ones;
a point with a radius becomes the disc in its slice; diameters become strokes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import BackendFailed, BackendUnavailable, UsageError
from imaging.geometry import Grid
from imaging.segmentation.backend import Backend, Capabilities
from imaging.segmentation.backends.proposal import Question, proposal_from
from imaging.segmentation.lesion import LesionProposal
from imaging.segmentation.marks import marked_voxels
from imaging.segmentation.prompt import (
    BoxPrompt,
    DiameterPrompt,
    MaskPrompt,
    Point,
    PointPrompt,
    Prompt,
    ScribblePrompt,
    as_array,
)
from imaging.segmentation.region import samples_seen
from imaging.volume import Modality, Volume
from imaging.volume.crop import bounding_box

__all__ = ["NNINTERACTIVE", "NnInteractive"]

UNKNOWN_LICENCE = "!!MISSING!!"  # what the server says where the model's folder has no LICENSE
OFFICIAL_LICENCE = "CC BY-NC-SA 4.0"  # of the published weights, v1
Call = tuple[str, dict[str, Any]]  # a method of the client and its arguments
KEY = "NN_INTERACTIVE_API_KEY"  # the environment variable that the client itself reads


class NnInteractive:
    """One server.

    Parameters
    ----------
    address
        Its address as ``http://host:1527``; a key goes into the environment, never here.

    Raises
    ------
    UsageError
        BACKEND_LOCATION: no address, or one with a name or password in it.
    BackendUnavailable
        No server answers there, it wants a key, or all its sessions are taken.
    """

    def __init__(self, address: str) -> None:
        if not _is_address(address):
            raise UsageError(
                f"nninteractive:ADDRESS is http://host:port or https://host:port; a key goes into {KEY}",
                code="BACKEND_LOCATION",
            )
        self.address = address
        with self._session() as session:
            self.mine = _capabilities(session)
            self.solid_boxes = bool(session.supported_interactions.get("bbox3d"))

    def capabilities(self) -> Capabilities:
        return self.mine

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
        question = Question.of(self.mine, volume, prompts, prior=prior, exclude=exclude, include=include)
        strokes = list(_strokes(question, solid_boxes=self.solid_boxes))
        found = np.zeros(volume.grid.shape, dtype=np.uint8)
        with self._session() as session:
            session.set_image(np.asarray(samples_seen(volume), dtype=np.float32)[None])
            session.set_target_buffer(found)
            for number, (method, arguments) in enumerate(strokes, start=1):
                getattr(session, method)(**arguments, run_prediction=number == len(strokes))
        return proposal_from(question, (found > 0).astype(np.float32), self.mine)

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """A session of the server, given back at the end; what goes wrong in it is said in our words."""
        import httpx
        from nnInteractive.inference.remote import (
            ServerAtCapacityError,
            SessionExpiredError,
            nnInteractiveRemoteInferenceSession,
        )

        host = urlsplit(self.address).netloc
        try:
            with nnInteractiveRemoteInferenceSession(self.address) as session:
                yield session
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise BackendUnavailable(
                f"no nnInteractive server answers at {host}: start one there with nninteractive-server", where=host
            ) from error
        except ServerAtCapacityError as error:
            raise BackendUnavailable(
                f"all sessions of the server at {host} are taken; try later", where=host
            ) from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise BackendUnavailable(f"the server at {host} wants a key: put it into {KEY}", where=host) from error
            raise BackendFailed(f"the server at {host} answered with status {status}", where=host) from error
        except (httpx.HTTPError, SessionExpiredError) as error:
            raise BackendFailed(f"the server at {host} broke off ({type(error).__name__})", where=host) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BackendFailed(
                f"what answers at {host} does not speak the protocol of nnInteractive 2.6 ({type(error).__name__})",
                where=host,
            ) from error


def _is_address(address: str) -> bool:
    """Whether it names a host over HTTP, and neither a user nor a password."""
    try:
        parts = urlsplit(address)
    except ValueError:  # half of an IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


def _capabilities(session: Any) -> Capabilities:
    able = session.supported_interactions
    words = {
        "point": able.get("points") and able.get("lasso"),
        "box": able.get("bbox2d") or able.get("bbox3d"),
        "diameter": able.get("scribble"),
        "scribble": able.get("scribble"),
        "mask": session.supports_initial_label,
    }
    licence = session.license
    if licence in (None, "", UNKNOWN_LICENCE):
        licence = f"not stated by the server; the published weights are {OFFICIAL_LICENCE}, not for commercial use"
    return Capabilities(
        name="nninteractive",
        version=str(session.INFERENCE_SESSION_VERSION),
        prompts=frozenset(word for word, can in words.items() if can),
        modalities=frozenset(Modality),
        code_licence="Apache-2.0",
        weights_licence=str(licence),
        device="server",
        weights=f"nnInteractive {session.INFERENCE_SESSION_VERSION}",
    )


def _strokes(question: Question, *, solid_boxes: bool) -> Iterator[Call]:
    """The client's methods to call, in order, with what to call them with: the earlier mask first, which clears all."""
    grid = question.volume.grid
    if question.prior is not None:
        yield "add_initial_seg_interaction", {"initial_seg": (question.prior >= 0.5).astype(np.uint8)}
    for prompt in question.prompts:
        if isinstance(prompt, MaskPrompt):
            continue  # it says that the prior is this image's own mask
        if isinstance(prompt, BoxPrompt):
            for bounds in _rectangles(prompt, grid, solid=solid_boxes):
                yield "add_bbox_interaction", {"bbox_coords": bounds, "include_interaction": prompt.sign > 0}
        elif isinstance(prompt, PointPrompt) and prompt.radius_mm is None:
            voxel = _voxel(prompt.point, grid)
            yield "add_point_interaction", {"coordinates": voxel, "include_interaction": prompt.sign > 0}
        elif isinstance(prompt, PointPrompt):
            yield _drawn("lasso", _disc(prompt, grid), grid, prompt.sign)
        elif isinstance(prompt, ScribblePrompt):
            yield _drawn("scribble", marked_voxels([prompt], grid, sign=prompt.sign), grid, prompt.sign)
        elif isinstance(prompt, DiameterPrompt):
            lines = [ScribblePrompt(prompt.points[first : first + 2]) for first in range(0, len(prompt.points), 2)]
            yield _drawn("scribble", marked_voxels(lines, grid, sign=1), grid, 1)


def _drawn(tool: str, mask: BoolArray, grid: Grid, sign: int) -> Call:
    """A stroke as the smallest box of voxels that holds it."""
    if not mask.any():
        raise UsageError("a stroke lies outside the image; was it drawn on this series?", code="PROMPT_OUTSIDE_IMAGE")
    start, stop = bounding_box(mask, grid)
    window = tuple(slice(low, high) for low, high in zip(start, stop, strict=True))
    return f"add_{tool}_interaction", {
        f"{tool}_image": mask[window].astype(np.uint8),
        "include_interaction": sign > 0,
        "interaction_bbox": [[low, high] for low, high in zip(start, stop, strict=True)],
    }


def _voxel(point: Point, grid: Grid) -> list[int]:
    nearest = np.rint(grid.indices([point])[0]).astype(int)
    if ((nearest < 0) | (nearest >= grid.shape)).any():
        raise UsageError("a point lies outside the image; was it drawn on this series?", code="PROMPT_OUTSIDE_IMAGE")
    return [int(index) for index in nearest]


def _disc(prompt: PointPrompt, grid: Grid) -> BoolArray:
    """The pixels of the point's own slice within its radius."""
    ball = marked_voxels([PointPrompt(prompt.point, prompt.radius_mm, -1)], grid, sign=-1)
    disc = np.zeros_like(ball)
    index = _voxel(prompt.point, grid)[0]
    disc[index] = ball[index]
    return disc


def _rectangles(box: BoxPrompt, grid: Grid, *, solid: bool) -> list[list[list[int]]]:
    """Half-open index bounds: the box itself, or its sections with the three index planes through its centre."""
    indices = grid.indices(_corners(box))
    low = np.clip(np.rint(indices.min(axis=0)).astype(int), 0, np.array(grid.shape) - 1)
    high = np.clip(np.rint(indices.max(axis=0)).astype(int), low, np.array(grid.shape) - 1)
    whole = [[int(first), int(last) + 1] for first, last in zip(low, high, strict=True)]
    flat = [axis for axis in range(3) if low[axis] == high[axis]]
    if solid or flat:
        return [whole]
    middle = (low + high) // 2
    return [
        [[int(middle[axis]), int(middle[axis]) + 1] if axis == plane else bounds for axis, bounds in enumerate(whole)]
        for plane in range(3)
    ]


def _corners(box: BoxPrompt) -> FloatArray:
    ends = as_array(box.corners)
    if len(ends) == 8:
        return ends
    return np.array(np.meshgrid(*ends.T, indexing="ij")).reshape(3, 8).T


NNINTERACTIVE = Backend(
    summary="nnInteractive on a server with a GPU",
    open=NnInteractive,
    location="http://HOST:PORT",
    modules=("nnInteractive",),
    install="pip install 'osteotrace[interactive]'",
    weights=f"the server holds the weights ({OFFICIAL_LICENCE}, not for commercial use)",
)
