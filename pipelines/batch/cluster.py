"""Cases on the workers of a Dask cluster: Dask counts the slots, the case still has a process of its own.

The workers need this package and the same paths to the studies and the workspace. A case's results are on the disk when
its outcome travels, so that a lost worker loses what it was computing and nothing else.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager

from distributed import Client, Future, get_worker

from imaging.errors import InputError, UsageError
from pipelines.batch.executor import Executor
from pipelines.batch.isolate import CHILD, Job, isolated
from pipelines.batch.outcome import DIED, Outcome, failed

__all__ = ["DaskExecutor", "connected"]

CONNECT_S = 15.0
FIRST_WORKER_S = 60.0
POLL_S = 0.2


class DaskExecutor:
    """As many processes at a time as the cluster's workers have threads."""

    def __init__(self, client: Client, stop: threading.Event, command: tuple[str, ...] = CHILD) -> None:
        self._client, self._stop, self._command = client, stop, command

    def outcomes(self, jobs: Mapping[str, Job]) -> Generator[tuple[str, Outcome]]:
        finished: queue.SimpleQueue[tuple[str, Future[Outcome | None]]] = queue.SimpleQueue()
        futures = []
        try:
            for name, job in jobs.items():
                future = self._client.submit(on_worker, job, self._command, pure=False, retries=0)
                future.add_done_callback(lambda future, name=name: finished.put((name, future)))
                futures.append(future)
            left = len(futures)
            while left and not self._stop.is_set():
                try:
                    name, future = finished.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                left -= 1
                yield name, outcome_of(future)
        finally:
            self._client.cancel(futures)


def on_worker(job: Job, command: tuple[str, ...]) -> Outcome | None:
    """On a worker: do the job, but only as long as the scheduler wants it: not when whoever asked for it is gone."""
    return isolated(job, command=command, wanted=still_executing())


def still_executing() -> Callable[[], bool]:
    """Tells whether the task that runs in this thread is still to be done."""
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status.name == "running"

    return wanted


def outcome_of(future: Future[Outcome | None]) -> Outcome:
    """What a future holds; that of a lost worker tells of it.

    Raises
    ------
    InputError
        SCHEDULER_LOST: it tells nothing of the cases, and none of them could be done now.
    """
    if future.status == "finished":
        outcome: Outcome | None = future.result()
        return outcome or failed(DIED, "the cluster's worker was closed while the case ran there")
    if future.status == "error":
        kind = type(future.exception()).__name__
        if kind == "KilledWorker":
            return failed(DIED, "the cluster's worker was lost while the case ran there")
        return failed("INTERNAL_ERROR", f"{kind} on the cluster's worker")
    raise InputError(
        "the Dask scheduler was lost; what was finished is on disk, and the same call goes on", code="SCHEDULER_LOST"
    )


@contextmanager
def connected(address: str, stop: threading.Event, *, within_s: float = CONNECT_S) -> Iterator[Executor]:
    """The executor on the cluster at that address.

    Raises
    ------
    UsageError
        NO_SCHEDULER: nobody answers there; NO_CLUSTER_WORKER: it has no worker.
    """
    try:
        client = Client(address, timeout=within_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}", code="NO_SCHEDULER") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError as error:
            raise UsageError("the Dask scheduler has no worker", code="NO_CLUSTER_WORKER") from error
        yield DaskExecutor(client, stop)
