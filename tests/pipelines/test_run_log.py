from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import InputError, RecordError
from pipelines.run_log import Run, last_run, log_run, now, walked, way_to
from pipelines.workspace import CaseFolder, append_line

PATIENT = "DOE^JANE 1961"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / PATIENT / "study"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def case(tmp_path: Path) -> CaseFolder:
    folder = tmp_path / "out" / "workspace" / "case-1"
    folder.mkdir(parents=True)
    return CaseFolder(folder)


def test_a_study_is_found_again_though_its_name_stands_nowhere(study, case):
    log_run(case, Run(studies=(study,), config=study.parent), started=now())
    assert PATIENT not in (case.root / "run.log").read_text()
    assert last_run(case) == Run(studies=(study,), config=study.parent)


def test_an_identified_run_says_where_the_study_lies(study, case):
    log_run(case, Run(studies=(study,), identified=True), started=now())
    assert PATIENT in (case.root / "run.log").read_text()
    assert last_run(case) == Run(studies=(study,), identified=True)


def test_the_newest_run_counts(study, case):
    log_run(case, Run(studies=(study.parent,)), started=now())
    log_run(case, Run(studies=(study,)), started=now())
    assert last_run(case).studies == (study,)


def test_a_project_that_moves_as_a_whole_stays_whole(study, case, tmp_path):
    log_run(case, Run(studies=(study,)), started=now())
    (tmp_path / "in").rename(tmp_path / "in2")
    (tmp_path / "moved").mkdir()
    (tmp_path / "in2").rename(tmp_path / "moved" / "in")
    (tmp_path / "out").rename(tmp_path / "moved" / "out")
    moved = CaseFolder(tmp_path / "moved" / "out" / "workspace" / "case-1")
    assert last_run(moved).studies == (tmp_path / "moved" / "in" / PATIENT / "study",)


def test_a_study_that_went_away_is_said_and_how_to_name_it(study, case):
    log_run(case, Run(studies=(study,)), started=now())
    study.rmdir()
    with pytest.raises(InputError, match="--study") as caught:
        last_run(case)
    assert caught.value.code == "STUDY_NOT_FOUND"
    assert PATIENT not in str(caught.value)


def test_no_log_is_no_study(case):
    with pytest.raises(InputError, match="--study"):
        last_run(case)


def test_a_damaged_log_is_refused(case):
    append_line(case.root / "run.log", '{"studies": 3}')
    with pytest.raises(RecordError):
        last_run(case)


def test_a_line_after_a_torn_one_can_be_read(study, case):
    (case.root / "run.log").write_text('{"started": "20')
    log_run(case, Run(studies=(study,)), started=now())
    assert last_run(case).studies == (study,)


NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\0"), min_size=1, max_size=20)


@given(st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=3), st.booleans())
def test_any_way_can_be_walked(tmp_path_factory, names, in_clear):
    root = tmp_path_factory.mktemp("root")
    start, end = root / "a" / "b", root.joinpath(*names)
    start.mkdir(parents=True)
    end.mkdir(parents=True, exist_ok=True)
    assert walked(way_to(end, start, in_clear=in_clear), start) == end.resolve()


def test_that_gaps_were_accepted_is_remembered_and_was_not_before_there_was_a_choice(study, case):
    log_run(case, Run(studies=(study,), accept_gaps=True), started=now())
    assert last_run(case).accept_gaps is True
    (line,) = (case.root / "run.log").read_text().splitlines()
    earlier = {key: value for key, value in json.loads(line).items() if key != "accept_gaps"}
    (case.root / "run.log").write_text(json.dumps(earlier) + "\n")
    assert last_run(case).accept_gaps is False
