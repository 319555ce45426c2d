"""Settings: numbers within reason, a site's own criteria to the last digit, and nothing that is not known."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from imaging.errors import UsageError
from imaging.response.own import own_criteria
from imaging.segmentation.catalogue import BACKEND
from pipelines.settings import Settings, read_settings

OWN = """
reader_wcv_ct = 0.12
[[criterion]]
name = "lung"
metric = "volume_ml"
pr = "-0.35"
pd = 0.55
least_growth_mm = 5
source = "Cancer Imaging 2015, s40644-015-0052-2"
"""


def written(folder: Path, text: str) -> Settings:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def test_without_a_file_the_defaults_hold_and_the_built_in_segmenter_is_used() -> None:
    assert read_settings(None) == Settings()
    assert Settings().segmenter == BACKEND


def test_a_segmenter_is_chosen_by_name_and_stands_in_the_record(tmp_path: Path) -> None:
    settings = written(tmp_path, 'segmenter = "onnx:/models/lesion"\nregistration_error_mm = 3\n')
    assert (settings.record()["segmenter"], settings.registration_error_mm) == ("onnx:/models/lesion", 3.0)


def test_toml_numbers_and_text_give_the_same_exact_thresholds(tmp_path: Path) -> None:
    settings = written(tmp_path, OWN)
    (lung,) = settings.criteria
    assert (lung.partial, lung.progression, lung.least_ball_growth_mm) == (Fraction(65, 100), Fraction(155, 100), 5)
    assert settings.reader_wcv_ct == 0.12
    assert isinstance(settings.reader_wcv_ct, float)


def test_the_record_is_json_and_brings_the_criteria_back(tmp_path: Path) -> None:
    settings = written(tmp_path, OWN)
    record = json.loads(json.dumps(settings.record()))
    assert own_criteria(record["criteria"]) == settings.criteria
    assert Settings().record()["criteria"] == []


@pytest.mark.parametrize(
    "text",
    [
        "criteria = 3",
        "segmenter = 3",
        "criterion = 3",
        "[criterion]\nname = 'x'",
        "reader_wcv_ct = '0.1'",
        "reader_wcv_ct = true",
        "reader_wcv_ct = nan",
        "readr_wcv_ct = 0.1",
        OWN.replace("0.55", "-0.55"),
        OWN.replace('"-0.35"', '"a third"'),
        OWN.replace("least_growth_mm", "least_growth_cm"),
        OWN + OWN.partition("0.12\n")[2],
    ],
)
def test_what_cannot_be_set_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as raised:
        written(tmp_path, text)
    assert raised.value.code == "BAD_SETTING"
