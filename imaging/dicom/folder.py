"""Every file that lies under some paths, once, and why some may not be opened.

Links are not followed out of the paths, and never into a loop. The members of a zip archive are files below it; their
paths go on where the archive's ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from imaging.dicom.archive_directory import read_directory
from imaging.errors import InputError

__all__ = ["Found", "files_under", "members_under", "referenced_files"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and the code of why it may not be opened ("" if it may)."""

    path: Path
    code: str = ""


def files_under(paths: Sequence[Path], seen: set[str]) -> Iterator[Found]:
    """Every file once, folder by folder, names in order; those of ``seen`` are left out, and the others join them.

    Examples
    --------
    >>> list(files_under([Path("nowhere")], set()))
    [Found(path=PosixPath('nowhere'), code='NOT_A_FILE')]
    """
    roots = [os.path.realpath(path) for path in paths]
    for path in sorted(map(Path, paths), key=str):
        for found, real in _under(path, roots):
            if real not in seen:
                seen.add(real)
                yield found


def members_under(archive: Path) -> Iterator[Found]:
    """The members of a zip archive."""
    try:
        for member in read_directory(archive).members:
            yield Found(archive / member.name, member.code)
    except InputError as error:
        yield Found(archive, error.code)


def referenced_files(directory: Path, references: Sequence[Sequence[str]]) -> Iterator[Found]:
    """The files that a DICOMDIR names by their steps below its own folder (PS3.10 8.5); none outside of it.

    Examples
    --------
    >>> list(referenced_files(Path("cd/DICOMDIR"), [("..", "x")]))
    [Found(path=PosixPath('cd/DICOMDIR'), code='UNSAFE_NAME')]
    """
    folder = os.path.realpath(directory.parent)
    for steps in dict.fromkeys(map(tuple, references)):
        if any(step in ("", ".", "..") or not step.isprintable() or set(step) & set("/\\:") for step in steps):
            yield Found(directory, "UNSAFE_NAME")
            continue
        path = directory.parent.joinpath(*steps)
        real = os.path.realpath(path)
        is_inside = os.path.commonpath([folder, real]) == folder
        yield Found(path, "" if is_inside else "LINK_OUTSIDE")


def _under(path: Path, roots: Sequence[str]) -> Iterator[tuple[Found, str]]:
    """Each with the path that it has without links."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # a name may hold what no name may
        yield Found(path, "NOT_A_FILE"), str(path)
        return
    if not stat.S_ISDIR(mode):
        is_link = path.is_symlink()
        yield Found(path), os.path.realpath(path) if is_link else f"{_real(str(path.parent))}{os.sep}{path.name}"
        return
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield Found(folder, "UNREADABLE_FOLDER"), str(folder)
            continue
        # Links to folders are not entered: inside the root their target is met anyway, outside it is not asked for.
        waiting += [folder / entry.name for entry in reversed(ordered) if entry.is_dir(follow_symlinks=False)]
        real = os.path.realpath(folder)
        for entry in ordered:
            if entry.is_symlink():
                yield from _linked(folder / entry.name, roots)
            elif not entry.is_dir(follow_symlinks=False):
                yield Found(folder / entry.name), f"{real}{os.sep}{entry.name}"


@lru_cache(1)
def _real(folder: str) -> str:
    """Where a folder lies; files are mostly named folder by folder."""
    return os.path.realpath(folder)


def _linked(link: Path, roots: Sequence[str]) -> Iterator[tuple[Found, str]]:
    """A link that leads to a file or folder of ours says nothing new: that one is met by its own name."""
    target = os.path.realpath(link)  # unlike Path.resolve, it survives a link to itself
    if not any(target == root or target.startswith(root.rstrip(os.sep) + os.sep) for root in roots):
        yield Found(link, "LINK_OUTSIDE"), str(link)
    elif not os.path.exists(target):  # noqa: PTH110  it is a string
        yield Found(link, "NOT_A_FILE"), str(link)
