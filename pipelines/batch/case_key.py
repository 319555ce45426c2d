"""What a case's outcome depends on, as one digest: when it is the same, the case need not be done again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import imaging

__all__ = ["case_key", "folder_key"]

State = tuple[str, str, int, int, int]


def case_key(folders: Sequence[Path], *, reviews: Path, options: dict[str, Any]) -> str:
    """Digest of the state of every input file, what readers did, the options that change results, and the version.

    Parameters
    ----------
    folders
        The case's study folders.
    reviews
        Where readers' words are kept; nothing there is ever replaced, so the names tell all.
    options
        As JSON.
    """
    words = sorted(path.name for path in reviews.iterdir()) if reviews.is_dir() else []
    about = json.dumps([imaging.__version__, options, words], sort_keys=True).encode()
    whole = hashlib.sha256(about)
    for digest in sorted(folder_key(folder) for folder in folders):
        whole.update(digest.encode())
    return whole.hexdigest()


def folder_key(folder: Path) -> str:
    """Digest of every file below the folder: its place, size, time of change, permissions, and where a link leads.

    Contents are not read: a batch of thousands of studies must know within seconds what is left to do.
    """
    whole = hashlib.sha256(os.fsencode(folder.name))
    for row in sorted(states(folder)):
        whole.update(json.dumps(row).encode())
    return whole.hexdigest()


def states(folder: Path) -> Iterator[State]:
    """One row for each file and folder; no recursion, because folders may be nested deeper than Python's stack."""
    yield "", "", 0, 0, folder.stat().st_mode if folder.is_dir() else 0
    waiting = [(str(folder), "")]
    while waiting:
        here, place = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError:
            continue  # closed to us; its own row tells its permissions
        for entry in entries:
            below = f"{place}/{entry.name}"
            yield state(entry, below)
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, below))


def state(entry: os.DirEntry[str], place: str) -> State:
    """Where a link leads, then size, time and kind of what is there; zeros where nothing is."""
    target = ""
    try:
        if entry.is_symlink():
            target = str(Path(entry.path).readlink())
        seen = entry.stat()
    except OSError:
        return place, target, 0, 0, 0
    is_folder = stat.S_ISDIR(seen.st_mode)
    return place, target, 0 if is_folder else seen.st_size, 0 if is_folder else seen.st_mtime_ns, seen.st_mode
