"""When an image was acquired, of the many dates in a header."""

from __future__ import annotations

import datetime
import re
from functools import lru_cache

from imaging.dicom import tags
from imaging.dicom.elements import Elements

__all__ = ["MOMENTS", "acquired_moment", "frame_moment", "iso_date"]

TIME = re.compile(r"(\d{2}):?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?")
REMEMBERED = 1024  # dates; the slices of a series were made on one day
# Where an acquisition's moment is looked for if there is no date-time, in this order.
MOMENTS = (
    (tags.ACQUISITION_DATE, tags.ACQUISITION_TIME),
    (tags.SERIES_DATE, tags.SERIES_TIME),
    (tags.CONTENT_DATE, tags.CONTENT_TIME),
    (tags.STUDY_DATE, tags.STUDY_TIME),
)


def acquired_moment(elements: Elements) -> str | None:
    """ISO date-time, or date where no time is known, of the acquisition; None where no date can be read.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.AcquisitionDate, dataset.AcquisitionTime, dataset.StudyDate = "20030117", "101500", "20030116"
    >>> acquired_moment(Elements.from_dataset(dataset))
    '2003-01-17T10:15:00'
    """
    text = elements.text(tags.ACQUISITION_DATE_TIME)
    date = iso_date(text[:8]) if text else None
    if date is not None:
        return _joined(date, text[8:])
    for date_tag, time_tag in MOMENTS:
        date = iso_date(elements.text(date_tag))
        if date is not None:
            return _joined(date, elements.text(time_tag))
    return None


def frame_moment(elements: Elements) -> str | None:
    """When the first frame of a multi-frame image was acquired, by its own date-time."""
    own = elements.item(tags.PER_FRAME_GROUPS)
    content = own.item(tags.FRAME_CONTENT) if own else None
    moment = content.text(tags.FRAME_ACQUISITION_DATE_TIME) if content else ""
    date = iso_date(moment[:8])
    return None if date is None else _joined(date, moment[8:])


def _joined(date: str, time: str) -> str:
    iso = _iso_time(time)
    return f"{date}T{iso}" if iso else date


@lru_cache(REMEMBERED)
def iso_date(text: str) -> str | None:
    """The date as YYYY-MM-DD; None if it is none. Dots are ACR-NEMA's way (PS3.5 6.2, DA).

    Examples
    --------
    >>> iso_date("20030117"), iso_date("2003.01.17"), iso_date("20031317")
    ('2003-01-17', '2003-01-17', None)
    """
    digits = text.strip().replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        return datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return None


def _iso_time(text: str) -> str | None:
    """The time as HH:MM:SS[.ffffff]; an offset from UTC is dropped: all exams of a case tell local time."""
    match = TIME.match(text.strip())
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute) > 59:
        return None
    whole = f"{int(hour):02}:{int(minute):02}:{min(int(second or 0), 59):02}"
    microseconds = int((fraction or "0").ljust(6, "0"))
    return f"{whole}.{microseconds:06}" if microseconds else whole
