"""The keys of a table that a person wrote, as values; what they cannot be is a typed error with the place."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from imaging.errors import CaseFileError

__all__ = ["choice", "moment", "moment_or_name", "optional_text", "tables", "text", "truth"]


def tables(row: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The array of tables called ``key``; empty where it is not there."""
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise CaseFileError(f"{key} is written as [[{key}]] tables")
    return value


def text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise CaseFileError(f"{where}: {key} is missing or is not text", where=where)
    return value


def optional_text(row: Mapping[str, Any], key: str, where: str) -> str | None:
    value = row.get(key)
    if value is None or isinstance(value, str):
        return value
    raise CaseFileError(f"{where}: {key} is not text", where=where)


def moment(row: Mapping[str, Any], key: str, where: str) -> str:
    """An ISO date or date-time, from a TOML date or from text."""
    value = row.get(key)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            day_only = len(value) <= len("2003-01-17")
            value = dt.date.fromisoformat(value) if day_only else dt.datetime.fromisoformat(value)
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            raise CaseFileError(f"{where}: {key} has a UTC offset; exams tell local time, so leave it out", where=where)
        return value.isoformat(timespec="seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    raise CaseFileError(f"{where}: {key} is a date or date-time (2003-01-17 or 2003-01-17T10:30:00)", where=where)


def moment_or_name(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    return value.isoformat() if isinstance(value, (dt.datetime, dt.date)) else text(row, key, where)


def choice(row: Mapping[str, Any], key: str, allowed: Collection[str], where: str) -> str | None:
    """One of the allowed words, or None where the key is not there."""
    value = optional_text(row, key, where)
    if value is not None and value not in allowed:
        raise CaseFileError(f"{where}: {key} is one of {', '.join(allowed)}", where=where)
    return value


def truth(row: Mapping[str, Any], key: str, where: str) -> bool | None:
    """True or false, or None where the key is not there."""
    value = row.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise CaseFileError(f"{where}: {key} is true or false", where=where)
