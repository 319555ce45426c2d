"""Programs in place of a case's process, and what must not be left when they have ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.batch.isolate import Job, Limits

BEHAVES = """
import json, os, sys, time
request = json.loads(sys.stdin.readline())
match request["do"]:
    case "abort": os.abort()
    case "exit": sys.exit(3)
    case "hang": time.sleep(600)
    case "deafen": os.close(1); time.sleep(600)
    case "babble": print("Traceback: not an answer"); sys.exit()
    case "flood":
        while True: os.write(1, b"x" * 65536)
    case "fork":
        from pipelines.batch.child import end_with_parent
        end_with_parent()
        if os.fork() == 0: time.sleep(600)
        open(request["note"], "w").write(str(os.getpid()))
        time.sleep(600)
with open(os.environ["TMPDIR"] + "/left.behind", "w") as scrap: scrap.write("x")
print(json.dumps({"end": "done", "code": None, "message": request.get("say", ""), "seconds": 0, "findings": 0,
                  "sha256": None, "way": [], "patients": []}))
"""
PROGRAM = (sys.executable, "-c", BEHAVES)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A job for the program."""

    def make(do: str, *, timeout_s: float | None = 60.0, **more: str) -> Job:
        return Job(request={"do": do, **more}, limits=Limits(timeout_s=timeout_s), scratch=tmp_path / "scratch")

    return make


def processes() -> dict[int, tuple[int, int, str]]:
    """Parent, group and state of every process that can be seen."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        found[int(path.parent.name)] = (int(parent), int(group), state)
    return found


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether nothing of the process group is left, zombies that are not ours to reap aside."""
    deadline = time.monotonic() + within_s
    while any(group == pid and state != "Z" for _, group, state in processes().values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No child, no zombie, no open file and no temporary file more than before."""

    def count() -> tuple[int, int]:
        children = [pid for pid, (parent, _, _) in processes().items() if parent == os.getpid()]
        return len(children), len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    yield
    assert count() == before
    assert list((tmp_path / "scratch").glob("*")) == []
