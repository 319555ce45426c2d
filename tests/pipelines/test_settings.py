"""What a site may tune."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging.errors import UsageError
from imaging.segmentation.catalogue import BACKEND
from pipelines.settings import Settings, read_settings


def test_without_a_file_the_defaults_hold_and_the_built_in_segmenter_is_used() -> None:
    assert read_settings(None) == Settings()
    assert Settings().segmenter == BACKEND


def test_a_segmenter_is_chosen_by_name_and_stands_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('segmenter = "onnx:/models/lesion"\nregistration_error_mm = 3\n')
    settings = read_settings(tmp_path / "s.toml")
    assert (settings.record()["segmenter"], settings.registration_error_mm) == ("onnx:/models/lesion", 3.0)


@pytest.mark.parametrize(
    ("text", "says"), [("segmenter = 3", "a name"), ("reader_wcv_ct = 'x'", "a number"), ("colour = 3", "no setting")]
)
def test_a_wrong_value_or_an_unknown_name_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UsageError, match=says) as refusal:
        read_settings(tmp_path / "s.toml")
    assert refusal.value.code == "BAD_SETTING"
