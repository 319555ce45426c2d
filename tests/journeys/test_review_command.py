"""What ``review`` says where no window can be opened."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.json").write_text("{}")
    return tmp_path


def test_without_a_screen_the_command_says_so_at_once(osteotrace, workspace):
    done = osteotrace("review", workspace / "one", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.code == 2
    assert "NO_DISPLAY" in done.err


def test_a_workspace_with_several_cases_lists_them(osteotrace, workspace):
    done = osteotrace("review", workspace, DISPLAY=":0")
    assert done.code == 2
    assert "AMBIGUOUS_CASE" in done.err
    assert "one, other" in done.err


def test_a_folder_without_a_result_is_refused(osteotrace, tmp_path):
    done = osteotrace("review", tmp_path, "--json", DISPLAY=":0")
    assert done.code == 3
    assert done.document["findings"][0]["code"] == "NO_CASE_RESULT"


def test_a_case_whose_study_is_not_known_says_how_to_name_it(osteotrace, workspace):
    done = osteotrace("review", workspace / "one", "--json", DISPLAY=":0")
    assert done.code == 3
    assert done.document["findings"][0]["code"] == "STUDY_NOT_FOUND"
    assert "--study" in done.err
