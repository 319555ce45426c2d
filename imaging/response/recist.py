"""RECIST 1.1: categories from the sum of diameters of target lesions.

Comparisons are inclusive and exact on the figures as given; percentages are rounded only where they are shown.
Sizes are those of accepted measurements: the longest in-plane diameter of a lesion, the short axis of a lymph node,
0 where it is gone, ``TOO_SMALL_MM`` where it is seen but too small to measure, None where it was not measured.

Source: Eisenhauer et al., Eur J Cancer 2009;45:228–247, and the EORTC's clarifications. The rules were taken from
summaries of it; the paper's own text could not be read when this was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from imaging.errors import UsageError
from imaging.response.exact import Size, exact, exact_sum
from imaging.response.response import Category, Response

__all__ = ["CRITERION", "SOURCE", "TOO_SMALL_MM", "Target", "target_response"]

CRITERION = "RECIST 1.1"
SOURCE = "Eisenhauer 2009, Eur J Cancer 45:228–247"
PARTIAL = Fraction(70, 100)  # of the baseline sum, or less
PROGRESSION = Fraction(120, 100)  # of the smallest sum, or more
PROGRESSION_MM = 5  # and as much larger, or more
NORMAL_NODE_MM = 10  # short axis; below it a node is no disease
MAX_TARGETS, MAX_TARGETS_PER_ORGAN = 5, 2
LYMPH_NODES = "the lymph nodes"
TOO_SMALL_MM = 5.0  # what is seen but cannot be measured counts as this


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target lesion at one timepoint.

    Parameters
    ----------
    lesion
        The lesion's id, the same at every timepoint.
    size_mm
        Longest diameter, or short axis of a node; 0 gone, None not measured.
    node
        Whether it is a lymph node.
    organ
        Where it is, for the limit of two an organ; empty where not told. The skeleton usually counts as one, and all
        lymph nodes do.
    pieces_mm
        The longest diameters of the pieces into which it has split, in place of ``size_mm``: their sum counts.
    merged_into
        The target with which it has coalesced, without a plane between them: the diameter of the whole is that one's
        size, and this one adds nothing to the sum. It is gone when the whole is.

    Examples
    --------
    >>> Target(lesion="L1", pieces_mm=(12.1, 8.2)).counted_mm == exact(20.3)
    True
    """

    lesion: str
    size_mm: Size | None = None
    node: bool = False
    organ: str = ""
    pieces_mm: tuple[Size, ...] = ()
    merged_into: str | None = None

    def __post_init__(self) -> None:
        if (self.size_mm is not None) + bool(self.pieces_mm) + (self.merged_into is not None) > 1:
            raise UsageError(f"{self.lesion} is one lesion, in pieces, or part of another: one of the three")

    @property
    def counted_mm(self) -> Fraction | None:
        """What it adds to the sum."""
        if self.merged_into is not None:
            return Fraction(0)
        if self.pieces_mm:
            return exact_sum(self.pieces_mm)
        return None if self.size_mm is None else exact(self.size_mm)

    @property
    def place(self) -> str:
        """The organ that it counts for."""
        return LYMPH_NODES if self.node else self.organ


def target_response(
    *, baseline: Sequence[Target], current: Sequence[Target], earlier: Sequence[Sequence[Target]] = ()
) -> Response:
    """The category of the target lesions at one timepoint.

    Complete when every target is gone and every target node is normal; progression when the sum is 20 % and 5 mm above
    the smallest sum so far, the baseline's included; partial response when it is 30 % below the baseline; else stable.
    Progression goes before partial response. A target that was not measured makes it not evaluable, unless what was
    measured already is progression. With more than five targets, or more than two of an organ, the sum is not that of
    RECIST, and it is not evaluable at all.

    Parameters
    ----------
    baseline
        The targets as they were chosen, all measured.
    current
        The same lesions now; one that is left out was not measured.
    earlier
        The timepoints between, in any order; incomplete ones give no nadir.

    Raises
    ------
    UsageError
        If a lesion occurs twice or was no target at baseline, or a size is negative.

    Examples
    --------
    >>> def at(*sizes):
    ...     return [Target(lesion=f"L{i}", size_mm=size) for i, size in enumerate(sizes)]
    >>> target_response(baseline=at(60.0, 40.0), current=at(40.0, 30.0)).category
    <Category.PR: 'PR'>
    >>> response = target_response(baseline=at(100.0), earlier=[at(50.0)], current=at(61.0))
    >>> response.category, response.reasons[0]
    (<Category.PD: 'PD'>, 'sum 61.0 mm is +22.00 % (+11.0 mm) against the nadir of 50.0 mm')
    """
    _require_same_lesions(baseline, (*earlier, current))
    sums = _sums(baseline, earlier, current)
    too_many = tuple(_too_many(baseline))
    category, reason = _target_category(sums, current)
    return Response(
        criterion=CRITERION,
        category=Category.NE if too_many else category,
        scope="target lesions",
        reasons=too_many or (reason,),
        inputs={
            "sum_mm": float(sums.now) if sums.complete else None,
            "baseline_mm": None if sums.baseline is None else float(sums.baseline),
            "nadir_mm": None if sums.nadir is None else float(sums.nadir),
            "sizes_mm": {target.lesion: _plain(target.counted_mm) for target in current},
        },
        source=SOURCE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Of the diameters: at baseline, the smallest so far, and now (of what was measured, and whether that is all)."""

    baseline: Fraction | None
    nadir: Fraction | None
    now: Fraction
    complete: bool


def _sums(baseline: Sequence[Target], earlier: Sequence[Sequence[Target]], current: Sequence[Target]) -> _Sums:
    start = _sum(baseline, len(baseline))
    known = [total for visit in earlier if (total := _sum(visit, len(baseline))) is not None]
    sizes = [size for target in current if (size := target.counted_mm) is not None]
    return _Sums(
        baseline=start,
        nadir=None if start is None else min([start, *known]),
        now=sum(sizes, Fraction(0)),
        complete=len(sizes) == len(baseline),
    )


def _sum(targets: Sequence[Target], expected: int) -> Fraction | None:
    """Sum of the sizes; None unless all were measured."""
    return exact_sum(target.counted_mm for target in targets) if len(targets) == expected else None


def _target_category(sums: _Sums, current: Sequence[Target]) -> tuple[Category, str]:
    """The rules in the order in which they hold."""
    if not sums.baseline or sums.nadir is None:
        return Category.NE, "there is no target lesion with a known size at baseline"
    if sums.complete and all(_gone(target) for target in current):
        return Category.CR, "every target lesion is gone and every target node is below 10 mm"
    total = f"{'sum' if sums.complete else 'sum of what was measured'} {float(sums.now):.1f} mm"
    to_nadir = f"{_difference(sums.now, sums.nadir)} against the nadir of {float(sums.nadir):.1f} mm"
    to_baseline = f"{_difference(sums.now, sums.baseline)} against the baseline of {float(sums.baseline):.1f} mm"
    if sums.now >= sums.nadir * PROGRESSION and sums.now - sums.nadir >= PROGRESSION_MM:
        return Category.PD, f"{total} is {to_nadir}"
    if not sums.complete:
        return Category.NE, f"not every target lesion was measured, and the {total} is no progression"
    if sums.now <= sums.baseline * PARTIAL:
        return Category.PR, f"{total} is {to_baseline}"
    return Category.SD, f"{total} is {to_baseline} and {to_nadir}"


def _gone(target: Target) -> bool:
    size = target.counted_mm
    return size is not None and (size < NORMAL_NODE_MM if target.node else size == 0)


def _difference(now: Fraction, then: Fraction) -> str:
    millimetres = _signed(float(now - then), 1)
    if then == 0:
        return f"{millimetres} mm"
    return f"{_signed(float(100 * (now / then - 1)), 2)} % ({millimetres} mm)"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")


def _require_same_lesions(baseline: Sequence[Target], visits: Sequence[Sequence[Target]]) -> None:
    chosen = {target.lesion: target.node for target in baseline}
    if any(target.merged_into is not None for target in baseline):
        raise UsageError("at baseline nothing has merged yet: choose the whole as one target")
    for visit in (baseline, *visits):
        whole = {target.lesion for target in visit if target.merged_into is None}
        twice = [lesion for lesion, count in Counter(target.lesion for target in visit).items() if count > 1]
        strange = [target.lesion for target in visit if chosen.get(target.lesion) is not target.node]
        if twice or strange:
            raise UsageError(
                f"target lesions are chosen once, at baseline, each as a node or not; {', '.join(twice + strange)} "
                "occurs twice, was not chosen or has become the other"
            )
        if any(target.merged_into not in (None, *whole) for target in visit):
            raise UsageError("a lesion merges into another target of the same exam, which stands for the whole")


def _plain(size: Fraction | None) -> float | None:
    return None if size is None else float(size)


def _too_many(baseline: Sequence[Target]) -> Iterator[str]:
    if len(baseline) > MAX_TARGETS:
        yield f"{len(baseline)} target lesions, but {CRITERION} takes {MAX_TARGETS} at most; a reader chooses"
    for organ, count in Counter(target.place for target in baseline if target.place).items():
        if count > MAX_TARGETS_PER_ORGAN:
            most = f"{CRITERION} takes {MAX_TARGETS_PER_ORGAN} an organ at most"
            yield f"{count} target lesions in {organ}, but {most}; a reader chooses"
