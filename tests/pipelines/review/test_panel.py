"""The panel without a screen: what it says when the figures that follow cannot be taken."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.xdist_group("review")

DAMAGED_AFTERWARDS = """
import sys
from pathlib import Path
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from pipelines.review.panel import Panel
from pipelines.review.session import Session
from pipelines.review.stage import Stage
from pipelines.run_log import last_run
from pipelines.workspace import CaseFolder

application = QApplication([])
target = CaseFolder(Path(sys.argv[1]))
panel = Panel(Stage(ViewerModel(), Session(target, last_run(target), reader="reader-1")))
(target.root / "segmentations" / "T0.json").write_text("{")
panel.computed("")
sys.stdout.write(panel.message.text())
"""


def test_figures_that_cannot_be_read_are_said_to_be_missing(case_folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DAMAGED_AFTERWARDS, case_folder],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "the figures could not follow: MASK_MISSING" in done.stdout, done.stderr
