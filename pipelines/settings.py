"""Every value that a site may tune, with its default and its reason; the only reader of TOML and of the environment."""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from imaging.errors import CaseFileError, UnreadableFile, UsageError
from imaging.measurement.uncertainty import ReaderVariability
from imaging.response.own import own_criteria, own_record
from imaging.response.thresholds import Thresholds

__all__ = ["Settings", "pseudonym_key", "read_settings", "read_toml", "screen_is_here"]

DEFAULT_SEGMENTER = "agreement"
LARGEST_TOML = 4 * 2**20  # bytes; a case file with a thousand prompts has a twentieth of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tunable values of a run; they stand in the provenance of every case.

    Parameters
    ----------
    reader_wcv_ct, reader_wcv_mr, reader_wcv_mr_cemented
        Assumed reader variability of a volume as within-subject coefficient of variation, the floor of every interval.
        No claim of QIBA covers bone lesions or MR; 0.10 and 0.15 are between its CT claims (0.085 to 0.141), and 0.20
        is our allowance for signal voids beside cement.
    registration_error_mm
        How far an accepted registration may be off where material is carried from CT to MR; the sample case and the
        real pairs of the tests are below it on average.
    segmenter
        Who proposes outlines: a name as ``osteotrace segment --backend`` takes it.
    criteria
        The site's own response criteria, ``[[criterion]]`` (:mod:`imaging.response.own`), judged beside the published.
    """

    reader_wcv_ct: float = 0.10
    reader_wcv_mr: float = 0.15
    reader_wcv_mr_cemented: float = 0.20
    registration_error_mm: float = 2.0
    segmenter: str = DEFAULT_SEGMENTER
    criteria: tuple[Thresholds, ...] = ()

    def __post_init__(self) -> None:
        for name in ("reader_wcv_ct", "reader_wcv_mr", "reader_wcv_mr_cemented"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"{name} is a coefficient of variation between 0 and 1", code="BAD_SETTING")

    def variability(self) -> ReaderVariability:
        """The assumed reader variability, as the measurement takes it."""
        return ReaderVariability(ct=self.reader_wcv_ct, mr=self.reader_wcv_mr, cemented_mr=self.reader_wcv_mr_cemented)

    def record(self) -> dict[str, Any]:
        """The values by name, for the provenance."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"criteria": [own_record(criterion) for criterion in self.criteria]}


def read_toml(path: Path, *, number: Callable[[str], Any] = float) -> dict[str, Any]:
    """The document in a TOML file; ``number`` makes a value of each decimal number's text.

    Raises
    ------
    UnreadableFile
        There is no such file.
    CaseFileError
        It is not TOML, far too large, or a pipe; the message holds the line, not its text.
    """
    try:
        content = path.read_bytes().decode("utf-8") if readable_whole(path.stat()) else None
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read ({error.strerror})", where=path.name) from error
    except UnicodeDecodeError as error:
        raise CaseFileError(f"{path.name} is not UTF-8 text (byte {error.start})", where=path.name) from error
    if content is None:
        raise CaseFileError(f"{path.name} is no file of at most {LARGEST_TOML} bytes", where=path.name)
    try:
        return tomllib.loads(content, parse_float=number)
    except tomllib.TOMLDecodeError as error:
        place = str(error).rpartition("(")[2].rstrip(")")
        raise CaseFileError(f"{path.name} is not TOML ({place})", where=path.name) from None
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
        raise CaseFileError(
            f"{path.name} is beyond what TOML is for ({type(error).__name__})", where=path.name
        ) from None


def readable_whole(state: os.stat_result) -> bool:
    """Whether reading comes to an end: a pipe or a device would not."""
    return stat.S_ISREG(state.st_mode) and state.st_size <= LARGEST_TOML


def read_settings(path: Path | None) -> Settings:
    """The settings in a TOML file, or the defaults.

    Raises
    ------
    UsageError
        BAD_SETTING: a name that is not known (a typo would be silent otherwise) or a value of the wrong kind.
    """
    if path is None:
        return Settings()
    table = read_toml(path, number=Decimal)
    written = table.pop("criterion", [])
    if not isinstance(written, list) or not all(isinstance(row, dict) for row in written):
        raise UsageError(f"{path.name}: criteria are written as [[criterion]] tables", code="BAD_SETTING")
    segmenter = table.pop("segmenter", DEFAULT_SEGMENTER)
    if not isinstance(segmenter, str):
        raise UsageError(f"{path.name}: segmenter is a name", code="BAD_SETTING")
    known = [field.name for field in fields(Settings) if field.name not in ("criteria", "segmenter")]
    for name, value in table.items():
        if name not in known:
            listing = ", ".join(known)
            raise UsageError(f"{path.name}: no setting is called {name!r}; known: {listing}", code="BAD_SETTING")
        if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
            raise UsageError(f"{path.name}: {name} is a number", code="BAD_SETTING")
    numbers = {name: float(value) for name, value in table.items()}
    return Settings(**numbers, segmenter=segmenter, criteria=own_criteria(written))


def pseudonym_key() -> bytes:
    """The secret under which patients get their pseudonyms: OSTEOTRACE_PSEUDONYM_KEY, which a site sets for itself.

    Without it the key is public, and a pseudonym hides a patient from a reader but not from somebody who tries ids.
    """
    return os.environ.get("OSTEOTRACE_PSEUDONYM_KEY", "osteotrace: public key, set your own").encode()


def screen_is_here() -> bool:
    """Whether a window can be opened; only X11 and Wayland say so in the environment."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
