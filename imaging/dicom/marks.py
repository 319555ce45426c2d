"""What tells apart volumes that are stacked in one series."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from imaging.dicom import tags
from imaging.dicom.elements import Elements
from imaging.dicom.facts import b_value
from imaging.dicom.own import OwnMarks
from imaging.errors import InputError

__all__ = ["Marks", "gradient", "joined", "lasting_marks", "upper"]


class Marks(NamedTuple):
    """What tells apart volumes that are stacked in one series; the earlier a field, the more it says.

    Numbers are as they are written; which of them are one value, :mod:`imaging.dicom.likeness` says.
    """

    image_type: tuple[str, ...] = ()
    component: str = ""  # magnitude, phase, real or imaginary
    echo_time: float | None = None
    b_value: float | None = None
    gradient: str = ""
    temporal_position: int | None = None
    inversion_time: float | None = None
    trigger_time: float | None = None
    kernel: str = ""
    kvp: float | None = None
    contrast: str = ""
    flip_angle: float | None = None
    repetition_time: float | None = None
    acquisition_number: int | None = None
    stack: str = ""
    dimensions: tuple[int, ...] = ()  # of an enhanced frame: its indices in all dimensions but space
    echo_number: int | None = None
    acquisition_time: str = ""
    content_time: str = ""
    image: str = ""  # which multi-frame image the frame is of


# Where the fields of Marks stand in the marks that last, followed by a slice's own.
_JOINED = itemgetter(
    *(
        len(Marks._fields) + OwnMarks._fields.index(name) if name in OwnMarks._fields else Marks._fields.index(name)
        for name in Marks._fields
    )
)


def joined(lasting: Marks, own: OwnMarks) -> Marks:
    """The marks that slices share, completed by a slice's own.

    Examples
    --------
    >>> joined(Marks(kernel="B30f"), OwnMarks(acquisition_number=2)) == Marks(kernel="B30f", acquisition_number=2)
    True
    """
    return Marks._make(_JOINED(lasting + own))


def lasting_marks(elements: Elements) -> Marks:
    """Those that the slices of one volume share."""
    return Marks(
        image_type=upper(elements.texts(tags.IMAGE_TYPE)),
        component=elements.text(tags.COMPLEX_IMAGE_COMPONENT).upper(),
        echo_time=elements.decimal(tags.ECHO_TIME),
        b_value=b_value(elements),
        gradient=gradient(elements, tags.DIFFUSION_ORIENTATION),
        inversion_time=elements.decimal(tags.INVERSION_TIME),
        kernel=elements.text(tags.CONVOLUTION_KERNEL),
        kvp=elements.decimal(tags.KVP),
        contrast=elements.text(tags.CONTRAST_AGENT).upper(),
        flip_angle=elements.decimal(tags.FLIP_ANGLE),
        repetition_time=elements.decimal(tags.REPETITION_TIME),
        stack=elements.text(tags.STACK_ID),
        echo_number=elements.integer(tags.ECHO_NUMBERS),
    )


def upper(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(value.upper() for value in values)


def gradient(elements: Elements, tag: int) -> str:
    try:
        return " ".join(f"{number:.3f}" for number in elements.decimals(tag))
    except InputError:
        return ""
