#!/usr/bin/env python
"""How far the volume of cement on CT is off, beside fixed thresholds and half-maximum.

    python scripts/benchmark_cement.py [--seeds 5] [--plateaus 1500,2200] [--slices 1,3] [--each]

Deposits of 3 and 7 mL, compact (a body with two fingers) and fragmented, in a lytic lesion in bone (cortex 1150 HU),
plateaus of 1500 to 8600 HU, clip at 3071 HU, slices of 0.75 to 5 mm, blur of 0.7 to 1.6 mm (full width at half maximum,
drawn), noise 12 HU; without and with a CT from before, which lies off by N(0, 0.3 mm) along each axis. Glue of 1 mL and
6700 HU in the lesion: none, there before, or new since.

Error: mean of |found ÷ true − 1| of all material together. Held: share of interval95 that hold the truth; width: its
half, median, as a share of the volume. Warned: share with a warning. Unmarked: worst error without one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from imaging.finding import Severity
from imaging.geometry import Rigid
from imaging.segmentation.cement import MaterialFind, find_material
from imaging.segmentation.segment import LesionId
from imaging.synthetic.bone_block import BoneBlock, ball_of, compact_deposit, fragmented_deposit, ml
from imaging.volume import Volume

PLATEAUS_HU = (1500.0, 2200.0, 3500.0, 5500.0, 8600.0)
SLICES_MM = (0.75, 1.5, 2.0, 3.0, 5.0)
VOLUMES_ML = (3.0, 7.0)
SHAPES = {"compact": compact_deposit, "fragmented": fragmented_deposit}
CLIP_HU = 3071.0
BLUR_MM = (0.7, 1.6)
RESIDUE_MM = 0.3
GLUE_HU, GLUE_ML, GLUE_PLACE_MM = 6700.0, 1.0, (-13.0, -9.0, -12.0)
THRESHOLDS_HU = (300.0, 500.0, 1000.0, 1500.0)
LESION = LesionId("L1")


@dataclass(frozen=True, kw_only=True)
class Row:
    plateau: float
    slice_mm: float
    shape: str
    before: bool
    glue: str
    blur_mm: float
    true_ml: float
    found_ml: float
    interval: tuple[float, float]
    warned: bool
    codes: tuple[str, ...]
    others: tuple[float, ...]

    @property
    def error(self) -> float:
        return self.found_ml / self.true_ml - 1

    @property
    def held(self) -> bool:
        return self.interval[0] <= self.true_ml <= self.interval[1]

    @property
    def width(self) -> float:
        return (self.interval[1] - self.interval[0]) / 2 / max(self.found_ml, 1e-9)

    @property
    def clipped(self) -> bool:
        return self.plateau > CLIP_HU


def rows(seeds: int, plateaus: Sequence[float], slices: Sequence[float], glues: Sequence[str]) -> Iterator[Row]:
    bare = BoneBlock.with_lesion()
    glue = ball_of(GLUE_ML, GLUE_PLACE_MM)
    for seed, volume_ml, shape in product(range(seeds), VOLUMES_ML, SHAPES):
        random = np.random.default_rng([seed, int(volume_ml), len(shape)])
        deposit = SHAPES[shape](volume_ml, random)
        for plateau, slice_mm, kind in product(plateaus, slices, glues):
            blur_mm = float(random.uniform(*BLUR_MM))
            noise_seed = int(random.integers(2**31))
            host = bare if kind == "none" else bare.painted(glue, GLUE_HU)
            how = {"slice_mm": slice_mm, "clip_hu": CLIP_HU, "blur_mm": blur_mm}
            after, lesion = host.painted(deposit, plateau).scanned(**how, seed=noise_seed)
            earlier, _ = (host if kind == "old" else bare).scanned(**how, seed=noise_seed + 1)
            shift = Rigid.from_shift(random.normal(0, RESIDUE_MM, 3))
            true_ml = ml(deposit | glue) if kind != "none" else ml(deposit)
            for before in (None, earlier):
                find = find_material(after, before=before, before_from_volume=shift, lesion_masks={LESION: lesion})
                low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
                told = [*find.findings, *(finding for piece in find.pieces for finding in piece.findings)]
                yield Row(
                    plateau=plateau,
                    slice_mm=slice_mm,
                    shape=shape,
                    before=before is not None,
                    glue=kind,
                    blur_mm=blur_mm,
                    true_ml=true_ml,
                    found_ml=sum(piece.volume_ml for piece in find.pieces),
                    interval=(low, high),
                    warned=any(
                        finding.severity is not Severity.INFO and finding.code != "MATERIAL_UNCLASSIFIED"
                        for finding in told
                    ),
                    codes=tuple(sorted({finding.code for finding in told})),
                    others=others(after, find),
                )


def others(ct: Volume, find: MaterialFind) -> tuple[float, ...]:
    """What fixed thresholds find in the block, and half of the brightest."""
    half = (float(np.quantile(ct.samples[find.labels > 0], 0.9)) + 45.0) / 2 if find.pieces else CLIP_HU
    voxel_ml = ct.grid.voxel_volume_mm3 / 1000
    return tuple(float(np.count_nonzero(ct.samples >= level) * voxel_ml) for level in (*THRESHOLDS_HU, half))


def line(name: str, chosen: Sequence[Row]) -> str:
    errors = np.array([row.error for row in chosen])
    unmarked = [abs(row.error) for row in chosen if not row.warned]
    peers = [np.mean([abs(row.others[k] / row.true_ml - 1) for row in chosen]) for k in range(len(chosen[0].others))]
    cells = [
        f"{len(chosen)}",
        f"{np.mean(abs(errors)):.1%} ({errors.mean():+.1%})",
        f"{abs(errors).max():.0%}",
        f"{np.mean([row.held for row in chosen]):.0%}",
        f"{np.median([row.width for row in chosen]):.0%}",
        f"{np.mean([row.warned for row in chosen]):.0%}",
        f"{max(unmarked, default=0.0):.0%}",
        *(f"{peer:.0%}" for peer in peers),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plateaus", default=",".join(f"{hu:g}" for hu in PLATEAUS_HU))
    parser.add_argument("--slices", default=",".join(f"{mm:g}" for mm in SLICES_MM))
    parser.add_argument("--glue", default="none", help="none, old, new; by comma")
    parser.add_argument("--each", action="store_true", help="one line a case too")
    options = parser.parse_args()
    every = []
    for row in rows(
        options.seeds,
        [float(hu) for hu in options.plateaus.split(",")],
        [float(mm) for mm in options.slices.split(",")],
        options.glue.split(","),
    ):
        every.append(row)
        if options.each:
            print(
                f"{row.plateau:g} HU {row.slice_mm:g} mm {row.shape} {row.glue} before={row.before} "
                f"blur {row.blur_mm:.2f}: {row.found_ml:.2f} of {row.true_ml:.2f} mL {row.error:+.1%} "
                f"[{row.interval[0]:.2f}, {row.interval[1]:.2f}] {' '.join(row.codes)}",
                flush=True,
            )
    peers = [f"≥ {level:g} HU" for level in THRESHOLDS_HU] + ["half-maximum"]
    print(f"| | n | error (bias) | worst | held | width | warned | unmarked | {' | '.join(peers)} |")
    print("|---" * (8 + len(peers)) + "|")
    for glue, clipped, before in product(dict.fromkeys(row.glue for row in every), (False, True), (True, False)):
        group = [row for row in every if (row.glue, row.clipped, row.before) == (glue, clipped, before)]
        name = f"glue {glue}, {'clipped' if clipped else 'unclipped'}, {'with' if before else 'no'} CT before"
        for thin in (True, False):
            part = [row for row in group if (row.slice_mm <= 2) == thin]
            if part:
                print(line(f"{name}, {'≤ 2' if thin else '3–5'} mm", part))
        for shape in SHAPES if clipped else ():
            part = [row for row in group if row.shape == shape]
            if part:
                print(line(f"{name}, {shape}", part))
        for plateau in dict.fromkeys(row.plateau for row in group):
            print(line(f"{name}, {plateau:g} HU", [row for row in group if row.plateau == plateau]))


if __name__ == "__main__":
    main()
