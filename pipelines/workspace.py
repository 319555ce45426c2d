"""Where results live on disk, and the one way in which they get there.

Every output goes through :func:`atomic_write`: a reader sees the old file or the new one, never half of one, whatever
dies in between. The digest that it returns goes into the case's list of outputs. Input folders are never written to.

A workspace holds one folder a case::

    WORKSPACE/<case id>/case.json  measurements.csv  report.html  figures/  segmentations/
    WORKSPACE/<case id>/review/    what readers did; no run replaces anything in it
    WORKSPACE/batch.json  journal.jsonl  cohort.csv  cohort.parquet  cohort.html    what a batch tells of all of them
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imaging.errors import ConflictError, InputError, UsageError
from imaging.provenance import sha256_hex

__all__ = [
    "SCRATCH",
    "CaseFolder",
    "append_line",
    "atomic_create",
    "atomic_write",
    "case_id_of",
    "find_case_folder",
    "locked",
    "remove_scraps",
]

LOCK, SCRATCH = ".lock", ".scratch"
SCRAPS = ".*.part"
SAFE_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}")
WORKSPACE_FILES = ("batch.json", "journal.jsonl", "cohort.csv", "cohort.parquet", "cohort.html")


def atomic_write(path: Path, content: bytes) -> str:
    """Replace the file by the content, all or nothing, and return the content's SHA-256.

    A temporary file beside the target is written, flushed to the disk and renamed over it; then the folder is flushed,
    so that the new name survives a power cut too.

    Raises
    ------
    InputError
        OUTPUT_NOT_WRITABLE: the disk is full, the folder read-only, …; the old file is intact.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> atomic_write(folder / "a" / "b.txt", b"x")[:8], (folder / "a" / "b.txt").read_bytes()
    ('2d711642', b'x')
    """
    place(path, content, Path.replace)
    return sha256_hex(content)


def atomic_create(path: Path, content: bytes) -> str:
    """Like :func:`atomic_write`, for a file that nobody may have written before: nothing is ever replaced.

    Raises
    ------
    ConflictError
        The file is there already.
    InputError
        OUTPUT_NOT_WRITABLE.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> digest = atomic_create(folder / "once", b"x")
    >>> atomic_create(folder / "once", b"y")
    Traceback (most recent call last):
    imaging.errors.ConflictError: once is there already, written by somebody else; nothing was replaced
    """
    place(path, content, link_new)
    return sha256_hex(content)


def append_line(path: Path, line: str) -> None:
    r"""Add one line to a log that only ever grows, and flush it to the disk.

    The line goes out in one write, so that writers at the same time do not mix theirs. A tail that a crash cut short is
    ended first: it stays what it is, a line that cannot be read, and does not spoil this one.

    Raises
    ------
    InputError
        OUTPUT_NOT_WRITABLE.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "a" / "log"
    >>> append_line(log, "one"); append_line(log, "two"); log.read_text()
    'one\ntwo\n'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            content = ("\n" * torn + line + "\n").encode()
            if os.write(handle, content) < len(content):  # a full disk takes a part without a word
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        message = f"{path.name} could not be written ({error.strerror}); what stood in it before is intact"
        raise InputError(message, code="OUTPUT_NOT_WRITABLE", where=path.name) from error


def link_new(scratch: Path, path: Path) -> None:
    """Give the finished file its name, unless the name is taken: one system call, so no race."""
    path.hardlink_to(scratch)
    scratch.unlink()


def place(path: Path, content: bytes, publish: Callable[[Path, Path], object]) -> None:
    """Write beside the target, flush to disk, publish under the final name, flush the folder."""
    scratch: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        scratch = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        publish(scratch, path)
        flush_folder(path.parent)
    except FileExistsError as error:
        raise ConflictError(
            f"{path.name} is there already, written by somebody else; nothing was replaced", where=path.name
        ) from error
    except OSError as error:
        raise InputError(
            f"{path.name} could not be written ({error.strerror}); what stood there before is intact",
            code="OUTPUT_NOT_WRITABLE",
            where=path.name,
        ) from error
    finally:
        if scratch is not None:
            with contextlib.suppress(OSError):
                scratch.unlink()


@contextlib.contextmanager
def locked(workspace: Path) -> Iterator[None]:
    """Hold the workspace alone; the lock falls with the process that holds it, however that ends.

    Raises
    ------
    ConflictError
        WORKSPACE_BUSY: another batch works in it.
    InputError
        OUTPUT_NOT_WRITABLE.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        handle = os.open(workspace / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"the workspace cannot be used ({error.strerror})", code="OUTPUT_NOT_WRITABLE") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError("another batch is at work in this workspace", code="WORKSPACE_BUSY") from error
        except OSError as error:
            raise InputError(
                f"the workspace cannot be locked ({error.strerror})", code="OUTPUT_NOT_WRITABLE"
            ) from error
        yield
    finally:
        os.close(handle)


def remove_scraps(folder: Path) -> None:
    """Take away what killed writers left directly in the folder; only for who knows that nobody writes there now."""
    for path in folder.glob(SCRAPS):
        path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make renames in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def case_id_of(written_id: str | None, folder_name: str) -> str:
    """The case's id: the case file's, else one derived from the folder's name, which itself may hold a patient's name.

    Raises
    ------
    UsageError
        BAD_CASE_ID: a written id that cannot be a folder name everywhere.

    Examples
    --------
    >>> case_id_of("HCC-001", "whatever"), case_id_of(None, "Doe^John")
    ('HCC-001', 'case-6f3f8b50')
    """
    if written_id is None:
        return f"case-{sha256_hex(os.fsencode(folder_name))[:8]}"  # a folder's name may be no text at all
    if not SAFE_NAME.fullmatch(written_id) or written_id.startswith(".") or written_id in WORKSPACE_FILES:
        raise UsageError(
            "a case id is 1 to 120 letters, digits, '.', '_' or '-', no dot first, and no file of a workspace",
            code="BAD_CASE_ID",
        )
    return written_id


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """One case's place in a workspace; paths in documents are POSIX and relative to it."""

    root: Path

    @property
    def document(self) -> Path:
        return self.root / "case.json"

    @property
    def review(self) -> Path:
        return self.root / "review"

    @property
    def written_by_runs(self) -> list[Path]:
        """The folders that runs write into: all but the reviews'."""
        if not self.root.is_dir():
            return []
        return [self.root, *(path for path in self.root.iterdir() if path.is_dir() and path != self.review)]

    def keep(self, name: str, content: bytes) -> None:
        """Write one file that may never be replaced.

        Raises
        ------
        ConflictError
            Somebody wrote it before.
        """
        atomic_create(self.root / name, content)

    def write(self, name: str, content: bytes) -> dict[str, str]:
        """Write one output and return its row for the case's list of outputs."""
        return {"path": name, "sha256": atomic_write(self.root / name, content)}


def find_case_folder(argument: Path) -> CaseFolder:
    """The case that CASE_RESULT means: case.json itself or the folder that holds it.

    Raises
    ------
    InputError
        NO_CASE_RESULT: there is none.
    """
    folder = argument.parent if argument.name == "case.json" else argument
    if not (folder / "case.json").is_file():
        raise InputError(
            "no case.json here; 'osteotrace run' makes one, and its folder is what is asked for", code="NO_CASE_RESULT"
        )
    return CaseFolder(folder)


def find_only_case(argument: Path) -> CaseFolder:
    """The case that WORKSPACE_OR_CASE means: as :func:`find_case_folder`, or the only one in a workspace.

    Raises
    ------
    UsageError
        AMBIGUOUS_CASE: the workspace has several; the message lists them.
    InputError
        NO_CASE_RESULT.
    """
    cases = sorted(argument.glob("*/case.json")) if argument.is_dir() and not (argument / "case.json").exists() else []
    if len(cases) > 1:
        names = ", ".join(path.parent.name for path in cases)
        raise UsageError(f"{len(cases)} cases are here; name the folder of one: {names}", code="AMBIGUOUS_CASE")
    return find_case_folder(cases[0] if cases else argument)
