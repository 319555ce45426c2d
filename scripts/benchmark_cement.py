#!/usr/bin/env python
"""How far the volume of cement on CT is off, beside fixed thresholds and half-maximum.

    python scripts/benchmark_cement.py [--seeds 5] [--plateaus 1500,2200] [--slices 1,3] [--each]
    python scripts/benchmark_cement.py [--real 3] [--leaks 60] [--neural 300] [--naming 20] [--streaks 10] [--times]

Without one of the second line's options the phantom grid is run:

Deposits of 3 and 7 mL, compact (a body with two fingers) and fragmented, in a lytic lesion in bone (cortex 1150 HU),
plateaus of 1500 to 8600 HU, clip at 3071 HU, slices of 0.75 to 5 mm, blur of 0.7 to 1.6 mm (full width at half maximum,
drawn), noise 12 HU; without and with a CT from before, which lies off by N(0, 0.3 mm) along each axis. Glue of 1 mL and
6700 HU in the lesion: none, there before, or new since.

Error: mean of |found ÷ true − 1| of all material together. Held: share of interval95 that hold the truth; width: its
half, median, as a share of the volume. Warned: share with a warning. Unmarked: worst error without one.

real: compact cement of 1, 3 and 7 mL in the vertebrae of the shared scans (../shared/data, not part of the repository),
    2200 HU, and 5500 HU clipped at 3071; without and with the untouched scan as CT from before, off by N(0, 0.3 mm);
    then the untouched scans, and phantoms of what is no cement, with how much of them is called so; and what is told of
    material in the scans' clean canals.
leaks: 0.05 to 2 mL beside bone, in six compartments given as masks; true is what lies more than 1 mm beyond bone and
    lesion. neural: as many leaks of 0.1 to 0.5 mL in a canal, and the same CTs without the leak.
naming: pieces of cement, glue and metal under what a case file may say of their history (cement_naming.py).
streaks: two deposits in phantoms and real scans, with and without a streak between them (cement_streaks.py).
times: finding and relating three deposits on a CT of 512 × 512 × 300.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from cement_cases import Host, Inserted, canal_in, hosts, inserted, negative_scans
from cement_leaks import leaks_table, neural_table
from cement_naming import naming_table
from cement_streaks import streaks_table
from cement_times import times_table

from imaging.arrays import BoolArray
from imaging.finding import Severity
from imaging.geometry import Rigid
from imaging.measurement.material import neural_total
from imaging.measurement.neural import neural_doubt
from imaging.segmentation.cement import MaterialFind, find_material
from imaging.segmentation.segment import LesionId, SegmentKind
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


def real_row(case: Inserted, *, before: bool, shift: Rigid) -> Row:
    find = find_material(
        case.volume, before=case.host.volume if before else None, before_from_volume=shift if before else None
    )
    low, high = (sum(piece.interval95_ml[end] for piece in find.pieces) for end in (0, 1))
    told = [*find.findings, *(finding for piece in find.pieces for finding in piece.findings)]
    expected = {"MATERIAL_UNCLASSIFIED", *(finding.code for finding in case.host.volume.findings)}
    return Row(
        plateau=case.plateau,
        slice_mm=case.host.volume.grid.spacing_mm[0],
        shape="compact",
        before=before,
        glue="none",
        blur_mm=case.blur_mm,
        true_ml=case.true_ml,
        found_ml=sum(piece.volume_ml for piece in find.pieces),
        interval=(low, high),
        warned=any(f.severity is not Severity.INFO and f.code not in expected for f in told),
        codes=tuple(sorted({finding.code for finding in told})),
        others=others(case.volume, find),
    )


def real_table(seeds: int) -> None:
    every: dict[str, list[Row]] = {}
    untouched: list[Host] = []
    for host in hosts():
        untouched.append(host)
        for case in inserted(host, range(seeds)):
            shift = Rigid.from_shift(np.random.default_rng([seeds, int(case.plateau)]).normal(0, RESIDUE_MM, 3))
            for before in (True, False):
                every.setdefault(host.name, []).append(real_row(case, before=before, shift=shift))
    header()
    for name, rows_of in {**every, "all": [row for part in every.values() for row in part]}.items():
        for clipped, before in product((False, True), (True, False)):
            part = [row for row in rows_of if (row.clipped, row.before) == (clipped, before)]
            label = f"{name}, {'clipped' if clipped else 'unclipped'}, {'with' if before else 'no'} CT before"
            print(line(label, part))
    print(
        "\n| untouched | pieces | cement mL, history unknown | after cement elsewhere | canal |\n|---|---|---|---|---|"
    )
    for host in untouched:
        print(f"| {host.name} | {cement_cells(host.volume)} | {canal_cell(host)} |")
    found: dict[str, list[tuple[int, float, float]]] = {}
    for name, _, ct, lesion in negative_scans(range(seeds)):
        found.setdefault(name, []).append(cement_ml(ct, {LESION: lesion}))
    for name, cells in found.items():
        pieces, unknown, known = np.max(cells, axis=0)
        print(f"| phantom of {name}, worst of {len(cells)} | {pieces:.0f} | {unknown:.2f} | {known:.2f} | |")


def cement_ml(ct: Volume, lesions: Mapping[LesionId, BoolArray]) -> tuple[int, float, float]:
    """Pieces, and what is called cement without and with a history of cement."""
    finds = [find_material(ct, lesion_masks=lesions, agents=agents) for agents in (None, ("pmma-barium",))]
    unknown, known = (sum(p.volume_ml for p in find.pieces if p.kind is SegmentKind.CEMENT) for find in finds)
    return len(finds[0].pieces), unknown, known


def cement_cells(ct: Volume) -> str:
    pieces, unknown, known = cement_ml(ct, {})
    return f"{pieces} | {unknown:.2f} | {known:.2f}"


def canal_cell(host: Host) -> str:
    """What is told of material in the clean canal."""
    canal = canal_in(host)
    find = find_material(host.volume, neural=canal)
    told = neural_total(find, canal, neural_doubt(host.volume, find, canal))
    size_ml = np.count_nonzero(canal) * host.volume.grid.voxel_volume_mm3 / 1000
    return f"{size_ml:.1f} mL: {'cannot be excluded' if told is None else f'{told.value:.2f} mL'}"


def header() -> None:
    peers = [f"≥ {level:g} HU" for level in THRESHOLDS_HU] + ["half-maximum"]
    print(f"\n| | n | error (bias) | worst | held | width | warned | unmarked | {' | '.join(peers)} |")
    print("|---" * (8 + len(peers)) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plateaus", default=",".join(f"{hu:g}" for hu in PLATEAUS_HU))
    parser.add_argument("--slices", default=",".join(f"{mm:g}" for mm in SLICES_MM))
    parser.add_argument("--glue", default="none", help="none, old, new; by comma")
    parser.add_argument("--each", action="store_true", help="one line a case too")
    parser.add_argument("--real", type=int, default=0, metavar="SEEDS", help="cement in the shared scans")
    parser.add_argument("--leaks", type=int, default=0, metavar="COUNT", help="planted leaks")
    parser.add_argument("--neural", type=int, default=0, metavar="COUNT", help="planted leaks in a canal")
    parser.add_argument("--naming", type=int, default=0, metavar="SEEDS", help="cement, glue and metal")
    parser.add_argument("--streaks", type=int, default=0, metavar="SEEDS", help="streaked and clean CTs")
    parser.add_argument("--times", action="store_true", help="seconds on a large CT")
    options = parser.parse_args()
    if not any((options.real, options.leaks, options.neural, options.naming, options.streaks, options.times)):
        grid(options)
    if options.real:
        real_table(options.real)
    if options.leaks:
        leaks_table(options.leaks)
    if options.neural:
        neural_table(options.neural)
    if options.naming:
        naming_table(range(options.naming))
    if options.streaks:
        streaks_table(range(options.streaks))
    if options.times:
        times_table()


def grid(options: argparse.Namespace) -> None:
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
    header()
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
