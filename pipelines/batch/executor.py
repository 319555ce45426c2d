"""Where the processes of the cases run: beside this one, or on the workers of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from imaging.errors import UsageError
from pipelines.batch.isolate import CHILD, Job, isolated
from pipelines.batch.outcome import Outcome

__all__ = ["Executor", "LocalExecutor", "executor_for"]


class Executor(Protocol):
    """Has jobs done, each by :func:`isolated`, several at a time."""

    def outcomes(self, jobs: Mapping[str, Job]) -> Generator[tuple[str, Outcome]]:
        """Each job's name and outcome, as they come; those that were not done when the call to stop came are left out.

        Whatever happens to a worker, every job has exactly one outcome: nothing is tried again here.
        """
        ...


class LocalExecutor:
    """So many processes at a time on this machine; the threads do nothing but wait for them."""

    def __init__(self, workers: int, stop: threading.Event, command: tuple[str, ...] = CHILD) -> None:
        self._workers, self._stop, self._command = workers, stop, command

    def outcomes(self, jobs: Mapping[str, Job]) -> Generator[tuple[str, Outcome]]:
        def work(name: str, job: Job) -> tuple[str, Outcome | None]:
            return name, isolated(job, command=self._command, wanted=lambda: not self._stop.is_set())

        with ThreadPoolExecutor(self._workers) as pool:
            try:
                for future in as_completed([pool.submit(work, name, job) for name, job in jobs.items()]):
                    name, outcome = future.result()
                    if outcome is not None:
                        yield name, outcome
            except BaseException:  # also where nobody asks for the next one: what still runs is ended, not waited for
                self._stop.set()
                raise


@contextmanager
def local(workers: int, stop: threading.Event) -> Iterator[Executor]:
    yield LocalExecutor(workers, stop)


def executor_for(scheduler: str | None, workers: int, stop: threading.Event) -> AbstractContextManager[Executor]:
    """The executor that was asked for.

    Raises
    ------
    UsageError
        CLUSTER_NOT_INSTALLED, or what :func:`pipelines.batch.cluster.connected` raises.
    """
    if scheduler is None:
        return local(workers, stop)
    try:
        from pipelines.batch.cluster import connected
    except ImportError as error:
        raise UsageError(
            "--scheduler needs Dask: pip install 'osteotrace[cluster]'", code="CLUSTER_NOT_INSTALLED"
        ) from error
    return connected(scheduler, stop)
