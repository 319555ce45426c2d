#!/usr/bin/env python
"""Lesion segmentation on real images against the control that ignores the image: every prompt × engine × case.

    python scripts/benchmark_segmentation.py [--seeds 5] [--cases STS] [--kinds line,follow-up] [--each]
    python scripts/benchmark_segmentation.py --reader | --editing

Reads the shared real data (../shared/data, not part of the repository): ten sarcoma images of five patients, two dates
of two glioma patients, two PyRadiomics cases, the IBSI CT. The reference is the largest connected piece of each mask;
prompts are derived from it and every coordinate is jittered by N(0, 2 mm). Control: the ellipsoid that the prompt
stands for, as it is before any rule about what a prompt is known to over- or underestimate.

Gain: mean Dice less the control's, 95 % interval from a bootstrap over patients. HD95 and surface Dice (at 2 mm, the
jitter): imaging.measurement.agreement. Flagged: share of the outlines below Dice .5 that carry a warning.
Follow-up: the reference itself, divided in length by 1.9, 1.3, 1 or 0.95 and shifted by N(0, 1.5 mm) per axis, is the
earlier mask; the control copies it. Reader: see simulated_reader.py; five strokes after the box over all slices.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from lesion_cases import Case, cases, prompts
from numpy.typing import NDArray
from scipy import ndimage
from simulated_reader import masks_of_reader

from imaging.arrays import BoolArray, FloatArray
from imaging.finding import Severity
from imaging.geometry import Grid
from imaging.measurement.agreement import overlap_of, surface_distances
from imaging.measurement.measure import measure_segment
from imaging.segmentation.editing.between import filled_between_slices
from imaging.segmentation.editing.correct import Correction, corrected
from imaging.segmentation.editing.outline import grown, smoothed
from imaging.segmentation.editing.stroke import Stroke, painted
from imaging.segmentation.engines import AGREEMENT, ENGINES, EXPECTED_SHAPE
from imaging.segmentation.lesion import LesionProposal, evidence_for, proposal_from, segment_lesion
from imaging.segmentation.prior import ellipsoid_from_prompts
from imaging.segmentation.prompt import Prompt
from imaging.segmentation.segment import Segment

SHIFT_MM = 1.5
GROWTHS = (0.95, 1.0, 1.3, 1.9)
FOLLOW_UP = "follow-up"
BOX = "box over all slices"
MEAN, CONTROL = "mean", "control"
TOLERANCE_MM = 2.0
POOR = 0.5
STROKES = 5
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Score:
    case: str
    patient: str
    kind: str
    engine: str
    dice: float
    gain: float
    volume: float
    hd95_mm: float
    surface_dice: float
    warned: bool
    covered: bool
    seconds: float


def score(
    entry: Case,
    kind: str,
    engine: str,
    mask: BoolArray,
    proposal: LesionProposal | None,
    *,
    control: float,
    seconds: float,
) -> Score:
    truth, found = (Segment(mask=part, grid=entry.volume.grid) for part in (entry.reference, mask))
    overlap, apart = overlap_of(truth, found), surface_distances(truth, found)
    assert overlap is not None
    warned = proposal is not None and any(finding.severity is not Severity.INFO for finding in proposal.findings)
    return Score(
        case=entry.name,
        patient=entry.patient,
        kind=kind,
        engine=engine,
        dice=overlap.dice,
        gain=overlap.dice - control,
        volume=overlap.second / overlap.first - 1,
        hd95_mm=np.inf if apart is None else apart.hausdorff95_mm,
        surface_dice=0.0 if apart is None else apart.surface_dice(TOLERANCE_MM),
        warned=warned,
        covered=proposal is not None and is_held(entry, found, proposal),
        seconds=seconds,
    )


def is_held(entry: Case, found: Segment, proposal: LesionProposal) -> bool:
    """Whether the interval of the proposal's volume holds the reference's."""
    if not found.mask.any():
        return False
    told = measure_segment(found, volume=entry.volume, engine_wcv=proposal.volume_wcv).volume_ml.interval95
    return told is not None and told[0] <= entry.volume_ml <= told[1]


def scores_of(
    entry: Case, kind: str, drawn: tuple[Prompt, ...], prior: FloatArray | None, engines: Sequence[str]
) -> Iterator[Score]:
    grid = entry.volume.grid
    if prior is None:
        ellipsoid, _ = ellipsoid_from_prompts(drawn)
        copy = (ellipsoid.level(grid.points(np.indices(grid.shape).reshape(3, -1).T)) <= 1).reshape(grid.shape)
    else:
        copy = prior >= 0.5
    control = dice(copy, entry.reference)
    yield score(entry, kind, CONTROL, copy, None, control=control, seconds=0.0)
    evidence, before = timed(lambda: evidence_for(entry.volume, drawn, prior=prior))
    opinions: dict[str, NDArray[np.float32]] = {}
    taken: dict[str, float] = {}
    for name in dict.fromkeys((*engines, *AGREEMENT)):
        opinions[name], taken[name] = timed(lambda name=name: ENGINES[name](evidence))
    for names, engine in [((name,), name) for name in engines] + [(AGREEMENT, MEAN)]:
        proposal, after = timed(lambda names=names: proposal_from(evidence, {name: opinions[name] for name in names}))
        seconds = before + after + sum(taken[name] for name in names)
        yield score(entry, kind, engine, proposal.mask, proposal, control=control, seconds=seconds)


def timed(call: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def dice(one: BoolArray, two: BoolArray) -> float:
    return float(2 * (one & two).sum() / max(one.sum() + two.sum(), 1))


def earlier(entry: Case, growth: float, random: np.random.Generator) -> FloatArray:
    """The reference ``growth`` times smaller, and shifted, as a probability map."""
    centre = np.argwhere(entry.reference).mean(axis=0)
    moved = centre + entry.volume.grid.index_from_point[:3, :3] @ random.normal(0, SHIFT_MM, 3)
    return ndimage.affine_transform(
        entry.reference.astype(np.float64), np.eye(3) * growth, centre - growth * moved, order=1
    )


def bootstrap(scores: Sequence[Score]) -> tuple[float, float]:
    """95 % interval of the mean gain over the control, patients drawn with replacement."""
    patients = sorted({entry.patient for entry in scores})
    gain = {patient: [entry.gain for entry in scores if entry.patient == patient] for patient in patients}
    random = np.random.default_rng(0)
    draws = [
        np.mean(np.concatenate([gain[patients[i]] for i in random.integers(0, len(patients), len(patients))]))
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def table(scores: Sequence[Score]) -> None:
    print(
        "| prompt | engine | images | Dice | gain [95 %] | volume error, median (bias) | HD95 mm | surface Dice "
        "| interval95 holds the true volume | below .5, flagged | s |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for kind, engine in dict.fromkeys((entry.kind, entry.engine) for entry in scores):
        for group in ("all", "STS"):
            chosen = [e for e in scores if (e.kind, e.engine) == (kind, engine) and (group == "all" or group in e.case)]
            if chosen:
                print(f"| {kind} | {engine} | {group} {len(chosen)} | {' | '.join(figures(chosen))} |")


def figures(chosen: Sequence[Score]) -> Iterator[str]:
    low, high = bootstrap(chosen)
    errors = np.array([e.volume for e in chosen])
    poor = [e for e in chosen if e.dice < POOR]
    yield f"{np.mean([e.dice for e in chosen]):.3f}"
    yield f"{np.mean([e.gain for e in chosen]):+.3f} [{low:+.3f}, {high:+.3f}]"
    yield f"{np.median(abs(errors)):.0%} ({np.median(errors):+.0%})"
    yield f"{np.median([e.hd95_mm for e in chosen]):.1f}"
    yield f"{np.mean([e.surface_dice for e in chosen]):.2f}"
    yield f"{np.mean([e.covered for e in chosen]):.0%}"
    yield f"{len(poor)}, {np.mean([e.warned for e in poor]):.0%}" if poor else "0"
    yield f"{np.median([e.seconds for e in chosen]):.2f}"


def reader_table(rows: Sequence[tuple[str, FloatArray, FloatArray]]) -> None:
    print("| images | figure | " + " | ".join(f"after {n}" for n in range(STROKES + 1)) + " |")
    print("|---" * (STROKES + 3) + "|")
    for group in ("all", "STS"):
        chosen = [row for row in rows if group == "all" or group in row[0]]
        if not chosen:
            continue
        overlaps, errors = np.array([row[1] for row in chosen]), np.abs([row[2] for row in chosen])
        for name, values in (("median Dice", overlaps), ("median volume error", errors)):
            cells = " | ".join(f"{value:.3f}" for value in np.median(values, axis=0))
            print(f"| {group} {len(chosen)} | {name} | {cells} |")
        print(f"| {group} {len(chosen)} | worst single step | {np.diff(overlaps, axis=1).min():+.3f} |")


def read(entry: Case, drawn: tuple[Prompt, ...]) -> tuple[str, FloatArray, FloatArray]:
    proposed = segment_lesion(entry.volume, drawn).mask
    masks = list(masks_of_reader(proposed, entry.reference, entry.volume.grid, strokes=STROKES))
    volumes = np.array([mask.sum() / entry.reference.sum() - 1 for mask in masks])
    return entry.name, np.array([dice(mask, entry.reference) for mask in masks]), volumes


def editing_table() -> None:
    """Milliseconds of each operation on a lesion of 60 mm in 128³ voxels of 1 mm, best of five."""
    grid = Grid.from_spacing((128, 128, 128), (1.0, 1.0, 1.0))
    away = np.linalg.norm(np.indices(grid.shape) - 64.0, axis=0)
    mask = away + 3 * np.sin(np.indices(grid.shape)[0] / 4) < 30
    few = mask.copy()
    few[np.arange(128) % 8 != 0] = False
    dab = Stroke(((64.0, 64.0, 96.0),), radius_mm=6.0)
    calls: dict[str, Callable[[], object]] = {
        "paint": lambda: painted(mask, dab, grid),
        "smooth, 2 mm": lambda: smoothed(mask, grid, sigma_mm=2.0),
        "grow, 3 mm": lambda: grown(mask, grid, by_mm=3.0),
        "shrink, 3 mm": lambda: grown(mask, grid, by_mm=-3.0),
        "fill between every eighth slice": lambda: filled_between_slices(few, grid),
        "corrective stroke": lambda: corrected(mask, grid, [Correction(dab, adds=True)]),
    }
    print("| operation on 128³ | ms |\n|---|---|")
    for name, call in calls.items():
        print(f"| {name} | {1000 * min(timed(call)[1] for _ in range(5)):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cases", default="", help="only cases whose name holds this")
    parser.add_argument("--kinds", default="", help="only these prompts, by comma; follow-up is one of them")
    parser.add_argument("--engines", default=",".join(name for name in ENGINES if name != EXPECTED_SHAPE))
    parser.add_argument("--each", action="store_true", help="one line a case and prompt too, for the mean")
    parser.add_argument("--reader", action="store_true", help="the simulated reader instead")
    parser.add_argument("--editing", action="store_true", help="times of the editing operations instead")
    options = parser.parse_args()
    if options.editing:
        editing_table()
        return
    engines = [name for name in options.engines.split(",") if name]
    wanted = options.kinds.split(",") if options.kinds else []
    scores: list[Score] = []
    rows: list[tuple[str, FloatArray, FloatArray]] = []
    for entry in cases():
        for seed in range(options.seeds if options.cases in entry.name else 0):
            random = np.random.default_rng([seed, zlib.crc32(entry.name.encode())])
            every = {kind: d if isinstance(d, tuple) else (d,) for kind, d in prompts(entry, random).items()}
            if options.reader:
                rows.append(read(entry, every[BOX]))
                continue
            for kind, drawn in every.items():
                if not wanted or kind in wanted:
                    scores.extend(scores_of(entry, kind, drawn, None, engines))
            for growth in GROWTHS if not wanted or FOLLOW_UP in wanted else ():
                prior = earlier(entry, growth, random)
                scores.extend(scores_of(entry, f"earlier mask, grown × {growth:g}", (), prior, engines))
    if options.reader:
        reader_table(rows)
        return
    if options.each:
        means = [entry for entry in scores if entry.engine == MEAN]
        for name, kind in dict.fromkeys((entry.case, entry.kind) for entry in means):
            print(f"{name:16s} {kind:28s}", *figures([e for e in means if (e.case, e.kind) == (name, kind)]))
    table(scores)


if __name__ == "__main__":
    main()
