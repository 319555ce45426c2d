"""The window: napari with the stage in it and the panel beside it; alone, or as a widget in a napari that is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QInputDialog, QPushButton, QVBoxLayout, QWidget

from imaging.errors import OsteotraceError
from pipelines.review.panel import Panel
from pipelines.review.session import Session
from pipelines.review.stage import Stage
from pipelines.run_log import Run, last_run
from pipelines.workspace import CaseFolder, find_only_case

__all__ = ["ReviewWidget", "open_window", "review"]

SIZE = (1500, 950)  # what fits a laptop; the window can be maximised


def open_window(session: Session) -> tuple[Viewer, Panel]:
    """A shown window on the session."""
    viewer = Viewer(title="osteotrace")
    viewer.window.resize(*SIZE)

    def retitle(title: str) -> None:
        viewer.title = title

    panel = Panel(Stage(viewer, session), on_title=retitle)
    viewer.window.add_dock_widget(panel, name="osteotrace", area="right")
    for dock in (viewer.window._qt_viewer.dockLayerControls, viewer.window._qt_viewer.dockLayerList):
        dock.hide()  # the pictures need the room; napari's menu Window shows them again
    return viewer, panel


def review(target: CaseFolder, run: Run, *, reader: str) -> None:
    """Open the window and stay until it is closed and everything that was saved has been followed up."""
    session = Session(target, run, reader=reader)
    _, panel = open_window(session)
    computation = panel.computation
    napari.run()  # after it the widgets are gone
    try:
        session.keep_drafts()
    finally:
        computation.finish()


class ReviewWidget(QWidget):
    """The review as napari's plugin: asks for a case folder and a reader, then becomes the panel.

    Parameters
    ----------
    napari_viewer
        The viewer in which the case is opened; its layers make room for the case's.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.panel: Panel | None = None
        self.button = QPushButton("Open a case folder …")
        self.button.clicked.connect(self.ask)
        self.box = QVBoxLayout(self)
        self.box.addWidget(self.button)

    def ask(self) -> None:
        """Let the reader choose the folder that holds case.json, and say who reads."""
        folder = QFileDialog.getExistingDirectory(self, "The folder of a case (with case.json)")
        reader, given = QInputDialog.getText(self, "osteotrace", "Reader:") if folder else ("", False)
        if given and reader.strip():
            try:
                self.open(Path(folder), reader.strip())
            except OsteotraceError as error:
                self.viewer.status = f"{error.code}: {error}"

    def open(self, case_result: Path, reader: str) -> None:
        """Open the case in the viewer.

        Raises
        ------
        OsteotraceError
            As :func:`pipelines.workspace.find_only_case` and :func:`pipelines.run_log.last_run`.
        """
        target = find_only_case(case_result)
        self.panel = Panel(Stage(self.viewer, Session(target, last_run(target), reader=reader)))
        self.button.hide()
        self.box.addWidget(self.panel)
