"""What a piece of radiodense material is: cement, glue or oil, metal — or unclassified, which is never a guess at less.

The rules, in order; what fails them all is UNCLASSIFIED:

1. A straight rod at or above the clip, or denser than any cement, is metal.
2. Where the material's history is known and only cement, or only embolic material, was injected so far: that.
3. Where both were injected and the CT is of the same day, glue has not faded: compact material far below it is cement;
   and of two densities farther apart than dense cement over thin glue, the one that fresh glue cannot have is cement
   and the one in its range glue.
4. Where the history is unknown, or both were injected earlier, density names nothing but metal: glue fades to any
   density, and a tumour that took up iodised oil is as compact as cement.

HU alone separates nothing at the clip of a 12-bit CT: there cement, N-BCA with iodised oil and metal look the same
(computed at 120 kVp: 30 % barium 8594, N-BCA/lipiodol 1:1 6700, titanium 12900 HU; doc: the project's reference notes
on physics, from xraydb and spekpy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.arrays import FloatArray
from imaging.segmentation.segment import SegmentKind

__all__ = ["Evidence", "KindVerdict", "agent_kind", "classify", "is_rod"]

STATED_CONFIDENCE = 0.7  # below it a piece stays unclassified
DENSER_THAN_CEMENT_HU = 9000.0  # 30 % barium by weight at 120 kVp, the densest cement in use, computes to 8594
GLUE_FROM_HU = 3000.0  # N-BCA/lipiodol 1:1 at 140 kVp is 5700; faded to 0.6 of it 3400
FRESH_GLUE_HU = 5700.0  # the least that N-BCA/lipiodol computes to (1:1 at 140 kVp; 6700 at 120, 10700 if 1:4)
DENSEST_GLUE_HU = 11000.0  # 1:4 at 120 kVp is 10700; titanium at 140 kVp 11200
FRESH_DAYS = 1.0  # lipiodol leaves within months (66 % of arteries clear after 264 days): within a day none has
# The densest cement over the thinnest glue computes to 1.24-1.29 at 80 to 140 kVp (8594 / 6700 at 120), and blood and
# blur may take a seventh from the glue: only plateaus farther apart than their product say which of the two is glue.
APART = 1.5
COMPACT_RADIUS_MM = 2.0  # inscribed radius; casts of vessels are 1-2 mm wide
COMPACT_ML = 0.2

ROD_LENGTH_MM = 20.0  # screws and needles are longer than cement's fingers (≤ 15 mm)
ROD_ELONGATION = 4.0  # length / width by standard deviations
ROD_ROUNDNESS = 1.6  # the two short axes may differ by so much
ROD_KURTOSIS = 2.0  # along the axis: a uniform rod 1.8, an ellipsoid 2.14

CEMENT_WORDS = ("pmma", "cement", "polymethylmethacrylate")
EMBOLIC_WORDS = (
    "nbca",
    "n-bca",
    "cyanoacrylate",
    "glue",
    "lipiodol",
    "ethiodized",
    "iodised",
    "iodized",
    "onyx",
    "evoh",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a piece.

    Parameters
    ----------
    plateau_hu, saturated
        Undiluted density, and whether it is only a lower bound.
    volume_ml, inscribed_radius_mm
        Size, and the radius of the largest ball inside.
    rod
        Whether it is straight, long and of even width.
    near_bone_or_lesion
        None where neither is known.
    agents
        Names of everything injected that this piece may be; None = history unknown.
    embolic_age_days
        How long before this CT the first embolic material was injected; None = unknown.
    resolved
        Whether it is thick enough to show its plateau; else the plateau is only a lower bound.
    beside_hu
        Plateaus, all certain, of the other pieces on this CT with the same history.
    """

    plateau_hu: float
    saturated: bool
    volume_ml: float
    inscribed_radius_mm: float
    rod: bool = False
    near_bone_or_lesion: bool | None = None
    agents: tuple[str, ...] | None = None
    embolic_age_days: float | None = None
    resolved: bool = True
    beside_hu: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class KindVerdict:
    """The kind, how sure, and why: a sentence for the reader."""

    kind: SegmentKind
    confidence: float
    reason: str


METAL_ROD = KindVerdict(SegmentKind.METAL, 0.8, "straight, evenly wide and very dense: an implant or a needle")
ONLY_EMBOLIC = KindVerdict(SegmentKind.EMBOLIC, 0.9, "only embolic material was injected before this CT")
ONLY_CEMENT = KindVerdict(SegmentKind.CEMENT, 0.9, "only cement was injected before this CT")
BELOW_FRESH_GLUE = KindVerdict(
    SegmentKind.CEMENT, 0.8, "compact, and little more than half as dense as glue of the same day at least is"
)
BESIDE_GLUE = KindVerdict(
    SegmentKind.CEMENT, STATED_CONFIDENCE, "less dense than glue of the same day, beside denser material that fits glue"
)
BESIDE_CEMENT = KindVerdict(
    SegmentKind.EMBOLIC, STATED_CONFIDENCE, "as dense as glue of the same day, beside material that is less dense"
)
AWAY, TOO_DENSE, NOTHING_INJECTED, CLIPPED, UNKNOWN_HISTORY, AMBIGUOUS = (
    KindVerdict(SegmentKind.UNCLASSIFIED, 0.0, reason)
    for reason in (
        "lies away from bone and lesion: contrast medium and calcification are possible",
        "denser than any cement: metal or undiluted iodised oil",
        "no radiodense material is recorded before this CT",
        "at the clip of this CT cement, glue with iodised oil and metal look the same",
        "what was injected is not known: cement and faded glue with iodised oil may be equally dense and compact",
        "density and shape fit both cement and glue with iodised oil",
    )
)


def agent_kind(agent: str) -> SegmentKind | None:
    """What an agent's name stands for; None where it is not known.

    Examples
    --------
    >>> agent_kind("pmma-barium"), agent_kind("nbca-lipiodol"), agent_kind("saline")
    (<SegmentKind.CEMENT: 'cement'>, <SegmentKind.EMBOLIC: 'embolic'>, None)
    """
    name = agent.lower()
    if any(word in name for word in EMBOLIC_WORDS):  # first: "glue" is also called tissue cement
        return SegmentKind.EMBOLIC
    return SegmentKind.CEMENT if any(word in name for word in CEMENT_WORDS) else None


def classify(evidence: Evidence) -> KindVerdict:
    """The kind of a piece by the stated rules.

    Confidences are judgements that order the rules, not measured probabilities; a piece of which no rule is at least
    0.7 sure stays unclassified with confidence 0.

    Examples
    --------
    >>> piece = Evidence(plateau_hu=3071, saturated=True, volume_ml=6.8, inscribed_radius_mm=9)
    >>> classify(piece).kind
    <SegmentKind.UNCLASSIFIED: 'unclassified'>
    """
    known = None if evidence.agents is None else {agent_kind(agent) for agent in evidence.agents}
    kinds = None if known is None or None in known else known  # an agent that nobody knows could be anything
    plateau, certain = evidence.plateau_hu, not evidence.saturated
    compact = evidence.inscribed_radius_mm >= COMPACT_RADIUS_MM and evidence.volume_ml >= COMPACT_ML
    both_fresh = (
        kinds == {SegmentKind.CEMENT, SegmentKind.EMBOLIC}
        and evidence.embolic_age_days is not None
        and 0 <= evidence.embolic_age_days <= FRESH_DAYS
    )
    told = both_fresh and certain and not evidence.rod
    thin = not evidence.resolved  # its plateau may be higher: no harm to what is at least as dense as glue
    glue_beside = any(other >= max(FRESH_GLUE_HU, APART * plateau) for other in evidence.beside_hu)
    cement_beside = any(other < FRESH_GLUE_HU and APART * other <= plateau for other in evidence.beside_hu)
    like_glue = FRESH_GLUE_HU <= plateau < DENSEST_GLUE_HU
    rules: tuple[tuple[bool, KindVerdict], ...] = (
        (evidence.rod and (plateau > GLUE_FROM_HU or not certain), METAL_ROD),
        (evidence.near_bone_or_lesion is False, AWAY),
        (kinds == {SegmentKind.EMBOLIC}, ONLY_EMBOLIC),
        (told and like_glue and cement_beside, BESIDE_CEMENT),
        (plateau > DENSER_THAN_CEMENT_HU, TOO_DENSE),
        (kinds == {SegmentKind.CEMENT}, ONLY_CEMENT),
        (kinds == set(), NOTHING_INJECTED),
        (not certain, CLIPPED),
        (told and compact and not thin and plateau < GLUE_FROM_HU, BELOW_FRESH_GLUE),
        (told and compact and not thin and plateau < FRESH_GLUE_HU and glue_beside, BESIDE_GLUE),
        (kinds is None, UNKNOWN_HISTORY),
    )
    return next((verdict for holds, verdict in rules if holds), AMBIGUOUS)


def is_rod(points_mm: FloatArray) -> bool:
    """Whether a cloud of points (n, 3) fills a straight, round rod of even width.

    Examples
    --------
    >>> z, y, x = np.mgrid[0:41, -2:3, -2:3].reshape(3, -1)
    >>> is_rod(np.column_stack([z, y, x]).astype(float))
    True
    """
    if len(points_mm) < 10:
        return False
    centred = points_mm - points_mm.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(centred.T))
    least, middle, most = np.sqrt(np.maximum(variances, 1e-6))
    along = centred @ axes[:, 2]
    kurtosis = float(np.mean(along**4) / np.mean(along**2) ** 2)
    return bool(
        np.ptp(along) >= ROD_LENGTH_MM
        and most >= ROD_ELONGATION * middle
        and middle <= ROD_ROUNDNESS * least
        and kurtosis <= ROD_KURTOSIS
    )
