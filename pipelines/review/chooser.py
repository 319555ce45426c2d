"""The list from which a reader chooses whose the current mask is."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from imaging.segmentation import LesionId
from pipelines.reports.palette import lesion_colour_on_dark
from pipelines.review.behind import Place
from pipelines.review.session import Session
from pipelines.review.whose import NEW

__all__ = ["Chooser"]


class Chooser(QWidget):
    """A line that names the current mask and lists every lesion that it may show, and a new one.

    Parameters
    ----------
    session
        The sitting.
    on_choice
        Told the lesion, or None for a new one, when the reader chooses; also where that is the one shown: it confirms.
    """

    def __init__(self, session: Session, on_choice: Callable[[LesionId | None], None]) -> None:
        super().__init__()
        self.session, self.on_choice = session, on_choice
        self.label, self.list = QLabel(), QComboBox()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys belong to the pictures
        self.list.activated.connect(self.chosen)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.label)
        line.addWidget(self.list, 1)
        self.choices: list[LesionId | None] = []

    def show_place(self, place: Place | None) -> None:
        """List the lesions with the one on top that the mask of the place is by the newest word."""
        observation = None if place is None else self.session.observation(place)
        has_mask = observation is not None and observation["mask_sha256"] is not None
        self.setEnabled(has_mask)
        self.list.clear()
        if place is None:
            return
        self.label.setText(f"The mask of {place.lesion} at {place.timepoint} is")
        self.choices = [*self.session.lesions, None]
        for number, lesion in enumerate(self.choices):
            self.list.addItem(NEW if lesion is None else self.session.name(lesion))
            if lesion is not None:
                colour = QColor(lesion_colour_on_dark(self.session.numbers[lesion] - 1))
                self.list.setItemData(number, colour, Qt.ItemDataRole.ForegroundRole)
        whose = self.session.whose(place)
        self.list.setCurrentIndex(self.choices.index(whose) if whose in self.choices else -1)

    def chosen(self, number: int) -> None:
        self.on_choice(self.choices[number])

    def open(self) -> None:
        """Unfold the list; arrows and Enter choose."""
        if self.isEnabled():
            self.list.showPopup()
