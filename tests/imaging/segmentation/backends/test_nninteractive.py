"""The client's calls against a server that speaks the protocol."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from imaging.errors import BackendFailed, BackendUnavailable, UsageError
from imaging.geometry import Grid
from imaging.segmentation.catalogue import segmenter
from imaging.segmentation.prompt import BoxPrompt, DiameterPrompt, MaskPrompt, PointPrompt, ScribblePrompt
from imaging.volume import Modality, Volume
from tests.contracts.nninteractive_server import CAPABILITIES, Handler, serving

pytest.importorskip("nnInteractive.inference.remote", reason="the extra 'interactive' is not installed")

GRID = Grid.from_spacing((10, 20, 30), (2.0, 1.0, 1.0))
SAMPLES = np.where(np.linalg.norm(np.indices(GRID.shape) - [[[[5]]], [[[10]]], [[[15]]]], axis=0) < 4, 160, 100)
IMAGE = Volume(samples=SAMPLES.astype(np.int16), grid=GRID, modality=Modality.MR)


def asked(prompts: list[Any], **more: Any) -> list[tuple[str, dict[str, Any]]]:
    with serving(130.0, **more) as server:
        segmenter(f"nninteractive:{server.address}").segment(IMAGE, prompts)
        return server.asked


def test_a_box_becomes_rectangles_in_the_three_planes_through_its_centre() -> None:
    calls = asked([BoxPrompt(((11.0, 7.0, 4.0), (19.0, 13.0, 16.0)))])
    assert [path for path, _ in calls] == ["/add_bbox_interaction"] * 3
    assert [call["bbox_coords"] for _, call in calls] == [
        [[5, 6], [7, 14], [11, 20]],
        [[2, 9], [10, 11], [11, 20]],
        [[2, 9], [7, 14], [15, 16]],
    ]
    assert [call["run_prediction"] for _, call in calls] == [False, False, True]


def test_a_server_that_takes_solid_boxes_gets_one() -> None:
    able = {**CAPABILITIES, "supported_interactions": {**CAPABILITIES["supported_interactions"], "bbox3d": True}}
    calls = asked([BoxPrompt(((11.0, 7.0, 4.0), (19.0, 13.0, 16.0)))], capabilities=able)
    assert [call["bbox_coords"] for _, call in calls] == [[[2, 9], [7, 14], [11, 20]]]


def test_a_box_in_one_slice_is_sent_as_it_is() -> None:
    calls = asked([BoxPrompt(((11.0, 7.0, 10.0), (19.0, 13.0, 10.0)))])
    assert [call["bbox_coords"] for _, call in calls] == [[[5, 6], [7, 14], [11, 20]]]


def test_points_and_strokes_keep_their_place_and_sign() -> None:
    calls = asked(
        [
            PointPrompt((15.0, 10.0, 10.0)),
            PointPrompt((2.0, 3.0, 4.0), sign=-1),
            PointPrompt((15.0, 10.0, 10.0), 2.0),
            DiameterPrompt(((12.0, 10.0, 10.0), (18.0, 10.0, 10.0))),
            ScribblePrompt(((1.0, 2.0, 4.0), (1.0, 5.0, 4.0)), sign=-1),
        ]
    )
    assert [path.removeprefix("/add_").removesuffix("_interaction") for path, _ in calls] == [
        "point", "point", "lasso", "scribble", "scribble",
    ]  # fmt: skip
    assert [call["include_interaction"] for _, call in calls] == [True, False, True, True, False]
    assert [call["coordinates"] for _, call in calls[:2]] == [[5, 10, 15], [2, 3, 2]]
    assert [call["interaction_bbox"] for _, call in calls[2:]] == [
        [[5, 6], [8, 13], [13, 18]],
        [[5, 6], [10, 11], [12, 19]],
        [[2, 3], [2, 6], [1, 2]],
    ]
    assert int(calls[2][1]["array"].sum()) == 13  # pixels within two steps of the middle one


def test_an_earlier_mask_goes_first_because_it_clears_the_rest() -> None:
    with serving(130.0) as server:
        prior = (SAMPLES > 130).astype(np.float32)
        engine = segmenter(f"nninteractive:{server.address}")
        engine.segment(IMAGE, [PointPrompt((15.0, 10.0, 10.0)), MaskPrompt("own.nii.gz")], prior=prior)
        assert [path for path, _ in server.asked] == ["/add_initial_seg_interaction", "/add_point_interaction"]
        np.testing.assert_array_equal(server.asked[0][1]["array"], prior)


def test_every_session_is_given_back() -> None:
    with serving(130.0, sessions=1) as server:
        for _ in range(3):
            segmenter(f"nninteractive:{server.address}").segment(IMAGE, [PointPrompt((15.0, 10.0, 10.0))])
        assert server.free == 1


@pytest.mark.parametrize("licence", ["CC BY-NC-SA 4.0", "!!MISSING!!", None])
def test_the_licence_is_what_the_server_says_and_never_silence(licence: str | None) -> None:
    with serving(130.0, capabilities={**CAPABILITIES, "license": licence}) as server:
        said = segmenter(f"nninteractive:{server.address}").capabilities().weights_licence
    assert said is not None
    assert "CC BY-NC-SA 4.0" in said
    assert ("not stated" in said) == (licence != "CC BY-NC-SA 4.0")


def test_a_server_that_cannot_do_a_kind_of_prompt_refuses_it() -> None:
    unable = {**CAPABILITIES, "supports_initial_label": False}
    with serving(130.0, capabilities=unable) as server:
        assert "mask" not in segmenter(f"nninteractive:{server.address}").capabilities().prompts


# The client forgets its socket where its constructor fails (nninteractive-client 2.6.0: close() needs what is not yet
# there).
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_server_that_is_not_there_full_locked_or_another_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NN_INTERACTIVE_API_KEY", raising=False)
    with pytest.raises(BackendUnavailable, match="nninteractive-server"):
        segmenter("nninteractive:http://127.0.0.1:9")  # the discard port, where nothing listens
    with serving(130.0, sessions=0) as server, pytest.raises(BackendUnavailable, match="taken"):
        segmenter(f"nninteractive:{server.address}")
    with serving(130.0, key="secret") as server:
        with pytest.raises(BackendUnavailable, match="NN_INTERACTIVE_API_KEY"):
            segmenter(f"nninteractive:{server.address}")
        monkeypatch.setenv("NN_INTERACTIVE_API_KEY", "secret")
        assert segmenter(f"nninteractive:{server.address}").capabilities().version == "2"
    with serving(130.0, capabilities={"hello": "world"}) as server, pytest.raises(BackendFailed, match="protocol"):
        segmenter(f"nninteractive:{server.address}")
    monkeypatch.setattr(Handler, "do_GET", lambda handler: handler.reply(b"[" * 100_000))
    with serving(130.0) as server, pytest.raises(BackendFailed, match="protocol"):
        segmenter(f"nninteractive:{server.address}")
    gc.collect()  # here, and not in the middle of another test


@pytest.mark.parametrize("address", ["gpu:1527", "ftp://gpu", "http://", "http://[::1", "http://me:key@gpu:1527"])
def test_an_address_without_scheme_or_with_a_key_in_it_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as refusal:
        segmenter(f"nninteractive:{address}")
    assert refusal.value.code == "BACKEND_LOCATION"
    assert "me:key" not in str(refusal.value)
