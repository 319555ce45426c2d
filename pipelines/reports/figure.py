"""Key images: a slice with its contours, in millimetres, turned as radiology shows it.

The slice is an embedded 8-bit PNG that the drawing scales to square millimetres; contours, scale bar and letters are
vectors above it. The picture illustrates; nothing is ever measured on it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import imagecodecs
import numpy as np
from skimage.measure import find_contours

from imaging.arrays import BoolArray, FloatArray, SampleArray
from imaging.errors import EmptyMask
from imaging.segmentation import Segment, SegmentKind, Status
from imaging.volume import Modality, Volume
from pipelines.reports.orientation import Facing, facing_of
from pipelines.reports.palette import MATERIAL_COLOURS
from pipelines.reports.svg import Attribute, drawing, element, fitted, points_text, text_element, text_width, wrapped
from pipelines.reports.trajectory import trajectory_svg

__all__ = ["Contour", "SliceImage", "lesion_figure", "slice_svg", "trajectory_svg", "window_of"]

WIDTH = 240.0  # drawing units; all else is derived from it
TITLE_ROW, LEGEND_ROW, MARGIN, SIZE = 22.0, 16.0, 6.0, 11.0
LESION_COLOUR = "#ffb000"  # amber stands out from grey for any colour vision (IBM colour-blind-safe palette)
CT_WINDOW_HU = (-450.0, 1050.0)  # bone window, width 1500 level 300
MR_WINDOW_PERCENT = (1.0, 99.5)  # MR has no absolute scale: all but the darkest and brightest samples
SHOWN_MARGIN_MM, SHOWN_LEAST_MM = 25.0, 90.0  # around the lesion; enough sacrum to know where one is
BAR_LENGTHS_MM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
BAR_PART = 0.3  # of the picture's width at most
TITLE_STYLE: dict[str, Attribute] = {"font-size": SIZE + 1, "font-weight": 600}
DASHES = {"provisional": "7 3", "embolic": "1.5 3", "metal": "4 2 1 2", "unclassified": "2 2"}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SliceImage:
    """One slice as the viewer sees it.

    Parameters
    ----------
    samples
        (rows, columns); the first row is on top, the first column on the viewer's left.
    spacing_mm
        Of rows and of columns.
    window
        The samples shown black and white.
    facing
        Orientation letters and the name of the plane.
    """

    samples: FloatArray
    spacing_mm: tuple[float, float]
    window: tuple[float, float]
    facing: Facing


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contour:
    """An outline on a slice: the mask's edge at 0.5, halfway between voxel centres.

    ``provisional`` outlines, which no reader confirmed, are dashed.
    """

    name: str
    kind: SegmentKind
    mask: BoolArray
    provisional: bool = False

    @property
    def style(self) -> dict[str, Attribute]:
        """How it is drawn."""
        colour = MATERIAL_COLOURS.get(self.kind, LESION_COLOUR if self.kind is SegmentKind.LESION else "#ffffff")
        dash = DASHES["provisional"] if self.provisional and self.kind is SegmentKind.LESION else DASHES.get(self.kind)
        return {"stroke": colour, "stroke-dasharray": dash}


def lesion_figure(
    volume: Volume, segments: Sequence[Segment], *, at: int | None = None, title: str = "", caption: str = ""
) -> str:
    """The slice where the lesion is largest, with the outlines of all segments on it.

    Parameters
    ----------
    volume
        The image.
    segments
        Masks on the image's grid; the slice and the crop follow the lesions among them, or all where there is none.
    at
        Slice index, where another slice is wanted.
    title, caption
        Words above and below; the caption is followed by slice number and plane.

    Returns
    -------
    SVG text.

    Raises
    ------
    GeometryError
        If a segment lies on another grid, or the image's rows and columns are not at right angles.
    EmptyMask
        If no segment has a voxel.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> grid = Grid.from_spacing((3, 32, 32), (5.0, 2.0, 2.0))
    >>> mask = np.zeros(grid.shape, bool)
    >>> mask[1, 10:20, 12:22] = True
    >>> volume = Volume(samples=np.zeros(grid.shape, np.float32), grid=grid, modality=Modality.CT)
    >>> svg = lesion_figure(volume, [Segment(mask=mask, grid=grid, kind=SegmentKind.LESION, name="left sacrum")])
    >>> "slice 2 of 3, axial" in svg, "left sacrum (proposed)" in svg
    (True, True)
    """
    for segment in segments:
        segment.grid.require_match(volume.grid, what="image and segment of a figure")
    leading = [s for s in segments if s.kind is SegmentKind.LESION and s.mask.any()] or [
        s for s in segments if s.mask.any()
    ]
    if not leading:
        raise EmptyMask("a key image needs a segment with at least one voxel")
    extent = np.logical_or.reduce([segment.mask for segment in leading])
    index = int(np.argmax(extent.sum(axis=(1, 2)))) if at is None else at
    facing = facing_of(volume.grid)
    spacing = facing.spacing(*volume.grid.spacing_mm[1:])
    shown = extent[index] if extent[index].any() else extent.any(axis=0)
    crop = _crop(facing.turned(shown), spacing)
    samples = np.asarray(facing.turned(volume.samples[index])[crop], dtype=np.float64)
    measured = None if volume.valid is None else facing.turned(volume.valid[index])[crop]
    contours = [
        Contour(
            name=segment.name or str(segment.kind),
            kind=segment.kind,
            mask=facing.turned(segment.mask[index])[crop],
            provisional=segment.status is Status.PROPOSED,
        )
        for segment in segments
    ]
    image = SliceImage(
        samples=samples, spacing_mm=spacing, window=window_of(volume.modality, samples, measured), facing=facing
    )
    place = f"slice {index + 1} of {volume.grid.shape[0]}, {facing.plane}"
    return slice_svg(image, contours, title=title, caption=f"{caption} · {place}" if caption else place)


def slice_svg(image: SliceImage, contours: Sequence[Contour], *, title: str, caption: str) -> str:
    """The slice with outlines, scale bar, orientation letters, legend and words.

    Parameters
    ----------
    image
        What is shown.
    contours
        Masks of the image's shape; those without a voxel here are left out of the legend too.

    Returns
    -------
    SVG text; the same input always gives the same text.

    Examples
    --------
    >>> from imaging.geometry import Grid
    >>> facing = facing_of(Grid.from_spacing((1, 8, 8), (5.0, 2.0, 1.0)))
    >>> image = SliceImage(samples=np.zeros((8, 8)), spacing_mm=(2.0, 1.0), window=(0.0, 1.0), facing=facing)
    >>> slice_svg(image, [], title="L1", caption="T0").count("<text")
    7
    """
    rows, columns = image.samples.shape
    head = TITLE_ROW if title else 0.0
    scale = WIDTH / (columns * image.spacing_mm[1])
    height = rows * image.spacing_mm[0] * scale
    seen = [contour for contour in contours if contour.mask.any()]
    legend, legend_height = _legend(seen, head + height + LEGEND_ROW)
    lines = wrapped(caption, WIDTH, SIZE)
    top = head + height + legend_height + LEGEND_ROW - 2
    parts = [
        *([text_element(fitted(title, WIDTH, SIZE + 1), 0, head - 8, TITLE_STYLE)] if title else []),
        element(
            "g",
            {"transform": f"translate(0 {head:g})"},
            _picture(image, height),
            *(_outline(contour, image.spacing_mm, scale) for contour in seen),
            *_letters(image.facing, height),
            *_scale_bar(columns * image.spacing_mm[1], scale, height),
        ),
        *legend,
        *(text_element(line, 0, top + n * (LEGEND_ROW - 2), {"opacity": 0.75}) for n, line in enumerate(lines)),
    ]
    label = (
        f"{f'{title}: ' if title else ''}{caption}; outlines: {', '.join(contour.name for contour in seen) or 'none'}"
    )
    return drawing(WIDTH, top + max(0, len(lines) - 1) * (LEGEND_ROW - 2) + 6, label, parts)


def window_of(modality: Modality, samples: FloatArray | SampleArray, valid: BoolArray | None) -> tuple[float, float]:
    """The samples that are shown black and white: the bone window on CT, all but the extremes on MR.

    Examples
    --------
    >>> window_of(Modality.CT, np.zeros((2, 2)), None)
    (-450.0, 1050.0)
    """
    if modality is Modality.CT:
        return CT_WINDOW_HU
    measured = samples if valid is None or not valid.any() else samples[valid]
    low, high = np.percentile(measured, MR_WINDOW_PERCENT)
    return float(low), float(high)


def _picture(image: SliceImage, height: float) -> str:
    low, high = image.window
    grey = np.clip((image.samples - low) / max(high - low, np.finfo(float).tiny), 0.0, 1.0)
    png = bytes(imagecodecs.png_encode(np.ascontiguousarray(np.round(grey * 255), dtype=np.uint8), level=9))
    attributes: dict[str, Attribute] = {
        "width": WIDTH,
        "height": height,
        "preserveAspectRatio": "none",
        "href": f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}",
    }
    return element("image", attributes)


def _outline(contour: Contour, spacing_mm: tuple[float, float], scale: float) -> str:
    # Padding closes outlines that the crop cuts; pixel (0, 0) is centred half a pixel inside the picture.
    padded = np.pad(contour.mask.astype(np.float64), 1)
    step_y, step_x = spacing_mm[0] * scale, spacing_mm[1] * scale
    paths = [[((x - 0.5) * step_x, (y - 0.5) * step_y) for y, x in line] for line in _edges(padded)]
    lines = [points_text(path) for path in paths]
    halo: dict[str, Attribute] = {"fill": "none", "stroke": "#000000", "stroke-opacity": 0.45, "stroke-width": 3.2}
    stroke: dict[str, Attribute] = {"fill": "none", "stroke-width": 1.6, **contour.style}
    return "".join(element("polyline", {"points": line, **drawn}) for line in lines for drawn in (halo, stroke))


def _edges(padded: FloatArray) -> list[FloatArray]:
    lines: list[FloatArray] = find_contours(padded, level=0.5)  # type: ignore[no-untyped-call]
    return lines


def _letters(facing: Facing, height: float) -> list[str]:
    middle = height / 2 + 4
    return [
        _on_image(facing.left, MARGIN, middle, "start"),
        _on_image(facing.right, WIDTH - MARGIN, middle, "end"),
        _on_image(facing.top, WIDTH / 2, 14, "middle"),
        _on_image(facing.bottom, WIDTH / 2, height - MARGIN, "middle"),
    ]


def _scale_bar(width_mm: float, scale: float, height: float) -> list[str]:
    fitting = [length for length in BAR_LENGTHS_MM if length <= BAR_PART * width_mm]
    length_mm = fitting[-1] if fitting else BAR_LENGTHS_MM[0]
    x, y = MARGIN, height - MARGIN - 2
    bar = {"x1": x, "y1": y, "x2": x + length_mm * scale, "y2": y}
    return [
        element("line", {**bar, "stroke": "#000000", "stroke-opacity": 0.6, "stroke-width": 5}),
        element("line", {**bar, "stroke": "#ffffff", "stroke-width": 2.5}),
        _on_image(f"{length_mm:g} mm", x, y - 6, "start"),
    ]


def _on_image(text: str, x: float, y: float, anchor: str) -> str:
    attributes: dict[str, Attribute] = {
        "text-anchor": anchor,
        "font-weight": 600,
        "fill": "#ffffff",
        "stroke": "#000000",
        "stroke-width": 3,
        "stroke-opacity": 0.8,
        "paint-order": "stroke",
    }
    return text_element(text, x, y, attributes)


def _legend(contours: Sequence[Contour], top: float) -> tuple[list[str], float]:
    """The legend's elements and its height; names flow into as many rows as they need."""
    parts: list[str] = []
    x, row = 0.0, 0
    for contour in contours:
        text = fitted(f"{contour.name} (proposed)" if contour.provisional else contour.name, WIDTH - 34, SIZE)
        width = 30 + text_width(text, SIZE) + 10
        if x and x + width > WIDTH:
            x, row = 0.0, row + 1
        y = top + row * LEGEND_ROW
        line: dict[str, Attribute] = {"x1": x, "y1": y - 4, "x2": x + 24, "y2": y - 4}
        parts.append(element("line", {**line, "stroke": "#3a4652", "stroke-width": 4.5}))  # as on the dark image
        parts.append(element("line", {**line, "stroke-width": 2, **contour.style}))
        parts.append(text_element(text, x + 30, y, {}))
        x += width
    return parts, (row + 1) * LEGEND_ROW if contours else 0.0


def _crop(extent: BoolArray, spacing_mm: tuple[float, float]) -> tuple[slice, slice]:
    """The part of the turned slice around the lesion: its bounding box and a margin, cut at the image's edge."""
    spans = []
    for axis, step in enumerate(spacing_mm):
        where = np.flatnonzero(extent.any(axis=1 - axis))
        middle = (where[0] + where[-1] + 1) / 2
        half = max((where[-1] + 1 - where[0]) * step / 2 + SHOWN_MARGIN_MM, SHOWN_LEAST_MM / 2) / step
        spans.append(slice(max(0, int(middle - half)), min(extent.shape[axis], int(np.ceil(middle + half)))))
    return spans[0], spans[1]
