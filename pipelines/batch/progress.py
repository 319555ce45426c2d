"""How far the batch is: a bar with rate and time left on a terminal, else one line for each finished case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from pipelines.batch.batch_document import Row

__all__ = ["Advance", "row_line", "shown_progress"]

Advance = Callable[[Row], None]
FILE_WIDTH = 160  # columns of a line that goes into a file or a pipe


class RateColumn(ProgressColumn):
    """Cases a minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{60 * speed:.1f}/min", style="progress.data.speed")


def row_line(row: Row) -> str:
    """One row for people.

    Examples
    --------
    >>> from pipelines.batch.outcome import End, Outcome
    >>> row_line(Row(case="C1", folders=("a",), outcome=Outcome(end=End.REFUSED, code="NO_IMAGE", message="nothing")))
    'refused C1 (0.0 s) NO_IMAGE: nothing'
    """
    outcome = row.outcome
    remark = f" {outcome.code}: {outcome.message}" if outcome.code else ""
    return f"{outcome.end:<7} {row.case} ({outcome.seconds:.1f} s){remark}"


@contextmanager
def shown_progress(total: int, settled: int, *, quiet: bool) -> Iterator[Advance]:
    """Something to tell each finished case to; it shows on stderr how far the batch is.

    Parameters
    ----------
    total, settled
        Cases in all, and those that need not be done.
    """
    console = Console(stderr=True)
    if quiet or settled == total:
        yield lambda row: None
        return
    if not console.is_terminal:
        plain = Console(stderr=True, width=FILE_WIDTH, soft_wrap=True, highlight=False, markup=False)
        count = settled

        def tell(row: Row) -> None:
            nonlocal count
            count += 1
            plain.print(f"{count}/{total} {row_line(row)}")

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("cases", total=total, completed=settled)
        ends: Counter[str] = Counter()

        def advance(row: Row) -> None:
            ends[str(row.outcome.end)] += 1
            lost = ", ".join(f"{ends[end]} {end}" for end in ("refused", "failed") if ends[end])
            progress.update(task, advance=1, description=f"cases ({lost})" if lost else "cases")

        yield advance
