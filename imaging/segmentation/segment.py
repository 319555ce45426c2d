"""One mask with an identity: what it shows, on which grid, who made it, and whether a reader confirmed it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType

from imaging.arrays import BoolArray, frozen
from imaging.errors import GeometryError
from imaging.finding import Finding
from imaging.geometry import Grid
from imaging.provenance import Provenance, array_sha256, sha256_hex

__all__ = ["LesionId", "Segment", "SegmentKind", "Status"]

LesionId = NewType("LesionId", str)


class SegmentKind(StrEnum):
    """What a mask shows."""

    LESION = "lesion"
    CEMENT = "cement"
    EMBOLIC = "embolic"
    METAL = "metal"
    UNCLASSIFIED = "unclassified"
    BONE = "bone"
    UNKNOWN = "unknown"  # an imported mask of which nothing but its name is known


class Status(StrEnum):
    """Made by the machine, confirmed or refused by a reader, gone, or not to be told."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ABSENT = "absent"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Segment:
    """A binary mask on a grid.

    Parameters
    ----------
    mask
        (slices, rows, columns) bool.
    grid
        The native grid of the series on which the mask was made.
    label, name
        As stored in a file: the label number and the text of it.
    kind, lesion
        What it shows, and for a lesion (or material in one) whose it is.
    tracking_uid
        DICOM Tracking UID, the same through all exams; empty where unknown.
    status, provenance
        Proposed by an algorithm or accepted, and by whom.
    series_uid
        The series on which it was made; empty for research formats.

    Raises
    ------
    GeometryError
        If the mask does not fill the grid.
    """

    mask: BoolArray
    grid: Grid
    label: int = 1
    name: str = ""
    kind: SegmentKind = SegmentKind.UNKNOWN
    lesion: LesionId | None = None
    tracking_uid: str = ""
    status: Status = Status.PROPOSED
    provenance: Provenance | None = None
    series_uid: str = ""
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if self.mask.shape != self.grid.shape:
            raise GeometryError(f"mask {self.mask.shape} does not fill the grid {self.grid.shape}")
        object.__setattr__(self, "mask", frozen(self.mask.astype(bool, copy=False)))

    @property
    def sha256(self) -> str:
        """Digest of the mask and of the series it lies on: what a reader's acceptance is valid for."""
        return sha256_hex(f"{self.series_uid} {array_sha256(self.mask)}".encode())

    def with_status(self, status: Status, *findings: Finding) -> Segment:
        """The same mask with another standing."""
        return replace(self, status=status, findings=(*self.findings, *findings))
