"""The window on a screen, by keys and mouse that come through the X server; judged by pixels, files and the report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from pipelines.reports.palette import lesion_colour_on_dark
from tests.pipelines.review.conftest import Screen, until

pytestmark = [pytest.mark.xdist_group("review"), pytest.mark.journey]

OSTEOTRACE = Path(sys.executable).with_name("osteotrace")
STROKE = ((400, 300), (420, 340))  # in the first pane, on muscle beside the lesion
CLICK = (235, 160)  # just in front of the first lesion
BESIDE = (slice(140, 170), slice(205, 265))
PLACE = (slice(285, 355), slice(385, 435))  # rows and columns around it
MIDDLE = (slice(130, 350), slice(150, 370))  # of the first pane


def coloured(picture: np.ndarray, lesion: int, where: tuple[slice, slice]) -> int:
    """Pixels that have the lesion's colour, as far as antialiasing and opacity leave it."""
    colour = [int(lesion_colour_on_dark(lesion)[n : n + 2], 16) for n in (1, 3, 5)]
    return int((np.abs(picture[where].astype(int) - colour).max(axis=-1) < 40).sum())


class Reading:
    """``osteotrace review`` in a process of its own, and the hands on it."""

    def __init__(self, screen: Screen, folder: Path, middle: tuple[slice, slice] = MIDDLE) -> None:
        self.screen = screen
        self.process = subprocess.Popen(
            [OSTEOTRACE, "review", folder, "--reader", "reader-1", "--json"],
            env=screen.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until(lambda: screen.window("osteotrace ·") or self.process.poll() is not None, "the window", 240)
        assert self.process.poll() is None, self.process.communicate()
        self.window = screen.window("osteotrace ·")
        screen.hand("windowfocus", "--sync", self.window)
        until(lambda: coloured(screen.picture(), 0, middle) > 50, "the first lesion's outline in the first pane")

    @property
    def title(self) -> str:
        return self.screen.title(self.window)

    def press(self, key: str, expected: str) -> None:
        self.screen.keys(key)
        until(lambda: expected in self.title, f"{expected!r} after {key}; the title is {self.title!r}")

    def close(self) -> tuple[int, str]:
        self.screen.keys("ctrl+q")
        out, _ = self.process.communicate(timeout=120)
        return self.process.returncode, out


@pytest.fixture
def reading(screen: Screen) -> Iterator[Callable[[Path], Reading]]:
    opened: list[Reading] = []

    def read(folder: Path) -> Reading:
        opened.append(Reading(screen, folder))
        return opened[-1]

    yield read
    for each in opened:
        each.process.kill()
        each.process.communicate()


def observations(document: dict) -> dict[tuple[str, str], dict]:
    return {
        (lesion["id"], row["timepoint"]): row
        for lesion in document["lesions"]
        for row in lesion["observations"]
        if row["primary"]
    }


def test_open_jump_edit_accept_save_and_the_report_says_accepted(reading, screen, sample_folder):
    before = observations(json.loads((sample_folder / "case.json").read_text()))
    sitting = reading(sample_folder)

    sitting.press("j", "L2 T0")
    until(lambda: coloured(screen.picture(), 1, MIDDLE) > 30, "the second lesion's outline in the middle")
    sitting.press("shift+j", "L1 T0")

    until(lambda: coloured(screen.picture(), 0, PLACE) == 0, "the first lesion's place again")
    screen.keys("p")
    screen.drag(*STROKE)
    sitting.press("t", "1 unsaved")
    until(lambda: coloured(screen.picture(), 0, PLACE) > 20, "the stroke on the screen")

    sitting.press("a", "L1 T2 · 2 unsaved")  # as the machine drew it
    sitting.press("shift+t", "L1 T0")
    sitting.press("a", "L1 T0 · 2 unsaved")  # as it was painted
    sitting.press("s", "· saved")
    until(lambda: sitting.title.endswith("· saved"), "the figures that follow", 240)
    code, out = sitting.close()
    assert code == 0

    document = json.loads((sample_folder / "case.json").read_text())
    assert json.loads(out) == document
    now = observations(document)
    assert {place for place, row in now.items() if row["status"] == "accepted"} == {("L1", "T0"), ("L1", "T2")}
    assert now["L1", "T0"]["reader"] == "reader-1"
    assert now["L1", "T0"]["volume_ml"]["value"] > before["L1", "T0"]["volume_ml"]["value"]
    # What a reader takes over unchanged keeps its figure; its error is no longer the machine's.
    taken, proposed = (rows["L1", "T2"]["volume_ml"] for rows in (now, before))
    assert taken["value"] == proposed["value"]
    assert proposed["interval95"][0] < taken["interval95"][0] < taken["value"]
    assert taken["value"] < taken["interval95"][1] < proposed["interval95"][1]
    assert now["L1", "T2"]["volume_ml"]["error"]["reader"]["accepted"] is True
    assert {row["criterion"] for row in document["responses"]} == set(), "one target of two is no baseline"
    assert sorted(path.name for path in (sample_folder / "review").iterdir()) == [
        "L1-T0.r1.json", "L1-T0.r1.nii.gz", "L1-T2.r1.json", "L1-T2.r1.nii.gz",
    ]  # fmt: skip
    table = (sample_folder / "measurements.csv").read_text().splitlines()
    accepted = [line for line in table if "L1" in line and "T0" in line and "accepted" in line]
    assert accepted
    assert "accepted" in (sample_folder / "report.html").read_text()


def test_a_click_corrects_a_key_grows_and_undo_takes_both_back(reading, screen, sample_folder):
    sitting = reading(sample_folder)
    before = coloured(screen.picture(), 0, BESIDE)
    screen.keys("c")
    screen.click(CLICK)
    until(lambda: "1 unsaved" in sitting.title, "the correction")
    until(lambda: coloured(screen.picture(), 0, BESIDE) > before + 5, "the outline beyond the click")
    screen.keys("ctrl+z")
    until(lambda: "· saved" in sitting.title, "the outline as it was")
    until(lambda: coloured(screen.picture(), 0, BESIDE) == before, "the outline where it was")
    screen.keys("shift+g")
    until(lambda: "1 unsaved" in sitting.title, "the larger outline")


def test_a_killed_window_loses_no_stroke_older_than_two_seconds(reading, screen, sample_folder):
    sitting = reading(sample_folder)
    screen.keys("p")
    screen.drag(*STROKE)
    until(lambda: list(sample_folder.glob("drafts/L1-T0.json")), "the draft", 20)
    sitting.process.send_signal(signal.SIGKILL)
    sitting.process.communicate()

    again = reading(sample_folder)
    assert "1 unsaved" in again.title
    until(lambda: coloured(screen.picture(), 0, PLACE) > 20, "the stroke from before")
    again.press("s", "· saved")
    assert (sample_folder / "review" / "L1-T0.r1.json").is_file()


PLUGIN = """
import sys
from pathlib import Path
import napari
viewer = napari.Viewer()
_, widget = viewer.window.add_plugin_dock_widget("osteotrace", "Review a case")
widget.open(Path(sys.argv[1]), "reader-1")
sys.stdout.write(f"{type(widget).__name__} {len(viewer.layers)} {widget.panel.table.rowCount()}")
"""


def test_napari_finds_the_plugin_and_opens_a_case_in_it(screen, case_folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLUGIN, case_folder],
        env=screen.environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.stdout == "ReviewWidget 9 6", done.stderr


def test_the_manifest_is_valid():
    manifest = PluginManifest.from_distribution("osteotrace")
    assert [widget.display_name for widget in manifest.contributions.widgets or ()] == ["Review a case"]
    manifest.validate_imports()
