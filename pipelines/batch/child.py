"""One case in a process of its own: a request on standard input, one line of answer on standard output.

The limits are set before anything large is imported. Standard input stays open as long as the parent lives; when it
ends, so does this process, whatever it is doing. What libraries print goes nowhere: it may quote patient data.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from imaging.errors import ConflictError, OsteotraceError
from pipelines.batch.outcome import End, Outcome, failed

__all__ = ["main"]

KERNEL_PREFERENCE = "/proc/self/oom_score_adj"  # no file on a disk; Linux alone has it, proc(5)
F_SETSIG = 10  # Linux, fcntl(2); Python has no name for it before 3.14
NOT_THE_INPUT = ("OUTPUT_NOT_WRITABLE",)  # errors that tell nothing of the case itself
MEMORY_WORDS = ("bad_alloc", "bad allocation", "allocate memory", "failed to map segment", "can't start new thread")

Request = Mapping[str, Any]


def main() -> NoReturn:
    """Answer the request on standard input, then end without a farewell: destructors of native code may hang."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    end_with_parent()
    set_limits(request["memory_bytes"])
    line = (json.dumps(outcome_of(request).record()) + "\n").encode()
    while line:
        line = line[os.write(answer_to, line) :]
    os._exit(0)


def end_with_parent() -> None:
    """Arrange that the end of standard input, which is the parent's death, ends this process and its own children.

    A thread watches. Native code that never gives way would starve it, so on Linux the kernel is asked too, to send
    SIGKILL instead of SIGIO (fcntl(2), F_SETSIG).
    """
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    if sys.platform == "linux":
        fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgid(0))
        fcntl.fcntl(0, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def wait_for_the_end() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def set_limits(memory_bytes: int | None) -> None:
    """Bound the address space, leave no core dump (it holds patient data), and go first if memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    with contextlib.suppress(OSError):
        handle = os.open(KERNEL_PREFERENCE, os.O_WRONLY)
        try:
            os.write(handle, b"1000")
        finally:
            os.close(handle)


def outcome_of(request: Request) -> Outcome:
    """Do what is asked; whatever goes wrong becomes an outcome with a code, and no text that may hold patient data."""
    try:
        return TASKS[request["task"]](request)
    except MemoryError:
        return out_of_memory()
    except OsteotraceError as error:
        blameless = error.code in NOT_THE_INPUT or isinstance(error, ConflictError)
        return Outcome(end=End.FAILED if blameless else End.REFUSED, code=error.code, message=str(error))
    except Exception as error:  # noqa: BLE001 — the one place: a fault of ours ends one case and no other
        return out_of_memory() if any(word in str(error) for word in MEMORY_WORDS) else internal_error(error)


def out_of_memory() -> Outcome:
    return failed("OUT_OF_MEMORY", "the case needs more memory than it may take; --memory sets how much that is")


def internal_error(error: Exception) -> Outcome:
    frames = traceback.extract_tb(error.__traceback__)
    way = tuple(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    place = f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return Outcome(end=End.FAILED, code="INTERNAL_ERROR", message=place, way=way)


def follow_case(request: Request) -> Outcome:
    """Follow the case from its folders to its report."""
    from imaging.provenance import sha256_hex
    from pipelines.follow_up import follow_up
    from pipelines.run_log import Run, log_run, now

    started = now()
    folders = tuple(Path(folder) for folder in request["folders"])
    config = Path(request["config"]) if request["config"] else None
    document, target, is_partial = follow_up(
        folders,
        Path(request["workspace"]),
        case_id=request["case"],
        config=config,
        accept_gaps=request["accept_gaps"],
        identified=request["identified"],
    )
    run = Run(studies=folders, config=config, accept_gaps=request["accept_gaps"], identified=request["identified"])
    log_run(target, run, started=started)
    lost = next((f for f in document["findings"] if f["severity"] == "error"), None) if is_partial else None
    return Outcome(
        end=End.DONE,
        code=(lost["code"] if lost else "PARTIAL") if is_partial else None,
        message=lost["message"] if lost else "",
        findings=count_findings(document),
        sha256=sha256_hex(target.document.read_bytes()),
    )


def count_findings(document: Mapping[str, Any]) -> int:
    observations = [o for lesion in document["lesions"] for o in lesion["observations"]]
    return sum(len(row["findings"]) for row in (document, *observations, *document["materials"]))


def see_patients(request: Request) -> Outcome:
    """Who is in the folders, by pseudonym; nothing for images that do not say whose they are."""
    from imaging.dicom.scan import scan
    from pipelines.documents import pseudonym
    from pipelines.settings import pseudonym_key

    index = scan([Path(folder) for folder in request["folders"]])
    names = {volume.patient for volume in index.volumes}
    known = sorted(pseudonym(name, pseudonym_key()) for name in names if name)
    return Outcome(end=End.DONE, patients=tuple(known) if "" not in names else ("", *known))


TASKS: dict[str, Callable[[Request], Outcome]] = {"follow_case": follow_case, "see_patients": see_patients}

if __name__ == "__main__":
    main()
