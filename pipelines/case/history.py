"""What had been injected into whom when an exam was taken, as far as anybody wrote it down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imaging.lesions.procedure import Procedure
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.material_kind import agent_kind
from imaging.study.timepoint import Timepoint

__all__ = ["History", "history_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The injections before one exam.

    Parameters
    ----------
    procedures
        Those with material that certainly lie before the exam, in time order.
    known
        Whether these are all: procedures are recorded at all, and the order of each and the exam is certain. A case
        file without a procedure says nothing about what was injected.
    date
        ISO date of the exam.
    """

    procedures: tuple[Procedure, ...]
    known: bool
    date: str | None = None

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(procedure.id for procedure in self.procedures)

    @property
    def agents(self) -> Mapping[LesionId | None, tuple[str, ...]] | None:
        """Agents by lesion; None where the history is not known."""
        if not self.known:
            return None
        agents: dict[LesionId | None, tuple[str, ...]] = {}
        for procedure in self.procedures:
            names = tuple(agent for agent, _ in procedure.materials)
            agents[procedure.lesion] = (*agents.get(procedure.lesion, ()), *names)
        return agents

    @property
    def embolic_age_days(self) -> float | None:
        """Days from the first embolic material to the exam; None where there was none, or its date is not known."""
        embolic = [
            procedure.when[:10]
            for procedure in self.procedures
            if any(agent_kind(agent) is SegmentKind.EMBOLIC for agent, _ in procedure.materials)
        ]
        if not embolic or self.date is None:
            return None
        return float((dt.date.fromisoformat(self.date) - dt.date.fromisoformat(min(embolic))).days)


def history_of(timepoint: Timepoint, procedures: Sequence[Procedure]) -> History:
    """What lies before the exam: by date, and on one day by the clock where both have a time."""
    injections = [procedure for procedure in procedures if procedure.materials]
    orders = [lies_before(procedure, timepoint) for procedure in injections]
    return History(
        procedures=tuple(p for p, before in zip(injections, orders, strict=True) if before),
        known=bool(procedures) and None not in orders,
        date=timepoint.date,
    )


def lies_before(procedure: Procedure, timepoint: Timepoint) -> bool | None:
    """Whether the procedure lies before the exam; None where nothing tells."""
    if timepoint.date is None:
        return None
    if procedure.when[:10] != timepoint.date:
        return procedure.when[:10] < timepoint.date
    timed = [record.acquired for record in timepoint.series if record.acquired and "T" in record.acquired]
    if "T" not in procedure.when or not timed:
        return None
    return procedure.when < min(timed)
