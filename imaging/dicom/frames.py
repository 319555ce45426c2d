"""The frames of a file: where each lies, and what kind of image it is.

Nothing is judged here. A frame whose position cannot be read carries the code of that fault; whether the series can do
without the frame is decided where the whole series is known.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag

from imaging.dicom import tags
from imaging.dicom.elements import Elements
from imaging.dicom.facts import Facts
from imaging.dicom.file import DicomFile
from imaging.dicom.instance import Instance
from imaging.dicom.marks import Marks, gradient, joined, lasting_marks, upper
from imaging.dicom.own import own_elements, own_marks
from imaging.errors import InputError

__all__ = ["Frame", "Look", "Plane", "classic_frame", "read_frames", "read_look", "unplaced_frame"]

# Dimensions that count slices: in-stack position, image position, plane position, slice location, table position.
ALONG_THE_STACK = {0x00209057, tags.IMAGE_POSITION, tags.PLANE_POSITION, 0x00201041, 0x00189327}
DECIMAL = re.compile(r"[+-]?\d+([.,]\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True, slots=True)
class Plane:
    """How a slice lies, but not where: direction cosines, and the distances of rows and of columns in mm."""

    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, float]
    has_commas: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the slices of a volume share of a frame: its marks and its plane, or why that cannot be read."""

    marks: Marks
    plane: Plane | InputError


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One slice: where it lies (LPS mm) and what kind of image it is.

    ``fault`` is the code of what is wrong with its place (MISSING_POSITION, BAD_NUMBER, …), None if nothing is, and
    ``why`` a sentence that names the element. ``has_commas`` tells that decimals were written with a comma.
    """

    instance: Instance
    number: int
    position: tuple[float, float, float] | None
    plane: Plane
    marks: Marks
    has_commas: bool = False
    fault: str | None = None
    why: str = ""

    @property
    def facts(self) -> Facts:
        """What the frame's file says of its series."""
        return self.instance.facts

    @property
    def orientation(self) -> tuple[float, ...]:
        """Direction cosines along a row and along a column; () where the place is at fault."""
        return self.plane.orientation

    @property
    def pixel_spacing(self) -> tuple[float, float]:
        """Between rows, between columns, mm."""
        return self.plane.pixel_spacing


NOWHERE = Plane((), (0.0, 0.0))


def read_frames(file: DicomFile, instance: Instance) -> tuple[Frame, ...]:
    """Every frame of the file; one for a classic image.

    Raises
    ------
    InputError
        FRAME_COUNT_MISMATCH: a multi-frame file whose functional groups do not describe each frame once.
    """
    elements = file.elements
    groups = elements.items(tags.PER_FRAME_GROUPS)
    if groups:
        if len(groups) != instance.facts.number_of_frames:
            raise InputError(
                f"{instance.facts.number_of_frames} frames are declared, {len(groups)} are described",
                code="FRAME_COUNT_MISMATCH",
                where=str(file.path),
            )
        shared, telling = elements.item(tags.SHARED_GROUPS), _dimensions_but_space(elements)
        return tuple(_enhanced_frame(instance, number, group, shared, telling) for number, group in enumerate(groups))
    count = instance.facts.number_of_frames
    if count > 1:  # frames without places of their own
        return tuple(_frame(instance, number, fault="MISSING_POSITION") for number in range(count))
    return (classic_frame(instance, read_look(elements), own_elements(elements)),)


def read_look(elements: Elements) -> Look:
    """What a classic slice shares with others."""
    return Look(lasting_marks(elements), _plane(elements, elements))


def classic_frame(instance: Instance, look: Look, own: Elements) -> Frame:
    """The one frame of a classic slice, of what it shares with others and of its own elements."""
    return _placed(instance, 0, joined(look.marks, instance.own.marks), own, look.plane)


def unplaced_frame(instance: Instance) -> Frame:
    """A stand-in for the frames of an image that has no place in the patient, or cannot be read further."""
    return _frame(instance, 0, fault="MISSING_POSITION")


def _enhanced_frame(
    instance: Instance, number: int, own: Elements, shared: Elements | None, telling: Sequence[int]
) -> Frame:
    def macro(tag: int) -> Elements | None:
        return own.item(tag) or (shared.item(tag) if shared else None)

    content, echo = macro(tags.FRAME_CONTENT), macro(tags.MR_ECHO)
    diffusion, modifier = macro(tags.MR_DIFFUSION), macro(tags.MR_MODIFIER)
    kernel, trigger = macro(tags.CT_RECONSTRUCTION), macro(tags.CARDIAC_SYNCHRONIZATION)
    timing, rays = macro(tags.MR_TIMING), macro(tags.CT_XRAY_DETAILS)
    frame_type = macro(tags.MR_FRAME_TYPE) or macro(tags.CT_FRAME_TYPE)
    direction = diffusion.item(tags.DIFFUSION_DIRECTION) if diffusion else None
    converted = own.item(tags.CONVERTED_PER_FRAME) or (shared.item(tags.CONVERTED_SHARED) if shared else None)
    # A legacy converted image keeps in a sequence of their own the classic elements that found no group.
    classic = joined(lasting_marks(converted), own_marks(converted)) if converted else Marks()
    marks = classic._replace(
        image_type=upper(frame_type.texts(tags.FRAME_TYPE)) if frame_type else instance.facts.image_type,
        component=frame_type.text(tags.COMPLEX_IMAGE_COMPONENT).upper() if frame_type else "",
        echo_time=echo.decimal(tags.EFFECTIVE_ECHO_TIME) if echo else classic.echo_time,
        b_value=diffusion.decimal(tags.DIFFUSION_B_VALUE) if diffusion else classic.b_value,
        gradient=gradient(direction, tags.DIFFUSION_ORIENTATION) if direction else classic.gradient,
        temporal_position=content.integer(tags.TEMPORAL_POSITION_INDEX) if content else classic.temporal_position,
        inversion_time=modifier.decimal(tags.INVERSION_TIMES) if modifier else classic.inversion_time,
        trigger_time=trigger.decimal(tags.NOMINAL_TRIGGER_DELAY) if trigger else classic.trigger_time,
        kernel=kernel.text(tags.CONVOLUTION_KERNEL) if kernel else classic.kernel,
        kvp=rays.decimal(tags.KVP) if rays else classic.kvp,
        flip_angle=timing.decimal(tags.FLIP_ANGLE) if timing else classic.flip_angle,
        repetition_time=timing.decimal(tags.REPETITION_TIME) if timing else classic.repetition_time,
        acquisition_number=content.integer(tags.FRAME_ACQUISITION_NUMBER) if content else classic.acquisition_number,
        stack=content.text(tags.STACK_ID) if content else classic.stack,
        dimensions=_indices(content, telling) if content else (),
        acquisition_time=content.text(tags.FRAME_ACQUISITION_DATE_TIME) if content else classic.acquisition_time,
        image=instance.uid,
    )
    plane = _plane(macro(tags.PLANE_ORIENTATION), macro(tags.PIXEL_MEASURES))
    return _placed(instance, number, marks, macro(tags.PLANE_POSITION), plane)


def _placed(
    instance: Instance, number: int, marks: Marks, position: Elements | None, plane: Plane | InputError
) -> Frame:
    """The frame with its place, or with the code of why it has none."""
    try:
        (x, y, z), has_commas = _decimals(position, tags.IMAGE_POSITION, 3, "MISSING_POSITION")
    except InputError as error:
        return _frame(instance, number, marks=marks, fault=error.code, why=str(error))
    if isinstance(plane, InputError):
        return _frame(instance, number, marks=marks, fault=plane.code, why=str(plane))
    return Frame(instance, number, (x, y, z), plane, marks, has_commas or plane.has_commas)


def _plane(orientation: Elements | None, measures: Elements | None) -> Plane | InputError:
    """How a slice lies, or the error that says why it cannot be read."""
    try:
        cosines, comma_in_cosines = _decimals(orientation, tags.IMAGE_ORIENTATION, 6, "MISSING_POSITION")
        spacing, comma_in_spacing = _decimals(measures, tags.PIXEL_SPACING, 2, "MISSING_PIXEL_SPACING")
    except InputError as error:
        return error
    if min(spacing) <= 0:
        why = f"{_named(tags.PIXEL_SPACING)} is {spacing[0]:g} × {spacing[1]:g} mm, two positive numbers are expected"
        return InputError(why, code="BAD_NUMBER")
    return Plane(cosines, (spacing[0], spacing[1]), comma_in_cosines or comma_in_spacing)


def _frame(instance: Instance, number: int, *, fault: str, why: str = "", marks: Marks | None = None) -> Frame:
    marks = marks or Marks(image_type=instance.facts.image_type)
    return Frame(instance, number, None, NOWHERE, marks, fault=fault, why=why)


def _decimals(elements: Elements | None, tag: int, count: int, code: str) -> tuple[tuple[float, ...], bool]:
    """So many numbers, and whether commas stood for points in them."""
    has_commas = False
    try:
        numbers = elements.decimals(tag) if elements else ()
    except InputError:
        numbers = _with_commas(elements.texts(tag), may_be_thousands=tag == tags.IMAGE_POSITION) if elements else ()
        has_commas = bool(numbers)
        if not numbers:
            message = f"{_named(tag)} holds a value that is no finite number; {count} numbers are expected"
            raise InputError(message, code="BAD_NUMBER") from None
    if not numbers:
        raise InputError(f"{_named(tag)} is absent; {count} numbers are expected", code=code)
    if len(numbers) != count:
        message = f"{_named(tag)} holds {len(numbers)} numbers, {count} are expected"
        raise InputError(message, code="BAD_NUMBER")
    return numbers, has_commas


def _with_commas(texts: Sequence[str], *, may_be_thousands: bool) -> tuple[float, ...]:
    """The numbers if every comma can only be a decimal one, else (); 1,250 mm may be a metre and a quarter."""
    if not all(DECIMAL.fullmatch(text) for text in texts):
        return ()
    if may_be_thousands and any(THOUSANDS.fullmatch(text) for text in texts):
        return ()
    return tuple(float(text.replace(",", ".")) for text in texts)


def _named(tag: int) -> str:
    return f"{keyword_for_tag(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _dimensions_but_space(elements: Elements) -> tuple[int, ...]:
    """Which of an enhanced image's dimension indices do not just count along the stack."""
    pointers = [item.raw(tags.DIMENSION_INDEX_POINTER) for item in elements.items(tags.DIMENSION_INDICES)]
    order = [struct.unpack("<HH", raw) if len(raw) == 4 else (0, 0) for raw in pointers]
    return tuple(place for place, (high, low) in enumerate(order) if high << 16 | low not in ALONG_THE_STACK)


def _indices(content: Elements, telling: Sequence[int]) -> tuple[int, ...]:
    if not telling:
        return ()
    try:
        values = content.decimals(tags.DIMENSION_INDEX_VALUES)
    except InputError:
        return ()
    return tuple(int(values[place]) for place in telling if place < len(values))
