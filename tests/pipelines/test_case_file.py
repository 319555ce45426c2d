"""What people write about a case, read without guessing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imaging.errors import CaseFileError, UnreadableFile
from imaging.segmentation.prompt import BoxPrompt
from pipelines.case_file import read_case_file

WHOLE = """
[case]
id = "HCC-001"
[[lesion]]
id = "L1"
name = "left sacrum"
side = "left"
  [[lesion.prompt]]
  timepoint = "T0"
  kind = "box"
  points_lps_mm = [[8.0, -20.0, -110.0], [52.0, 24.0, -66.0]]
  [[lesion.review]]
  timepoint = 2003-01-06
  status = "accepted"
  reader = "reader-1"
  mask_sha256 = "00"
  [[lesion.link]]
  timepoint = "T2"
  reader = "reader-1"
  mask_sha256 = "01"
[[procedure]]
id = "P2"
when = 2003-01-17T10:30:00
kind = "sacroplasty"
lesion = "L1"
materials = [{agent = "pmma-barium", injected_ml = 7.0}]
[[procedure]]
id = "P1"
when = 2003-01-10
kind = "embolization"
[[clinical]]
when = 2003-01-27
pain_nrs = 0
event = ""
[[series]]
uid = "1.2.3"
role = "t1"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_case_file_becomes_values(tmp_path: Path) -> None:
    case = read_case_file(written(tmp_path, WHOLE))
    assert case.id == "HCC-001"
    assert [(lesion.id, lesion.kind) for lesion in case.lesions] == [("L1", "target")]
    assert isinstance(case.lesions[0].prompts[0].prompt, BoxPrompt)
    assert [(p.id, p.when) for p in case.procedures] == [("P1", "2003-01-10"), ("P2", "2003-01-17T10:30:00")]
    assert case.procedures[1].materials == (("pmma-barium", 7.0),)
    assert case.clinical[0].pain_nrs == 0
    assert case.clinical[0].event is None
    assert case.reviews[0].timepoint == "2003-01-06"
    assert case.roles == {"1.2.3": "t1"}
    assert case.findings == ()


def test_a_readers_word_on_whose_a_mask_is_belongs_to_its_lesion(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(WHOLE, encoding="utf-8")
    (link,) = read_case_file(path).links
    assert (link.lesion, link.timepoint, link.reader, link.mask_sha256) == ("L1", "T2", "reader-1", "01")


@pytest.mark.parametrize(("written", "asked"), [("", False), ("across_roles = true", True)])
def test_changes_across_roles_are_computed_where_they_are_asked_for(written: str, asked: bool, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(f'[case]\nid = "a"\n{written}\n', encoding="utf-8")
    assert read_case_file(path).across_roles is asked


def test_no_case_file_is_an_empty_one_that_knows_it() -> None:
    case = read_case_file(None)
    assert (case.lesions, case.procedures, case.written) == ((), (), False)


def test_a_key_that_nothing_reads_is_told(tmp_path: Path) -> None:
    case = read_case_file(written(tmp_path, WHOLE.replace("pain_nrs", "pain_nsr")))
    assert [finding.code for finding in case.findings] == ["CASE_FILE_UNKNOWN_KEY"]
    assert "clinical.pain_nsr" in case.findings[0].message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "L1"', 'id = "../../etc"'),
        ('side = "left"', 'side = "links"'),
        ("injected_ml = 7.0", "injected_ml = -1"),
        ("injected_ml = 7.0", "injected_ml = nan"),
        ("injected_ml = 7.0", 'injected_ml = "7"'),
        ('lesion = "L1"', 'lesion = "L9"'),
        ("when = 2003-01-10", 'when = "last week"'),
        ("pain_nrs = 0", "pain_nrs = 11"),
        ('kind = "box"', 'kind = "blob"'),
        ("[[8.0, -20.0, -110.0], [52.0, 24.0, -66.0]]", "[[8.0, -20.0]]"),
        ('id = "P2"', 'id = "P1"'),
        ("[[lesion]]", "[lesion]"),
        ("[case]", "[case"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in WHOLE
    with pytest.raises(CaseFileError):
        read_case_file(written(tmp_path, WHOLE.replace(old, new, 1)))


def test_a_missing_case_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        read_case_file(tmp_path / "none.toml")


def test_text_that_is_not_utf8_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_bytes(b'[case]\nid = "\xff"\n')
    with pytest.raises(CaseFileError):
        read_case_file(tmp_path / "case.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 3000 + "]" * 3000, "a = " + "9" * 5000, "#" * (4 * 2**20 + 1)])
def test_toml_beyond_all_use_is_refused_and_not_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(CaseFileError):
        read_case_file(written(tmp_path, text))


def test_a_pipe_in_place_of_a_case_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "case.toml")
    with pytest.raises(CaseFileError):
        read_case_file(tmp_path / "case.toml")
