"""The anatomy that a case file names, read without guessing."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging.errors import CaseFileError
from pipelines.case_file import read_case_file

CANAL = 'kind = "canal"\nname = "sacral canal"\ntimepoint = "T0"\nmask = "anatomy.nii.gz#2"\nreader = "reader-1"\n'
FORAMEN = CANAL.replace('"canal"', '"foramen"').replace("sacral canal", "S1 left foramen").replace("#2", "#3")


def case_of(folder: Path, *tables: str) -> Path:
    path = folder / "case.toml"
    path.write_text("".join(f"[[structure]]\n{table}" for table in tables), encoding="utf-8")
    return path


def test_structures_become_values_in_their_order(tmp_path: Path) -> None:
    case = read_case_file(case_of(tmp_path, CANAL, FORAMEN + 'series = "1.2.3"\n'))
    assert [(row.kind.value, row.name, row.timepoint, row.mask, row.reader, row.series) for row in case.structures] == [
        ("canal", "sacral canal", "T0", "anatomy.nii.gz#2", "reader-1", None),
        ("foramen", "S1 left foramen", "T0", "anatomy.nii.gz#3", "reader-1", "1.2.3"),
    ]
    assert case.findings == ()


def test_one_structure_may_be_outlined_on_several_exams(tmp_path: Path) -> None:
    case = read_case_file(case_of(tmp_path, CANAL, CANAL.replace('"T0"', "2003-01-17")))
    assert [row.timepoint for row in case.structures] == ["T0", "2003-01-17"]


def test_a_key_that_nothing_reads_is_told(tmp_path: Path) -> None:
    case = read_case_file(case_of(tmp_path, CANAL + 'label = "2"\n'))
    assert [finding.code for finding in case.findings] == ["CASE_FILE_UNKNOWN_KEY"]
    assert "structure.label" in case.findings[0].message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "canal"', 'kind = "nerve"'),
        ('kind = "canal"\n', ""),
        ('name = "sacral canal"', 'name = ""'),
        ('name = "sacral canal"', 'name = "../canal"'),
        ('name = "sacral canal"', 'name = "<b>canal"'),
        ('name = "sacral canal"', 'name = "=canal"'),
        ('name = "sacral canal"', 'name = "unspecified"'),
        ('name = "sacral canal"', 'name = "canal_or_foramen"'),
        ('name = "sacral canal"', 'name = "Within extraosseous tumour"'),
        ('name = "sacral canal"', f'name = "{"a" * 65}"'),
        ('timepoint = "T0"\n', ""),
        ('timepoint = "T0"', "timepoint = 3"),
        ('mask = "anatomy.nii.gz#2"', "mask = 2"),
        ('mask = "anatomy.nii.gz#2"\n', ""),
        ('reader = "reader-1"\n', ""),
        ('reader = "reader-1"', 'reader = "reader-1"\nseries = 1'),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in CANAL
    with pytest.raises(CaseFileError):
        read_case_file(case_of(tmp_path, CANAL.replace(old, new, 1)))


@pytest.mark.parametrize("again", [CANAL, CANAL.replace('"canal"', '"bone"').replace('"T0"', '"T1"')])
def test_a_name_is_of_one_structure_and_outlined_once_an_exam(tmp_path: Path, again: str) -> None:
    with pytest.raises(CaseFileError):
        read_case_file(case_of(tmp_path, CANAL, again))
