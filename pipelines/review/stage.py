"""The pictures: up to four views side by side in one napari viewer, image, lesions and material of each, in mm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from imaging.arrays import BoolArray, FloatArray
from imaging.errors import OsteotraceError
from imaging.geometry import Grid
from imaging.segmentation import LesionId, SegmentKind
from imaging.segmentation.editing.correct import Correction, corrected
from pipelines.reports.figure import window_of
from pipelines.reports.palette import MATERIAL_COLOURS, lesion_colour_on_dark
from pipelines.review.behind import Place
from pipelines.review.session import Session
from pipelines.review.sheet import Sheet
from pipelines.review.views import SIDE_BY_SIDE, View

__all__ = ["Pane", "Stage"]

KINDS = (SegmentKind.CEMENT, SegmentKind.EMBOLIC, SegmentKind.METAL, SegmentKind.UNCLASSIFIED)
AXES = ("head", "back", "left")
UNITS = ("mm", "mm", "mm")
SHOWN_MM = 150.0  # what a pane shows at first: a sacrum
BRUSH_MM = 4.0  # a first brush; [ and ] change it
OUTLINE = 1  # voxels of the shown section
CELL_GAP = 4  # screen pixels

# What a reader sees at the four sides of a pane, by the axes that it shows (vertical, horizontal); radiology's way.
PLANES = {
    "axial": ((0, 1, 2), ("down", "right"), {"left": "R", "right": "L", "top": "A", "bottom": "P"}),
    "coronal": ((1, 0, 2), ("up", "right"), {"left": "R", "right": "L", "top": "H", "bottom": "F"}),
    "sagittal": ((2, 0, 1), ("up", "right"), {"left": "A", "right": "P", "top": "H", "bottom": "F"}),
}
LETTERS = "#d8d8d8"
SIDES = {"left": "middle_left", "right": "middle_right", "top": "top_center", "bottom": "bottom_center"}


class LesionLabels(Labels):  # type: ignore[misc]
    """Labels that tell of an undo as of a stroke: both change the mask."""

    def undo(self) -> None:
        super().undo()
        self.events.paint(value=[])

    def redo(self) -> None:
        super().redo()
        self.events.paint(value=[])


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One view on the stage; the three layers are drawn one over the other in its cell of the grid."""

    view: View
    sheet: Sheet
    image: Image
    material: Labels
    lesions: Labels

    @property
    def layers(self) -> tuple[Image, Labels, Labels]:
        return (self.image, self.material, self.lesions)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return self.sheet.order.spacing_mm(self.sheet.grid)

    def position_mm(self, point: FloatArray) -> NDArray[np.float64]:
        """Where an LPS point lies along (head, back, left) in the pane, before it is shifted."""
        index = self.sheet.grid.indices(point)[0]
        return np.asarray(self.sheet.order.index(index, self.sheet.grid.shape) * np.array(self.spacing_mm))


class Stage:
    """The viewer's layers, and what moves them.

    Parameters
    ----------
    viewer
        A napari viewer, shown or not.
    session
        What is looked at.

    Attributes
    ----------
    on_paint
        Told after each stroke, undo and redo.
    on_visit
        Told when a press of the mouse made another exam the current one.
    on_refusal
        Told why a click corrected nothing.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self.viewer, self.session = viewer, session
        self.on_paint: Callable[[], None] = lambda: None
        self.on_visit: Callable[[], None] = lambda: None
        self.on_refusal: Callable[[str], None] = lambda _: None
        self.panes: list[Pane] = []
        self.plane = "axial"
        self.current: Place | None = None
        self.following = False  # while settings of one layer are handed on to the others
        self.correcting = False  # whether a press of the mouse corrects the outline under it
        viewer.mouse_drag_callbacks.append(self.press)
        viewer.canvas.overlays.scale_bar.visible = True
        for side, position in SIDES.items():
            viewer.canvas.overlays[f"side_{side}"] = TextOverlay(
                position=position, gridded=True, visible=True, box=True, font_size=11, color=LETTERS
            )

    # --- what is shown ---------------------------------------------------------------------------------------------

    def show(self, views: Sequence[View]) -> None:
        """Put these views on the stage, at most four, in place of those that are there."""
        grid = self.viewer.canvas.grid
        grid.enabled = False  # while layers come and go: each would lay the cells out anew
        self.viewer.layers.clear()
        self.panes = [self.pane(view) for view in views]
        self.viewer.layers.extend(layer for pane in self.panes for layer in pane.layers)
        grid.stride = 3
        grid.shape = (1, len(views)) if len(views) < SIDE_BY_SIDE else (2, 2)
        grid.spacing = CELL_GAP
        grid.enabled = True
        self.set_plane(self.plane)

    def pane(self, view: View) -> Pane:
        """The layers of one view: turned, in mm, without a voxel resampled."""
        volume, sheet = view.volume(), self.session.sheet(view)
        order = sheet.order
        placed: dict[str, Any] = {"scale": order.spacing_mm(sheet.grid), "units": UNITS, "axis_labels": AXES}
        image = Image(
            order.turned(volume.samples),
            name=view.title,
            contrast_limits=window_of(volume.modality, volume.samples, volume.valid),
            interpolation2d="linear",
            **placed,
        )
        image.name_overlay.visible = True
        image.name_overlay.position = "top_left"
        material = Labels(
            order.turned(material_labels(view)),
            name=f"{view.timepoint} material",
            opacity=0.5,
            colormap=colours_of({number: MATERIAL_COLOURS[kind] for number, kind in enumerate(KINDS, start=1)}),
            **placed,
        )
        material.editable = False
        lesions = LesionLabels(
            sheet.turned(),
            name=f"{view.timepoint} lesions",
            opacity=0.9,
            colormap=lesion_colours(sheet),
            **placed,
        )
        lesions.contour = OUTLINE
        lesions.preserve_labels = True  # a brush never takes a voxel from another lesion
        lesions.brush_size = max(1.0, BRUSH_MM / min(order.spacing_mm(sheet.grid)))
        pane = Pane(view, sheet, image, material, lesions)
        lesions.events.paint.connect(lambda _: self.stroke(pane))
        lesions.events.mode.connect(lambda _: self.hand_on(lesions, "mode"))
        lesions.events.contour.connect(lambda _: self.hand_on(lesions, "contour"))
        lesions.events.selected_label.connect(lambda _: self.keep_to_lesion(pane))
        return pane

    def set_plane(self, plane: str) -> None:
        """Show axial, coronal or sagittal sections, turned as radiology shows them."""
        order, orientation, letters = PLANES[plane]
        self.plane = plane
        self.viewer.dims.order = order
        self.viewer.scene.camera.orientation2d = orientation
        for side, letter in letters.items():
            self.viewer.canvas.overlays[f"side_{side}"].text = letter
        self.centre()

    def refresh(self) -> None:
        """Draw the sheets anew, after masks came from disk."""
        for pane in self.panes:
            pane.lesions.colormap = lesion_colours(pane.sheet)  # a reader may have named a new lesion
            pane.lesions.refresh()

    # --- where one looks -------------------------------------------------------------------------------------------

    def jump(self, lesion: LesionId) -> None:
        """Bring the lesion's centre to the middle of every pane; the brush paints this lesion from now on."""
        timepoint = self.current.timepoint if self.current else self.panes[0].view.timepoint
        self.current = Place(lesion, timepoint)
        for pane in self.panes:
            shift = -pane.position_mm(self.centre_of(lesion, pane))
            for layer in pane.layers:
                layer.translate = shift
            pane.lesions.selected_label = pane.sheet.numbers[lesion]
        self.go(self.current)
        self.viewer.dims.point = (0.0, 0.0, 0.0)
        self.centre()

    def centre(self) -> None:
        """The lesion in the middle, at a size at which a sacrum fills the pane."""
        camera = self.viewer.scene.camera
        camera.center = (0.0, 0.0, 0.0)
        camera.zoom = min(self.viewer.canvas.viewbox_size(self.viewer.layers)) / SHOWN_MM

    def go(self, place: Place) -> None:
        """Make the place the current one: keys and brush are about it."""
        self.current = place
        current = self.pane_of(place)
        for pane in self.panes:
            pane.image.name = f"▸ {pane.view.title}" if pane is current else pane.view.title
        if current is not None:
            self.viewer.layers.selection.active = current.lesions

    def pane_of(self, place: Place) -> Pane | None:
        """The pane on which the place is outlined, else one of its exam; None where the exam is not on the stage."""
        view = self.session.view_of(place)
        here = [pane for pane in self.panes if pane.view.timepoint == place.timepoint]
        return next((pane for pane in here if view is not None and pane.view.key == view.key), next(iter(here), None))

    def centre_of(self, lesion: LesionId, pane: Pane) -> FloatArray:
        """The middle of the lesion on the pane, in LPS mm; where it has no outline, that of the nearest exam's.

        The images are of one patient lying in much the same place, so that is a place to begin to look, no more.
        """
        shown = [view for view in self.session.views if view.key != pane.view.key]
        order = {view.key: number for number, view in enumerate(self.session.views)}
        near = sorted(shown, key=lambda view: abs(order[view.key] - order[pane.view.key]))
        for view in (pane.view, *near):
            mask = self.session.sheet(view).mask(lesion)
            if mask.any():
                point = self.session.sheet(view).grid.points([np.argwhere(mask).mean(axis=0)])[0]
                return np.asarray(point)
        grid = pane.sheet.grid
        return np.asarray(grid.points([(np.array(grid.shape) - 1) / 2])[0])

    # --- the brush -------------------------------------------------------------------------------------------------

    def press(self, viewer: ViewerModel, event: Any) -> None:
        """A press of the mouse makes the pane under it the current one, before napari's brush begins to paint."""
        cell = event.viewbox
        if cell is None or self.current is None:
            return
        columns = self.viewer.canvas.grid.actual_shape(self.viewer.layers)[1]
        number = cell[0] * columns + cell[1]
        if number >= len(self.panes):
            return
        pane = self.panes[number]
        place = Place(self.current.lesion, pane.view.timepoint)
        if place != self.current:
            self.go(place)
            self.on_visit()
        viewer.layers.selection.active = pane.lesions  # of two series of one exam, the pressed one
        if self.correcting:
            index = np.asarray(pane.lesions.world_to_data(event.position))
            try:
                self.correct(pane, pane.sheet.order.native_index(index, pane.sheet.grid.shape))
            except OsteotraceError as error:
                self.on_refusal(f"{error.code}: {error}")

    def correct(self, pane: Pane, index: FloatArray) -> None:
        """What the current outline says of this voxel (fractional native index) is wrong: move it past there."""
        if self.current is not None:
            grid, mask = pane.sheet.grid, pane.sheet.mask(self.current.lesion)
            click = Correction.at(mask, grid, grid.points([index])[0])
            self.change(pane, corrected(mask, grid, [click]))

    def apply(self, change: Callable[[BoolArray, Grid], BoolArray]) -> None:
        """Make of the current outline what a tool makes of it; one undo takes it back."""
        pane = None if self.current is None else self.pane_of(self.current)
        if pane is not None and self.current is not None:
            self.change(pane, change(pane.sheet.mask(self.current.lesion), pane.sheet.grid))

    def change(self, pane: Pane, mask: BoolArray) -> None:
        """Make the current lesion's outline on the pane this one, as a brush would: through the layer's history."""
        if self.current is None:
            return
        number, labels = pane.sheet.numbers[self.current.lesion], pane.sheet.labels
        given = mask & (labels == 0)  # a brush never takes a voxel from another lesion
        taken = ~mask & (labels == number)
        changed = pane.sheet.order.turned(given | taken)
        values = np.where(pane.sheet.order.turned(given)[changed], number, 0).astype(labels.dtype)
        pane.lesions.data_setitem(np.nonzero(changed), values)
        pane.lesions.refresh()
        self.stroke(pane)

    def stroke(self, pane: Pane) -> None:
        pane.sheet.touched = True
        self.on_paint()

    def keep_to_lesion(self, pane: Pane) -> None:
        """The brush paints the current lesion and no other number, whatever napari's own keys choose."""
        if self.current is not None:
            pane.lesions.selected_label = pane.sheet.numbers[self.current.lesion]

    def set_mode(self, mode: str) -> None:
        """``paint``, ``erase`` or ``pan_zoom``, in all panes; a click corrects no longer."""
        self.correcting = False
        for pane in self.panes:
            pane.lesions.mode = mode

    def hand_on(self, source: Labels, setting: str) -> None:
        """What is set in one pane holds in all: there is one brush."""
        if self.following:
            return
        self.following = True
        try:
            for pane in self.panes:
                if pane.lesions is not source:
                    setattr(pane.lesions, setting, getattr(source, setting))
        finally:
            self.following = False

    def toggle_outlines(self) -> None:
        """Outlines, or filled areas."""
        for pane in self.panes:
            pane.lesions.contour = 0 if pane.lesions.contour else OUTLINE

    def toggle_material(self) -> None:
        """Material shown, or hidden."""
        for pane in self.panes:
            pane.material.visible = not pane.material.visible


def lesion_colours(sheet: Sheet) -> DirectLabelColormap:
    return colours_of({number: lesion_colour_on_dark(number - 1) for number in sheet.numbers.values()})


def colours_of(by_number: Mapping[int, str]) -> DirectLabelColormap:
    """These colours by label; every other label, background too, is clear."""
    table: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    table.update(by_number.items())
    return DirectLabelColormap(color_dict=table)


def material_labels(view: View) -> NDArray[np.uint8]:
    """The view's material as labels: the position of its kind, from 1."""
    if view.record.grid is None:
        raise ValueError("a view has a grid")
    labels = np.zeros(view.record.grid.shape, dtype=np.uint8)
    for number, kind in enumerate(KINDS, start=1):
        if kind in view.materials:
            labels[view.materials[kind]] = number
    return labels
