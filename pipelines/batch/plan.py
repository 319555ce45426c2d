"""What a batch has to do: every folder directly below ROOT is a case and will have a row, whatever it holds."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imaging.errors import InputError, UsageError
from imaging.finding import Finding, Severity
from pipelines.batch.outcome import End, Outcome
from pipelines.settings import read_toml
from pipelines.workspace import case_id_of

__all__ = ["Plan", "PlannedCase", "by_patient", "plan_cases", "settle_conflicts"]

CASE_FILE = "case.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCase:
    """One row to come.

    Parameters
    ----------
    id
        The case file's id, else one made from the patient's pseudonym where folders were put together, so that an exam
        that is added later joins the case and what readers did in it; else from the folder's name.
    folders
        Directly below ROOT, in order of their names.
    refused
        Why the case is not even begun, or None.
    """

    id: str
    folders: tuple[Path, ...]
    refused: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cases in order of their folders, and what else lies in ROOT."""

    cases: tuple[PlannedCase, ...]
    findings: tuple[Finding, ...] = ()


def plan_cases(root: Path, workspace: Path) -> Plan:
    """One case for every folder in ROOT but dot folders and the workspace; links are refused, loose files told.

    Parameters
    ----------
    root, workspace
        Absolute and without links.

    Raises
    ------
    UsageError
        WORKSPACE_IN_INPUT: the workspace is ROOT, or lies in a case; FILE_NOT_FOUND: ROOT cannot be listed.
    """
    require_apart(root, workspace)
    try:
        paths = sorted((path for path in root.iterdir() if not path.name.startswith(".")), key=os.fsencode)
    except OSError as error:
        raise UsageError(f"ROOT cannot be listed ({error.strerror})", code="FILE_NOT_FOUND") from error
    cases, loose = [], 0
    for path in (path for path in paths if path != workspace):
        if path.is_symlink() and not is_file(path):
            cases.append(PlannedCase(id=folder_id([path]), folders=(path,), refused=refused_link(path, root)))
        elif path.is_dir():
            cases.append(PlannedCase(id=id_of([path]), folders=(path,)))
        else:
            loose += 1
    message = f"{loose} files lie directly in ROOT and belong to no case; a case is a folder"
    findings = (Finding("LOOSE_FILES", Severity.WARNING, message),) if loose else ()
    return Plan(cases=tuple(cases), findings=findings)


def require_apart(root: Path, workspace: Path) -> None:
    if workspace == root or root in workspace.parent.parents or looks_like_input(root, workspace):
        raise UsageError(
            "the workspace lies in a case, or is ROOT itself; inputs are never written to, so choose another folder",
            code="WORKSPACE_IN_INPUT",
        )


def looks_like_input(root: Path, workspace: Path) -> bool:
    """Whether a workspace directly in ROOT is there already, holds something, and no batch or run ever wrote there."""
    if workspace.parent != root or not workspace.is_dir() or not any(workspace.iterdir()):
        return False
    return not any((workspace / name).exists() for name in (".lock", "journal.jsonl")) and not any(
        workspace.glob("*/case.json")
    )


def refused_link(path: Path, root: Path) -> Outcome:
    target = Path(os.path.realpath(path))
    if not target.exists():
        return refused("LINK_BROKEN", "a link that leads nowhere")
    if target.is_relative_to(root):
        return refused("LINK_INSIDE", "a link to another folder in ROOT, which has its own row")
    return refused("LINK_OUTSIDE", "a link that leads out of ROOT")


def refused(code: str, message: str) -> Outcome:
    return Outcome(end=End.REFUSED, code=code, message=message)


def id_of(folders: Sequence[Path], patient: str | None = None) -> str:
    """The id in the one case file, if it can be read; the case itself will say what is wrong with it otherwise."""
    written = [folder for folder in folders if is_file(folder / CASE_FILE)]
    if len(written) == 1:
        try:
            table = read_toml(written[0] / CASE_FILE).get("case")
            if isinstance(table, dict) and isinstance(table.get("id"), str):
                return case_id_of(table["id"], "")
        except (InputError, UsageError):
            pass
    return folder_id(folders) if patient is None else case_id_of(None, f"\0{patient}")


def is_file(path: Path) -> bool:
    """Whether a file is there; no, where one may not look."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises there


def folder_id(folders: Sequence[Path]) -> str:
    return case_id_of(None, "\0".join(sorted(folder.name for folder in folders)))


def by_patient(plan: Plan, patients: Mapping[Path, Sequence[str]]) -> Plan:
    """The plan with all folders of one patient as one case.

    Parameters
    ----------
    patients
        Who was seen in each folder, by pseudonym, "" for nobody knows whom. Only folders with exactly one known patient
        are put together: two folders that do not say whose they are may be of two people.
    """
    groups = defaultdict[str, list[Path]](list)
    alone: list[PlannedCase] = []
    unknown = 0
    for case in plan.cases:
        seen = [] if case.refused else list(patients.get(case.folders[0], ()))
        unknown += "" in seen
        if len(seen) == 1 and seen[0]:
            groups[seen[0]].extend(case.folders)
        else:
            alone.append(case)
    grouped = [
        PlannedCase(id=id_of(folders, patient), folders=tuple(folders), refused=refused_group(folders))
        for patient, folders in groups.items()
    ]
    message = f"{unknown} folders hold images that do not say whose they are; each is a case of its own"
    findings = (Finding("PATIENT_UNKNOWN", Severity.WARNING, message),) if unknown else ()
    cases = sorted([*alone, *grouped], key=lambda case: os.fsencode(case.folders[0]))
    return Plan(cases=tuple(cases), findings=(*plan.findings, *findings))


def refused_group(folders: Sequence[Path]) -> Outcome | None:
    written = sum(os.path.lexists(folder / CASE_FILE) for folder in folders)
    if written < 2:
        return None
    return refused(
        "SEVERAL_CASE_FILES", f"{written} of the patient's {len(folders)} folders hold a case.toml; keep one"
    )


def settle_conflicts(plan: Plan, root: Path, workspace: Path) -> Plan:
    """The plan without cases that would write into one place, or into the input: all of them are refused."""
    counts = Counter(
        case.id for case in plan.cases if case.refused is None or case.refused.code == "SEVERAL_CASE_FILES"
    )

    def settled(case: PlannedCase) -> PlannedCase:
        if case.refused is not None:
            return case
        if counts[case.id] > 1:
            message = f"{counts[case.id]} folders say that they are this case; give each an id of its own"
            return replace(case, refused=refused("DUPLICATE_CASE_ID", message))
        if root.is_relative_to(workspace / case.id):
            message = "the case's folder in the workspace would be ROOT or hold it; choose another workspace"
            return replace(case, refused=refused("WORKSPACE_IN_INPUT", message))
        return case

    return replace(plan, cases=tuple(settled(case) for case in plan.cases))
