"""Whose images lie in each folder, seen by processes of their own and remembered in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import imaging
from imaging.provenance import sha256_hex
from pipelines.batch.case_key import folder_key
from pipelines.batch.executor import Executor
from pipelines.batch.isolate import Job
from pipelines.batch.journal import Journal
from pipelines.batch.outcome import End, Outcome
from pipelines.documents import pseudonym
from pipelines.settings import pseudonym_key

__all__ = ["patients_in"]


def patients_in(
    folders: Sequence[Path],
    job: Job,
    executor: Executor,
    journal: Journal,
    remember: Callable[[str, str, Outcome], None] = lambda *_: None,
) -> Mapping[Path, Sequence[str]]:
    """The patients of each folder by pseudonym; nothing for a folder whose scan came to no end.

    Parameters
    ----------
    job
        Asks who is seen, but for the folder.
    remember
        Told the case ("", as it is a folder), the key and the outcome of each new scan.
    """
    keys = {folder: patients_key(folder) for folder in folders}
    entries = {folder: journal.of("", keys[folder]) for folder in folders}
    seen = {folder: entry.outcome.patients for folder, entry in entries.items() if entry is not None}
    jobs = {
        str(folder): replace(job, request={**job.request, "folders": [str(folder)]})
        for folder in folders
        if folder not in seen
    }
    with closing(executor.outcomes(jobs)) as outcomes:
        for name, outcome in outcomes:
            if outcome.end is End.DONE:
                seen[Path(name)] = outcome.patients
                remember("", keys[Path(name)], outcome)
    return seen


def patients_key(folder: Path) -> str:
    """Changes with the folder, the software, and the secret under which pseudonyms are made."""
    return sha256_hex(f"{folder_key(folder)} {imaging.__version__} {pseudonym('', pseudonym_key())}".encode())
