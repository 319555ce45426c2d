"""Every folder in ROOT has a row, and no two cases share a place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import UsageError
from pipelines.batch.outcome import End, Outcome
from pipelines.batch.plan import Plan, PlannedCase, by_patient, plan_cases, settle_conflicts
from pipelines.workspace import case_id_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def case_in(root: Path, name: str, id: str | None = None) -> Path:
    folder = root / name
    folder.mkdir()
    if id is not None:
        (folder / "case.toml").write_text(f'[case]\nid = "{id}"\n')
    return folder


def planned(root: Path, workspace: Path | None = None) -> Plan:
    workspace = workspace or root.parent / "out"
    return settle_conflicts(plan_cases(root, workspace), root, workspace)


def codes(plan: Plan) -> dict[str, str | None]:
    return {case.folders[0].name: case.refused and case.refused.code for case in plan.cases}


def test_every_folder_is_a_case_and_nothing_else_is(root: Path) -> None:
    for name in ("b", "a", ".git"):
        case_in(root, name)
    (root / "a" / "deeper").mkdir()
    (root / "loose.dcm").write_bytes(b"")
    plan = planned(root)
    assert [case.folders for case in plan.cases] == [(root / "a",), (root / "b",)]
    assert [finding.code for finding in plan.findings] == ["LOOSE_FILES"]


def test_the_id_is_the_case_files_or_made_from_the_name(root: Path) -> None:
    case_in(root, "a", "HCC-001")
    for name, text in (("b", "[case"), ("c", "[case]\nid = 7"), ("d", "case = 1"), ("e", '[case]\nid = "../x"')):
        (case_in(root, name) / "case.toml").write_text(text)
    os.mkfifo(case_in(root, "f") / "case.toml")
    assert [case.id for case in planned(root).cases] == ["HCC-001", *(case_id_of(None, name) for name in "bcdef")]


def test_links_are_refused_and_say_where_they_lead(root: Path) -> None:
    case_in(root, "case", "HCC-001")
    for name, target in (("in", root / "case"), ("out", root.parent), ("none", root / "x"), ("round", root / "round")):
        (root / name).symlink_to(target)
    assert codes(planned(root)) == {
        "case": None, "in": "LINK_INSIDE", "none": "LINK_BROKEN", "out": "LINK_OUTSIDE", "round": "LINK_BROKEN",
    }  # fmt: skip


def test_two_folders_with_one_id_are_both_refused(root: Path) -> None:
    for name, id in (("a", "HCC-001"), ("b", "HCC-002"), ("c", "HCC-001")):
        case_in(root, name, id)
    assert codes(planned(root)) == {"a": "DUPLICATE_CASE_ID", "b": None, "c": "DUPLICATE_CASE_ID"}


def test_the_workspace_is_no_case(root: Path) -> None:
    case_in(root, "a")
    assert codes(planned(root, root / "out")) == {"a": None}
    (case_in(root, "out") / ".lock").touch()
    assert codes(planned(root, root / "out")) == {"a": None}


@pytest.mark.parametrize("place", ["in", "in/a", "in/a/out", "in/a/b/c"])
def test_a_workspace_inside_the_input_is_a_usage_error(root: Path, place: str) -> None:
    case_in(root, "a", "HCC-001")
    with pytest.raises(UsageError) as caught:
        planned(root, root.parent / place)
    assert caught.value.code == "WORKSPACE_IN_INPUT"


def test_a_case_that_would_be_written_over_the_input_is_refused(root: Path) -> None:
    case_in(root, "a", "in")
    assert codes(planned(root, root.parent)) == {"a": "WORKSPACE_IN_INPUT"}


@given(st.lists(st.sampled_from("abcdefg"), unique=True, max_size=7), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_in_which_folders_were_made(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], shuffled: object
) -> None:
    plans = []
    for _ in range(2):
        root = tmp_path_factory.mktemp("root")
        for name in names:
            case_in(root, name, "SAME" if name in "ab" else None)
        plans.append([(case.id, case.folders[0].name, case.refused) for case in planned(root).cases])
        shuffled.shuffle(names)  # type: ignore[attr-defined]
    assert plans[0] == plans[1]


def test_folders_of_one_known_patient_are_one_case(root: Path) -> None:
    seen = {
        case_in(root, "a"): ["P1"],
        case_in(root, "b", "HCC-001"): ["P1"],
        case_in(root, "c"): ["P2"],
        case_in(root, "d"): ["P1", "P2"],
        case_in(root, "e"): [],
        case_in(root, "f"): ["P2"],
    }
    plan = by_patient(planned(root), seen)
    assert [(case.id, [folder.name for folder in case.folders]) for case in plan.cases] == [
        ("HCC-001", ["a", "b"]),
        (case_id_of(None, "\0P2"), ["c", "f"]),
        (case_id_of(None, "d"), ["d"]),
        (case_id_of(None, "e"), ["e"]),
    ]


def test_an_exam_that_is_added_later_joins_the_case_of_its_patient(root: Path) -> None:
    seen = {case_in(root, "b"): ["P1"]}
    (before,) = by_patient(planned(root), seen).cases
    seen[case_in(root, "a")] = ["P1"]
    (after,) = by_patient(planned(root), seen).cases
    assert (before.id, len(before.folders)) == (after.id, len(after.folders) - 1)


def test_folders_that_do_not_say_whose_they_are_stay_apart(root: Path) -> None:
    for name in "ab":
        case_in(root, name)
    plan = by_patient(planned(root), {root / name: [""] for name in "ab"})
    assert [len(case.folders) for case in plan.cases] == [1, 1]
    assert [finding.code for finding in plan.findings] == ["PATIENT_UNKNOWN"]


def test_a_patient_with_two_case_files_is_one_refused_row(root: Path) -> None:
    seen = {case_in(root, name, id): ["P1"] for name, id in (("a", "X"), ("b", "Y"), ("c", None))}
    (case,) = by_patient(planned(root), seen).cases
    assert (case.refused and case.refused.code, len(case.folders)) == ("SEVERAL_CASE_FILES", 3)


def test_a_refused_folder_is_never_put_together_with_others(root: Path) -> None:
    refusal = Outcome(end=End.REFUSED, code="LINK_OUTSIDE")
    plan = Plan(cases=(PlannedCase(id="x", folders=(root / "x",), refused=refusal),))
    assert by_patient(plan, {root / "x": ["P1"]}).cases == plan.cases
