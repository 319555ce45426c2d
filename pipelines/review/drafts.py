"""Painted or said and not yet saved: kept on disk while the reader works, so that a crash costs seconds.

``WORKSPACE/<case id>/drafts/L1-T0.nii.gz`` and ``.json`` hold a mask as it was at most two seconds ago. A draft is no
word of a reader: no run reads it. The next review of the case begins with it, and saving takes it away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from imaging.arrays import BoolArray
from imaging.errors import RecordError
from imaging.formats.nifti import nifti_bytes, read_nifti_masks
from imaging.geometry import Grid
from imaging.segmentation import LesionId, Status
from pipelines.review.whose import Link
from pipelines.workspace import CaseFolder

__all__ = ["Draft", "drop_draft", "read_drafts", "write_draft"]

SCHEMA = "osteotrace.draft/1"
OUTSIDE, INSIDE = np.uint8(1), np.uint8(2)  # both are labels, so that a mask without a voxel is a mask as well


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Draft:
    """A mask that a reader has painted or judged and not saved.

    Parameters
    ----------
    revision
        The newest saved word on the lesion's mask when it was painted; 0 where there was none.
    verdict, link
        What the reader said of it, and of whose it is; None where nothing.
    """

    lesion: LesionId
    timepoint: str
    series_uid: str
    reader: str
    revision: int
    verdict: Status | None
    link: Link | None
    mask: BoolArray


def write_draft(target: CaseFolder, draft: Draft, grid: Grid) -> None:
    """Keep the draft in place of the one before it; a mask without a voxel is kept as well.

    Raises
    ------
    InputError
        OUTPUT_NOT_WRITABLE.
    """
    record = {
        "schema": SCHEMA,
        "lesion": draft.lesion,
        "timepoint": draft.timepoint,
        "series_uid": draft.series_uid,
        "reader": draft.reader,
        "revision": draft.revision,
        "verdict": draft.verdict and str(draft.verdict),
        "link": draft.link and {"lesion": draft.link.lesion},
    }
    name = stem(draft.lesion, draft.timepoint)
    target.write(f"{name}.nii.gz", nifti_bytes(np.where(draft.mask, INSIDE, OUTSIDE), grid))
    target.write(f"{name}.json", (json.dumps(record, indent=2) + "\n").encode())


def read_drafts(target: CaseFolder) -> Iterator[Draft]:
    """Every draft of the case.

    Raises
    ------
    RecordError
        One is damaged; it is left where it is.
    """
    for path in sorted((target.root / "drafts").glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["schema"] != SCHEMA:
                raise RecordError(f"the draft {path.name} was written by another version", where=path.name)
            parts = {part.label: part.mask for part in read_nifti_masks(path.with_suffix(".nii.gz"))}
            yield Draft(
                lesion=LesionId(record["lesion"]),
                timepoint=record["timepoint"],
                series_uid=record["series_uid"],
                reader=record["reader"],
                revision=record["revision"],
                verdict=record["verdict"] and Status(record["verdict"]),
                link=link_from(record.get("link")),
                mask=parts[2] if 2 in parts else ~parts[1],
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            message = f"the draft {path.name} is damaged ({type(error).__name__}); move it away to review without it"
            raise RecordError(message, where=path.name) from error


def link_from(record: Mapping[str, str | None] | None) -> Link | None:
    if record is None:
        return None
    lesion = record["lesion"]
    return Link(None if lesion is None else LesionId(lesion))


def drop_draft(target: CaseFolder, lesion: LesionId, timepoint: str) -> None:
    """Take the draft away, now that the work is saved."""
    for suffix in (".json", ".nii.gz"):
        target.root.joinpath(stem(lesion, timepoint) + suffix).unlink(missing_ok=True)


def stem(lesion: str, timepoint: str) -> str:
    return f"drafts/{lesion}-{timepoint}"
