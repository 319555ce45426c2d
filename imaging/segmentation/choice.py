"""Which segment of a file is meant by what stands behind ``#`` in ``mask.nii.gz#2`` or ``seg.dcm#left sacrum``."""

from __future__ import annotations

from collections.abc import Iterable

from imaging.errors import UsageError

__all__ = ["is_chosen", "segment_not_found"]


def is_chosen(choice: str | None, label: int, name: str) -> bool:
    """Whether a segment is meant: by its number, or by its name in any case; without a choice all are.

    Examples
    --------
    >>> is_chosen(None, 3, "cyst"), is_chosen("3", 3, "cyst"), is_chosen("Cyst", 3, "cyst"), is_chosen("4", 3, "cyst")
    (True, True, True, False)
    """
    return choice is None or choice == str(label) or choice.casefold() == name.casefold()


def segment_not_found(choice: str, labels: Iterable[int], where: str) -> UsageError:
    """The error that says which numbers there are; names may hold a patient's, so they are not repeated.

    Examples
    --------
    >>> print(segment_not_found("9", [1, 2], "x.nii"))
    segment '9' is not here; there are 1, 2
    """
    listing = ", ".join(map(str, labels)) or "none"
    return UsageError(f"segment {choice!r} is not here; there are {listing}", code="LABEL_NOT_FOUND", where=where)
