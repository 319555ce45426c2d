"""What a reader signs of one exam: all that the outlines of target lesions do not show.

Nothing here is inferred from images. What a reader did not say is None, and then no overall category can be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["FillIn", "NewLesions", "NonTarget", "Reading"]


class NonTarget(StrEnum):
    """What became of the non-target lesions."""

    CR = "CR"  # all gone, all nodes normal
    NON_CR_NON_PD = "non-CR/non-PD"
    PD = "PD"  # unequivocal progression
    NE = "NE"  # not all were evaluated
    NONE = "none"  # there were none at baseline


class NewLesions(StrEnum):
    """Whether lesions are seen that were not there at baseline.

    Unequivocal is what no change of technique or modality and no healing or flare of a bone lesion explains.
    """

    NONE = "none"
    EQUIVOCAL = "equivocal"
    UNEQUIVOCAL = "unequivocal"


class FillIn(StrEnum):
    """How far a lytic lesion has become sclerotic on CT or radiographs, in what of it is not cement or glue."""

    NONE = "none"
    PARTIAL = "partial"  # or a sclerotic rim
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reader's statements on one exam.

    Parameters
    ----------
    timepoint, reader
        Which exam, and who says so.
    non_target, new_lesions
        As above; None where not said.
    coverage
        Whether everything was imaged in which the protocol looks for disease; None where not said.
    absent
        Lesions that are gone: their size is 0.
    too_small
        Lesions that are there and too small to measure: RECIST counts 5 mm.
    split
        Lesions that have fallen into pieces: the pieces' diameters are added.
    merged
        Groups of lesions that have become one without a plane between them; the first of a group bears the outline of
        the whole.
    viable_mm
        The longest diameter of the arterially enhancing part, by lesion; 0 where nothing enhances.
    fill_in
        How far a lesion has filled with bone, by lesion.
    """

    timepoint: str
    reader: str
    non_target: NonTarget | None = None
    new_lesions: NewLesions | None = None
    coverage: bool | None = None
    absent: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    merged: tuple[tuple[str, ...], ...] = ()
    viable_mm: Mapping[str, float] = field(default_factory=dict)
    fill_in: Mapping[str, FillIn] = field(default_factory=dict)

    def merged_into(self, lesion: str) -> str | None:
        """The lesion that stands for the whole of which this one has become a part.

        Examples
        --------
        >>> reading = Reading(timepoint="T1", reader="reader-1", merged=(("L1", "L2"),))
        >>> reading.merged_into("L2"), reading.merged_into("L1")
        ('L1', None)
        """
        return next((group[0] for group in self.merged if lesion in group[1:]), None)
