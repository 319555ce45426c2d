"""Where things stand in a parsed case document (``osteotrace.case/1``): look-ups that every report shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

__all__ = [
    "Document",
    "day_of",
    "display_name",
    "exam_name",
    "findings_of",
    "of_gaps",
    "primary_observation",
    "seen_after",
    "series_entry",
    "short_uids",
    "shortened",
    "timepoint_of",
    "visible",
]

Document = Mapping[str, Any]

# Remarks on a place in a series: they stand with what reaches that place, and with no other figure of the series.
GAPS = ("MISSING_SLICES", "NON_UNIFORM_SPACING")

ROLE_WORDS = {
    "ct": "",
    "t1": "T1",
    "t1c": "T1 with contrast",
    "t1fs": "T1 fat-suppressed",
    "t1cfs": "T1 with contrast, fat-suppressed",
    "t2": "T2",
    "t2fs": "T2 fat-suppressed",
    "stir": "STIR",
    "pd": "PD",
    "dixon_fat": "Dixon fat",
    "dixon_fat_t1": "T1 Dixon fat",
    "dixon_fat_t1c": "T1 Dixon fat with contrast",
    "dixon_fat_t2": "T2 Dixon fat",
    "dixon_fat_pd": "PD Dixon fat",
    "dixon_water": "Dixon water",
    "dixon_water_t1": "T1 Dixon water",
    "dixon_water_t1c": "T1 Dixon water with contrast",
    "dixon_water_t2": "T2 Dixon water",
    "dixon_water_pd": "PD Dixon water",
    "dwi": "DWI",
    "gre": "GRE",
}
UID = re.compile(r"(?<![\w.])[0-2](?:\.\d+){4,}(?![\w])")  # dotted numbers long enough to be no version number
SHORTEST_SUFFIX = 8
# Control characters are not text, and direction overrides could turn the digits of a sentence round.
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""The text with every character that cannot be shown, or that would reorder its neighbours, made visible.

    Examples
    --------
    >>> visible("left\x00 sacrum\u202e")
    'left� sacrum�'
    """
    return UNSEEN.sub("\ufffd", text)


def timepoint_of(document: Document, timepoint_id: str) -> Mapping[str, Any]:
    """The timepoint's entry; an empty one where the document does not list it.

    Examples
    --------
    >>> timepoint_of({"timepoints": [{"id": "T0", "days": 0}]}, "T0")["days"]
    0
    """
    return next((t for t in document["timepoints"] if t["id"] == timepoint_id), {})


def of_gaps(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that tell of gaps between slices.

    Examples
    --------
    >>> of_gaps([{"code": "MISSING_SLICES"}, {"code": "GANTRY_TILT"}])
    [{'code': 'MISSING_SLICES'}]
    """
    return [finding for finding in findings if finding["code"] in GAPS]


def findings_of(document: Document, observation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The observation's own findings and those of its whole series; of the series' gaps only what it reaches.

    Examples
    --------
    >>> series = [{"series_uid": "1.2", "findings": [{"code": "MISSING_SLICES"}, {"code": "GANTRY_TILT"}]}]
    >>> findings_of({"timepoints": [{"id": "T0", "series": series}]}, {"series_uid": "1.2", "findings": []})
    [{'code': 'GANTRY_TILT'}]
    """
    whole = series_entry(document, observation["series_uid"]).get("findings") or ()
    return [*observation["findings"], *(finding for finding in whole if finding["code"] not in GAPS)]


def series_entry(document: Document, series_uid: str | None) -> Mapping[str, Any]:
    """What the document says of a series: modality, role, findings; empty where it says nothing.

    Examples
    --------
    >>> series_entry({"timepoints": [{"id": "T0", "series": [{"series_uid": "1.2", "role": "t1"}]}]}, "1.2")["role"]
    't1'
    """
    if not series_uid:
        return {}
    for timepoint in document["timepoints"]:
        for entry in timepoint.get("series") or ():
            if isinstance(entry, Mapping) and series_uid in (entry.get("volume_id"), entry.get("series_uid")):
                return entry
    return {}


def exam_name(document: Document, series_uid: str | None) -> str:
    """Modality and sequence in the words of a report; empty where the document does not say.

    Examples
    --------
    >>> series = {"series_uid": "1.2", "modality": "MR", "role": "t1"}
    >>> exam_name({"timepoints": [{"id": "T0", "series": [series]}]}, "1.2")
    'MR T1'
    """
    entry = series_entry(document, series_uid)
    role = str(entry.get("role") or "")
    return visible(f"{entry.get('modality') or ''} {ROLE_WORDS.get(role, role)}".strip())


def display_name(lesion: Mapping[str, Any]) -> str:
    """What a person calls the lesion: its name, else its id.

    Examples
    --------
    >>> display_name({"id": "L1", "name": "left sacrum"}), display_name({"id": "L2", "name": ""})
    ('Left sacrum', 'L2')
    """
    name = visible(str(lesion.get("name") or lesion["id"]))
    return name[:1].upper() + name[1:]


def primary_observation(lesion: Mapping[str, Any], timepoint_id: str) -> Mapping[str, Any] | None:
    """The observation that stands for the lesion at this timepoint, or None.

    Examples
    --------
    >>> primary_observation({"observations": [{"timepoint": "T0", "primary": True, "status": "absent"}]}, "T0")
    {'timepoint': 'T0', 'primary': True, 'status': 'absent'}
    """
    return next((o for o in lesion["observations"] if o["timepoint"] == timepoint_id and o["primary"]), None)


def day_of(document: Document, event: Mapping[str, Any]) -> float | None:
    """Where a procedure or a clinical entry lies on the time axis of the timepoints, in days; None where unknown.

    Examples
    --------
    >>> timepoints = [{"id": "T0", "date": "2003-01-10", "days": 0}]
    >>> day_of({"timepoints": timepoints}, {"when": "2003-01-17T10:30:00"})
    7.0
    """
    if event.get("days") is not None:
        return float(event["days"])
    when = _calendar_day(event.get("when") or event.get("date"))
    for timepoint in document["timepoints"]:
        start = _calendar_day(timepoint.get("date"))
        if when is not None and start is not None and timepoint.get("days") is not None:
            return float(timepoint["days"] + (when - start).days)
    return None


def seen_after(document: Document, timepoint_id: str, procedure: Mapping[str, Any]) -> bool:
    """Whether an exam of the procedure's day shows what was injected in it, or was acquired at a later hour.

    Examples
    --------
    >>> material = {"timepoint": "T1", "injected": [{"procedure": "P2", "agent": "pmma-barium", "ml": 7.0}]}
    >>> seen_after({"timepoints": [], "materials": [material]}, "T1", {"id": "P2", "when": "2003-01-20"})
    True
    """
    shown = any(
        injected.get("procedure") == procedure["id"]
        for material in document["materials"]
        if material["timepoint"] == timepoint_id
        for injected in material["injected"]
    )
    when = str(procedure.get("when") or "")
    series = timepoint_of(document, timepoint_id).get("series") or ()
    acquired = [str(entry.get("acquired") or "") for entry in series if isinstance(entry, Mapping)]
    timed = [moment for moment in acquired if "T" in moment and "T" in when]
    return shown or (bool(timed) and min(timed) >= when)


def short_uids(document: Document) -> dict[str, str]:
    """Each UID of the document with the shortest ending, of eight characters at least, that tells it from the others.

    Examples
    --------
    >>> short_uids({"a": "1.2.840.10008.1.7000001", "b": ["1.2.840.10008.1.7000002"]})
    {'1.2.840.10008.1.7000001': '….7000001', '1.2.840.10008.1.7000002': '….7000002'}
    """
    uids = sorted({uid for text in _strings(document) for uid in UID.findall(text)})
    length = SHORTEST_SUFFIX
    while len({uid[-length:] for uid in uids}) < len(uids):
        length += 1
    return {uid: uid if len(uid) <= length else f"…{uid[-length:]}" for uid in uids}


def shortened(text: str, uids: Mapping[str, str]) -> str:
    """The text with every UID in its short form.

    Examples
    --------
    >>> shortened("series 1.2.840.10008.1.7000001 leans", {"1.2.840.10008.1.7000001": "….7000001"})
    'series ….7000001 leans'
    """
    return UID.sub(lambda found: uids.get(found[0], found[0]), text)


def _calendar_day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _strings(value)
