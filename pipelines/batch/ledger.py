"""What a batch knows of its cases: the plan, what they depend on, and the rows so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imaging.finding import Finding, Severity
from pipelines.batch.batch_document import Row, batch_document
from pipelines.batch.case_key import case_key
from pipelines.batch.isolate import Job
from pipelines.batch.journal import Journal
from pipelines.batch.options import Options
from pipelines.batch.outcome import Outcome
from pipelines.batch.plan import Plan, PlannedCase
from pipelines.batch.resume import outcome_that_holds
from pipelines.reports.document import visible
from pipelines.settings import Settings
from pipelines.workspace import CaseFolder, remove_scraps

__all__ = ["Ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A batch at work."""

    workspace: Path
    options: Options
    settings: Settings
    journal: Journal
    plan: Plan
    keys: dict[str, str] = field(default_factory=dict)
    rows: dict[tuple[Path, ...], Row] = field(default_factory=dict)

    def settle(self, wanted: Callable[[], bool] = lambda: True) -> dict[str, PlannedCase]:
        """Fill in the rows that are known, and return the cases that are to be done by id; none if no longer wanted."""
        results = {
            "identified": self.options.identified,
            "accept_gaps": self.options.accept_gaps,
            "settings": self.settings.record(),
        }
        for case in self.plan.cases:
            if not wanted():
                return {}
            if case.refused is not None:
                self.put(case, case.refused)
                continue
            target = self.target(case)
            self.keys[case.id] = case_key(case.folders, reviews=target.review, options=results)
            if not self.options.fresh:
                entry = self.journal.of(case.id)
                known = outcome_that_holds(entry, self.keys[case.id], self.options.limits, target)
                if known is not None:
                    self.put(case, known, resumed=True)
        return {case.id: case for case in self.plan.cases if case.folders not in self.rows}

    def put(self, case: PlannedCase, outcome: Outcome, *, resumed: bool = False) -> Row:
        """Take down the case's row."""
        names = tuple(visible(folder.name) for folder in case.folders)
        row = Row(case=case.id, folders=names, outcome=outcome, resumed=resumed)
        self.rows[case.folders] = row
        return row

    def listed(self) -> list[Row]:
        """The rows in the plan's order."""
        return [self.rows[case.folders] for case in self.plan.cases if case.folders in self.rows]

    def document(self, findings: Sequence[Finding] = (), *, planned: Sequence[str] | None = None) -> dict[str, Any]:
        """``osteotrace.batch/1``, as things stand."""
        nothing = Finding("NO_CASE_FOLDER", Severity.ERROR, "ROOT holds no folder; every folder in it is a case")
        remarks = (*self.plan.findings, *([] if self.plan.cases else [nothing]), *findings)
        return batch_document(self.listed(), remarks, identified=self.options.identified, planned=planned)

    def job(self, case: PlannedCase, scratch: Path) -> Job:
        """What the case's process is asked for."""
        request = {
            "task": "follow_case",
            "case": case.id,
            "folders": [str(folder) for folder in case.folders],
            "workspace": str(self.workspace),
            "config": None if self.options.config is None else str(self.options.config.absolute()),
            "accept_gaps": self.options.accept_gaps,
            "identified": self.options.identified,
        }
        return Job(request=request, limits=self.options.limits, scratch=scratch)

    def target(self, case: PlannedCase) -> CaseFolder:
        """The case's folder in the workspace."""
        return CaseFolder(self.workspace / case.id)

    def clean(self, case: PlannedCase) -> None:
        """Take away what a killed process of the case left."""
        for folder in self.target(case).written_by_runs:
            remove_scraps(folder)
