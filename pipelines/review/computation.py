"""The figures that follow from what was saved, computed beside the window, one run at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable

from qtpy.QtCore import QProcess, QProcessEnvironment

from pipelines.review.session import Session

__all__ = ["Computation"]

ENGINE = ("-P", "-m", "pipelines.review.recompute")


class Computation:
    """A process that runs the case again, and again if something was saved meanwhile.

    It belongs to no widget, so that a window can close while it goes on.

    Parameters
    ----------
    session
        The sitting whose case it is.
    on_done
        Told the reason for a failure, or an empty text.
    """

    def __init__(self, session: Session, on_done: Callable[[str], None]) -> None:
        self.session, self.on_done = session, on_done
        self.begun_with = session.revisions
        self.process = QProcess()
        self.process.finished.connect(self.ended)

    @property
    def running(self) -> bool:
        return self.process.state() != QProcess.ProcessState.NotRunning

    def start(self) -> None:
        """Begin, unless one is running: that one is followed by another."""
        if self.running:
            return
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONSAFEPATH", "1")
        self.process.setProcessEnvironment(environment)
        self.begun_with = self.session.stored_revisions()
        studies = [str(study) for study in self.session.run.studies]
        self.process.start(sys.executable, [*ENGINE, str(self.session.target.root), *studies])

    def ended(self, code: int, _: QProcess.ExitStatus) -> None:
        if self.session.stored_revisions() != self.begun_with:
            self.start()
            return
        said = bytes(self.process.readAllStandardError().data()).decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if code == 3 and said else f"the computation ended with code {code}"
        self.on_done("" if code == 0 else reason)

    def finish(self) -> None:
        """Stay until it has ended; the window may be gone."""
        self.on_done = lambda _: None
        while self.running:
            self.process.waitForFinished(-1)
