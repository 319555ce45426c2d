"""How a batch is to be done."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.batch.isolate import Limits

__all__ = ["Options", "default_workers"]

MEMORY_FOR_A_WORKER = 2 * 2**30  # bytes of the machine's memory; four times the sample case's peak


def default_workers() -> int:
    """One for each core that this process may use, and at most one for every 2 GiB of memory; see the package."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // MEMORY_FOR_A_WORKER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a batch is done; all but the last three and ``group_by_patient`` leave results as they are.

    Parameters
    ----------
    workers
        Cases at a time on this machine.
    scheduler
        Address of a Dask scheduler, whose workers have the cases done instead.
    group_by_patient
        Folders of one patient are one case.
    fresh
        Do every case again; what readers did is kept in any case.
    accept_gaps
        Take series with missing or uneven slices as they are.
    identified
        Show folders' names and patients' ids.
    config
        Settings as TOML.
    """

    workers: int = field(default_factory=default_workers)
    scheduler: str | None = None
    limits: Limits = field(default_factory=Limits)
    group_by_patient: bool = False
    fresh: bool = False
    accept_gaps: bool = False
    identified: bool = False
    config: Path | None = None
