"""Models in a process of their own, and what is said when one is not as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imaging.errors import BackendFailed, BackendUnavailable, UsageError
from imaging.geometry import Grid
from imaging.segmentation.backends.child import ask
from imaging.segmentation.backends.frame import straightened
from imaging.segmentation.backends.lesion_label import lesion_label
from imaging.segmentation.backends.totalsegmentator import find_bone_learned
from imaging.segmentation.catalogue import segmenter
from imaging.segmentation.prompt import BoxPrompt
from imaging.volume import Modality, Volume
from tests.contracts.conftest import STAND_INS, monai_folder, nnunet_folder

GRID = Grid.from_spacing((8, 8, 8), (1.0, 1.0, 1.0))
IMAGE = Volume(samples=np.zeros(GRID.shape, np.int16), grid=GRID, modality=Modality.MR)
BOX = BoxPrompt(((2.0, 2.0, 2.0), (5.0, 5.0, 5.0)))


@pytest.fixture(autouse=True)
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(STAND_INS)


def test_a_model_that_reaches_for_the_network_is_stopped(tmp_path: Path) -> None:
    engine = segmenter(f"nnunet:{nnunet_folder(tmp_path, phones_home=True)}")
    with pytest.raises(BackendFailed, match="may not use the network"):
        engine.segment(IMAGE, [BOX])


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 80), 1)",
        "socket.getaddrinfo('example.org', 80)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
        "__import__('urllib.request').request.urlopen('http://192.0.2.1', timeout=1)",
    ],
)
def test_no_way_to_the_network_is_open(attempt: str) -> None:
    code = f"import socket; from imaging.segmentation.backends.child import cut_off_network as c; c(); {attempt}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "may not use the network" in done.stderr


def test_a_process_that_dies_says_its_last_words() -> None:
    with pytest.raises(BackendFailed, match="no_such_module"):
        ask("no_such_module", {}, np.zeros(1, np.float32), name="x")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("os._exit(0)", "status 0"),
        ("os.kill(os.getpid(), 9)", "status -9"),
        ("os.write(answer_to, b'hello'); os._exit(0)", "middle of its answer"),
        ("os.write(answer_to, b'[1]\\n'); os._exit(0)", "middle of its answer"),
        ("os.write(answer_to, b'{}\\n'); os._exit(0)", "middle of its answer"),
        ('os.write(answer_to, b\'{"reply": {}, "shape": [9, 9]}\\n1234\'); os._exit(0)', "middle of its answer"),
        ("time.sleep(60)", "no answer in 2 s"),
    ],
)
def test_a_process_that_ends_without_a_whole_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    # The pipe is what the child keeps of its standard output: the lowest descriptor beyond the three usual ones.
    text = f"import os, time\nanswer_to = 3\ndef answer(asked, samples):\n    {body}\n"
    (tmp_path / "ends_early.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendFailed, match=says):
        ask("ends_early", {}, np.zeros(1, np.float32), name="x", limit_s=2.0)


def test_what_a_library_prints_does_not_reach_the_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    segmenter(f"nnunet:{nnunet_folder(tmp_path)}").segment(IMAGE, [BOX])  # the stand-in prints, as nnU-Net does
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("lacking", ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"])
def test_a_folder_of_nnunet_that_lacks_a_file_is_said(tmp_path: Path, lacking: str) -> None:
    (nnunet_folder(tmp_path) / lacking).unlink()
    with pytest.raises(BackendUnavailable, match="FOLDER holds"):
        segmenter(f"nnunet:{tmp_path}")


@pytest.mark.parametrize("lacking", ["configs/metadata.json", "configs/inference.json", "models/model.pt"])
def test_a_bundle_that_lacks_a_file_is_said(tmp_path: Path, lacking: str) -> None:
    (monai_folder(tmp_path) / lacking).unlink()
    with pytest.raises(BackendUnavailable, match="FOLDER is"):
        segmenter(f"monai:{tmp_path}")


def test_a_model_of_several_images_is_refused(tmp_path: Path) -> None:
    folder = nnunet_folder(tmp_path)
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "T1", "1": "T2"}, "labels": {"a": 1}}))
    with pytest.raises(BackendUnavailable, match="2 images"):
        segmenter(f"nnunet:{folder}")


def test_a_channel_called_ct_makes_a_model_for_ct(tmp_path: Path) -> None:
    folder = nnunet_folder(tmp_path)
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": {"a": 1}}))
    assert segmenter(f"nnunet:{folder}").capabilities().modalities == {Modality.CT}


def test_the_lesion_among_several_classes_is_named_or_asked_for() -> None:
    assert lesion_label({"mass": 1}, "", name="nnunet") == 1
    assert lesion_label({"sacrum": 1, "Tumour": 2}, "", name="nnunet") == 2
    assert lesion_label({"sacrum": 1, "hip": 2}, "hip", name="nnunet") == 2
    for labels, chosen in (({"sacrum": 1, "hip": 2}, ""), ({"sacrum": 1}, "hip"), ({}, "")):
        with pytest.raises(UsageError) as refusal:
            lesion_label(labels, chosen, name="nnunet")
        assert refusal.value.code == "BACKEND_LABEL"


def test_a_straightened_image_holds_no_value_that_the_image_has_not() -> None:
    affine = np.eye(4)
    affine[1, 0] = 0.6
    samples = np.random.default_rng(0).integers(900, 1000, (9, 9, 9)).astype(np.int16)
    leaning = Volume(samples=samples, grid=Grid((9, 9, 9), affine), modality=Modality.CT)
    straight = straightened(leaning)
    assert straight.grid.is_orthogonal
    assert 900 <= straight.samples.min() <= straight.samples.max() < 1000
    assert straight.valid is not None
    assert not straight.valid.all()
    assert straightened(IMAGE) is IMAGE


BONE = np.linalg.norm(np.indices((12, 14, 16)) - [[[[5]]], [[[6]]], [[[9]]]], axis=0) < 4
CT = Volume(
    samples=np.where(BONE, 700, 40).astype(np.int16),
    grid=Grid.from_spacing(BONE.shape, (2.0, 1.0, 1.0)),
    modality=Modality.CT,
)


@pytest.mark.parametrize(
    ("weights", "resolution"),
    [(["Dataset297_x"], "3 mm"), ([f"Dataset{n}_x" for n in (291, 292, 293, 294, 295, 297)], "1.5 mm")],
)
def test_bone_by_totalsegmentator_needs_its_weights_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: list[str], resolution: str
) -> None:
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "home"))
    with pytest.raises(BackendUnavailable, match="totalseg_download_weights"):
        find_bone_learned(CT)
    for name in weights:
        (tmp_path / name).mkdir()
    found = find_bone_learned(CT)
    np.testing.assert_array_equal(found.mask, BONE)
    assert resolution in found.findings[0].message
    assert not (tmp_path / "home").exists(), "its settings go into a folder that is thrown away"


def test_bone_by_totalsegmentator_is_for_ct() -> None:
    with pytest.raises(UsageError, match="MR"):
        find_bone_learned(IMAGE)
