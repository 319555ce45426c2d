"""What readers sign in a case file, read without guessing, and back from the document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imaging.errors import CaseFileError
from imaging.lesions.lesion import SKELETON, Eligibility
from imaging.response.reading import FillIn, NewLesions, NonTarget, Reading
from pipelines.case_file import CaseFile, read_case_file
from pipelines.readings import reading_from_record, reading_record

LESIONS = """
[[lesion]]
id = "L1"
[[lesion]]
id = "L2"
[[lesion]]
id = "N1"
node = true
"""
WHOLE = """
[[reading]]
timepoint = 2003-04-17
reader = "reader-1"
non_target = "non-CR/non-PD"
new_lesions = "equivocal"
coverage = true
absent = ["N1"]
too_small = []
split = []
merged = [["L1", "L2"]]
viable_mm = {L1 = 23.5, L2 = 0}
fill_in = {L1 = "partial"}
"""


def written(folder: Path, text: str) -> CaseFile:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return read_case_file(path)


def test_a_whole_reading_becomes_a_value_and_comes_back(tmp_path: Path) -> None:
    (reading,) = written(tmp_path, LESIONS + WHOLE).readings
    assert reading == Reading(
        timepoint="2003-04-17",
        reader="reader-1",
        non_target=NonTarget.NON_CR_NON_PD,
        new_lesions=NewLesions.EQUIVOCAL,
        coverage=True,
        absent=("N1",),
        merged=(("L1", "L2"),),
        viable_mm={"L1": 23.5, "L2": 0.0},
        fill_in={"L1": FillIn.PARTIAL},
    )
    assert reading_from_record(json.loads(json.dumps(reading_record(reading)))) == reading


def test_what_is_not_said_is_none(tmp_path: Path) -> None:
    (reading,) = written(tmp_path, LESIONS + '[[reading]]\ntimepoint = "T1"\nreader = "r"\n').readings
    assert reading == Reading(timepoint="T1", reader="r")
    assert (reading.non_target, reading.new_lesions, reading.coverage) == (None, None, None)
    assert reading_from_record(json.loads(json.dumps(reading_record(reading)))) == reading


@pytest.mark.parametrize(
    ("value", "meant"),
    [("true", NewLesions.UNEQUIVOCAL), ("false", NewLesions.NONE), ('"equivocal"', NewLesions.EQUIVOCAL)],
)
def test_new_lesions_are_there_or_not_or_equivocal(tmp_path: Path, value: str, meant: NewLesions) -> None:
    (reading,) = written(tmp_path, LESIONS + WHOLE.replace('"equivocal"', value)).readings
    assert reading.new_lesions is meant


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('reader = "reader-1"', ""),
        ('reader = "reader-1"', "reader = 7"),
        ("timepoint = 2003-04-17", ""),
        ('"non-CR/non-PD"', '"stable"'),
        ('"non-CR/non-PD"', "true"),
        ('"equivocal"', '"none"'),
        ('"equivocal"', "1"),
        ("coverage = true", 'coverage = "yes"'),
        ("coverage = true", "covrage = true"),
        ('absent = ["N1"]', 'absent = ["L9"]'),
        ('absent = ["N1"]', 'absent = "N1"'),
        ('absent = ["N1"]', "absent = [1]"),
        ('absent = ["N1"]', 'absent = ["N1", "N1"]'),
        ("too_small = []", 'too_small = ["N1"]'),
        ("too_small = []", 'too_small = ["L2"]'),  # and merged
        ("split = []", 'split = ["N1"]'),
        ('split = []\nmerged = [["L1", "L2"]]', 'split = ["N1"]\nabsent = []'),
        ('[["L1", "L2"]]', '[["L1"]]'),
        ('[["L1", "L2"]]', '[["L1", "L1"]]'),
        ('[["L1", "L2"]]', '[["L1", "L2"], ["L2", "N1"]]'),
        ('[["L1", "L2"]]', '["L1", "L2"]'),
        ('[["L1", "L2"]]', '"L1"'),
        ("L1 = 23.5", "L9 = 23.5"),
        ("L1 = 23.5", "L1 = -1"),
        ("L1 = 23.5", "L1 = nan"),
        ("L1 = 23.5", "L1 = inf"),
        ("L1 = 23.5", "L1 = true"),
        ("L1 = 23.5", 'L1 = "23"'),
        ("viable_mm = {L1 = 23.5, L2 = 0}", "viable_mm = 23.5"),
        ('L1 = "partial"', 'L1 = "half"'),
        ('L1 = "partial"', 'L9 = "partial"'),
        ("[[reading]]", "[reading]"),
    ],
)
def test_what_cannot_be_signed_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in WHOLE
    with pytest.raises(CaseFileError):
        written(tmp_path, LESIONS + WHOLE.replace(old, new, 1))


def test_one_exam_has_one_reading(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="one exam"):
        written(tmp_path, LESIONS + WHOLE + WHOLE)


def test_what_makes_a_lesion_a_target(tmp_path: Path) -> None:
    said = 'organ = "liver"\nappearance = "mixed"\nsoft_tissue = true\nmeasurable = false\nprogressed_since = true\n'
    case = written(tmp_path, LESIONS + said)
    assert [lesion.eligibility for lesion in case.lesions] == [
        Eligibility(),
        Eligibility(),
        Eligibility(
            node=True, organ="liver", appearance="mixed", soft_tissue=True, measurable=False, progressed_since=True
        ),
    ]
    assert case.lesions[0].eligibility.organ == SKELETON
    assert case.findings == ()


@pytest.mark.parametrize(
    "wrong", ["node = 1", 'appearance = "dense"', 'soft_tissue = "yes"', "organ = 3", "measurable = 0"]
)
def test_what_a_lesion_cannot_be_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(CaseFileError):
        written(tmp_path, f'[[lesion]]\nid = "L1"\n{wrong}\n')
