"""What became of a lesion between two exams, and whether that is more than measuring it twice would show.

Both volumes vary by their own intervals, independently; the ratio of the two then varies on the logarithm by the root
of the sum of squares. A change exceeds its error when the 95 % interval of the ratio leaves out 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from imaging.finding import Finding, Severity
from imaging.measurement.interval import Z95, log_interval95, log_sd_of
from imaging.measurement.qiba import QibaClaims, qiba_claims
from imaging.measurement.quantity import Quantity
from imaging.volume import Modality

__all__ = [
    "Change",
    "LesionSize",
    "Sized",
    "absolute_change",
    "claims_of",
    "exceeds_error",
    "is_plane_changed",
    "measure_change",
    "plane_angle_deg",
    "plane_findings",
    "relative_change",
]

SAME_SLICES = 0.01  # relative: slice distances are rounded in headers; QIBA claims nothing across protocols
NOT_WHOLE = ("LESION_TRUNCATED", "MISSING_SLICES", "NON_UNIFORM_SPACING")  # the volume is not all measured
Normal = tuple[float, float, float]
SAME_DEG = 1e-6  # normals are rounded to the sixth digit of a cosine and further: exactly 10° is not more than 10°
PLANE_TOLERANCE_DEG = 10.0  # slices that lean more against each other cut the lesion elsewhere


class Sized(Protocol):
    """What two exams of a lesion must tell to be compared; a :class:`SegmentMeasurement` does."""

    @property
    def volume_ml(self) -> Quantity | None: ...
    @property
    def long_axis_mm(self) -> Quantity | None: ...
    @property
    def short_axis_mm(self) -> Quantity | None: ...
    @property
    def modality(self) -> Modality | None: ...
    @property
    def slice_normal(self) -> tuple[float, float, float] | None: ...
    @property
    def slice_distance_mm(self) -> float | None: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionSize:
    """The size of a lesion at one exam, where there is no mask to measure: read back from a record, or known absent.

    Examples
    --------
    >>> LesionSize.absent().volume_ml.value
    0.0
    """

    volume_ml: Quantity | None
    long_axis_mm: Quantity | None = None
    short_axis_mm: Quantity | None = None
    modality: Modality | None = None
    slice_normal: tuple[float, float, float] | None = None
    slice_distance_mm: float | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def absent(cls) -> LesionSize:
        """A lesion that was looked for and is not there: a true zero, not an unknown."""
        return cls(
            volume_ml=Quantity(0.0, "mL", "lesion absent"),
            long_axis_mm=Quantity(0.0, "mm", "lesion absent"),
            short_axis_mm=Quantity(0.0, "mm", "lesion absent"),
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Change:
    """A lesion's change from a reference exam to a later one.

    Parameters
    ----------
    volume_change_ml, volume_change_percent, long_axis_change_percent
        Follow-up − reference; None where one of the two is unknown, or for per cents where the reference is zero.
    exceeds_error
        Whether the volume's change is more than its error; None while a mask is only proposed or an error unknown, and
        from CT to MR or back, whose difference is in neither error.
    qiba
        QIBA's claims, where they apply.
    categories
        Filled by :func:`imaging.response.lesion.with_categories`, which knows the criteria.
    findings
        Warnings of both exams and what makes comparing them doubtful.
    """

    volume_change_ml: Quantity | None
    volume_change_percent: Quantity | None
    long_axis_change_percent: Quantity | None
    exceeds_error: bool | None
    qiba: QibaClaims | None = None
    categories: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def relative_change(reference: Quantity | None, follow_up: Quantity | None) -> Quantity | None:
    """100 · (follow-up ÷ reference − 1) in per cent, with the interval of the ratio where both have one.

    None where either is unknown or the reference is zero.

    Examples
    --------
    >>> before = Quantity(40.0, "mL", "voxel sum", log_interval95(40.0, 0.1))
    >>> after = Quantity(20.0, "mL", "voxel sum", log_interval95(20.0, 0.1))
    >>> change = relative_change(before, after)
    >>> change.value, [round(bound, 1) for bound in change.interval95]
    (-50.0, [-62.1, -34.0])
    """
    if reference is None or follow_up is None or reference.value <= 0.0:
        return None
    ratio = follow_up.value / reference.value
    method = "100 · (follow-up ÷ reference − 1)"
    if (log_sd := _log_sd(reference, follow_up)) is None:
        return Quantity(100.0 * (ratio - 1.0), "%", f"{method}; no interval, because one of the two has none")
    low, high = log_interval95(ratio, log_sd)
    interval = (100.0 * (low - 1.0), 100.0 * (high - 1.0))
    return Quantity(100.0 * (ratio - 1.0), "%", f"{method}; 95 % interval of the ratio", interval)


def absolute_change(reference: Quantity | None, follow_up: Quantity | None) -> Quantity | None:
    """Follow-up − reference; its interval is that of the ratio times the reference, so that both tell the same.

    None where either is unknown. A lesion that is gone or has come changed by the whole of itself.

    Examples
    --------
    >>> before = Quantity(40.0, "mL", "voxel sum", log_interval95(40.0, 0.1))
    >>> change = absolute_change(before, Quantity(20.0, "mL", "voxel sum", log_interval95(20.0, 0.1)))
    >>> change.value, [round(bound, 1) for bound in change.interval95]
    (-20.0, [-24.8, -13.6])
    """
    if reference is None or follow_up is None:
        return None
    change = follow_up.value - reference.value
    percent = relative_change(reference, follow_up)
    if percent is not None and percent.interval95 is not None:
        low, high = (reference.value * bound / 100.0 for bound in percent.interval95)
        interval = (min(low, change), max(high, change))  # the three are rounded apart
        return Quantity(change, "mL", "follow-up − reference; 95 % interval of the ratio × reference", interval)
    present = follow_up if reference.value == 0.0 else reference
    if 0.0 in (reference.value, follow_up.value) and present.interval95 is not None:
        low, high = present.interval95
        interval = (low, high) if present is follow_up else (-high, -low)
        return Quantity(change, "mL", "the whole lesion, with its interval", interval)
    return Quantity(change, "mL", "follow-up − reference; no interval, because one of the two has none")


def exceeds_error(reference: Quantity | None, follow_up: Quantity | None) -> bool | None:
    """Whether the 95 % interval of the ratio leaves out 1; None where that is not known.

    A lesion that is gone or has come, by a true zero at one exam, has changed.

    Examples
    --------
    >>> exceeds_error(Quantity(40.0, "mL", "", (30.0, 50.0)), Quantity(41.0, "mL", "", (30.0, 50.0)))
    False
    """
    if reference is None or follow_up is None:
        return None
    if 0.0 in (reference.value, follow_up.value):
        return reference.value != follow_up.value
    log_sd = _log_sd(reference, follow_up)
    return None if log_sd is None else abs(math.log(follow_up.value / reference.value)) > Z95 * log_sd


def plane_angle_deg(one: Normal | None, other: Normal | None) -> float | None:
    """Between the slices of two exams, 0 to 90, from their unit normals; None where one is not known.

    Examples
    --------
    >>> plane_angle_deg((0.0, 0.0, 1.0), (0.0, -1.0, 0.0)), plane_angle_deg((0.0, 0.0, 1.0), None)
    (90.0, None)
    """
    if one is None or other is None:
        return None
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(one, other))), abs(float(np.dot(one, other)))))


def is_plane_changed(one: Normal | None, other: Normal | None) -> bool:
    """Whether the slices lean so much against each other that in-plane diameters cannot be compared.

    Examples
    --------
    >>> tilted = [(0.0, math.sin(math.radians(angle)), math.cos(math.radians(angle))) for angle in (10.0, 10.1)]
    >>> [is_plane_changed((0.0, 0.0, 1.0), normal) for normal in tilted]
    [False, True]
    """
    angle = plane_angle_deg(one, other)
    return angle is not None and angle > PLANE_TOLERANCE_DEG + SAME_DEG


def plane_findings(one: Normal | None, other: Normal | None, *, where: str = "") -> tuple[Finding, ...]:
    """PLANE_CHANGED, if the slices of two exams lean too much against each other; else none.

    Examples
    --------
    >>> [finding.code for finding in plane_findings((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))]
    ['PLANE_CHANGED']
    """
    if not is_plane_changed(one, other):
        return ()
    message = f"the slices of the two exams differ by {plane_angle_deg(one, other):.0f}°: in-plane diameters cannot be"
    return (Finding("PLANE_CHANGED", Severity.WARNING, f"{message} compared", where),)


def claims_of(reference: Sized, follow_up: Sized) -> QibaClaims | None:
    """QIBA's claims about the change; None unless both exams are CT with the same slices, and the lesion is in range.

    A lesion that an image cuts off, or that reaches a gap between slices, was not imaged as the claims presume.

    Examples
    --------
    >>> def ct(volume_ml, long_axis_mm, slice_mm):
    ...     volume, axis = Quantity(volume_ml, "mL", "voxel sum"), Quantity(long_axis_mm, "mm", "outline")
    ...     return LesionSize(volume_ml=volume, long_axis_mm=axis, modality=Modality.CT, slice_distance_mm=slice_mm)
    >>> claims_of(ct(40.0, 55.0, 2.0), ct(30.0, 50.0, 2.0))["claim_1_exceeded"]
    True
    >>> claims_of(ct(40.0, 55.0, 2.0), ct(30.0, 50.0, 5.0)) is None
    True
    """
    volumes, diameters = (reference.volume_ml, follow_up.volume_ml), (reference.long_axis_mm, follow_up.long_axis_mm)
    if not reference.modality is follow_up.modality is Modality.CT or None in volumes or None in diameters:
        return None
    if any(finding.code in NOT_WHOLE for exam in (reference, follow_up) for finding in exam.findings):
        return None
    before, after = reference.slice_distance_mm, follow_up.slice_distance_mm
    if before is not None and after is not None and not math.isclose(before, after, rel_tol=SAME_SLICES):
        return None
    volume_ml = tuple(volume.value for volume in volumes if volume is not None)
    long_axis_mm = tuple(diameter.value for diameter in diameters if diameter is not None)
    return qiba_claims(volume_ml=(volume_ml[0], volume_ml[1]), long_axis_mm=(long_axis_mm[0], long_axis_mm[1]))


def measure_change(reference: Sized, follow_up: Sized, *, provisional: bool = False) -> Change:
    """The change of one lesion from one exam to another.

    Parameters
    ----------
    reference, follow_up
        Two measurements of the lesion: baseline, nadir or the exam before, and the later one.
    provisional
        Whether a mask is only proposed: figures are given, ``exceeds_error`` is not.

    Examples
    --------
    >>> before = LesionSize(volume_ml=Quantity(40.0, "mL", "voxel sum", log_interval95(40.0, 0.1)))
    >>> after = LesionSize(volume_ml=Quantity(20.0, "mL", "voxel sum", log_interval95(20.0, 0.1)))
    >>> change = measure_change(before, after)
    >>> change.volume_change_ml.value, change.exceeds_error, change.long_axis_change_percent, change.qiba
    (-20.0, True, None, None)
    >>> measure_change(before, LesionSize.absent()).volume_change_percent.value
    -100.0
    """
    judged = not provisional and not _is_modality_changed(reference, follow_up)
    return Change(
        volume_change_ml=absolute_change(reference.volume_ml, follow_up.volume_ml),
        volume_change_percent=relative_change(reference.volume_ml, follow_up.volume_ml),
        long_axis_change_percent=relative_change(reference.long_axis_mm, follow_up.long_axis_mm),
        exceeds_error=exceeds_error(reference.volume_ml, follow_up.volume_ml) if judged else None,
        qiba=claims_of(reference, follow_up),
        findings=tuple(dict.fromkeys(_findings(reference, follow_up))),
    )


def _log_sd(reference: Quantity, follow_up: Quantity) -> float | None:
    parts = [log_sd_of(reference), log_sd_of(follow_up)]
    return math.hypot(*parts) if None not in parts else None  # type: ignore[arg-type]


def _is_modality_changed(reference: Sized, follow_up: Sized) -> bool:
    known = {reference.modality, follow_up.modality} - {None}
    return len(known) > 1


def _leaves_reader_out(volume: Quantity | None) -> bool:
    return volume is not None and volume.error is not None and volume.error.reader is None


def _findings(reference: Sized, follow_up: Sized) -> Iterator[Finding]:
    for exam in (reference, follow_up):
        yield from (finding for finding in exam.findings if finding.severity is not Severity.INFO)
    if _is_modality_changed(reference, follow_up):
        message = f"{reference.modality} is compared with {follow_up.modality}: boundaries look different on the two"
        yield Finding("MODALITY_CHANGED", Severity.WARNING, message)
    yield from plane_findings(reference.slice_normal, follow_up.slice_normal)
    if any(_leaves_reader_out(exam.volume_ml) for exam in (reference, follow_up)):
        message = "whether an exam is CT or MR is not said: its interval leaves out how readers differ"
        yield Finding("READER_NOT_INCLUDED", Severity.INFO, message)
    volumes = [exam.volume_ml.value for exam in (reference, follow_up) if exam.volume_ml is not None]
    if len(volumes) == 2 and volumes[0] == 0.0 != volumes[1]:
        yield Finding("NO_REFERENCE_VOLUME", Severity.INFO, "the reference volume is zero: no change in per cent")
