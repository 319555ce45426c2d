"""Which of a model's classes is the lesion, and what a model's folder says of its licence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imaging.errors import BackendUnavailable, UsageError

__all__ = ["folder_licence", "lesion_label", "read_table", "split_location"]

LESION_WORDS = ("lesion", "tumor", "tumour", "metasta")
LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENCE", "docs/license.txt")
NOT_STATED = "not stated by the model's folder; ask its author"
LARGEST_TABLE = 2**24  # bytes; plans of nnU-Net have thousands


def split_location(location: str) -> tuple[Path, str]:
    """A folder and the label chosen with ``FOLDER#label``; empty where none was.

    Examples
    --------
    >>> split_location("/models/bone#metastasis")[1]
    'metastasis'
    """
    folder, _, label = location.partition("#")
    return Path(folder), label


def lesion_label(labels: Mapping[str, int], chosen: str, *, name: str) -> int:
    """The number of the class that is the lesion: the chosen one, the only one, or the only one with a lesion's name.

    Raises
    ------
    UsageError
        BACKEND_LABEL: none or several could be meant; the message lists them.

    Examples
    --------
    >>> lesion_label({"bone": 1, "bone metastasis": 2}, "", name="nnunet")
    2
    """
    if chosen in labels:
        return labels[chosen]
    named = [label for label in labels if any(word in label.lower() for word in LESION_WORDS)]
    only = named if len(named) == 1 else list(labels)
    if chosen or len(only) != 1:
        raise UsageError(
            f"which class of this model is the lesion? name it as {name}:FOLDER#label, label one of "
            f"{', '.join(labels) or '(none)'}",
            code="BACKEND_LABEL",
        )
    return labels[only[0]]


def folder_licence(folder: Path) -> str:
    """The first line of the licence file beside the weights, or that there is none."""
    for name in LICENCE_FILES:
        path = folder / name
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace")[:LARGEST_TABLE].splitlines()
            return next((line.strip() for line in lines if line.strip()), NOT_STATED)
    return NOT_STATED


def read_table(path: Path, *, needed: str) -> dict[str, Any]:
    """The JSON object in a model's file.

    Raises
    ------
    BackendUnavailable
        There is none; ``needed`` says what the folder should hold.
    """
    try:
        table = json.loads(path.read_bytes()[:LARGEST_TABLE])
    except (OSError, RecursionError, ValueError) as error:  # the second for what is nested too deep
        raise BackendUnavailable(
            f"{path} cannot be read as JSON ({type(error).__name__}); {needed}", where=path.name
        ) from error
    if not isinstance(table, dict):
        raise BackendUnavailable(f"{path} holds no JSON object; {needed}", where=path.name)
    return table
