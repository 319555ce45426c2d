"""What readers sign in the case file: of a lesion as a target, and of an exam beyond its outlines.

A statement decides a category, so nothing here is guessed: an unknown key, word or lesion is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from imaging.errors import CaseFileError
from imaging.lesions.lesion import SKELETON, Eligibility
from imaging.response.reading import FillIn, NewLesions, NonTarget, Reading
from pipelines.toml_table import choice, moment_or_name, optional_text, text, truth

__all__ = [
    "ELIGIBILITY_KEYS",
    "READING_KEYS",
    "eligibility_from",
    "reading_from_record",
    "reading_record",
    "readings_from",
]

ELIGIBILITY_KEYS = ("node", "organ", "appearance", "soft_tissue", "measurable", "progressed_since")
APPEARANCES = ("lytic", "mixed", "blastic")
LISTS = ("absent", "too_small", "split")
READING_KEYS = {
    "timepoint", "reader", "non_target", "new_lesions", "coverage", *LISTS, "merged", "viable_mm", "fill_in",
}  # fmt: skip
Word = TypeVar("Word", NonTarget, NewLesions)
LARGEST_MM = 1000  # no lesion is longer


def eligibility_from(row: Mapping[str, Any], where: str) -> Eligibility:
    """What a lesion's table says of it as a target."""
    return Eligibility(
        node=truth(row, "node", where) or False,
        organ=optional_text(row, "organ", where) or SKELETON,
        appearance=choice(row, "appearance", APPEARANCES, where),
        soft_tissue=truth(row, "soft_tissue", where),
        measurable=truth(row, "measurable", where),
        progressed_since=truth(row, "progressed_since", where),
    )


def readings_from(rows: Sequence[Mapping[str, Any]], lesions: Mapping[str, Eligibility]) -> tuple[Reading, ...]:
    """The ``[[reading]]`` tables of a case file with these lesions.

    Raises
    ------
    CaseFileError
        A key, word or lesion is not known, two readings are of one exam, or one contradicts itself.
    """
    readings = tuple(reading_from(row, lesions, f"reading {number}") for number, row in enumerate(rows, start=1))
    if len({reading.timepoint for reading in readings}) != len(readings):
        raise CaseFileError("two readings are of one exam; the readers agree on one", where="reading")
    return readings


def reading_from(row: Mapping[str, Any], lesions: Mapping[str, Eligibility], where: str) -> Reading:
    unknown = sorted(set(row) - READING_KEYS)
    if unknown:
        raise CaseFileError(f"{where}: {', '.join(unknown)} is not a statement of a reading", where=where)
    reading = Reading(
        timepoint=moment_or_name(row, "timepoint", where),
        reader=text(row, "reader", where),
        non_target=word(NonTarget, choice(row, "non_target", tuple(NonTarget), where)),
        new_lesions=new_lesions(row, where),
        coverage=truth(row, "coverage", where),
        absent=names(row.get("absent", []), "absent", where),
        too_small=names(row.get("too_small", []), "too_small", where),
        split=names(row.get("split", []), "split", where),
        merged=groups(row.get("merged", []), where),
        viable_mm={name: diameter(value, where) for name, value in table(row, "viable_mm", where).items()},
        fill_in={name: filled(value, where) for name, value in table(row, "fill_in", where).items()},
    )
    mentioned = [
        *reading.absent,
        *reading.too_small,
        *reading.split,
        *(name for group in reading.merged for name in group),
    ]
    strange = sorted({*mentioned, *reading.viable_mm, *reading.fill_in} - set(lesions))
    if strange:
        raise CaseFileError(f"{where}: {', '.join(strange)} is none of the lesions in this file", where=where)
    parts = [*reading.absent, *reading.too_small, *reading.split, *(n for group in reading.merged for n in group[1:])]
    if len(set(parts)) != len(parts):
        raise CaseFileError(f"{where}: a lesion is absent, too small, split or merged; one of them", where=where)
    if any(lesions[name].node for name in reading.split):
        raise CaseFileError(f"{where}: a node counts by its short axis and is not split", where=where)
    return reading


def reading_record(reading: Reading) -> dict[str, Any]:
    """The reading as a row of the case document."""
    return {
        "timepoint": reading.timepoint,
        "reader": reading.reader,
        "non_target": reading.non_target,
        "new_lesions": reading.new_lesions,
        "coverage": reading.coverage,
        **{name: list(getattr(reading, name)) for name in LISTS},
        "merged": [list(group) for group in reading.merged],
        "viable_mm": dict(reading.viable_mm),
        "fill_in": dict(reading.fill_in),
    }


def reading_from_record(row: Mapping[str, Any]) -> Reading:
    """The reading in a row of the case document."""
    return Reading(
        timepoint=row["timepoint"],
        reader=row["reader"],
        non_target=word(NonTarget, row["non_target"]),
        new_lesions=word(NewLesions, row["new_lesions"]),
        coverage=row["coverage"],
        **{name: tuple(row[name]) for name in LISTS},
        merged=tuple(tuple(group) for group in row["merged"]),
        viable_mm=dict(row["viable_mm"]),
        fill_in={name: FillIn(value) for name, value in row["fill_in"].items()},
    )


def word(kind: type[Word], value: str | None) -> Word | None:
    return None if value is None else kind(value)


def new_lesions(row: Mapping[str, Any], where: str) -> NewLesions | None:
    """``true``, ``false`` or ``"equivocal"``."""
    value = row.get("new_lesions")
    if value is None:
        return None
    if isinstance(value, bool):
        return NewLesions.UNEQUIVOCAL if value else NewLesions.NONE
    if value == NewLesions.EQUIVOCAL:
        return NewLesions.EQUIVOCAL
    raise CaseFileError(f'{where}: new_lesions is true, false or "equivocal"', where=where)


def names(value: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise CaseFileError(f"{where}: {key} lists ids of lesions", where=where)
    return tuple(value)


def groups(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        raise CaseFileError(f'{where}: merged lists groups of lesions: [["L1", "L2"]]', where=where)
    found = tuple(names(group, "merged", where) for group in value)
    if any(len(group) < 2 for group in found) or len({n for g in found for n in g}) != sum(map(len, found)):
        raise CaseFileError(f"{where}: merged lists groups of two lesions or more, each lesion once", where=where)
    return found


def table(row: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = row.get(key, {})
    if not isinstance(value, dict):
        raise CaseFileError(f"{where}: {key} is a table of lesions: {{L1 = …}}", where=where)
    return value


def diameter(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < LARGEST_MM:
        raise CaseFileError(f"{where}: viable_mm are diameters from 0 to {LARGEST_MM} mm", where=where)
    return float(value)


def filled(value: object, where: str) -> FillIn:
    if value not in tuple(FillIn):
        raise CaseFileError(f"{where}: fill_in is one of {', '.join(FillIn)}", where=where)
    return FillIn(str(value))
