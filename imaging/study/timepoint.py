"""Exams in time: which series were acquired together, and what they are called from one run to the next.

A timepoint is all exams of one date between two procedures: the CT before and the CT after an injection on one day are
two. Identity is kept by series: a timepoint has the id that one of its series had before, so that neither a new exam
between two old ones nor a corrected date renames what a reader has already worked on.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imaging.errors import SeriesRefused
from imaging.finding import Finding, Severity
from imaging.study.series import Index, SeriesRecord, Verdict

__all__ = ["Timepoint", "ids_by_series", "require_loadable", "require_one_patient", "timepoints_from"]


@dataclass(frozen=True, slots=True, eq=False)
class Timepoint:
    """What was acquired on one date, between two procedures.

    Parameters
    ----------
    id
        T0, T1, …; stays with its series.
    date
        ISO date; None for exams whose header has none.
    days
        Since the first dated timepoint; None without a date.
    series
        Loadable records, sorted by moment and volume id.
    lost
        Refused ones, where nothing of its date could be loaded.
    """

    id: str
    date: str | None
    days: int | None
    series: tuple[SeriesRecord, ...]
    lost: tuple[SeriesRecord, ...] = ()


def timepoints_from(
    records: Iterable[SeriesRecord],
    procedure_moments: Sequence[str] = (),
    *,
    known_ids: Mapping[str, str] | None = None,
    lost: Iterable[SeriesRecord] = (),
) -> tuple[tuple[Timepoint, ...], tuple[Finding, ...]]:
    """The timepoints in order of time, and what is doubtful about them.

    Parameters
    ----------
    records
        Of one patient; refused ones are left out.
    procedure_moments
        ISO dates or date-times, without offset from UTC, as exams tell local time too.
    known_ids
        Series UID → timepoint id of an earlier run, as :func:`ids_by_series` gives them.
    lost
        Refused records that were needed: on a date with nothing else they make a timepoint without series, because an
        exam that cannot be read has taken place, and those after it keep their names when it can be read again.

    Returns
    -------
    tuple
        Timepoints, dated ones first, and findings: PROCEDURE_ORDER_UNKNOWN where an exam and a procedure share a date
        and no times tell which came first (such exams stay one timepoint), UNKNOWN_DATE where a header has no date
        (such exams are a timepoint for each study, behind all others), TIMEPOINT_MERGED where series of two known
        timepoints are one now.

    Raises
    ------
    ValueError
        A procedure's moment is no ISO date or date-time.

    Examples
    --------
    >>> timepoints_from([], ["2003-01-17T10:30:00"])
    ((), ())
    """
    usable = sorted((r for r in records if r.verdict is not Verdict.REFUSED), key=_record_key)
    procedures = [_Moment.from_iso(text) for text in procedure_moments]
    findings: list[Finding] = []
    groups = defaultdict[tuple[str, str], list[SeriesRecord]](list)
    for record in usable:
        key, doubt = _group_of(record, procedures)
        groups[key].append(record)
        if doubt is not None and doubt not in findings:
            findings.append(doubt)
    dates = {key[0] for key in groups}
    for record in sorted(lost, key=_record_key):
        day = _iso(_date(record))
        if day is not None and day not in dates:
            groups[day, ""].append(record)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: (key[0] == "", key))]
    ids, merged = _ids(ordered, known_ids or {})
    first = next((date for group in ordered if (date := _date(group[0])) is not None), None)
    points = tuple(
        Timepoint(name, _iso(_date(group[0])), _days(first, _date(group[0])), *_usable_and_lost(group))
        for name, group in zip(ids, ordered, strict=True)
    )
    return points, (*findings, *merged)


def ids_by_series(timepoints: Iterable[Timepoint]) -> dict[str, str]:
    """What to hand to the next run as ``known_ids``.

    Examples
    --------
    >>> ids_by_series([])
    {}
    """
    return {str(record.series_uid): point.id for point in timepoints for record in (*point.series, *point.lost)}


def require_one_patient(index: Index) -> None:
    """Raise unless all volumes of an index belong to one patient.

    Raises
    ------
    SeriesRefused
        SEVERAL_PATIENTS; how many there are, never who.

    Examples
    --------
    >>> require_one_patient(Index())
    """
    patients = {volume.patient for volume in index.volumes}
    if len(patients) > 1:
        raise SeriesRefused(
            f"the folder holds images of {len(patients)} patients; a case is one patient's timeline, so move the "
            "others to cases of their own",
            code="SEVERAL_PATIENTS",
        )


def require_loadable(index: Index) -> None:
    """Raise unless at least one volume of an index can be loaded.

    Raises
    ------
    SeriesRefused
        With the code of the first refusal, or NO_IMAGE where there was nothing to refuse.

    Examples
    --------
    >>> require_loadable(Index())
    Traceback (most recent call last):
    imaging.errors.SeriesRefused: no loadable CT or MR volume is here (0 series refused); scan tells why
    """
    if not index.loadable:
        code = next((volume.code for volume in index.volumes if volume.code), None) or "NO_IMAGE"
        refused = len(index.volumes)
        raise SeriesRefused(
            f"no loadable CT or MR volume is here ({refused} series refused); scan tells why", code=code
        )


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date, and the time of day where it is known."""

    date: datetime.date
    time: datetime.time | None = None

    @classmethod
    def from_iso(cls, text: str) -> _Moment:
        moment = datetime.datetime.fromisoformat(text)
        has_time = "T" in text or " " in text.strip()
        return cls(moment.date(), moment.time() if has_time else None)


def _group_of(record: SeriesRecord, procedures: Sequence[_Moment]) -> tuple[tuple[str, str], Finding | None]:
    """The sorting key of the record's timepoint, and a finding where the order is unknown."""
    exam = _moment(record)
    if exam is None:
        message = "a series has no date of acquisition; its study is a timepoint of its own, outside the order of time"
        return ("", record.study_uid), Finding("UNKNOWN_DATE", Severity.WARNING, message, record.study_uid)
    same_day = [procedure for procedure in procedures if procedure.date == exam.date]
    if not same_day:
        return (exam.date.isoformat(), ""), None
    times = [procedure.time for procedure in same_day if procedure.time is not None]
    if exam.time is None or len(times) < len(same_day):
        message = "an exam and a procedure share a date and no times tell which came first; the case file decides"
        finding = Finding("PROCEDURE_ORDER_UNKNOWN", Severity.WARNING, message, exam.date.isoformat())
        return (exam.date.isoformat(), ""), finding
    before = sum(time <= exam.time for time in times)
    return (exam.date.isoformat(), f"{before:04d}"), None


def _ids(groups: Sequence[Sequence[SeriesRecord]], known: Mapping[str, str]) -> tuple[list[str], list[Finding]]:
    """An id for every group: the one its series had, else the next that was never used."""
    findings: list[Finding] = []
    taken: set[str] = set()
    given: list[str | None] = []
    for group in groups:
        earlier = sorted({known[r.series_uid] for r in group if r.series_uid in known} - taken, key=_id_key)
        given.append(earlier[0] if earlier else None)
        taken |= set(earlier[:1])
        if len(earlier) > 1:
            message = f"{' and '.join(earlier)} are one timepoint now and keep the name {earlier[0]}"
            findings.append(Finding("TIMEPOINT_MERGED", Severity.INFO, message, earlier[0]))
    used = taken | set(known.values())
    fresh = (name for number in range(len(used) + len(groups)) if (name := f"T{number}") not in used)
    return [name if name is not None else next(fresh) for name in given], findings


def _usable_and_lost(group: Sequence[SeriesRecord]) -> tuple[tuple[SeriesRecord, ...], tuple[SeriesRecord, ...]]:
    usable = tuple(record for record in group if record.verdict is not Verdict.REFUSED)
    return usable, tuple(record for record in group if record.verdict is Verdict.REFUSED)


def _id_key(name: str) -> tuple[int, str]:
    digits = name.removeprefix("T")
    return (int(digits) if digits.isdecimal() else len(name) * 10**6, name)


def _record_key(record: SeriesRecord) -> tuple[str, str]:
    return record.acquired or record.study_date or "", record.volume_id


def _moment(record: SeriesRecord) -> _Moment | None:
    text = record.acquired or record.study_date
    return _Moment.from_iso(text) if text else None


def _date(record: SeriesRecord) -> datetime.date | None:
    moment = _moment(record)
    return moment.date if moment else None


def _iso(date: datetime.date | None) -> str | None:
    return date.isoformat() if date else None


def _days(first: datetime.date | None, date: datetime.date | None) -> int | None:
    return (date - first).days if first and date else None
