"""What a command about one image does with bone that a trained model found, and with prompts in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from imaging.errors import BackendUnavailable, UsageError
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid
from imaging.segmentation import Segment
from imaging.segmentation.prompt import PointPrompt
from imaging.volume import Modality, Volume
from pipelines.single import by_name, cement_in_image, lesions_on, read_prompts, register_images
from tests.contracts.conftest import STAND_INS

GRID = Grid.from_spacing((30, 40, 40), (1.0, 1.0, 1.0))


@pytest.fixture
def cemented(tmp_path: Path) -> Path:
    """A ball of cement in a block of bone."""
    z, y, x = np.indices(GRID.shape)
    samples = np.full(GRID.shape, 40, np.int16)
    samples[5:25, 8:32, 8:32] = 700
    samples[(z - 15) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 36] = 2600
    path = tmp_path / "ct.nii.gz"
    path.write_bytes(nifti_bytes(samples, GRID))
    return path


def test_bone_by_totalsegmentator_is_used_where_it_is_asked_for(
    cemented: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where other tests of this process left the stand-ins on the path, they are not there yet for this one.
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry).resolve() != STAND_INS.resolve()])
    with pytest.raises(BackendUnavailable, match="pip install torch TotalSegmentator"):
        cement_in_image([cemented], bone="totalsegmentator")
    monkeypatch.syspath_prepend(STAND_INS)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "weights"))
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "home"))
    (tmp_path / "weights" / "Dataset297_x").mkdir(parents=True)
    document = cement_in_image([cemented], bone="totalsegmentator")
    codes = {finding["code"] for finding in document["findings"]}
    assert "BONE_BY_MODEL" in codes
    assert "BONE_MASK_APPROXIMATE" not in codes
    (row,) = document["materials"]
    assert row["inside_bone_ml"]["value"] == pytest.approx(row["volume_ml"]["value"], rel=0.01)


def test_a_key_of_a_prompt_that_nobody_reads_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text('[{"kind": "point", "points_lps_mm": [[0, 0, 0]], "radius": 9, "sing": -1}]')
    (prompt,), remarks = read_prompts(path)
    assert prompt == PointPrompt((0.0, 0.0, 0.0))
    assert [(remark.code, remark.message.split()[0]) for remark in remarks] == [
        ("PROMPT_UNKNOWN_KEY", "radius"),
        ("PROMPT_UNKNOWN_KEY", "sing"),
    ]
    path.write_text(
        '{"schema": "osteotrace.prompt/1", "kind": "point", "points_lps_mm": [[0, 0, 0]], "timepoint": "T0"}'
    )
    assert read_prompts(path)[1] == ()


def named(folder: Path, file: str, *names: str) -> str:
    """A label map of one row for each name, with the names beside it."""
    labels = np.zeros(GRID.shape, np.uint8)
    for number, _ in enumerate(names, start=1):
        labels[10, number, :10] = number
    rows = [{"label": number, "name": name, "kind": "lesion"} for number, name in enumerate(names, start=1)]
    (folder / f"{file}.nii.gz").write_bytes(nifti_bytes(labels, GRID))
    (folder / f"{file}.json").write_text(json.dumps({"schema": "osteotrace.labels/1", "labels": rows}))
    return str(folder / f"{file}.nii.gz")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((("L2",), ("L2",)), ["L2", "L3"]),
        ((("tumour", "L3"), ("tumour",)), ["tumour", "L3", "L4"]),
        ((("L1",), ("L1",), ("L2",), ("L2",)), ["L1", "L2", "L3", "L4"]),
    ],
)
def test_no_lesion_is_lost_to_another_of_its_name(
    names: tuple[tuple[str, ...], ...], told: list[str], tmp_path: Path
) -> None:
    volume = Volume(samples=np.zeros(GRID.shape, np.int16), grid=GRID, modality=Modality.CT)
    files = [named(tmp_path, f"mask {number}", *own) for number, own in enumerate(names)]
    masks = lesions_on(volume, files, [Path(files[0])], accept_gaps=False)
    assert list(masks) == told


def test_bones_of_one_name_are_told_apart_by_their_numbers() -> None:
    one, two, three, four = (
        Segment(mask=np.zeros(GRID.shape, bool), grid=GRID, label=number, name=name)
        for number, name in enumerate(("ilium", "sacrum", "ilium", ""), start=1)
    )
    assert by_name([one, two, three, four]) == {"ilium#1": one, "sacrum": two, "ilium#3": three, "#4": four}


@pytest.mark.parametrize("overwritten", ["fixed.nrrd", "moving.nrrd", "bones.nrrd"])
def test_a_displacement_field_is_never_written_over_what_is_read(overwritten: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never written to"):
        register_images(
            tmp_path / "fixed.nrrd",
            tmp_path / "moving.nrrd",
            out=tmp_path / "t.json",
            bones=str(tmp_path / "bones.nrrd#1"),
            deformable=tmp_path / "." / overwritten,
        )


def test_cement_in_a_canal_that_the_tumour_has_reached_is_listed_as_in_it(cemented: Path, tmp_path: Path) -> None:
    z, y, x = np.indices(GRID.shape)
    tumour = ((z - 15) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 64).astype(np.uint8)
    canal = np.zeros(GRID.shape, np.uint8)
    canal[10:20, 18:22, 18:22] = 1
    for name, mask in (("tumour", tumour), ("canal", canal)):
        (tmp_path / f"{name}.nii.gz").write_bytes(nifti_bytes(mask, GRID))
    document = cement_in_image(
        [cemented], lesions=[str(tmp_path / "tumour.nii.gz")], neural=str(tmp_path / "canal.nii.gz")
    )
    (row,) = document["materials"]
    (leak,) = row["leaks"]
    assert leak["compartment"] == "canal_or_foramen" and leak["distance_mm"]["value"] == 0.0
    assert leak["volume_ml"]["value"] == pytest.approx(row["neural_ml"]["value"])
    assert row["leak_ml"]["value"] == 0.0


def test_what_was_injected_names_the_material_and_an_unknown_agent_is_refused(cemented: Path) -> None:
    (unknown,) = cement_in_image([cemented])["materials"]
    (known,) = cement_in_image([cemented], agents=["pmma-barium"])["materials"]
    assert (unknown["kind"], known["kind"]) == ("unclassified", "cement")
    assert known["volume_ml"]["value"] == unknown["volume_ml"]["value"]
    with pytest.raises(UsageError, match="'pmna' is neither"):
        cement_in_image([cemented], agents=["pmma", "pmna"])


def test_labels_without_a_name_are_lesions_by_number(tmp_path: Path) -> None:
    volume = Volume(samples=np.zeros(GRID.shape, np.int16), grid=GRID, modality=Modality.CT)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2], labels[4] = 1, 2
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(labels, GRID))
    masks = lesions_on(volume, [str(tmp_path / "mask.nii.gz")], [tmp_path / "mask.nii.gz"], accept_gaps=False)
    assert list(masks) == ["L1", "L2"]
