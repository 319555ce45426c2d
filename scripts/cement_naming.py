"""Pieces of cement, glue and metal under what a case file may say of their history, and how they are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imaging.arrays import BoolArray
from imaging.segmentation.bone import bone_mask
from imaging.segmentation.cement import find_material
from imaging.segmentation.segment import LesionId, SegmentKind
from imaging.synthetic.bone_block import FINE_MM, BoneBlock, ball_of, tube
from imaging.volume import Volume

LESION = LesionId("L1")
LEAST_ML = 0.2
CLIP_HU, SLICES_MM, BLUR_MM = 3071.0, (0.75, 3.0), (0.7, 1.6)
CEMENT_HU = (1800.0, 5500.0)  # 10 to 20 % of barium by weight when set, at 120 kVp
DENSE_CEMENT_HU = (6900.0, 8600.0)  # beyond 20 %: as dense as glue
GLUE_HU = (6000.0, 10700.0)  # N-BCA/lipiodol 1:1, a tenth of it blood, to 1:4
FADED = (0.3, 1.0)
APART = 1.2
CEMENT, GLUE = "pmma-barium", "nbca-lipiodol"
DECIDED = ("only cement", "only glue", "glue, CT, cement", "one day, apart, unclipped")
HISTORIES = (*DECIDED, "one day, cement denser than glue", "one day, clipped", "both, dates unknown", "history unknown")


@dataclass(frozen=True, kw_only=True)
class Named:
    history: str
    truth: SegmentKind
    kind: SegmentKind
    confidence: float

    @property
    def outcome(self) -> str:
        if self.kind is SegmentKind.UNCLASSIFIED:
            return "unclassified"
        return "right" if self.kind is self.truth else "wrong"


def named(history: str, seed: int) -> Iterator[Named]:
    """How every piece of 0.2 mL and more is named that one history leaves in a block of bone."""
    random = np.random.default_rng([seed, HISTORIES.index(history)])
    bodies = bodies_of(history, random)
    clip = CLIP_HU if "clipped" in history.split() or ("one day" not in history and random.random() < 0.5) else None
    how = {
        "slice_mm": float(random.uniform(*SLICES_MM)),
        "blur_mm": float(random.uniform(*BLUR_MM)),
        "clip_hu": clip,
    }
    bare = BoneBlock.with_lesion()
    after, before = bare, bare
    for kind, where, hu in bodies:
        faded = kind is SegmentKind.EMBOLIC and "one day" not in history
        after = after.painted(where, hu * float(random.uniform(*FADED)) if faded else hu)
        before = before.painted(where, hu) if kind is SegmentKind.EMBOLIC else before
    ct, lesion = after.scanned(**how, seed=int(random.integers(2**31)))
    earlier, _ = before.scanned(**how, seed=int(random.integers(2**31)))
    with_before = history == "glue, CT, cement"
    find = find_material(
        ct,
        before=earlier if with_before else None,
        lesion_masks={LESION: lesion},
        bone=bone_mask(ct, lesion=lesion),
        agents=agents_of(history),
        agents_before=(GLUE,) if with_before else None,
        embolic_age_days=0.0 if "one day" in history else None,
    )
    for piece in find.pieces:
        if piece.volume_ml >= LEAST_ML:
            truth = truth_of(find.labels == piece.label, ct, bodies)
            yield Named(history=history, truth=truth, kind=piece.kind, confidence=piece.confidence)


def bodies_of(history: str, random: np.random.Generator) -> list[tuple[SegmentKind, BoolArray, float]]:
    """Kind, place and HU of what lies in the block."""
    cement_hu, glue_hu = 0.0, 0.0
    while not apart(history, cement_hu, glue_hu):
        denser = history == "one day, cement denser than glue"
        cement_hu = float(random.uniform(*(DENSE_CEMENT_HU if denser else CEMENT_HU)))
        glue_hu = float(random.uniform(5700.0, 6700.0)) if denser else float(random.uniform(*GLUE_HU))
    cement = ball_of(float(random.uniform(0.3, 4.0)), np.array([-8, 2, -6]) + random.uniform(-1, 1, 3))
    centre = np.array([10, 2, 8]) + random.uniform(-1, 1, 3)
    glue = ball_of(float(random.uniform(0.3, 1.0)), centre)
    if random.random() < 0.5:
        glue = tube(centre, random.normal(size=3), float(random.uniform(1.6, 2.2)), float(random.uniform(12, 18)) / 2)
    thick = random.random() < 0.5
    metal = tube((0, -17, 0), (1, 0.1, 0.1), float(random.uniform(1.8, 3.0)) if thick else 1.2, 22.0)
    bodies = []
    if history != "only glue":
        bodies.append((SegmentKind.CEMENT, cement, cement_hu))
    if history != "only cement":
        bodies.append((SegmentKind.EMBOLIC, glue, glue_hu))
    if random.random() < 0.4:
        bodies.append((SegmentKind.METAL, metal, 12900.0))
    return bodies


def apart(history: str, cement_hu: float, glue_hu: float) -> bool:
    if not cement_hu:
        return False
    return "one day, apart" not in history or glue_hu >= APART * cement_hu


def agents_of(history: str) -> tuple[str, ...] | None:
    if history == "history unknown":
        return None
    return {"only cement": (CEMENT,), "only glue": (GLUE,)}.get(history, (GLUE, CEMENT))


def truth_of(piece: BoolArray, ct: Volume, bodies: Sequence[tuple[SegmentKind, BoolArray, float]]) -> SegmentKind:
    """The kind of the body that most of a piece lies in or nearest to."""
    places = (np.argwhere(piece) + 0.5) * ct.grid.spacing_mm / FINE_MM - 0.5
    held = [ndimage.map_coordinates(where.astype(np.float32), places.T, order=1).sum() for _, where, _ in bodies]
    return bodies[int(np.argmax(held))][0]


def naming_table(seeds: Sequence[int]) -> None:
    every = [piece for history in HISTORIES for seed in seeds for piece in named(history, seed)]
    print("\n| history | pieces ≥ 0.2 mL | right | unclassified | wrong |\n|---|---|---|---|---|")
    groups = {history: [piece for piece in every if piece.history == history] for history in HISTORIES}
    groups["dates or plateaus decide"] = [piece for piece in every if piece.history in DECIDED]
    groups["all"] = every
    for name, chosen in groups.items():
        counts = [sum(piece.outcome == outcome for piece in chosen) for outcome in ("right", "unclassified", "wrong")]
        print(f"| {name} | {len(chosen)} | {' | '.join(f'{n} ({n / max(len(chosen), 1):.0%})' for n in counts)} |")
    for piece in every:
        if piece.outcome == "wrong":
            print(f"wrong: {piece.history}: {piece.truth.value} named {piece.kind.value} ({piece.confidence})")
