"""Mask files that a case file names, on the grid of the series on which they were drawn."""

from __future__ import annotations

import os
from pathlib import Path

from imaging.errors import CaseFileError, GeometryError
from imaging.segmentation import Segment
from imaging.segmentation.placement import segment_on
from imaging.study import SeriesRecord
from pipelines.sources import open_masks

__all__ = ["named_mask", "on_record"]

LONGEST_NAME = 255  # bytes, on every file system in use


def named_mask(name: str, case_folder: Path, *, of: str, accept_gaps: bool) -> Segment:
    """The one segment that ``path#label`` means in the case folder.

    Raises
    ------
    CaseFileError
        The path leads out of the case folder, or several segments could be meant.
    UsageError
        FILE_NOT_FOUND, LABEL_NOT_FOUND.
    InputError
        The file cannot be used; the code says why.
    """
    path = case_folder / name.partition("#")[0]
    if "\0" in name or any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise CaseFileError(f"the mask of {of} has a name that no file has")
    if not path.resolve().is_relative_to(case_folder.resolve()):
        raise CaseFileError(f"the mask of {of} lies outside the case folder")
    segments = open_masks(str(case_folder / name), image=None, accept_gaps=accept_gaps)
    if len(segments) != 1:
        raise CaseFileError(f"the mask of {of} holds {len(segments)} segments; choose one with #label")
    return segments[0]


def on_record(segment: Segment, record: SeriesRecord) -> Segment:
    """The segment on the record's grid, voxel for voxel.

    Raises
    ------
    GeometryError
        If its voxels are not the record's: a mask is never resampled to be measured.
    """
    if record.grid is None:
        raise GeometryError("a refused series has no grid to put a mask on")
    placed = segment_on(segment, record.grid)
    placed.grid.require_match(record.grid, what="a mask and the series it refers to")
    return placed
