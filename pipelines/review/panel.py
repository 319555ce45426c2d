"""The panel beside the pictures: the lesion table, what a reader can do, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QColor, QKeySequence, QShortcut  # type: ignore[attr-defined]  # qtpy's stubs omit it
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from imaging.errors import OsteotraceError
from imaging.segmentation import LesionId, Status
from pipelines.reports.palette import lesion_colour_on_dark
from pipelines.review.actions import ACTIONS, Action
from pipelines.review.behind import Place
from pipelines.review.chooser import Chooser
from pipelines.review.computation import Computation
from pipelines.review.session import Row
from pipelines.review.stage import PLANES, Stage
from pipelines.review.tools import TOOLS, Tool
from pipelines.review.views import shown_first
from pipelines.review.whose import NEW, explained, identity_of, link_text

__all__ = ["Panel"]

COLUMNS = ("Lesion", "Exam", "Status", "Link", "Volume mL (95 %)")
SETTLE_MS = 250  # after the last stroke: count voxels
DRAFT_MS = 1500  # after the last stroke: keep a draft; a crash costs less than two seconds
BUTTONS_A_ROW = 3
WIDTH = 510  # the table with its five columns
MARKS = {
    Status.PROPOSED: "○ proposed",
    Status.ACCEPTED: "● accepted",
    Status.REJECTED: "× rejected",
    Status.ABSENT: "– absent",
    Status.NOT_ASSESSABLE: "· not assessable",
}


class Panel(QWidget):
    """Table, buttons and keys of a sitting.

    Parameters
    ----------
    stage
        The pictures.
    on_title
        Told what the window is to be called.
    """

    def __init__(self, stage: Stage, *, on_title: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.stage, self.session, self.on_title = stage, stage.session, on_title
        self.places: list[Place] = []
        self.unsaved = 0  # of the rows as they were filled last: to count them anew compares every mask
        self.saying = False  # while the table is filled, so that selecting a line is not taken for a click
        self.table = self.make_table()
        self.remarks, self.message = QLabel(), QLabel()
        for text in (self.remarks, self.message):
            text.setWordWrap(True)
        self.chooser = Chooser(self.session, self.doing_with(self.say_whose))
        self.computation = Computation(self.session, self.computed)
        self.settle, self.draft = self.timer(SETTLE_MS, self.fill), self.timer(DRAFT_MS, self.keep_drafts)
        layout = QVBoxLayout(self)
        heading = QLabel(f"{self.session.document['case_id']} · reader: {self.session.reader}")
        for widget in (heading, self.table, self.chooser, self.remarks, self.buttons(), self.message):
            layout.addWidget(widget)
        stage.on_paint, stage.on_visit, stage.on_refusal = self.painted, self.fill, self.say
        self.begin()

    # --- its parts -------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802 — Qt's name
        return QSize(WIDTH, super().sizeHint().height())

    def make_table(self) -> QTableWidget:
        table = QTableWidget(0, len(COLUMNS))
        table.setHorizontalHeaderLabels(list(COLUMNS))
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys belong to the pictures
        table.itemSelectionChanged.connect(self.selected)
        return table

    def buttons(self) -> QWidget:
        """A button for each action that has a text, and a shortcut for each."""
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        does: list[tuple[Action | Tool, Callable[[], None]]] = [(a, getattr(self, a.name)) for a in ACTIONS]
        does += [(tool, self.applying(tool)) for tool in TOOLS]
        shown = [(one, method) for one, method in does if one.text]
        for number, (one, method) in enumerate(shown):
            button = QPushButton(f"{one.text}  {one.key}")
            button.setToolTip(one.tip)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(self.doing(method))
            grid.addWidget(button, number // BUTTONS_A_ROW, number % BUTTONS_A_ROW)
        for one, method in does:
            shortcut = QShortcut(QKeySequence(one.key), self)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(self.doing(method))
        return box

    def applying(self, tool: Tool) -> Callable[[], None]:
        return lambda: self.stage.apply(tool.change)

    def doing(self, method: Callable[[], None]) -> Callable[..., None]:
        """Do it; what cannot be done is said, and nothing else happens."""

        def do(*_: object) -> None:
            try:
                method()
            except OsteotraceError as error:
                self.say(f"{error.code}: {error}")

        return do

    def doing_with(self, method: Callable[[LesionId | None], None]) -> Callable[[LesionId | None], None]:
        return lambda lesion: self.doing(lambda: method(lesion))()

    def timer(self, milliseconds: int, then: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(then)
        return timer

    # --- what it shows ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The first look: baseline and the newest exams, the first lesion in the middle."""
        measured = [
            (row["timepoint"], row["series_uid"])
            for lesion in self.session.document["lesions"]
            for row in lesion["observations"]
            if row["volume_ml"] is not None
        ]
        self.stage.show(shown_first(self.session.views, measured))
        if self.session.lesions:
            self.stage.jump(self.session.lesions[0])
        self.fill()
        if self.session.restored:
            where = ", ".join(f"{place.lesion} at {place.timepoint}" for place in self.session.restored)
            self.say(f"unsaved work from an earlier sitting is back: {where}")
        elif self.session.behind:
            self.say("the figures that follow from what was saved are computed now")
        if self.session.behind:
            self.computation.start()
            self.title()

    def fill(self) -> None:
        """The table, the window's title."""
        self.saying = True
        rows = list(self.session.rows())
        self.places = [row.place for row in rows]
        self.unsaved = sum(row.unsaved for row in rows)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(self.texts(row)):
                item = QTableWidgetItem(text)
                if column == 0:
                    item.setForeground(QColor(lesion_colour_on_dark(self.session.numbers[row.place.lesion] - 1)))
                if column == COLUMNS.index("Link"):
                    item.setToolTip(explained(row.identity))
                self.table.setItem(number, column, item)
        if self.stage.current in self.places:
            self.table.selectRow(self.places.index(self.stage.current))
        self.saying = False
        self.remark()
        self.title()

    def remark(self) -> None:
        """Whose the current mask is taken to be, and the findings that travel with its figure."""
        place = self.stage.current
        observation = None if place is None else self.session.observation(place)
        findings = [] if observation is None else observation["findings"]
        told = [
            explained(identity_of(observation)),
            *(f"{f['severity']}: {f['message']} ({f['code']})" for f in findings),
        ]
        self.remarks.setText("\n".join(line for line in told if line))
        self.chooser.show_place(place)

    def texts(self, row: Row) -> Sequence[str]:
        volume = "—" if row.volume_ml is None else f"{row.volume_ml:.2f}"
        interval = "" if row.interval95_ml is None else " ({:.1f} – {:.1f})".format(*row.interval95_ml)
        return (
            self.session.name(row.place.lesion),
            row.place.timepoint,
            MARKS[row.status] + (" · edited" if row.edited else "") + (" *" if row.judged else ""),
            link_text(row.identity, row.place.lesion, row.link),
            volume + interval,
        )

    def title(self) -> None:
        state = f"{self.unsaved} unsaved" if self.unsaved else "saved"
        if self.computation.running:
            state += ", computing"
        elif self.session.behind:
            state += ", figures behind"
        where = self.stage.current
        place = "" if where is None else f"{where.lesion} {where.timepoint} · "
        self.on_title(f"osteotrace · {self.session.document['case_id']} · {place}{state}")

    def say(self, text: str) -> None:
        self.message.setText(text)

    # --- what a reader does ----------------------------------------------------------------------------------------

    def selected(self) -> None:
        """A line was clicked: there we go."""
        lines = self.table.selectionModel().selectedRows()
        if self.saying or not lines:
            return
        place = self.places[lines[0].row()]
        if self.stage.current is None or place.lesion != self.stage.current.lesion:
            self.stage.jump(place.lesion)
        self.visit(place)

    def visit(self, place: Place) -> None:
        """Make the place the current one, with its exam on the stage."""
        if self.stage.pane_of(place) is None:
            view = self.session.view_of(place)
            if view is not None:
                kept = [pane.view for pane in self.stage.panes][1:]
                order = list(self.session.views)
                self.stage.show(sorted([*kept, view], key=order.index))
                self.stage.go(place)
                self.stage.jump(place.lesion)
        self.stage.go(place)
        self.fill()

    def next_lesion(self) -> None:
        self.step_lesion(1)

    def previous_lesion(self) -> None:
        self.step_lesion(-1)

    def step_lesion(self, step: int) -> None:
        lesions = self.session.lesions
        if not lesions:
            self.say("this case has no lesion")
            return
        now = lesions.index(self.stage.current.lesion) if self.stage.current else -step
        self.stage.jump(lesions[(now + step) % len(lesions)])
        self.fill()

    def next_exam(self) -> None:
        self.step_exam(1)

    def previous_exam(self) -> None:
        self.step_exam(-1)

    def step_exam(self, step: int) -> None:
        """Through the exams on the stage; a line of the table brings others there."""
        if self.stage.current is None:
            return
        exams = list(dict.fromkeys(pane.view.timepoint for pane in self.stage.panes))
        now = exams.index(self.stage.current.timepoint) if self.stage.current.timepoint in exams else -step
        self.stage.go(Place(self.stage.current.lesion, exams[(now + step) % len(exams)]))
        self.fill()

    def paint(self) -> None:
        self.stage.set_mode("paint")

    def erase(self) -> None:
        self.stage.set_mode("erase")

    def correct(self) -> None:
        """Clicks correct the outline, or no longer."""
        correcting = not self.stage.correcting
        self.stage.set_mode("pan_zoom")
        self.stage.correcting = correcting
        self.say("click where the outline is wrong: it moves there, and less beside it" if correcting else "")

    def lay_down(self) -> None:
        self.stage.set_mode("pan_zoom")

    def outlines(self) -> None:
        self.stage.toggle_outlines()

    def material(self) -> None:
        self.stage.toggle_material()

    def plane(self) -> None:
        planes = list(PLANES)
        self.stage.set_plane(planes[(planes.index(self.stage.plane) + 1) % len(planes)])

    def accept(self) -> None:
        if self.stage.current is not None:
            self.session.accept(self.stage.current)
            self.decided("accepted")

    def reject(self) -> None:
        if self.stage.current is not None:
            self.session.reject(self.stage.current)
            self.decided("rejected")

    def confirm_link(self) -> None:
        if self.stage.current is not None:
            self.say_whose(self.stage.current.lesion)

    def choose_lesion(self) -> None:
        self.chooser.open()

    def say_whose(self, lesion: LesionId | None) -> None:
        """The current mask shows that lesion; None is a new one."""
        if self.stage.current is not None:
            self.session.say_whose(self.stage.current, lesion)
            self.decided(f"shows {lesion or NEW}")

    def withdraw(self) -> None:
        if self.stage.current is not None:
            self.session.withdraw(self.stage.current)
            self.draft.start()
            self.fill()

    def decided(self, word: str) -> None:
        place = self.stage.current
        if place is not None:
            self.say(f"{place.lesion} at {place.timepoint}: {word}; S saves it")
        self.draft.start()
        self.fill()

    def painted(self) -> None:
        """After a stroke or an undo: the figures follow when the hand rests."""
        self.settle.start()
        self.draft.start()

    def keep_drafts(self) -> None:
        try:
            self.session.keep_drafts()
        except OsteotraceError as error:
            self.say(f"{error.code}: {error}")

    # --- saving ----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        count = self.session.save()
        if self.session.behind:
            self.say(f"{count} saved; the figures that follow from them are computed now")
            self.computation.start()
        else:
            self.say(f"{count} saved; table and report hold them" if count else "nothing to save")
        self.fill()

    def stay(self) -> None:
        """Go to the first lesion if the case has the current one no more: its masks were said to be others."""
        lesions = self.session.lesions
        if lesions and self.stage.current is not None and self.stage.current.lesion not in lesions:
            self.stage.jump(lesions[0])

    def computed(self, trouble: str) -> None:
        """The figures are there, or the reason why they are not; what was painted meanwhile is as it was."""
        try:
            if not trouble:
                self.session.reload()
                self.stay()
        except OsteotraceError as error:
            trouble = f"{error.code}: {error}"
        if trouble:
            self.say(f"what you saved is kept, but the figures could not follow: {trouble}")
        else:
            self.stage.refresh()
            self.say("figures, report and outlines that follow from the saved ones are up to date")
        self.fill()
