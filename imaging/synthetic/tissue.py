"""What the phantom is made of, and how bright each tissue is in each kind of image.

MR brightness is relative: fat = 1 on T1, tumour = 1 on STIR. Fat and water are kept apart because the chemical shift
moves only fat. CT values are Hounsfield units at 120 kVp. The figures are the project's own choice, from anatomy and
physics; they stand for typical values and for no single scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTRASTS", "FIRST_INSERT", "Contrast", "Tissue", "lookup", "with_radiodensity"]


class Tissue(IntEnum):
    """Everything that a point of the phantom can be."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    ORGAN = 4
    BLADDER = 5
    BOWEL_GAS = 6
    VESSEL = 7
    CORTEX = 8
    MARROW_BODY = 9
    MARROW_ALA = 10
    MARROW_IRRADIATED = 11
    MARROW_ILIUM = 12
    DISC = 13
    THECAL_SAC = 14
    NERVE = 15
    CARTILAGE = 16
    OEDEMA = 17
    TUMOUR = 18
    BLOOD = 19
    CEMENT = 20
    GLUE = 21
    BLOOMING = 22


FIRST_INSERT = 32  # numbers from here on are free for a variant's own material


@dataclass(frozen=True, slots=True)
class Contrast:
    """One tissue in CT, T1 and STIR.

    Parameters
    ----------
    hu
        CT value.
    hu_texture
        Standard deviation of the tissue's own slow variation, HU.
    t1, t1_fat
        T1 brightness (fat = 1) and how much of it is fat signal.
    stir
        STIR brightness (tumour = 1).
    mr_texture
        Relative slow variation of the MR brightness.
    """

    hu: float
    hu_texture: float
    t1: float
    t1_fat: float
    stir: float
    mr_texture: float


CONTRASTS: dict[int, Contrast] = {
    Tissue.AIR: Contrast(-1000, 0, 0.0, 0.0, 0.0, 0.0),
    Tissue.SKIN: Contrast(20, 0, 0.35, 0.0, 0.35, 0.0),
    Tissue.FAT: Contrast(-100, 6, 1.0, 1.0, 0.05, 0.03),
    Tissue.MUSCLE: Contrast(55, 6, 0.28, 0.03, 0.25, 0.08),
    Tissue.ORGAN: Contrast(35, 6, 0.32, 0.0, 0.55, 0.10),
    Tissue.BLADDER: Contrast(5, 0, 0.14, 0.0, 1.5, 0.0),
    Tissue.BOWEL_GAS: Contrast(-950, 0, 0.0, 0.0, 0.0, 0.0),
    Tissue.VESSEL: Contrast(45, 0, 0.08, 0.0, 0.15, 0.0),
    Tissue.CORTEX: Contrast(1100, 70, 0.05, 0.0, 0.03, 0.0),
    Tissue.MARROW_BODY: Contrast(90, 25, 0.65, 0.45, 0.10, 0.06),
    Tissue.MARROW_ALA: Contrast(20, 30, 0.65, 0.50, 0.10, 0.06),
    Tissue.MARROW_IRRADIATED: Contrast(20, 30, 0.90, 0.85, 0.08, 0.05),
    Tissue.MARROW_ILIUM: Contrast(110, 30, 0.65, 0.48, 0.10, 0.06),
    Tissue.DISC: Contrast(85, 5, 0.28, 0.0, 0.45, 0.06),
    Tissue.THECAL_SAC: Contrast(15, 0, 0.15, 0.0, 1.5, 0.04),
    Tissue.NERVE: Contrast(40, 0, 0.30, 0.0, 0.45, 0.0),
    Tissue.CARTILAGE: Contrast(60, 0, 0.22, 0.0, 0.30, 0.0),
    Tissue.OEDEMA: Contrast(40, 20, 0.45, 0.20, 0.80, 0.06),
    Tissue.TUMOUR: Contrast(45, 8, 0.30, 0.0, 1.0, 0.08),
    Tissue.BLOOD: Contrast(65, 3, 0.85, 0.0, 0.75, 0.10),
    Tissue.CEMENT: Contrast(5500, 0, 0.03, 0.0, 0.03, 0.0),
    Tissue.GLUE: Contrast(3500, 0, 0.10, 0.0, 0.08, 0.0),
    # next to a susceptible material the signal is lost although the tissue is not replaced
    Tissue.BLOOMING: Contrast(45, 0, 0.05, 0.0, 0.05, 0.0),
}


def lookup(contrasts: dict[int, Contrast], name: str) -> NDArray[np.float32]:
    """A table, by tissue number, of one of the contrast's figures.

    Examples
    --------
    >>> float(lookup(CONTRASTS, "hu")[Tissue.FAT])
    -100.0
    """
    table = np.zeros(256, dtype=np.float32)
    for number, contrast in contrasts.items():
        table[number] = getattr(contrast, name)
    return table


def with_radiodensity(contrasts: dict[int, Contrast], *, cement_hu: float, glue_hu: float) -> dict[int, Contrast]:
    """The same tissues with other CT plateaus of cement and glue.

    Examples
    --------
    >>> with_radiodensity(CONTRASTS, cement_hu=1500.0, glue_hu=900.0)[Tissue.CEMENT].hu
    1500.0
    """
    return {
        **contrasts,
        Tissue.CEMENT: replace(contrasts[Tissue.CEMENT], hu=cement_hu),
        Tissue.GLUE: replace(contrasts[Tissue.GLUE], hu=glue_hu),
    }
