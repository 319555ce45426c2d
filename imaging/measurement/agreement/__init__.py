"""How well two readings of the same thing agree: two masks of one lesion, or the numbers of several readers.

===========  ================================================================================
overlap      voxels in common: Dice, Jaccard, volume similarity
distance     how far two surfaces are apart: Hausdorff, its 95 %, the mean, the share within a tolerance
repeats      repeated measurements: Bland-Altman, within-subject spread, repeatability coefficient
reliability  how much of the spread is of the subjects: intraclass correlation (2,1) and (3,1)
===========  ================================================================================

What is not there cannot agree: two empty masks have no overlap to state, and a surface that does not exist is no
distance away. Such figures are None, never 0 or 1.
"""

from imaging.measurement.agreement.distance import SurfaceDistances, surface_distances
from imaging.measurement.agreement.overlap import Overlap, overlap_of
from imaging.measurement.agreement.reliability import IntraclassCorrelation, icc_2_1, icc_3_1
from imaging.measurement.agreement.repeats import BlandAltman, Repeatability, bland_altman, repeatability

__all__ = [
    "BlandAltman",
    "IntraclassCorrelation",
    "Overlap",
    "Repeatability",
    "SurfaceDistances",
    "bland_altman",
    "icc_2_1",
    "icc_3_1",
    "overlap_of",
    "repeatability",
    "surface_distances",
]
