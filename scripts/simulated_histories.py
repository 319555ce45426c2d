"""Courses of several lesions through three to five exams, with everything that happens to lesions, and the truth of it.

Lesions grow, shrink, come, go, grow together and fall apart. Every exam has its own pose, voxels and names; what is
known of the pose is off by what an accepted registration may be off, and outlines by what a hand is off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, count, product

import numpy as np
from scipy.spatial.transform import Rotation

from imaging.arrays import BoolArray, FloatArray
from imaging.geometry import Grid, Rigid
from imaging.lesions.match import EventKind
from imaging.segmentation.segment import LesionId, Segment

__all__ = ["Exam", "Happening", "simulated_history"]

EXAMS, LESIONS = (3, 5), (2, 5)
RESIDUE_MM, RESIDUE_DEG = 1.0, 0.7  # standard deviation per axis, about the middle of the body
POSE_MM, POSE_DEG = 20.0, 6.0
OWN_SHIFT_MM = 1.0  # standard deviation per axis of a lesion's own middle from exam to exam
OUTLINE = 0.05  # standard deviation of how far a hand's outline is off, of the radius
RADIUS_MM, SPLIT_FROM_MM = (4.0, 18.0), 8.0
SITES_MM = ((-80.0, 80.0), (-50.0, 60.0), (-60.0, 60.0))
APART_MM = 5.0  # between two lesions, and between a new one and the place of one that has gone
CLOSE_MM = 20.0  # no farther apart may two lesions be that grow together
GROWTH = 0.15  # standard deviation of ln radius from exam to exam
GONE, NEW, MERGING, SPLITTING = (
    0.10,
    0.30,
    0.30,
    0.15,
)  # chances at an exam: of each lesion, of one, of one pair, of each
SPACINGS_MM = ((3.0, 1.5, 1.5), (4.0, 1.3, 1.3), (2.5, 1.8, 1.8))

Happening = tuple[EventKind, frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """A round part of a lesion, in the body."""

    centre: FloatArray
    radius_mm: float

    def gap_mm(self, other: Ball) -> float:
        """Between the two surfaces; negative where they overlap."""
        return float(np.linalg.norm(self.centre - other.centre)) - self.radius_mm - other.radius_mm


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A lesion at one moment, and the number by which the truth knows it."""

    key: int
    balls: tuple[Ball, ...]

    def gap_mm(self, other: Body) -> float:
        return min(a.gap_mm(b) for a in self.balls for b in other.balls)


@dataclass(frozen=True, eq=False, kw_only=True)
class Exam:
    """Masks by name.

    Parameters
    ----------
    continued
        By each mask's name those on the exam before that it continues: none, one, or several that have merged.
    happened
        New, gone, merged and split, in the names of the exam before and of this one.
    seen_from_body
        The pose as registration finds it.
    """

    masks: Mapping[LesionId, Segment]
    continued: Mapping[LesionId, frozenset[str]]
    happened: frozenset[Happening]
    seen_from_body: Rigid

    def from_exam(self, earlier: Exam) -> Rigid:
        """here_from_there as two registrations see it."""
        return self.seen_from_body @ earlier.seen_from_body.inverse()


@dataclass(slots=True)
class Course:
    """The lesions of one body; each step says what becomes of them until the next exam, one event a lesion at most."""

    random: np.random.Generator
    there: list[Body] = field(default_factory=list)
    graves: list[Body] = field(default_factory=list)
    keys: Iterator[int] = field(default_factory=count)

    def step(self) -> list[tuple[EventKind, list[Body], list[Body]]]:
        """What happens: kind, bodies before, bodies after."""
        calm = list(self.there)
        happened = [*self.merged(calm), *self.split(calm), *self.gone(calm)]
        for _, before, after in happened:
            self.there = [body for body in self.there if body not in before] + after
        self.there = [self.grown(body) if body in calm else body for body in self.there]
        if self.random.uniform() < NEW:
            happened += [(EventKind.NEW, [], [body]) for body in self.appear()]
        return happened

    def appear(self) -> list[Body]:
        """A new lesion away from all that are and were; none where a hundred tries find no place."""
        for _ in range(100):
            centre = np.array([self.random.uniform(*span) for span in SITES_MM])
            body = Body(next(self.keys), (Ball(centre, float(self.random.uniform(*RADIUS_MM))),))
            if all(body.gap_mm(other) > APART_MM for other in (*self.there, *self.graves)):
                self.there.append(body)
                return [body]
        return []

    def merged(self, calm: list[Body]) -> Iterator[tuple[EventKind, list[Body], list[Body]]]:
        pairs = [pair for pair in combinations(calm, 2) if pair[0].gap_mm(pair[1]) < CLOSE_MM]
        if not pairs or self.random.uniform() > MERGING:
            return
        one, two = pairs[self.random.integers(len(pairs))]
        a, b = min(product(one.balls, two.balls), key=lambda pair: pair[0].gap_mm(pair[1]))
        way = (b.centre - a.centre) / np.linalg.norm(b.centre - a.centre)
        middle = (a.centre + a.radius_mm * way + b.centre - b.radius_mm * way) / 2
        bridge = Ball(middle, max(a.gap_mm(b), 0.0) / 2 + 0.6 * min(a.radius_mm, b.radius_mm))
        calm[:] = [body for body in calm if body not in (one, two)]
        yield EventKind.MERGED, [one, two], [Body(next(self.keys), (*one.balls, *two.balls, bridge))]

    def split(self, calm: list[Body]) -> Iterator[tuple[EventKind, list[Body], list[Body]]]:
        for body in list(calm):
            whole = body.balls[0]
            if len(body.balls) > 1 or whole.radius_mm < SPLIT_FROM_MM or self.random.uniform() > SPLITTING:
                continue
            way = self.random.normal(size=3)
            way *= 0.7 * whole.radius_mm / np.linalg.norm(way)
            sizes = self.random.uniform(0.4, 0.6, 2) * whole.radius_mm
            parts = [
                Body(next(self.keys), (Ball(whole.centre + side * way, float(size)),))
                for side, size in zip((1, -1), sizes, strict=True)
            ]
            calm.remove(body)
            yield EventKind.SPLIT, [body], parts

    def gone(self, calm: list[Body]) -> Iterator[tuple[EventKind, list[Body], list[Body]]]:
        for body in list(calm):
            if self.random.uniform() < GONE:
                calm.remove(body)
                self.graves.append(body)
                yield EventKind.GONE, [body], []

    def grown(self, body: Body) -> Body:
        """Larger or smaller, and a little elsewhere; as it was where it would touch another."""
        factor = float(np.exp(self.random.normal(0, GROWTH)))
        off = self.random.normal(0, OWN_SHIFT_MM, 3)
        middle = np.mean([ball.centre for ball in body.balls], axis=0)
        balls = tuple(
            Ball(middle + factor * (ball.centre - middle) + off, factor * ball.radius_mm) for ball in body.balls
        )
        changed = replace(body, balls=balls)
        others = [other for other in self.there if other is not body]
        return changed if all(changed.gap_mm(other) > APART_MM for other in others) else body


def simulated_history(seed: int) -> tuple[Exam, ...]:
    """A course of which the seed draws everything."""
    random = np.random.default_rng([seed, 23])
    course = Course(random)
    for _ in range(random.integers(LESIONS[0], LESIONS[1] + 1)):
        course.appear()
    names = names_of(course.there, random)
    exams = [imaged(course.there, names, before={}, happened=[], sources={}, random=random)]
    for _ in range(random.integers(EXAMS[0], EXAMS[1] + 1) - 1):
        before = names
        happened = course.step()
        names = names_of(course.there, random)
        sources = {part.key: whole for _, whole, parts in happened for part in parts}
        exams.append(imaged(course.there, names, before=before, happened=happened, sources=sources, random=random))
    return tuple(exams)


def names_of(bodies: Sequence[Body], random: np.random.Generator) -> dict[int, LesionId]:
    """By key, in an order that says nothing."""
    return {body.key: LesionId(f"mask {n}") for body, n in zip(bodies, random.permutation(len(bodies)), strict=True)}


def imaged(
    bodies: Sequence[Body],
    names: Mapping[int, LesionId],
    *,
    before: Mapping[int, LesionId],
    happened: Sequence[tuple[EventKind, list[Body], list[Body]]],
    sources: Mapping[int, Sequence[Body]],
    random: np.random.Generator,
) -> Exam:
    """One exam of the bodies, each outlined by hand on its own grid."""
    patient_from_body = posed(random.normal(0, POSE_DEG, 3), random.normal(0, POSE_MM, 3))
    residue = posed(random.normal(0, RESIDUE_DEG, 3), random.normal(0, RESIDUE_MM, 3))
    grid = grid_over(patient_from_body, SPACINGS_MM[random.integers(len(SPACINGS_MM))])
    order = sorted(bodies, key=lambda body: names[body.key])
    return Exam(
        masks={
            names[body.key]: Segment(mask=rasterised(body, patient_from_body, grid, random), grid=grid)
            for body in order
        },
        continued={
            names[body.key]: frozenset(before[old.key] for old in sources.get(body.key, [body]) if old.key in before)
            for body in order
        },
        happened=frozenset(
            (kind, frozenset(before[body.key] for body in old), frozenset(names[body.key] for body in new))
            for kind, old, new in happened
        ),
        seen_from_body=patient_from_body @ residue,
    )


def posed(turn_deg: FloatArray, shift_mm: FloatArray) -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(turn_deg)).as_matrix()
    matrix[:3, 3] = shift_mm
    return Rigid(matrix)


def grid_over(patient_from_body: Rigid, spacing_mm: tuple[float, float, float]) -> Grid:
    """A grid over all sites and the largest lesion at each, wherever the patient lies."""
    margin = 2 * RADIUS_MM[1]
    corners = np.array(list(product(*[(low - margin, high + margin) for low, high in SITES_MM])))
    points = patient_from_body.apply(corners)
    low, high = points.min(axis=0), points.max(axis=0)
    shape = np.ceil((high - low)[::-1] / spacing_mm).astype(int) + 1
    x, y, z = low.tolist()
    return Grid.from_spacing((int(shape[0]), int(shape[1]), int(shape[2])), spacing_mm, origin_mm=(x, y, z))


def rasterised(body: Body, patient_from_body: Rigid, grid: Grid, random: np.random.Generator) -> BoolArray:
    """Voxel centres inside, with a hand's outline."""
    mask = np.zeros(grid.shape, dtype=bool)
    loose = float(1 + random.normal(0, OUTLINE))
    for ball in body.balls:
        radius = loose * ball.radius_mm
        middle = grid.indices(patient_from_body.apply([ball.centre]))[0]
        reach = radius / np.array(grid.spacing_mm) + 1
        low = np.clip(np.floor(middle - reach), 0, grid.shape).astype(int)
        high = np.clip(np.ceil(middle + reach) + 1, low, grid.shape).astype(int)
        steps = [(np.arange(a, b) - m) * mm for a, b, m, mm in zip(low, high, middle, grid.spacing_mm, strict=True)]
        away = sum(np.square(step) for step in np.meshgrid(*steps, indexing="ij"))
        mask[tuple(map(slice, low, high))] |= away < radius**2
    return mask
