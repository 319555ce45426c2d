"""The open cases, done: each has one outcome, and a death is not believed at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipelines.batch.executor import Executor
from pipelines.batch.ledger import Ledger
from pipelines.batch.outcome import DIED, Outcome
from pipelines.batch.plan import PlannedCase

__all__ = ["finished_cases"]


def finished_cases(
    ledger: Ledger, todo: Mapping[str, PlannedCase], executor: Executor, scratch: Path
) -> Iterator[tuple[PlannedCase, Outcome]]:
    """Each case with its outcome, as they come.

    A case whose process died is done once more, alone, after all others: perhaps it was the memory that its neighbours
    took. Not so a case that ran out of time, which would take as long again. Nothing that a killed process left stays.
    """
    jobs = {name: ledger.job(case, scratch) for name, case in todo.items()}
    died: dict[str, Outcome] = {}
    try:
        for case in todo.values():
            ledger.clean(case)
        with closing(executor.outcomes(jobs)) as outcomes:
            for name, outcome in outcomes:
                if outcome.code == DIED:
                    died[name] = outcome
                else:
                    yield todo[name], outcome
        for name in sorted(died):
            with closing(executor.outcomes({name: jobs[name]})) as outcomes:
                for _, outcome in outcomes:
                    yield todo[name], twice(outcome)
    finally:
        for case in todo.values():
            ledger.clean(case)


def twice(outcome: Outcome) -> Outcome:
    """The outcome of the second time, told as such if it is a death again."""
    if outcome.code != DIED:
        return outcome
    return replace(outcome, message=f"{outcome.message}; it was tried twice, the second time alone")
