"""Which outcomes of earlier batches still hold."""

from __future__ import annotations

import json
from pathlib import Path

from imaging.provenance import sha256_hex
from pipelines.batch.child import NOT_THE_INPUT
from pipelines.batch.isolate import Limits
from pipelines.batch.journal import Entry
from pipelines.batch.outcome import End, Outcome
from pipelines.workspace import CaseFolder

__all__ = ["outcome_that_holds"]


def outcome_that_holds(entry: Entry | None, key: str, limits: Limits, target: CaseFolder) -> Outcome | None:
    """The entry's outcome, if doing the case again could give no other one.

    Parameters
    ----------
    entry
        The newest of the case.
    key
        Of the case as it is now: another one means that an input, an option or a reader's word has changed.
    limits
        A failure may end otherwise under others.
    target
        Where a done case must still have everything that it wrote, byte for byte.
    """
    if entry is None or entry.key != key:
        return None
    outcome = entry.outcome
    match outcome.end:
        case End.DONE:
            return outcome if is_whole(target, outcome.sha256) else None
        case End.REFUSED:
            return outcome
        case End.FAILED:
            return outcome if entry.limits == limits and outcome.code not in NOT_THE_INPUT else None


def is_whole(target: CaseFolder, sha256: str | None) -> bool:
    """Whether case.json is the one that was written, and every output that it lists."""
    try:
        content = target.document.read_bytes()
        return sha256_hex(content) == sha256 and all(
            sha256_of(target.root / row["path"]) == row["sha256"] for row in json.loads(content)["outputs"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256_of(path: Path) -> str:
    return sha256_hex(path.read_bytes())
