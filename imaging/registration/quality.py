"""Whether a registration may be believed: independent doubts, each with its figure and its threshold.

A wrong transform that is passed on moves a lesion to where there is none, so everything here is made to refuse. The
thresholds were fixed on CT–MR pairs of five sarcoma patients, MR–MR pairs of two brain tumour patients, the same images
mirrored or exchanged between patients, and thirty made-up pelves; scripts/benchmark_registration.py tries them on more:

===============  =====================================================  ====================================
doubt            figure                                                 believed when
===============  =====================================================  ====================================
chance           correlation against that 12–30 mm and ≤ 10° away       ≥ 2.5 SD above, best ≤ 0.85 of it
                                                                        (same kind of image: 6 SD, 0.7)
another answer   best other summit (> 10 mm away) against this one      ≤ 0.9 of it
edges            do boundaries run parallel (no part of the metric)?    ≥ 2 SD above chance
                                                                        (same kind of image: 4 SD)
halves           each half of the tissue alone finds the same place     ≤ 4 mm apart
exchange         the images with roles exchanged find the same place    ≤ 4 mm apart
mirror           one image with left and right exchanged, against this  ≤ 1.03 of it
bone             all tissue alike finds the same place as bone does     ≤ 4 mm apart
starts           independent starts that lead here                      ≥ 2
overlap, turn    smaller body seen by the other image; rotation         ≥ 0.4; ≤ 35°
===============  =====================================================  ====================================

The two halves of a body are so much alike that an image stored the wrong way round finds its place as well as any. What
tells it is that its mirror image finds a better one: 1.07 times as good and more on pairs of pelves, heads and thighs
with one image mirrored, at most 0.92 on the same as they are, and 0.99 to 1.01 on a body made its own mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from imaging.arrays import FloatArray
from imaging.finding import Finding, Severity
from imaging.geometry import Rigid
from imaging.registration.edges import Edges
from imaging.registration.information import Comparison
from imaging.registration.level import Level
from imaging.registration.search import Found, ascend, discounted, displacement_mm

__all__ = [
    "OTHER_KIND",
    "SAME_KIND",
    "Demand",
    "Evidence",
    "evidence_for",
    "reasons_against",
    "rejection",
    "shaken",
]

TRIALS = 40  # displaced transforms that show what chance gives
FEWEST_TRIALS = 10
SHAKE_SHIFT_MM = (12.0, 30.0)
SHAKE_TURN_DEG = 10.0
SHAKE_SEED = 20030117  # any number would do; fixed, so that the verdict is a function of the images
SHAKE_OVERLAP = 0.3  # a displaced transform that sees less is no fair trial
# A body that lies turned by up to 20° has its mirror image turned by twice that; an ascent recovers from half a step.
MIRROR_TURNS_DEG = (-40.0, -20.0, 0.0, 20.0, 40.0)
MIRROR_STARTS = 2
HALF_BLOCK_MM = 25.0  # side of the checkerboard's blocks that make two halves: several bones' thickness

MOST_RIVAL_RATIO = 0.9
MOST_MIRRORED_RATIO = 1.03  # whichever of the two matches better is how the body lies; alike, neither is wrong
LEAST_STARTS = 2
MOST_DISAGREEMENT_MM = 4.0  # what a right answer may scatter by when half the tissue is gone
LEAST_OVERLAP = 0.4
MOST_TURN_DEG = 35.0


class Demand(NamedTuple):
    """How far above chance a match must stand."""

    deviations: float
    chance_ratio: float
    edge_deviations: float


# Two T1 images, or two CT, of one patient resemble each other far more than two patients do; CT and MR never do. Two
# heads in one pose are much alike as wholes (up to 7 SD), but their edges are their own: 3 SD between two patients, 4.6
# between two dates of one.
SAME_KIND = Demand(deviations=6.0, chance_ratio=0.7, edge_deviations=4.0)
OTHER_KIND = Demand(deviations=2.5, chance_ratio=0.85, edge_deviations=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The figures on which a verdict rests; None where one could not be had, which counts against.

    Parameters
    ----------
    correlation
        Entropy correlation at the transform (0…1).
    chance_deviations, chance_ratio
        How many SD that lies above displaced transforms, and the best of them relative to it.
    rival_ratio
        The best other summit relative to it; 0 if every start led here.
    edges, edge_deviations
        Mean squared cosine between the images' gradients on strong edges, and its SD above chance.
    mirrored_ratio
        What one image reaches with left and right exchanged, relative to it.
    halves_mm, exchanged_mm, tissue_mm
        Mean distance between the answers of two halves of the tissue, to that with exchanged roles, and to that without
        preference for bone (None if there is no bone).
    overlap
        Fraction of the smaller body that lies in the other field of view.
    turn_deg
        Rotation angle.
    starts, starts_agreeing, capture_mm
        How many independent starts there were, how many of them led here, and from how far the farthest of those.
    """

    correlation: float
    chance_deviations: float | None
    chance_ratio: float | None
    rival_ratio: float
    edges: float | None
    edge_deviations: float | None
    mirrored_ratio: float
    halves_mm: float
    exchanged_mm: float
    tissue_mm: float | None
    overlap: float
    turn_deg: float
    starts: int
    starts_agreeing: int
    capture_mm: float | None = None


def evidence_for(
    answer: Found,
    *,
    comparison: Comparison,
    exchanged: Comparison,
    body: Comparison,
    tissue: Comparison | None,
    first: Level,
    rivals: Sequence[Found],
    starts: Sequence[Rigid],
    ends: Sequence[Rigid],
    agreeing_mm: float,
    steps: int,
) -> Evidence:
    """All figures for an answer.

    Parameters
    ----------
    answer
        The transform in question.
    comparison, exchanged
        The images at the resolution at which doubts are tested, and the same places with the images' roles exchanged.
    body
        The smaller body's points, for the overlap.
    tissue
        All tissue alike, where ``comparison`` prefers bone; None if there is no bone.
    first
        The image that ``comparison`` takes its points from.
    rivals
        Other summits, their correlations measured as the answer's own is.
    starts, ends
        Where each began, and where it led.
    agreeing_mm
        An end as near as this to the answer is the answer.
    steps
        How long the ascents of the halves may take.
    """
    transform, points = answer.other_from_first, comparison.points
    here = comparison.correlation(transform)
    trials = shaken(transform, points)
    chance = [c for t in trials if (c := comparison.correlation(t, least_overlap=SHAKE_OVERLAP)) > 0.0]
    boundaries = Edges.of(first, comparison.other)
    edges = boundaries.agreement(transform)
    by_chance = [e for t in trials if (e := boundaries.agreement(t)) is not None]
    left, right = (ascend(half, transform, steps=steps).other_from_first for half in halves_of(comparison))
    captured = [
        displacement_mm(start, transform, points)
        for start, end in zip(starts, ends, strict=True)
        if displacement_mm(end, transform, points) < agreeing_mm
    ]
    back = ascend(exchanged, transform.inverse(), steps=steps).other_from_first.inverse()
    return Evidence(
        correlation=here,
        chance_deviations=deviations(here, chance),
        chance_ratio=max(chance) / here if len(chance) >= FEWEST_TRIALS and here > 0 else None,
        rival_ratio=max((r.correlation / max(answer.correlation, 1e-9) for r in rivals), default=0.0),
        edges=edges,
        edge_deviations=None if edges is None else deviations(edges, by_chance),
        mirrored_ratio=mirrored(comparison, transform, steps) / max(here, 1e-9),
        halves_mm=displacement_mm(left, right, points),
        exchanged_mm=displacement_mm(back, transform, points),
        tissue_mm=None
        if tissue is None
        else displacement_mm(without_bone(tissue, transform, steps), transform, points),
        overlap=body.overlap(transform),
        turn_deg=transform.angle_deg(),
        starts=len(ends),
        starts_agreeing=len(captured),
        capture_mm=max(captured, default=None),
    )


def reasons_against(evidence: Evidence, demand: Demand) -> tuple[str, ...]:
    """Why not to believe it, in words for a reader; empty if nothing speaks against it.

    Examples
    --------
    >>> fine = Evidence(correlation=0.4, chance_deviations=9.0, chance_ratio=0.3, rival_ratio=0.3, edges=0.8,
    ...                 edge_deviations=5.0, mirrored_ratio=0.7, halves_mm=0.2, exchanged_mm=0.2, tissue_mm=None,
    ...                 overlap=0.9, turn_deg=3.0, starts=10, starts_agreeing=5)
    >>> reasons_against(fine, SAME_KIND)
    ()
    >>> from dataclasses import replace
    >>> reasons_against(replace(fine, overlap=0.2), OTHER_KIND)
    ('only 20 % of the smaller body lies in the other field of view',)
    """
    e = evidence
    by_chance = (
        e.chance_deviations is None
        or e.chance_ratio is None
        or e.chance_deviations < demand.deviations
        or e.chance_ratio > demand.chance_ratio
    )
    doubts = (
        (by_chance, f"the images match little better than displaced ones ({shown(e.chance_deviations)} SD above them)"),
        (e.rival_ratio > MOST_RIVAL_RATIO, f"another position matches {e.rival_ratio:.2f} times as well"),
        (
            e.edge_deviations is None or e.edge_deviations < demand.edge_deviations,
            f"edges run little more parallel than by chance ({shown(e.edge_deviations)} SD above it)",
        ),
        (
            e.mirrored_ratio > MOST_MIRRORED_RATIO,
            f"with left and right exchanged the images match {e.mirrored_ratio:.2f} times as well",
        ),
        (e.halves_mm > MOST_DISAGREEMENT_MM, f"two halves of the tissue disagree by {e.halves_mm:.1f} mm"),
        (e.exchanged_mm > MOST_DISAGREEMENT_MM, f"exchanging the images moves the answer by {e.exchanged_mm:.1f} mm"),
        (
            e.tissue_mm is not None and e.tissue_mm > MOST_DISAGREEMENT_MM,
            f"bone and the other tissue disagree by {e.tissue_mm or 0.0:.1f} mm",
        ),
        (e.starts_agreeing < LEAST_STARTS, f"only {e.starts_agreeing} of {e.starts} independent starts lead here"),
        (
            e.overlap < LEAST_OVERLAP,
            f"only {100 * e.overlap:.0f} % of the smaller body lies in the other field of view",
        ),
        (e.turn_deg > MOST_TURN_DEG, f"a turn by {e.turn_deg:.0f}° is more than a patient lies differently"),
    )
    return tuple(text for holds, text in doubts if holds)


def rejection(reasons: Sequence[str]) -> Finding:
    """The finding that goes with a rejected registration."""
    return Finding("REGISTRATION_REJECTED", Severity.WARNING, f"not to be relied on: {'; '.join(reasons)}")


def shaken(transform: Rigid, points: FloatArray) -> list[Rigid]:
    """The transform displaced in fixed, evenly random ways around the middle of the points (n, 3)."""
    random = np.random.default_rng(SHAKE_SEED)
    centre = transform.apply(points).mean(axis=0)
    trials = []
    for _ in range(TRIALS):
        axis, direction = (v / np.linalg.norm(v) for v in random.normal(size=(2, 3)))
        matrix = np.eye(4)
        turn = np.radians(random.uniform(0.0, SHAKE_TURN_DEG)) * axis
        matrix[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        matrix[:3, 3] = centre + random.uniform(*SHAKE_SHIFT_MM) * direction - matrix[:3, :3] @ centre
        trials.append(Rigid(matrix) @ transform)
    return trials


def without_bone(tissue: Comparison, start: Rigid, steps: int) -> Rigid:
    return ascend(tissue, start, steps=steps).other_from_first


def mirrored(comparison: Comparison, transform: Rigid, steps: int) -> float:
    """The entropy correlation that the first image reaches near the transform with left and right exchanged.

    Across which plane a body that lies turned is its own mirror image is not known, so several turns are tried.
    """
    centre = comparison.points.mean(axis=0)
    exchanged = Comparison(
        centre + (comparison.points - centre) * (-1.0, 1.0, 1.0), comparison.bins, comparison.other, comparison.count
    )
    turns = Rotation.from_euler("yz", list(product(MIRROR_TURNS_DEG, repeat=2)), degrees=True)
    starts = [transform @ turned_about(centre, turn) for turn in turns.as_matrix()]
    likely = sorted((discounted(exchanged, start) for start in starts), key=lambda found: -found.correlation)
    ends = (ascend(exchanged, found.other_from_first, steps=steps) for found in likely[:MIRROR_STARTS])
    return max(discounted(exchanged, end.other_from_first).correlation for end in ends)


def turned_about(centre: FloatArray, turn: FloatArray) -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, centre - turn @ centre
    return Rigid(matrix)


def halves_of(comparison: Comparison) -> tuple[Comparison, Comparison]:
    """The comparison on either colour of a checkerboard of blocks."""
    colour = np.floor(comparison.points / HALF_BLOCK_MM).astype(np.int64).sum(axis=1) % 2 == 0
    return comparison.part(colour), comparison.part(~colour)


def deviations(value: float, by_chance: Sequence[float]) -> float | None:
    """How many standard deviations above chance; None where chance could not be tried often enough."""
    if len(by_chance) < FEWEST_TRIALS:
        return None
    return float((value - np.mean(by_chance)) / max(float(np.std(by_chance)), 1e-9))


def shown(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:.2f}"
