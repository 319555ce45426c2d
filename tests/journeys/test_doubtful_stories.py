"""What people write may be wrong or missing: no figure may rest on it in silence."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Osteotrace

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("sample")]

Story = Callable[[str], str]


@pytest.fixture
def told(sample_case: Path, osteotrace: Osteotrace, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run the first three exams of the sample case with another story told about them."""

    def run(story: Story, *exams: str, harm: Callable[[Path], None] = lambda _: None) -> tuple[int, dict[str, Any]]:
        case = tmp_path / "case"
        for exam in exams:
            shutil.copytree(sample_case / exam, case / exam)
        (case / "case.toml").write_text(story((sample_case / "case.toml").read_text()))
        harm(case)
        done = osteotrace("run", case, "--out", tmp_path / "out", "--json")
        return done.code, done.document

    return run


def observation(document: dict[str, Any], lesion: str, timepoint: str) -> dict[str, Any]:
    rows = [row for entry in document["lesions"] if entry["id"] == lesion for row in entry["observations"]]
    (found,) = [row for row in rows if row["timepoint"] == timepoint and row["primary"]]
    return dict(found)


def codes(row: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in row["findings"]}


def without_procedures(text: str) -> str:
    head, _, tail = text.partition("[[procedure]]")
    return head + "[[clinical]]" + tail.split("[[clinical]]", 1)[1]


FIRST, CT, SECOND = "2003-01-06_MR", "2003-01-17_CT", "2003-04-17_MR"


def test_a_case_file_without_procedures_does_not_prove_that_nothing_was_injected(told: Any) -> None:
    code, document = told(without_procedures, FIRST, CT, SECOND)
    assert code == 0
    row = observation(document, "L1", "T2")
    assert row["material_ml"]["value"] == pytest.approx(10, abs=3)
    assert row["volume_ml"]["value"] == pytest.approx(48.2, rel=0.2)
    assert observation(document, "L1", "T0")["material_ml"] is None


def test_a_procedure_without_a_time_on_the_cts_day_names_no_material(told: Any) -> None:
    code, document = told(lambda text: text.replace("2003-01-17T10:30:00", "2003-01-17"), FIRST, CT)
    assert code == 0
    assert {row["kind"] for row in document["materials"]} == {"unclassified"}
    assert "PROCEDURE_ORDER_UNKNOWN" in {finding["code"] for finding in document["findings"]}


def test_a_lesion_on_the_other_side_than_written_cannot_be_accepted(
    told: Any, osteotrace: Osteotrace, tmp_path: Path
) -> None:
    code, document = told(lambda text: text.replace('side = "left"\nkind', 'side = "right"\nkind', 1), FIRST)
    assert code == 0
    assert "LATERALITY_CONFLICT" in codes(observation(document, "L1", "T0"))
    folder = tmp_path / "out" / "SACROPLASTY-001"
    done = osteotrace("accept", folder, "--lesion", "L1", "--timepoint", "T0", "--reader", "x", "--json")
    assert (done.code, done.document["findings"][0]["code"]) == (3, "LATERALITY_CONFLICT")


def test_cement_that_no_ct_shows_is_said_to_be_missing_from_the_outline(told: Any) -> None:
    code, document = told(lambda text: text, FIRST, SECOND)
    assert code == 0
    assert {"SIGNAL_VOID_UNKNOWN", "MATERIAL_UNKNOWN"} <= codes(observation(document, "L1", "T1"))
    assert observation(document, "L1", "T1")["net_volume_ml"] is None


def test_a_damaged_series_costs_its_own_figures_alone(told: Any) -> None:
    def harm(case: Path) -> None:
        path = sorted((case / FIRST / "STIR").iterdir())[8]
        content = bytearray(path.read_bytes())
        middle = len(content) * 2 // 3
        content[middle : middle + 3000] = bytes(3000)
        path.write_bytes(bytes(content))

    code, document = told(lambda text: text, FIRST, harm=harm)
    assert code == 4
    assert any(finding["severity"] == "error" for finding in document["findings"])
    assert observation(document, "L1", "T0")["volume_ml"]["value"] > 0


def test_an_acceptance_survives_another_prompt(told: Any, osteotrace: Osteotrace, tmp_path: Path) -> None:
    _, first = told(lambda text: text, FIRST)
    folder = tmp_path / "out" / "SACROPLASTY-001"
    assert osteotrace("accept", folder, "--all-proposed", "--reader", "me").code == 0
    path = tmp_path / "case" / "case.toml"
    path.write_text(path.read_text().replace("[4.2, -4.4, -105.3]", "[12.2, 4.4, -99.3]"))
    done = osteotrace("run", tmp_path / "case", "--out", tmp_path / "out", "--json")
    rows = [row for row in done.document["lesions"][0]["observations"] if row["timepoint"] == "T0"]
    assert [(row["primary"], row["status"]) for row in rows] == [(True, "accepted"), (False, "proposed")]
    assert rows[0]["volume_ml"]["value"] == observation(first, "L1", "T0")["volume_ml"]["value"]
    assert rows[1]["volume_ml"]["value"] != rows[0]["volume_ml"]["value"]


def test_others_read_the_report_and_the_images(sample_case: Path, tmp_path: Path, told: Any) -> None:
    for program in ("chromium", "dcmdump"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    told(lambda text: text, FIRST)
    picture = tmp_path / "page.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    page = tmp_path / "out" / "SACROPLASTY-001" / "report.html"
    command = ["chromium", *flags, "--window-size=1200,1600", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    import imagecodecs

    pixels = imagecodecs.png_decode(picture.read_bytes())
    assert len({tuple(p) for p in pixels[::8, ::8].reshape(-1, pixels.shape[-1]).tolist()}) > 20
    for path in sorted(sample_case.rglob("IM0001.dcm")):
        subprocess.run(["dcmdump", "-q", str(path)], check=True, capture_output=True)
    assert json.loads((page.parent / "case.json").read_text())["schema"] == "osteotrace.case/1"
