"""What became of a lesion: each exam against its baseline, the exam before, the nadir and the exams before procedures.

Only what compares is compared, unless more is asked for: the primary observation of an exam against earlier ones on
series of the same role. A CT says nothing about what an earlier T1 showed, and a mask that registration merely carried
over cannot show a change at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from imaging.finding import Finding, Severity
from imaging.lesions.lesion import Method, Observation
from imaging.lesions.procedure import Procedure
from imaging.measurement.change import (
    LesionSize,
    absolute_change,
    claims_of,
    exceeds_error,
    plane_findings,
    relative_change,
)
from imaging.measurement.qiba import QibaClaims
from imaging.measurement.quantity import Quantity
from imaging.segmentation.segment import Status
from imaging.volume import Modality

__all__ = ["Comparing", "LesionChange", "changes_of", "happened_before"]

OTHER_ROLE = (
    "compared across kinds of image because that was asked for: {} now, {} then; not a change of the lesion alone"
)

UNDATED = (
    "an exam without a date: which of the two is the later one is not known, nor whether this is growth or shrinkage"
)


class Comparing(StrEnum):
    """Which observations a change is computed between."""

    SAME_ROLE = "same role"
    ANY_ROLE = "any role"


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionChange:
    """One exam of a lesion against an earlier one.

    Parameters
    ----------
    timepoint, reference_timepoint
        The later and the earlier exam.
    reference
        Why that one: baseline, previous, nadir, or pre-procedure:<id>.
    volume_change_ml
        Later − earlier, gross.
    volume_percent, long_axis_percent
        100 · (later ÷ earlier − 1), with the interval of the ratio.
    net_volume_percent
        The same without the material inside; None against an exam from before the first material, because taking
        3 mL of cement off an unchanged lesion is no response.
    exceeds_error
        Whether the gross volume changed by more than its error; None unless a reader accepted both masks.
    qiba
        QIBA's claims about the gross volume, where they apply: on CT.
    findings
        ACROSS_ROLES where the two are unlike images and that was asked for, UNKNOWN_DATE where one has no date,
        PLANE_CHANGED where their slices lie in other planes.
    """

    timepoint: str
    reference: str
    reference_timepoint: str
    volume_change_ml: Quantity | None
    volume_percent: Quantity | None
    net_volume_percent: Quantity | None
    long_axis_percent: Quantity | None
    exceeds_error: bool | None
    qiba: QibaClaims | None = None
    findings: tuple[Finding, ...] = ()


def changes_of(
    observations: Sequence[Observation],
    moments: Mapping[str, str],
    procedures: Sequence[Procedure],
    *,
    comparing: Comparing = Comparing.SAME_ROLE,
) -> tuple[LesionChange, ...]:
    """All changes of one lesion.

    Parameters
    ----------
    observations
        Of one lesion, in time order.
    moments
        ISO date or date-time of each exam, by timepoint.
    procedures
        Of the case; those on other lesions, or on none that is named, give no reference.
    comparing
        With ANY_ROLE an exam without an equal among the earlier ones is compared with unlike ones; such a change
        carries a warning, and never exceeds its error.

    Examples
    --------
    >>> from imaging.segmentation.segment import LesionId
    >>> def seen(timepoint, ml):
    ...     return Observation(lesion=LesionId("L1"), timepoint=timepoint, series_uid=None, role="t1", primary=True,
    ...                        status=Status.PROPOSED, method=Method.SEGMENTED, volume=Quantity(ml, "mL", "voxel sum"))
    >>> changes = changes_of([seen("T0", 50), seen("T1", 40)], {"T0": "2003-01-06", "T1": "2003-04-17"}, [])
    >>> [(c.reference, round(c.volume_percent.value)) for c in changes]
    [('baseline', -20), ('previous', -20), ('nadir', -20)]
    """
    lesions = {observation.lesion for observation in observations}
    if len(lesions) > 1:
        raise ValueError(f"changes are those of one lesion; got observations of {sorted(lesions)}")
    measured = [known for observation in observations if (known := measurable(observation)) is not None]
    changes: list[LesionChange] = []
    for position, now in enumerate(measured):
        earlier = comparable(now, measured[:position])
        if comparing is Comparing.ANY_ROLE and not earlier:
            earlier = [then for then in measured[:position] if then.primary and then.timepoint != now.timepoint]
        if not now.primary or not earlier:
            continue
        references = [("baseline", earlier[0]), ("previous", earlier[-1]), ("nadir", min(earlier, key=volume_ml))]
        for procedure in procedures:
            before = pre_procedure(procedure, now, earlier, moments)
            if before is not None:
                references.append((f"pre-procedure:{procedure.id}", before))
        changes += [change(now, then, why, moments, procedures) for why, then in references]
    return tuple(changes)


def change(
    now: Observation, then: Observation, why: str, moments: Mapping[str, str], procedures: Sequence[Procedure]
) -> LesionChange:
    alike = now.role is not None and now.role == then.role
    dated = bool(moments.get(now.timepoint)) and bool(moments.get(then.timepoint))
    confirmed = alike and dated and is_confirmed(now) and is_confirmed(then)
    across = OTHER_ROLE.format(now.role or "unknown", then.role or "unknown")
    doubts = {
        "ACROSS_ROLES": "" if alike else across,
        "UNKNOWN_DATE": "" if dated else UNDATED,
    }
    material_before = holds_material(then, moments, procedures)
    return LesionChange(
        timepoint=now.timepoint,
        reference=why,
        reference_timepoint=then.timepoint,
        volume_change_ml=absolute_change(then.volume, now.volume),
        volume_percent=relative_change(then.volume, now.volume),
        net_volume_percent=relative_change(then.net_volume, now.net_volume) if material_before else None,
        long_axis_percent=relative_change(then.long_axis, now.long_axis),
        exceeds_error=exceeds_error(then.volume, now.volume) if confirmed else None,
        qiba=claims_of(sized(then), sized(now)) if alike else None,
        findings=(
            *(Finding(code, Severity.WARNING, why, now.timepoint) for code, why in doubts.items() if why),
            *plane_findings(then.slice_normal, now.slice_normal, where=now.timepoint),
        ),
    )


def sized(observation: Observation) -> LesionSize:
    """The size as far as QIBA's claims ask for it."""
    return LesionSize(
        volume_ml=observation.volume,
        long_axis_mm=observation.long_axis,
        modality=Modality.CT if observation.role == "ct" else None,
        slice_distance_mm=observation.slice_mm,
        findings=observation.findings,
    )


def measurable(observation: Observation) -> Observation | None:
    """The observation with a size that may be compared: absent is a true zero, a carried or rejected mask is none."""
    if observation.method is Method.CARRIED:
        return None
    match observation.status:
        case Status.ABSENT:
            return replace(
                observation,
                volume=Quantity(0.0, "mL", "lesion absent"),
                long_axis=Quantity(0.0, "mm", "lesion absent"),
            )
        case Status.PROPOSED | Status.ACCEPTED:
            return observation if observation.volume is not None else None
        case Status.REJECTED | Status.NOT_ASSESSABLE:
            return None


def comparable(now: Observation, before: Sequence[Observation]) -> list[Observation]:
    """One observation for each earlier exam on a series of the same known role, the primary one if it is among them."""
    exams: dict[str, Observation] = {}
    for then in before:
        alike = then.role is not None and then.role == now.role and then.timepoint != now.timepoint
        if alike and (then.primary or then.timepoint not in exams):
            exams[then.timepoint] = then
    return list(exams.values())


def pre_procedure(
    procedure: Procedure, now: Observation, earlier: Sequence[Observation], moments: Mapping[str, str]
) -> Observation | None:
    """The last exam before a procedure on this lesion, if the procedure itself came before the later exam."""
    if procedure.lesion != now.lesion or not happened_before(procedure.when, moments.get(now.timepoint, "")):
        return None
    before = [then for then in earlier if happened_before(moments.get(then.timepoint, ""), procedure.when)]
    return before[-1] if before else None


def holds_material(then: Observation, moments: Mapping[str, str], procedures: Sequence[Procedure]) -> bool:
    """Whether something had been injected into the lesion by then: by what was seen, or by its history."""
    seen = then.material is not None and then.material.value > 0.0
    return seen or any(
        p.materials and p.lesion == then.lesion and happened_before(p.when, moments.get(then.timepoint, ""))
        for p in procedures
    )


def is_confirmed(observation: Observation) -> bool:
    """Whether a reader stands for it."""
    stated_absent = observation.status is Status.ABSENT and observation.reader is not None
    return observation.status is Status.ACCEPTED or stated_absent


def volume_ml(observation: Observation) -> float:
    assert observation.volume is not None  # `measurable` lets no other through
    return observation.volume.value


def happened_before(one: str, other: str) -> bool:
    """Whether one ISO date or date-time is surely before another; one day without a time on both sides is not.

    Examples
    --------
    >>> happened_before("2003-01-06", "2003-01-17T10:30:00")
    True
    >>> happened_before("2003-01-17", "2003-01-17T10:30:00")
    False
    """
    if not one or not other:
        return False
    if one[:10] != other[:10]:
        return one[:10] < other[:10]
    return len(one) > 10 and len(other) > 10 and one < other
