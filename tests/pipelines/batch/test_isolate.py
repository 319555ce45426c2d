"""A process of its own for every case: whatever it does, one outcome, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.batch.isolate import CHILD, Job, Limits, isolated
from pipelines.batch.outcome import DIED, End
from tests.pipelines.batch.conftest import PROGRAM, gone

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_an_answer_is_the_outcome(job) -> None:
    outcome = isolated(job("answer", say="all well"), command=PROGRAM)
    assert outcome is not None
    assert (outcome.end, outcome.message) == (End.DONE, "all well")
    assert 0 < outcome.seconds < 60


@pytest.mark.parametrize(
    ("deed", "words"),
    [("abort", "SIGABRT"), ("exit", "exit status 3"), ("babble", "exit status 0"), ("deafen", "went on")],
)
def test_a_death_is_an_outcome_that_says_how(job, deed: str, words: str) -> None:
    outcome = isolated(job(deed), command=PROGRAM)
    assert outcome is not None
    assert (outcome.end, outcome.code) == (End.FAILED, DIED)
    assert words in outcome.message


def test_a_flood_in_place_of_an_answer_is_cut_off(job) -> None:
    outcome = isolated(job("flood"), command=PROGRAM)
    assert outcome is not None and outcome.code == DIED


def test_what_never_ends_is_ended_with_all_its_children(job, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = isolated(job("fork", timeout_s=1.0, note=str(tmp_path / "pid")), command=PROGRAM)
    assert time.monotonic() - started < 4
    assert outcome is not None and (outcome.end, outcome.code) == (End.FAILED, "TIMEOUT")
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_process_that_takes_no_request_runs_out_of_time_and_holds_nobody(job) -> None:
    deaf = (sys.executable, "-c", "import time; time.sleep(600)")
    outcome = isolated(job("answer", timeout_s=1.0, say="x" * 10**6), command=deaf)
    assert outcome is not None and outcome.code == "TIMEOUT"


def test_what_is_no_longer_wanted_ends_at_once(job) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    started = time.monotonic()
    assert isolated(job("hang"), command=PROGRAM, wanted=lambda: not stop.is_set()) is None
    assert time.monotonic() - started < 2
    assert isolated(job("answer"), command=PROGRAM, wanted=lambda: False) is None


def test_a_process_that_cannot_be_started_is_an_outcome_too(job, tmp_path: Path) -> None:
    outcome = isolated(job("answer"), command=(str(tmp_path / "no such program"),))
    assert outcome is not None and outcome.code == DIED
    (tmp_path / "scratch").rmdir()
    (tmp_path / "scratch").touch()
    outcome = isolated(job("answer"), command=PROGRAM)
    assert outcome is not None and outcome.code == "OUTPUT_NOT_WRITABLE"


LOUD = """
import os, sys
import pipelines.batch.child as child
from pipelines.batch.outcome import End, Outcome
def loud(request):
    print("Doe^Jane"); os.write(1, b"{}\\n"); os.write(2, b"Doe^Jane")
    return Outcome(end=End.DONE, message="|".join([os.environ["TMPDIR"], os.getcwd(), os.environ["OMP_NUM_THREADS"]]))
child.TASKS["follow_case"] = loud
child.main()
"""


def test_what_libraries_print_does_not_spoil_the_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job = Job(request={"task": "follow_case"}, limits=Limits(), scratch=tmp_path / "scratch")
    outcome = isolated(job, command=(sys.executable, "-c", LOUD))
    assert outcome is not None and outcome.end is End.DONE
    temporary, folder, threads = outcome.message.split("|")
    assert temporary == folder and temporary.startswith(str(tmp_path)) and threads == "1"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fault", ["raise ValueError('Doe^Jane')", "raise OSError('Doe^Jane')", "1 / 0"])
def test_an_internal_error_tells_its_class_and_place_and_no_text(tmp_path: Path, fault: str) -> None:
    program = f"import pipelines.batch.child as child\ndef f(request): {fault}\nchild.TASKS['x'] = f\nchild.main()"
    job = Job(request={"task": "x"}, limits=Limits(), scratch=tmp_path / "scratch")
    outcome = isolated(job, command=(sys.executable, "-c", program))
    assert outcome is not None
    assert (outcome.end, outcome.code) == (End.FAILED, "INTERNAL_ERROR")
    assert outcome.message in {"ValueError at <string>:2", "OSError at <string>:2", "ZeroDivisionError at <string>:2"}
    assert "Doe" not in str(outcome.record())


@pytest.mark.parametrize(
    "meal",
    [
        "x = []\n while True: x.append(bytearray(2**24))",
        "import numpy; return numpy.ones(2**32)",
        "import SimpleITK; return SimpleITK.Image([2000] * 3, SimpleITK.sitkFloat64)",
    ],
)
def test_a_case_beyond_its_memory_is_told_as_such(tmp_path: Path, meal: str) -> None:
    program = f"import pipelines.batch.child as child\ndef f(request):\n {meal}\nchild.TASKS['x'] = f\nchild.main()"
    job = Job(request={"task": "x"}, limits=Limits(memory_bytes=2**30, timeout_s=60), scratch=tmp_path / "scratch")
    outcome = isolated(job, command=(sys.executable, "-c", program))
    assert outcome is not None
    assert (outcome.end, outcome.code) == (End.FAILED, "OUT_OF_MEMORY")


PARENT = """
import sys
from pathlib import Path
from pipelines.batch.isolate import Job, Limits, isolated
child = '''
import os, sys, re
import pipelines.batch.child as child
def spin(request):
    open(request["note"], "w").write(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 60 + "b")  # for years, and without ever giving way to another thread
child.TASKS["spin"] = spin
child.main()
'''
isolated(Job(request={"task": "spin", "note": sys.argv[1] + "/pid"}, limits=Limits(), scratch=Path(sys.argv[1])),
         command=(sys.executable, "-c", child))
"""


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_parent_dies_so_does_the_child_though_it_never_gives_way(tmp_path: Path, blow: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    note, deadline = tmp_path / "pid", time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(note.read_text())
    os.kill(child, 0)
    parent.send_signal(blow)
    parent.wait()
    assert gone(child)


def test_the_child_takes_nothing_from_the_folder_that_it_runs_in(tmp_path: Path) -> None:
    assert "-P" in CHILD
    home = tmp_path / "home"
    home.mkdir()
    (home / "json.py").write_text("raise SystemExit('foreign code')")
    command = (sys.executable, "-c", f"import os; os.chdir({str(home)!r}); os.execv({CHILD[0]!r}, {list(CHILD)!r})")
    request = {"task": "see_patients", "folders": []}
    outcome = isolated(Job(request=request, limits=Limits(), scratch=tmp_path / "scratch"), command=command)
    assert outcome is not None and outcome.end is End.DONE
