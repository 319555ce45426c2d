"""A batch from ROOT to its document: plan, skip what is settled, have the rest done, journal each outcome at once."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imaging.finding import Finding, Severity
from pipelines.batch.cohort import write_cohort
from pipelines.batch.execute import finished_cases
from pipelines.batch.executor import executor_for
from pipelines.batch.interruption import interruption
from pipelines.batch.isolate import Job
from pipelines.batch.journal import Entry, read_journal
from pipelines.batch.ledger import Ledger
from pipelines.batch.options import Options
from pipelines.batch.outcome import Outcome
from pipelines.batch.patients import patients_in
from pipelines.batch.plan import by_patient, plan_cases, settle_conflicts
from pipelines.batch.progress import shown_progress
from pipelines.reports.as_json import json_text
from pipelines.settings import read_settings
from pipelines.workspace import SCRATCH, atomic_write, locked, remove_scraps

__all__ = ["plan_batch", "run_batch"]

Document = dict[str, Any]

BETWEEN_DOCUMENTS_S = 5.0  # batch.json is written anew while the batch runs, but no more often


def run_batch(
    root: Path, workspace: Path, options: Options, *, quiet: bool = False, say: Callable[[str], None] = lambda _: None
) -> tuple[Document, bool]:
    """Do every case of ROOT that is not settled, and write batch.json and the cohort.

    Parameters
    ----------
    root
        Every folder in it is a case. Never written to.
    workspace
        Gets a folder for each case; one batch at a time works in it.
    quiet
        Show no progress on stderr.
    say
        Told what an internal error passed through.

    Returns
    -------
    The document, and whether the batch was interrupted: then the same call goes on where it ended.

    Raises
    ------
    UsageError
        The call makes no sense, whatever the cases.
    ConflictError
        WORKSPACE_BUSY.
    InputError
        OUTPUT_NOT_WRITABLE: what was finished is on disk.
    """
    began = time.monotonic()
    root, workspace = real(root), real(workspace)
    settings = read_settings(options.config)
    plan = plan_cases(root, workspace)
    with (
        locked(workspace),
        scratch_in(workspace) as scratch,
        interruption() as stop,
        executor_for(options.scheduler, options.workers, stop) as executor,
    ):
        journal = read_journal(workspace)

        def remember(case: str, key: str, outcome: Outcome) -> None:
            finished = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            journal.add(Entry(case=case, key=key, limits=options.limits, outcome=outcome, finished=finished))

        if options.group_by_patient:
            folders = [case.folders[0] for case in plan.cases if case.refused is None]
            job = Job(request={"task": "see_patients"}, limits=options.limits, scratch=scratch)
            plan = by_patient(plan, patients_in(folders, job, executor, journal, remember))
        plan = settle_conflicts(plan, root, workspace)
        ledger = Ledger(workspace=workspace, options=options, settings=settings, journal=journal, plan=plan)
        todo = ledger.settle(wanted=lambda: not stop.is_set())
        with shown_progress(len(plan.cases), len(ledger.rows), quiet=quiet) as advance:
            written = time.monotonic()
            for case, outcome in finished_cases(ledger, todo, executor, scratch):
                remember(case.id, ledger.keys[case.id], outcome)
                advance(ledger.put(case, outcome))
                for step in outcome.way:
                    say(f"  {step}")
                if time.monotonic() - written >= BETWEEN_DOCUMENTS_S:
                    written = time.monotonic()
                    write_document(workspace, ledger.document())
        left = len(plan.cases) - len(ledger.rows)
        document = ledger.document((interrupted(left),) if left else ())
        document["seconds"] = round(time.monotonic() - began, 1)
        write_document(workspace, document)
        if not left:
            write_cohort(workspace, ledger.listed())
        return document, left > 0


def plan_batch(root: Path, workspace: Path, options: Options) -> Document:
    """What a batch would do, as its document with the ids of the cases that would be done; nothing is written.

    Raises
    ------
    UsageError
        As :func:`run_batch`.
    """
    root, workspace = real(root), real(workspace)
    settings = read_settings(options.config)
    plan, journal = plan_cases(root, workspace), read_journal(workspace)
    if options.group_by_patient:
        with (
            tempfile.TemporaryDirectory() as scratch,
            interruption() as stop,
            executor_for(options.scheduler, options.workers, stop) as executor,
        ):
            folders = [case.folders[0] for case in plan.cases if case.refused is None]
            job = Job(request={"task": "see_patients"}, limits=options.limits, scratch=Path(scratch))
            plan = by_patient(plan, patients_in(folders, job, executor, journal))
            if stop.is_set():
                raise KeyboardInterrupt
    plan = settle_conflicts(plan, root, workspace)
    ledger = Ledger(workspace=workspace, options=options, settings=settings, journal=journal, plan=plan)
    todo = ledger.settle()
    return ledger.document(planned=list(todo))


def real(path: Path) -> Path:
    """The path without links, whether it is there or not."""
    return Path(os.path.realpath(path))


@contextmanager
def scratch_in(workspace: Path) -> Iterator[Path]:
    """A folder for what lives as long as a case's process; what a killed batch left there goes first."""
    scratch = workspace / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    remove_scraps(workspace)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def interrupted(left: int) -> Finding:
    message = f"interrupted; {left} cases are left, and the same call goes on with them"
    return Finding("INTERRUPTED", Severity.ERROR, message)


def write_document(workspace: Path, document: Document) -> None:
    atomic_write(workspace / "batch.json", json_text(document).encode())
