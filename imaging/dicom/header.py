"""What one DICOM file says, as values: the instance (whose, when, which series) and its frames (where, what kind).

Nothing is judged here. A frame whose position cannot be read carries the code of that fault; whether the series can do
without the frame is decided where the whole series is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from imaging.dicom import tags
from imaging.dicom.elements import Elements
from imaging.dicom.file import DicomFile, PixelSpan
from imaging.dicom.moment import acquired_moment, iso_date
from imaging.errors import InputError
from imaging.study.role import SequenceFacts
from imaging.study.series import PatientId, SeriesUid

__all__ = ["Concatenation", "Frame", "Instance", "Marks", "read_frames", "read_instance", "unplaced_frame"]

SOP_MODALITIES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
LOSSY_SYNTAXES = {
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
}
FAT_SATURATION_TERMS = {"FAT", "FAT_AND_WATER"}


class Concatenation(NamedTuple):
    """One enhanced image stored in several files: which image, which part, of how many."""

    uid: str
    number: int | None
    total: int | None


class Marks(NamedTuple):
    """What tells apart volumes that are stacked in one series; the earlier a field, the more it says.

    Echo time is rounded to 0.1 ms and the b-value to 1 s/mm²: scanners write slices of one echo that differ below that.
    """

    image_type: tuple[str, ...] = ()
    echo_time: float | None = None
    b_value: int | None = None
    gradient: str = ""
    temporal_position: int | None = None
    inversion_time: float | None = None
    trigger_time: float | None = None
    kernel: str = ""
    acquisition_number: int | None = None
    stack: str = ""
    echo_number: int | None = None
    acquisition_time: str = ""
    content_time: str = ""
    image: str = ""  # which multi-frame image the frame is of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """One file's identity and facts; ``name_parts``, birth date and sex only tell patients apart, nobody sees them."""

    path: Path
    uid: str
    patient: PatientId
    name_parts: frozenset[str]
    birth_date: str
    sex: str
    study_uid: str
    series_uid: SeriesUid
    frame_of_reference_uid: str
    sop_class: str
    modality: str
    study_date: str | None
    acquired: str | None
    description: str
    image_type: tuple[str, ...]
    sequence: SequenceFacts
    rows: int | None
    columns: int | None
    samples_per_pixel: int
    photometric: str
    number_of_frames: int
    bits_allocated: int
    instance_number: int | None
    images_in_acquisition: int | None
    slice_thickness_mm: float | None
    nominal_spacing_mm: float | None
    concatenation: Concatenation | None
    is_lossy: bool
    preamble_is_zero: bool
    syntax: str
    pixels: PixelSpan | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One slice: where it lies (LPS mm) and what kind of image it is.

    ``fault`` is the code of what is wrong with its place (MISSING_POSITION, BAD_NUMBER, …), None if nothing is.
    """

    instance: Instance
    number: int
    position: tuple[float, float, float] | None
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, float]
    marks: Marks
    fault: str | None = None


def read_instance(file: DicomFile) -> Instance:
    """The facts of one file; whatever is absent or unreadable is None or ""."""
    elements = file.elements
    sop_class = elements.text(tags.SOP_CLASS_UID) or file.media_class
    modality = elements.text(tags.MODALITY).upper() or SOP_MODALITIES.get(sop_class, "")
    patient = elements.text(tags.PATIENT_ID) or elements.text(tags.PATIENT_NAME)
    image_type = tuple(value.upper() for value in elements.texts(tags.IMAGE_TYPE))
    return Instance(
        path=file.path,
        uid=elements.text(tags.SOP_INSTANCE_UID),
        patient=PatientId(patient),
        name_parts=_name_parts(elements.text(tags.PATIENT_NAME)),
        birth_date=elements.text(tags.PATIENT_BIRTH_DATE),
        sex=elements.text(tags.PATIENT_SEX).upper(),
        study_uid=elements.text(tags.STUDY_INSTANCE_UID),
        series_uid=SeriesUid(elements.text(tags.SERIES_INSTANCE_UID)),
        frame_of_reference_uid=elements.text(tags.FRAME_OF_REFERENCE_UID),
        sop_class=sop_class,
        modality=modality,
        study_date=iso_date(elements.text(tags.STUDY_DATE)),
        acquired=acquired_moment(elements),
        description=elements.text(tags.SERIES_DESCRIPTION),
        image_type=image_type,
        sequence=_sequence_facts(elements, modality, image_type),
        rows=elements.integer(tags.ROWS),
        columns=elements.integer(tags.COLUMNS),
        samples_per_pixel=elements.integer(tags.SAMPLES_PER_PIXEL) or 1,
        photometric=elements.text(tags.PHOTOMETRIC).upper(),
        number_of_frames=elements.integer(tags.NUMBER_OF_FRAMES) or 1,
        bits_allocated=elements.integer(tags.BITS_ALLOCATED) or 16,
        instance_number=elements.integer(tags.INSTANCE_NUMBER),
        images_in_acquisition=elements.integer(tags.IMAGES_IN_ACQUISITION),
        slice_thickness_mm=_thickness(elements),
        nominal_spacing_mm=elements.decimal(tags.SPACING_BETWEEN_SLICES),
        concatenation=_concatenation(elements),
        is_lossy=elements.text(tags.LOSSY_IMAGE_COMPRESSION) == "01" or file.syntax in LOSSY_SYNTAXES,
        preamble_is_zero=file.preamble_is_zero,
        syntax=file.syntax,
        pixels=file.pixels,
    )


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
        if len(groups) != instance.number_of_frames:
            raise InputError(
                f"{instance.number_of_frames} frames are declared, {len(groups)} are described",
                code="FRAME_COUNT_MISMATCH",
                where=str(file.path),
            )
        shared = elements.item(tags.SHARED_GROUPS)
        return tuple(_enhanced_frame(instance, number, group, shared) for number, group in enumerate(groups))
    if instance.number_of_frames > 1:  # frames without places of their own
        return tuple(_frame(instance, number, fault="MISSING_POSITION") for number in range(instance.number_of_frames))
    return (_placed(instance, 0, _classic_marks(elements), [elements] * 3),)


def unplaced_frame(instance: Instance) -> Frame:
    """A stand-in for the frames of an image that has no place in the patient, or cannot be read further."""
    return _frame(instance, 0, fault="MISSING_POSITION")


def _enhanced_frame(instance: Instance, number: int, own: Elements, shared: Elements | None) -> Frame:
    def macro(tag: int) -> Elements | None:
        return own.item(tag) or (shared.item(tag) if shared else None)

    content, echo = macro(tags.FRAME_CONTENT), macro(tags.MR_ECHO)
    diffusion, modifier = macro(tags.MR_DIFFUSION), macro(tags.MR_MODIFIER)
    kernel, trigger = macro(tags.CT_RECONSTRUCTION), macro(tags.CARDIAC_SYNCHRONIZATION)
    frame_type = macro(tags.MR_FRAME_TYPE) or macro(tags.CT_FRAME_TYPE)
    direction = diffusion.item(tags.DIFFUSION_DIRECTION) if diffusion else None
    marks = Marks(
        image_type=tuple(v.upper() for v in frame_type.texts(tags.FRAME_TYPE)) if frame_type else instance.image_type,
        echo_time=_rounded(echo.decimal(tags.EFFECTIVE_ECHO_TIME)) if echo else None,
        b_value=_whole(diffusion.decimal(tags.DIFFUSION_B_VALUE)) if diffusion else None,
        gradient=_direction(direction, tags.DIFFUSION_ORIENTATION) if direction else "",
        temporal_position=content.integer(tags.TEMPORAL_POSITION_INDEX) if content else None,
        inversion_time=_rounded(modifier.decimal(tags.INVERSION_TIMES)) if modifier else None,
        trigger_time=trigger.decimal(tags.NOMINAL_TRIGGER_DELAY) if trigger else None,
        kernel=kernel.text(tags.CONVOLUTION_KERNEL) if kernel else "",
        acquisition_number=content.integer(tags.FRAME_ACQUISITION_NUMBER) if content else None,
        stack=content.text(tags.STACK_ID) if content else "",
        acquisition_time=content.text(tags.FRAME_ACQUISITION_DATE_TIME) if content else "",
        image=instance.uid,
    )
    place = [macro(tag) for tag in (tags.PLANE_POSITION, tags.PLANE_ORIENTATION, tags.PIXEL_MEASURES)]
    return _placed(instance, number, marks, place)


def _classic_marks(elements: Elements) -> Marks:
    image_type = tuple(value.upper() for value in elements.texts(tags.IMAGE_TYPE))
    return Marks(
        image_type=image_type,
        echo_time=_rounded(elements.decimal(tags.ECHO_TIME)),
        b_value=_whole(elements.decimal(tags.DIFFUSION_B_VALUE)),
        gradient=_direction(elements, tags.DIFFUSION_ORIENTATION),
        temporal_position=elements.integer(tags.TEMPORAL_POSITION_IDENTIFIER),
        inversion_time=_rounded(elements.decimal(tags.INVERSION_TIME)),
        trigger_time=elements.decimal(tags.TRIGGER_TIME),
        kernel=elements.text(tags.CONVOLUTION_KERNEL),
        acquisition_number=elements.integer(tags.ACQUISITION_NUMBER),
        stack=elements.text(tags.STACK_ID),
        echo_number=elements.integer(tags.ECHO_NUMBERS),
        acquisition_time=elements.text(tags.ACQUISITION_DATE_TIME) or elements.text(tags.ACQUISITION_TIME),
        content_time=elements.text(tags.CONTENT_TIME),
    )


def _placed(instance: Instance, number: int, marks: Marks, place: Sequence[Elements | None]) -> Frame:
    """The frame with its place, or with the code of why it has none; ``place`` holds position, orientation, spacing."""
    position, orientation, measures = place
    try:
        point = _decimals(position, tags.IMAGE_POSITION, 3, "MISSING_POSITION")
        cosines = _decimals(orientation, tags.IMAGE_ORIENTATION, 6, "MISSING_POSITION")
        spacing = _decimals(measures, tags.PIXEL_SPACING, 2, "MISSING_PIXEL_SPACING")
    except InputError as error:
        return _frame(instance, number, marks=marks, fault=error.code)
    if min(spacing) <= 0:
        return _frame(instance, number, marks=marks, fault="BAD_NUMBER")
    return Frame(
        instance=instance,
        number=number,
        position=(point[0], point[1], point[2]),
        orientation=cosines,
        pixel_spacing=(spacing[0], spacing[1]),
        marks=marks,
    )


def _frame(instance: Instance, number: int, *, fault: str, marks: Marks | None = None) -> Frame:
    return Frame(
        instance=instance,
        number=number,
        position=None,
        orientation=(),
        pixel_spacing=(0.0, 0.0),
        marks=marks or Marks(image_type=instance.image_type),
        fault=fault,
    )


def _decimals(elements: Elements | None, tag: int, count: int, code: str) -> tuple[float, ...]:
    numbers = elements.decimals(tag) if elements else ()
    if not numbers:
        raise InputError("a frame does not say where it lies", code=code)
    if len(numbers) != count:
        raise InputError(f"{count} numbers are needed, {len(numbers)} are there", code="BAD_NUMBER")
    return numbers


def _sequence_facts(elements: Elements, modality: str, image_type: tuple[str, ...]) -> SequenceFacts:
    """The facts of the first frame stand for the instance; volumes that differ in them are told apart by marks."""
    shared, own = elements.item(tags.SHARED_GROUPS), elements.item(tags.PER_FRAME_GROUPS)

    def macro(tag: int) -> Elements:
        return (shared and shared.item(tag)) or (own and own.item(tag)) or elements

    timing, echo, modifier = macro(tags.MR_TIMING), macro(tags.MR_ECHO), macro(tags.MR_MODIFIER)
    suppression = elements.text(tags.SPECTRALLY_SELECTED_SUPPRESSION).upper()
    echo_time = elements.decimal(tags.ECHO_TIME)
    inversion_time = elements.decimal(tags.INVERSION_TIME)
    return SequenceFacts(
        modality=modality,
        description=elements.text(tags.SERIES_DESCRIPTION) or elements.text(tags.PROTOCOL_NAME),
        sequence_name=elements.text(tags.SEQUENCE_NAME),
        image_type=image_type,
        scanning_sequence=_upper(elements.texts(tags.SCANNING_SEQUENCE) or _pulse_sequence(elements)),
        sequence_variant=_upper(elements.texts(tags.SEQUENCE_VARIANT)),
        scan_options=_upper(elements.texts(tags.SCAN_OPTIONS)),
        repetition_time=timing.decimal(tags.REPETITION_TIME),
        echo_time=echo_time if echo_time is not None else echo.decimal(tags.EFFECTIVE_ECHO_TIME),
        inversion_time=inversion_time if inversion_time is not None else modifier.decimal(tags.INVERSION_TIMES),
        flip_angle=timing.decimal(tags.FLIP_ANGLE),
        b_value=macro(tags.MR_DIFFUSION).decimal(tags.DIFFUSION_B_VALUE),
        has_contrast_agent=bool(elements.text(tags.CONTRAST_AGENT) or elements.items(tags.CONTRAST_AGENT_SEQUENCE)),
        fat_saturated=suppression in FAT_SATURATION_TERMS if suppression else None,
    )


def _pulse_sequence(elements: Elements) -> tuple[str, ...]:
    """Enhanced MR names the echo in words where classic MR has codes."""
    codes = {"SPIN": "SE", "GRADIENT": "GR", "BOTH": "SE\\GR"}
    kind = codes.get(elements.text(tags.ECHO_PULSE_SEQUENCE).upper(), "")
    planar = "EP" if elements.text(tags.ECHO_PLANAR).upper() == "YES" else ""
    return tuple(code for code in (*kind.split("\\"), planar) if code)


def _thickness(elements: Elements) -> float | None:
    shared, own = elements.item(tags.SHARED_GROUPS), elements.item(tags.PER_FRAME_GROUPS)
    for group in (shared, own):
        measures = group.item(tags.PIXEL_MEASURES) if group else None
        if measures and measures.decimal(tags.SLICE_THICKNESS):
            return measures.decimal(tags.SLICE_THICKNESS)
    return elements.decimal(tags.SLICE_THICKNESS)


def _concatenation(elements: Elements) -> Concatenation | None:
    uid = elements.text(tags.CONCATENATION_UID)
    if not uid:
        return None
    number = elements.integer(tags.IN_CONCATENATION_NUMBER)
    return Concatenation(uid, number, elements.integer(tags.IN_CONCATENATION_TOTAL))


def _name_parts(name: str) -> frozenset[str]:
    """The words of a name in small letters: two spellings of one name share at least one of them."""
    return frozenset(re.split(r"[\^=,.;\s]+", name.casefold())) - {""}


def _upper(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.upper() for value in values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _direction(elements: Elements, tag: int) -> str:
    try:
        return " ".join(f"{number:.3f}" for number in elements.decimals(tag))
    except InputError:
        return ""
