"""When an image was acquired, as headers say it."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from imaging.dicom.scan import scan

DATES = {
    "AcquisitionDateTime": "20030117101500.25+0100",
    "AcquisitionDate": "20030118",
    "AcquisitionTime": "0916",
    "SeriesDate": "20030119",
    "SeriesTime": "101112",
    "ContentDate": "20030120",
    "StudyDate": "20030121",
    "StudyTime": "070809.123456",
}
ORDER = [
    ("2003-01-17T10:15:00.250000", ["AcquisitionDateTime"]),
    ("2003-01-18T09:16:00", ["AcquisitionDate"]),
    ("2003-01-19T10:11:12", ["SeriesDate"]),
    ("2003-01-20", ["ContentDate"]),
    ("2003-01-21T07:08:09.123456", ["StudyDate"]),
    (None, []),
]


def _acquired(slices, change):
    datasets = slices.clean(3)
    for dataset in datasets:
        for keyword in ("AcquisitionDate", "AcquisitionTime", "StudyDate", "StudyTime"):
            delattr(dataset, keyword)
        change(dataset)
    return slices.record(datasets)


@pytest.mark.parametrize("missing", range(6))
def test_the_most_telling_moment_that_is_there_counts(missing, slices):
    def change(dataset):
        for keyword, value in DATES.items():
            setattr(dataset, keyword, value)
        for _, keywords in ORDER[:missing]:
            for keyword in keywords:
                setattr(dataset, keyword, "")

    record = _acquired(slices, change)
    assert record.acquired == ORDER[missing][0]
    assert record.study_date == (None if missing == 5 else "2003-01-21")


@pytest.mark.parametrize(
    ("date", "time", "moment"),
    [
        ("20030117", "", "2003-01-17"),
        ("20030117", "10", "2003-01-17"),
        ("2003.01.17", "10:15:30", "2003-01-17T10:15:30"),
        ("20030117", "101560", "2003-01-17T10:15:59"),
        ("20030117", "251500", "2003-01-17"),
        ("20031317", "101500", None),
        ("unknown", "101500", None),
    ],
)
def test_dates_and_times_are_read_or_unknown_never_guessed(date, time, moment, slices):
    datasets = slices.clean(3)
    for dataset in datasets:
        for keyword in ("AcquisitionDate", "AcquisitionTime", "StudyDate", "StudyTime"):
            delattr(dataset, keyword)
        dataset.add_new(0x00080022, "LO", date)  # as text of another kind, which a library writes unchecked
        dataset.add_new(0x00080032, "LO", time)
    assert slices.record(datasets).acquired == moment


def test_the_earliest_slice_tells_the_moment_of_a_volume(slices):
    datasets = slices.clean(4)
    for dataset in datasets:
        dataset.AcquisitionTime = f"10150{9 - dataset.InstanceNumber}"
    assert slices.record(datasets).acquired == "2003-01-17T10:15:05"


def test_sequence_facts_of_enhanced_images_give_a_role(slices, enhanced):
    frames = slices.clean(modality="MR")
    image = enhanced(frames)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    timing, echo = Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle = 550.0, 90.0
    echo.EffectiveEchoTime = 11.0
    image.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence = [timing]
    image.SharedFunctionalGroupsSequence[0].MREchoSequence = [echo]
    record = slices.record([image])
    assert (record.role, record.role_reason) == ("t1", "TR 550 ms, TE 11 ms: T1-weighted")


def test_fields_of_a_record_are_those_of_the_header(slices):
    datasets = slices.clean(3)
    for dataset in datasets:
        dataset.SeriesDescription = "T1 Schädel"
        dataset.SpecificCharacterSet = "ISO_IR 100"
    (record,) = scan([slices.write(datasets)]).volumes
    assert record.description == "T1 Schädel"
    assert (record.patient, record.modality, record.image_type) == ("P-1", "CT", ("ORIGINAL", "PRIMARY", "AXIAL"))
    assert record.study_uid == datasets[0].StudyInstanceUID
    assert record.frame_of_reference_uid == datasets[0].FrameOfReferenceUID


@pytest.mark.parametrize(
    ("agent", "role"),
    [
        *((text, "t1") for text in ("NONE", "No", "N/A", "ohne KM", "SANS", "no IV contrast", "Without contrast", "0")),
        *((text, "t1c") for text in ("GADOVIST", "Dotarem 10 ml", "IV CONTRAST", "Nonionic 300", "KM", "YES")),
    ],
)
def test_a_word_for_none_is_no_contrast_agent(agent, role, slices):
    datasets = slices.clean(3, modality="MR")
    for dataset in datasets:
        dataset.SeriesDescription, dataset.ContrastBolusAgent = "T1 TSE SAG", agent
    assert slices.record(datasets).role == role
