"""CTs with two deposits, clean and with a streak between them, and how many of both are said to be streaked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from cement_cases import CLIP_HU, Host, grain_of, hosts, with_cement

from imaging.segmentation.cement import find_material
from imaging.synthetic.bone_block import BoneBlock, ball_of, compact_deposit, ellipsoid
from imaging.synthetic.streak import Streak
from imaging.volume import Volume

PLATEAU_HU, CEMENT_ML = 5500.0, 3.0
APART_MM = (30.0, 45.0)  # between the two deposits' centres
CODE = "BEAM_HARDENING"


def phantoms(seed: int) -> Iterator[tuple[str, bool, Volume]]:
    """A block with two deposits; fat beside it in half of the cases."""
    random = np.random.default_rng([seed, 21])
    block = BoneBlock.with_lesion()
    if seed % 2:
        block = block.painted(~ellipsoid((0, 0, 0), (32.0, 27.0, 29.0)), -100.0)
    ends = np.array([[0.0, 0.0, -19.0], [0.0, 0.0, 21.0]]) + random.uniform(-2, 2, (2, 3))
    for end in ends:
        block = block.painted(ball_of(1.0, end), PLATEAU_HU)
    ct, _ = block.scanned(
        slice_mm=float(random.uniform(1, 3)), blur_mm=float(random.uniform(0.7, 1.6)), clip_hu=CLIP_HU, seed=seed
    )
    half = np.array(ct.grid.shape) * ct.grid.spacing_mm / 2 - np.array(ct.grid.spacing_mm) / 2
    yield "phantom", False, ct
    yield "phantom", True, streaked(ct, *(end + half for end in ends), random, noise_hu=12.0)


def inserted(host: Host, seed: int) -> Iterator[tuple[str, bool, Volume]]:
    """A real scan with two deposits side by side, the first in the vertebra."""
    random = np.random.default_rng([seed, 22, *host.name.encode()])
    volume, step = host.volume, np.array(host.volume.grid.spacing_mm)
    first = np.argwhere(host.vertebra).mean(axis=0)
    turn = random.uniform(0, np.pi)
    second = first + random.uniform(*APART_MM) * np.array([0.0, np.sin(turn), np.cos(turn)]) / step
    for place in (first, second):
        deposit = compact_deposit(CEMENT_ML, random)
        volume = with_cement(volume, deposit, place, plateau=PLATEAU_HU, blur_mm=1.0)
    noise_hu = float(np.std(grain_of(host.volume.samples[:, 150:-150, 150:-150].astype(np.float64))))
    yield host.name, False, volume
    yield host.name, True, streaked(volume, first * step, second * step, random, noise_hu=noise_hu)


def streaked(
    ct: Volume, start: np.ndarray, stop: np.ndarray, random: np.random.Generator, *, noise_hu: float
) -> Volume:
    """The CT with a dark, noisy band between two places (mm from the first voxel) and bright flanks beside it."""
    streak = Streak(start_mm=tuple(start.tolist()), stop_mm=tuple(stop.tolist()))
    axes = [np.arange(n) * s for n, s in zip(ct.grid.shape, ct.grid.spacing_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    away = streak.away_mm(z, y, x)
    more = np.sqrt(streak.noise_at(away).astype(np.float64) ** 2 - 1) * noise_hu
    samples = ct.samples + streak.offset_hu(away) + more * random.normal(size=ct.samples.shape)
    dense = ct.samples > 1000
    samples = np.where(dense, ct.samples, np.clip(samples, -1024, CLIP_HU))
    return replace(ct, samples=np.rint(samples).astype(np.int16))


def streaks_table(seeds: Sequence[int]) -> None:
    counts: dict[tuple[str, bool], list[bool]] = {}
    real = [host for host in hosts() if host.volume.grid.shape[1] > 200]
    for seed in seeds:
        cases = [*phantoms(seed), *(case for host in real for case in inserted(host, seed))]
        for name, is_streaked, ct in cases:
            told = CODE in {finding.code for finding in find_material(ct).findings}
            counts.setdefault((name, is_streaked), []).append(told)
    print("\n| CT | streaked, said to be | clean, said to be streaked |\n|---|---|---|")
    for name in dict.fromkeys(name for name, _ in counts):
        bad, clean = counts[name, True], counts[name, False]
        print(f"| {name} | {sum(bad)} of {len(bad)} | {sum(clean)} of {len(clean)} |")
