"""One contract for every executor: each job has one outcome, whatever becomes of its neighbours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from imaging.errors import InputError, UsageError
from pipelines.batch.cluster import DaskExecutor, connected
from pipelines.batch.executor import Executor, LocalExecutor, executor_for
from pipelines.batch.outcome import DIED, End
from tests.pipelines.batch.conftest import PROGRAM, gone

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two real worker processes; a task whose worker is lost is not tried again by the scheduler."""
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.memory.terminate": False}
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
    ):
        yield cluster


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture(params=["local", "dask"])
def executor(request: pytest.FixtureRequest, stop: threading.Event) -> Iterator[Executor]:
    if request.param == "local":
        yield LocalExecutor(2, stop, PROGRAM)
        return
    with Client(request.getfixturevalue("cluster"), set_as_default=False) as client:
        yield DaskExecutor(client, stop, PROGRAM)


def test_each_job_has_its_own_outcome_and_a_death_touches_no_other(executor: Executor, job) -> None:
    jobs = {f"good-{n}": job("answer", say=str(n)) for n in range(6)}
    jobs |= {"dies": job("abort"), "hangs": job("hang", timeout_s=1.0)}
    outcomes = list(executor.outcomes(dict(sorted(jobs.items()))))
    assert sorted(name for name, _ in outcomes) == sorted(jobs)
    by_name = dict(outcomes)
    assert [by_name[f"good-{n}"].message for n in range(6)] == [str(n) for n in range(6)]
    assert (by_name["dies"].code, by_name["hangs"].code) == (DIED, "TIMEOUT")


def test_without_jobs_there_is_no_outcome(executor: Executor) -> None:
    assert list(executor.outcomes({})) == []


@pytest.mark.parametrize("how", ["told to stop", "left alone"])
def test_an_end_before_the_end_leaves_no_process(
    executor: Executor, stop: threading.Event, job, tmp_path: Path, how: str
) -> None:
    notes = [tmp_path / f"pid-{n}" for n in range(2)]
    jobs = {"quick": job("answer")} | {note.name: job("fork", note=str(note)) for note in notes}
    with closing(executor.outcomes(jobs)) as outcomes:
        assert next(outcomes)[0] == "quick"
        deadline = time.monotonic() + 20
        while not all(note.exists() and note.read_text() for note in notes):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        started = time.monotonic()
        if how == "told to stop":
            stop.set()
            assert list(outcomes) == []
    assert all(gone(int(note.read_text())) for note in notes)
    assert time.monotonic() - started < 5


def test_a_lost_worker_is_the_death_of_its_case_alone(
    cluster: LocalCluster, stop: threading.Event, job, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    with Client(cluster, set_as_default=False) as client:
        jobs = {"lost": job("fork", note=str(note)), **{f"good-{n}": job("answer") for n in range(3)}}
        with closing(DaskExecutor(client, stop, PROGRAM).outcomes(jobs)) as outcomes:
            seen = dict(next(outcomes) for _ in range(3))
            assert {outcome.end for outcome in seen.values()} == {End.DONE}
            child = int(note.read_text())
            worker = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(worker, signal.SIGKILL)
            name, outcome = next(outcomes)
        assert (name, outcome.end, outcome.code) == ("lost", End.FAILED, DIED)
        assert gone(child)


def test_when_the_client_is_killed_its_cases_end_too(cluster: LocalCluster, tmp_path: Path, job) -> None:
    """A coordinator that dies leaves nothing at work on the cluster."""
    note = tmp_path / "pid"
    program = (
        "import sys, threading\nfrom pathlib import Path\nfrom pipelines.batch.cluster import connected\n"
        "from pipelines.batch.isolate import Job, Limits\nfrom pipelines.batch.cluster import DaskExecutor\n"
        "from distributed import Client\nfrom tests.pipelines.batch.conftest import PROGRAM\n"
        "client = Client(sys.argv[1])\n"
        "job = Job(request={'do': 'fork', 'note': sys.argv[2]}, limits=Limits(), scratch=Path(sys.argv[3]))\n"
        "list(DaskExecutor(client, threading.Event(), PROGRAM).outcomes({'x': job}))\n"
    )
    arguments = [cluster.scheduler_address, str(note), str(tmp_path / "scratch")]
    client = subprocess.Popen([sys.executable, "-c", program, *arguments])
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.kill()
    client.wait()
    assert gone(int(note.read_text()), within_s=10)


CLUSTER = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0")
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""


def test_a_lost_scheduler_is_no_outcome_of_any_case(stop: threading.Event, job, tmp_path: Path) -> None:
    (tmp_path / "cluster.py").write_text(CLUSTER)
    scheduler = subprocess.Popen(
        [sys.executable, str(tmp_path / "cluster.py")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert scheduler.stdout is not None
    note = tmp_path / "pid"
    with Client(scheduler.stdout.readline().strip(), set_as_default=False) as client:
        jobs = {"quick": job("answer"), "slow": job("fork", note=str(note)), "later": job("answer")}
        with closing(DaskExecutor(client, stop, PROGRAM).outcomes(jobs)) as outcomes:
            assert next(outcomes)[0] == "quick"
            while not (note.exists() and note.read_text()):
                time.sleep(0.05)
            scheduler.kill()
            with pytest.raises(InputError) as caught:
                list(outcomes)
    scheduler.communicate()
    assert caught.value.code == "SCHEDULER_LOST"
    assert gone(int(note.read_text()), within_s=10)


def test_an_address_without_a_scheduler_is_a_usage_error() -> None:
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(UsageError) as caught, connected(address, threading.Event(), within_s=0.5):
            pass
        assert caught.value.code == "NO_SCHEDULER"


def test_without_the_extra_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch, stop: threading.Event) -> None:
    monkeypatch.delitem(sys.modules, "pipelines.batch.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'osteotrace\[cluster\]'"):
        executor_for("tcp://127.0.0.1:1", 1, stop)
