"""The table of hazards: each with what may become of it, the code, and what becomes of it here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.imaging.dicom.hazards.phantom import Truth
from tests.imaging.dicom.hazards.series import Plan

Builder = Callable[[Path, Plan], Sequence[Truth]]
BOTH = ("CT", "MR")


@dataclass(frozen=True)
class Hazard:
    """One hazard.

    ``accepted`` are the outcomes that the table allows, ``ours`` the one that is promised; ``codes`` must all be told
    unless the outcome is LOAD, and no other warning may be.
    """

    name: str
    build: Builder
    accepted: frozenset[str]
    ours: str
    codes: frozenset[str]
    flavours: tuple[str, ...] = BOTH
    plan: tuple[tuple[str, object], ...] = ()

    @property
    def is_loadable(self) -> bool:
        """Whether the table holds that it can rightly be loaded."""
        return bool(self.accepted & {"load", "split", "skip"})

    def files(self, home: Path, modality: str) -> Sequence[Truth]:
        home.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the writer's remarks on what is wrong on purpose
            return self.build(home, Plan(modality=modality) | dict(self.plan))


TABLE: list[Hazard] = []  # hazards.md §1, filled by the modules that build them
MORE: list[Hazard] = []  # hazards.md §2 and what else was thought of


def hazard(
    name: str,
    accepted: str,
    codes: str = "",
    *,
    ours: str = "",
    only: str = "",
    more: bool = False,
    **plan: object,
) -> Callable[[Builder], Builder]:
    """Enter a builder into the table; ``accepted`` and ``codes`` are words between blanks."""

    def enter(build: Builder) -> Builder:
        entry = Hazard(
            name,
            build,
            frozenset(accepted.split()),
            ours or accepted.split(maxsplit=1)[0],
            frozenset(codes.split()),
            (only,) if only else BOTH,
            tuple(plan.items()),
        )
        (MORE if more else TABLE).append(entry)
        return build

    return enter
