"""What people wrote about a case: its lesions and prompts, what was done and when, how the patient was.

``case.toml`` (see README, "The case file") is read by :mod:`pipelines.settings`; here its tables become values, and
everything that is not understood is said: impossible values raise, unknown keys give a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imaging.errors import CaseFileError
from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Eligibility
from imaging.lesions.procedure import ClinicalRecord, Procedure
from imaging.response.reading import Reading
from imaging.segmentation import LesionId
from imaging.segmentation.prompt import Prompt, prompts_from_record
from pipelines.readings import ELIGIBILITY_KEYS, READING_KEYS, eligibility_from, readings_from
from pipelines.settings import read_toml
from pipelines.structures import STRUCTURE_KEYS, StructureEntry, structures_from
from pipelines.toml_table import moment, moment_or_name, optional_text, tables, text
from pipelines.workspace import SAFE_NAME

__all__ = ["CaseFile", "LesionEntry", "LinkWord", "PlacedPrompt", "Review", "link_word_from", "read_case_file"]

KEYS = {
    "": {"case", "lesion", "procedure", "clinical", "series", "reading", "structure"},
    "case": {"id", "across_roles"},
    "lesion": {"id", "name", "side", "kind", "prompt", "review", "link", *ELIGIBILITY_KEYS},
    "lesion.prompt": {"timepoint", "series", "kind", "points_lps_mm", "radius_mm", "sign", "axes", "mask", "path"},
    "lesion.review": {"timepoint", "status", "reader", "mask_sha256"},
    "lesion.link": {"timepoint", "mask_sha256", "reader"},
    "procedure": {"id", "when", "kind", "lesion", "materials", "note"},
    "clinical": {"when", "pain_nrs", "side", "walking", "event", "grade", "note"},
    "series": {"uid", "role"},
    "reading": READING_KEYS,
    "structure": STRUCTURE_KEYS,
}
SIDES = ("left", "right", "midline")
ROLES = (
    "ct", "t1", "t1c", "t1fs", "t1cfs", "t2", "t2fs", "stir", "pd", "flair", "dwi", "gre",
    "dixon_fat", "dixon_fat_t1", "dixon_fat_t1c", "dixon_fat_t2", "dixon_fat_pd",
    "dixon_water", "dixon_water_t1", "dixon_water_t1c", "dixon_water_t2", "dixon_water_pd",
)  # fmt: skip
REVIEW_STATUSES = ("accepted", "rejected")
LESION_KINDS = ("target", "non-target", "new")


@dataclass(frozen=True, slots=True)
class PlacedPrompt:
    """A prompt and the exam it was drawn on: a timepoint id, a date or a study UID; ``series`` where it was forced."""

    timepoint: str
    prompt: Prompt
    series: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reader's word on one mask, valid for the mask with that digest alone."""

    lesion: LesionId
    timepoint: str
    status: str
    reader: str
    mask_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWord:
    """A reader's word that the mask with that digest shows this lesion, whatever the machine took it for."""

    lesion: LesionId
    timepoint: str
    reader: str
    mask_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionEntry:
    """A lesion as the case file names it."""

    id: LesionId
    name: str
    side: str | None
    kind: str
    prompts: tuple[PlacedPrompt, ...]
    eligibility: Eligibility = field(default_factory=Eligibility)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """All of a case file; empty where there is none."""

    id: str | None = None
    lesions: tuple[LesionEntry, ...] = ()
    reviews: tuple[Review, ...] = ()
    links: tuple[LinkWord, ...] = ()
    readings: tuple[Reading, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    clinical: tuple[ClinicalRecord, ...] = ()
    structures: tuple[StructureEntry, ...] = ()
    roles: Mapping[str, str]
    across_roles: bool = False  # whether changes are asked for between unlike images too
    written: bool = False
    findings: tuple[Finding, ...] = ()


def read_case_file(path: Path | None) -> CaseFile:
    """The case file as a value; an empty one where ``path`` is None.

    Raises
    ------
    CaseFileError
        With the table and the key that cannot be.
    """
    if path is None:
        return CaseFile(roles={})
    document = read_toml(path)
    where = path.name
    lesions = tuple(lesion_from(row, f"lesion {n}") for n, row in enumerate(tables(document, "lesion"), start=1))
    ids = [lesion.id for lesion in lesions]
    if len(set(ids)) != len(ids):
        raise CaseFileError("two lesions have one id; ids tell lesions apart through time", where=where)
    procedures = tuple(
        procedure_from(row, f"procedure {n}", ids) for n, row in enumerate(tables(document, "procedure"), 1)
    )
    if len({procedure.id for procedure in procedures}) != len(procedures):
        raise CaseFileError("two procedures have one id", where=where)
    case = document.get("case", {})
    if not isinstance(case, dict):
        raise CaseFileError("[case] is a table", where=where)
    return CaseFile(
        id=optional_text(case, "id", "case"),
        lesions=lesions,
        reviews=tuple(review for row in tables(document, "lesion") for review in reviews_from(row)),
        links=tuple(link for row in tables(document, "lesion") for link in links_from(row)),
        readings=readings_from(tables(document, "reading"), {lesion.id: lesion.eligibility for lesion in lesions}),
        procedures=tuple(sorted(procedures, key=lambda procedure: (procedure.when, procedure.id))),
        clinical=tuple(clinical_from(row, f"clinical {n}") for n, row in enumerate(tables(document, "clinical"), 1)),
        structures=structures_from(tables(document, "structure")),
        roles={text(row, "uid", "series"): role_from(row) for row in tables(document, "series")},
        across_roles=asked_across_roles(case),
        written=True,
        findings=tuple(unknown_keys(document, where)),
    )


def lesion_from(row: Mapping[str, Any], where: str) -> LesionEntry:
    identity = LesionId(text(row, "id", where))
    if not SAFE_NAME.fullmatch(identity):
        raise CaseFileError(f"{where}: an id is letters, digits, '.', '_' or '-': files are named by it", where=where)
    side = optional_text(row, "side", where)
    if side is not None and side not in SIDES:
        raise CaseFileError(f"{where}: side is one of {', '.join(SIDES)}", where=where)
    kind = optional_text(row, "kind", where) or "target"
    if kind not in LESION_KINDS:
        raise CaseFileError(f"{where}: kind is one of {', '.join(LESION_KINDS)}", where=where)
    prompts = tuple(
        PlacedPrompt(
            moment_or_name(prompt, "timepoint", where), one_prompt(prompt), optional_text(prompt, "series", where)
        )
        for prompt in tables(row, "prompt")
    )
    return LesionEntry(
        id=identity,
        name=optional_text(row, "name", where) or identity,
        side=side,
        kind=kind,
        prompts=prompts,
        eligibility=eligibility_from(row, where),
    )


def one_prompt(row: Mapping[str, Any]) -> Prompt:
    drawn = {key: value for key, value in row.items() if key not in ("timepoint", "series")}
    return prompts_from_record([drawn])[0]


def reviews_from(row: Mapping[str, Any]) -> list[Review]:
    lesion = LesionId(text(row, "id", "lesion"))
    return [
        Review(
            lesion=lesion,
            timepoint=moment_or_name(review, "timepoint", "lesion.review"),
            status=review_status(review),
            reader=text(review, "reader", "lesion.review"),
            mask_sha256=text(review, "mask_sha256", "lesion.review"),
        )
        for review in tables(row, "review")
    ]


def links_from(row: Mapping[str, Any]) -> list[LinkWord]:
    lesion = LesionId(text(row, "id", "lesion"))
    return [link_word_from(link, lesion, "lesion.link") for link in tables(row, "link")]


def link_word_from(row: Mapping[str, Any], lesion: LesionId, where: str) -> LinkWord:
    """A reader's word as the case file has it in a table, and the workspace in a file.

    Raises
    ------
    CaseFileError
        With the key that cannot be.
    """
    return LinkWord(
        lesion=lesion,
        timepoint=moment_or_name(row, "timepoint", where),
        reader=text(row, "reader", where),
        mask_sha256=text(row, "mask_sha256", where),
    )


def asked_across_roles(case: Mapping[str, Any]) -> bool:
    asked = case.get("across_roles", False)
    if not isinstance(asked, bool):
        raise CaseFileError("case: across_roles is true or false", where="case")
    return asked


def role_from(row: Mapping[str, Any]) -> str:
    role = text(row, "role", "series")
    if role not in ROLES:
        raise CaseFileError(f"series: role is one of {', '.join(ROLES)}", where="series")
    return role


def review_status(row: Mapping[str, Any]) -> str:
    status = text(row, "status", "lesion.review")
    if status not in REVIEW_STATUSES:
        raise CaseFileError(f"lesion.review: status is one of {', '.join(REVIEW_STATUSES)}", where="lesion.review")
    return status


def procedure_from(row: Mapping[str, Any], where: str, lesions: Sequence[str]) -> Procedure:
    lesion = optional_text(row, "lesion", where)
    if lesion is not None and lesion not in lesions:
        raise CaseFileError(f"{where}: its lesion is none of those in this file ({', '.join(lesions)})", where=where)
    materials = []
    for material in row.get("materials", ()):
        if not isinstance(material, dict):
            raise CaseFileError(f"{where}: materials are tables {{agent, injected_ml}}", where=where)
        injected = material.get("injected_ml")
        if isinstance(injected, bool) or not isinstance(injected, (int, float)) or not 0 <= injected < 1000:
            raise CaseFileError(f"{where}: injected_ml is a volume in mL from 0 to 1000", where=where)
        materials.append((text(material, "agent", where), float(injected)))
    return Procedure(
        id=text(row, "id", where),
        when=moment(row, "when", where),
        kind=text(row, "kind", where),
        lesion=LesionId(lesion) if lesion else None,
        materials=tuple(materials),
    )


def clinical_from(row: Mapping[str, Any], where: str) -> ClinicalRecord:
    pain = row.get("pain_nrs")
    if pain is not None and (isinstance(pain, bool) or not isinstance(pain, (int, float)) or not 0 <= pain <= 10):
        raise CaseFileError(f"{where}: pain_nrs is a numeric rating from 0 to 10", where=where)
    grade = row.get("grade")
    if grade is not None and (isinstance(grade, bool) or grade not in (1, 2, 3, 4, 5)):
        raise CaseFileError(f"{where}: grade is 1 to 5", where=where)
    return ClinicalRecord(
        when=moment(row, "when", where),
        pain_nrs=None if pain is None else float(pain),
        side=optional_text(row, "side", where),
        walking=optional_text(row, "walking", where),
        event=optional_text(row, "event", where) or None,
        grade=grade,
    )


def unknown_keys(table: Mapping[str, Any], where: str, path: str = "") -> list[Finding]:
    """A finding for every key that nothing reads: a typo must not be silent."""
    rows: list[Finding] = []
    for key, value in table.items():
        if key not in KEYS[path]:
            place = f"{path}.{key}" if path else key
            rows.append(
                Finding("CASE_FILE_UNKNOWN_KEY", Severity.WARNING, f"{place} is not a key of a case file", where)
            )
            continue
        below = f"{path}.{key}" if path else key
        if below in KEYS:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    rows += unknown_keys(item, where, below)
    return list(dict.fromkeys(rows))
