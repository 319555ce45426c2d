"""Where the lesions lie on CTs on which no tumour is outlined: by registration, for the material alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imaging.arrays import BoolArray
from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Method
from imaging.segmentation import LesionId
from pipelines.case.exams import ct_of
from pipelines.case.followed import TAKEN_IN, registered_prior
from pipelines.case.traced import Ground, Trace, Traced
from pipelines.case.treated import is_untreated

__all__ = ["carried_lesions", "carried_onto_ct"]


def carried_onto_ct(trace: Trace, ground: Ground) -> list[Traced]:
    """The rows of a lesion, those on CT without a mask now saying where the lesion lies by registration.

    The mask that the lesion had before its treatment is carried, else the newest before the CT, else the first after.
    """
    rows = []
    order = {timepoint.id: n for n, timepoint in enumerate(ground.exams.timepoints)}
    for row in trace.made:
        timepoint = ground.exams.timepoints[order[row.timepoint]]
        record = ct_of(timepoint)
        taken_in = any(finding.code == TAKEN_IN for finding in row.findings)
        if row.segment is not None or taken_in or record is None or record.grid is None:
            rows.append(row)
            continue
        before = [t for t in trace.masks() if order[t.timepoint] < order[row.timepoint]]
        after = [t for t in trace.masks() if order[t.timepoint] > order[row.timepoint]]
        untreated = [t for t in before if is_untreated(t.lesion, t.timepoint, timepoint, ground)]
        source = next(iter((*untreated[-1:], *before[-1:], *after)), None)
        prior = None if source is None else registered_prior(source, record, ground.links)[0]
        if source is None or prior is None:
            rows.append(row)
            continue
        reason = (
            f"the tumour is not outlined on CT; its place is carried from {source.timepoint} for the material alone"
        )
        carried = Finding("LESION_CARRIED", Severity.INFO, reason, f"{trace.lesion.id} {row.timepoint}")
        kept = tuple(finding for finding in row.findings if finding.code != "NO_COMPARABLE_SERIES")
        rows.append(
            replace(
                row,
                record=record,
                method=Method.CARRIED,
                carried=prior >= 0.5,
                carried_from=source.timepoint,
                findings=(*kept, carried),
            )
        )
    return rows


def carried_lesions(traced: Sequence[Traced]) -> dict[str, dict[LesionId, BoolArray]]:
    """By volume id of a CT: where the lesions lie on it, outlined there or carried by registration."""
    masks: dict[str, dict[LesionId, BoolArray]] = {}
    for row in traced:
        if row.record is None or row.record.modality != "CT" or not row.primary:
            continue
        mask = row.carried
        if row.segment is not None and row.record.grid is not None and row.segment.grid.matches(row.record.grid):
            mask = row.segment.mask
        if mask is not None:
            masks.setdefault(row.record.volume_id, {})[row.lesion] = mask
    return masks
