"""One array of label numbers ↔ one segment for each number.

The sidecar beside a label file (``T1.nii.gz`` → ``T1.json``) says what the numbers mean::

    {"schema": "osteotrace.labels/1", "series_uid": "…",
     "labels": [{"label": 1, "name": "left sacrum", "kind": "lesion", "lesion": "L1", "status": "accepted"},
                {"label": 2, "kind": "cement", "material": "M1", "lesion": "L1", "inside": "L1"}]}

A label map cannot overlap itself. So material inside a lesion has a number of its own, ``inside`` names the lesion, and
the lesion that comes back is its own number and every number inside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imaging.errors import InputError, RecordError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.provenance import Provenance
from imaging.segmentation.choice import is_chosen, segment_not_found
from imaging.segmentation.segment import Box, LesionId, Segment, SegmentKind, Status

__all__ = [
    "LabelText",
    "label_texts_bytes",
    "read_label_texts",
    "segment_of",
    "segments_from",
    "sidecar_of",
    "unnamed",
]

SCHEMA = "osteotrace.labels/1"
# Atlases of the whole body have 117 structures; an intensity image taken for a mask has thousands of values.
MAX_LABELS = 512
LARGEST_LABEL = 2**31 - 1
MAX_MASK_BYTES = 8 * 2**30  # what all masks of a file may need together: half the memory of a reading workstation


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelText:
    """What is known of a label number besides its voxels.

    Parameters
    ----------
    inside
        The lesion that these voxels are part of too.
    lost_voxels
        How many of the segment's voxels another one has in the file.

    Examples
    --------
    >>> LabelText(name="left sacrum", kind=SegmentKind.LESION, lesion=LesionId("L1")).status.value
    'proposed'
    """

    name: str = ""
    kind: SegmentKind = SegmentKind.UNKNOWN
    lesion: LesionId | None = None
    inside: LesionId | None = None
    status: Status = Status.PROPOSED
    agent: str = ""
    tracking_uid: str = ""
    lost_voxels: int = 0


def unnamed(label: int) -> str:
    """What a label is called of which nobody wrote a name.

    Examples
    --------
    >>> unnamed(2)
    'label 2'
    """
    return f"label {label}"


def segments_from(
    labels: NDArray[Any],
    grid: Grid,
    texts: Mapping[int, LabelText],
    *,
    choice: str | None = None,
    where: str = "",
) -> tuple[Segment, ...]:
    """One segment for every positive number in the array, in ascending order.

    Parameters
    ----------
    labels
        (slices, rows, columns), whole numbers in any type; 0 is background, negative numbers are passed over.
    texts
        What is known by number; others are called ``label 3``.
    choice
        Only the segment of this number or name.

    Raises
    ------
    InputError
        Numbers that are not whole, or more of them than a label map has (code NOT_A_LABEL_MAP).
    UsageError
        The chosen label is not here (code LABEL_NOT_FOUND).

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 4), (1.0, 1.0, 1.0))
    >>> parts = segments_from(np.array([[[0, 2, 2, 5]]]), grid, {5: LabelText(name="cyst")})
    >>> [(part.label, part.name, int(part.mask.sum())) for part in parts]
    [(2, 'label 2', 2), (5, 'cyst', 1)]
    """
    boxes, has_negative = _label_boxes(labels, where)
    positive = list(boxes)
    names = {number: texts[number].name if number in texts else unnamed(number) for number in positive}
    meant = [number for number in positive if is_chosen(choice, number, names[number])]
    if choice is not None and not meant:
        raise segment_not_found(choice, positive, where)
    if len(meant) * labels.size > MAX_MASK_BYTES:
        raise InputError(
            f"{len(meant)} masks of {labels.size} voxels do not fit in memory; choose one with #label",
            code="TOO_MANY_LABELS",
            where=where,
        )
    findings = _remarks(where) if has_negative else ()
    found = []
    for number in meant:
        text = texts.get(number, LabelText(name=names[number]))
        numbers = [number, *_numbers_inside(number, texts, positive)]
        box = _common_box([boxes[each] for each in numbers])
        mask = np.zeros(labels.shape, dtype=bool)  # untouched memory costs nothing
        mask[box] = labels[box] == number if len(numbers) == 1 else np.isin(labels[box], numbers)
        found.append(segment_of(mask, grid, number, text, findings=findings).found_within(box))
    return tuple(found)


def _numbers_inside(number: int, texts: Mapping[int, LabelText], present: list[int]) -> list[int]:
    """The numbers whose voxels are this lesion's too."""
    text = texts.get(number)
    if text is None or text.kind is not SegmentKind.LESION or text.lesion is None:
        return []
    return [other for other in present if other in texts and texts[other].inside == text.lesion]


def _common_box(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds them all."""
    s, r, c = (slice(min(b.start for b in axis), max(b.stop for b in axis)) for axis in zip(*boxes, strict=True))
    return (s, r, c)


def segment_of(
    mask: NDArray[np.bool_], grid: Grid, label: int, text: LabelText, *, findings: tuple[Finding, ...] = ()
) -> Segment:
    """The segment of a mask and of what is known about it.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0))
    >>> segment_of(np.ones((1, 1, 1), bool), grid, 4, LabelText(name="cyst")).name
    'cyst'
    """
    if text.lost_voxels:
        message = f"{text.lost_voxels} voxels are stored as another segment's, which they belong to as well"
        findings = (*findings, Finding("SHARED_VOXELS", Severity.WARNING, message, str(label)))
    return Segment(
        mask=mask,
        grid=grid,
        label=label,
        name=text.name,
        kind=text.kind,
        lesion=text.lesion,
        tracking_uid=text.tracking_uid,
        status=text.status,
        provenance=Provenance(text.agent) if text.agent else None,
        findings=findings,
    )


def sidecar_of(path: Path) -> Path:
    """The JSON file that says what a label file's numbers mean.

    Examples
    --------
    >>> sidecar_of(Path("out/T1.nii.gz")).name, sidecar_of(Path("out/case.1.nii")).name
    ('T1.json', 'case.1.json')
    """
    stem = path.name
    for ending in (".gz", ".nii", ".nrrd", ".seg"):
        stem = stem.removesuffix(ending)
    return path.with_name(f"{stem}.json")


def label_texts_bytes(segments: Iterable[Segment]) -> bytes:
    """The sidecar's content for these segments: UTF-8 JSON, the same for the same segments.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0))
    >>> part = Segment(mask=np.ones((1, 1, 1), bool), grid=grid, label=3, name="cyst")
    >>> json.loads(label_texts_bytes([part]))["labels"][0]["name"]
    'cyst'
    """
    labels = [
        {
            "label": segment.label,
            "name": segment.name,
            "kind": segment.kind.value,
            "lesion": segment.lesion,
            "status": segment.status.value,
            "agent": segment.provenance.agent if segment.provenance else "",
            "tracking_uid": segment.tracking_uid,
        }
        for segment in sorted(segments, key=lambda segment: segment.label)
    ]
    return (json.dumps({"schema": SCHEMA, "labels": labels}, indent=1, ensure_ascii=False) + "\n").encode()


def read_label_texts(path: Path) -> dict[int, LabelText]:
    """What the sidecar says, by label number; empty where there is none or it is another program's JSON.

    Raises
    ------
    RecordError
        The sidecar is ours and damaged.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise RecordError("the label file's sidecar is not JSON; repair or remove it", where=path.name) from error
    if not isinstance(content, dict) or not str(content.get("schema", "")).startswith("osteotrace.labels/"):
        return {}
    labels = content.get("labels")
    if content["schema"] != SCHEMA or not isinstance(labels, list):
        raise RecordError(f"expected schema {SCHEMA} with labels, found {content['schema']}", where=path.name)
    try:
        return {int(row["label"]): _text(row) for row in labels}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"a label's row makes no sense ({type(error).__name__})", where=path.name) from error


def _text(row: Mapping[str, Any]) -> LabelText:
    inside = row.get("inside")
    kind = SegmentKind(row.get("kind", SegmentKind.UNKNOWN))
    material = f"{kind.value} {row.get('material', '')} {f'inside {inside}' if inside else 'outside'}"
    return LabelText(
        name=str(row.get("name") or (material if "material" in row else row.get("lesion") or "")),
        kind=kind,
        lesion=LesionId(row["lesion"]) if row.get("lesion") else None,
        inside=LesionId(inside) if inside else None,
        status=Status(row.get("status", Status.PROPOSED)),
        agent=str(row.get("agent", "")),
        tracking_uid=str(row.get("tracking_uid") or ""),
        lost_voxels=int(row.get("shared_voxels") or 0),
    )


def _label_boxes(labels: NDArray[Any], where: str) -> tuple[dict[int, Box], bool]:
    """Where each positive number lies, in ascending order and in one pass; and whether there are negative ones."""
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and np.array_equal(labels, np.rint(labels))):
        raise InputError("a mask holds whole numbers; this file holds fractions", code="NOT_A_LABEL_MAP", where=where)
    deepest = labels.max(axis=2)
    low, high = 0 if labels.dtype.kind == "u" else int(labels.min()), int(deepest.max())
    if max(-low, high) > LARGEST_LABEL:
        raise InputError(f"label numbers reach {high}; this is no label map", code="NOT_A_LABEL_MAP", where=where)
    boxes = _boxes_of(labels, deepest > 0, high) if high > 0 else {}
    if len(boxes) > MAX_LABELS:
        raise InputError(
            f"a mask holds few numbers; this file holds {len(boxes)} different ones and is more likely an image",
            code="NOT_A_LABEL_MAP",
            where=where,
        )
    return boxes, low < 0


def _boxes_of(labels: NDArray[Any], rows_hit: NDArray[np.bool_], high: int) -> dict[int, Box]:
    """Where each positive number lies, sought where there is any."""
    slices, rows = np.flatnonzero(rows_hit.any(axis=1)), np.flatnonzero(rows_hit.any(axis=0))
    start = (int(slices[0]), int(rows[0]), 0)
    part = labels[start[0] : slices[-1] + 1, start[1] : rows[-1] + 1]
    if high <= np.iinfo(np.uint16).max:
        whole = part if labels.dtype.kind in "ui" else part.astype(np.int32)
        found = ndimage.find_objects(whole, high)
        return {number: _moved(box, start) for number, box in enumerate(found, start=1) if box is not None}
    values, place = np.unique(part, return_inverse=True)
    found = ndimage.find_objects(place.reshape(part.shape) + 1)
    return {int(value): _moved(box, start) for value, box in zip(values, found, strict=True) if value > 0}


def _moved(box: Sequence[slice], start: Sequence[int]) -> Box:
    s, r, c = (slice(side.start + first, side.stop + first) for side, first in zip(box, start, strict=True))
    return (s, r, c)


def _remarks(where: str) -> tuple[Finding, ...]:
    message = "voxels with negative numbers were taken as background"
    return (Finding("NEGATIVE_LABELS", Severity.WARNING, message, where),)
