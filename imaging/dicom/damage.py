"""Damage that shows late: a sequence is parsed only when it is looked into."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imaging.dicom.file import PARSE_ERRORS
from imaging.errors import OsteotraceError, UnreadableFile

__all__ = ["damage_named"]


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever the parser raises on damaged bytes into one coded error that quotes none of them.

    Raises
    ------
    UnreadableFile
        The file is damaged.

    Examples
    --------
    >>> with damage_named(Path("seg.dcm")):
    ...     raise EOFError("half a value")
    Traceback (most recent call last):
    ...
    imaging.errors.UnreadableFile: not readable as DICOM (EOFError)
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser's remarks quote values
            yield
    except OsteotraceError:
        raise
    except RecursionError:
        raise UnreadableFile("sequences nested too deep", code="NESTING_TOO_DEEP", where=path.name) from None
    except PARSE_ERRORS as error:
        raise UnreadableFile(f"not readable as DICOM ({type(error).__name__})", where=path.name) from None
