"""A real screen without a monitor, and hands: keys and mouse go through the X server, as a person's do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageGrab

from pipelines.follow_up import follow_up
from pipelines.run_log import Run, log_run, now
from pipelines.workspace import CaseFolder

SIZE = (1600, 1000)
NEEDED = ("Xvfb", "xdotool")


@dataclass
class Screen:
    """A virtual screen, what is seen on it, and what a person does at it."""

    display: str
    environment: dict[str, str] = field(default_factory=dict)

    def picture(self) -> np.ndarray:
        """(rows, columns, 3) uint8: what a person would see."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display).convert("RGB"))

    def hand(self, *words: object) -> str:
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout.strip()

    def window(self, title: str) -> str:
        """The window's id, or nothing."""
        return self.hand("search", "--onlyvisible", "--name", title).split("\n")[0]

    def title(self, window: str) -> str:
        return self.hand("getwindowname", window)

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.hand("key", "--clearmodifiers", key)

    def click(self, place: tuple[int, int]) -> None:
        self.hand("mousemove", *place)
        self.hand("mousedown", 1)
        time.sleep(0.2)
        self.hand("mouseup", 1)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press, move in steps as a hand does, release."""
        self.hand("mousemove", *start)
        self.hand("mousedown", 1)
        time.sleep(1.0)
        for part in np.linspace(0, 1, 8)[1:]:
            x, y = (round(a + part * (b - a)) for a, b in zip(start, end, strict=True))
            self.hand("mousemove", x, y)
            time.sleep(0.2)  # the window system merges moves that come faster than they are drawn
        self.hand("mouseup", 1)


def until(met: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait for what a person would wait for."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no virtual screen: {', '.join(missing)} missing; scripts/test installs them")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "+extension", "GLX", "-noreset",
         "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        display = f":{pipe.readline().strip()}"
    home = tmp_path_factory.mktemp("home")
    (home / "napari.yaml").write_text("application:\n  confirm_close_window: false\n")
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "NAPARI_CONFIG": str(home / "napari.yaml"),
        "XDG_RUNTIME_DIR": str(home),
    }
    environment.pop("WAYLAND_DISPLAY", None)
    yield Screen(display, environment)
    server.terminate()
    server.wait()


def run_case(study: Path, workspace: Path) -> Path:
    started = now()
    _, folder, _ = follow_up([study], workspace)
    log_run(folder, Run(studies=(study,)), started=started)
    return folder.root


def copied(result: Path, study: Path, place: Path) -> Path:
    """A copy of a case folder that its reader may change, with a log that leads from there to the study."""
    shutil.copytree(result, place / result.name)
    log_run(CaseFolder(place / result.name), Run(studies=(study,)), started=now())
    return place / result.name


@pytest.fixture(scope="session")
def short_study(sample_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Baseline, CT after embolisation and first follow-up of the sample case."""
    study = tmp_path_factory.mktemp("study") / "sacroplasty"
    for exam in ("2003-01-06_MR", "2003-01-17_CT", "2003-04-17_MR"):
        shutil.copytree(sample_case / exam, study / exam)
    shutil.copy(sample_case / "case.toml", study)
    return study


@pytest.fixture(scope="session")
def short_result(short_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_case(short_study, tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def case_folder(short_result: Path, short_study: Path, tmp_path: Path) -> Path:
    """The short case, run, to be changed at will."""
    return copied(short_result, short_study, tmp_path)


@pytest.fixture(scope="session")
def sample_result(sample_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_case(sample_case, tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def sample_folder(sample_result: Path, sample_case: Path, tmp_path: Path) -> Path:
    """The whole sample case, run, to be changed at will."""
    return copied(sample_result, sample_case, tmp_path)
