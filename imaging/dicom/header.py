"""What one DICOM file says, as values: the instance (whose, when, which series) and its frames (where, what kind).

Nothing is judged here. A frame whose position cannot be read carries the code of that fault; whether the series can do
without the frame is decided where the whole series is known.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.datadict import keyword_for_tag

from imaging.dicom import tags
from imaging.dicom.elements import Elements
from imaging.dicom.file import DicomFile, PixelSpan
from imaging.dicom.moment import acquired_moment, iso_date
from imaging.dicom.private import has_private_scale, private_b_value
from imaging.dicom.remembered import Remembered
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
# Dimensions that count slices: in-stack position, image position, plane position, slice location, table position.
ALONG_THE_STACK = {0x00209057, tags.IMAGE_POSITION, tags.PLANE_POSITION, 0x00201041, 0x00189327}
DECIMAL = re.compile(r"[+-]?\d+([.,]\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


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
    component: str = ""  # magnitude, phase, real or imaginary
    echo_time: float | None = None
    b_value: int | None = None
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
    lossy_ratio: float | None
    other_scales: tuple[str, ...]
    preamble_is_zero: bool
    syntax: str
    pixels: PixelSpan | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One slice: where it lies (LPS mm) and what kind of image it is.

    ``fault`` is the code of what is wrong with its place (MISSING_POSITION, BAD_NUMBER, …), None if nothing is, and
    ``why`` a sentence that names the element. ``has_commas`` tells that decimals were written with a comma.
    """

    instance: Instance
    number: int
    position: tuple[float, float, float] | None
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, float]
    marks: Marks
    fault: str | None = None
    why: str = ""
    has_commas: bool = False


def read_instance(file: DicomFile) -> Instance:
    """The facts of one file; whatever is absent or unreadable is None or ""."""
    elements = file.elements
    lasting = _lasting_facts(elements)
    if not lasting["sop_class"]:
        lasting = _facts(elements, file.media_class)
    is_lossy = lasting["is_lossy"] or file.syntax in LOSSY_SYNTAXES
    return Instance(
        **{**lasting, "is_lossy": is_lossy},
        lossy_ratio=_lossy_ratio(file, lasting) if is_lossy else None,
        path=file.path,
        uid=elements.text(tags.SOP_INSTANCE_UID),
        acquired=acquired_moment(elements),
        instance_number=elements.integer(tags.INSTANCE_NUMBER),
        preamble_is_zero=file.preamble_is_zero,
        syntax=file.syntax,
        pixels=file.pixels,
    )


def _facts(elements: Elements, sop_class: str) -> dict[str, Any]:
    """Those that all slices of a series share, nearly always."""
    modality = elements.text(tags.MODALITY).upper() or SOP_MODALITIES.get(sop_class, "")
    patient = elements.text(tags.PATIENT_ID) or elements.text(tags.PATIENT_NAME)
    image_type = tuple(value.upper() for value in elements.texts(tags.IMAGE_TYPE))
    return {
        "patient": PatientId(patient),
        "name_parts": _name_parts(elements.text(tags.PATIENT_NAME)),
        "birth_date": elements.text(tags.PATIENT_BIRTH_DATE),
        "sex": elements.text(tags.PATIENT_SEX).upper(),
        "study_uid": elements.text(tags.STUDY_INSTANCE_UID),
        "series_uid": SeriesUid(elements.text(tags.SERIES_INSTANCE_UID)),
        "frame_of_reference_uid": elements.text(tags.FRAME_OF_REFERENCE_UID),
        "sop_class": sop_class,
        "modality": modality,
        "study_date": iso_date(elements.text(tags.STUDY_DATE)),
        "description": elements.text(tags.SERIES_DESCRIPTION),
        "image_type": image_type,
        "sequence": _sequence_facts(elements, modality, image_type),
        "rows": elements.integer(tags.ROWS),
        "columns": elements.integer(tags.COLUMNS),
        "samples_per_pixel": elements.integer(tags.SAMPLES_PER_PIXEL) or 1,
        "photometric": elements.text(tags.PHOTOMETRIC).upper(),
        "number_of_frames": elements.integer(tags.NUMBER_OF_FRAMES) or 1,
        "bits_allocated": elements.integer(tags.BITS_ALLOCATED) or 16,
        "images_in_acquisition": elements.integer(tags.IMAGES_IN_ACQUISITION),
        "slice_thickness_mm": _thickness(elements),
        "nominal_spacing_mm": elements.decimal(tags.SPACING_BETWEEN_SLICES),
        "concatenation": _concatenation(elements),
        "is_lossy": elements.text(tags.LOSSY_IMAGE_COMPRESSION) == "01",
        "other_scales": _other_scales(elements, modality),
    }


def _lossy_ratio(file: DicomFile, facts: dict[str, Any]) -> float | None:
    """How many times smaller the images were made: as the header says, else by the bytes that are there.

    Several values are several compressions, one after the other (PS3.3 C.7.6.1.1.5.2); the strongest is taken.
    """
    try:
        declared = file.elements.decimals(tags.LOSSY_RATIO)
    except InputError:
        declared = ()
    if declared and max(declared) >= 1:
        return max(declared)
    if file.pixels is None or file.pixels.length is not None or not file.pixels.available:
        return None  # decompressed since, and nothing tells how strong it was
    samples = (facts["rows"] or 0) * (facts["columns"] or 0) * facts["number_of_frames"]
    return samples * facts["bits_allocated"] / 8 / file.pixels.available or None


def _other_scales(elements: Elements, modality: str) -> tuple[str, ...]:
    """Meanings of the samples, other than the public rescale, that are there and not applied."""
    own, shared = elements.item(tags.PER_FRAME_GROUPS), elements.item(tags.SHARED_GROUPS)
    places = [place for place in (elements, own, shared) if place]
    scales = []
    if modality == "MR" and any(has_private_scale(place) for place in places):
        scales.append("Philips' private scale")
    if any(place.holds(tags.REAL_WORLD_VALUES) for place in places):
        scales.append("a real world value map")
    return tuple(scales)


_lasting_facts = Remembered(lambda elements: _facts(elements, elements.text(tags.SOP_CLASS_UID)))


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
        shared, telling = elements.item(tags.SHARED_GROUPS), _dimensions_but_space(elements)
        return tuple(_enhanced_frame(instance, number, group, shared, telling) for number, group in enumerate(groups))
    if instance.number_of_frames > 1:  # frames without places of their own
        return tuple(_frame(instance, number, fault="MISSING_POSITION") for number in range(instance.number_of_frames))
    return (_placed(instance, 0, _classic_marks(elements), [elements] * 3),)


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
    classic = _classic_marks(converted) if converted else Marks()
    marks = classic._replace(
        image_type=_upper(frame_type.texts(tags.FRAME_TYPE)) if frame_type else instance.image_type,
        component=frame_type.text(tags.COMPLEX_IMAGE_COMPONENT).upper() if frame_type else "",
        echo_time=_rounded(echo.decimal(tags.EFFECTIVE_ECHO_TIME)) if echo else classic.echo_time,
        b_value=_whole(diffusion.decimal(tags.DIFFUSION_B_VALUE)) if diffusion else classic.b_value,
        gradient=_direction(direction, tags.DIFFUSION_ORIENTATION) if direction else classic.gradient,
        temporal_position=content.integer(tags.TEMPORAL_POSITION_INDEX) if content else classic.temporal_position,
        inversion_time=_rounded(modifier.decimal(tags.INVERSION_TIMES)) if modifier else classic.inversion_time,
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
    place = [macro(tag) for tag in (tags.PLANE_POSITION, tags.PLANE_ORIENTATION, tags.PIXEL_MEASURES)]
    return _placed(instance, number, marks, place)


def _classic_marks(elements: Elements) -> Marks:
    return _lasting_marks(elements)._replace(
        temporal_position=elements.integer(tags.TEMPORAL_POSITION_IDENTIFIER),
        trigger_time=elements.decimal(tags.TRIGGER_TIME),
        acquisition_number=elements.integer(tags.ACQUISITION_NUMBER),
        acquisition_time=elements.text(tags.ACQUISITION_DATE_TIME) or elements.text(tags.ACQUISITION_TIME),
        content_time=elements.text(tags.CONTENT_TIME),
    )


@Remembered
def _lasting_marks(elements: Elements) -> Marks:
    """Those that the slices of one volume share."""
    return Marks(
        image_type=_upper(elements.texts(tags.IMAGE_TYPE)),
        component=elements.text(tags.COMPLEX_IMAGE_COMPONENT).upper(),
        echo_time=_rounded(elements.decimal(tags.ECHO_TIME)),
        b_value=_whole(_b_value(elements)),
        gradient=_direction(elements, tags.DIFFUSION_ORIENTATION),
        inversion_time=_rounded(elements.decimal(tags.INVERSION_TIME)),
        kernel=elements.text(tags.CONVOLUTION_KERNEL),
        kvp=elements.decimal(tags.KVP),
        contrast=elements.text(tags.CONTRAST_AGENT).upper(),
        flip_angle=elements.decimal(tags.FLIP_ANGLE),
        repetition_time=_rounded(elements.decimal(tags.REPETITION_TIME)),
        stack=elements.text(tags.STACK_ID),
        echo_number=elements.integer(tags.ECHO_NUMBERS),
    )


def _placed(instance: Instance, number: int, marks: Marks, place: Sequence[Elements | None]) -> Frame:
    """The frame with its place, or with the code of why it has none; ``place`` holds position, orientation, spacing."""
    position, orientation, measures = place
    try:
        point, comma_in_point = _decimals(position, tags.IMAGE_POSITION, 3, "MISSING_POSITION")
        cosines, comma_in_cosines = _decimals(orientation, tags.IMAGE_ORIENTATION, 6, "MISSING_POSITION")
        spacing, comma_in_spacing = _decimals(measures, tags.PIXEL_SPACING, 2, "MISSING_PIXEL_SPACING")
    except InputError as error:
        return _frame(instance, number, marks=marks, fault=error.code, why=str(error))
    if min(spacing) <= 0:
        why = f"{_named(tags.PIXEL_SPACING)} is {spacing[0]:g} × {spacing[1]:g} mm, two positive numbers are expected"
        return _frame(instance, number, marks=marks, fault="BAD_NUMBER", why=why)
    return Frame(
        instance=instance,
        number=number,
        position=(point[0], point[1], point[2]),
        orientation=cosines,
        pixel_spacing=(spacing[0], spacing[1]),
        marks=marks,
        has_commas=comma_in_point or comma_in_cosines or comma_in_spacing,
    )


def _frame(instance: Instance, number: int, *, fault: str, why: str = "", marks: Marks | None = None) -> Frame:
    return Frame(
        instance=instance,
        number=number,
        position=None,
        orientation=(),
        pixel_spacing=(0.0, 0.0),
        marks=marks or Marks(image_type=instance.image_type),
        fault=fault,
        why=why,
    )


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


def _b_value(elements: Elements) -> float | None:
    public = elements.decimal(tags.DIFFUSION_B_VALUE)
    return public if public is not None else private_b_value(elements)


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
        b_value=_b_value(macro(tags.MR_DIFFUSION)),
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
