"""What readers sign in the case file, from a small folder of DICOM to the overall response in every output.

Two lesions are balls in a block of marrow, on three T1 exams; their outlines come with the case and are accepted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imaging.dicom.write import MrHeader, Patient, SeriesHeader, series_files
from imaging.formats.nifti import nifti_bytes
from imaging.geometry import Grid
from imaging.volume import Modality, Volume

if TYPE_CHECKING:
    from tests.journeys.conftest import Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("reading")]

GRID = Grid.from_spacing((16, 48, 64), (4.0, 1.5, 1.5))
CENTRES = {"L1": (24.0, 36.0, 32.0), "L2": (68.0, 36.0, 32.0)}  # LPS mm
DAYS = {"T0": "2003-01-06", "T1": "2003-03-10", "T2": "2003-06-09"}
RADII = {"T0": (18.0, 12.0), "T1": (11.0, 8.0), "T2": (10.0, 8.0)}  # −36 % and −40 % of the summed diameters
NOTHING_BEFORE = '[[procedure]]\nid = "P1"\nwhen = 2002-01-07\nkind = "other"\n'
SIGNED = 'reader = "reader-1"\nnon_target = "none"\nnew_lesions = false\ncoverage = true\n'
OWN = '[[criterion]]\nname = "protocol"\nmetric = "long_axis_mm"\npr = "-0.9"\npd = "0.2"\nsource = "protocol 7.1"\n'


def ball(lesion: str, radius_mm: float) -> np.ndarray:
    points = GRID.points(np.indices(GRID.shape).reshape(3, -1).T)
    return (np.linalg.norm(points - CENTRES[lesion], axis=1) <= radius_mm).reshape(GRID.shape)


def write_exam(case: Path, exam: str) -> None:
    day = datetime.fromisoformat(f"{DAYS[exam]}T09:00:00")
    masks = {name: ball(name, radius) for name, radius in zip(CENTRES, RADII[exam], strict=True)}
    samples = np.where(masks["L1"] | masks["L2"], 150, 400).astype(np.int16)
    number = exam[1:]
    volume = Volume(
        samples=samples,
        grid=GRID,
        modality=Modality.MR,
        series_uid=f"2.25.1{number}",
        frame_of_reference_uid=f"2.25.2{number}",
    )
    header = SeriesHeader(
        patient=Patient(name="A^B", id="1"),
        study_uid=f"2.25.3{number}",
        study_start=day,
        acquired=day,
        technique=MrHeader(),
        series_description="t1",
    )
    folder = case / exam
    folder.mkdir(parents=True)
    for name, content in series_files(volume, header=header):
        (folder / name).write_bytes(content)
    for name, mask in masks.items():
        (case / f"{name}-{exam}.nii.gz").write_bytes(nifti_bytes(mask.astype(np.uint8), GRID))


def story(*statements: str, said: str = "soft_tissue = true") -> str:
    lesions = []
    for name in CENTRES:
        prompts = [
            f'[[lesion.prompt]]\ntimepoint = "{exam}"\nkind = "mask"\npath = "{name}-{exam}.nii.gz"\n' for exam in DAYS
        ]
        lesions.append(f'[[lesion]]\nid = "{name}"\n{said}\n{"".join(prompts)}')
    return "\n".join(['[case]\nid = "balls"', *lesions, NOTHING_BEFORE, *statements])


Tell = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(osteotrace: Osteotrace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case and its workspace, every mask accepted."""
    root = tmp_path_factory.mktemp("reading")
    for exam in DAYS:
        write_exam(root / "case", exam)
    (root / "case" / "case.toml").write_text(story())
    (root / "own.toml").write_text(OWN)
    done = osteotrace("run", root / "case", "--out", root / "out", "--config", root / "own.toml", "--json")
    assert done.code == 0, done.err
    assert done.document["responses"] == []
    done = osteotrace("accept", root / "out" / "balls", "--all-proposed", "--reader", "reader-1", "--json")
    assert done.code == 0, done.err
    return root


@pytest.fixture
def tell(folder: Path, osteotrace: Osteotrace) -> Tell:
    """Run the accepted case again with another case file."""

    def run(text: str) -> tuple[int, dict[str, Any]]:
        (folder / "told.toml").write_text(text)
        options = ("--case-file", folder / "told.toml", "--config", folder / "own.toml", "--json")
        done = osteotrace("run", folder / "case", "--out", folder / "out", *options)
        return done.code, done.document

    return run


def categories(document: dict[str, Any], criterion: str = "RECIST 1.1") -> dict[tuple[str, str], str]:
    rows = [row for row in document["responses"] if row["criterion"] == criterion]
    return {(row["timepoint"], row["scope"]): row["category"] for row in rows}


def test_acceptance_alone_gives_target_lesions_by_every_criterion_and_no_overall_response(folder: Path) -> None:
    document = json.loads((folder / "out" / "balls" / "case.json").read_text())
    assert categories(document) == {("T1", "target lesions"): "PR", ("T2", "target lesions"): "PR"}
    assert {row["criterion"] for row in document["responses"]} == {
        "RECIST 1.1", "WHO", "mRECIST-like", "MDA bone", "sphere volume", "protocol",
    }  # fmt: skip
    assert categories(document, "protocol") == {("T1", "target lesions"): "SD", ("T2", "target lesions"): "SD"}
    assert all(row["reasons"] and row["source"] and row["inputs"] for row in document["responses"])


def test_a_signed_exam_closes_the_overall_response_in_every_output(
    tell: Tell, folder: Path, osteotrace: Osteotrace, keeps_contract: Callable[[Path], str]
) -> None:
    readings = [f'[[reading]]\ntimepoint = "{exam}"\n{SIGNED}' for exam in ("2003-03-10", "T2")]
    code, document = tell(story(*readings))
    assert code == 0
    assert categories(document) == {
        ("T1", "target lesions"): "PR",
        ("T1", "overall"): "PR",
        ("T2", "target lesions"): "PR",
        ("T2", "overall"): "PR",
        ("T2", "best overall"): "PR",
    }
    result = folder / "out" / "balls"
    assert keeps_contract(result / "case.json") == ""
    with (result / "measurements.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "response"]
    assert [(row["timepoint"], row["criterion"], row["scope"], row["category"]) for row in rows] == [
        (row["timepoint"], row["criterion"], row["scope"], row["category"]) for row in document["responses"]
    ]
    assert all(row["reasons"] and row["source"] for row in rows)
    page = (result / "report.html").read_text()
    for words in ("signed by reader-1", "best overall", "protocol 7.1", "Eisenhauer 2009"):
        assert words in page
    done = osteotrace("report", result, "--format", "html", "--out", folder / "again.html")
    assert done.code == 0
    assert (folder / "again.html").read_text() == page


def test_equivocal_lesions_that_are_confirmed_date_progression_at_first_sight(tell: Tell) -> None:
    unsure = f'[[reading]]\ntimepoint = "T1"\n{SIGNED}'.replace("false", '"equivocal"')
    sure = f'[[reading]]\ntimepoint = "T2"\n{SIGNED}'.replace("false", "true")
    _, document = tell(story(unsure, sure))
    assert categories(document)["T1", "overall"] == categories(document)["T2", "overall"] == "PD"


def test_a_lesion_without_soft_tissue_is_never_measured(tell: Tell) -> None:
    code, document = tell(story(said="soft_tissue = false"))
    assert code == 0
    assert set(categories(document).values()) == {"NE"}
    assert set(categories(document, "WHO").values()) == {"PR"}


def test_earlier_radiotherapy_waits_for_a_readers_word(tell: Tell) -> None:
    radiotherapy = NOTHING_BEFORE.replace("other", "radiotherapy").replace("P1", "P2")
    _, document = tell(story(radiotherapy))
    assert set(categories(document).values()) == {"NE"}
    _, document = tell(story(radiotherapy, said="soft_tissue = true\nprogressed_since = true"))
    assert set(categories(document).values()) == {"PR"}


@pytest.mark.parametrize(
    "wrong",
    [
        f'[[reading]]\ntimepoint = "T9"\n{SIGNED}',
        f'[[reading]]\ntimepoint = "T1"\n{SIGNED}sure = true\n',
        f'[[reading]]\ntimepoint = "T1"\n{SIGNED}[[reading]]\ntimepoint = "2003-03-10"\n{SIGNED}',
    ],
)
def test_a_statement_that_cannot_be_stops_the_run(tell: Tell, folder: Path, wrong: str) -> None:
    before = (folder / "out" / "balls" / "case.json").read_bytes()
    code, document = tell(story(wrong))
    assert code == 3
    assert document["findings"][0]["severity"] == "error"
    assert (folder / "out" / "balls" / "case.json").read_bytes() == before
