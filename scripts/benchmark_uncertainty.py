#!/usr/bin/env python
"""How often the stated technical intervals hold the truth, and how often a change is called one.

    python scripts/benchmark_uncertainty.py [--draws 200] [--pairs 400] [--segmented 60]

Coverage: solids of known volume (ellipsoids up to a factor of 2 between axes; ball, plate, rod, dumbbell, hollow ball)
in any pose. "grid": voxel centres inside, against the voxel grid's part alone. "volume" and the diameters: blurred,
averaged over slices, with 5 % noise, cut at half maximum by a rule that is off by what the model states, against the
whole technical interval. Wanted: 92–98 %; the binomial 95 % range of a row is printed beside it.

Change: reference masks, technical part alone. And through the segmenter: an MR of a lesion in marrow at two dates, each
with a box of its own whose every coordinate is jittered by N(0, 2 mm), against the whole interval.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict

import numpy as np

from imaging.geometry import Grid, Rigid
from imaging.measurement.change import measure_change
from imaging.measurement.measure import SegmentMeasurement, measure_segment
from imaging.segmentation.lesion import segment_lesion
from imaging.segmentation.prompt import BoxPrompt
from imaging.segmentation.segment import Segment
from imaging.synthetic.acquisition import MrScan, Sampling, acquire_mr
from imaging.synthetic.phantom import Lesion, Phantom
from imaging.synthetic.shape import Ellipsoid
from imaging.synthetic.tissue import CONTRASTS, Tissue
from imaging.synthetic.trial import SHAPES, Draw, Held, diameters_held, is_called_changed, volume_held

SIZES = ((10.0, 14.0), (14.0, 20.0), (20.0, 40.0), (40.0, 60.0))
SLICES = ((1.0, 2.0), (2.0, 3.5), (3.5, 5.0))
NAMED = ("ellipsoid", "ball", "plate", "rod")  # whose diameters are known
JITTER_MM = 2.0
SEED = 20030117


def coverage(draws: int) -> None:
    print("| shape | size mm | slices mm | figure | held | bias | sd |")
    print("|---|---|---|---|---|---|---|")
    everything: dict[str, list[Held]] = defaultdict(list)
    for shape_number, shape in enumerate(SHAPES):
        for size_number, size in enumerate(SIZES):
            for slice_number, slices in enumerate(SLICES):
                random = np.random.default_rng([SEED, shape_number, size_number, slice_number])
                count = draws if size[1] <= 40.0 else max(draws // 4, 1)
                found: dict[str, list[Held]] = defaultdict(list)
                for _ in range(count):
                    draw = Draw.of(shape, random.uniform(*size), random.uniform(*slices), random)
                    for held in (*volume_held(draw), *(diameters_held(draw) if shape in NAMED else ())):
                        found[held.name].append(held)
                for name, rows in found.items():
                    everything[name] += rows
                    ranges = f"{size[0]:g}–{size[1]:g} | {slices[0]:g}–{slices[1]:g}"
                    print(f"| {shape} | {ranges} | {name} | {told(rows)} |", flush=True)
    for name, rows in everything.items():
        print(f"| **all** | 10–60 | 1–5 | {name} | {told(rows)} |")


def told(rows: list[Held]) -> str:
    share = float(np.mean([row.is_held for row in rows]))
    margin = 1.96 * math.sqrt(max(share * (1 - share), 0.25 / len(rows)) / len(rows))
    errors = np.array([row.error for row in rows])
    return f"{share:.1%} ± {margin:.1%} ({len(rows)}) | {errors.mean():+.1%} | {errors.std():.1%}"


def change(pairs: int) -> None:
    random = np.random.default_rng(SEED)
    alarms = sum(is_called_changed(random.uniform(10.0, 60.0), 1.0, (1.0, 5.0), random) for _ in range(pairs))
    print(f"unchanged, 10–60 mm, slices 1–5 mm: called changed {alarms} of {pairs} ({alarms / pairs:.1%}; ≤ 5 %)")
    for growth in (0.7, 1.3):
        found = sum(is_called_changed(random.uniform(20.0, 60.0), growth, (1.0, 3.0), random) for _ in range(pairs))
        print(f"{growth - 1:+.0%}, 20–60 mm, slices 1–3 mm: found {found} of {pairs} ({found / pairs:.1%}; ≥ 90 %)")


def segmented(pairs: int) -> None:
    for growth in (1.0, 0.5, 1.3, 2.0, 3.0):
        random = np.random.default_rng([SEED, round(100 * growth)])
        called, ratios, spreads = 0, [], []
        for _ in range(pairs):
            axes = random.uniform(16.0, 32.0) * np.exp(random.uniform(-0.2, 0.2, 3))
            before, after = (proposed(axes * math.cbrt(g), random) for g in (1.0, growth))
            called += measure_change(before, after).exceeds_error is True
            ratios.append(after.volume_ml.value / before.volume_ml.value / growth)
            spreads += [m.volume_error.reader.engines for m in (before, after) if m.volume_error.reader]
        spread = float(np.std(np.log(ratios)))
        print(
            f"segmented, volume × {growth:g}: called changed {called} of {pairs} ({called / pairs:.0%}); ratio off by "
            f"{spread:.1%} (sd of its logarithm), engines' spread {np.median(spreads):.1%} (median)",
            flush=True,
        )


def proposed(axes_mm: np.ndarray, random: np.random.Generator) -> SegmentMeasurement:
    """A lesion in marrow on an MR at its own place and pose, outlined from a jittered box."""
    center = random.uniform(-2.0, 2.0, 3)
    solid = Ellipsoid(center_mm=tuple(center), axes_mm=tuple(axes_mm), lobulation=0.08)
    contrasts = {**CONTRASTS, Tissue.MUSCLE: CONTRASTS[Tissue.MARROW_BODY]}
    phantom = Phantom(pelvis=None, lesions=(Lesion(id="L1", solid=solid, oedema_mm=0.0),), contrasts=contrasts)
    spacing = (random.uniform(2.0, 4.0), *[random.uniform(0.7, 1.1)] * 2)
    half = [math.ceil(axes_mm.max() / step) for step in spacing]
    shape = (2 * half[0] + 1, 2 * half[1] + 1, 2 * half[2] + 1)
    affine = Grid.from_spacing(shape, spacing).affine.copy()
    affine[:3, 3] = -affine[:3, :3] @ half
    sampling = Sampling(grid=Grid(shape, affine), body_from_patient=Rigid.identity())
    (image,) = acquire_mr(phantom, MrScan(sampling=sampling, noise_seed=int(random.integers(1 << 30)), noise=0.03))
    corners = np.array([center - axes_mm / 2, center + axes_mm / 2]) + random.normal(0.0, JITTER_MM, (2, 3))
    proposal = segment_lesion(image, [BoxPrompt(tuple(map(tuple, corners.tolist())))])
    return measure_segment(Segment(mask=proposal.mask, grid=image.grid), volume=image, engine_wcv=proposal.volume_wcv)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200, help="for each shape, size and slice thickness; 0: none")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--segmented", type=int, default=60)
    options = parser.parse_args()
    if options.draws:
        coverage(options.draws)
    if options.pairs:
        change(options.pairs)
    if options.segmented:
        segmented(options.segmented)


if __name__ == "__main__":
    main()
