"""What a command about one image does with bone that a trained model found, and with prompts in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from imaging.errors import BackendUnavailable
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid
from imaging.segmentation.prompt import PointPrompt
from pipelines.single import cement_in_image, read_prompts
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
