"""What a file says that the slices of a series share, nearly always: whose it is, of what study, how it was made.

Nothing is judged here; whatever is absent or unreadable is None or "".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from imaging.dicom import tags
from imaging.dicom.contrast_agent import has_contrast_agent
from imaging.dicom.elements import Elements
from imaging.dicom.file import DicomFile
from imaging.dicom.moment import iso_date
from imaging.dicom.private import has_private_scale, private_b_value
from imaging.errors import InputError
from imaging.study.role import SequenceFacts
from imaging.study.series import PatientId, SeriesUid

__all__ = ["SOP_MODALITIES", "Concatenation", "Facts", "b_value", "read_facts"]

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


class OfSeries(NamedTuple):
    """What DICOM says of patient, equipment and series, and never of one slice; as it is written."""

    series_number: str
    patient_age: str
    issuer_of_patient_id: str
    patient_position: str
    scanner: tuple[str, ...]
    filter: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """Of one file, or of many slices; ``name_parts``, birth date and sex only tell patients apart, nobody sees them.

    ``declared_ratio`` is how many times smaller compression with loss made the images, as the header says.
    """

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
    description: str
    of_series: OfSeries
    image_type: tuple[str, ...]
    sequence: SequenceFacts
    rows: int | None
    columns: int | None
    samples_per_pixel: int
    photometric: str
    number_of_frames: int
    bits_allocated: int
    images_in_acquisition: int | None
    slice_thickness_mm: float | None
    nominal_spacing_mm: float | None
    concatenation: Concatenation | None
    is_lossy: bool
    declared_ratio: float | None
    other_scales: tuple[str, ...]
    preamble_is_zero: bool
    syntax: str


def read_facts(file: DicomFile) -> Facts:
    """The facts of one file."""
    elements = file.elements
    sop_class = elements.text(tags.SOP_CLASS_UID) or file.media_class
    modality = elements.text(tags.MODALITY).upper() or SOP_MODALITIES.get(sop_class, "")
    patient = elements.text(tags.PATIENT_ID) or elements.text(tags.PATIENT_NAME)
    image_type = tuple(value.upper() for value in elements.texts(tags.IMAGE_TYPE))
    ratio = _declared_ratio(elements)
    is_lossy = _is_lossy(elements, ratio) or file.syntax in LOSSY_SYNTAXES
    return Facts(
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
        description=elements.text(tags.SERIES_DESCRIPTION),
        of_series=_of_series(elements),
        image_type=image_type,
        sequence=_sequence_facts(elements, modality, image_type),
        rows=elements.integer(tags.ROWS),
        columns=elements.integer(tags.COLUMNS),
        samples_per_pixel=elements.integer(tags.SAMPLES_PER_PIXEL) or 1,
        photometric=elements.text(tags.PHOTOMETRIC).upper(),
        number_of_frames=elements.integer(tags.NUMBER_OF_FRAMES) or 1,
        bits_allocated=elements.integer(tags.BITS_ALLOCATED) or 16,
        images_in_acquisition=elements.integer(tags.IMAGES_IN_ACQUISITION),
        slice_thickness_mm=_thickness(elements),
        nominal_spacing_mm=elements.decimal(tags.SPACING_BETWEEN_SLICES),
        concatenation=_concatenation(elements),
        is_lossy=is_lossy,
        declared_ratio=ratio if is_lossy else None,
        other_scales=_other_scales(elements, modality),
        preamble_is_zero=file.preamble_is_zero,
        syntax=file.syntax,
    )


def _of_series(elements: Elements) -> OfSeries:
    return OfSeries(
        series_number=elements.text(tags.SERIES_NUMBER),
        patient_age=elements.text(tags.PATIENT_AGE),
        issuer_of_patient_id=elements.text(tags.ISSUER_OF_PATIENT_ID),
        patient_position=elements.text(tags.PATIENT_POSITION),
        scanner=tuple(elements.text(tag) for tag in (tags.MANUFACTURER, tags.STATION_NAME, tags.DEVICE_SERIAL_NUMBER)),
        filter=elements.text(tags.FILTER_TYPE),
    )


def b_value(elements: Elements) -> float | None:
    """The b-value, s/mm², as the standard or a vendor has it; None where there is none."""
    public = elements.decimal(tags.DIFFUSION_B_VALUE)
    return public if public is not None else private_b_value(elements)


def _is_lossy(elements: Elements, ratio: float | None) -> bool:
    """Whether the header says that values were lost, now or before, in whichever of the three elements."""
    said = elements.text(tags.LOSSY_IMAGE_COMPRESSION).lstrip("0").upper()
    return said in ("1", "Y", "YES") or bool(elements.text(tags.LOSSY_METHOD) and ratio is not None and ratio > 1)


def _declared_ratio(elements: Elements) -> float | None:
    """Several values are several compressions, one after the other (PS3.3 C.7.6.1.1.5.2); the strongest is taken."""
    try:
        declared = elements.decimals(tags.LOSSY_RATIO)
    except InputError:
        return None
    return max(declared) if declared and max(declared) >= 1 else None


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
        b_value=b_value(macro(tags.MR_DIFFUSION)),
        has_contrast_agent=has_contrast_agent(elements),
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
    return frozenset(re.split(r"[\^=,.;\s-]+", name.casefold())) - {""}


def _upper(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.upper() for value in values)
