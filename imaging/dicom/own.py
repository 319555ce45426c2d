"""What every slice of a series says for itself: its UID, number and place, and when it was made.

All of it is read from the few elements of :func:`own_elements`. Nothing else of a header is within reach here, so
headers that agree in all other elements may stand for one another (:mod:`imaging.dicom.alike`).
"""

from __future__ import annotations

from typing import NamedTuple

from imaging.dicom import tags
from imaging.dicom.elements import SPECIFIC_CHARACTER_SET, Elements
from imaging.dicom.moment import MOMENTS, acquired_moment
from imaging.dicom.walk import CutElements

__all__ = ["OWN_TAGS", "Own", "OwnMarks", "own_elements", "own_marks", "read_own"]

OWN_TAGS = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        tags.SOP_INSTANCE_UID,
        tags.INSTANCE_NUMBER,
        tags.IMAGE_POSITION,
        tags.ACQUISITION_DATE_TIME,
        *(tag for moment in MOMENTS for tag in moment),
        tags.TEMPORAL_POSITION_IDENTIFIER,
        tags.TRIGGER_TIME,
        tags.ACQUISITION_NUMBER,
    }
)


class OwnMarks(NamedTuple):
    """The part of :class:`imaging.dicom.marks.Marks` that may change from slice to slice."""

    temporal_position: int | None = None
    trigger_time: float | None = None
    acquisition_number: int | None = None
    acquisition_time: str = ""
    content_time: str = ""


class Own(NamedTuple):
    """One file's own facts."""

    uid: str
    instance_number: int | None
    acquired: str | None
    marks: OwnMarks


def own_elements(elements: Elements) -> Elements:
    """The elements of OWN_TAGS alone.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.InstanceNumber, dataset.Rows = 7, 512
    >>> own = own_elements(Elements.from_dataset(dataset))
    >>> own.integer(tags.INSTANCE_NUMBER), own.integer(tags.ROWS)
    (7, None)
    """
    parsed = elements.parsed
    if type(parsed) is CutElements:
        # Not by looking up: who watches what is looked at is to see the rest only.
        places = {tag: place for tag, place in dict.items(parsed.places) if tag in OWN_TAGS}
        return Elements(CutElements(parsed.window, places, is_implicit=parsed.is_implicit))
    return Elements({tag: parsed[tag] for tag in OWN_TAGS if tag in parsed})


def read_own(own: Elements) -> Own:
    """One file's own facts, of its own elements."""
    return Own(own.text(tags.SOP_INSTANCE_UID), own.integer(tags.INSTANCE_NUMBER), acquired_moment(own), own_marks(own))


def own_marks(elements: Elements) -> OwnMarks:
    """Those of a file's own elements, or of an item that stands for them."""
    return OwnMarks(
        elements.integer(tags.TEMPORAL_POSITION_IDENTIFIER),
        elements.decimal(tags.TRIGGER_TIME),
        elements.integer(tags.ACQUISITION_NUMBER),
        elements.text(tags.ACQUISITION_DATE_TIME) or elements.text(tags.ACQUISITION_TIME),
        elements.text(tags.CONTENT_TIME),
    )
