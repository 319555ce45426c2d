"""One judge for every hazard: what did scan and load make of a folder, and was any of it wrong without a word?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from imaging.dicom.assemble import load_volume
from imaging.dicom.scan import scan
from imaging.errors import InputError
from imaging.finding import Severity
from imaging.study import Index, SeriesRecord, Verdict
from imaging.volume import Volume
from tests.imaging.dicom.hazards.phantom import Truth


class Outcome(StrEnum):
    """LOAD: right, without a word. WARN: right, with a code. SPLIT: every volume of several, each right.

    SKIP: right, odd files left out by name. ERROR: refused. SILENT: a volume that is wrong, or incomplete unsaid.
    """

    LOAD = "load"
    WARN = "warn"
    SPLIT = "split"
    SKIP = "skip"
    ERROR = "error"
    SILENT = "SILENT"


@dataclass(frozen=True)
class Judgement:
    """``codes``: of refusals, of warnings, of files passed over; ``notes``: of remarks that warn of nothing."""

    outcome: Outcome
    codes: frozenset[str]
    notes: frozenset[str]
    detail: str
    index: Index

    @property
    def is_right(self) -> bool:
        """Whether all that can be loaded was, and rightly."""
        return self.outcome in (Outcome.LOAD, Outcome.WARN, Outcome.SPLIT, Outcome.SKIP) and not self.detail


def judge(paths: Sequence[Path], truths: Sequence[Truth]) -> Judgement:
    """What became of a folder that holds these volumes.

    A volume in which any voxel has not the value of its place is SILENT whatever was said of it: no warning makes a
    misplaced voxel acceptable. An incomplete volume (cut off at an end) is a WARN if it carries a warning.
    """
    index = scan(paths)
    refused, loaded = _loaded(index)
    warned = {f.code for volume, _ in loaded for f in volume.findings if f.severity is not Severity.INFO}
    warned |= {f.code for f in index.findings if f.severity is not Severity.INFO}
    noted = {f.code for volume, _ in loaded for f in volume.findings if f.severity is Severity.INFO}
    skipped = {row.code for row in index.skipped}
    codes = frozenset(refused | warned | skipped)

    def ends(outcome: Outcome, detail: str = "") -> Judgement:
        return Judgement(outcome, codes, frozenset(noted), detail, index)

    if not loaded:
        return ends(Outcome.ERROR)
    wrong, unmet, incomplete = [], list(truths), ""
    for volume, record in loaded:
        failures = [(truth.misplaced(volume), truth) for truth in unmet]
        met = next((truth for failure, truth in failures if not failure), None)
        if met is None:
            wrong.append("; ".join(failure for failure, _ in failures) or "a volume too many")
            continue
        missing = met.incomplete(volume)
        if missing and not _warns(volume):
            wrong.append(f"incomplete without a word: {missing}")
        incomplete = incomplete or missing
        if not missing:
            unmet.remove(met)
        if record.verdict is Verdict.EXACT and record.code:
            wrong.append("an exact record with a code")
    if wrong:
        return ends(Outcome.SILENT, "; ".join(wrong))
    if incomplete or unmet:
        return ends(Outcome.WARN if codes | noted else Outcome.SILENT, incomplete or f"{len(unmet)} volumes refused")
    if len(truths) > 1:
        return ends(Outcome.SPLIT)
    if skipped or refused:
        return ends(Outcome.SKIP)
    return ends(Outcome.WARN if warned else Outcome.LOAD)


def _loaded(index: Index) -> tuple[set[str], list[tuple[Volume, SeriesRecord]]]:
    refused, loaded = set(), []
    for record in index.volumes:
        if record.verdict is Verdict.REFUSED:
            refused |= {str(record.code)} | {f.code for f in record.findings if f.severity is Severity.ERROR}
            continue
        try:
            loaded.append((load_volume(record), record))
        except InputError as error:
            refused.add(error.code)
    return refused, loaded


def _warns(volume: Volume) -> bool:
    """Whether a warning, or a remark that slices may be absent, is said of the volume."""
    return any(f.severity is not Severity.INFO or f.code == "INCOMPLETE_SERIES" for f in volume.findings)
