"""Places round the lesions that a reader outlined, as the case file names them: canal, foramina, bone, compartments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imaging.errors import CaseFileError
from imaging.measurement.leak import CANAL_OR_FORAMEN, EXTRAOSSEOUS_TUMOUR, UNSPECIFIED
from pipelines.toml_table import moment_or_name, optional_text, text

__all__ = ["STRUCTURE_KEYS", "StructureEntry", "StructureKind", "structures_from"]

STRUCTURE_KEYS = {"kind", "name", "timepoint", "series", "mask", "reader"}
TAKEN = {name.replace("_", " ") for name in (CANAL_OR_FORAMEN, EXTRAOSSEOUS_TUMOUR, UNSPECIFIED)}
# Names stand in reports and tables: letters, digits and what people put between them, as much as fits on a line.
SAFE_NAME = re.compile(r"[^\W_][\w .()+-]{0,63}")


class StructureKind(StrEnum):
    """What a structure is; bone as it was before it was destroyed, canal and foramina left open.

    A compartment is any other place in which a leak may lie: presacral space, joint, disc, vein, needle track.
    """

    CANAL = "canal"
    FORAMEN = "foramen"
    BONE = "bone"
    COMPARTMENT = "compartment"


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureEntry:
    """One structure and the exam on which the reader outlined it; ``mask`` is a file of the case, ``path#label``."""

    kind: StructureKind
    name: str
    timepoint: str
    mask: str
    reader: str
    series: str | None = None


def structures_from(rows: Sequence[Mapping[str, Any]]) -> tuple[StructureEntry, ...]:
    """The ``[[structure]]`` tables of a case file.

    Raises
    ------
    CaseFileError
        A value cannot be, one name is given to two kinds, it is one that a leak without a place has, or one structure
        is there twice for one exam.

    Examples
    --------
    >>> row = {"kind": "foramen", "name": "S1 left", "timepoint": "T0", "mask": "s1.nii.gz", "reader": "reader-1"}
    >>> structures_from([row])[0].kind.value
    'foramen'
    """
    entries = tuple(structure_from(row, f"structure {number}") for number, row in enumerate(rows, start=1))
    kinds = {entry.name: entry.kind for entry in entries}
    for entry in entries:
        if entry.kind is not kinds[entry.name]:
            raise CaseFileError(f"{entry.name} is of two kinds; a name is of one structure", where="structure")
    if len({(entry.name, entry.timepoint) for entry in entries}) != len(entries):
        raise CaseFileError("a structure is outlined twice on one exam; give one mask", where="structure")
    return entries


def structure_from(row: Mapping[str, Any], where: str) -> StructureEntry:
    kind = text(row, "kind", where)
    if kind not in tuple(StructureKind):
        raise CaseFileError(f"{where}: kind is one of {', '.join(StructureKind)}", where=where)
    name = text(row, "name", where)
    if not SAFE_NAME.fullmatch(name):
        message = "a name is up to 64 letters, digits, spaces and any of . ( ) + _ -, and begins with a letter or digit"
        raise CaseFileError(f"{where}: {message}", where=where)
    if name.replace("_", " ").casefold() in TAKEN:
        raise CaseFileError(f"{where}: {name} is what leaks are called that lie in no named place", where=where)
    return StructureEntry(
        kind=StructureKind(kind),
        name=name,
        timepoint=moment_or_name(row, "timepoint", where),
        mask=text(row, "mask", where),
        reader=text(row, "reader", where),
        series=optional_text(row, "series", where),
    )
