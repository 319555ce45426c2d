"""What was run, when, on which folders and how: one line a run in ``WORKSPACE/<case id>/run.log``.

Everything else in a case folder is a function of the images and the settings alone, so this is the one place for the
clock and for places on disk. The review finds the study again by it.

The name of a study folder may be the name of a patient. So unless a run is ``--identified``, the way to the study is
kept as keyed digests of the folder names: it can be walked where the folders are, and read nowhere else. The way starts
at the case folder, so a project that is moved or copied as a whole stays whole.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imaging
from imaging.errors import InputError, RecordError
from pipelines.settings import pseudonym_key
from pipelines.workspace import CaseFolder, append_line

__all__ = ["Run", "last_run", "log_run", "now"]

NAME = "run.log"
DIGEST_LETTERS = 16  # 64 bits: folder names beside each other never collide by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The call behind a case's results.

    Parameters
    ----------
    studies
        The study folders; never empty.
    case_file, config
        As given with the call; None where the study's own, or the defaults, were used.
    accept_gaps
        Whether series with missing or uneven slices were taken as they are.
    identified
        Whether names may be shown.
    """

    studies: tuple[Path, ...]
    case_file: Path | None = None
    config: Path | None = None
    accept_gaps: bool = False
    identified: bool = False


def now() -> dt.datetime:
    """The time with its zone."""
    return dt.datetime.now().astimezone()


def log_run(target: CaseFolder, run: Run, *, started: dt.datetime) -> None:
    """Add the run to the case's log.

    Raises
    ------
    InputError
        OUTPUT_NOT_WRITABLE.
    """

    def place(path: Path | None) -> Any:
        return None if path is None else way_to(path, target.root, in_clear=run.identified)

    record = {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((now() - started).total_seconds(), 1),
        "software": imaging.__version__,
        "studies": [place(study) for study in run.studies],
        "case_file": place(run.case_file),
        "config": place(run.config),
        "accept_gaps": run.accept_gaps,
        "identified": run.identified,
    }
    append_line(target.root / NAME, json.dumps(record))


def last_run(target: CaseFolder, *, studies: tuple[Path, ...] = ()) -> Run:
    """The newest run in the log, its folders found again.

    Parameters
    ----------
    studies
        Where the study lies now, if it is not where it was.

    Raises
    ------
    InputError
        STUDY_NOT_FOUND: there is no log, or a folder is not where it was.
    RecordError
        The log is damaged.
    """
    try:
        lines = (target.root / NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        if studies:
            return Run(studies=studies)
        raise study_not_found("no run.log tells where the study lies") from error
    try:
        record = json.loads([line for line in lines if line.strip()][-1])
        return Run(
            studies=studies or tuple(walked(way, target.root) for way in record["studies"]),
            case_file=None if record["case_file"] is None else walked(record["case_file"], target.root),
            config=None if record["config"] is None else walked(record["config"], target.root),
            accept_gaps=record.get("accept_gaps", False),  # runs from before there was a choice
            identified=record["identified"],
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise RecordError(f"run.log is damaged ({type(error).__name__})", where=NAME) from error


def way_to(path: Path, start: Path, *, in_clear: bool) -> dict[str, Any]:
    """How to come from the start to the path: so many folders up, then down by the names, or by their digests.

    Examples
    --------
    >>> way_to(Path("/data/in/DOE^J"), Path("/data/ws/case-1"), in_clear=True)
    {'up': 2, 'down': ['in', 'DOE^J'], 'in_clear': True}
    >>> way_to(Path("/data/in/DOE^J"), Path("/data/ws/case-1"), in_clear=False)["down"][0]
    'ee502358427544d2'
    """
    parts = Path(os.path.relpath(path.resolve(), start.resolve())).parts
    down = [part for part in parts if part != os.pardir]
    return {
        "up": len(parts) - len(down),
        "down": down if in_clear else [digest(name) for name in down],
        "in_clear": in_clear,
    }


def walked(way: dict[str, Any], start: Path) -> Path:
    """The path at the end of the way."""
    path = start.resolve()
    for _ in range(way["up"]):
        path = path.parent
    for step in way["down"]:
        path = path / step if way["in_clear"] else below(path, step)
    if not path.exists():
        raise study_not_found("the study is not where it was when the case was run")
    return path


def below(folder: Path, step: str) -> Path:
    try:
        found = next((path for path in folder.iterdir() if digest(path.name) == step), None)
    except OSError as error:
        raise study_not_found(f"the way to the study cannot be read ({error.strerror})") from error
    if found is None:
        raise study_not_found("the study is not where it was when the case was run")
    return found


def digest(name: str) -> str:
    return hmac.new(pseudonym_key(), os.fsencode(name), "sha256").hexdigest()[:DIGEST_LETTERS]


def study_not_found(what: str) -> InputError:
    return InputError(f"{what}; say --study FOLDER", code="STUDY_NOT_FOUND")
