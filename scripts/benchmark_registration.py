#!/usr/bin/env python
"""Registration against what is known: made-up pelves, real limbs and heads, and the time beside SimpleITK.

    python scripts/benchmark_registration.py [--pairs 60] [--seed 2] [--each] [--only phantoms,sarcomas,heads,times]

Phantoms: the pairs of registration_pairs.py; error at the eight foramina, the worst of them per pair, and the same to
where fat is shown. Beside them every sixth pair as if its position had been entered upside down, which must be refused.
Sarcomas: CT and MR of one day (../shared/data, not part of the repository) with a known offset of up to 30 mm per axis
and 20° on one of them; the error is the mean over the tumour, to what the shared frame claims. That claim is doubtful
for STS_012 and plainly wrong for STS_019 (a hand that moved): a registration of theirs that agrees with the images does
not agree with it, so the distance to the same images' answer without the offset is told too. Beside them the images of
two patients, which must be refused.
Heads: two dates of two patients; the earlier tumour mask, carried over, against the later one.
Times: best of --rounds, one process, beside SimpleITK's Mattes mutual information on images averaged to 2 mm
(4/2/1 × shrink, 5 % of the samples), from the same start: the centres of the images laid over each other.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its users write
from registration_pairs import (
    SARCOMAS,
    Pair,
    gliomas,
    misstated,
    phantom_pair,
    sarcoma,
    sarcoma_pairs,
)

from imaging.geometry import Grid, Rigid
from imaging.registration.blocks import block_grid, block_means
from imaging.registration.rigid import Registration, register
from imaging.sitk import image_from, rigid_from
from imaging.synthetic.acquisition import CtScan, Sampling, acquire_ct
from imaging.synthetic.phantom import Phantom
from imaging.volume import Volume
from imaging.volume.resample import resample_probability

WIDE_MM = 5.0  # beyond this an accepted answer is a wrong one
PEER_MM = 2.0
PEER_SHARE, PEER_STEPS, PEER_BINS = 0.05, 200, 32


class Tally:
    """Errors and verdicts of one group of pairs."""

    def __init__(self, limit_mm: float) -> None:
        self.limit_mm = limit_mm
        self.rows: dict[str, list[tuple[float, float, bool]]] = {}

    def add(self, groups: Iterable[str], error_mm: float, other_mm: float, *, accepted: bool) -> None:
        for group in groups:
            self.rows.setdefault(group, []).append((error_mm, other_mm, accepted))

    def print(self, title: str, other: str) -> None:
        limit = f"{self.limit_mm:g} mm"
        print(
            f"| {title} | pairs | median, 95th percentile mm | ≤ {limit} | {other}: 95th, ≤ {limit} | accepted "
            f"| accepted ≤ {limit} | accepted > {WIDE_MM:g} mm | rejected ≤ {limit} |\n" + "|---" * 9 + "|"
        )
        for group, rows in self.rows.items():
            error, shown, verdict = (np.array(column) for column in zip(*rows, strict=True))
            accepted, good = verdict.astype(bool), error <= self.limit_mm
            print(
                f"| {group} | {len(rows)} | {np.median(error):.2f}, {np.percentile(error, 95):.2f} | {good.mean():.0%} "
                f"| {np.percentile(shown, 95):.2f}, {(shown <= self.limit_mm).mean():.0%} | {accepted.mean():.0%} "
                f"| {good[accepted].mean() if accepted.any() else 0:.0%} | {(accepted & (error > WIDE_MM)).sum()} "
                f"| {(good & ~accepted).sum()} |"
            )


def told(pair: Pair, found: Registration, error_mm: float) -> str:
    reasons = "; ".join(finding.message for finding in found.findings)
    return f"{pair.name:32s} {error_mm:6.2f} mm {'accepted' if found.accepted else 'rejected'} {reasons}"


def phantoms(count: int, seed: int, *, each: bool) -> None:
    tally, refused, tried = Tally(2.0), 0, 0
    for number in range(count):
        pair = phantom_pair(seed, number)
        found = register(pair.fixed, pair.moving)
        error = float(pair.errors_mm(found.fixed_from_moving).max())
        shown = float(pair.shown_errors_mm(found.fixed_from_moving).max())
        groups = ["all", pair.kind] + (["prone with supine"] if "turned over" in pair.name else [])
        tally.add(groups, error, shown, accepted=found.accepted)
        if number % 6 == 0:
            tried += 1
            upside_down = misstated(pair)
            refused += not register(upside_down.fixed, upside_down.moving).accepted
        if each:
            print(told(pair, found, error), flush=True)
    tally.print("phantoms", "as shown")
    print(f"\nPosition entered upside down: {refused} of {tried} refused.\n")


def sarcomas(count: int, seed: int, *, each: bool) -> None:
    tally = Tally(3.0)
    images = {patient: (sarcoma(patient, "CT")[0], sarcoma(patient, "MR_T1")[0]) for patient in SARCOMAS}
    plain = {patient: register(*both).fixed_from_moving for patient, both in images.items()}
    for pair in sarcoma_pairs(count, seed):
        found = register(pair.fixed, pair.moving)
        error = float(pair.errors_mm(found.fixed_from_moving).mean())
        own = float(
            replace(pair, fixed_from_moving=pair.with_offset(plain[pair.kind]))
            .errors_mm(found.fixed_from_moving)
            .mean()
        )
        groups = ["all", pair.kind]
        if pair.kind not in ("STS_012", "STS_019"):
            groups.insert(1, "the three whose frame holds")
        tally.add(groups, error, own, accepted=found.accepted)
        if each:
            print(told(pair, found, error), flush=True)
    tally.print("sarcomas", "to its own answer")
    strangers = list(itertools.permutations(SARCOMAS, 2))
    refused = sum(not register(images[one][0], images[two][1]).accepted for one, two in strangers)
    print(f"\nCT and MR of two patients: {refused} of {len(strangers)} refused.\n")


def heads() -> None:
    print(
        "| head | verdict | true ratio | carried: Dice | direction | ratio through the registration |\n"
        + "|---" * 6
        + "|"
    )
    for name, before, after, first, then in gliomas():
        found = register(after, before)
        onto = after.grid
        carried = resample_probability(first.mask, first.grid, onto, grid_from_onto=found.fixed_from_moving.inverse())
        earlier_ml, later_ml = (float(a.sum()) * onto.voxel_volume_mm3 / 1000 for a in (carried, then.mask))
        truth = then.mask.sum() / first.mask.sum()
        overlap = 2 * carried[then.mask].sum() / (carried.sum() + then.mask.sum())
        direction = "right" if (later_ml > earlier_ml) == (truth > 1) else "wrong"
        verdict = "accepted" if found.accepted else "rejected"
        print(f"| {name} | {verdict} | {truth:.2f} | {overlap:.2f} | {direction} | {later_ml / earlier_ml:.2f} |")
    (_, one, one_later, *_), (_, two, two_later, *_) = gliomas()
    strangers = list(itertools.product((one, one_later), (two, two_later)))
    refused = sum(not register(a, b).accepted for a, b in strangers)
    print(f"\nTwo patients' heads: {refused} of {len(strangers)} refused.\n")


def large_cts(seed: int) -> Pair:
    """Two CT of 512 × 512 × 300 voxels, 10 mm and 5° apart."""
    turn = np.radians(5.0)
    matrix = np.eye(4)
    matrix[:3, :3] = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    matrix[:3, 3] = (6.0, -4.0, 7.0)
    offset = Rigid(matrix)
    grid = Grid.from_spacing((300, 512, 512), (0.6, 0.75, 0.75), origin_mm=(-192.0, -180.0, -110.0))
    poses = (Rigid.identity(), offset)
    images = [
        acquire_ct(
            Phantom(),
            CtScan(
                sampling=Sampling(grid=grid, body_from_patient=pose.inverse(), fine=(1, 1, 1)), noise_seed=seed + number
            ),
        )
        for number, pose in enumerate(poses)
    ]
    targets = offset.apply([[24.0, 0.0, 4.0], [-24.0, 0.0, 4.0], [16.0, 20.0, -55.0], [-16.0, 20.0, -55.0]])
    return Pair(
        name="CT–CT 512 × 512 × 300",
        kind="CT–CT",
        fixed=images[0],
        moving=images[1],
        fixed_from_moving=offset.inverse(),
        targets=targets,
    )


def shrunk(volume: Volume) -> sitk.Image:
    factors = [max(1, round(PEER_MM / step)) for step in volume.grid.spacing_mm]
    return image_from(block_means(volume.samples.astype(np.float32), factors), block_grid(volume.grid, factors))


def by_peer(pair: Pair) -> Rigid:
    fixed, moving = shrunk(pair.fixed), shrunk(pair.moving)
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(PEER_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(PEER_SHARE, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-4, PEER_STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SetInitialTransform(start, inPlace=False)
    return rigid_from(method.Execute(fixed, moving)).inverse()


def times(seed: int, rounds: int) -> None:
    chosen = [(phantom_pair(seed, 4), "MR–MR"), (large_cts(seed), "CT–CT"), (phantom_pair(seed, 1), "MR–CT")]
    print("| pair | shapes | osteotrace s, error mm | SimpleITK at 2 mm s, error mm |\n|---|---|---|---|")
    for pair, kind in chosen:
        cells = []
        for way in (lambda p: register(p.fixed, p.moving).fixed_from_moving, by_peer):
            best, error = np.inf, np.nan
            for _ in range(rounds):
                started = time.perf_counter()
                found = way(pair)
                best = min(best, time.perf_counter() - started)
                error = float(pair.errors_mm(found).max())
            cells.append(f"{best:.2f}, {error:.2f}")
        print(f"| {kind} | {pair.fixed.grid.shape}, {pair.moving.grid.shape} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=60, help="of phantoms; five sixths as many sarcomas")
    parser.add_argument("--seed", type=int, default=2, help="1 is the one that choices were made on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="phantoms,sarcomas,heads,times")
    parser.add_argument("--each", action="store_true", help="one line a pair too")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if "phantoms" in wanted:
        phantoms(options.pairs, options.seed, each=options.each)
    if "sarcomas" in wanted:
        sarcomas(options.pairs * 5 // 6, options.seed, each=options.each)
    if "heads" in wanted:
        heads()
    if "times" in wanted:
        times(options.seed, options.rounds)


if __name__ == "__main__":
    main()
