"""How a case ended, as a value that travels: from the child to the coordinator, into the journal and the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from imaging.errors import RecordError

__all__ = ["DIED", "End", "Outcome", "failed"]

DIED = "WORKER_DIED"


class End(StrEnum):
    """Done, refused for what the case is (its input), or failed for what happened (to its process)."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one case.

    Parameters
    ----------
    end, code, message
        Of a done case, the code is that of the needed series that was refused (partial), or None.
    seconds
        Wall time.
    findings
        How many remarks the case's document holds; None where there is no document.
    sha256
        Of ``case.json``; None unless done.
    way
        Where in the code an internal error arose, outermost first; never its text.
    patients
        Pseudonyms of the patients seen, where that was asked.

    Examples
    --------
    >>> Outcome.from_record(Outcome(end=End.REFUSED, code="NO_IMAGE").record()).code
    'NO_IMAGE'
    """

    end: End
    code: str | None = None
    message: str = ""
    seconds: float = 0.0
    findings: int | None = None
    sha256: str | None = None
    way: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "end": str(self.end), "way": list(self.way), "patients": list(self.patients)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Outcome:
        """The outcome in a record.

        Raises
        ------
        RecordError
            It is none.
        """
        try:
            outcome = Outcome(
                end=End(record["end"]),
                code=record["code"],
                message=str(record["message"]),
                seconds=float(record["seconds"]),
                findings=record["findings"],
                sha256=record["sha256"],
                way=tuple(map(str, record["way"])),
                patients=tuple(map(str, record["patients"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"no outcome of a case ({type(error).__name__})") from error
        if outcome.end is not End.DONE and not isinstance(outcome.code, str):
            raise RecordError("a case that is not done has a code")
        return outcome


def failed(code: str, message: str) -> Outcome:
    """The outcome of a case to which something happened.

    Examples
    --------
    >>> failed("TIMEOUT", "5 s were not enough").end
    <End.FAILED: 'failed'>
    """
    return Outcome(end=End.FAILED, code=code, message=message)
