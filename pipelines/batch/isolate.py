"""One request in a process of its own, which may die, hang or eat without touching anybody else."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from imaging.errors import RecordError
from pipelines.batch.outcome import DIED, Outcome, failed

__all__ = ["CHILD", "Job", "Limits", "isolated"]

CHILD = (sys.executable, "-P", "-m", "pipelines.batch.child")
POLL_S = 0.2  # how soon it is seen that nobody wants the outcome any more
FAREWELL_S = 2.0  # for a process that closed its standard output to end
LONGEST_ANSWER = 2**24
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one case may take; None is without limit."""

    timeout_s: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request with its limits, and the folder in which its process gets a temporary one of its own."""

    request: Mapping[str, Any]
    limits: Limits
    scratch: Path


def isolated(
    job: Job, *, command: tuple[str, ...] = CHILD, wanted: Callable[[], bool] = lambda: True
) -> Outcome | None:
    """Have the job done by a fresh process and tell how that ended.

    Parameters
    ----------
    command
        The program: it reads one line of JSON and writes one.
    wanted
        Asked often; once it says no, the process is killed.

    Returns
    -------
    The outcome; None if it was no longer wanted. Nothing of the process is left in any case: no process of its group,
    no zombie, no open file, no temporary file.
    """
    if not wanted():
        return None
    started = time.monotonic()
    try:
        job.scratch.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(dir=job.scratch))
    except OSError as error:
        return failed("OUTPUT_NOT_WRITABLE", f"no temporary folder could be made ({error.strerror})")
    try:
        outcome = conversation(job, command, home, wanted)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return None if outcome is None else replace(outcome, seconds=round(time.monotonic() - started, 3))


def conversation(job: Job, command: tuple[str, ...], home: Path, wanted: Callable[[], bool]) -> Outcome | None:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold patient data
            cwd=home,
            env=environment(home),
            start_new_session=True,
        )
    except OSError as error:  # no memory, no process, no open file more to be had just now
        return failed(DIED, f"its process could not be started ({error.strerror})")
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        request = {**job.request, "memory_bytes": job.limits.memory_bytes}
        line = answer(process.stdin, process.stdout, (json.dumps(request) + "\n").encode(), job.limits, wanted)
        if isinstance(line, bytes):
            return outcome_in(line) or death(process)
        return line
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it is not reaped yet, so nobody else has its number
        process.wait()
        process.stdin.close()
        process.stdout.close()


def environment(home: Path) -> dict[str, str]:
    """That of this process, with what makes results the same everywhere."""
    fixed = {"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "TMPDIR": str(home), **dict.fromkeys(ONE_THREAD, "1")}
    return {**os.environ, **fixed}


def answer(
    stdin: IO[bytes], stdout: IO[bytes], request: bytes, limits: Limits, wanted: Callable[[], bool]
) -> bytes | Outcome | None:
    """What the process says until it ends its line or its output; an outcome if time is up; None if unwanted."""
    deadline = time.monotonic() + (limits.timeout_s or float("inf"))
    heard = bytearray()
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(stdin, selectors.EVENT_WRITE)
        ready.register(stdout, selectors.EVENT_READ)
        while wanted():
            if time.monotonic() >= deadline:
                return failed("TIMEOUT", f"not done after {limits.timeout_s:g} s; --timeout sets how long it may take")
            for key, _ in ready.select(min(POLL_S, max(0.0, deadline - time.monotonic()))):
                if key.fileobj is stdin:
                    request = request[sent(stdin, request) :]
                    if not request:
                        ready.unregister(stdin)  # and left open: its end would be ours
                    continue
                heard += (part := os.read(stdout.fileno(), 2**16))
                if not part or b"\n" in part or len(heard) > LONGEST_ANSWER:
                    return bytes(heard)
    return None


def sent(stdin: IO[bytes], request: bytes) -> int:
    """How much of the request was taken; all of it by a process that has ended, for which its output speaks."""
    try:
        return os.write(stdin.fileno(), request)
    except BrokenPipeError:
        return len(request)


def outcome_in(line: bytes) -> Outcome | None:
    try:
        return Outcome.from_record(json.loads(line))
    except (ValueError, RecordError):
        return None


def death(process: subprocess.Popen[bytes]) -> Outcome:
    """What became of a process that did not answer, looked at without reaping it."""
    deadline = time.monotonic() + FAREWELL_S
    flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
    while (state := os.waitid(os.P_PID, process.pid, flags)) is None:
        if time.monotonic() >= deadline:
            return failed(DIED, "its process ended its answer before it began, and went on")
        time.sleep(POLL_S / 10)
    if state.si_code == os.CLD_EXITED:
        return failed(DIED, f"its process ended with exit status {state.si_status} and no answer")
    name = next((known.name for known in signal.Signals if known == state.si_status), f"signal {state.si_status}")
    hint = ", as the system does when memory runs out" if state.si_status == signal.SIGKILL else ""
    return failed(DIED, f"its process was ended by {name}{hint}")
