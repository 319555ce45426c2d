"""One array of label numbers ↔ one segment for each number.

The sidecar beside a label file (``T1.nii.gz`` → ``T1.json``) says what the numbers mean::

    {"schema": "osteotrace.labels/1",
     "labels": {"1": {"name": "left sacrum", "kind": "lesion", "lesion": "L1", "status": "accepted", "agent": "R1"}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging.errors import InputError, RecordError
from imaging.finding import Finding, Severity
from imaging.geometry import Grid
from imaging.provenance import Provenance
from imaging.segmentation.choice import is_chosen, segment_not_found
from imaging.segmentation.segment import LesionId, Segment, SegmentKind, Status

__all__ = [
    "LabelText",
    "label_texts_bytes",
    "read_label_texts",
    "segment_of",
    "segments_from",
    "sidecar_of",
]

SCHEMA = "osteotrace.labels/1"
# Atlases of the whole body have 117 structures; an intensity image taken for a mask has thousands of values.
MAX_LABELS = 512
LARGEST_LABEL = 2**31 - 1
MAX_MASK_BYTES = 8 * 2**30  # what all masks of a file may need together: half the memory of a reading workstation


@dataclass(frozen=True, slots=True)
class LabelText:
    """What is known of a label number besides its voxels.

    Examples
    --------
    >>> LabelText("left sacrum", SegmentKind.LESION, LesionId("L1")).name
    'left sacrum'
    """

    name: str = ""
    kind: SegmentKind = SegmentKind.UNKNOWN
    lesion: LesionId | None = None
    status: Status = Status.PROPOSED
    agent: str = ""


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
        Names by number; others are called ``label 3``.
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
    >>> parts = segments_from(np.array([[[0, 2, 2, 5]]]), grid, {5: LabelText("cyst")})
    >>> [(part.label, part.name, int(part.mask.sum())) for part in parts]
    [(2, 'label 2', 2), (5, 'cyst', 1)]
    """
    numbers = _label_numbers(labels, where)
    positive = [number for number in numbers if number > 0]
    names = {number: texts[number].name if number in texts else f"label {number}" for number in positive}
    meant = [number for number in positive if is_chosen(choice, number, names[number])]
    if choice is not None and not meant:
        raise segment_not_found(choice, positive, where)
    if len(meant) * labels.size > MAX_MASK_BYTES:
        raise InputError(
            f"{len(meant)} masks of {labels.size} voxels do not fit in memory; choose one with #label",
            code="TOO_MANY_LABELS",
            where=where,
        )
    findings = _remarks(numbers, where)
    return tuple(
        segment_of(labels == number, grid, number, texts.get(number, LabelText(names[number])), findings=findings)
        for number in meant
    )


def segment_of(
    mask: NDArray[np.bool_], grid: Grid, label: int, text: LabelText, *, findings: tuple[Finding, ...] = ()
) -> Segment:
    """The segment of a mask and of what is known about it.

    Examples
    --------
    >>> grid = Grid.from_spacing((1, 1, 1), (1.0, 1.0, 1.0))
    >>> segment_of(np.ones((1, 1, 1), bool), grid, 4, LabelText("cyst")).name
    'cyst'
    """
    return Segment(
        mask=mask,
        grid=grid,
        label=label,
        name=text.name,
        kind=text.kind,
        lesion=text.lesion,
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
    >>> json.loads(label_texts_bytes([part]))["labels"]["3"]["name"]
    'cyst'
    """
    labels = {
        str(segment.label): {
            "name": segment.name,
            "kind": segment.kind.value,
            "lesion": segment.lesion,
            "status": segment.status.value,
            "agent": segment.provenance.agent if segment.provenance else "",
        }
        for segment in sorted(segments, key=lambda segment: segment.label)
    }
    return (json.dumps({"schema": SCHEMA, "labels": labels}, indent=1, ensure_ascii=False) + "\n").encode()


def read_label_texts(path: Path) -> dict[int, LabelText]:
    """What the sidecar says, by label number; empty where there is none or it is another program's JSON.

    A label's entry may be an object or just its name.

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
    if content["schema"] != SCHEMA or not isinstance(labels, dict):
        raise RecordError(f"expected schema {SCHEMA} with labels, found {content['schema']}", where=path.name)
    try:
        return {int(number): _text(entry) for number, entry in labels.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordError(f"a label's entry makes no sense: {error}", where=path.name) from error


def _text(entry: str | Mapping[str, Any]) -> LabelText:
    if isinstance(entry, str):
        return LabelText(entry)
    return LabelText(
        name=str(entry.get("name", "")),
        kind=SegmentKind(entry.get("kind", SegmentKind.UNKNOWN)),
        lesion=LesionId(entry["lesion"]) if entry.get("lesion") else None,
        status=Status(entry.get("status", Status.PROPOSED)),
        agent=str(entry.get("agent", "")),
    )


def _label_numbers(labels: NDArray[Any], where: str) -> list[int]:
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and np.array_equal(labels, np.rint(labels))):
        raise InputError("a mask holds whole numbers; this file holds fractions", code="NOT_A_LABEL_MAP", where=where)
    low, high = int(labels.min()), int(labels.max())
    if max(-low, high) > LARGEST_LABEL:
        raise InputError(f"label numbers reach {high}; this is no label map", code="NOT_A_LABEL_MAP", where=where)
    if high - low < labels.size:
        present = np.zeros(high - low + 1, dtype=bool)  # ten times faster than np.unique, which sorts all voxels
        present[labels.astype(np.int64) - low] = True
        numbers = np.flatnonzero(present) + low
    else:
        numbers = np.unique(labels)
    if len(numbers) > MAX_LABELS:
        raise InputError(
            f"a mask holds few numbers; this file holds {len(numbers)} different ones and is more likely an image",
            code="NOT_A_LABEL_MAP",
            where=where,
        )
    return [int(number) for number in numbers]


def _remarks(numbers: list[int], where: str) -> tuple[Finding, ...]:
    if not numbers or numbers[0] >= 0:
        return ()
    message = "voxels with negative numbers were taken as background"
    return (Finding("NEGATIVE_LABELS", Severity.WARNING, message, where),)
