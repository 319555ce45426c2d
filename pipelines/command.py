"""What every command promises: one document, one exit code, and no bare traceback.

With ``--json`` exactly one document goes to stdout at every exit code but 2, everything else goes to stderr, and the
exit code says what happened:

===  ==================================================================
  0  done
  1  internal error (ours)
  2  the call makes no sense
  3  all input refused
  4  partial: some series or cases refused or failed, the rest done
130  interrupted
===  ==================================================================
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from pipelines.terminal import Speaker

if TYPE_CHECKING:
    from imaging.finding import Finding
    from pipelines.documents import Document

__all__ = ["DONE", "INTERNAL", "INTERRUPTED", "PARTIAL", "REFUSED", "USAGE", "refuse_usage", "run_command"]

DONE, INTERNAL, USAGE, REFUSED, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 4, 130

Command = TypeVar("Command", bound=Callable[..., Any])


def run_command(empty: Callable[[list[Finding]], Document]) -> Callable[[Command], Command]:
    """Wrap a command that returns (document, exit code): print the document if asked, turn errors into codes.

    ``empty`` makes the command's document when there is nothing but an error to put into it.
    """

    def wrap(command: Command) -> Command:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
        @click.option("-v", "--verbose", is_flag=True, help="Say what is being done.")
        @click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
        @functools.wraps(command)
        def wrapped(*args: Any, as_json: bool, verbose: bool, quiet: bool, **kwargs: Any) -> None:
            Speaker.level, Speaker.stdout_is_taken = int(verbose) - int(quiet), as_json
            document, code = guarded(command, empty, *args, **kwargs)
            if as_json:
                write_json(document)
            sys.exit(code)

        return wrapped  # type: ignore[return-value]

    return wrap


def guarded(
    command: Callable[..., tuple[Document, int]], empty: Callable[[list[Finding]], Document], *args: Any, **kwargs: Any
) -> tuple[Document, int]:
    """Run a command; whatever goes wrong becomes a document and an exit code."""
    from imaging.errors import OsteotraceError, UsageError
    from pipelines.documents import error_finding

    try:
        return command(*args, **kwargs)
    except UsageError as error:
        refuse_usage(f"{error.code}: {error}")
    except OsteotraceError as error:
        click.echo(f"{error.code}: {error}", err=True)
        return empty([error_finding(error.code, str(error), error.where)]), REFUSED
    except KeyboardInterrupt:
        click.echo("interrupted; what was finished is on disk", err=True)
        return empty([error_finding("INTERRUPTED", "interrupted by the user")]), INTERRUPTED
    except click.exceptions.Exit:
        raise
    except click.ClickException:
        raise
    except Exception as error:  # noqa: BLE001 — the one place: a fault of ours becomes a code, never a bare traceback
        return empty([internal_error(error)]), INTERNAL


def refuse_usage(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(USAGE)


def internal_error(error: Exception) -> Finding:
    """What a person may see of a fault of ours: its class and place, never its text, which may hold patient data."""
    import traceback

    from pipelines.documents import error_finding

    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    click.echo(f"INTERNAL_ERROR: {place}; please report this line (-v shows the way there)", err=True)
    for frame in traceback.extract_tb(error.__traceback__):
        Speaker.detail(f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}")
    return error_finding("INTERNAL_ERROR", place)


def write_json(document: Document) -> None:
    from pipelines.reports.as_json import json_text

    sys.stdout.write(json_text(document))
