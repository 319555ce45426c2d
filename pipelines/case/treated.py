"""Whether an outline shows a lesion as it was before its treatment, which is what its filling and its leaks are of."""

from __future__ import annotations

from collections.abc import Sequence

from imaging.finding import Finding, Severity
from imaging.lesions.procedure import Procedure
from imaging.segmentation import LesionId
from imaging.study.timepoint import Timepoint
from pipelines.case.history import history_of
from pipelines.case.traced import Ground, Traced

__all__ = ["OUTLINED_LATE", "is_untreated", "outlined_late"]

OUTLINED_LATE = "LESION_OUTLINED_LATE"
LATE = (
    "no outline of {} from before {} serves on this CT but one of {}: filling and leaks are of the lesion as it was "
    "then, and material where it has shrunk since counts as leaked"
)


def is_untreated(lesion: LesionId, outlined: str, ct: Timepoint, ground: Ground) -> bool:
    """Whether an exam certainly lies before the last injection into the lesion that the CT shows, or there was none."""
    last = last_injection(lesion, ct, ground)
    history = None if last is None else history_of(exam_called(outlined, ground), (last,))
    return history is None or (history.known and not history.procedures)


def outlined_late(traced: Sequence[Traced], ground: Ground) -> dict[str, dict[LesionId, Finding]]:
    """By volume id of a CT and lesion: a remark where its mask there, outlined or carried, is from after treatment."""
    late: dict[str, dict[LesionId, Finding]] = {}
    for row in traced:
        outlined = row.carried_from or (row.timepoint if row.segment is not None else None)
        if row.record is None or row.record.modality != "CT" or not row.primary or outlined is None:
            continue
        ct = exam_called(row.timepoint, ground)
        last = last_injection(row.lesion, ct, ground)
        if last is not None and not is_untreated(row.lesion, outlined, ct, ground):
            message = LATE.format(row.lesion, last.id, outlined)
            finding = Finding(OUTLINED_LATE, Severity.WARNING, message, f"{row.lesion} {row.timepoint}")
            late.setdefault(row.record.volume_id, {})[row.lesion] = finding
    return late


def last_injection(lesion: LesionId, ct: Timepoint, ground: Ground) -> Procedure | None:
    into = [p for p in history_of(ct, ground.procedures).procedures if p.lesion in (lesion, None)]
    return into[-1] if into else None


def exam_called(name: str, ground: Ground) -> Timepoint:
    return next(exam for exam in ground.exams.timepoints if exam.id == name)
